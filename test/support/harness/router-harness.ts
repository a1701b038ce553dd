/** A router without a server around it, for unit tests. */
import { Replica } from '../../../src/presence/replica.ts'
import type { ForwardedMessage, Relay, RoomRelay, UserReceipts } from '../../../src/protocol/frames.ts'
import type { Limits } from '../../../src/protocol/limits.ts'
import type { Message, TypingNotice } from '../../../src/protocol/messages.ts'
import type { Connection } from '../../../src/server/clients/connection.ts'
import type { PeerMessageSender } from '../../../src/server/context.ts'
import type { Delivery } from '../../../src/server/delivery.ts'
import { Rooms } from '../../../src/server/rooms/rooms.ts'
import { Router } from '../../../src/server/router.ts'
import type { ServerOptions } from '../../../src/server/types.ts'
import { addConnection, createContext, takeEffects } from './server-context.ts'

/** Records what the router sends to peers. */
class RecordedSender implements PeerMessageSender {
  reachable = true
  readonly forwards: { peers: readonly string[]; message: Message; delivery: Delivery }[] = []
  readonly results: unknown[][] = []
  readonly roomForwards: { peers: readonly string[]; message: Message; delivery: Delivery }[] = []
  readonly roomRelays: { peer: string; relay: RoomRelay }[] = []
  readonly missed: unknown[] = []
  readonly confirmations: unknown[][] = []
  readonly receipts: ({ peer: string } & UserReceipts)[] = []
  readonly relays: { peer: string; relay: Relay }[] = []
  readonly typing: { peers: readonly string[]; notice: TypingNotice }[] = []

  forward(peers: readonly string[], message: Message, delivery: Delivery): boolean {
    this.forwards.push({ peers, message, delivery })
    if (this.reachable) for (const _ of peers) delivery.expectAnswer()
    return this.reachable
  }

  forwardToRoom(peers: readonly string[], message: Message, delivery: Delivery): boolean {
    this.roomForwards.push({ peers, message, delivery })
    if (this.reachable) for (const _ of peers) delivery.expectAnswer()
    return this.reachable
  }

  relayToRoom(peer: string, relay: RoomRelay): void {
    this.roomRelays.push({ peer, relay })
  }

  sendFate(...result: unknown[]): void {
    this.results.push(result)
  }

  sendConfirmation(peer: string, _incarnation: string, number: number, { delivered, isPending }: Delivery): void {
    this.confirmations.push([peer, number, delivered, isPending])
  }

  sendMissed(peer: string, users: readonly string[]): void {
    this.missed.push([peer, users])
  }

  sendReceipts(peer: string, receipts: UserReceipts): void {
    this.receipts.push({ peer, ...receipts })
  }

  relay(peer: string, relay: Relay): void {
    this.relays.push({ peer, relay })
  }

  sendTyping(peers: readonly string[], notice: TypingNotice): void {
    this.typing.push({ peers, notice })
  }
}

/** A router with recorded peers. `im` sends a message with call 7. */
export function createRouter(limits: Partial<Limits> = {}, options: Partial<ServerOptions> = {}) {
  const context = createContext(limits, options)
  const connections = new Map<number, Connection>()
  const peers = new RecordedSender()
  const rooms = new Rooms(context, connections)
  const toldToCompare: string[] = []
  const users = { notifySiblings: (user: string) => void toldToCompare.push(user) }
  const router = new Router(context, connections, peers, users, rooms)
  const join = (id: number, user: string, protocol: 1 | 2 = 2) =>
    addConnection(context, connections, id, user, protocol)
  const usersOnPeer = (peer: string, ...users: string[]) => {
    const replica = new Replica()
    const entries = users.map((user): [string, number] => [user, 1])
    replica.apply({ type: 'snapshot', incarnation: 'x', seq: 1, users: entries, more: false })
    context.directory.addReplica(peer, replica)
  }
  /** A connection joins a room; the effects of that are dropped. */
  const enter = (connection: Connection, room: string) => {
    rooms.join({ type: 'join', connection: connection.id, room, call: 1 })
    takeEffects(context)
  }
  const membersOnPeer = (peer: string, room: string, ...users: string[]) =>
    rooms.handleMemberships(
      peer,
      users.map(name => ({ room, name, isMember: true })),
    )
  const im = (connection: number, to: string, more: Partial<Message> = {}) => {
    const message = { id: 'm', at: context.wall, to, text: 'hi', ...more }
    router.handleIm({ type: 'im', connection, message, call: 7 })
  }
  const forwarded = (number: number, from: string, to: string, waitsForAll = false) => {
    const batch: ForwardedMessage[] = [[number, `m${number}`, context.wall, from, to, 'hi']]
    router.handleForwarded('server-2', 'server-2#1', batch, waitsForAll)
  }
  const roomForwarded = (number: number, from: string, room: string, more: { at?: number; proof?: string } = {}) => {
    const { at = context.wall, proof = '' } = more
    router.handleRoomForwarded('server-2', 'server-2#1', [[number, `m${number}`, at, from, room, 'hi', proof]])
  }
  const confirm = (connection: Connection, count: number) => router.handleConfirmation(connection, count)
  return {
    context,
    connections,
    peers,
    rooms,
    toldToCompare,
    router,
    join,
    enter,
    usersOnPeer,
    membersOnPeer,
    im,
    forwarded,
    roomForwarded,
    confirm,
  }
}
