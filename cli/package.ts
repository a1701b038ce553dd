import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'

/** The package's folder: above this file's, or one or two higher where this runs compiled, and bundled. */
const folder = ['../', '../../', '../../../']
  .map(up => new URL(up, import.meta.url))
  .find(url => existsSync(new URL('package.json', url)))

/** A file of this package, wherever it is installed. */
export function packageFile(path: string): string {
  return fileURLToPath(new URL(path, folder))
}

/** The version of this package. */
export const VERSION = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(packageFile('package.json'), 'utf8'))).version
