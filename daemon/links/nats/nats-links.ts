import type { AcceptorFrame, DiallerFrame, LinkRefusal } from '../../../src/protocol/frames.ts'
import type { LinkEffect } from '../../../src/server/types.ts'
import { MalformedPayloads } from '../../log/malformed-payloads.ts'
import type { CarrierOptions, LinkCarrier } from '../carrier.ts'
import type { Party } from '../handshake.ts'
import { RefusedDiallers } from '../refused-diallers.ts'
import { Announcements } from './announcements.ts'
import { EnvelopeMac } from './envelopes/envelope-mac.ts'
import { isLegacySubject, SUBJECTS, usesSenderSubjects } from './envelopes/envelopes.ts'
import { InboundEnvelopes } from './envelopes/inbound-envelopes.ts'
import { OutboundBatch } from './envelopes/outbound-batch.ts'
import { PublishQueue } from './envelopes/publish-queue.ts'
import { Publisher } from './envelopes/publisher.ts'
import { HandshakeRequests } from './handshake-requests.ts'
import { LinkTable } from './link-table.ts'
import { NatsClient } from './nats-client.ts'
import { NatsLink } from './nats-link.ts'
import { OwnIdCheck } from './own-id-check.ts'
import { PresenceSubscriptions } from './subscriptions/presence-subscriptions.ts'
import { Subscriptions } from './subscriptions/subscriptions.ts'

export interface NatsLinksOptions extends CarrierOptions {
  /** URLs of NATS servers. */
  urls: readonly string[]
  /** Whether a peer has a connection of a user. */
  holds: (peer: string, user: string) => boolean
  /** Whether a peer has a member of a room. */
  holdsRoom: (peer: string, room: string) => boolean
}

/**
 * Links over NATS. A link starts with a handshake; then each direction is a numbered series of signed envelopes, so a
 * lost envelope closes the link, as on a socket. A frame for all peers is published once; a message is published once
 * for the servers of its recipient and once for those of its sender, or once for all servers of its room: servers subscribe
 * to their users and to the rooms that these are in.
 */
export class NatsLinks implements LinkCarrier {
  readonly #options: NatsLinksOptions
  /** Of the secret before a rotation. */
  readonly #previousMac: EnvelopeMac | undefined
  readonly #nats: NatsClient
  readonly #publisher: Publisher
  readonly #handshakes: HandshakeRequests
  readonly #malformed: MalformedPayloads
  readonly #subscriptions: Subscriptions
  readonly #announcements: Announcements
  readonly #ownIdCheck: OwnIdCheck
  readonly #presenceSubscriptions = new PresenceSubscriptions()
  readonly #batch = new OutboundBatch()
  readonly #queue: PublishQueue
  readonly #inbound: InboundEnvelopes
  readonly #links = new LinkTable()
  #ca: string | undefined
  #pendingDecisions = new Map<number, (effect: Extract<LinkEffect, { type: 'accept' | 'refuse' }>) => void>()
  #lastNumber = 0

  constructor(options: NatsLinksOptions) {
    const { self, credentials, log, limits, tls, urls, holds, holdsRoom } = options
    const { secret, previousSecret } = credentials
    this.#options = options
    const mac = new EnvelopeMac(secret)
    this.#previousMac = previousSecret === undefined ? undefined : new EnvelopeMac(previousSecret)
    const macs = this.#previousMac === undefined ? [mac] : [mac, this.#previousMac]
    this.#malformed = new MalformedPayloads(log)
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
      maxBufferedBytes: () => limits.linkBufferedBytes * Math.max(1, this.#links.counts.links),
      onConnect: () => this.#subscriptions.attach(),
      onReady: () => {
        this.#announce()
        void this.#ownIdCheck.run()
      },
      onDisconnect: () => this.#onDisconnect(),
    })
    this.#publisher = new Publisher(this.#nats, mac, self, { holds, holdsRoom })
    this.#queue = new PublishQueue({
      publisher: this.#publisher,
      // Subscribe to users and rooms before announcing them.
      prepare: frame => this.#presenceSubscriptions.handlePresence(frame),
    })
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
    this.#ownIdCheck = new OwnIdCheck({
      self,
      probe: id => this.#handshakes.probe(id),
      onInUse: () => options.step({ type: 'id-in-use' }),
    })
    this.#inbound = new InboundEnvelopes({
      selfId: self.id,
      macs,
      links: this.#links,
      countMalformed: this.#malformed.counterFor('the backbone'),
      step: options.step,
      onOpened: link => this.#queue.add([{ to: 'opened', link }]),
      onClosed: (link, reason) => this.#onLinkClosed(link, reason),
      onLost: link => this.#onEnvelopeLost(link),
      onAnnounced: (id, incarnation, n) => this.#announcements.handle(id, incarnation, n),
    })
    this.#subscriptions = new Subscriptions({
      selfId: self.id,
      nats: this.#nats,
      macs,
      presence: this.#presenceSubscriptions,
      onHandshake: (message, sender) => this.#handshakes.handleRequest(message, sender),
      onLinkEnvelope: (message, sender) => this.#inbound.handleLinkEnvelope(message, sender),
      onBroadcast: (message, sender) => this.#inbound.handleBroadcast(message, sender),
      onUserMessage: (message, sender) => this.#inbound.handleUserMessage(message, sender),
      onRoomMessage: (message, sender) => this.#inbound.handleRoomMessage(message, sender),
    })
  }

  get malformed(): number {
    return this.#malformed.total
  }

  /** The number of open links, of those on which frames wait, and of handshakes under way. */
  get counts(): {
    links: number
    names: number
    waiting: number
    handshakes: number
    decisions: number
    probes: number
  } {
    return {
      ...this.#links.counts,
      waiting: this.#inbound.waiting,
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
    else if (effect.type === 'hang-up') {
      const link = this.#hangUp(effect.link)
      if (link !== undefined) this.#inbound.drop(link)
    }
  }

  async close(): Promise<void> {
    for (const { number } of this.#links.all()) this.#hangUp(number)
    this.#handshakes.close()
    this.#announcements.close()
    this.#ownIdCheck.close()
    this.#queue.finish()
    this.#inbound.close()
    this.#presenceSubscriptions.close()
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
    this.#subscriptions.detach()
    this.#queue.clear()
    for (const link of this.#links.all()) this.#onLinkClosed(link, 'the backbone disconnected')
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
    // The acceptor sends its own in response: earlier, this server would not know the link.
    this.#queue.add([{ to: 'opened', link }])
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
    if (link.subjectSender === undefined) this.#subscriptions.serveLegacyUsers()
    this.#links.add(link)
    return link
  }

  #send(number: number, frame: DiallerFrame | AcceptorFrame): void {
    const link = this.#links.withNumber(number)
    if (link === undefined || (frame.event === 'typing' && (this.#queue.size > 0 || this.#nats.isSlow))) return
    // Everything that this step sends goes out together, after the step.
    if (this.#batch.isEmpty) queueMicrotask(() => this.#flush())
    this.#batch.add(link, frame)
  }

  #flush(): void {
    this.#queue.add(this.#batch.drain())
  }

  #onEnvelopeLost(link: NatsLink): void {
    this.#hangUp(link.number)
    this.#onLinkClosed(link, 'an envelope was lost on the backbone')
  }

  /** Closes a link; undefined: it is not open. */
  #hangUp(number: number): NatsLink | undefined {
    this.#flush()
    const link = this.#links.withNumber(number)
    if (link === undefined) return undefined
    this.#queue.add([{ to: 'closed', link }])
    this.#links.remove(link)
    return link
  }

  #onLinkClosed(link: NatsLink, reason: string): void {
    this.#links.remove(link)
    this.#inbound.end(link, () => this.#options.step({ type: 'link-closed', link: link.number, reason }))
  }
}
