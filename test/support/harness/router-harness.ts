/** A router without a server around it, for unit tests. */
import { Replica } from '../../../src/presence/replica.ts'
import type { Relay } from '../../../src/protocol/frames.ts'
import type { Limits } from '../../../src/protocol/limits.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import type { Connection } from '../../../src/server/clients/connection.ts'
import type { PeerMessageSender } from '../../../src/server/context.ts'
import type { Delivery } from '../../../src/server/delivery.ts'
import { Router } from '../../../src/server/router.ts'
import type { ServerOptions } from '../../../src/server/types.ts'
import { addConnection, createContext } from './server-context.ts'

/** Records what the router sends to peers. */
class RecordedSender implements PeerMessageSender {
  reachable = true
  readonly forwards: { peers: readonly string[]; message: Message; delivery: Delivery }[] = []
  readonly results: unknown[][] = []
  readonly relays: { peer: string; relay: Relay }[] = []

  forward(peers: readonly string[], message: Message, delivery: Delivery): boolean {
    this.forwards.push({ peers, message, delivery })
    if (this.reachable) for (const _ of peers) delivery.expectAnswer()
    return this.reachable
  }

  sendFate(...result: unknown[]): void {
    this.results.push(result)
  }

  relay(peer: string, relay: Relay): void {
    this.relays.push({ peer, relay })
  }
}

/** A router with recorded peers. `im` sends a message with call 7. */
export function createRouter(limits: Partial<Limits> = {}, options: Partial<ServerOptions> = {}) {
  const context = createContext(limits, options)
  const connections = new Map<number, Connection>()
  const peers = new RecordedSender()
  const router = new Router(context, connections, peers)
  const join = (id: number, user: string, protocol: 1 | 2 = 2) =>
    addConnection(context, connections, id, user, protocol)
  const usersOnPeer = (peer: string, ...users: string[]) => {
    const replica = new Replica()
    const entries = users.map((user): [string, number] => [user, 1])
    replica.apply({ type: 'snapshot', incarnation: 'x', seq: 1, users: entries, more: false })
    context.directory.addReplica(peer, replica)
  }
  const im = (connection: number, to: string, more: Partial<Message> = {}) => {
    const message = { id: 'm', at: context.wall, to, text: 'hi', ...more }
    router.handleIm({ type: 'im', connection, message, call: 7 })
  }
  const forwarded = (number: number, from: string, to: string) => {
    router.handleForwarded('server-2', 'server-2#1', [[number, `m${number}`, context.wall, from, to, 'hi']])
  }
  const confirm = (connection: Connection, count: number) => router.handleConfirmation(connection, count)
  return { context, connections, peers, router, join, usersOnPeer, im, forwarded, confirm }
}
