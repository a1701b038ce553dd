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

/** A key file that cannot be used; the message says how to mend it. */
export class KeyError extends Error {}

/** A user's own key, and the keys of the users that they have met, in the data folder. */
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
   * The user's private key, made when there is none.
   * @throws KeyError
   */
  load(): KeyObject {
    if (!this.hasKey) this.#write(generateKeyPairSync('ed25519').privateKey, linkSync)
    if ((statSync(this.keyFile).mode & 0o077) !== 0) {
      throw new KeyError(
        `${this.keyFile}: others can read the key of ${this.#user}; mend it with: chmod 600 ${this.keyFile}`,
      )
    }
    return parseKey(readFileSync(this.keyFile, 'utf8'), this.keyFile)
  }

  /**
   * Takes a key from another machine.
   * @throws KeyError where there is another already, unless it is to be replaced
   */
  import(pem: string, replace: boolean): KeyObject {
    const key = parseKey(pem, 'what was given')
    if (this.hasKey && !replace && this.load().export({ format: 'jwk' }).x !== key.export({ format: 'jwk' }).x) {
      throw new KeyError(`${this.#user} has another key here already; --replace takes its place, for good`)
    }
    this.#write(key, renameSync)
    return key
  }

  /** Whose key is whose, as far as this user has met them; the last word counts. */
  knownKeys(): Map<string, string> {
    const known = new Map<string, string>()
    if (!existsSync(this.#knownKeysFile)) return known
    for (const line of readFileSync(this.#knownKeysFile, 'utf8').split('\n')) {
      try {
        const { user, key } = knownSchema.parse(JSON.parse(line))
        known.set(user, key)
      } catch {
        // An empty line, or one that a crash has torn.
      }
    }
    return known
  }

  pin(user: string, key: string): void {
    const line = JSON.stringify({ user, key, since: new Date().toISOString() })
    // A line that a crash has torn may stand before: it must not take this one with it.
    appendFileSync(this.#knownKeysFile, `\n${line}\n`, { mode: 0o600 })
  }

  /**
   * Writes the key whole, for its owner only, wherever the name pointed before.
   * @param place gives the written file its name: `linkSync` where there is none, `renameSync` in place of another
   */
  #write(key: KeyObject, place: (from: string, to: string) => void): void {
    const temporary = `${this.keyFile}.${randomBytes(8).toString('hex')}`
    try {
      writeFileSync(temporary, key.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600, flag: 'wx' })
      place(temporary, this.keyFile)
    } catch (error) {
      // Another program of this user made it a moment ago.
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
    // Said below.
  }
  throw new KeyError(`${where} is no Ed25519 private key in PEM`)
}
