import { appendFileSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { type Message, messageSchema } from '../../src/protocol/messages.ts'

const lineSchema = z.union([z.object({ held: messageSchema }), z.object({ released: z.string() })])

/**
 * The user's unconfirmed messages, on disk. Each process writes its own file, named by its process id. A process that
 * starts takes over the files of processes that have ended; exactly one process gets each file.
 */
export class OutboxFile {
  readonly #file: string
  #held = new Map<string, Message>()

  constructor(folder: string, name: string) {
    const prefix = `${name}.outbox-`
    this.#file = join(folder, `${prefix}${process.pid}.jsonl`)
    for (const name of readdirSync(folder).filter(one => one.startsWith(prefix) && one.endsWith('.jsonl'))) {
      const pid = Number(name.slice(prefix.length, -'.jsonl'.length))
      if (pid === process.pid) this.#load(this.#file)
      else if (!isAlive(pid)) this.#takeOver(join(folder, name))
    }
  }

  get held(): Message[] {
    return [...this.#held.values()]
  }

  hold(message: Message): void {
    this.#held.set(message.id, message)
    this.#append({ held: message })
  }

  release(id: string): void {
    if (!this.#held.delete(id)) return
    // An empty outbox needs no file.
    if (this.#held.size === 0) rmSync(this.#file, { force: true })
    else this.#append({ released: id })
  }

  /** Claims a file by renaming it: if two processes try at once, one fails. */
  #takeOver(file: string): void {
    const claimed = `${this.#file}.adopted`
    try {
      renameSync(file, claimed)
    } catch {
      return
    }
    const before = new Set(this.#held.keys())
    this.#load(claimed)
    for (const [id, message] of this.#held) if (!before.has(id)) this.#append({ held: message })
    rmSync(claimed, { force: true })
  }

  #load(file: string): void {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      let raw: unknown
      try {
        raw = JSON.parse(line)
      } catch {
        continue
      }
      const parsed = lineSchema.safeParse(raw)
      if (!parsed.success) continue
      if ('held' in parsed.data) this.#held.set(parsed.data.held.id, parsed.data.held)
      else this.#held.delete(parsed.data.released)
    }
  }

  #append(line: z.infer<typeof lineSchema>): void {
    appendFileSync(this.#file, `${JSON.stringify(line)}\n`, { mode: 0o600 })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
