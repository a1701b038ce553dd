import { fileURLToPath } from 'node:url'
import { defineConfig } from 'rolldown'

const STRING_WIDTH = fileURLToPath(new URL('../cli/terminal/string-width.ts', import.meta.url))

/**
 * The client as a few files instead of some 700 modules: reading those was most of the time until its first frame
 * (`npm run bench -- screen`: 1.2 s without this, 0.6 s with it, 0.5 s minified).
 */
export default defineConfig({
  input: { main: 'cli/main.ts', start: 'cli/start.ts' },
  platform: 'node',
  // Native helpers that nobody installs, and the tools that Ink imports only when it is developed.
  external: ['bufferutil', 'utf-8-validate', 'react-devtools-core'],
  transform: { define: { 'process.env.NODE_ENV': '"production"' } },
  plugins: [
    {
      name: 'string-width',
      // Ink and what it stands on get ours, which asks the general one where it has to.
      resolveId: (id, importer) => (id === 'string-width' && importer !== STRING_WIDTH ? STRING_WIDTH : undefined),
    },
  ],
  output: { dir: 'dist/cli', chunkFileNames: 'chunks/[name].js', sourcemap: true, minify: true },
})
