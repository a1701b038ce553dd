import { readFileSync, statSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { ConfigError, type TlsFiles } from '../../src/programs/config.ts'

/** Certificate, key and CA of a TLS server and its links, as PEM. */
export interface TlsMaterial {
  cert: string
  key: string
  /** The CA that signs the peers' certificates; default: the CAs that Node trusts. */
  ca?: string
}

/**
 * Reads certificate, key and CA, and checks that Node can use them.
 * @throws ConfigError
 */
export function readTls(files: TlsFiles): TlsMaterial {
  const read = (field: keyof TlsFiles, file: string) => {
    try {
      return readFileSync(file, 'utf8')
    } catch (error) {
      throw new ConfigError(
        `tls.${field}: cannot read ${file} (${(error as Error).message}); correct the path or the permissions`,
      )
    }
  }
  const material: TlsMaterial = { cert: read('cert', files.cert), key: read('key', files.key) }
  if (files.ca !== undefined) material.ca = read('ca', files.ca)
  try {
    createSecureContext(material)
  } catch (error) {
    const { message } = error as Error
    throw new ConfigError(`tls: ${files.cert} and ${files.key} cannot be used (${message}); give a matching PEM pair`)
  }
  return material
}

/** Log warnings about a private key that every user of this machine can read. A group may be meant to. */
export function tlsWarnings({ key }: TlsFiles): string[] {
  if ((statSync(key).mode & 0o007) === 0) return []
  return [`${key}, the private key of TLS, is accessible to all users of this machine; fix it with: chmod 600 ${key}`]
}
