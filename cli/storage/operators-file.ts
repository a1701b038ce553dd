import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { nameSchema, validItems } from '../../src/protocol/messages.ts'
import { roomNameSchema } from '../../src/protocol/rooms.ts'
import { makePrivateFolder } from './data-folder.ts'
import { readFileText } from './files/open-file.ts'
import { writeFileAtomically } from './files/write-file-atomically.ts'
import { withFileLock } from './locks/file-lock.ts'

export const OPERATORS_FILE_NAME = 'operators.json'
/** Most rooms, and operators of a room: a server could send any number. */
const MAX_ROOMS = 1_000
const MAX_OPERATORS = 1_000
const MAX_BYTES = 4 << 20

const fileSchema = validItems(z.tuple([roomNameSchema, z.array(nameSchema).max(MAX_OPERATORS)]), MAX_ROOMS)

/**
 * The operators of a user's rooms in a mesh, as servers told them last: `operators.json`, a list of room and names, latest last.
 * What they have deleted stays deleted without a server. A damaged file counts as empty, and the next change replaces it.
 */
export class OperatorsFile {
  readonly #file: string
  #known: Map<string, readonly string[]> | undefined

  constructor(file: string) {
    this.#file = file
  }

  /** @param folder the user's folder in the mesh */
  static in(folder: string): OperatorsFile {
    return new OperatorsFile(join(folder, OPERATORS_FILE_NAME))
  }

  /** The operators of a room, as known last. */
  of(room: string): readonly string[] {
    this.#known ??= this.#read()
    return this.#known.get(room) ?? []
  }

  isOperator(room: string, user: string): boolean {
    return this.of(room).includes(user)
  }

  /** Keeps the operators of a room. If the file cannot be written, only this process knows them. */
  store(room: string, names: readonly string[]): void {
    const operators = names.slice(0, MAX_OPERATORS)
    const known = this.of(room)
    if (operators.length === known.length && operators.every((name, at) => name === known[at])) return
    this.#known?.set(room, operators)
    try {
      this.#write(new Map([[room, operators]]))
    } catch {
      // The server tells them again.
    }
  }

  /** Takes over the rooms of another file that this one does not have, and removes it. */
  import(file: string): void {
    const own = this.#read()
    const added = [...new OperatorsFile(file).#read()].filter(([room]) => !own.has(room))
    if (added.length > 0) this.#write(new Map(added))
    rmSync(file, { force: true })
  }

  #write(changed: ReadonlyMap<string, readonly string[]>): void {
    makePrivateFolder(dirname(this.#file))
    withFileLock(`${this.#file}.lock`, () => {
      const stored = this.#read()
      for (const [room, operators] of changed) {
        stored.delete(room)
        if (operators.length > 0) stored.set(room, operators)
      }
      writeFileAtomically(this.#file, JSON.stringify([...stored].slice(-MAX_ROOMS)), { durable: false })
      this.#known = stored
    })
  }

  #read(): Map<string, readonly string[]> {
    try {
      return new Map(fileSchema.parse(JSON.parse(readFileText(this.#file, MAX_BYTES))))
    } catch {
      return new Map()
    }
  }
}
