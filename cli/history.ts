import { appendFileSync, mkdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { type Message, messageSchema } from '../src/protocol/messages.ts'

const lineSchema = z.union([
  z.object({ message: messageSchema }),
  z.object({ held: messageSchema }),
  z.object({ released: z.string() }),
])

/** A user's messages on disk: one file of JSON lines, only ever appended to. */
export class History {
  readonly messages: Message[] = []
  readonly #held = new Map<string, Message>()
  readonly #file: string

  /** Reads what is there. A line cut short by a crash is passed over. */
  constructor(user: string) {
    const state = process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state')
    const folder = join(state, 'mesh-chat')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    this.#file = join(folder, `${encodeURIComponent(user)}.jsonl`)
    for (const line of this.#lines()) {
      const parsed = lineSchema.safeParse(line)
      if (!parsed.success) continue
      if ('message' in parsed.data) this.messages.push(parsed.data.message)
      else if ('held' in parsed.data) this.#held.set(parsed.data.held.id, parsed.data.held)
      else this.#held.delete(parsed.data.released)
    }
  }

  /** Messages of one's own that nobody has confirmed yet. */
  get held(): Message[] {
    return [...this.#held.values()]
  }

  store(message: Message): void {
    this.#append({ message })
  }

  hold(message: Message): void {
    this.#append({ held: message })
  }

  release(id: string): void {
    this.#append({ released: id })
  }

  #append(line: z.infer<typeof lineSchema>): void {
    appendFileSync(this.#file, `${JSON.stringify(line)}\n`, { mode: 0o600 })
  }

  *#lines(): Generator<unknown> {
    let text: string
    try {
      text = readFileSync(this.#file, 'utf8')
    } catch {
      return
    }
    for (const line of text.split('\n')) {
      try {
        yield JSON.parse(line)
      } catch {
        // The last line of a crash, or an empty one.
      }
    }
  }
}
