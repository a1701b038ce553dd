import type { Delivery } from '../delivery/delivery.ts'
import type { Peer } from '../mesh/peer.ts'
import {
  type AcceptorFrame,
  type Beat,
  type DiallerFrame,
  FATES_PER_FRAME,
  type Forwarded,
  type Holds,
  type LinkRefusal,
  MAX_MEMBERS,
  MESSAGES_PER_FRAME,
  NAMES_PER_FRAME,
  type Relay,
  TEXT_PER_FRAME,
} from '../protocol/frames.ts'
import { exceeds } from '../protocol/limits.ts'
import { type Message, PROTOCOL, type ServerAddress } from '../protocol/messages.ts'
import { type Arrivals, type Context, type Departures, note, type Observer } from './context.ts'
import { Membership } from './membership.ts'
import { applyPresence, replaceWithNothing } from './presence.ts'
import type { LinkInput } from './types.ts'

/** A beat goes out on each link every so often, ms. */
const BEAT_MS = 1_000
/** A link without a beat for this long is dead, ms. */
const LINK_DEAD_MS = 5_000
const SILENT = 'no sign of life'
/** A server whose id is held tries again this soon, ms: its own life before is about to be found dead. */
const ID_RETRY_MS = 1_000
/**
 * The other server with an id lives, if it is heard of this long, ms, after one that wants in: longer than what it had
 * sent before its death can lie in buffers unread, on a network and in a process whose links are not found dead.
 */
const ID_PROVEN_MS = LINK_DEAD_MS + BEAT_MS

/** The address that a machine's workers share is looked at again after this long, ms. */
const FRONT_MS = 5_000

/** The links to and from all peers: dialling, beats, what crosses them. */
export class Peers implements Departures {
  readonly #context: Context
  readonly #touch: (name: string) => void
  #arrivals: Arrivals | undefined
  #observer: Observer | undefined
  readonly #membership: Membership
  #byLink = new Map<number, { peer: Peer; direction: 'outbound' | 'inbound' }>()
  #beatAt = Number.POSITIVE_INFINITY
  /** Forwards so far, to whichever peers. */
  #numbered = 0

  constructor(context: Context, touch: (name: string) => void) {
    this.#context = context
    this.#touch = touch
    this.#membership = new Membership(context)
  }

  /** Where messages from peers go. */
  set arrivals(arrivals: Arrivals) {
    this.#arrivals = arrivals
  }

  /** Who tells peers how this server stands, and hears it of them. */
  set observer(observer: Observer) {
    this.#observer = observer
  }

  /** All servers that this one knows as such. */
  get each(): Peer[] {
    return this.#membership.each
  }

  get #peers(): ReadonlyMap<string, Peer> {
    return this.#membership.peers
  }

  /** This server and all that it knows, for clients. */
  get servers(): () => ServerAddress[] {
    return this.#membership.servers
  }

  /** When the next beat is due. */
  get beatAt(): number {
    return this.#beatAt
  }

  get deadline(): number {
    let deadline = this.#beatAt
    for (const { outbound, goneAt } of this.#peers.values()) {
      if (outbound.state === 'waiting') deadline = Math.min(deadline, outbound.retryAt)
      deadline = Math.min(deadline, goneAt)
    }
    if (this.#membership.seeds.size > 0 && this.#membership.alone)
      for (const { dialAt } of this.#membership.seeds.values()) deadline = Math.min(deadline, dialAt)
    return deadline
  }

  start(): void {
    this.#beatAt = this.#context.now + BEAT_MS
    note(this.#context, { event: 'dialling-peers' })
    for (const url of this.#context.options.seeds ?? []) this.#membership.addSeed(url)
    this.configure(this.#context.options.peers)
  }

  /** The config's peers are these from now on: new ones are dialled, others dropped. */
  configure(configured: readonly ServerAddress[]): void {
    for (const peer of this.#membership.configure(configured)) {
      note(this.#context, { event: 'peer-removed', peer: peer.id })
      if (peer.outbound.state === 'open') this.#send(peer.outbound.link, { event: 'goodbye', payload: null })
      this.#drop(peer)
    }
    this.tick()
  }

  /** Another server, of which this machine knows. */
  learn(member: ServerAddress): void {
    this.#membership.learn(member)
    this.tick()
  }

  handle(input: LinkInput): void {
    switch (input.type) {
      case 'dialled':
        return this.#dialled(input)
      case 'dial-failed':
        return this.#dialFailed(input.peer, input.reason, input.code)
      case 'accepted':
        return this.#accept(input)
      case 'frame':
        return this.#frame(input.link, input.frame)
      case 'link-closed':
        return this.#closed(input.link, input.reason)
    }
  }

  forward(ids: readonly string[], message: Message, delivery: Delivery): boolean {
    const { id, at, from, to, text } = message
    // One frame for all of them: a carrier may send it to all at once.
    const frame: Forwarded = [++this.#numbered, id, at, from, to, text]
    let reached = true
    for (const peer of ids) if (!this.#forwardTo(this.#peers.get(peer), frame, delivery)) reached = false
    return reached
  }

  #forwardTo(peer: Peer | undefined, frame: Forwarded, delivery: Delivery): boolean {
    if (peer === undefined) return false
    const { limits, graceMs } = this.#context.options
    const lost = peer.outbound.state !== 'open' && this.#context.now - peer.outboundLostAt >= graceMs
    if (lost || exceeds(peer.held.size + 1, limits.heldPerPeer)) {
      const [, , , from, to] = frame
      peer.miss(from, to)
      return false
    }
    peer.hold(frame, delivery)
    this.#context.gathered = true
    return true
  }

  answer(id: string, incarnation: string, number: number, delivered: number, unconfirmed: boolean): void {
    const peer = this.#peers.get(id)
    if (peer?.inbound?.incarnation !== incarnation) return
    peer.fates.push([number, delivered, unconfirmed])
    this.#context.gathered = true
  }

  relay(id: string, relay: Relay): void {
    const outbound = this.#peers.get(id)?.outbound
    if (outbound?.state === 'open') this.#send(outbound.link, { event: 'relay', payload: relay })
  }

  /** Sends what this turn gathered: presence, messages, answers. */
  flush(): void {
    const deltas = this.#context.stream.take(this.#context.ownEntry)
    for (const peer of this.#peers.values()) {
      const { outbound, inbound } = peer
      if (outbound.state === 'open') {
        for (const delta of deltas) this.#send(outbound.link, { event: 'presence', payload: delta })
        for (const payload of frames(peer.batch)) this.#send(outbound.link, { event: 'forward', payload })
      }
      if (inbound !== undefined && peer.fates.length > 0) {
        for (const payload of chunks(peer.fates, FATES_PER_FRAME)) {
          this.#send(inbound.link, { event: 'fates', payload })
        }
      }
      if (peer.batch.length > 0) peer.batch = []
      if (peer.fates.length > 0) peer.fates = []
    }
  }

  tick(): void {
    const { now } = this.#context
    const beat = this.#beatAt <= now
    if (beat) this.#beatAt = now + BEAT_MS
    const { incarnation, seq } = this.#context.stream
    const life: Beat = { incarnation, seq, at: now }
    for (const peer of this.#peers.values()) {
      if (peer.goneAt <= now) this.#gone(peer)
      if (beat) this.#beat(peer, life)
      if (peer.outbound.state === 'waiting' && peer.outbound.retryAt <= now) this.#dial(peer)
    }
    if (beat) this.#membership.forgetGone()
    if (this.#membership.alone) this.#dialSeeds()
  }

  /** After a stall of this process: silence proves nothing, everyone gets a fresh period. */
  forgive(): void {
    const { now, options } = this.#context
    this.#beatAt = now
    for (const peer of this.#peers.values()) {
      if (peer.outbound.state === 'open') peer.outbound.heardAt = now
      else peer.outboundLostAt = now
      if (peer.inbound !== undefined) peer.inbound.heardAt = now
      if (peer.challenger !== undefined) peer.challenger.since = now
      if (peer.goneAt !== Number.POSITIVE_INFINITY) peer.goneAt = now + options.graceMs
    }
  }

  goodbye(): void {
    for (const peer of this.#peers.values()) {
      if (peer.outbound.state === 'open') this.#send(peer.outbound.link, { event: 'goodbye', payload: null })
    }
  }

  #dial(peer: Peer): void {
    if (peer.url === undefined || this.#context.draining) {
      peer.outbound = { state: 'waiting', retryAt: Number.POSITIVE_INFINITY }
      return
    }
    // Its workers have links of their own: the address that they share is asked only while there are none.
    if (peer.isFront && this.#membership.hasWorkers(peer.id)) {
      peer.outbound = { state: 'waiting', retryAt: this.#context.now + FRONT_MS }
      return
    }
    peer.outbound = { state: 'dialling' }
    note(this.#context, { event: 'dialling', peer: peer.id, url: peer.url })
    this.#context.effects.push({ type: 'dial', peer: peer.id, url: peer.url, id: peer.id })
  }

  #dialled(input: Extract<LinkInput, { type: 'dialled' }>): void {
    const context = this.#context
    const peer = this.#peers.get(input.peer)
    if (peer === undefined || input.introduction.id !== peer.id) return this.#met(input, peer)
    if (peer.outbound.state !== 'dialling') return this.#hangUp(input.link, `${peer.id} is dialled no more`)
    const { now, stream, directory } = context
    const { incarnation } = input.introduction
    peer.outbound = { state: 'open', link: input.link, openedAt: now, heardAt: now, incarnation, rtt: undefined }
    this.#byLink.set(input.link, { peer, direction: 'outbound' })
    note(context, { event: 'outbound', peer: peer.id })

    for (const payload of stream.catchUp(input.holds, directory.ownUsers())) {
      this.#send(input.link, { event: 'presence', payload })
    }
    this.#send(input.link, { event: 'members', payload: this.#membership.members().slice(0, MAX_MEMBERS) })
    for (const payload of chunks([...peer.missed], NAMES_PER_FRAME)) {
      this.#send(input.link, { event: 'missed', payload })
    }
    peer.missed.clear()
    peer.batch = []
    // The peer drops what it received before.
    for (const [number, { frame, delivery }] of peer.held) {
      peer.batch.push(frame)
      if (delivery.settled) peer.held.delete(number)
    }
    if (peer.batch.length > 0) context.gathered = true
  }

  /** At an address where some server of the mesh was to be met, this one was. It is dialled as itself. */
  #met({ link, peer, introduction }: Extract<LinkInput, { type: 'dialled' }>, front: Peer | undefined): void {
    this.#hangUp(link, 'it is known now')
    const seed = this.#membership.seeds.get(peer)
    if (seed !== undefined) seed.dialAt = this.#context.now + seed.backoff.next()
    if (front !== undefined) {
      front.isFront = true
      front.outbound = { state: 'waiting', retryAt: this.#context.now + FRONT_MS }
    }
    const { id, url = seed?.url, clients } = introduction
    if (url !== undefined) this.#membership.learn({ id, url, ...(clients === undefined ? {} : { clients }) })
    this.tick()
  }

  #dialSeeds(): void {
    const { now, effects, draining } = this.#context
    if (draining) return
    for (const seed of this.#membership.seeds.values()) {
      if (seed.dialAt > now) continue
      seed.dialAt = Number.POSITIVE_INFINITY
      note(this.#context, { event: 'joining', url: seed.url })
      effects.push({ type: 'dial', peer: seed.url, url: seed.url, id: undefined })
    }
  }

  /** Ends both links of a peer, takes its users out of the roster, and forgets it. */
  #drop(peer: Peer): void {
    if (peer.outbound.state === 'open') this.#cut(peer.outbound.link, 'it is of this mesh no more')
    if (peer.inbound !== undefined) this.#cut(peer.inbound.link, 'it is of this mesh no more')
    this.#gone(peer)
    for (const delivery of peer.dropHeld()) {
      delivery.confirm(0, true)
      this.#arrivals?.settle(delivery)
    }
    this.#membership.forget(peer)
  }

  #dialFailed(id: string, reason: string, code: LinkRefusal | undefined): void {
    const seed = this.#membership.seeds.get(id)
    if (seed !== undefined) {
      note(this.#context, { event: 'dial-failed', peer: seed.url, reason, failures: seed.backoff.failures + 1 })
      // This server itself: somebody else is to be met elsewhere.
      seed.dialAt = this.#context.now + seed.backoff.next()
      return
    }
    const peer = this.#peers.get(id)
    if (peer?.outbound.state !== 'dialling') return
    if (code !== undefined) note(this.#context, { event: 'link-refused', peer: id, code })
    else note(this.#context, { event: 'dial-failed', peer: id, reason, failures: peer.backoff.failures + 1 })
    const wait = peer.backoff.next()
    const most = code === 'id-held' ? ID_RETRY_MS : Number.POSITIVE_INFINITY
    peer.outbound = { state: 'waiting', retryAt: this.#context.now + Math.min(wait, most) }
    if (code !== 'id-in-use') return
    const { effects, options } = this.#context
    const text = `another server with the id ${options.id} is in the mesh (so says ${id}); give this one an id of its own`
    effects.push({ type: 'exit', code: 1, reason: text })
  }

  #accept(input: Extract<LinkInput, { type: 'accepted' }>): void {
    const { effects, options, now, draining } = this.#context
    const { id, incarnation, protocol, auth } = input.introduction
    const refuse = (code: LinkRefusal, message: string) => {
      effects.push({ type: 'refuse', link: input.link, code, message })
    }
    if (draining) return refuse('draining', 'this server is shutting down')
    if (protocol !== PROTOCOL)
      return refuse('bad-handshake', `this server speaks protocol ${PROTOCOL}, not ${protocol}`)
    if ((auth ?? 'open') !== options.auth) {
      return refuse('other-auth', `this mesh knows its users by auth: ${options.auth}, not ${auth ?? 'open'}`)
    }
    if (id === options.id) {
      if (incarnation === options.incarnation) return refuse('own-id', 'this is the dialling server itself')
      return refuse('id-held', `this server has the id ${id} itself`)
    }
    if (!this.#membership.takes(input.introduction.url)) {
      return refuse('bad-handshake', 'this mesh is encrypted, and the address that you tell is not')
    }
    if (this.#membership.isRemoved(id)) return refuse('removed', 'this server was told that you left the mesh')
    const peer = this.#membership.meet(input.introduction)
    if (peer === undefined) {
      return refuse('too-many-peers', `this server knows ${options.limits.peers} peers already`)
    }
    const old = peer.inbound
    if (old !== undefined) {
      if (old.incarnation !== incarnation) {
        if (peer.challenger?.incarnation !== incarnation) peer.challenger = { incarnation, since: now }
        const lives = old.heardAt - peer.challenger.since >= ID_PROVEN_MS
        return lives
          ? refuse('id-in-use', `another server with the id ${id} is connected`)
          : refuse('id-held', `another server with the id ${id} was connected a moment ago`)
      }
      this.#byLink.delete(old.link)
      this.#hangUp(old.link, 'replaced by a newer link')
    }
    peer.inbound = { link: input.link, heardAt: now, incarnation }
    peer.challenger = undefined
    peer.goneAt = Number.POSITIVE_INFINITY
    this.#byLink.set(input.link, { peer, direction: 'inbound' })
    effects.push({ type: 'accept', link: input.link, holds: this.#holds(peer) })
    note(this.#context, { event: 'inbound', peer: id })
    // It is evidently up: no reason to wait out a long back-off.
    const { outbound } = peer
    if (outbound.state === 'waiting' && peer.url !== undefined) {
      outbound.retryAt = Math.min(outbound.retryAt, now + options.random() * 200)
    }
  }

  #holds(peer: Peer): Holds {
    const { inbound, replica } = peer
    if (inbound === undefined || replica.incarnation !== inbound.incarnation) return { seq: 0 }
    return { incarnation: inbound.incarnation, seq: replica.seq }
  }

  #frame(link: number, frame: DiallerFrame | AcceptorFrame): void {
    const known = this.#byLink.get(link)
    if (known === undefined) return
    const { peer } = known
    if (known.direction === 'outbound') return this.#answered(peer, frame)
    const { inbound } = peer
    if (inbound === undefined) return
    inbound.heardAt = this.#context.now
    switch (frame.event) {
      case 'presence':
        // A stream speaks for the incarnation that the handshake proved, and for no other.
        if (frame.payload.incarnation !== inbound.incarnation) return
        if (!applyPresence(this.#context, peer.id, peer.replica, frame.payload, this.#toucher(peer))) this.#resync(peer)
        // Who came and went within one turn of the peer, is told as gone only, and may have spoken.
        if (frame.payload.type === 'delta') {
          for (const [user, connections] of frame.payload.changes) {
            if (connections === 0) peer.changed(user, this.#context.now)
          }
        }
        if (exceeds(peer.replica.size, this.#context.options.limits.usersPerPeer)) {
          this.#gone(peer)
          this.#cut(link, 'it brings more users than usersPerPeer allows')
        }
        return
      case 'beat':
        this.#send(link, { event: 'beat', payload: frame.payload })
        if (peer.replica.isBehind(inbound.incarnation, frame.payload.seq)) this.#resync(peer)
        return
      case 'forward': {
        const { incarnation } = inbound
        const fresh = frame.payload.filter(([number]) => peer.accepts(incarnation, number))
        const own = fresh.filter(([, , , from]) => peer.speaksFor(from, this.#context.now))
        if (own.length < fresh.length) this.#refuseForeign(peer, incarnation, fresh)
        this.#arrivals?.forwarded(peer.id, incarnation, own)
        return
      }
      case 'relay':
        // It comes from a connection of that user, to that peer.
        if (!frame.payload.from.startsWith(`${peer.id}:`)) return
        if (peer.speaksFor(frame.payload.user, this.#context.now)) this.#arrivals?.relayed(frame.payload)
        return
      case 'missed':
        for (const name of frame.payload) this.#context.siblings.add(name)
        this.#context.gathered = true
        return
      case 'members':
        for (const member of frame.payload) this.#membership.learn(member)
        return
      case 'survey': {
        const status = this.#observer?.own
        if (status !== undefined) {
          this.#send(link, { event: 'status', payload: { number: frame.payload.number, status } })
        }
        return
      }
      case 'goodbye':
        note(this.#context, { event: 'peer-goodbye', peer: peer.id })
        this.#gone(peer)
        return
    }
  }

  /**
   * Answers those of a batch that come from no user of the peer, as unconfirmed: should it be honest, and only its
   * stream be behind, the sender's client sends them again.
   */
  #refuseForeign(peer: Peer, incarnation: string, batch: readonly Forwarded[]): void {
    for (const [number, , , from] of batch) {
      if (peer.speaksFor(from, this.#context.now)) continue
      peer.foreign = { messages: (peer.foreign?.messages ?? 0) + 1, user: from }
      this.answer(peer.id, incarnation, number, 0, true)
    }
  }

  /** Marks a name whose connections to the peer changed. */
  #toucher(peer: Peer): (name: string) => void {
    return name => {
      peer.changed(name, this.#context.now)
      this.#touch(name)
    }
  }

  /** An answer on a link that this server dialled. */
  #answered(peer: Peer, frame: DiallerFrame | AcceptorFrame): void {
    const { outbound } = peer
    if (outbound.state !== 'open') return
    outbound.heardAt = this.#context.now
    if (frame.event === 'resync') {
      const { stream, directory } = this.#context
      for (const payload of stream.snapshot(directory.ownUsers())) {
        this.#send(outbound.link, { event: 'presence', payload })
      }
    } else if (frame.event === 'fates') {
      for (const [number, delivered, unconfirmed] of frame.payload) {
        const held = peer.held.get(number)
        if (held === undefined) continue
        peer.held.delete(number)
        held.delivery.confirm(delivered, unconfirmed)
        this.#arrivals?.settle(held.delivery)
      }
    } else if (frame.event === 'beat') {
      const { at = Number.POSITIVE_INFINITY } = frame.payload
      if (at <= this.#context.now) outbound.rtt = this.#context.now - at
    } else if (frame.event === 'status') this.#observer?.told(peer.id, outbound.incarnation, frame.payload)
  }

  #resync(peer: Peer): void {
    const { now } = this.#context
    if (peer.inbound === undefined || now - peer.resyncAskedAt < BEAT_MS) return
    peer.resyncAskedAt = now
    note(this.#context, { event: 'resync', peer: peer.id })
    this.#send(peer.inbound.link, { event: 'resync', payload: null })
  }

  #closed(link: number, reason: string): void {
    const known = this.#byLink.get(link)
    if (known === undefined) return
    this.#byLink.delete(link)
    const { peer, direction } = known
    const { now, options } = this.#context
    note(this.#context, { event: 'link-lost', peer: peer.id, direction, reason })
    if (direction === 'inbound') {
      peer.inbound = undefined
      peer.challenger = undefined
      peer.fates = []
      if (peer.replica.incarnation !== undefined) peer.goneAt = now + options.graceMs
    } else if (peer.outbound.state === 'open') {
      peer.backoff.ended(now - peer.outbound.openedAt)
      peer.outboundLostAt = now
      peer.batch = []
      peer.outbound = { state: 'waiting', retryAt: now + peer.backoff.next() }
    }
  }

  /** One beat: say where the stream stands, find links without life, let go of what was held for too long. */
  #beat(peer: Peer, payload: Beat): void {
    const { now, options } = this.#context
    peer.forgetDeparted(now)
    if (peer.foreign !== undefined) note(this.#context, { event: 'foreign-sender', peer: peer.id, ...peer.foreign })
    peer.foreign = undefined
    const { outbound, inbound } = peer
    if (outbound.state === 'open') {
      if (now - outbound.heardAt > LINK_DEAD_MS) this.#cut(outbound.link, SILENT)
      else this.#send(outbound.link, { event: 'beat', payload })
      for (const [number, { delivery }] of peer.held) {
        if (!delivery.settled) break
        peer.held.delete(number)
      }
    } else if (peer.held.size > 0 && now - peer.outboundLostAt >= options.graceMs) {
      for (const delivery of peer.dropHeld()) {
        delivery.confirm(0, true)
        this.#arrivals?.settle(delivery)
      }
    }
    if (inbound !== undefined && now - inbound.heardAt > LINK_DEAD_MS) this.#cut(inbound.link, SILENT)
  }

  #cut(link: number, reason: string): void {
    this.#hangUp(link, reason)
    this.#closed(link, reason)
  }

  /** The peer's users leave the roster. */
  #gone(peer: Peer): void {
    peer.goneAt = Number.POSITIVE_INFINITY
    note(this.#context, { event: 'peer-gone', peer: peer.id, users: peer.replica.size })
    replaceWithNothing(peer.replica, this.#toucher(peer))
  }

  #hangUp(link: number, reason: string): void {
    this.#context.effects.push({ type: 'hang-up', link, reason })
  }

  #send(link: number, frame: DiallerFrame | AcceptorFrame): void {
    this.#context.effects.push({ type: 'send', link, frame })
  }
}

function* chunks<T>(all: readonly T[], size: number): Generator<T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size)
}

/** Cuts a batch into frames that stay under the packet size. */
function* frames(batch: readonly Forwarded[]): Generator<Forwarded[]> {
  let frame: Forwarded[] = []
  let characters = 0
  for (const forwarded of batch) {
    if (
      frame.length === MESSAGES_PER_FRAME ||
      (frame.length > 0 && characters + forwarded[5].length > TEXT_PER_FRAME)
    ) {
      yield frame
      frame = []
      characters = 0
    }
    frame.push(forwarded)
    characters += forwarded[5].length
  }
  if (frame.length > 0) yield frame
}
