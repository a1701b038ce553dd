import { TokenBucket } from '../../common/token-bucket.ts'
import { MAX_TYPING_AUDIENCE, type TypingNotice, type TypingRequest } from '../../protocol/messages.ts'
import { isRoom, parseRecipient } from '../../protocol/rooms.ts'
import { type Context, emit, serverTime } from '../context.ts'
import type { KnownKeys } from '../keys/known-keys.ts'
import type { RoomProofs } from '../rooms/room-proofs.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { RosterCopy } from '../roster-copy.ts'

/** A user who keeps writing to the same recipient is announced again after this time, ms. */
const REPEAT_MS = 3_000
/** What a server passes on: notices per second, and at once. */
const SENT = { perSecond: 1, burst: 5 }
/** Notices that are read, per second and at once: to verify one costs some 0.2 ms. */
const READ = { perSecond: 50, burst: 100 }
/** In key mode, most difference of a notice's time to that of the mesh, ms: a server may keep it and send it later. */
const MAX_AGE_MS = 15_000
/** Most senders whose last notice is remembered. */
const MAX_SENDERS = 1_000

/** Sends and receives notices that a user is writing a message. They are not stored, and not sent again. */
export class TypingNotices {
  readonly #context: Context
  readonly #keys: KnownKeys
  readonly #proofs: RoomProofs
  readonly #roster: RosterCopy
  readonly #rooms: Rooms
  /** Whether the server of the current connection passes notices on. */
  #isSupported = false
  /** When the last notice to each recipient was sent, oldest first; monotonic ms. */
  readonly #sentAt = new Map<string, number>()
  #sendLimiter: TokenBucket | undefined
  #readLimiter: TokenBucket | undefined
  /** The times of the last notices, by sender and recipient: an earlier one is not read again. */
  readonly #lastTimes = new Map<string, number>()

  constructor(context: Context, keys: KnownKeys, proofs: RoomProofs, roster: RosterCopy, rooms: Rooms) {
    this.#context = context
    this.#keys = keys
    this.#proofs = proofs
    this.#roster = roster
    this.#rooms = rooms
  }

  /** @param isSupported whether the server passes notices on */
  onConnected(isSupported: boolean): void {
    this.#isSupported = isSupported
    this.#sentAt.clear()
  }

  /** This user is writing to a user or a room: sends a notice, unless the last one is recent or the recipient is not there. */
  send(raw: string): void {
    const { onlineConnection, effects, now } = this.#context
    const to = parseRecipient(raw)
    if (onlineConnection === undefined || !this.#isSupported || !to.ok || !this.#hasAudience(to.value)) return
    if (now - (this.#sentAt.get(to.value) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return
    const notice = this.#prove(to.value)
    this.#sendLimiter ??= new TokenBucket(SENT.perSecond, SENT.burst, now)
    if (notice === undefined || this.#sendLimiter.take(now) > 0) return
    for (const [name, at] of this.#sentAt) if (now - at >= REPEAT_MS) this.#sentAt.delete(name)
    this.#sentAt.set(to.value, now)
    effects.push({ type: 'typing', dial: onlineConnection, notice })
  }

  /** This user has sent a message: the next one that they begin gets a notice at once. */
  onSent(raw: string): void {
    const to = parseRecipient(raw)
    if (to.ok) this.#sentAt.delete(to.value)
  }

  /** Another user is writing, as a server says. */
  handle(notice: TypingNotice): void {
    const { options, now } = this.#context
    const { from, to } = notice
    if (from === options.user || !this.#isExpected(notice)) return
    this.#readLimiter ??= new TokenBucket(READ.perSecond, READ.burst, now)
    if (this.#readLimiter.take(now) > 0) return
    if (this.#keys.isEnabled && !this.#isGenuine(notice)) return
    emit(this.#context, { type: 'typing', from, to })
  }

  /** Whether the recipient is online; of a room, whether it has other members, and not too many. */
  #hasAudience(to: string): boolean {
    if (!isRoom(to)) return to !== this.#context.options.user && this.#roster.has(to)
    const others = (this.#rooms.get(to)?.members.size ?? 0) - 1
    return this.#rooms.isJoined(to) && others > 0 && others <= MAX_TYPING_AUDIENCE
  }

  #prove(to: string): TypingRequest | undefined {
    if (!this.#keys.isEnabled) return { to }
    const notice = { from: this.#context.options.user, to, at: serverTime(this.#context) }
    const proof = isRoom(to) ? this.#proofs.proveTyping(notice) : this.#keys.sealTyping(notice)
    return proof === undefined ? undefined : { to, at: notice.at, proof }
  }

  /** Whether a notice is for this user, and of someone who can write. */
  #isExpected({ from, to }: TypingNotice): boolean {
    if (!isRoom(to)) return to === this.#context.options.user && this.#roster.has(from)
    return this.#rooms.isJoined(to) && this.#rooms.get(to)?.members.has(from) === true
  }

  /** In key mode: whether the sender has made this notice, now. */
  #isGenuine(notice: TypingNotice): boolean {
    const { from, to, at = 0 } = notice
    const source = `${to}\n${from}`
    if (Math.abs(at - serverTime(this.#context)) > MAX_AGE_MS || at <= (this.#lastTimes.get(source) ?? 0)) return false
    if (!(isRoom(to) ? this.#proofs.isTypingGenuine(notice) : this.#keys.isTypingGenuine(notice))) return false
    this.#lastTimes.delete(source)
    this.#lastTimes.set(source, at)
    const [oldest] = this.#lastTimes.keys()
    if (this.#lastTimes.size > MAX_SENDERS && oldest !== undefined) this.#lastTimes.delete(oldest)
    return true
  }
}
