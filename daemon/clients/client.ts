import type { Socket } from 'socket.io'
import type { IdentifyResponse } from '../../src/protocol/messages.ts'
import type { ClaimTicket } from '../../src/protocol/proofs/claim-ticket.ts'
import type { Challenge } from '../../src/protocol/proofs/credentials.ts'
import type { MeshIdentity } from '../../src/protocol/proofs/mesh-identity.ts'
import type { ClientEffect, HeldName } from '../../src/server/types.ts'
import type { RequestedProof } from '../auth/mesh-prover.ts'
import type { ConnectionBudget } from '../transport/budgets/connection-budget.ts'
import { EventReader, type EventReceiver } from '../transport/packets/event-reader.ts'
import type { FrameBatch } from '../transport/packets/frame-batch.ts'
import { Packet } from '../transport/packets/packet.ts'
import { identifiedPacket, rosterPacket } from '../transport/packets/roster-packets.ts'

/** Takes what the connections of clients receive. */
export interface ClientEvents {
  /** See `EventReceiver`. */
  handleEvent(client: Client, event: string, payload: unknown, call: number | undefined): boolean
  /** An event that came through Socket.IO's decoder, with its arguments. */
  handleSocketIoEvent(client: Client, event: string, args: readonly unknown[]): void
  handleDisconnect(client: Client): void
}

function onAnyEvent(this: Socket, event: string, ...args: unknown[]): void {
  const client = this.data as Client
  client.events.handleSocketIoEvent(client, event, args)
}
function onDisconnect(this: Socket): void {
  const client = this.data as Client
  const reader = EventReader.of(this.conn)
  if (reader !== undefined) reader.receiver = undefined
  client.events.handleDisconnect(client)
}

/**
 * A client's connection. Members that most connections never need are created on first use. It is the data of its socket,
 * so that all connections share their listeners.
 */
export class Client implements EventReceiver {
  readonly connection: number
  readonly socket: Socket
  readonly batch: FrameBatch
  readonly events: ClientEvents
  /** What its connection may use. */
  readonly budget: ConnectionBudget
  /** Acknowledgement functions of calls that came through Socket.IO's decoder, by negative numbers. */
  pendingCalls: Map<number, (payload: unknown) => void> | undefined = undefined
  /** Counts its malformed payloads. */
  countMalformed: ((event: string) => void) | undefined = undefined
  /** The challenge that it must sign, in key mode. */
  challenge: Challenge | undefined = undefined
  /** Whether it accepts packed rosters and deltas. */
  acceptsPacked = false
  /** The mesh proof that it asks for; undefined for a client of 0.1. */
  meshProof: RequestedProof | undefined = undefined

  constructor(connection: number, socket: Socket, batch: FrameBatch, budget: ConnectionBudget, events: ClientEvents) {
    this.connection = connection
    this.socket = socket
    this.batch = batch
    this.budget = budget
    this.events = events
  }

  /** Starts to pass on its events. */
  listen(): void {
    const { socket } = this
    socket.data = this
    socket.onAny(onAnyEvent)
    socket.on('disconnect', onDisconnect)
    const reader = EventReader.of(socket.conn)
    if (reader !== undefined) reader.receiver = this
  }

  /** Sends what waits for the end of the turn. */
  flush(): void {
    this.batch.flush(performance.now())
  }

  handleEvent(event: string, payload: unknown, call: number | undefined): boolean {
    return this.events.handleEvent(this, event, payload, call)
  }
}

/**
 * Handles an event. `call` is the number of the acknowledgement that the client asks for: its own where `EventReader`
 * read the event, a negative one where Socket.IO did. Returns false for a malformed payload.
 */
export type EventHandler = (client: Client, payload: unknown, call: number | undefined) => boolean

/** The call of an `identify` sent in Socket.IO's `auth`, while connecting: the event `identified` answers it. */
export const CONNECT_CALL = -1

export type Answer = Extract<ClientEffect, { type: 'answer' }>['payload']
/** An answer on the wire. */
export type SentAnswer = Exclude<Answer, HeldName> | { ok: true; claim?: ClaimTicket }

/** Whether a payload answers an accepted `identify`. */
export function isIdentified(payload: SentAnswer): payload is Extract<IdentifyResponse, { ok: true }> {
  return 'roster' in payload
}

/**
 * Sends the answer to a call.
 * @param proveMesh returns the mesh proof that belongs to the answer, when it is written: the proofs of all connections that
 *   a turn answers are signed at once
 */
export function sendAnswer(client: Client, call: number, payload: SentAnswer, proveMesh?: () => MeshIdentity): void {
  const { batch, pendingCalls, acceptsPacked } = client
  if (call < CONNECT_CALL) {
    pendingCalls?.get(call)?.(proveMesh === undefined ? payload : { ...payload, mesh: proveMesh() })
    pendingCalls?.delete(call)
  } else if (isIdentified(payload)) {
    const prefix = call === CONNECT_CALL ? '2["identified",' : `3${call}[`
    batch.add(identifiedPacket(prefix, payload, acceptsPacked, proveMesh))
  } else if (proveMesh !== undefined) {
    batch.add(new Packet(() => answerText(call, { ...payload, mesh: proveMesh() })))
  } else if (call !== CONNECT_CALL && 'version' in payload && 'users' in payload)
    batch.add(rosterPacket(call, payload, acceptsPacked))
  else batch.add(new Packet(answerText(call, payload)))
}

/** An answer on the wire: an acknowledgement, or the event `identified`. */
function answerText(call: number, payload: object): string {
  return call === CONNECT_CALL ? eventPacket({ event: 'identified', payload }) : `3${call}${JSON.stringify([payload])}`
}

/** An event of Socket.IO's default namespace. */
export function eventPacket({ event, payload }: { event: string; payload: unknown }): string {
  return `2${JSON.stringify([event, payload])}`
}
