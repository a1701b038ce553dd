/** Files of the installed package, and its version. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import { packageRoot } from './package-root.ts'

/** The absolute path of a file of this package. */
export function packageFile(path: string): string {
  return fileURLToPath(new URL(path, packageRoot))
}

/** The version of this package. */
export const VERSION = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(packageFile('package.json'), 'utf8'))).version
