import { type LinkRefusal, MAX_MEMBERS } from '../../protocol/frames.ts'
import { type Context, note } from '../context.ts'
import type { LinkInput } from '../types.ts'
import type { Links } from './links.ts'
import type { Membership } from './membership.ts'
import type { Outgoing } from './outbound-messages.ts'
import type { Peer } from './peer.ts'

/** A server whose id is held tries again this soon, ms: its own life before is about to be found dead. */
const ID_RETRY_MS = 1_000
/** The address that a machine's workers share is looked at again after this long, ms. */
const FRONT_MS = 5_000

type Dialled = Extract<LinkInput, { type: 'dialled' }>

/** The links that this server dials: whom and when, what the peer is told first, what a failure means. */
export class Dialling {
  readonly #context: Context
  readonly #links: Links
  readonly #membership: Membership
  readonly #outgoing: Outgoing

  constructor(context: Context, links: Links, membership: Membership, outgoing: Outgoing) {
    this.#context = context
    this.#links = links
    this.#membership = membership
    this.#outgoing = outgoing
  }

  /** Dials those whose time has come. */
  tick(): void {
    const { now } = this.#context
    for (const peer of this.#membership.peers.values()) {
      if (peer.outbound.state === 'waiting' && peer.outbound.retryAt <= now) this.#dial(peer)
    }
    if (this.#membership.alone) this.#dialSeeds()
  }

  dialled(input: Dialled): void {
    const context = this.#context
    const peer = this.#membership.peers.get(input.peer)
    if (peer === undefined || input.introduction.id !== peer.id) return this.#met(input, peer)
    if (peer.outbound.state !== 'dialling') return this.#links.hangUp(input.link, `${peer.id} is dialled no more`)
    const { now, stream, directory } = context
    const { incarnation } = input.introduction
    peer.outbound = { state: 'open', link: input.link, openedAt: now, heardAt: now, incarnation, rtt: undefined }
    this.#links.add(input.link, peer, 'outbound')
    note(context, { event: 'outbound', peer: peer.id })

    for (const payload of stream.catchUp(input.holds, directory.ownUsers())) {
      this.#links.send(input.link, { event: 'presence', payload })
    }
    this.#links.send(input.link, { event: 'members', payload: this.#membership.members().slice(0, MAX_MEMBERS) })
    this.#outgoing.resume(peer, input.link)
  }

  /** @param id of the peer, or the address of a seed */
  failed(id: string, reason: string, code: LinkRefusal | undefined): void {
    const seed = this.#membership.seeds.get(id)
    if (seed !== undefined) {
      note(this.#context, { event: 'dial-failed', peer: seed.url, reason, failures: seed.backoff.failures + 1 })
      // This server itself: somebody else is to be met elsewhere.
      seed.dialAt = this.#context.now + seed.backoff.next()
      return
    }
    const peer = this.#membership.peers.get(id)
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

  /** At an address where some server of the mesh was to be met, this one was. It is dialled as itself. */
  #met({ link, peer, introduction }: Dialled, front: Peer | undefined): void {
    this.#links.hangUp(link, 'it is known now')
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
}
