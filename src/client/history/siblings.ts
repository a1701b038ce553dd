import type { Message } from '../../protocol/messages.ts'
import { parseSealedText } from '../../protocol/proofs/credentials.ts'
import { isRoom } from '../../protocol/rooms.ts'
import { type Context, emit, isPlausibleTime } from '../context.ts'
import { withOpenedText } from '../keys/keyring.ts'
import type { KnownKeys } from '../keys/known-keys.ts'
import type { MeshTrust } from '../mesh-trust.ts'
import type { ReceiptLog } from '../messages/receipts.ts'
import type { RoomEntry } from '../rooms/room-list.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { OnlineInput } from '../types.ts'
import type { StoredMessage } from './message-log.ts'
import { type MessageStore, toMessage } from './message-store.ts'
import { ReadMarks } from './read-marks.ts'
import {
  type ComparedLog,
  compareFrame,
  handleSiblingFrame,
  MAX_READ_MARKS_PER_FRAME,
  type SiblingFrame,
} from './reconciliation.ts'
import { costOf, FRAME_COST, MARK_COST, OF_SIBLINGS, RANGE_COST, SiblingBudgets } from './sibling-budgets.ts'

/** Siblings start a comparison after a random delay of half of this to all of it, ms, so that not all start at once. */
const COMPARE_SPREAD_MS = 500
/** Time between comparisons while the user has other clients, ms. */
const COMPARE_INTERVAL_MS = 60_000
/**
 * Delay of the comparison that checks the result of an exchange, ms; random like `COMPARE_SPREAD_MS`. It doubles with each
 * comparison that brings no message: a sibling that claims messages and never sends them must not cost one every 2 s.
 */
const RECOMPARE_DELAY_MS = 2_000

/** Shown for a message that was sealed in a mesh with keys, in a session without. */
const UNREADABLE_TEXT = '[sealed message]'

type RelayInput = Extract<OnlineInput, { type: 'relay' }>

/** Catch-up with siblings, the other clients of this user: exchanges messages and read marks. */
export class Siblings {
  readonly #context: Context
  readonly #store: MessageStore
  readonly #keys: KnownKeys
  readonly #trust: MeshTrust
  readonly #receipts: ReceiptLog
  readonly #rooms: Rooms
  readonly #readMarks = new ReadMarks()
  readonly #budgets = new SiblingBudgets(OF_SIBLINGS)
  /** Connections of this user, this one included. */
  #connections = 0
  #compareAt = Number.POSITIVE_INFINITY
  /** Comparisons sent since the last message from a sibling. */
  #fruitlessCompares = 0

  constructor(
    context: Context,
    store: MessageStore,
    keys: KnownKeys,
    trust: MeshTrust,
    receipts: ReceiptLog,
    rooms: Rooms,
  ) {
    this.#context = context
    this.#store = store
    this.#keys = keys
    this.#trust = trust
    this.#receipts = receipts
    this.#rooms = rooms
  }

  /** When `tick` is due, monotonic ms. */
  get deadline(): number {
    return Math.min(this.#compareAt, this.#connections > 1 ? this.#readMarks.deadline : Number.POSITIVE_INFINITY)
  }

  onConnected(): void {
    this.#connections = 0
  }

  onDisconnected(): void {
    this.#compareAt = Number.POSITIVE_INFINITY
  }

  /** Notes that this client has read a thread up to a hybrid time. */
  markRead(thread: string, at: number): void {
    this.#readMarks.markRead(thread, at, this.#context.now)
  }

  /** Sets the number of this user's connections. */
  setConnections(connections: number): void {
    if (connections > this.#connections) this.#readMarks.queueAll(this.#context.now)
    this.#connections = connections
    if (connections > 1) this.#scheduleCompare(COMPARE_SPREAD_MS)
  }

  tick(): void {
    const { now } = this.#context
    if (this.#connections > 1) this.#sendReadMarks()
    if (this.#compareAt > now) return
    this.#compareAt = this.#connections > 1 ? now + COMPARE_INTERVAL_MS : Number.POSITIVE_INFINITY
    this.#fruitlessCompares++
    this.#relay(undefined, compareFrame(this.#store.log))
    this.#relay(undefined, { type: 'compare-receipts', hash: this.#receipts.latestHash })
    this.tellRooms(this.#rooms.list.entries)
  }

  /** `from` is the sibling's connection address. */
  handleFrame({ from, frame, mesh, sealed }: Omit<RelayInput, 'type' | 'dial'>): void {
    const { onlineConnection } = this.#context
    if (onlineConnection === undefined) return
    // In key mode only a frame that is sealed with the user's key is from a sibling. A frame of another mesh is replayed.
    if (sealed !== this.#keys.isEnabled || !this.#trust.isMeshOfSibling(mesh)) return
    if (!this.#budgets.allows(from, this.#context.now)) return this.#scheduleRecompare()
    this.#budgets.spend(from, FRAME_COST)
    if (frame.type === 'read') {
      this.#budgets.spend(from, frame.marks.length * MARK_COST)
      for (const [thread, at] of frame.marks) {
        if (isPlausibleTime(this.#context, at) && this.#readMarks.update(thread, at))
          emit(this.#context, { type: 'read', thread, at })
      }
      return
    }
    if (frame.type === 'compare-receipts') {
      if (frame.hash === this.#receipts.latestHash) return
      const receipts = this.#receipts.latest
      this.#budgets.spend(from, receipts.length * MARK_COST)
      return this.#relay(from, { type: 'receipts', receipts })
    }
    if (frame.type === 'receipts') {
      this.#budgets.spend(from, frame.receipts.length * MARK_COST)
      for (const receipt of frame.receipts) this.#receipts.record(receipt)
      return
    }
    if (frame.type === 'rooms') {
      this.#budgets.spend(from, frame.rooms.length * MARK_COST)
      return this.#rooms.merge(frame.rooms)
    }
    let learned = false
    const { log } = this.#store
    const isLegacy = mesh === undefined
    const sendable: ComparedLog = {
      fingerprint: range => {
        this.#budgets.spend(from, RANGE_COST)
        return log.fingerprint(range)
      },
      split: (range, parts, byHash) => {
        this.#budgets.spend(from, parts * RANGE_COST)
        return log.split(range, parts, byHash)
      },
      between: range => {
        const messages = log.between(range)
        this.#budgets.spend(from, costOf(messages))
        return messages.flatMap(message => this.#toSent(message, isLegacy))
      },
    }
    const answers = handleSiblingFrame(sendable, frame, messages => {
      this.#budgets.spend(from, costOf(messages))
      for (const message of messages) learned = this.#receive(message) || learned
    })
    for (const answer of answers) this.#relay(from, answer)
    if (learned) this.#fruitlessCompares = 0
    if (learned || answers.length > 0) this.#scheduleRecompare()
  }

  /** Schedules the comparison that continues an exchange, or checks its result. */
  #scheduleRecompare(): void {
    const delay = RECOMPARE_DELAY_MS * 2 ** Math.min(this.#fruitlessCompares, 10)
    this.#scheduleCompare(Math.min(COMPARE_INTERVAL_MS, delay))
  }

  /** Stores a sibling's message; a sealed one is opened and verified as if it had come from a server. */
  #receive(message: Message): boolean {
    // Those of rooms come from their members, with a proof.
    if (isRoom(message.to) || !this.#store.accepts(message)) return false
    if (parseSealedText(message.text) === undefined) {
      // In key mode it came sealed with the user's key, so it must not leave in plain text in another mode either.
      return this.#store.add(this.#keys.isEnabled ? { ...message, sealed: '' } : message, 'history')
    }
    const opened = this.#keys.open(message)
    if (opened.state === 'plain') {
      return this.#store.add({ ...message, text: UNREADABLE_TEXT, sealed: message.text }, 'history')
    }
    if (opened.state === 'forged') {
      emit(this.#context, { type: 'forged', from: message.from })
      return false
    }
    return this.#store.add(withOpenedText(message, opened), 'history')
  }

  /** The form in which a message may be sent to a sibling; none: it may not leave. */
  #toSent(stored: StoredMessage, isLegacy: boolean): Message[] {
    const { sealed } = stored
    const message = toMessage(stored)
    if (!this.#context.saves.mayLeave(message.id)) return []
    if (sealed === undefined) return [message]
    if (!this.#keys.isEnabled) return sealed === '' ? [] : [{ ...message, text: sealed }]
    // A sibling of 0.1 does not open texts, and one that was sealed for an earlier key cannot be opened by any.
    // The frame itself is sealed with the user's key.
    return isLegacy || !this.#keys.canOpen(sealed) ? [message] : [{ ...message, text: sealed }]
  }

  /** Tells the user's other clients of rooms that the user has joined or left. */
  tellRooms(rooms: readonly RoomEntry[]): void {
    if (this.#connections > 1 && rooms.length > 0) this.#relay(undefined, { type: 'rooms', rooms: [...rooms] })
  }

  #sendReadMarks(): void {
    const marks = this.#readMarks.takeDue(MAX_READ_MARKS_PER_FRAME, this.#context.now)
    if (marks.length > 0) this.#relay(undefined, { type: 'read', marks })
  }

  /** @param to a sibling's connection address; undefined: all siblings */
  #relay(to: string | undefined, frame: SiblingFrame): void {
    const { onlineConnection, effects } = this.#context
    if (onlineConnection === undefined) return
    const mesh = this.#trust.expected.key
    effects.push({ type: 'relay', dial: onlineConnection, to, frame, mesh, sealed: this.#keys.isEnabled })
  }

  #scheduleCompare(within: number): void {
    const { now, options } = this.#context
    this.#compareAt = Math.min(this.#compareAt, now + (0.5 + options.random() / 2) * within)
  }
}
