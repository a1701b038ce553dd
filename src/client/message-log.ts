import { compareMessages } from '../delivery/clock.ts'
import type { Message } from '../protocol/messages.ts'

/** How many messages lie in a range of time, and a hash of their ids that does not depend on their order. */
export interface Fingerprint {
  /** Hybrid times: `from` is in the range, `to` is not; absent, the range has no end. */
  from: number
  to?: number
  count: number
  hash: string
}

/** All messages that a client knows, once per id, in the order (`at`, `id`). */
export class MessageLog {
  #messages: Message[] = []
  #ids = new Set<string>()

  get size(): number {
    return this.#messages.length
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  /** Whether the message was new. A message that is the newest, as most are, costs O(1). */
  add(message: Message): boolean {
    if (this.#ids.has(message.id)) return false
    this.#ids.add(message.id)
    const last = this.#messages.at(-1)
    if (last === undefined || compareMessages(last, message) < 0) this.#messages.push(message)
    else this.#messages.splice(this.#place(message), 0, message)
    return true
  }

  /** The messages with `from` <= at < `to`, in order. */
  between(from: number, to = Number.POSITIVE_INFINITY): Message[] {
    return this.#messages.slice(this.#place({ at: from, id: '' }), this.#place({ at: to, id: '' }))
  }

  fingerprint(from: number, to?: number): Fingerprint {
    return fingerprint(this.between(from, to), from, to)
  }

  /** Cuts a range into at most `parts` of about as many messages each. */
  split(from: number, to: number | undefined, parts: number): Fingerprint[] {
    const messages = this.between(from, to)
    const size = Math.max(1, Math.ceil(messages.length / parts))
    const prints: Fingerprint[] = []
    let start = 0
    let since = from
    while (start < messages.length) {
      let end = Math.min(messages.length, start + size)
      // A range ends between two times: messages of one time stay together.
      while (end < messages.length && messages[end]?.at === messages[end - 1]?.at) end++
      const until = end < messages.length ? messages[end]?.at : to
      prints.push(fingerprint(messages.slice(start, end), since, until))
      start = end
      if (until !== undefined) since = until
    }
    return prints.length > 0 ? prints : [fingerprint([], from, to)]
  }

  #place(point: { at: number; id: string }): number {
    let low = 0
    let high = this.#messages.length
    while (low < high) {
      const middle = (low + high) >> 1
      const there = this.#messages[middle]
      if (there !== undefined && compareMessages(there, point) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

function fingerprint(messages: readonly Message[], from: number, to: number | undefined): Fingerprint {
  let one = 0
  let other = 0
  for (const { id } of messages) {
    one ^= fnv1a(id, 0x811c9dc5)
    other ^= fnv1a(id, 0x01000193)
  }
  const hash = (one >>> 0).toString(16) + (other >>> 0).toString(16).padStart(8, '0')
  return to === undefined ? { from, count: messages.length, hash } : { from, to, count: messages.length, hash }
}

/** FNV-1a (Fowler, Noll, Vo), 32 bits, over UTF-16 units, finished by a multiply-xor so that an xor of many stays even. */
function fnv1a(text: string, seed: number): number {
  let hash = seed
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return hash ^ (hash >>> 13)
}
