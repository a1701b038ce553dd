import { randomBytes } from 'node:crypto'
import { appendFileSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import type { StoredMessage } from '../../src/client/history/message-log.ts'
import { type Message, messageSchema } from '../../src/protocol/messages.ts'
import { makePrivateFolder } from '../storage/data-folder.ts'
import { isProcessAlive } from '../storage/process-alive.ts'

/** A held message, with its `sealed` text (see `StoredMessage`), or the id of one that is not held any more. */
const lineSchema = z.union([
  z.object({ held: messageSchema, sealed: z.string().optional() }),
  z.object({ released: z.string() }),
])
/** `outbox-PID.jsonl`; with a suffix, a file that the process has taken over and not finished reading. */
const FILE_NAME = /^outbox-(\d+)(?:-[a-z0-9]+)?\.jsonl$/

/**
 * The user's unconfirmed messages, on disk. Each process writes its own file, named by its process id. A process that
 * starts takes over the files of processes that have ended; exactly one process gets each file.
 */
export class OutboxFile {
  readonly #folder: string
  readonly #file: string
  #held = new Map<string, StoredMessage>()

  /** @param folder the user's folder in a mesh */
  constructor(folder: string) {
    this.#folder = folder
    this.#file = join(folder, `outbox-${process.pid}.jsonl`)
    this.#load(this.#file)
    this.adopt()
  }

  get held(): StoredMessage[] {
    return [...this.#held.values()]
  }

  /** Takes over the files of processes that have ended. */
  adopt(): void {
    for (const name of filesIn(this.#folder)) {
      const pid = Number(FILE_NAME.exec(name)?.[1])
      const file = join(this.#folder, name)
      if (file !== this.#file && (pid === process.pid || !isProcessAlive(pid))) this.#takeOver(file)
    }
  }

  hold(message: Message, sealed?: string): void {
    this.#held.set(message.id, sealed === undefined ? message : { ...message, sealed })
    this.#append(message, sealed)
  }

  release(id: string): void {
    if (!this.#held.delete(id)) return
    // An empty outbox needs no file.
    if (this.#held.size === 0) rmSync(this.#file, { force: true })
    else this.#appendLine({ released: id })
  }

  /**
   * Claims a file by renaming it: if two processes try at once, one fails. The claimed file is an outbox of this process
   * until its messages are in the main one, so a crash in between loses none.
   */
  #takeOver(file: string): void {
    const claimed = join(this.#folder, `outbox-${process.pid}-${randomBytes(6).toString('hex')}.jsonl`)
    try {
      renameSync(file, claimed)
    } catch {
      return
    }
    const before = new Set(this.#held.keys())
    this.#load(claimed)
    for (const { sealed, ...message } of this.held) if (!before.has(message.id)) this.#append(message, sealed)
    rmSync(claimed, { force: true })
  }

  #load(file: string): void {
    for (const line of readLines(file)) {
      let raw: unknown
      try {
        raw = JSON.parse(line)
      } catch {
        continue
      }
      const parsed = lineSchema.safeParse(raw)
      if (!parsed.success) continue
      if ('released' in parsed.data) this.#held.delete(parsed.data.released)
      else {
        const { held, sealed } = parsed.data
        this.#held.set(held.id, sealed === undefined ? held : { ...held, sealed })
      }
    }
  }

  #append(held: Message, sealed: string | undefined): void {
    this.#appendLine(sealed === undefined ? { held } : { held, sealed })
  }

  #appendLine(line: z.infer<typeof lineSchema>): void {
    makePrivateFolder(this.#folder)
    appendFileSync(this.#file, `${JSON.stringify(line)}\n`, { mode: 0o600 })
  }
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter(name => FILE_NAME.test(name))
  } catch {
    // The user has no files in this mesh yet.
    return []
  }
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch {
    return []
  }
}
