import { rmSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { nameSchema } from '../../src/protocol/messages.ts'
import { keySchema } from '../../src/protocol/proofs/credentials.ts'
import { AppendFile } from './files/append-file.ts'
import { readLines } from './files/read-lines.ts'

const lineSchema = z.object({ user: nameSchema, key: keySchema })

/** The public keys that a user knows in a mesh: an append-only file of JSON lines. */
export class KnownKeysFile {
  readonly #file: AppendFile

  constructor(file: string) {
    this.#file = new AppendFile(file)
  }

  /** @param folder the user's folder in the mesh */
  static in(folder: string): KnownKeysFile {
    return new KnownKeysFile(join(folder, 'known-keys.jsonl'))
  }

  /**
   * The keys by user name; the last entry of a user counts.
   * @throws Error if the file exists and cannot be read
   */
  read(): Map<string, string> {
    const known = new Map<string, string>()
    for (const line of this.#lines()) {
      try {
        const { user, key } = lineSchema.parse(JSON.parse(line))
        known.set(user, key)
      } catch {
        // An empty line, or one cut off by a crash.
      }
    }
    return known
  }

  /**
   * Records the public key of a user: it is safe on disk when this returns.
   * @throws Error if that is not possible now; the next `pin` or `save` tries again
   */
  pin(user: string, key: string): void {
    this.#file.append(JSON.stringify({ user, key, since: new Date().toISOString() }))
    this.#file.saveNow()
  }

  /** Saves the keys that `pin` could not save. */
  save(): Promise<void> {
    return this.#file.save()
  }

  /** Takes over the keys of users that are not known yet from another file, and removes it. */
  import(file: string): void {
    const known = this.read()
    for (const [user, key] of new KnownKeysFile(file).read()) if (!known.has(user)) this.pin(user, key)
    rmSync(file, { force: true })
  }

  *#lines(): Generator<string> {
    try {
      yield* readLines(this.#file.path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      throw error
    }
  }
}
