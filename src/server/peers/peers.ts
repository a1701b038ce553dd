import type { ServerAddress } from '../../protocol/messages.ts'
import { type Context, log, type PeerMessageHandler, type PeerMessageSender, type StatusExchange } from '../context.ts'
import type { LinkInput } from '../types.ts'
import { Heartbeats } from './heartbeats.ts'
import { InboundFrames } from './inbound-frames.ts'
import { InboundLinks } from './inbound-links.ts'
import { InboundPresence } from './inbound-presence.ts'
import { Links } from './links.ts'
import { Membership } from './membership.ts'
import { OutboundLinks } from './outbound-links.ts'
import { OutboundMessages } from './outbound-messages.ts'
import type { Peer } from './peer.ts'

const REMOVED_REASON = 'it is of this mesh no more'

/** The other servers, as this one deals with them: who they are, the links both ways, what crosses those. */
export class Peers {
  readonly #context: Context
  readonly #membership: Membership
  readonly #links: Links
  readonly #inboundPresence: InboundPresence
  readonly #outboundMessages: OutboundMessages
  readonly #inboundFrames: InboundFrames
  readonly #outboundLinks: OutboundLinks
  readonly #inboundLinks: InboundLinks
  readonly #heartbeats: Heartbeats

  /** @param onPresenceChange marks a name whose connections changed somewhere */
  constructor(context: Context, onPresenceChange: (name: string) => void) {
    this.#context = context
    this.#membership = new Membership(context)
    this.#links = new Links(context)
    this.#inboundPresence = new InboundPresence(context, onPresenceChange)
    this.#outboundMessages = new OutboundMessages(context, this.#links, this.#membership.peers)
    this.#inboundFrames = new InboundFrames(
      context,
      this.#links,
      this.#membership,
      this.#inboundPresence,
      this.#outboundMessages,
    )
    this.#outboundLinks = new OutboundLinks(context, this.#links, this.#membership, this.#outboundMessages)
    this.#inboundLinks = new InboundLinks(context, this.#links, this.#membership)
    this.#heartbeats = new Heartbeats(
      context,
      this.#links,
      this.#membership,
      this.#inboundPresence,
      this.#outboundMessages,
    )
  }

  /** The way out for messages. */
  get messageSender(): PeerMessageSender {
    return this.#outboundMessages
  }

  /** Where messages from peers go. */
  set messageHandler(handler: PeerMessageHandler) {
    this.#inboundFrames.messageHandler = handler
    this.#outboundMessages.messageHandler = handler
  }

  /** Who tells peers how this server stands, and hears it of them. */
  set statusExchange(exchange: StatusExchange) {
    this.#inboundFrames.statusExchange = exchange
  }

  /** All servers that this one knows as such. */
  get distinctPeers(): Peer[] {
    return this.#membership.distinctPeers
  }

  /** This server and all that it knows, for clients. */
  get servers(): () => ServerAddress[] {
    return this.#membership.servers
  }

  /** When the next beat is due. */
  get nextHeartbeatAt(): number {
    return this.#heartbeats.nextHeartbeatAt
  }

  get deadline(): number {
    return Math.min(this.#heartbeats.nextHeartbeatAt, this.#membership.deadline)
  }

  start(): void {
    this.#heartbeats.start()
    log(this.#context, { event: 'dialling-peers' })
    for (const url of this.#context.options.seeds ?? []) this.#membership.addSeed(url)
    this.configure(this.#context.options.peers)
  }

  /** The config's peers are these from now on: new ones are dialled, others dropped. */
  configure(configured: readonly ServerAddress[]): void {
    for (const peer of this.#membership.configure(configured)) {
      log(this.#context, { event: 'peer-removed', peer: peer.id })
      this.#sayGoodbye(peer)
      this.#removePeer(peer)
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
        return this.#outboundLinks.handleDialled(input)
      case 'dial-failed':
        return this.#outboundLinks.handleDialFailed(input.peer, input.reason, input.code)
      case 'accepted':
        return this.#inboundLinks.accept(input)
      case 'frame':
        return this.#inboundFrames.handle(input.link, input.frame)
      case 'link-closed':
        return this.#links.handleClosed(input.link, input.reason)
    }
  }

  /** Sends what this turn gathered. */
  flush(): void {
    this.#outboundMessages.flush()
  }

  tick(): void {
    this.#heartbeats.tick()
    this.#outboundLinks.tick()
  }

  /** After a stall of this process. */
  resetTimeouts(): void {
    this.#heartbeats.resetTimeouts()
  }

  goodbye(): void {
    for (const peer of this.#membership.peers.values()) this.#sayGoodbye(peer)
  }

  #sayGoodbye({ outbound }: Peer): void {
    if (outbound.state === 'open') this.#links.send(outbound.link, { event: 'goodbye', payload: null })
  }

  /** Ends both links of a peer, takes its users out of the roster, and forgets it. */
  #removePeer(peer: Peer): void {
    if (peer.outbound.state === 'open') this.#links.close(peer.outbound.link, REMOVED_REASON)
    if (peer.inbound !== undefined) this.#links.close(peer.inbound.link, REMOVED_REASON)
    this.#inboundPresence.removeUsers(peer)
    this.#outboundMessages.abandonHeld(peer)
    this.#membership.forget(peer)
  }
}
