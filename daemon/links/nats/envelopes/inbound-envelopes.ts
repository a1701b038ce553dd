import type { Msg } from '@nats-io/transport-node'
import type * as z from 'zod'
import { parseWireJson } from '../../../../src/common/parse-wire-json.ts'
import { peerIdentitySchema } from '../../../../src/protocol/frames.ts'
import type { Input } from '../../../../src/server/types.ts'
import { InboundQueue } from '../../inbound-queue.ts'
import { readFrame } from '../../link-events.ts'
import type { LinkTable } from '../link-table.ts'
import type { NatsLink } from '../nats-link.ts'
import type { EnvelopeMac } from './envelope-mac.ts'
import {
  assembledFrameSchema,
  broadcastSchema,
  linkEnvelopeSchema,
  messageSchema,
  openedSchema,
  partSchema,
  roomMessageSchema,
  subjectToken,
} from './envelopes.ts'

/** What is used of a NATS message. */
type Envelope = Pick<Msg, 'data' | 'subject'>

export interface InboundEnvelopesOptions {
  selfId: string
  /** Of the mesh's secret, and of the one before a rotation. */
  macs: readonly EnvelopeMac[]
  links: LinkTable
  countMalformed: (event: string) => void
  step: (input: Input) => void
  /** A dialler has opened its link: the acceptor opens its direction. */
  onOpened: (link: NatsLink) => void
  /** The link has ended at the other side. */
  onClosed: (link: NatsLink, reason: string) => void
  /** An envelope of the link was lost. */
  onLost: (link: NatsLink) => void
  /** A server has announced itself; see `Announcements.handle`. */
  onAnnounced: (id: string, incarnation: string, n: number) => void
}

/**
 * Verifies and parses the envelopes that arrive, and passes their frames on to the core. The sender of a subject is
 * undefined for the subjects of version 0.1.
 */
export class InboundEnvelopes {
  readonly #options: InboundEnvelopesOptions
  /** Envelopes are verified and counted when they arrive; their frames are read one large one in each turn. */
  readonly #queue = new InboundQueue<NatsLink>((link, event, payload) => this.#readFrame(link, event, payload))

  constructor(options: InboundEnvelopesOptions) {
    this.#options = options
  }

  /** Number of links on which frames wait. */
  get waiting(): number {
    return this.#queue.size
  }

  /** A link has ended: calls `end` when all frames that arrived before are read. */
  end(link: NatsLink, end: () => void): void {
    this.#queue.end(link, end)
  }

  /** Drops the frames that wait on a link: this server has closed it. */
  drop(link: NatsLink): void {
    this.#queue.drop(link)
  }

  close(): void {
    this.#queue.clear()
  }

  /** Handles an envelope of a link; envelopes of closed links are dropped. */
  handleLinkEnvelope(message: Envelope, subjectSender?: string): void {
    const envelope = this.#read(message, linkEnvelopeSchema)
    const link = envelope && this.#options.links.withName(envelope.link)
    if (link === undefined || envelope === undefined || link.subjectSender !== subjectSender) return
    if (!this.#checkSequence(link, envelope.n)) return
    const { event, payload } = envelope
    if (event === 'opened') {
      const opened = openedSchema.safeParse(payload)
      if (opened.success) link.lastBroadcast = opened.data.said
      if (link.sender === 'dialler') this.#options.onOpened(link)
    } else if (event === 'closed') this.#options.onClosed(link, 'the peer closed the link')
    else if (event === 'part') this.#handlePart(link, payload)
    else this.#handleFrame(link, event, payload)
  }

  handleBroadcast(message: Envelope, subjectSender?: string): void {
    const broadcast = this.#read(message, broadcastSchema)
    if (broadcast === undefined) return
    const { incarnation, n, event, payload } = broadcast
    if (event === 'here') return this.#handleHere(broadcast, subjectSender)
    for (const link of this.#options.links.withProcess(incarnation, subjectSender))
      if (link.sender === 'dialler' && link.acceptBroadcast(n)) this.#handleFrame(link, event, payload)
  }

  /** Handles a message to or from one of this server's users. */
  handleUserMessage(message: Envelope, subjectSender?: string): void {
    const envelope = this.#read(message, messageSchema)
    if (envelope !== undefined) this.#handleForward('forward', envelope, subjectSender)
  }

  /** Handles a message to a room with members on this server. */
  handleRoomMessage(message: Envelope, subjectSender: string): void {
    const envelope = this.#read(message, roomMessageSchema)
    if (envelope !== undefined) this.#handleForward('room-forward', envelope, subjectSender)
  }

  #handleForward(
    event: 'forward' | 'room-forward',
    { message, links }: { message: unknown; links: readonly [name: string, n: number][] },
    subjectSender?: string,
  ): void {
    for (const [name, n] of links) {
      const link = this.#options.links.withName(name)
      if (link === undefined || link.subjectSender !== subjectSender) continue
      if (this.#checkSequence(link, n)) this.#handleFrame(link, event, [message])
    }
  }

  /** A server has connected to the backbone: its links from before a reconnect have missed frames. */
  #handleHere({ incarnation, n, payload }: z.infer<typeof broadcastSchema>, subjectSender?: string): void {
    const { selfId, links, countMalformed, onClosed, onAnnounced } = this.#options
    const introduction = peerIdentitySchema.safeParse(payload)
    if (!introduction.success || introduction.data.incarnation !== incarnation) return countMalformed('here')
    const { id } = introduction.data
    if (subjectSender !== undefined && subjectSender !== subjectToken(id)) return countMalformed('here')
    for (const link of links.withProcess(incarnation, subjectSender))
      if (link.acceptBroadcast(n)) onClosed(link, 'the peer has reconnected to the backbone')
    if (id !== selfId) onAnnounced(id, incarnation, n)
  }

  /** Verifies and parses a publication; counts it as malformed if it is invalid. */
  #read<T>(
    { subject, data }: Envelope,
    schema: { safeParse(payload: unknown): { success: true; data: T } | { success: false } },
  ): T | undefined {
    const { macs, countMalformed } = this.#options
    for (const mac of macs) {
      const text = mac.verify(subject, data)
      if (text === undefined) continue
      const parsed = schema.safeParse(parseWireJson(text))
      if (parsed.success) return parsed.data
      countMalformed('envelope')
      return undefined
    }
    countMalformed('envelope (not signed with the secret of this mesh)')
    return undefined
  }

  /** Whether an envelope is the next on its link. */
  #checkSequence(link: NatsLink, n: number): boolean {
    const arrival = link.acceptSequence(n)
    if (arrival === 'missing') this.#options.onLost(link)
    return arrival === 'next'
  }

  #handlePart(link: NatsLink, payload: unknown): void {
    const part = partSchema.safeParse(payload)
    if (!part.success) return this.#options.countMalformed('part')
    const text = link.addPart(part.data.text, part.data.more)
    if (text === undefined) return
    const frame = assembledFrameSchema.safeParse(parseWireJson(text))
    if (frame.success) this.#handleFrame(link, frame.data.event, frame.data.payload)
    else this.#options.countMalformed('part')
  }

  #handleFrame(link: NatsLink, event: string, payload: unknown): void {
    this.#queue.add(link, event, payload)
  }

  #readFrame(link: NatsLink, event: string, payload: unknown): void {
    const frame = readFrame(link.sender, event, payload)
    if (frame === undefined) return this.#options.countMalformed(event)
    this.#options.step({ type: 'frame', link: link.number, frame })
  }
}
