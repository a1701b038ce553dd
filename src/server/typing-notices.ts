import { MAX_TYPING_AUDIENCE, type TypingNotice } from '../protocol/messages.ts'
import { parseUserName } from '../protocol/names.ts'
import { parseSealedText } from '../protocol/proofs/credentials.ts'
import { parseAuthorProof } from '../protocol/proofs/room-proof.ts'
import { isRoom, parseRoomName } from '../protocol/rooms.ts'
import type { Connection } from './clients/connection.ts'
import type { Context, PeerMessageSender } from './context.ts'
import type { Rooms } from './rooms/rooms.ts'
import type { ClientInput } from './types.ts'

/**
 * Passes on notices that a user is writing a message. They are not stored, held or answered: one that cannot be delivered
 * at once, or comes too soon after others, is dropped.
 */
export class TypingNotices {
  readonly #context: Context
  readonly #connections: ReadonlyMap<number, Connection>
  readonly #peerSender: Pick<PeerMessageSender, 'sendTyping'>
  readonly #rooms: Pick<Rooms, 'mayWrite'>

  /** @param connections the identified connections */
  constructor(
    context: Context,
    connections: ReadonlyMap<number, Connection>,
    peerSender: Pick<PeerMessageSender, 'sendTyping'>,
    rooms: Pick<Rooms, 'mayWrite'>,
  ) {
    this.#context = context
    this.#connections = connections
    this.#peerSender = peerSender
    this.#rooms = rooms
  }

  /** Passes on a notice of a client of this server. */
  handle({ connection: id, notice: { to, at, proof } }: Extract<ClientInput, { type: 'typing' }>): void {
    const { directory, rooms, options, now } = this.#context
    const sender = this.#connections.get(id)
    if (sender === undefined || !sender.takeTyping(now)) return
    const toRoom = isRoom(to.trimStart())
    const name = toRoom ? parseRoomName(to) : parseUserName(to)
    if (!name.ok || name.value === sender.user) return
    const isKeyed = options.auth === 'key'
    if (isKeyed) {
      const key = toRoom ? parseAuthorProof(proof)?.key : parseSealedText(proof ?? '')?.from
      if (at === undefined || key === undefined || key !== directory.ownClaim(sender.user)?.key) return
    }
    const notice = { from: sender.user, to: name.value, ...(isKeyed ? { at, proof } : {}) }
    if (toRoom && (!this.#rooms.mayWrite(sender, name.value) || !this.#isSmall(name.value))) return
    this.deliver(notice)
    const peers = toRoom ? (rooms.get(name.value)?.peers ?? []) : directory.peersHolding(name.value, name.value)
    this.#peerSender.sendTyping(peers, notice)
  }

  /** Delivers a notice to the local connections of its recipient, or of the other members of its room, that want it. */
  deliver(notice: TypingNotice): void {
    const to: number[] = []
    for (const { id, user, wantsTyping } of this.#receivers(notice)) {
      if (wantsTyping && user !== notice.from) to.push(id)
    }
    if (to.length > 0) this.#context.effects.push({ type: 'emit', to, message: { event: 'typing', payload: notice } })
  }

  #receivers({ to, proof = '' }: TypingNotice): Iterable<Connection> {
    const { directory, rooms, options } = this.#context
    if (isRoom(to)) return this.#isSmall(to) ? (rooms.get(to)?.connections ?? []) : []
    // A client with another key than the one it is sealed for cannot open it.
    if (options.auth === 'key' && parseSealedText(proof)?.to !== directory.ownClaim(to)?.key) return []
    return directory.connectionsOf(to)
  }

  #isSmall(room: string): boolean {
    return (this.#context.rooms.get(room)?.memberCount ?? 0) - 1 <= MAX_TYPING_AUDIENCE
  }
}
