import { appendFileSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { type Message, messageSchema } from '../../src/protocol/messages.ts'

const lineSchema = z.union([z.object({ held: messageSchema }), z.object({ released: z.string() })])

/**
 * The messages of one's own that nobody has confirmed yet, on disk. Each program has a file of its own, named by its
 * process; what a program that is no more has left behind is taken over by the next one that starts, and by one only.
 */
export class OutboxFile {
  readonly #file: string
  #held = new Map<string, Message>()

  constructor(folder: string, name: string) {
    const prefix = `${name}.outbox-`
    this.#file = join(folder, `${prefix}${process.pid}.jsonl`)
    for (const left of readdirSync(folder).filter(one => one.startsWith(prefix) && one.endsWith('.jsonl'))) {
      const pid = Number(left.slice(prefix.length, -'.jsonl'.length))
      if (pid === process.pid) this.#load(this.#file)
      else if (!isAlive(pid)) this.#takeOver(join(folder, left))
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
    // With nothing held there is nothing to remember.
    if (this.#held.size === 0) rmSync(this.#file, { force: true })
    else this.#append({ released: id })
  }

  /** Renaming is the claim: of two that start at once, one gets the file. */
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
