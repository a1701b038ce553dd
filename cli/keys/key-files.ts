import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, linkSync, renameSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { dataFolder, makePrivateFolder } from '../storage/data-folder.ts'
import { namesIn } from '../storage/files/import-lines.ts'
import { readFileText } from '../storage/files/open-file.ts'
import { writeFileAtomically } from '../storage/files/write-file-atomically.ts'
import { encodeFileName } from '../storage/user-folder.ts'

const MAX_KEY_FILE_BYTES = 1 << 16

/** A key file cannot be used; the message says how to fix it. */
export class KeyError extends Error {}

/** A user's private key, as a file in the data folder. A user has one key for all meshes. */
export class KeyFiles {
  readonly #user: string
  /** The user's private key, as PEM. */
  readonly keyFile: string

  constructor(user: string) {
    this.#user = user
    this.keyFile = findLegacyFile(user) ?? join(dataFolder(), 'identities', `${encodeFileName(user)}.key`)
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
    return parseKey(readFileText(this.keyFile, MAX_KEY_FILE_BYTES), this.keyFile)
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

  /**
   * Writes the key: it is safe on disk before it is used.
   * @param place moves the written file to its name: `linkSync` keeps an existing file, `renameSync` replaces it
   */
  #write(key: KeyObject, place: (from: string, to: string) => void): void {
    makePrivateFolder(dirname(this.keyFile))
    try {
      writeFileAtomically(this.keyFile, `${key.export({ format: 'pem', type: 'pkcs8' })}`, { place })
    } catch (error) {
      // Another process of this user has just created the key.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
}

/** The key file of 0.1, `NAME.key`, if it exists. It stays in its place: copies and backups of it are current. */
function findLegacyFile(user: string): string | undefined {
  const folder = dataFolder()
  const name = `${encodeURIComponent(user)}.key`
  // Compares the exact name: the file system may ignore case.
  return namesIn(folder).includes(name) ? join(folder, name) : undefined
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
