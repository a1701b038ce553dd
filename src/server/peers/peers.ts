import type { ServerAddress } from '../../protocol/messages.ts'
import { type Arrivals, type Context, type Departures, note, type Observer } from '../context.ts'
import type { LinkInput } from '../types.ts'
import { Beats } from './heartbeats.ts'
import { Incoming } from './inbound-frames.ts'
import { Accepting } from './inbound-links.ts'
import { Presence } from './inbound-presence.ts'
import { Links } from './links.ts'
import { Membership } from './membership.ts'
import { Dialling } from './outbound-links.ts'
import { Outgoing } from './outbound-messages.ts'
import type { Peer } from './peer.ts'

const REMOVED = 'it is of this mesh no more'

/** The other servers, as this one deals with them: who they are, the links both ways, what crosses those. */
export class Peers {
  readonly #context: Context
  readonly #membership: Membership
  readonly #links: Links
  readonly #presence: Presence
  readonly #outgoing: Outgoing
  readonly #incoming: Incoming
  readonly #dialling: Dialling
  readonly #accepting: Accepting
  readonly #beats: Beats

  /** @param touch marks a name whose connections changed somewhere */
  constructor(context: Context, touch: (name: string) => void) {
    this.#context = context
    this.#membership = new Membership(context)
    this.#links = new Links(context)
    this.#presence = new Presence(context, touch)
    this.#outgoing = new Outgoing(context, this.#links, this.#membership.peers)
    this.#incoming = new Incoming(context, this.#links, this.#membership, this.#presence, this.#outgoing)
    this.#dialling = new Dialling(context, this.#links, this.#membership, this.#outgoing)
    this.#accepting = new Accepting(context, this.#links, this.#membership)
    this.#beats = new Beats(context, this.#links, this.#membership, this.#presence, this.#outgoing)
  }

  /** The way out for messages. */
  get departures(): Departures {
    return this.#outgoing
  }

  /** Where messages from peers go. */
  set arrivals(arrivals: Arrivals) {
    this.#incoming.arrivals = arrivals
    this.#outgoing.arrivals = arrivals
  }

  /** Who tells peers how this server stands, and hears it of them. */
  set observer(observer: Observer) {
    this.#incoming.observer = observer
  }

  /** All servers that this one knows as such. */
  get each(): Peer[] {
    return this.#membership.each
  }

  /** This server and all that it knows, for clients. */
  get servers(): () => ServerAddress[] {
    return this.#membership.servers
  }

  /** When the next beat is due. */
  get beatAt(): number {
    return this.#beats.beatAt
  }

  get deadline(): number {
    return Math.min(this.#beats.beatAt, this.#membership.deadline)
  }

  start(): void {
    this.#beats.start()
    note(this.#context, { event: 'dialling-peers' })
    for (const url of this.#context.options.seeds ?? []) this.#membership.addSeed(url)
    this.configure(this.#context.options.peers)
  }

  /** The config's peers are these from now on: new ones are dialled, others dropped. */
  configure(configured: readonly ServerAddress[]): void {
    for (const peer of this.#membership.configure(configured)) {
      note(this.#context, { event: 'peer-removed', peer: peer.id })
      this.#sayGoodbye(peer)
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
        return this.#dialling.dialled(input)
      case 'dial-failed':
        return this.#dialling.failed(input.peer, input.reason, input.code)
      case 'accepted':
        return this.#accepting.accept(input)
      case 'frame':
        return this.#incoming.frame(input.link, input.frame)
      case 'link-closed':
        return this.#links.closed(input.link, input.reason)
    }
  }

  /** Sends what this turn gathered. */
  flush(): void {
    this.#outgoing.flush()
  }

  tick(): void {
    this.#beats.tick()
    this.#dialling.tick()
  }

  /** After a stall of this process. */
  forgive(): void {
    this.#beats.forgive()
  }

  goodbye(): void {
    for (const peer of this.#membership.peers.values()) this.#sayGoodbye(peer)
  }

  #sayGoodbye({ outbound }: Peer): void {
    if (outbound.state === 'open') this.#links.send(outbound.link, { event: 'goodbye', payload: null })
  }

  /** Ends both links of a peer, takes its users out of the roster, and forgets it. */
  #drop(peer: Peer): void {
    if (peer.outbound.state === 'open') this.#links.cut(peer.outbound.link, REMOVED)
    if (peer.inbound !== undefined) this.#links.cut(peer.inbound.link, REMOVED)
    this.#presence.gone(peer)
    this.#outgoing.giveUp(peer)
    this.#membership.forget(peer)
  }
}
