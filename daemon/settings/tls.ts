import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { ConfigError, type TlsFiles } from '../../src/programs/config.ts'

/** What a TLS server and its links need, as PEM. */
export interface TlsMaterial {
  cert: string
  key: string
  /** Who vouches for the peers; absent, those whom Node trusts. */
  ca?: string
}

/**
 * Reads certificate, key and authority, and checks that they can be used.
 * @throws ConfigError
 */
export function readTls(files: TlsFiles): TlsMaterial {
  const read = (field: keyof TlsFiles, file: string) => {
    try {
      return readFileSync(file, 'utf8')
    } catch (error) {
      throw new ConfigError(`tls.${field}: cannot read ${file}: ${(error as Error).message}`)
    }
  }
  const material: TlsMaterial = { cert: read('cert', files.cert), key: read('key', files.key) }
  if (files.ca !== undefined) material.ca = read('ca', files.ca)
  try {
    createSecureContext(material)
  } catch (error) {
    throw new ConfigError(`tls: ${files.cert} and ${files.key} cannot be used together: ${(error as Error).message}`)
  }
  return material
}
