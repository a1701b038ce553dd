import type { Msg } from '@nats-io/transport-node'
import { type AcceptorFrame, type DiallerFrame, introductionSchema } from '../../../src/protocol/frames.ts'
import type { Effect } from '../../../src/server/types.ts'
import { Malformed } from '../../log/malformed-payloads.ts'
import type { CarrierOptions, LinkCarrier } from '../carrier.ts'
import type { Party } from '../handshake.ts'
import { readFrame } from '../link-events.ts'
import { Seal } from './envelope-mac.ts'
import {
  linkEnvelopeSchema,
  messageSchema,
  openedSchema,
  parse,
  partSchema,
  SUBJECTS,
  wholeSchema,
  wordSchema,
} from './envelopes.ts'
import { Door } from './handshake-requests.ts'
import { Interest } from './interest.ts'
import { Nats } from './nats-connection.ts'
import { BackboneLink } from './nats-link.ts'
import { Turn } from './outbound-batch.ts'
import { Publisher } from './publisher.ts'

export interface BackboneOptions extends CarrierOptions {
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
export class Backbone implements LinkCarrier {
  readonly #options: BackboneOptions
  readonly #seal: Seal
  readonly #nats: Nats
  readonly #publisher: Publisher
  readonly #door: Door
  readonly #malformed: Malformed
  readonly #dropped: (event: string) => void
  readonly #interest = new Interest()
  readonly #turn = new Turn()
  #ca: string | undefined
  #links = new Map<number, BackboneLink>()
  #byName = new Map<string, BackboneLink>()
  #welcomes = new Map<number, (effect: Extract<Effect, { type: 'accept' | 'refuse' }>) => void>()
  #numbers = 0

  constructor(options: BackboneOptions) {
    const { self, secret, log, limits, tls, urls, holds } = options
    this.#options = options
    this.#seal = new Seal(secret)
    this.#malformed = new Malformed(log)
    this.#dropped = this.#malformed.counter('the backbone')
    this.#ca = tls?.ca
    this.#nats = new Nats({
      urls,
      name: `mesh-chat ${self.id}`,
      ca: () => this.#ca,
      log,
      // As much as may wait on so many sockets: all links share the one connection.
      mostWaiting: () => limits.linkBufferedBytes * Math.max(1, this.#links.size),
      up: () => this.#listen(),
      ready: () => this.#publisher.say('here', self),
      down: () => this.#lost(),
    })
    this.#publisher = new Publisher(this.#nats, this.#seal, self.incarnation, holds)
    const proven = this.#proven.bind(this)
    this.#door = new Door({ self, secret, limits, nats: this.#nats, proven })
  }

  get malformed(): number {
    return this.#malformed.total
  }

  trust(ca: string | undefined): void {
    this.#ca = ca
  }

  perform(effect: Effect): void {
    if (effect.type === 'send') this.#send(effect.link, effect.frame)
    else if (effect.type === 'dial') void this.#dial(effect)
    else if (effect.type === 'accept' || effect.type === 'refuse') this.#welcomes.get(effect.link)?.(effect)
    else if (effect.type === 'hang-up') this.#hangUp(effect.link)
  }

  async close(): Promise<void> {
    for (const number of [...this.#links.keys()]) this.#hangUp(number)
    this.#door.close()
    this.#interest.close()
    await this.#nats.close()
  }

  #listen(): void {
    const { id } = this.#options.self
    const nats = this.#nats
    const knocked = (message: Msg) => this.#door.knocked(message)
    nats.subscribe(SUBJECTS.door(id), knocked)
    // The workers of a machine answer in turn to the id that they share.
    const shared = id.slice(0, Math.max(0, id.lastIndexOf('/')))
    if (shared !== '') nats.subscribe(SUBJECTS.door(shared), knocked, 'workers')
    nats.subscribe(SUBJECTS.link(id), message => this.#received(message))
    nats.subscribe(SUBJECTS.all, message => this.#heard(message))
    this.#interest.attach(user => {
      return nats.subscribe(SUBJECTS.user(this.#seal.alias(user)), message => this.#passed(message))
    })
  }

  /** The connection is gone, and every link with it. */
  #lost(): void {
    this.#interest.detach()
    for (const link of [...this.#links.values()]) this.#closed(link, 'the backbone is gone')
  }

  async #dial({ peer, id = peer }: Extract<Effect, { type: 'dial' }>): Promise<void> {
    const { step } = this.#options
    const { connection } = this.#nats
    const dialled = await this.#door.dial(id)
    if (connection !== this.#nats.connection)
      return step({ type: 'dial-failed', peer, reason: 'the backbone was lost' })
    if (!dialled.ok) {
      const { reason, code } = dialled
      return step({ type: 'dial-failed', peer, reason, ...(code === undefined ? {} : { code }) })
    }
    const { link: name, acceptor, holds } = dialled
    const { nonce: _, ...introduction } = acceptor
    const link = this.#open(++this.#numbers, name, acceptor, 'acceptor')
    this.#tellOpened(link)
    step({ type: 'dialled', peer, link: link.number, introduction, holds })
  }

  /** Somebody at the door holds the secret: what becomes of it is the core's to say. */
  #proven(
    { nonce: _, ...introduction }: Party,
    name: string,
    answer: (effect: Extract<Effect, { type: 'accept' | 'refuse' }>) => void,
  ): void {
    const number = ++this.#numbers
    this.#welcomes.set(number, effect => {
      this.#welcomes.delete(number)
      answer(effect)
      if (effect.type === 'accept') this.#open(number, name, introduction, 'dialler')
    })
    this.#options.step({ type: 'accepted', link: number, introduction })
  }

  #open(
    number: number,
    name: string,
    peer: { id: string; incarnation: string },
    sender: 'dialler' | 'acceptor',
  ): BackboneLink {
    const link = new BackboneLink(number, name, peer, sender)
    this.#links.set(number, link)
    this.#byName.set(name, link)
    return link
  }

  /** The first envelope on a link, which the acceptor answers alike: before that it would meet a link unknown. */
  #tellOpened(link: BackboneLink): void {
    this.#publisher.tell(link, 'opened', { said: this.#publisher.said })
  }

  #send(number: number, frame: DiallerFrame | AcceptorFrame): void {
    const link = this.#links.get(number)
    if (link === undefined) return
    // What this step sends goes out together, at its end.
    if (this.#turn.isEmpty) queueMicrotask(() => this.#flush())
    this.#turn.add(link, frame)
  }

  #flush(): void {
    for (const out of this.#turn.take()) {
      // Listened for before it is told.
      if (out.to !== 'users' && out.frame.event === 'presence') this.#interest.told(out.frame.payload)
      this.#publisher.publish(out)
    }
  }

  /** What was published, if it is signed and what it must be. */
  #read<T>(
    { subject, data }: Msg,
    schema: { safeParse(payload: unknown): { success: true; data: T } | { success: false } },
  ): T | undefined {
    const text = this.#seal.open(subject, data)
    if (text === undefined) return void this.#dropped('envelope: it is not signed with the secret of this mesh')
    const parsed = schema.safeParse(parse(text))
    if (parsed.success) return parsed.data
    this.#dropped('envelope')
    return undefined
  }

  /** An envelope for one of this server's links. Those of links that are no more have nowhere to go. */
  #received(message: Msg): void {
    const envelope = this.#read(message, linkEnvelopeSchema)
    const link = envelope && this.#byName.get(envelope.link)
    if (link === undefined || envelope === undefined || !this.#inOrder(link, envelope.n)) return
    const { event, payload } = envelope
    if (event === 'opened') {
      const opened = openedSchema.safeParse(payload)
      if (opened.success) link.heard = opened.data.said
      if (link.sender === 'dialler') this.#tellOpened(link)
    } else if (event === 'closed') this.#closed(link, 'the peer hung up')
    else if (event === 'part') this.#part(link, payload)
    else this.#take(link, event, payload)
  }

  #part(link: BackboneLink, payload: unknown): void {
    const part = partSchema.safeParse(payload)
    if (!part.success) return this.#dropped('part')
    const text = link.gather(part.data.text, part.data.more)
    if (text === undefined) return
    const whole = wholeSchema.safeParse(parse(text))
    if (whole.success) this.#take(link, whole.data.event, whole.data.payload)
    else this.#dropped('part')
  }

  /** A word to all. */
  #heard(message: Msg): void {
    const word = this.#read(message, wordSchema)
    if (word === undefined) return
    const { incarnation, n, event, payload } = word
    if (event === 'here') return this.#isHere(incarnation, n, payload)
    for (const link of this.#links.values()) {
      if (link.incarnation === incarnation && link.sender === 'dialler' && link.hears(n))
        this.#take(link, event, payload)
    }
  }

  /** A server has connected to the backbone: it is to be known; and if it was connected before, its links are gone. */
  #isHere(incarnation: string, n: number, payload: unknown): void {
    const introduction = introductionSchema.safeParse(payload)
    if (!introduction.success || introduction.data.incarnation !== incarnation) return this.#dropped('word')
    for (const link of [...this.#links.values()]) {
      if (link.incarnation === incarnation && link.hears(n)) this.#closed(link, 'the peer had lost the backbone')
    }
    const { id, url, clients } = introduction.data
    if (url === undefined) return
    const member = { id, url, ...(clients === undefined ? {} : { clients }) }
    this.#options.step({ type: 'learn', member })
  }

  /** A message, on its way to one of this server's users. */
  #passed(message: Msg): void {
    const envelope = this.#read(message, messageSchema)
    for (const [name, n] of envelope?.links ?? []) {
      const link = this.#byName.get(name)
      if (link !== undefined && this.#inOrder(link, n)) this.#take(link, 'forward', [envelope?.message])
    }
  }

  /** Whether an envelope comes next on its link. Where one is missing, the link is of no more use. */
  #inOrder(link: BackboneLink, n: number): boolean {
    const arrival = link.arrived(n)
    if (arrival === 'missing') {
      this.#hangUp(link.number)
      this.#options.step({ type: 'link-closed', link: link.number, reason: 'something was lost on the backbone' })
    }
    return arrival === 'next'
  }

  #take(link: BackboneLink, event: string, payload: unknown): void {
    const frame = readFrame(link.sender, event, payload)
    if (frame === undefined) return this.#dropped(event)
    this.#options.step({ type: 'frame', link: link.number, frame })
  }

  #hangUp(number: number): void {
    this.#flush()
    const link = this.#links.get(number)
    if (link === undefined) return
    this.#publisher.tell(link, 'closed', null)
    this.#forget(link)
  }

  #closed(link: BackboneLink, reason: string): void {
    this.#forget(link)
    this.#options.step({ type: 'link-closed', link: link.number, reason })
  }

  #forget({ number, name }: BackboneLink): void {
    this.#links.delete(number)
    this.#byName.delete(name)
  }
}
