/** Files of the installed package, and its version. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'

/**
 * The package's folder. This module runs from the sources (`src/programs`), compiled (`dist/src/programs`) or bundled
 * (`dist/cli`, `dist/cli/chunks`), so its distance from `package.json` varies.
 */
const packageRoot = ['../', '../../', '../../../']
  .map(up => new URL(up, import.meta.url))
  .find(url => existsSync(new URL('package.json', url)))

/** The absolute path of a file of this package. */
export function packageFile(path: string): string {
  return fileURLToPath(new URL(path, packageRoot))
}

/** The version of this package. */
export const VERSION = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(packageFile('package.json'), 'utf8'))).version
