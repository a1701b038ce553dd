import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Config, loadConfig } from '../src/config.ts'

/** The config named, its files by their whole paths; unnamed, it is `config.json` in the working folder, else the one that the package ships. */
export function readConfig(named: string | undefined): Config {
  const config = findConfig(named)
  const folder = dirname(resolve(config.file))
  const from = (file: string) => resolve(folder, file)
  const { secretFile, tokenKeyFile, tls } = config
  return {
    ...config,
    secretFile: secretFile === undefined ? undefined : from(secretFile),
    tokenKeyFile: tokenKeyFile === undefined ? undefined : from(tokenKeyFile),
    tls: tls && { cert: from(tls.cert), key: from(tls.key), ca: tls.ca === undefined ? undefined : from(tls.ca) },
  }
}

function findConfig(named: string | undefined): Config {
  const shipped = fileURLToPath(new URL('../../config.json', import.meta.url))
  return loadConfig(named, [resolve('config.json'), shipped], file =>
    existsSync(file) || file === named ? readFileSync(file, 'utf8') : undefined,
  )
}
