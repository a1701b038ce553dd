import type { ForwardedMessage } from '../../../src/protocol/frames.ts'
import type { EnvelopeMac } from './envelope-mac.ts'
import { SUBJECTS } from './envelopes.ts'
import type { NatsClient } from './nats-client.ts'
import type { NatsLink } from './nats-link.ts'
import type { Outgoing } from './outbound-batch.ts'

/** Most bytes that a UTF-16 unit takes in JSON that is escaped already. */
const MAX_BYTES_PER_UTF16_UNIT = 3
/** Most bytes of a link's name and number in a message. */
const MAX_BYTES_PER_LINK = 90
/** Room for what stands around a payload, bytes. */
const ENVELOPE_OVERHEAD_BYTES = 1_024

/** Says what a server has to say on the backbone: to one peer, to all, or to whoever listens for a user. */
export class Publisher {
  readonly #nats: NatsClient
  readonly #mac: EnvelopeMac
  readonly #incarnation: string
  readonly #holds: (peer: string, user: string) => boolean
  #broadcastCount = 0

  /** @param holds whether a peer holds a connection of a user */
  constructor(nats: NatsClient, mac: EnvelopeMac, incarnation: string, holds: (peer: string, user: string) => boolean) {
    this.#nats = nats
    this.#mac = mac
    this.#incarnation = incarnation
    this.#holds = holds
  }

  /** Words to all so far. */
  get broadcastCount(): number {
    return this.#broadcastCount
  }

  publish(out: Outgoing): void {
    if (out.to === 'users') return this.#publishToUsers(out.message, out.links)
    const { event, payload } = out.frame
    if (out.to === 'link') this.sendToLink(out.link, event, payload)
    else if (out.links.length === 1 || !this.broadcast(event, payload))
      for (const link of out.links) this.sendToLink(link, event, payload)
  }

  /** A message to the peers that hold its recipient, then to those that hold its sender only. */
  #publishToUsers(message: ForwardedMessage, links: readonly NatsLink[]): void {
    const [, , , from, to] = message
    const text = JSON.stringify(message)
    let remaining = links
    const linksPerMessage = Math.floor(
      (this.#nats.maxPayload - ENVELOPE_OVERHEAD_BYTES / 2 - Buffer.byteLength(text)) / MAX_BYTES_PER_LINK,
    )
    for (const user of text.length > this.#maxTextLength ? [] : [to, from]) {
      const holders = remaining.filter(({ peer }) => this.#holds(peer, user))
      for (let at = 0; at < holders.length; at += linksPerMessage) {
        const numberedLinks = JSON.stringify(
          holders.slice(at, at + linksPerMessage).map(link => [link.name, link.nextSequence()]),
        )
        this.#send(SUBJECTS.user(this.#mac.alias(user)), `{"message":${text},"links":${numberedLinks}}`)
      }
      if (holders.length > 0) remaining = remaining.filter(link => !holders.includes(link))
    }
    // They held one of them a moment ago; or it is too long.
    for (const link of remaining) this.sendToLink(link, 'forward', [message])
  }

  /** A word to all; false, and nothing is said, when it is too long. */
  broadcast(event: string, payload: unknown): boolean {
    const text = JSON.stringify({ incarnation: this.#incarnation, n: this.#broadcastCount + 1, event, payload })
    if (text.length > this.#maxTextLength) return false
    this.#broadcastCount++
    this.#send(SUBJECTS.broadcast, text)
    return true
  }

  /** An envelope of one link; what is too long goes in parts. */
  sendToLink(link: NatsLink, event: string, payload: unknown): void {
    const text = JSON.stringify(payload)
    if (text.length <= this.#maxTextLength) return this.#sendEnvelope(link, event, text)
    const whole = JSON.stringify({ event, payload })
    for (let at = 0; at < whole.length; at += this.#maxTextLength) {
      const more = at + this.#maxTextLength < whole.length
      this.#sendEnvelope(link, 'part', JSON.stringify({ text: whole.slice(at, at + this.#maxTextLength), more }))
    }
  }

  #sendEnvelope({ name, peer, nextSequence }: NatsLink, event: string, payload: string): void {
    this.#send(SUBJECTS.link(peer), `{"link":"${name}","n":${nextSequence()},"event":"${event}","payload":${payload}}`)
  }

  /** Longest text that surely fits one message of the backbone, in UTF-16 units. */
  get #maxTextLength(): number {
    return Math.floor((this.#nats.maxPayload - ENVELOPE_OVERHEAD_BYTES) / MAX_BYTES_PER_UTF16_UNIT)
  }

  #send(subject: string, text: string): void {
    this.#nats.publish(subject, this.#mac.sign(subject, text))
  }
}
