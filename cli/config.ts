import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Config, loadConfig } from '../src/config.ts'
import { packageFile } from './package.ts'

const read = (named: string | undefined) => (file: string) =>
  existsSync(file) || file === named ? readFileSync(file, 'utf8') : undefined

/** The config named, else `config.json` in the working folder, else the one that the package ships. */
export function readConfig(named: string | undefined): Config {
  return loadConfig(named, [resolve('config.json'), packageFile('config.json')], read(named))
}

/** The config of the working folder, if there is a good one. */
export function configHere(): Config | undefined {
  try {
    return loadConfig(undefined, [resolve('config.json')], read(undefined))
  } catch {
    return undefined
  }
}
