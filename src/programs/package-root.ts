import { existsSync } from 'node:fs'

/**
 * The package's folder. This module runs from the sources (`src/programs`), compiled (`dist/src/programs`) or bundled
 * (`dist/cli`, `dist/cli/chunks`), so its distance from `package.json` varies.
 */
export const packageRoot = ['../', '../../', '../../../']
  .map(up => new URL(up, import.meta.url))
  .find(url => existsSync(new URL('package.json', url)))
