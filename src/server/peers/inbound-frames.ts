import type {
  AcceptorFrame,
  DiallerFrame,
  ForwardedMessage,
  Heartbeat,
  Relay,
  RoomForwarded,
  RoomRelay,
} from '../../protocol/frames.ts'
import type { TypingNotice } from '../../protocol/messages.ts'
import { isRoom } from '../../protocol/rooms.ts'
import { type Context, log, type PeerMessageHandler, type StatusExchange, type UserObserver } from '../context.ts'
import type { InboundPresence } from './inbound-presence.ts'
import type { Links } from './links.ts'
import type { MemberLists } from './member-lists.ts'
import type { Membership } from './membership.ts'
import type { OutboundMessages } from './outbound-messages.ts'
import type { OutboundPresence } from './outbound-presence.ts'
import type { InboundLink, OutboundLink, Peer } from './peer.ts'

type OpenOutboundLink = Extract<OutboundLink, { state: 'open' }>

/** A longer round trip says little about the peer's clock, ms. */
const MAX_ROUND_TRIP_MS = 2_000

interface FrameHandlers {
  links: Links
  membership: Membership
  memberLists: MemberLists
  inboundPresence: InboundPresence
  outboundPresence: OutboundPresence
  outboundMessages: OutboundMessages
  users: UserObserver
  messages: PeerMessageHandler
  statuses: StatusExchange
}

/** Dispatches the frames of peers: those on links that they dialled, and answers on links that this server dialled. */
export class InboundFrames {
  readonly #context: Context
  readonly #handlers: FrameHandlers

  constructor(context: Context, handlers: FrameHandlers) {
    this.#context = context
    this.#handlers = handlers
  }

  handle(link: number, frame: DiallerFrame | AcceptorFrame): void {
    const known = this.#handlers.links.get(link)
    if (known === undefined) return
    const { peer, direction } = known
    if (direction === 'inbound') {
      if (peer.inbound !== undefined) this.#handleDiallerFrame(peer, peer.inbound, frame)
    } else if (peer.outbound.state === 'open') this.#handleAcceptorFrame(peer, peer.outbound, frame)
  }

  /** Handles a frame on a link that the peer dialled. */
  #handleDiallerFrame(peer: Peer, inbound: InboundLink, frame: DiallerFrame | AcceptorFrame): void {
    const { membership, memberLists, inboundPresence, outboundPresence, users, statuses, links } = this.#handlers
    const { now } = this.#context
    inbound.heardAt = now
    switch (frame.event) {
      case 'presence':
        return inboundPresence.handlePresence(peer, inbound, frame.payload)
      case 'beat':
        return this.#handleHeartbeat(peer, inbound, frame.payload)
      case 'claims':
        return users.handleClaims(frame.payload)
      case 'forward':
        return this.#handleForward(peer, inbound, frame.payload)
      case 'relay':
        return this.#handleRelay(peer, frame.payload)
      case 'room-forward':
        return this.#handleRoomForward(peer, inbound.incarnation, frame.payload)
      case 'room-relay':
        return this.#handleRoomRelay(peer, frame.payload)
      case 'typing':
        return this.#handleTyping(peer, frame.payload)
      case 'receipts':
        if (!peer.speaksFor(frame.payload.user, now)) return
        return this.#handlers.messages.deliverReceipts(frame.payload)
      case 'missed':
        for (const name of frame.payload) users.notifySiblings(name)
        return
      case 'members':
        memberLists.handleList(peer, inbound, frame.payload)
        // It follows presence and claims on a new link.
        peer.hasSynced = true
        return membership.hasSynced ? users.handlePeersSynced() : undefined
      case 'survey': {
        const payload = { number: frame.payload.number, status: statuses.ownStatus }
        return links.send(inbound.link, { event: 'status', payload })
      }
      case 'goodbye':
        log(this.#context, { event: 'peer-goodbye', peer: peer.id })
        inboundPresence.removeUsers(peer)
        return outboundPresence.passOnClaims(peer, inbound)
      default:
        // Frames of acceptors are ignored here.
        frame satisfies AcceptorFrame
    }
  }

  /** Delivers the messages of a batch that are new and come from users of the peer; answers all others. */
  #handleForward(peer: Peer, { incarnation, knowsRooms }: InboundLink, batch: readonly ForwardedMessage[]): void {
    const own = this.#acceptForwards(peer, incarnation, batch)
    this.#handlers.messages.handleForwarded(peer.id, incarnation, own, !knowsRooms)
  }

  /** Echoes a heartbeat, and compares with it what this server knows. */
  #handleHeartbeat(peer: Peer, inbound: InboundLink, { members, ...heartbeat }: Heartbeat): void {
    const { links, memberLists, inboundPresence } = this.#handlers
    const clock = this.#context.meshClock.reading(this.#context.now)
    links.send(inbound.link, { event: 'beat', payload: { ...heartbeat, clock } })
    inboundPresence.handleHeartbeat(peer, inbound, heartbeat)
    if (members !== undefined) memberLists.handleDigest(peer, inbound, members)
  }

  #handleRoomForward(peer: Peer, incarnation: string, batch: readonly RoomForwarded[]): void {
    this.#handlers.messages.handleRoomForwarded(peer.id, incarnation, this.#acceptForwards(peer, incarnation, batch))
  }

  /** Selects the messages to deliver. */
  #acceptForwards<T extends ForwardedMessage | RoomForwarded>(
    peer: Peer,
    incarnation: string,
    batch: readonly T[],
  ): T[] {
    const own: T[] = []
    for (const forwarded of batch) {
      const [number, , , from] = forwarded
      const arrival = peer.acceptForward(incarnation, number)
      if (arrival === 'pending') continue
      if (arrival === 'new' && peer.speaksFor(from, this.#context.now)) own.push(forwarded)
      else this.#dropForward(peer, incarnation, forwarded, arrival === 'new')
    }
    return own
  }

  /**
   * Answers a forward that is not delivered with an unconfirmed result: a repeated one, whose result was lost with a link;
   * one with an implausible number; or one whose sender is not a user of the peer. If the peer is honest and its presence is
   * just late, the sender's client sends the message again.
   */
  #dropForward(
    peer: Peer,
    incarnation: string,
    [number, , , user]: ForwardedMessage | RoomForwarded,
    isForeign: boolean,
  ): void {
    if (isForeign) peer.foreignMessages = { messages: (peer.foreignMessages?.messages ?? 0) + 1, user }
    this.#handlers.outboundMessages.sendFate(peer.id, incarnation, number, 0, true)
  }

  /** Delivers a relay if it comes from a connection of that user to that peer. */
  #handleRelay(peer: Peer, relay: Relay): void {
    if (!relay.from.startsWith(`${peer.id}:`)) return
    if (peer.speaksFor(relay.user, this.#context.now)) this.#handlers.messages.deliverRelay(relay)
  }

  /** Delivers a frame for a member of a room if it comes from a connection of a member to that peer. */
  #handleRoomRelay(peer: Peer, relay: RoomRelay): void {
    if (!relay.from.startsWith(`${peer.id}:`)) return
    if (peer.replica.isInRoom(relay.room, relay.user)) this.#handlers.messages.deliverRoomRelay(relay)
  }

  /** Delivers a typing notice of a user of the peer; to a room, of a member. */
  #handleTyping(peer: Peer, notice: TypingNotice): void {
    const { from, to } = notice
    const maySend = isRoom(to) ? peer.replica.isInRoom(to, from) : peer.speaksFor(from, this.#context.now)
    if (maySend) this.#handlers.messages.deliverTyping(notice)
  }

  /** Handles an answer on a link that this server dialled. */
  #handleAcceptorFrame(peer: Peer, outbound: OpenOutboundLink, frame: DiallerFrame | AcceptorFrame): void {
    const { memberLists, outboundPresence, outboundMessages, statuses } = this.#handlers
    outbound.heardAt = this.#context.now
    switch (frame.event) {
      case 'fates':
        return outboundMessages.handleFates(peer, frame.payload)
      case 'confirmed':
        for (const confirmation of frame.payload) peer.recordConfirmed(confirmation)
        return
      case 'resync':
        return outboundPresence.answerResync(peer, outbound)
      case 'request-members':
        return memberLists.answer(peer, outbound.link)
      case 'beat':
        return this.#measure(peer, outbound, frame.payload)
      case 'status':
        return statuses.handleStatus(peer.id, outbound.incarnation, frame.payload)
      default:
        // Frames of diallers are ignored here.
        frame satisfies DiallerFrame
    }
  }

  /** Measures the round-trip time and the peer's clock from the echo of a heartbeat. */
  #measure(peer: Peer, outbound: OpenOutboundLink, { at = Number.POSITIVE_INFINITY, clock }: Heartbeat): void {
    const { now, meshClock } = this.#context
    if (at > now || at < outbound.openedAt) return
    outbound.rtt = now - at
    if (clock !== undefined && outbound.rtt <= MAX_ROUND_TRIP_MS) meshClock.observe(peer.id, clock, at, now)
  }
}
