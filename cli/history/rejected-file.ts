import { closeSync, fstatSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import type { RejectedMessage } from '../../src/client/history/message-log.ts'
import { messageSchema, refusalSchema } from '../../src/protocol/messages.ts'
import { AppendFile } from '../storage/files/append-file.ts'
import { openToRead } from '../storage/files/open-file.ts'
import { linesBetween, readLines } from '../storage/files/read-lines.ts'
import { writeFileAtomically } from '../storage/files/write-file-atomically.ts'
import { withFileLock } from '../storage/locks/file-lock.ts'

export const REJECTED_FILE_NAME = 'rejected.jsonl'
/** Most rejected messages that are kept, the latest ones. */
const MAX_MESSAGES = 1_000
/** Lines at which the file is written again, with `MAX_MESSAGES` of them. */
const COMPACTED_LINES = 2 * MAX_MESSAGES

/** A message that was rejected, with `sealed` as in `StoredMessage`, and why. */
const lineSchema = z.object({
  rejected: messageSchema,
  sealed: z.string().optional(),
  code: refusalSchema.shape.code,
  reason: z.string(),
})

/**
 * The user's own messages that were rejected, on disk: nobody else has them, and they are not part of the history. A file of
 * JSON lines that all clients of the user write.
 */
export class RejectedFile {
  readonly file: AppendFile
  readonly #user: string
  readonly #durable: boolean
  /** By message id, latest last. */
  readonly #messages = new Map<string, RejectedMessage>()
  /** What is read of the file with this number: bytes and lines. */
  #identity: string | undefined
  #readBytes = 0
  #readLines = 0
  /** Lines that were added since the file was read. */
  #added = 0
  #compactAt = COMPACTED_LINES

  /** @param folder the user's folder in a mesh */
  constructor(folder: string, user: string, durable = true) {
    this.#user = user
    this.#durable = durable
    this.file = openToAppend(folder, durable)
    this.#read()
  }

  /** It is in the file at the end of the turn, and safe after the next save. */
  store(message: RejectedMessage): void {
    if (this.#readLines + this.#added >= this.#compactAt) this.#compact()
    this.file.append(formatLine(message))
    this.#added++
  }

  /** The latest rejected messages, those of the user's other clients too. */
  get messages(): Iterable<RejectedMessage> {
    this.file.flush()
    this.#read()
    return this.#messages.values()
  }

  /** Reads what this client and others have added. A file that cannot be read counts as empty: it is only shown. */
  #read(): void {
    let descriptor: number
    try {
      descriptor = openToRead(this.file.path)
    } catch {
      return this.#forget()
    }
    try {
      const { size, dev, ino } = fstatSync(descriptor)
      const identity = `${dev} ${ino}`
      if (identity !== this.#identity || size < this.#readBytes) this.#forget()
      this.#identity = identity
      const read = (buffer: Buffer, position: number) => readSync(descriptor, buffer, 0, buffer.length, position)
      for (const { bytes, next } of linesBetween(read, this.#readBytes, size)) {
        const message = bytes === undefined ? undefined : parseLine(bytes.toString('utf8'))
        if (message?.from === this.#user) this.#add(message)
        this.#readBytes = next
        this.#readLines++
      }
      this.#added = this.file.unsaved
    } catch {
      this.#forget()
    } finally {
      closeSync(descriptor)
    }
  }

  #add(message: RejectedMessage): void {
    this.#messages.delete(message.id)
    this.#messages.set(message.id, message)
    const [oldest] = this.#messages.keys()
    if (this.#messages.size > MAX_MESSAGES && oldest !== undefined) this.#messages.delete(oldest)
  }

  #forget(): void {
    this.#messages.clear()
    this.#identity = undefined
    this.#readBytes = 0
    this.#readLines = 0
    this.#added = 0
  }

  /** Replaces the file by one with the latest messages only, unless another client has, or lines are being saved. */
  #compact(): void {
    if (this.file.unsaved > 0) return
    const { path } = this.file
    try {
      withFileLock(`${path}.lock`, () => {
        this.#read()
        if (this.#readLines < COMPACTED_LINES) return
        const content = [...this.#messages.values()].map(message => `${formatLine(message)}\n`).join('')
        writeFileAtomically(path, content, { durable: this.#durable })
      })
      this.#read()
      this.#compactAt = COMPACTED_LINES
    } catch {
      // No space, or a read-only folder: the file grows on.
      this.#compactAt += MAX_MESSAGES
    }
  }
}

/** Moves the rejected messages of a file to that of a user's folder. A crash may leave some of them in both. */
export function importRejected(file: string, folder: string): void {
  const target = openToAppend(folder, true)
  for (const line of readLines(file)) if (parseLine(line) !== undefined) target.append(line)
  target.saveNow()
  rmSync(file, { force: true })
}

function openToAppend(folder: string, durable: boolean): AppendFile {
  // With a choice of lines, they are written under the lock: no line is added to a file that is being replaced.
  return new AppendFile(join(folder, REJECTED_FILE_NAME), { durable, selectMissing: lines => lines })
}

function formatLine({ rejection, sealed, ...rejected }: RejectedMessage): string {
  return JSON.stringify({ rejected, sealed, code: rejection.code, reason: rejection.message })
}

/** Parses a line; undefined if it is incomplete or not a rejected message. */
function parseLine(line: string): RejectedMessage | undefined {
  if (!line.startsWith('{"rejected":')) return undefined
  try {
    const parsed = lineSchema.safeParse(JSON.parse(line))
    if (!parsed.success) return undefined
    const { rejected, sealed, code, reason } = parsed.data
    return { ...rejected, ...(sealed === undefined ? {} : { sealed }), rejection: { code, message: reason } }
  } catch {
    return undefined
  }
}
