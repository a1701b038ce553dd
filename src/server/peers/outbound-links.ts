import { type LinkRefusal, MAX_MEMBERS } from '../../protocol/frames.ts'
import { type Context, log } from '../context.ts'
import type { LinkInput } from '../types.ts'
import type { Links } from './links.ts'
import type { Membership } from './membership.ts'
import type { OutboundMessages } from './outbound-messages.ts'
import type { Peer } from './peer.ts'

/** A server whose id is held tries again this soon, ms: its own life before is about to be found dead. */
const ID_HELD_RETRY_MS = 1_000
/** The address that a machine's workers share is looked at again after this long, ms. */
const SHARED_ADDRESS_RETRY_MS = 5_000

type DialledInput = Extract<LinkInput, { type: 'dialled' }>

/** The links that this server dials: whom and when, what the peer is told first, what a failure means. */
export class OutboundLinks {
  readonly #context: Context
  readonly #links: Links
  readonly #membership: Membership
  readonly #outboundMessages: OutboundMessages

  constructor(context: Context, links: Links, membership: Membership, outboundMessages: OutboundMessages) {
    this.#context = context
    this.#links = links
    this.#membership = membership
    this.#outboundMessages = outboundMessages
  }

  /** Dials those whose time has come. */
  tick(): void {
    const { now } = this.#context
    for (const peer of this.#membership.peers.values()) {
      if (peer.outbound.state === 'waiting' && peer.outbound.retryAt <= now) this.#dial(peer)
    }
    if (this.#membership.isIsolated) this.#dialSeeds()
  }

  handleDialled(input: DialledInput): void {
    const context = this.#context
    const peer = this.#membership.peers.get(input.peer)
    if (peer === undefined || input.introduction.id !== peer.id) return this.#handleDiscovered(input, peer)
    if (peer.outbound.state !== 'dialling') return this.#links.discard(input.link, `${peer.id} is dialled no more`)
    const { now, stream, directory } = context
    const { incarnation } = input.introduction
    peer.outbound = { state: 'open', link: input.link, openedAt: now, heardAt: now, incarnation, rtt: undefined }
    this.#links.add(input.link, peer, 'outbound')
    log(context, { event: 'outbound', peer: peer.id })

    for (const payload of stream.catchUp(input.holds, directory.ownUsers())) {
      this.#links.send(input.link, { event: 'presence', payload })
    }
    this.#links.send(input.link, { event: 'members', payload: this.#membership.members().slice(0, MAX_MEMBERS) })
    this.#outboundMessages.resendHeld(peer, input.link)
  }

  /** @param id of the peer, or the address of a seed */
  handleDialFailed(id: string, reason: string, code: LinkRefusal | undefined): void {
    const seed = this.#membership.seeds.get(id)
    if (seed !== undefined) {
      log(this.#context, { event: 'dial-failed', peer: seed.url, reason, failures: seed.backoff.failures + 1 })
      // This server itself: somebody else is to be met elsewhere.
      seed.dialAt = this.#context.now + seed.backoff.nextDelay()
      return
    }
    const peer = this.#membership.peers.get(id)
    if (peer?.outbound.state !== 'dialling') return
    if (code !== undefined) log(this.#context, { event: 'link-refused', peer: id, code })
    else log(this.#context, { event: 'dial-failed', peer: id, reason, failures: peer.backoff.failures + 1 })
    const wait = peer.backoff.nextDelay()
    const most = code === 'id-held' ? ID_HELD_RETRY_MS : Number.POSITIVE_INFINITY
    peer.outbound = { state: 'waiting', retryAt: this.#context.now + Math.min(wait, most) }
    if (code !== 'id-in-use') return
    const { effects, options } = this.#context
    const text = `another server with the id ${options.id} is in the mesh (so says ${id}); give this one an id of its own`
    effects.push({ type: 'exit', code: 1, reason: text })
  }

  #dial(peer: Peer): void {
    if (peer.url === undefined || this.#context.draining) {
      peer.outbound = { state: 'waiting', retryAt: Number.POSITIVE_INFINITY }
      return
    }
    // Its workers have links of their own: the address that they share is asked only while there are none.
    if (peer.isSharedAddress && this.#membership.hasWorkers(peer.id)) {
      peer.outbound = { state: 'waiting', retryAt: this.#context.now + SHARED_ADDRESS_RETRY_MS }
      return
    }
    peer.outbound = { state: 'dialling' }
    log(this.#context, { event: 'dialling', peer: peer.id, url: peer.url })
    this.#context.effects.push({ type: 'dial', peer: peer.id, url: peer.url, id: peer.id })
  }

  #dialSeeds(): void {
    const { now, effects, draining } = this.#context
    if (draining) return
    for (const seed of this.#membership.seeds.values()) {
      if (seed.dialAt > now) continue
      seed.dialAt = Number.POSITIVE_INFINITY
      log(this.#context, { event: 'joining', url: seed.url })
      effects.push({ type: 'dial', peer: seed.url, url: seed.url, id: undefined })
    }
  }

  /** At an address where some server of the mesh was to be met, this one was. It is dialled as itself. */
  #handleDiscovered({ link, peer, introduction }: DialledInput, sharedAddress: Peer | undefined): void {
    this.#links.discard(link, 'it is known now')
    const seed = this.#membership.seeds.get(peer)
    if (seed !== undefined) seed.dialAt = this.#context.now + seed.backoff.nextDelay()
    if (sharedAddress !== undefined) {
      sharedAddress.isSharedAddress = true
      sharedAddress.outbound = { state: 'waiting', retryAt: this.#context.now + SHARED_ADDRESS_RETRY_MS }
    }
    const { id, url = seed?.url, clients } = introduction
    if (url !== undefined) this.#membership.learn({ id, url, ...(clients === undefined ? {} : { clients }) })
    this.tick()
  }
}
