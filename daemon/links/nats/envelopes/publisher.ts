import type { ForwardedMessage, RoomForwarded } from '../../../../src/protocol/frames.ts'
import type { NatsClient } from '../nats-client.ts'
import type { NatsLink } from '../nats-link.ts'
import type { EnvelopeMac } from './envelope-mac.ts'
import { LEGACY_SUBJECTS, SUBJECTS } from './envelopes.ts'
import { LinkBatches } from './link-batches.ts'
import type { Outgoing } from './outbound-batch.ts'

/** Maximum number of bytes of a UTF-16 unit in escaped JSON. */
const MAX_BYTES_PER_UTF16_UNIT = 3
/** Maximum number of bytes of a link's name and sequence number in a message. */
const MAX_BYTES_PER_LINK = 90
/** Room for the envelope around a payload, bytes. */
const ENVELOPE_OVERHEAD_BYTES = 1_024

/** What the subscriptions of peers are known by. */
interface Peers {
  /** Whether a peer has a connection of a user. */
  holds: (peer: string, user: string) => boolean
  /** Whether a peer has a member of a room. */
  holdsRoom: (peer: string, room: string) => boolean
}

/** Publishes on the backbone: to one peer, to all peers, or to the subscribers of a user or room. */
export class Publisher {
  readonly #nats: Pick<NatsClient, 'maxPayload' | 'publish'>
  readonly #mac: EnvelopeMac
  readonly #self: { id: string; incarnation: string }
  readonly #peers: Peers
  readonly #batches = new LinkBatches((link, event, payload) => this.#sendFrame(link, event, payload))
  #broadcastCount = 0
  #isLegacyDenied = false

  constructor(
    nats: Pick<NatsClient, 'maxPayload' | 'publish'>,
    mac: EnvelopeMac,
    self: { id: string; incarnation: string },
    peers: Peers,
  ) {
    this.#nats = nats
    this.#mac = mac
    this.#self = self
    this.#peers = peers
  }

  /** Whether NATS denies the subjects of version 0.1; then nothing is published there. */
  get isLegacyDenied(): boolean {
    return this.#isLegacyDenied
  }

  denyLegacy(): void {
    this.#isLegacyDenied = true
  }

  /** Publishes a frame. A message for a single peer waits for others, until `flush`. */
  publish(out: Outgoing): void {
    switch (out.to) {
      case 'link':
        return this.#sendToLink(out.link, out.frame.event, out.frame.payload)
      case 'opened':
        // The number of the moment: later broadcasts are for this link, too.
        return this.#sendToLink(out.link, 'opened', { said: this.#broadcastCount })
      case 'closed':
        return this.#sendToLink(out.link, 'closed', null)
      default:
        return this.#publishToSeveral(out)
    }
  }

  #publishToSeveral(out: Extract<Outgoing, { links: unknown }>): void {
    // Peers that have only the previous secret cannot read what is published for several links.
    const shared = out.links.filter(({ previousMac }) => previousMac === undefined)
    const separate = out.links.filter(({ previousMac }) => previousMac !== undefined)
    if (out.to === 'users') return this.#publishToUsers(out.message, shared, separate)
    if (out.to === 'room') return this.#publishToRoom(out.message, shared, separate)
    const { event, payload } = out.frame
    if (shared.length <= 1 || !this.broadcast(event, payload, shared)) separate.push(...shared)
    for (const link of separate) this.#sendToLink(link, event, payload)
  }

  /** Publishes the messages that wait. */
  flush(): void {
    this.#batches.flushAll()
  }

  /** Publishes a message to the peers of its recipient, then to the remaining peers of its sender. */
  #publishToUsers(message: ForwardedMessage, links: readonly NatsLink[], separate: readonly NatsLink[]): void {
    const [, , , from, to] = message
    const text = JSON.stringify(message)
    let remaining = links
    for (const user of text.length > this.#maxTextLength ? [] : [to, from]) {
      // A single peer gets it on its link, in one envelope with others.
      if (remaining.length < 2) break
      const holders = remaining.filter(({ peer }) => this.#peers.holds(peer, user))
      if (holders.length < 2) continue
      const alias = this.#mac.alias(user)
      this.#publishForLinks(SUBJECTS.user(alias, this.#self.id), text, holders.filter(isCurrent))
      this.#publishForLinks(
        LEGACY_SUBJECTS.user(alias),
        text,
        holders.filter(link => !isCurrent(link)),
      )
      remaining = remaining.filter(link => !holders.includes(link))
    }
    // Also peers that have neither user any more, and messages that are too long for one envelope.
    for (const link of [...remaining, ...separate]) this.#batches.add(link, 'forward', text, this.#maxTextLength)
  }

  /** Publishes a message once for all peers with members of its room. */
  #publishToRoom(message: RoomForwarded, links: readonly NatsLink[], separate: readonly NatsLink[]): void {
    const [, , , , room] = message
    const text = JSON.stringify(message)
    const isSubscribed = (link: NatsLink) =>
      text.length <= this.#maxTextLength && isCurrent(link) && this.#peers.holdsRoom(link.peer, room)
    const subscribed = links.length < 2 ? [] : links.filter(isSubscribed)
    let remaining = links
    if (subscribed.length >= 2) {
      this.#publishForLinks(SUBJECTS.user(this.#mac.roomAlias(room), this.#self.id), text, subscribed)
      remaining = links.filter(link => !subscribed.includes(link))
    }
    // Also peers that all members have left, and messages that are too long for one envelope.
    for (const link of [...remaining, ...separate]) this.#batches.add(link, 'room-forward', text, this.#maxTextLength)
  }

  /** Publishes a message with the links it is for, and its number on each; again if these are too many for one envelope. */
  #publishForLinks(subject: string, message: string, links: readonly NatsLink[]): void {
    const linksPerMessage = Math.floor(
      (this.#nats.maxPayload - ENVELOPE_OVERHEAD_BYTES / 2 - Buffer.byteLength(message)) / MAX_BYTES_PER_LINK,
    )
    for (const link of links) this.#batches.flush(link)
    for (let at = 0; at < links.length; at += linksPerMessage) {
      const numberedLinks = links.slice(at, at + linksPerMessage).map(link => [link.name, link.nextSequence()])
      this.#send(subject, `{"message":${message},"links":${JSON.stringify(numberedLinks)}}`)
    }
  }

  /**
   * Publishes to all peers. Returns false and publishes nothing if the payload is too long.
   * @param links the links it is for; default: servers without a link, which may be of version 0.1
   * @param mac signs it; default: with the mesh's secret
   */
  broadcast(event: string, payload: unknown, links?: readonly NatsLink[], mac: EnvelopeMac = this.#mac): boolean {
    const { id, incarnation } = this.#self
    const text = JSON.stringify({ incarnation, n: this.#broadcastCount + 1, event, payload })
    if (text.length > this.#maxTextLength) return false
    this.#broadcastCount++
    if (links === undefined || links.some(isCurrent)) this.#send(SUBJECTS.broadcast(id), text, mac)
    const hasLegacy = links === undefined ? !this.#isLegacyDenied : !links.every(isCurrent)
    if (hasLegacy) this.#send(LEGACY_SUBJECTS.broadcast, text, mac)
    return true
  }

  /** Publishes a frame of one link, in parts if it is too long. */
  #sendToLink(link: NatsLink, event: string, payload: unknown): void {
    this.#batches.flush(link)
    this.#sendFrame(link, event, JSON.stringify(payload))
  }

  /** @param payload as JSON */
  #sendFrame(link: NatsLink, event: string, payload: string): void {
    if (payload.length <= this.#maxTextLength) return this.#sendEnvelope(link, event, payload)
    const whole = `{"event":"${event}","payload":${payload}}`
    for (let at = 0; at < whole.length; at += this.#maxTextLength) {
      const more = at + this.#maxTextLength < whole.length
      this.#sendEnvelope(link, 'part', JSON.stringify({ text: whole.slice(at, at + this.#maxTextLength), more }))
    }
  }

  #sendEnvelope(link: NatsLink, event: string, payload: string): void {
    const { name, peer, nextSequence, previousMac } = link
    const subject = isCurrent(link) ? SUBJECTS.link(peer, this.#self.id) : LEGACY_SUBJECTS.link(peer)
    this.#send(subject, `{"link":"${name}","n":${nextSequence()},"event":"${event}","payload":${payload}}`, previousMac)
  }

  /** The longest text that always fits one NATS message, UTF-16 units. */
  get #maxTextLength(): number {
    return Math.floor((this.#nats.maxPayload - ENVELOPE_OVERHEAD_BYTES) / MAX_BYTES_PER_UTF16_UNIT)
  }

  #send(subject: string, text: string, mac: EnvelopeMac = this.#mac): void {
    this.#nats.publish(subject, mac.sign(subject, text))
  }
}

/** Whether the peer uses subjects that name the sender. */
function isCurrent({ subjectSender }: NatsLink): boolean {
  return subjectSender !== undefined
}
