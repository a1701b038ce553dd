import type { ForwardedMessage } from '../../../src/protocol/frames.ts'
import type { EnvelopeMac } from './envelope-mac.ts'
import { SUBJECTS } from './envelopes.ts'
import type { NatsClient } from './nats-client.ts'
import type { NatsLink } from './nats-link.ts'
import type { Outgoing } from './outbound-batch.ts'

/** Maximum number of bytes of a UTF-16 unit in escaped JSON. */
const MAX_BYTES_PER_UTF16_UNIT = 3
/** Maximum number of bytes of a link's name and sequence number in a message. */
const MAX_BYTES_PER_LINK = 90
/** Room for the envelope around a payload, bytes. */
const ENVELOPE_OVERHEAD_BYTES = 1_024

/** Publishes on the backbone: to one peer, to all peers, or to the subscribers of a user. */
export class Publisher {
  readonly #nats: Pick<NatsClient, 'maxPayload' | 'publish'>
  readonly #mac: EnvelopeMac
  readonly #incarnation: string
  readonly #holds: (peer: string, user: string) => boolean
  #broadcastCount = 0

  /** @param holds whether a peer has a connection of a user */
  constructor(
    nats: Pick<NatsClient, 'maxPayload' | 'publish'>,
    mac: EnvelopeMac,
    incarnation: string,
    holds: (peer: string, user: string) => boolean,
  ) {
    this.#nats = nats
    this.#mac = mac
    this.#incarnation = incarnation
    this.#holds = holds
  }

  /** The number of broadcasts so far. */
  get broadcastCount(): number {
    return this.#broadcastCount
  }

  publish(out: Outgoing): void {
    if (out.to === 'link') return this.sendToLink(out.link, out.frame.event, out.frame.payload)
    // Peers that have only the previous secret cannot read what is published for several links.
    const shared = out.links.filter(({ previousMac }) => previousMac === undefined)
    const separate = out.links.filter(({ previousMac }) => previousMac !== undefined)
    if (out.to === 'users') {
      this.#publishToUsers(out.message, shared)
      for (const link of separate) this.sendToLink(link, 'forward', [out.message])
      return
    }
    const { event, payload } = out.frame
    if (shared.length <= 1 || !this.broadcast(event, payload)) separate.push(...shared)
    for (const link of separate) this.sendToLink(link, event, payload)
  }

  /** Publishes a message to the peers of its recipient, then to the remaining peers of its sender. */
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
    // Peers that have neither user any more, and messages that are too long for one envelope.
    for (const link of remaining) this.sendToLink(link, 'forward', [message])
  }

  /**
   * Publishes to all peers. Returns false and publishes nothing if the payload is too long.
   * @param mac signs it; default: with the mesh's secret
   */
  broadcast(event: string, payload: unknown, mac: EnvelopeMac = this.#mac): boolean {
    const text = JSON.stringify({ incarnation: this.#incarnation, n: this.#broadcastCount + 1, event, payload })
    if (text.length > this.#maxTextLength) return false
    this.#broadcastCount++
    this.#send(SUBJECTS.broadcast, text, mac)
    return true
  }

  /** Publishes a frame of one link, in parts if it is too long. */
  sendToLink(link: NatsLink, event: string, payload: unknown): void {
    const text = JSON.stringify(payload)
    if (text.length <= this.#maxTextLength) return this.#sendEnvelope(link, event, text)
    const whole = JSON.stringify({ event, payload })
    for (let at = 0; at < whole.length; at += this.#maxTextLength) {
      const more = at + this.#maxTextLength < whole.length
      this.#sendEnvelope(link, 'part', JSON.stringify({ text: whole.slice(at, at + this.#maxTextLength), more }))
    }
  }

  #sendEnvelope({ name, peer, nextSequence, previousMac }: NatsLink, event: string, payload: string): void {
    const text = `{"link":"${name}","n":${nextSequence()},"event":"${event}","payload":${payload}}`
    this.#send(SUBJECTS.link(peer), text, previousMac)
  }

  /** The longest text that always fits one NATS message, UTF-16 units. */
  get #maxTextLength(): number {
    return Math.floor((this.#nats.maxPayload - ENVELOPE_OVERHEAD_BYTES) / MAX_BYTES_PER_UTF16_UNIT)
  }

  #send(subject: string, text: string, mac: EnvelopeMac = this.#mac): void {
    this.#nats.publish(subject, mac.sign(subject, text))
  }
}
