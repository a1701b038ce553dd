import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Config, loadConfig } from '../src/config.ts'

/** The config named, else `config.json` in the working folder, else the one that the package ships. */
export function readConfig(named: string | undefined): Config {
  const shipped = fileURLToPath(new URL('../../config.json', import.meta.url))
  return loadConfig(named, [resolve('config.json'), shipped], file =>
    existsSync(file) || file === named ? readFileSync(file, 'utf8') : undefined,
  )
}
