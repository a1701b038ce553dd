import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import {
  appendFileSync,
  existsSync,
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { keySchema } from '../../src/protocol/credentials.ts'
import { nameSchema } from '../../src/protocol/messages.ts'
import { dataFolder } from '../data-folder.ts'

const knownSchema = z.object({ user: nameSchema, key: keySchema })

/** A key file cannot be used; the message says how to fix it. */
export class KeyError extends Error {}

/** A user's private key and the known public keys of others, as files in the data folder. */
export class KeyFiles {
  readonly #user: string
  /** The user's private key, as PEM. */
  readonly keyFile: string
  readonly #knownKeysFile: string

  constructor(user: string) {
    const folder = dataFolder()
    const name = encodeURIComponent(user)
    this.#user = user
    this.keyFile = join(folder, `${name}.key`)
    this.#knownKeysFile = join(folder, `${name}.known-keys`)
  }

  /** Whether the user has a key. */
  get hasKey(): boolean {
    return existsSync(this.keyFile)
  }

  /**
   * The user's private key; creates it if there is none.
   * @throws KeyError if the file is invalid, or readable by other users
   */
  load(): KeyObject {
    if (!this.hasKey) this.#write(generateKeyPairSync('ed25519').privateKey, linkSync)
    if ((statSync(this.keyFile).mode & 0o077) !== 0) {
      throw new KeyError(
        `other users of this machine can read the key of ${this.#user}; fix it with: chmod 600 ${this.keyFile}`,
      )
    }
    return parseKey(readFileSync(this.keyFile, 'utf8'), this.keyFile)
  }

  /**
   * Stores a key from another machine.
   * @param replace overwrite a different key that is already stored
   * @throws KeyError if the PEM is invalid, or if a different key is stored and `replace` is false
   */
  import(pem: string, replace: boolean): KeyObject {
    const key = parseKey(pem, 'the imported key')
    if (this.hasKey && !replace && this.load().export({ format: 'jwk' }).x !== key.export({ format: 'jwk' }).x) {
      throw new KeyError(
        `${this.#user} already has a different key on this machine; export it, then import again with --replace`,
      )
    }
    this.#write(key, renameSync)
    return key
  }

  /** The known public keys by user name; the last entry of a user counts. */
  knownKeys(): Map<string, string> {
    const known = new Map<string, string>()
    if (!existsSync(this.#knownKeysFile)) return known
    for (const line of readFileSync(this.#knownKeysFile, 'utf8').split('\n')) {
      try {
        const { user, key } = knownSchema.parse(JSON.parse(line))
        known.set(user, key)
      } catch {
        // An empty line, or one cut off by a crash.
      }
    }
    return known
  }

  /** Records the public key of a user. */
  pin(user: string, key: string): void {
    const line = JSON.stringify({ user, key, since: new Date().toISOString() })
    // A crash may have left an incomplete last line: start a new one.
    appendFileSync(this.#knownKeysFile, `\n${line}\n`, { mode: 0o600 })
  }

  /**
   * Writes the key atomically, readable by its owner only. Does not follow a symbolic link at the file's name.
   * @param place moves the written file to its name: `linkSync` keeps an existing file, `renameSync` replaces it
   */
  #write(key: KeyObject, place: (from: string, to: string) => void): void {
    const temporary = `${this.keyFile}.${randomBytes(8).toString('hex')}`
    try {
      writeFileSync(temporary, key.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600, flag: 'wx' })
      place(temporary, this.keyFile)
    } catch (error) {
      // Another process of this user has just created the key.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    } finally {
      rmSync(temporary, { force: true })
    }
  }
}

function parseKey(pem: string, where: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // Reported below.
  }
  throw new KeyError(`${where} is not an Ed25519 private key in PEM; use the output of: mesh-chat identity export`)
}
