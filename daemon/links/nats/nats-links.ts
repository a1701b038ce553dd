import type { Msg } from '@nats-io/transport-node'
import type * as z from 'zod'
import {
  type AcceptorFrame,
  type DiallerFrame,
  type LinkRefusal,
  peerIdentitySchema,
} from '../../../src/protocol/frames.ts'
import type { LinkEffect } from '../../../src/server/types.ts'
import { MalformedPayloads } from '../../log/malformed-payloads.ts'
import type { CarrierOptions, LinkCarrier } from '../carrier.ts'
import type { Party } from '../handshake.ts'
import { readFrame } from '../link-events.ts'
import { RefusedDiallers } from '../refused-diallers.ts'
import { Announcements } from './announcements.ts'
import { EnvelopeMac } from './envelope-mac.ts'
import {
  assembledFrameSchema,
  broadcastSchema,
  isLegacySubject,
  LEGACY_SUBJECTS,
  linkEnvelopeSchema,
  messageSchema,
  openedSchema,
  parseJson,
  partSchema,
  SUBJECTS,
  subjectToken,
  usesSenderSubjects,
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
  /** Whether a peer has a connection of a user. */
  holds: (peer: string, user: string) => boolean
}

/**
 * Links over NATS. A link starts with a handshake; then each direction is a numbered series of signed envelopes, so a
 * lost envelope closes the link, as on a socket. A frame for all peers is published once; a message is published once
 * for the servers of its recipient and once for those of its sender, which subscribe to their users.
 */
export class NatsLinks implements LinkCarrier {
  readonly #options: NatsLinksOptions
  readonly #mac: EnvelopeMac
  /** Of the secret before a rotation. */
  readonly #previousMac: EnvelopeMac | undefined
  readonly #nats: NatsClient
  readonly #publisher: Publisher
  readonly #handshakes: HandshakeRequests
  readonly #malformed: MalformedPayloads
  readonly #countMalformed: (event: string) => void
  readonly #announcements: Announcements
  readonly #userSubscriptions = new UserSubscriptions()
  readonly #batch = new OutboundBatch()
  #ca: string | undefined
  #links = new Map<number, NatsLink>()
  #linksByName = new Map<string, NatsLink>()
  #pendingDecisions = new Map<number, (effect: Extract<LinkEffect, { type: 'accept' | 'refuse' }>) => void>()
  #lastNumber = 0
  /** Whether the subjects of version 0.1 are subscribed for this server's users. */
  #servesLegacyUsers = false

  constructor(options: NatsLinksOptions) {
    const { self, credentials, log, limits, tls, urls, holds } = options
    const { secret, previousSecret } = credentials
    this.#options = options
    this.#mac = new EnvelopeMac(secret)
    this.#previousMac = previousSecret === undefined ? undefined : new EnvelopeMac(previousSecret)
    this.#malformed = new MalformedPayloads(log)
    this.#countMalformed = this.#malformed.counterFor('the backbone')
    this.#ca = tls?.ca
    this.#nats = new NatsClient({
      urls,
      name: `mesh-chat ${self.id}`,
      inbox: SUBJECTS.inbox(self.id),
      onPublishDenied: subject => this.#onPublishDenied(subject),
      ca: () => this.#ca,
      log,
      cutOffCounts: options.cutOffCounts,
      // The sum of the links' limits: all links share one connection.
      maxBufferedBytes: () => limits.linkBufferedBytes * Math.max(1, this.#links.size),
      onConnect: () => this.#subscribe(),
      onReady: () => this.#announce(),
      onDisconnect: () => this.#onDisconnect(),
    })
    this.#publisher = new Publisher(this.#nats, this.#mac, self, holds)
    const onProven = this.#onProven.bind(this)
    const isLegacyDenied = () => this.#publisher.isLegacyDenied
    const refusedDiallers = new RefusedDiallers(log)
    const onRefused = ({ id }: Party, { code, message }: { code: LinkRefusal; message: string }) => {
      refusedDiallers.note(id, code, message)
      if (code === 'bad-signature') this.#malformed.counterFor(`peer: ${id}`)('signature')
    }
    const common = { self, credentials, limits, nats: this.#nats }
    this.#handshakes = new HandshakeRequests({ ...common, isLegacyDenied, onRefused, onProven })
    this.#announcements = new Announcements({
      limits,
      probe: id => this.#handshakes.probe(id),
      learn: member => options.step({ type: 'learn', member }),
    })
  }

  get malformed(): number {
    return this.#malformed.total
  }

  /** The number of open links and of handshakes under way. */
  get counts(): { links: number; names: number; handshakes: number; decisions: number; probes: number } {
    return {
      links: this.#links.size,
      names: this.#linksByName.size,
      handshakes: this.#handshakes.pending,
      decisions: this.#pendingDecisions.size,
      probes: this.#announcements.pending,
    }
  }

  setCa(ca: string | undefined): void {
    this.#ca = ca
  }

  perform(effect: LinkEffect): void {
    if (effect.type === 'send') this.#send(effect.link, effect.frame)
    else if (effect.type === 'dial') void this.#dial(effect)
    else if (effect.type === 'accept' || effect.type === 'refuse') this.#pendingDecisions.get(effect.link)?.(effect)
    else if (effect.type === 'hang-up') this.#hangUp(effect.link)
  }

  async close(): Promise<void> {
    for (const number of [...this.#links.keys()]) this.#hangUp(number)
    this.#handshakes.close()
    this.#announcements.close()
    this.#userSubscriptions.close()
    await this.#nats.close()
  }

  /** Announces this server, also to servers that have only the previous secret. */
  #announce(): void {
    const { self } = this.#options
    this.#publisher.broadcast('here', self)
    if (this.#previousMac !== undefined) this.#publisher.broadcast('here', self, undefined, this.#previousMac)
  }

  /** The MAC for a link to a peer that has proven this secret, if it is the previous one. */
  #macOf(secret: string): EnvelopeMac | undefined {
    return secret === this.#options.credentials.secret ? undefined : this.#previousMac
  }

  #subscribe(): void {
    const { id } = this.#options.self
    /** Subscribes to a subject of version 0.1, and to the one with the sender as last token. */
    const subscribe = (subject: string, handler: (message: Msg, sender?: string) => void, queue?: string) => {
      this.#nats.subscribe(subject, message => handler(message), queue)
      this.#nats.subscribe(`${subject}.*`, message => handler(message, lastToken(message)), queue)
    }
    const onHandshake = (message: Msg, sender?: string) => this.#handshakes.handleRequest(message, sender)
    subscribe(LEGACY_SUBJECTS.handshake(id), onHandshake)
    // The workers of a server share its id: one of them (a queue group) answers each request.
    const shared = id.slice(0, Math.max(0, id.lastIndexOf('/')))
    if (shared !== '') subscribe(LEGACY_SUBJECTS.handshake(shared), onHandshake, 'workers')
    subscribe(LEGACY_SUBJECTS.link(id), (message, sender) => this.#onLinkEnvelope(message, sender))
    subscribe(LEGACY_SUBJECTS.broadcast, (message, sender) => this.#onBroadcast(message, sender))
    this.#subscribeToUsers(alias =>
      this.#nats.subscribe(`${LEGACY_SUBJECTS.user(alias)}.*`, message =>
        this.#onUserMessage(message, lastToken(message)),
      ),
    )
  }

  /** Subscribes to the alias of each user. Servers that have only the previous secret know the users by other aliases. */
  #subscribeToUsers(subscribe: (alias: string) => { unsubscribe(): void }): void {
    for (const mac of this.#previousMac === undefined ? [this.#mac] : [this.#mac, this.#previousMac])
      this.#userSubscriptions.attach(user => subscribe(mac.alias(user)))
  }

  /** Subscribes to the users' subjects of version 0.1; only peers of that version need them. */
  #serveLegacyUsers(): void {
    if (this.#servesLegacyUsers) return
    this.#servesLegacyUsers = true
    this.#subscribeToUsers(alias =>
      this.#nats.subscribe(LEGACY_SUBJECTS.user(alias), message => this.#onUserMessage(message)),
    )
  }

  /** NATS permissions that bind each server to its id deny the subjects of version 0.1. */
  #onPublishDenied(subject: string): boolean {
    if (!isLegacySubject(subject)) return false
    if (!this.#publisher.isLegacyDenied)
      this.#options.log.write('info', 'NATS permissions exclude servers of version 0.1 from this mesh.')
    this.#publisher.denyLegacy()
    return true
  }

  /** The connection is lost, and every link with it. */
  #onDisconnect(): void {
    this.#userSubscriptions.detach()
    this.#servesLegacyUsers = false
    for (const link of [...this.#links.values()]) this.#onLinkClosed(link, 'the backbone disconnected')
  }

  async #dial({ peer, id = peer }: Extract<LinkEffect, { type: 'dial' }>): Promise<void> {
    const { step } = this.#options
    const { connection } = this.#nats
    const dialled = await this.#handshakes.dial(id)
    if (connection !== this.#nats.connection)
      return step({ type: 'dial-failed', peer, reason: 'the backbone disconnected' })
    if (!dialled.ok) {
      const { reason, code } = dialled
      return step({ type: 'dial-failed', peer, reason, ...(code === undefined ? {} : { code }) })
    }
    const { link: name, acceptor, holds, secret } = dialled
    const { nonce: _, ...introduction } = acceptor
    const link = this.#openLink(++this.#lastNumber, name, acceptor, 'acceptor', secret)
    this.#sendOpened(link)
    step({ type: 'dialled', peer, link: link.number, introduction, holds })
  }

  /** A dialler is authenticated: the core accepts or refuses it. */
  #onProven(
    dialler: Party,
    name: string,
    secret: string,
    answer: (effect: Extract<LinkEffect, { type: 'accept' | 'refuse' }>) => void,
  ): void {
    const { nonce: _, ...introduction } = dialler
    const number = ++this.#lastNumber
    this.#pendingDecisions.set(number, effect => {
      this.#pendingDecisions.delete(number)
      answer(effect)
      if (effect.type === 'accept') this.#openLink(number, name, dialler, 'dialler', secret)
    })
    this.#options.step({ type: 'accepted', link: number, introduction })
  }

  #openLink(
    number: number,
    name: string,
    peer: { id: string; incarnation: string; nonce: string },
    sender: 'dialler' | 'acceptor',
    secret: string,
  ): NatsLink {
    // This server's own nonce is always marked, so the peer's decides.
    const link = new NatsLink(number, name, peer, sender, usesSenderSubjects(peer.nonce), this.#macOf(secret))
    if (link.subjectSender === undefined) this.#serveLegacyUsers()
    this.#links.set(number, link)
    this.#linksByName.set(name, link)
    return link
  }

  /** Sends the first envelope of a link. The acceptor sends its own in response: earlier, the dialler would not know the link. */
  #sendOpened(link: NatsLink): void {
    this.#publisher.sendToLink(link, 'opened', { said: this.#publisher.broadcastCount })
  }

  #send(number: number, frame: DiallerFrame | AcceptorFrame): void {
    const link = this.#links.get(number)
    if (link === undefined) return
    // Everything that this step sends goes out together, after the step.
    if (this.#batch.isEmpty) queueMicrotask(() => this.#flush())
    this.#batch.add(link, frame)
  }

  #flush(): void {
    for (const out of this.#batch.drain()) {
      // Subscribe to users before announcing them.
      if (out.to !== 'users' && out.frame.event === 'presence')
        this.#userSubscriptions.handlePresence(out.frame.payload)
      this.#publisher.publish(out)
    }
  }

  /** Verifies and parses a publication; counts it as malformed if it is invalid. */
  #readEnvelope<T>(
    { subject, data }: Msg,
    schema: { safeParse(payload: unknown): { success: true; data: T } | { success: false } },
  ): T | undefined {
    const text = this.#mac.verify(subject, data) ?? this.#previousMac?.verify(subject, data)
    if (text === undefined) return void this.#countMalformed('envelope (not signed with the secret of this mesh)')
    const parsed = schema.safeParse(parseJson(text))
    if (parsed.success) return parsed.data
    this.#countMalformed('envelope')
    return undefined
  }

  /** Handles an envelope of a link; envelopes of closed links are dropped. */
  #onLinkEnvelope(message: Msg, subjectSender?: string): void {
    const envelope = this.#readEnvelope(message, linkEnvelopeSchema)
    const link = envelope && this.#linksByName.get(envelope.link)
    if (link === undefined || envelope === undefined || link.subjectSender !== subjectSender) return
    if (!this.#checkSequence(link, envelope.n)) return
    const { event, payload } = envelope
    if (event === 'opened') {
      const opened = openedSchema.safeParse(payload)
      if (opened.success) link.lastBroadcast = opened.data.said
      if (link.sender === 'dialler') this.#sendOpened(link)
    } else if (event === 'closed') this.#onLinkClosed(link, 'the peer closed the link')
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

  /** Handles a broadcast. */
  #onBroadcast(message: Msg, subjectSender?: string): void {
    const broadcast = this.#readEnvelope(message, broadcastSchema)
    if (broadcast === undefined) return
    const { incarnation, n, event, payload } = broadcast
    if (event === 'here') return this.#handleHere(broadcast, subjectSender)
    for (const link of this.#links.values()) {
      if (link.incarnation !== incarnation || link.subjectSender !== subjectSender) continue
      if (link.sender === 'dialler' && link.acceptBroadcast(n)) this.#handleFrame(link, event, payload)
    }
  }

  /** A server has connected to the backbone: closes links from before its reconnect, and asks it for its address. */
  #handleHere({ incarnation, n, payload }: z.infer<typeof broadcastSchema>, subjectSender?: string): void {
    const introduction = peerIdentitySchema.safeParse(payload)
    if (!introduction.success || introduction.data.incarnation !== incarnation) return this.#countMalformed('here')
    const { id } = introduction.data
    if (subjectSender !== undefined && subjectSender !== subjectToken(id)) return this.#countMalformed('here')
    for (const link of [...this.#links.values()]) {
      if (link.incarnation !== incarnation || link.subjectSender !== subjectSender) continue
      if (link.acceptBroadcast(n)) this.#onLinkClosed(link, 'the peer has reconnected to the backbone')
    }
    if (id !== this.#options.self.id) this.#announcements.handle(id, incarnation, n)
  }

  /** Handles a message to or from one of this server's users. */
  #onUserMessage(message: Msg, subjectSender?: string): void {
    const envelope = this.#readEnvelope(message, messageSchema)
    for (const [name, n] of envelope?.links ?? []) {
      const link = this.#linksByName.get(name)
      if (link === undefined || link.subjectSender !== subjectSender) continue
      if (this.#checkSequence(link, n)) this.#handleFrame(link, 'forward', [envelope?.message])
    }
  }

  /** Whether an envelope is the next on its link. Closes the link if one is missing. */
  #checkSequence(link: NatsLink, n: number): boolean {
    const arrival = link.acceptSequence(n)
    if (arrival === 'missing') {
      this.#hangUp(link.number)
      this.#options.step({ type: 'link-closed', link: link.number, reason: 'an envelope was lost on the backbone' })
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

/** The sender in a subject that names it. */
function lastToken({ subject }: Msg): string {
  return subject.slice(subject.lastIndexOf('.') + 1)
}
