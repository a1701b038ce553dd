import type { Msg } from '@nats-io/transport-node'
import { type AcceptorFrame, type DiallerFrame, peerIdentitySchema } from '../../../src/protocol/frames.ts'
import type { Effect } from '../../../src/server/types.ts'
import { MalformedPayloads } from '../../log/malformed-payloads.ts'
import type { CarrierOptions, LinkCarrier } from '../carrier.ts'
import type { Party } from '../handshake.ts'
import { readFrame } from '../link-events.ts'
import { EnvelopeMac } from './envelope-mac.ts'
import {
  assembledFrameSchema,
  broadcastSchema,
  linkEnvelopeSchema,
  messageSchema,
  openedSchema,
  parseJson,
  partSchema,
  SUBJECTS,
} from './envelopes.ts'
import { HandshakeRequests } from './handshake-requests.ts'
import { NatsClient } from './nats-client.ts'
import { NatsLink } from './nats-link.ts'
import { OutboundBatch } from './outbound-batch.ts'
import { Publisher } from './publisher.ts'
import { UserSubscriptions } from './user-subscriptions.ts'

export interface NatsLinksOptions extends CarrierOptions {
  /** URLs of NATS servers. */
  urls: readonly string[]
  /** Whether a peer holds a connection of a user. */
  holds: (peer: string, user: string) => boolean
}

/**
 * Links over NATS. Each begins with a handshake, and is then a numbered series of signed envelopes in each direction,
 * so that one that is lost ends the link, as over a socket. What a server tells all its peers alike is published once,
 * and a message once for the servers of its recipient and once for those of its sender: NATS brings it to who listens.
 */
export class NatsLinks implements LinkCarrier {
  readonly #options: NatsLinksOptions
  readonly #mac: EnvelopeMac
  readonly #nats: NatsClient
  readonly #publisher: Publisher
  readonly #handshakes: HandshakeRequests
  readonly #malformed: MalformedPayloads
  readonly #countMalformed: (event: string) => void
  readonly #userSubscriptions = new UserSubscriptions()
  readonly #batch = new OutboundBatch()
  #ca: string | undefined
  #links = new Map<number, NatsLink>()
  #linksByName = new Map<string, NatsLink>()
  #pendingDecisions = new Map<number, (effect: Extract<Effect, { type: 'accept' | 'refuse' }>) => void>()
  #lastNumber = 0

  constructor(options: NatsLinksOptions) {
    const { self, secret, log, limits, tls, urls, holds } = options
    this.#options = options
    this.#mac = new EnvelopeMac(secret)
    this.#malformed = new MalformedPayloads(log)
    this.#countMalformed = this.#malformed.counterFor('the backbone')
    this.#ca = tls?.ca
    this.#nats = new NatsClient({
      urls,
      name: `mesh-chat ${self.id}`,
      ca: () => this.#ca,
      log,
      // As much as may wait on so many sockets: all links share the one connection.
      cutOffCounts: options.cutOffCounts,
      maxBufferedBytes: () => limits.linkBufferedBytes * Math.max(1, this.#links.size),
      onConnect: () => this.#subscribe(),
      onReady: () => this.#publisher.broadcast('here', self),
      onDisconnect: () => this.#onDisconnect(),
    })
    this.#publisher = new Publisher(this.#nats, this.#mac, self.incarnation, holds)
    const onProven = this.#onProven.bind(this)
    this.#handshakes = new HandshakeRequests({ self, secret, limits, nats: this.#nats, onProven })
  }

  get malformed(): number {
    return this.#malformed.total
  }

  setCa(ca: string | undefined): void {
    this.#ca = ca
  }

  perform(effect: Effect): void {
    if (effect.type === 'send') this.#send(effect.link, effect.frame)
    else if (effect.type === 'dial') void this.#dial(effect)
    else if (effect.type === 'accept' || effect.type === 'refuse') this.#pendingDecisions.get(effect.link)?.(effect)
    else if (effect.type === 'hang-up') this.#hangUp(effect.link)
  }

  async close(): Promise<void> {
    for (const number of [...this.#links.keys()]) this.#hangUp(number)
    this.#handshakes.close()
    this.#userSubscriptions.close()
    await this.#nats.close()
  }

  #subscribe(): void {
    const { id } = this.#options.self
    const nats = this.#nats
    const onHandshake = (message: Msg) => this.#handshakes.handleRequest(message)
    nats.subscribe(SUBJECTS.handshake(id), onHandshake)
    // The workers of a machine answer in turn to the id that they share.
    const shared = id.slice(0, Math.max(0, id.lastIndexOf('/')))
    if (shared !== '') nats.subscribe(SUBJECTS.handshake(shared), onHandshake, 'workers')
    nats.subscribe(SUBJECTS.link(id), message => this.#onLinkEnvelope(message))
    nats.subscribe(SUBJECTS.broadcast, message => this.#onBroadcast(message))
    this.#userSubscriptions.attach(user => {
      return nats.subscribe(SUBJECTS.user(this.#mac.alias(user)), message => this.#onUserMessage(message))
    })
  }

  /** The connection is gone, and every link with it. */
  #onDisconnect(): void {
    this.#userSubscriptions.detach()
    for (const link of [...this.#links.values()]) this.#onLinkClosed(link, 'the backbone is gone')
  }

  async #dial({ peer, id = peer }: Extract<Effect, { type: 'dial' }>): Promise<void> {
    const { step } = this.#options
    const { connection } = this.#nats
    const dialled = await this.#handshakes.dial(id)
    if (connection !== this.#nats.connection)
      return step({ type: 'dial-failed', peer, reason: 'the backbone was lost' })
    if (!dialled.ok) {
      const { reason, code } = dialled
      return step({ type: 'dial-failed', peer, reason, ...(code === undefined ? {} : { code }) })
    }
    const { link: name, acceptor, holds } = dialled
    const { nonce: _, ...introduction } = acceptor
    const link = this.#openLink(++this.#lastNumber, name, acceptor, 'acceptor')
    this.#sendOpened(link)
    step({ type: 'dialled', peer, link: link.number, introduction, holds })
  }

  /** Somebody at the door holds the secret: what becomes of it is the core's to say. */
  #onProven(
    { nonce: _, ...introduction }: Party,
    name: string,
    answer: (effect: Extract<Effect, { type: 'accept' | 'refuse' }>) => void,
  ): void {
    const number = ++this.#lastNumber
    this.#pendingDecisions.set(number, effect => {
      this.#pendingDecisions.delete(number)
      answer(effect)
      if (effect.type === 'accept') this.#openLink(number, name, introduction, 'dialler')
    })
    this.#options.step({ type: 'accepted', link: number, introduction })
  }

  #openLink(
    number: number,
    name: string,
    peer: { id: string; incarnation: string },
    sender: 'dialler' | 'acceptor',
  ): NatsLink {
    const link = new NatsLink(number, name, peer, sender)
    this.#links.set(number, link)
    this.#linksByName.set(name, link)
    return link
  }

  /** The first envelope on a link, which the acceptor answers alike: before that it would meet a link unknown. */
  #sendOpened(link: NatsLink): void {
    this.#publisher.sendToLink(link, 'opened', { said: this.#publisher.broadcastCount })
  }

  #send(number: number, frame: DiallerFrame | AcceptorFrame): void {
    const link = this.#links.get(number)
    if (link === undefined) return
    // What this step sends goes out together, at its end.
    if (this.#batch.isEmpty) queueMicrotask(() => this.#flush())
    this.#batch.add(link, frame)
  }

  #flush(): void {
    for (const out of this.#batch.drain()) {
      // Listened for before it is told.
      if (out.to !== 'users' && out.frame.event === 'presence')
        this.#userSubscriptions.handlePresence(out.frame.payload)
      this.#publisher.publish(out)
    }
  }

  /** What was published, if it is signed and what it must be. */
  #readEnvelope<T>(
    { subject, data }: Msg,
    schema: { safeParse(payload: unknown): { success: true; data: T } | { success: false } },
  ): T | undefined {
    const text = this.#mac.verify(subject, data)
    if (text === undefined) return void this.#countMalformed('envelope: it is not signed with the secret of this mesh')
    const parsed = schema.safeParse(parseJson(text))
    if (parsed.success) return parsed.data
    this.#countMalformed('envelope')
    return undefined
  }

  /** An envelope for one of this server's links. Those of links that are no more have nowhere to go. */
  #onLinkEnvelope(message: Msg): void {
    const envelope = this.#readEnvelope(message, linkEnvelopeSchema)
    const link = envelope && this.#linksByName.get(envelope.link)
    if (link === undefined || envelope === undefined || !this.#checkSequence(link, envelope.n)) return
    const { event, payload } = envelope
    if (event === 'opened') {
      const opened = openedSchema.safeParse(payload)
      if (opened.success) link.lastBroadcast = opened.data.said
      if (link.sender === 'dialler') this.#sendOpened(link)
    } else if (event === 'closed') this.#onLinkClosed(link, 'the peer hung up')
    else if (event === 'part') this.#handlePart(link, payload)
    else this.#handleFrame(link, event, payload)
  }

  #handlePart(link: NatsLink, payload: unknown): void {
    const part = partSchema.safeParse(payload)
    if (!part.success) return this.#countMalformed('part')
    const text = link.addPart(part.data.text, part.data.more)
    if (text === undefined) return
    const frame = assembledFrameSchema.safeParse(parseJson(text))
    if (frame.success) this.#handleFrame(link, frame.data.event, frame.data.payload)
    else this.#countMalformed('part')
  }

  /** A word to all. */
  #onBroadcast(message: Msg): void {
    const broadcast = this.#readEnvelope(message, broadcastSchema)
    if (broadcast === undefined) return
    const { incarnation, n, event, payload } = broadcast
    if (event === 'here') return this.#handleHere(incarnation, n, payload)
    for (const link of this.#links.values()) {
      if (link.incarnation === incarnation && link.sender === 'dialler' && link.acceptBroadcast(n))
        this.#handleFrame(link, event, payload)
    }
  }

  /** A server has connected to the backbone: it is to be known; and if it was connected before, its links are gone. */
  #handleHere(incarnation: string, n: number, payload: unknown): void {
    const introduction = peerIdentitySchema.safeParse(payload)
    if (!introduction.success || introduction.data.incarnation !== incarnation) return this.#countMalformed('word')
    for (const link of [...this.#links.values()]) {
      if (link.incarnation === incarnation && link.acceptBroadcast(n))
        this.#onLinkClosed(link, 'the peer had lost the backbone')
    }
    const { id, url, clients } = introduction.data
    if (url === undefined) return
    const member = { id, url, ...(clients === undefined ? {} : { clients }) }
    this.#options.step({ type: 'learn', member })
  }

  /** A message, on its way to one of this server's users. */
  #onUserMessage(message: Msg): void {
    const envelope = this.#readEnvelope(message, messageSchema)
    for (const [name, n] of envelope?.links ?? []) {
      const link = this.#linksByName.get(name)
      if (link !== undefined && this.#checkSequence(link, n)) this.#handleFrame(link, 'forward', [envelope?.message])
    }
  }

  /** Whether an envelope comes next on its link. Where one is missing, the link is of no more use. */
  #checkSequence(link: NatsLink, n: number): boolean {
    const arrival = link.acceptSequence(n)
    if (arrival === 'missing') {
      this.#hangUp(link.number)
      this.#options.step({ type: 'link-closed', link: link.number, reason: 'something was lost on the backbone' })
    }
    return arrival === 'next'
  }

  #handleFrame(link: NatsLink, event: string, payload: unknown): void {
    const frame = readFrame(link.sender, event, payload)
    if (frame === undefined) return this.#countMalformed(event)
    this.#options.step({ type: 'frame', link: link.number, frame })
  }

  #hangUp(number: number): void {
    this.#flush()
    const link = this.#links.get(number)
    if (link === undefined) return
    this.#publisher.sendToLink(link, 'closed', null)
    this.#removeLink(link)
  }

  #onLinkClosed(link: NatsLink, reason: string): void {
    this.#removeLink(link)
    this.#options.step({ type: 'link-closed', link: link.number, reason })
  }

  #removeLink({ number, name }: NatsLink): void {
    this.#links.delete(number)
    this.#linksByName.delete(name)
  }
}
