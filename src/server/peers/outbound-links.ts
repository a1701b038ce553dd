import { TokenBucket } from '../../common/token-bucket.ts'
import { type Context, log } from '../context.ts'
import type { LinkInput } from '../types.ts'
import { DialWindow } from './dial-window.ts'
import type { Links } from './links.ts'
import type { MemberLists } from './member-lists.ts'
import type { Membership } from './membership.ts'
import type { OutboundMessages } from './outbound-messages.ts'
import type { OutboundPresence } from './outbound-presence.ts'
import type { Peer } from './peer.ts'

/** Maximum delay before dialling again after `id-held`, ms: the peer is about to detect that the old link is dead. */
const ID_HELD_RETRY_MS = 1_000
/** Time between dials of a URL that workers share, ms. */
const SHARED_ADDRESS_RETRY_MS = 5_000

/** Dials of peers known by hearsay: per second, and in a burst. Whoever announces servers chooses their addresses. */
const HEARSAY_DIALS = { perSecond: 10, burst: 20 }

type DialledInput = Extract<LinkInput, { type: 'dialled' }>
type DialFailedInput = Extract<LinkInput, { type: 'dial-failed' }>

/** The links that this server dials: schedules dials, opens links, and handles failures. */
export class OutboundLinks {
  readonly #context: Context
  readonly #links: Links
  readonly #membership: Membership
  readonly #memberLists: MemberLists
  readonly #outboundPresence: OutboundPresence
  readonly #outboundMessages: OutboundMessages
  readonly #hearsayDials: TokenBucket
  /** Hosts that do not answer delay neither peers that are known to be reachable, nor, if they are hearsay, other peers. */
  readonly #windows = { reachable: new DialWindow(2), known: new DialWindow(4), hearsay: new DialWindow(4) }

  constructor(
    context: Context,
    links: Links,
    membership: Membership,
    memberLists: MemberLists,
    outboundPresence: OutboundPresence,
    outboundMessages: OutboundMessages,
  ) {
    this.#context = context
    this.#links = links
    this.#membership = membership
    this.#memberLists = memberLists
    this.#outboundPresence = outboundPresence
    this.#outboundMessages = outboundMessages
    this.#hearsayDials = new TokenBucket(HEARSAY_DIALS.perSecond, HEARSAY_DIALS.burst, context.now)
  }

  /** Dials the peers and seeds that are due. */
  tick(): void {
    const { now } = this.#context
    for (const peer of this.#membership.peers.values()) {
      if (peer.outbound.state === 'waiting' && peer.outbound.retryAt <= now) {
        peer.outbound = { state: 'waiting', retryAt: Number.POSITIVE_INFINITY, isDue: true }
      }
    }
    this.#dialDue()
    this.#dialSeeds()
  }

  /** Does not wait for the end of a back-off: this server shuts down. */
  dialNow(): void {
    if (!this.#membership.isIsolated) return
    const { now } = this.#context
    for (const peer of this.#membership.peers.values()) {
      if (peer.outbound.state === 'waiting') peer.outbound = { state: 'waiting', retryAt: now }
    }
    this.tick()
  }

  /** A dial has succeeded. */
  handleDialled(input: DialledInput): void {
    this.#endDial(input.peer, true)
    this.#openLink(input)
    this.#dialDue()
  }

  #openLink(input: DialledInput): void {
    const context = this.#context
    const peer = this.#membership.peers.get(input.peer)
    if (peer === undefined || input.introduction.id !== peer.id) return this.#handleDiscovered(input, peer)
    if (peer.outbound.state !== 'dialling') {
      return this.#links.discard(input.link, `the dial of ${peer.id} was cancelled`)
    }
    const { now, stream } = context
    const { incarnation, compact: isCompact = false } = input.introduction
    this.#membership.recordProven(peer, peer.dialledUrl)
    peer.dialFailure = undefined
    const outbound = {
      state: 'open' as const,
      link: input.link,
      openedAt: now,
      heardAt: now,
      incarnation,
      isCompact,
      rtt: undefined,
    }
    peer.outbound = outbound
    this.#links.add(input.link, peer, 'outbound')
    log(context, { event: 'outbound', peer: peer.id })
    this.#outboundPresence.sendCatchUp(outbound, input.holds)
    // Measures its clock at once.
    this.#links.send(input.link, {
      event: 'beat',
      payload: {
        ...(isCompact ? {} : { incarnation: stream.incarnation }),
        seq: stream.seq,
        at: now,
        members: this.#memberLists.updateDigest(),
      },
    })
    this.#outboundPresence.sendClaims(peer, input.link, incarnation)
    // The list of n servers on n² links would be n³ addresses.
    this.#links.send(input.link, { event: 'members', payload: isCompact ? [] : this.#memberLists.own })
    this.#outboundMessages.resendHeld(peer, input.link)
  }

  handleDialFailed(input: DialFailedInput): void {
    this.#endDial(input.peer, false)
    this.#scheduleRetry(input)
    this.#dialDue()
  }

  /** `peer` is the id of a peer, or the URL of a seed. */
  #scheduleRetry({ peer: id, reason, code }: DialFailedInput): void {
    const seed = this.#membership.seeds.get(id)
    if (seed !== undefined) {
      log(this.#context, { event: 'dial-failed', peer: seed.url, reason, isRepeated: reason === seed.dialFailure })
      seed.dialFailure = reason
      // A seed may be the URL of this server itself, or of several servers.
      if (code === 'own-id') seed.server = this.#context.options.id
      seed.dialAt = this.#context.now + seed.backoff.nextDelay()
      return
    }
    const peer = this.#membership.peers.get(id)
    if (peer?.outbound.state !== 'dialling') return
    const failure = code ?? reason
    const isRepeated = failure === peer.dialFailure
    peer.dialFailure = failure
    if (code !== undefined) log(this.#context, { event: 'link-refused', peer: id, code, reason, isRepeated })
    else log(this.#context, { event: 'dial-failed', peer: id, reason, isRepeated })
    const delay = peer.backoff.nextDelay()
    const maxDelay = code === 'id-held' ? ID_HELD_RETRY_MS : Number.POSITIVE_INFINITY
    peer.outbound = { state: 'waiting', retryAt: this.#context.now + Math.min(delay, maxDelay) }
    if (code === 'id-in-use') this.exitBecauseOfId(`is in the mesh (reported by ${id})`)
  }

  /** @param where the other server with the id of this one was found */
  exitBecauseOfId(where: string): void {
    const { effects, options } = this.#context
    const reason = `another server with the id ${options.id} ${where}; give this server a different id`
    effects.push({ type: 'exit', code: 1, reason })
  }

  /** Whether a link would let this server hand over its claims when it shuts down. */
  get #mayHandOver(): boolean {
    return this.#context.options.auth === 'key' && this.#membership.isIsolated
  }

  #endDial(peer: string, isLinked: boolean): void {
    for (const window of Object.values(this.#windows)) window.end(peer, isLinked, this.#context.now)
  }

  #windowFor({ inbound, announcedBy }: Peer): DialWindow {
    if (inbound !== undefined) return this.#windows.reachable
    return announcedBy === undefined ? this.#windows.known : this.#windows.hearsay
  }

  /** Dials peers that are due, as many as may be dialled at once. */
  #dialDue(): void {
    const { random } = this.#context.options
    for (const window of Object.values(this.#windows)) {
      const due = [...this.#membership.peers.values()].filter(
        peer => peer.outbound.state === 'waiting' && peer.outbound.isDue === true && this.#windowFor(peer) === window,
      )
      while (due.length > 0) {
        // A server that shuts down needs the first link that it can get.
        const room = this.#context.draining ? due.length : window.room
        if (room === 0) break
        // In random order: otherwise all servers of a mesh would dial the same ones first.
        const [peer] = due.splice(due.length > room ? Math.floor(random() * due.length) : 0, 1)
        if (peer !== undefined) this.#dial(peer, window)
      }
    }
  }

  #dial(peer: Peer, window: DialWindow): void {
    // A server that shuts down needs one link, to send its claims to a peer.
    if (peer.url === undefined || (this.#context.draining && !this.#mayHandOver)) {
      peer.outbound = { state: 'waiting', retryAt: Number.POSITIVE_INFINITY }
      return
    }
    // Each worker has its own link. Dial the shared URL only while there is none.
    if (peer.isSharedAddress && this.#membership.hasWorkers(peer.id)) {
      peer.outbound = { state: 'waiting', retryAt: this.#context.now + SHARED_ADDRESS_RETRY_MS }
      return
    }
    const wait = peer.announcedBy === undefined ? 0 : this.#hearsayDials.take(this.#context.now)
    if (wait > 0) {
      peer.outbound = { state: 'waiting', retryAt: this.#context.now + wait }
      return
    }
    window.begin(peer.id, this.#context.now)
    peer.outbound = { state: 'dialling' }
    peer.dialledUrl = peer.url
    log(this.#context, { event: 'dialling', peer: peer.id, url: peer.url, isRetry: peer.dialFailure !== undefined })
    this.#context.effects.push({ type: 'dial', peer: peer.id, url: peer.url, id: peer.id })
  }

  #dialSeeds(): void {
    const { now, effects, draining } = this.#context
    // A server that drains dials only to hand over; later it may have something.
    const mayDial = !draining || this.#mayHandOver
    for (const seed of this.#membership.seeds.values()) {
      if (seed.dialAt > now || !this.#membership.needsSeed(seed)) continue
      seed.dialAt = mayDial ? Number.POSITIVE_INFINITY : now + seed.backoff.nextDelay()
      if (!mayDial) continue
      log(this.#context, { event: 'joining', url: seed.url, isRetry: seed.dialFailure !== undefined })
      effects.push({ type: 'dial', peer: seed.url, url: seed.url, id: undefined })
    }
  }

  /** A server answered at the URL of a seed or of several workers. Closes the link, and dials the server by its id. */
  #handleDiscovered({ link, peer, introduction }: DialledInput, sharedAddress: Peer | undefined): void {
    this.#links.discard(link, 'discovered; dialled again by id')
    const seed = this.#membership.seeds.get(peer)
    if (seed !== undefined) {
      seed.dialFailure = undefined
      seed.server = introduction.id
      seed.dialAt = this.#context.now + seed.backoff.nextDelay()
    }
    if (sharedAddress !== undefined) {
      sharedAddress.isSharedAddress = true
      sharedAddress.outbound = { state: 'waiting', retryAt: this.#context.now + SHARED_ADDRESS_RETRY_MS }
    }
    const { id, url = seed?.url, clients } = introduction
    if (url !== undefined) this.#membership.learn({ id, url, ...(clients === undefined ? {} : { clients }) })
    this.tick()
  }
}
