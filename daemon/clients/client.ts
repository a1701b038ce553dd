import type { Socket } from 'socket.io'
import type { ClaimTicket } from '../../src/protocol/claim-ticket.ts'
import type { Challenge } from '../../src/protocol/credentials.ts'
import type { IdentifyResponse } from '../../src/protocol/messages.ts'
import type { ClientEffect, HeldName } from '../../src/server/types.ts'
import type { RequestedProof } from '../auth/mesh-prover.ts'
import type { ConnectionBudget } from '../transport/budgets/connection-budget.ts'
import type { FrameBatch } from '../transport/packets/frame-batch.ts'
import { Packet } from '../transport/packets/packet.ts'
import { identifiedPacket, rosterPacket } from '../transport/packets/roster-packets.ts'

/**
 * A client's connection. Members that most connections never need are created on first use.
 */
export interface Client {
  readonly connection: number
  readonly socket: Socket
  readonly batch: FrameBatch
  /** Acknowledgement functions of calls that came through Socket.IO's decoder, by negative numbers. */
  pendingCalls: Map<number, (payload: unknown) => void> | undefined
  /** Counts its malformed payloads. */
  countMalformed: ((event: string) => void) | undefined
  /** The challenge that it must sign, in key mode. */
  challenge: Challenge | undefined
  /** Whether it accepts packed rosters and deltas. */
  acceptsPacked: boolean
  /** What its connection may use. */
  readonly budget: ConnectionBudget
  /** The mesh proof that it asks for; undefined for a client of 0.1. */
  meshProof: RequestedProof | undefined
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

/** Sends the answer to a call. */
export function sendAnswer({ batch, pendingCalls, acceptsPacked }: Client, call: number, payload: SentAnswer): void {
  if (call < CONNECT_CALL) {
    pendingCalls?.get(call)?.(payload)
    pendingCalls?.delete(call)
  } else if (isIdentified(payload)) {
    batch.add(identifiedPacket(call === CONNECT_CALL ? '2["identified",' : `3${call}[`, payload, acceptsPacked))
  } else if (call === CONNECT_CALL) batch.add(new Packet(eventPacket({ event: 'identified', payload })))
  else if ('version' in payload && 'users' in payload) batch.add(rosterPacket(call, payload, acceptsPacked))
  else batch.add(new Packet(`3${call}${JSON.stringify([payload])}`))
}

/** An event of Socket.IO's default namespace. */
export function eventPacket({ event, payload }: { event: string; payload: unknown }): string {
  return `2${JSON.stringify([event, payload])}`
}
