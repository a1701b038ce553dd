import { fileURLToPath } from 'node:url'
import { defineConfig } from 'rolldown'
import { changeInk } from './ink-changes.ts'

const STRING_WIDTH = fileURLToPath(new URL('../cli/terminal/string-width.ts', import.meta.url))

/**
 * Bundles the client into a few files. Loading some 700 modules was most of its start time: the first frame came after
 * 1.2 s without bundling, 0.6 s with it, 0.5 s minified (`npm run bench -- screen`).
 */
export default defineConfig({
  input: { main: 'cli/main.ts', start: 'cli/start.ts' },
  platform: 'node',
  // Optional native helpers, and the developer tools that Ink imports only in development mode.
  external: ['bufferutil', 'utf-8-validate', 'react-devtools-core'],
  transform: { define: { 'process.env.NODE_ENV': '"production"' } },
  plugins: [
    {
      name: 'string-width',
      // Replaces string-width in Ink and its dependencies by our faster one, which falls back to string-width itself.
      resolveId: (id, importer) => (id === 'string-width' && importer !== STRING_WIDTH ? STRING_WIDTH : undefined),
    },
    { name: 'ink-changes', transform: changeInk },
  ],
  output: { dir: 'dist/cli', chunkFileNames: 'chunks/[name].js', sourcemap: true, minify: true },
})
