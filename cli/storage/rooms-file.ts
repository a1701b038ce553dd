import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type RoomEntry, RoomList, roomEntrySchema } from '../../src/client/rooms/room-list.ts'
import { validItems } from '../../src/protocol/messages.ts'
import { makePrivateFolder } from './data-folder.ts'
import { readFileText } from './files/open-file.ts'
import { writeFileAtomically } from './files/write-file-atomically.ts'
import { withFileLock } from './locks/file-lock.ts'

export const ROOMS_FILE_NAME = 'rooms.json'
/** A list has at most 1,000 rooms of some 150 bytes. */
const MAX_BYTES = 1 << 20
const MAX_ENTRIES = 10_000
/** Not a regular file, or one that is too large. */
const UNUSABLE = ['EFTYPE', 'EFBIG', 'ELOOP']
const fileSchema = validItems(roomEntrySchema, MAX_ENTRIES)

/**
 * The rooms that a user has joined or left in a mesh: `rooms.json`, a list of `RoomEntry`. Several clients of the user may
 * write it: the latest change of each room counts.
 */
export class RoomsFile {
  readonly #file: string
  readonly #durable: boolean
  /** What `store` could not write, by room. */
  readonly #unsaved = new Map<string, RoomEntry>()
  /** The times of the entries that this client has read or stored, by room. */
  readonly #knownTimes = new Map<string, number>()

  constructor(file: string, durable = true) {
    this.#file = file
    this.#durable = durable
  }

  /** @param folder the user's folder in the mesh */
  static in(folder: string, durable?: boolean): RoomsFile {
    return new RoomsFile(join(folder, ROOMS_FILE_NAME), durable)
  }

  /** Why the file cannot be used; undefined: it can, or does not exist. The next change replaces it. */
  get problem(): Error | undefined {
    try {
      this.#parse()
      return undefined
    } catch (error) {
      return new Error(`the list of your rooms is unknown (${(error as Error).message}); join them again`)
    }
  }

  /** The rooms; none if the file cannot be used. Invalid entries are left out. */
  read(): RoomEntry[] {
    try {
      return this.#remember(this.#parse())
    } catch {
      return []
    }
  }

  /**
   * Adds changes of this client: they are safe on disk when this returns.
   * @throws Error if that is not possible now; the next `store` or `save` tries again
   */
  store(entries: readonly RoomEntry[]): void {
    for (const entry of entries) this.#unsaved.set(entry[0], entry)
    if (this.#unsaved.size === 0) return
    makePrivateFolder(dirname(this.#file))
    withFileLock(`${this.#file}.lock`, () => {
      const stored = this.#parseOrReplace()
      const list = new RoomList(stored.filter(entry => !this.#isRedated(entry)))
      for (const entry of this.#unsaved.values()) list.update(entry)
      const content = JSON.stringify(list.entries)
      if (content === JSON.stringify(stored)) return
      writeFileAtomically(this.#file, content, { durable: this.#durable })
    })
    this.#remember([...this.#unsaved.values()])
    this.#unsaved.clear()
  }

  /** Whether this client knows the entry, and has given it an earlier time: that of the file is from a wrong clock. */
  #isRedated([room, , at]: RoomEntry): boolean {
    const changed = this.#unsaved.get(room)
    return changed !== undefined && changed[2] < at && this.#knownTimes.get(room) === at
  }

  #remember(entries: RoomEntry[]): RoomEntry[] {
    for (const [room, , at] of entries) this.#knownTimes.set(room, at)
    return entries
  }

  /** Writes what `store` could not write. */
  save(): void {
    this.store([])
  }

  /** Takes over the rooms of another file, and removes it. */
  import(file: string): void {
    this.store(new RoomsFile(file).read())
    rmSync(file, { force: true })
  }

  /** The rooms; none if the content is of no use. @throws Error if the file cannot be read now */
  #parseOrReplace(): RoomEntry[] {
    try {
      return this.#parse()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === undefined || UNUSABLE.includes(code)) return []
      throw error
    }
  }

  #parse(): RoomEntry[] {
    let text: string
    try {
      text = readFileText(this.#file, MAX_BYTES)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
    const parsed = fileSchema.safeParse(parseJson(text))
    if (!parsed.success) throw new Error(`${this.#file} is damaged`)
    return parsed.data
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
