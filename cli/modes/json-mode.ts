/** `--json`: events as JSON lines on stdout, requests as JSON lines on stdin. The README documents both. */
import { createInterface } from 'node:readline'
import * as z from 'zod'
import type { SessionEvent, SessionRequest } from '../../src/client/events.ts'
import { ConfusableNames } from '../../src/common/confusables.ts'
import { parseUserName } from '../../src/protocol/names.ts'
import { sanitizedJson } from '../../src/protocol/text.ts'
import { fingerprint } from '../keys/fingerprint.ts'
import { PendingMessages } from '../session/pending-messages.ts'

/** How long the end of stdin waits for what was sent, ms. */
const DELIVERY_WAIT_MS = 10_000

const requestSchema = z.union([
  z.object({ type: z.literal('close') }),
  z.object({ type: z.literal('trust'), user: z.string() }),
  z.object({
    to: z.string().refine(to => parseUserName(to).ok, 'is no user name'),
    text: z.string().min(1),
    /** Comes back with the events of this message. */
    ref: z.union([z.string(), z.number()]).optional(),
  }),
])

export class JsonMode {
  readonly #pending = new PendingMessages()
  readonly #confusables = new ConfusableNames()
  /** Message id → the `ref` that its request had. */
  readonly #refs = new Map<string, string | number>()
  #composingRef: string | number | undefined
  #started = false

  handleEvent(event: SessionEvent): void {
    this.#pending.handleEvent(event)
    if (event.type === 'connection') this.#started = true
    // The history that was on the disk is no news.
    if (!this.#started && (event.type === 'message' || event.type === 'progress')) return
    if (this.#composingRef !== undefined) {
      if (event.type === 'message' && event.origin === 'composed') this.#refs.set(event.message.id, this.#composingRef)
      if (event.type === 'progress') this.#refs.set(event.id, this.#composingRef)
    }
    const json = this.#toJson(event)
    if (json !== undefined) writeEvent(json)
    if (event.type === 'progress' && (event.progress.state === 'delivered' || event.progress.state === 'refused')) {
      this.#refs.delete(event.id)
    }
  }

  readStdin(send: (request: SessionRequest) => void, end: () => void): void {
    const input = createInterface({ input: process.stdin })
    input.on('line', line => {
      if (line.trim() === '') return
      const request = parseRequest(line)
      if (typeof request === 'string') return writeEvent({ type: 'error', message: request, line: line.slice(0, 200) })
      if ('type' in request) return request.type === 'close' ? input.close() : send(request)
      this.#composingRef = request.ref
      send({ type: 'compose', to: request.to, text: request.text })
      this.#composingRef = undefined
    })
    input.on('close', () => void this.#pending.waitUntilSettled(DELIVERY_WAIT_MS).then(end))
  }

  #toJson(event: SessionEvent): object | undefined {
    switch (event.type) {
      case 'connection': {
        const { phase, ...rest } = event.state
        return { type: 'connection', state: phase, ...rest }
      }
      case 'roster':
        this.#confusables.update(event.joined, event.left)
        return { type: 'roster', users: [...event.users], joined: event.joined, left: event.left }
      case 'message':
        return {
          type: 'message',
          origin: event.origin,
          ...event.message,
          ...this.#looksLike(event.message.from),
          ...this.#refOf(event.message.id),
        }
      case 'progress':
        return { type: 'progress', id: event.id, to: event.to, ...event.progress, ...this.#refOf(event.id) }
      case 'key':
        return { type: 'key', user: event.user, key: event.key, words: fingerprint(event.key), state: event.state }
      case 'forged':
        return event
      default:
        return undefined
    }
  }

  #looksLike(name: string): { looksLike?: string } {
    const looksLike = this.#confusables.find(name)
    return looksLike === undefined ? {} : { looksLike }
  }

  #refOf(id: string): { ref?: string | number } {
    const ref = this.#refs.get(id)
    return ref === undefined ? {} : { ref }
  }
}

/** The request of a line, or what is wrong with it. */
function parseRequest(line: string): z.infer<typeof requestSchema> | string {
  let raw: unknown
  try {
    raw = JSON.parse(line)
  } catch {
    return 'this line is not JSON'
  }
  const parsed = requestSchema.safeParse(raw)
  return parsed.success
    ? parsed.data
    : 'give {"to": NAME, "text": TEXT}, {"type": "trust", "user": NAME} or {"type": "close"}'
}

function writeEvent(event: object): void {
  process.stdout.write(`${sanitizedJson(event)}\n`)
}
