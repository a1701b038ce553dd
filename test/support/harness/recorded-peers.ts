/** The modules of a server that deal with peers, with recorded users, messages and statuses. */

import type { MembershipChange } from '../../../src/presence/replica.ts'
import type {
  ForwardedMessage,
  PeerIdentity,
  PresenceEntry,
  Relay,
  RememberedClaims,
  RoomForwarded,
  RoomRelay,
  StatusResponse,
  UserReceipts,
} from '../../../src/protocol/frames.ts'
import type { Limits } from '../../../src/protocol/limits.ts'
import type { TypingNotice } from '../../../src/protocol/messages.ts'
import type { ServerStatus } from '../../../src/protocol/status.ts'
import type { Context } from '../../../src/server/context.ts'
import { Links } from '../../../src/server/peers/links.ts'
import { Membership } from '../../../src/server/peers/membership.ts'
import { OutboundMessages } from '../../../src/server/peers/outbound-messages.ts'
import type { Peer } from '../../../src/server/peers/peer.ts'
import { Peers } from '../../../src/server/peers/peers.ts'
import type { Effect, ServerOptions } from '../../../src/server/types.ts'
import { advance, createContext, peerIdentity, takeEffects } from './server-context.ts'

/** Gives a peer an open link that this server dialled. */
export function openOutbound(peer: Peer): void {
  peer.outbound = {
    state: 'open',
    link: 1,
    openedAt: 0,
    heardAt: 0,
    incarnation: 'x',
    isCompact: true,
    rtt: undefined,
  }
}

export const OWN_STATUS: ServerStatus = {
  server: 'server-1',
  incarnation: 'server-1#1',
  uptime: 0,
  draining: false,
  users: 0,
  connections: 0,
  online: 0,
  slow: 0,
  accepted: 0,
  refused: 0,
  forwarded: 0,
  delivered: 0,
  links: [],
}

export class RecordedPeers {
  readonly context: Context
  readonly membership: Membership
  readonly links: Links
  readonly outboundMessages: OutboundMessages
  readonly peers: Peers
  readonly changedUsers: string[] = []
  readonly notifiedSiblings: string[] = []
  readonly forwarded: ForwardedMessage[] = []
  readonly relays: Relay[] = []
  readonly receipts: UserReceipts[] = []
  readonly typing: TypingNotice[] = []
  readonly memberships: ({ peer: string } & MembershipChange)[] = []
  readonly roomForwarded: RoomForwarded[] = []
  readonly roomRelays: RoomRelay[] = []
  readonly claims: RememberedClaims = []
  syncs = 0
  readonly statuses: [string, string, StatusResponse][] = []
  #lastLink = 0

  constructor(limits: Partial<Limits> = {}, options: Partial<ServerOptions> = {}) {
    this.context = createContext(limits, options)
    this.membership = new Membership(this.context)
    this.links = new Links(this.context)
    this.outboundMessages = new OutboundMessages(this.context, this.links, this.membership.peers)
    this.peers = new Peers(this.context, {
      membership: this.membership,
      links: this.links,
      outboundMessages: this.outboundMessages,
      users: {
        handlePresenceChange: name => void this.changedUsers.push(name),
        handlePeersSynced: () => void this.syncs++,
        handleClaims: claims => void this.claims.push(...claims),
        handleMemberships: (peer, changes) =>
          void this.memberships.push(...changes.map(change => ({ peer, ...change }))),
        notifySiblings: name => void this.notifiedSiblings.push(name),
      },
      messages: {
        handleForwarded: (_peer, _incarnation, batch) => void this.forwarded.push(...batch),
        handleRoomForwarded: (_peer, _incarnation, batch) => void this.roomForwarded.push(...batch),
        deliverRoomRelay: relay => void this.roomRelays.push(relay),
        deliverRelay: relay => void this.relays.push(relay),
        deliverReceipts: receipts => void this.receipts.push(receipts),
        deliverTyping: notice => void this.typing.push(notice),
      },
      statuses: { ownStatus: OWN_STATUS, handleStatus: (...answer) => void this.statuses.push(answer) },
    })
    this.peers.start()
    this.takeEffects()
  }

  /** The peer with this id; throws if there is none. */
  peer(id: string): Peer {
    const peer = this.membership.peers.get(id)
    if (peer === undefined) throw new Error(`${id} is not a peer`)
    return peer
  }

  /** Opens the link that a peer dials. Returns its number. */
  acceptLink(id: string, incarnation = `${id}#1`, more: Partial<PeerIdentity> = {}): number {
    const link = ++this.#lastLink
    const introduction = peerIdentity(id, incarnation, more)
    this.peers.inboundLinks.handleAccepted({ type: 'accepted', link, introduction })
    return link
  }

  /** Opens the link that this server dials. Returns its number. */
  dialLink(
    id: string,
    holds: { incarnation?: string; seq: number } = { seq: 0 },
    more: Partial<PeerIdentity> = {},
  ): number {
    const link = ++this.#lastLink
    this.membership.learn({ id, url: `http://${id}:1` })
    this.peer(id).outbound = { state: 'dialling' }
    this.peer(id).dialledUrl = this.peer(id).url
    const introduction = peerIdentity(id, undefined, more)
    this.peers.outboundLinks.handleDialled({ type: 'dialled', peer: id, link, introduction, holds })
    return link
  }

  frame(link: number, frame: Parameters<Peers['inboundFrames']['handle']>[1]): void {
    this.peers.inboundFrames.handle(link, frame)
  }

  snapshot(link: number, seq: number, users: PresenceEntry[], incarnation = 'two#1'): void {
    this.frame(link, { event: 'presence', payload: { type: 'snapshot', incarnation, seq, users, more: false } })
  }

  delta(link: number, seq: number, changes: PresenceEntry[], incarnation = 'two#1'): void {
    this.frame(link, { event: 'presence', payload: { type: 'delta', incarnation, seq, changes } })
  }

  /** Lets time pass, with a tick at its end. */
  advance(ms: number): void {
    advance(this.context, ms)
    this.peers.tick()
  }

  /** Removes and returns the effects so far, without log entries. */
  takeEffects(): Exclude<Effect, { type: 'log' }>[] {
    return takeEffects(this.context)
  }

  /** Removes the effects so far. Returns the frames that were sent on a link, as [event, payload]. */
  takeSent(link: number): [string, unknown][] {
    return this.takeEffects().flatMap((one): [string, unknown][] =>
      one.type === 'send' && one.link === link ? [[one.frame.event, one.frame.payload]] : [],
    )
  }
}
