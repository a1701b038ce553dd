import { randomBytes } from 'node:crypto'
import { readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import type { HeldMessage } from '../../src/client/history/message-log.ts'
import { messageSchema } from '../../src/protocol/messages.ts'
import { makePrivateFolder } from '../storage/data-folder.ts'
import { AppendFile } from '../storage/files/append-file.ts'
import { readLines } from '../storage/files/read-lines.ts'
import { ClientLock, isLockHeld, lockState } from '../storage/locks/client-lock.ts'
import { mayHaveWritten } from '../storage/locks/process-identity.ts'

/** A held message, with `sealed` and `provisional` (see `HeldMessage`), or the id of one that is not held any more. */
const lineSchema = z.union([
  z.object({ held: messageSchema, sealed: z.string().optional(), provisional: z.literal(true).optional() }),
  z.object({ released: z.string() }),
])
/** `outbox-CLIENT.jsonl`; with a number, a file that the client has taken over. CLIENT starts with a letter. */
const FILE_NAME = /^outbox-(x[0-9a-f]+)(?:-\d+)?\.jsonl$/
/** The names before 0.2: with the process id of the owner. */
const PID_FILE_NAME = /^outbox-(\d+)(?:-[a-z0-9]+)?\.jsonl$/

export interface OutboxOptions {
  /** Folders whose outboxes are taken over too: those of meshes that turned out to be this one. */
  merged?: readonly string[]
  /** See `AppendFile`. */
  durable?: boolean | undefined
}

/** A file of this client, and the ids of the messages that it holds. */
interface Part {
  readonly file: AppendFile
  readonly ids: Set<string>
}

/**
 * The user's unconfirmed messages, on disk. Each client writes its own file, with a random name, and has a lock (see
 * `ClientLock`). The files of clients that have ended are taken over by renaming them: that needs no space, exactly one
 * client gets each file, and a crash at any point leaves the file to the next one. A file is removed when none of
 * its messages is held any more. If a client that runs loses its file to another one, both send its messages, and their
 * recipients count each once.
 */
export class OutboxFile {
  readonly #folder: string
  readonly #merged: readonly string[]
  readonly #durable: boolean | undefined
  readonly #id = `x${randomBytes(8).toString('hex')}`
  #lock: ClientLock | undefined
  readonly #own: Part
  /** The own file, then those that were taken over. */
  #parts: Part[]
  #takenOver = 0
  #held = new Map<string, HeldMessage>()
  #problem: Error | undefined
  #isClosed = false

  /** @param folder the user's folder in a mesh */
  constructor(folder: string, { merged = [], durable }: OutboxOptions = {}) {
    this.#folder = folder
    this.#merged = merged
    this.#durable = durable
    this.#own = { file: this.#fileNamed(`outbox-${this.#id}.jsonl`), ids: new Set() }
    this.#parts = [this.#own]
    for (const [from, name] of this.#otherFiles()) if (isOutboxFree(from, name)) this.#takeOver(from, name)
  }

  get held(): HeldMessage[] {
    return [...this.#held.values()]
  }

  /** The files to save, see `AppendFile`. */
  get files(): AppendFile[] {
    return this.#parts.map(({ file }) => file)
  }

  /** Why a file could not be taken over; it stays and is tried again. Undefined: all could. */
  get problem(): Error | undefined {
    return this.#problem
  }

  /** Takes over the files of clients that have ended. Returns the messages that this adds. */
  async adopt(): Promise<HeldMessage[]> {
    this.#problem = undefined
    const added: HeldMessage[] = []
    for (const [from, name] of this.#otherFiles()) {
      const state = ownerState(from, name)
      const isFree = state === 'ask' ? !(await isLockHeld(from, lockName(name))) : state === 'free'
      // Closed in the meantime: the next client takes it over.
      if (this.#isClosed) break
      if (isFree) added.push(...this.#takeOver(from, name))
    }
    return added
  }

  /** Holds a message; replaces an earlier one with the same id. */
  hold(message: HeldMessage): void {
    const { sealed, provisional, ...held } = message
    this.#held.set(message.id, message)
    this.#own.ids.add(message.id)
    this.#own.file.append(JSON.stringify({ held, sealed, provisional }))
  }

  release(id: string): void {
    if (!this.#held.delete(id)) return
    for (const { file, ids } of this.#parts) {
      if (!ids.delete(id)) continue
      if (ids.size > 0) file.append(JSON.stringify({ released: id }))
      // The own file is used again for the next message: creating it would cost another sync.
      else if (file === this.#own.file) file.clear()
      else file.remove()
    }
    this.#parts = this.#parts.filter(part => part === this.#own || part.ids.size > 0)
  }

  /** Leaves what is still held to the user's next client. The caller has saved the files. */
  close(): void {
    this.#isClosed = true
    if (this.#own.ids.size === 0) this.#own.file.remove()
    this.#lock?.release()
    this.#lock = undefined
  }

  #fileNamed(name: string): AppendFile {
    return new AppendFile(join(this.#folder, name), { prepare: () => this.#takeLock(), durable: this.#durable })
  }

  #takeLock(): void {
    this.#lock ??= ClientLock.take(this.#folder, lockName(`outbox-${this.#id}.jsonl`))
  }

  /** The outboxes that are not of this client, as folder and name. */
  #otherFiles(): [folder: string, name: string][] {
    return [this.#folder, ...this.#merged].flatMap(folder =>
      filesIn(folder)
        .filter(name => FILE_NAME.exec(name)?.[1] !== this.#id)
        .map((name): [string, string] => [folder, name]),
    )
  }

  /** Returns the messages that were not held before. If the file cannot be read or renamed, it stays. */
  #takeOver(from: string, name: string): HeldMessage[] {
    const path = join(from, name)
    try {
      const messages = readHeld(path)
      if (messages.size === 0) rmSync(path, { force: true })
      else {
        makePrivateFolder(this.#folder)
        this.#takeLock()
        const file = this.#fileNamed(`outbox-${this.#id}-${++this.#takenOver}.jsonl`)
        renameSync(path, file.path)
        this.#parts.push({ file, ids: new Set(messages.keys()) })
      }
      if (FILE_NAME.test(name)) removeLock(join(from, lockName(name)))
      const added = [...messages.values()].filter(({ id }) => !this.#held.has(id))
      for (const message of messages.values()) {
        const other = this.#held.get(message.id)
        if (other === undefined || isLater(message, other)) this.#held.set(message.id, message)
      }
      return added
    } catch (error) {
      // Another client was faster, if the file is not there.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#problem = error as Error
      return []
    }
  }
}

/**
 * Whether a line of a message is later than one in another file: the mark `provisional` is only ever removed, and a new
 * time is an earlier one.
 */
function isLater(one: HeldMessage, other: HeldMessage): boolean {
  if (one.provisional !== other.provisional) return one.provisional === undefined
  return one.at < other.at
}

/** Whether a file is an outbox, by its name. */
export function isOutboxName(name: string): boolean {
  return FILE_NAME.test(name) || PID_FILE_NAME.test(name)
}

/** Whether the owner of an outbox has certainly ended. */
export function isOutboxFree(folder: string, name: string): boolean {
  return ownerState(folder, name) === 'free'
}

function lockName(fileName: string): string {
  return `outbox-${FILE_NAME.exec(fileName)?.[1]}.lock`
}

/** Whether the client that owns a file runs; see `lockState`. */
function ownerState(folder: string, name: string): ReturnType<typeof lockState> {
  const pid = Number(PID_FILE_NAME.exec(name)?.[1])
  if (!Number.isInteger(pid)) return lockState(folder, lockName(name))
  try {
    return pid !== process.pid && mayHaveWritten(pid, statSync(join(folder, name)).mtimeMs) ? 'held' : 'free'
  } catch {
    return 'held'
  }
}

/** The messages that a file holds. */
function readHeld(file: string): Map<string, HeldMessage> {
  const messages = new Map<string, HeldMessage>()
  for (const line of readLines(file)) {
    let raw: unknown
    try {
      raw = JSON.parse(line)
    } catch {
      continue
    }
    const parsed = lineSchema.safeParse(raw)
    if (!parsed.success) continue
    if ('released' in parsed.data) messages.delete(parsed.data.released)
    else {
      const { held, sealed, provisional } = parsed.data
      messages.set(held.id, {
        ...held,
        ...(sealed === undefined ? {} : { sealed }),
        ...(provisional === undefined ? {} : { provisional }),
      })
    }
  }
  return messages
}

function removeLock(path: string): void {
  try {
    rmSync(path, { force: true, recursive: true })
  } catch {
    // It belongs to no outbox any more.
  }
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter(isOutboxName)
  } catch {
    // The user has no files in this mesh yet.
    return []
  }
}
