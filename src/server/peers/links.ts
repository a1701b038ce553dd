import type { AcceptorFrame, DiallerFrame } from '../../protocol/frames.ts'
import { type Context, log } from '../context.ts'
import type { Peer } from './peer.ts'

interface Link {
  readonly peer: Peer
  /** `outbound`: this server dialled it. */
  readonly direction: 'outbound' | 'inbound'
}

/** The open links: their peers, sending, and closing. */
export class Links {
  readonly #context: Context
  readonly #open = new Map<number, Link>()

  constructor(context: Context) {
    this.#context = context
  }

  get(link: number): Link | undefined {
    return this.#open.get(link)
  }

  /** Registers a link whose handshake has succeeded. */
  add(link: number, peer: Peer, direction: Link['direction']): void {
    this.#open.set(link, { peer, direction })
  }

  send(link: number, frame: DiallerFrame | AcceptorFrame): void {
    this.#context.effects.push({ type: 'send', link, frame })
  }

  /** Closes a link that is not, or no longer, the link of a peer. The peer's state does not change. */
  discard(link: number, reason: string): void {
    this.#open.delete(link)
    this.#context.effects.push({ type: 'hang-up', link, reason })
  }

  /** Closes a peer's link. */
  close(link: number, reason: string): void {
    this.#context.effects.push({ type: 'hang-up', link, reason })
    this.handleClosed(link, reason)
  }

  /** A link closed: starts the grace period of the peer's users, or schedules the next dial. */
  handleClosed(link: number, reason: string): void {
    const known = this.#open.get(link)
    if (known === undefined) return
    this.#open.delete(link)
    const { peer, direction } = known
    const { now, options } = this.#context
    log(this.#context, { event: 'link-lost', peer: peer.id, direction, reason })
    if (direction === 'inbound') {
      peer.inbound = undefined
      peer.challenger = undefined
      peer.pendingFates = []
      peer.pendingConfirmations.clear()
      if (peer.replica.incarnation !== undefined) peer.usersExpireAt = now + options.graceMs
    } else if (peer.outbound.state === 'open') {
      peer.backoff.connectionEnded(now - peer.outbound.openedAt)
      peer.outboundLostAt = now
      peer.pendingForwards = []
      peer.outbound = { state: 'waiting', retryAt: now + peer.backoff.nextDelay() }
    }
  }
}
