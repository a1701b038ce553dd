/** Minimum time between two confirmations, ms, unless a batch is full. */
const CONFIRM_INTERVAL_MS = 100
/** Unconfirmed messages that are confirmed at once: half of a sender's window of messages in flight. */
const CONFIRM_BATCH_SIZE = 32
/**
 * In a room one of many confirms first, and the sender waits for that one only. The others delay their confirmations at random,
 * in proportion to the size of the room, so that all together confirm equally often in any room.
 */
const ROOM_DELAY_PER_MEMBER_MS = 10
const MAX_ROOM_DELAY_MS = 10_000
/** In rooms with at least this number of members some confirm long before a window is full: larger batches delay nobody. */
const LARGE_ROOM = 100
const LARGE_ROOM_BATCH_SIZE = 128
/**
 * In a large room about this number of members confirm a message at once, chosen at random by each for itself. They do it when
 * a server has the message for all members at hand anyway: confirmations at other times cost it several times as much.
 */
const PROMPT_CONFIRMATIONS = 10
/** The most such confirmations, in a room with more messages. */
const PROMPT_CONFIRMATIONS_PER_MS = 0.1
/** How long the others wait, for a message that no member confirms at once: on average and at most, in multiples of the delay. */
const BACKUP_DELAY = { mean: 5, max: 2 }

/** A confirmation: the number of messages received, and the number of the save that has all of them (see `Saves`). */
interface Confirmation {
  readonly count: number
  readonly save: number
}

/**
 * Decides when a connection confirms the messages that it received. A confirmation is a count and covers all messages
 * up to it. Each costs the server a packet and the senders a delivery result each, so they are batched; those of own
 * copies wait for the next one. Measured with `npm run bench -- im` against a fixed delay of 20 ms: 25 % less CPU at
 * 2,000 messages/s. A batch is confirmed once its messages are saved: one save for each batch.
 */
export class Confirmations {
  #received = 0
  #confirmed = 0
  #confirmedAt = Number.NEGATIVE_INFINITY
  #deadline = Number.POSITIVE_INFINITY
  /** The rooms of the messages that the deadline is for. */
  readonly #rooms = new Set<string>()
  /** When the last message of each large room arrived, monotonic ms. */
  readonly #lastAt = new Map<string, number>()
  /** The number of the save that has the last message. */
  #save = 0
  /** A due confirmation whose messages are not saved yet; further messages wait for the next one. */
  #awaited: Confirmation | undefined

  /** When `takeDue` has a confirmation, monotonic ms; Infinity: after the next message, or after a save. */
  get deadline(): number {
    return this.#awaited === undefined ? this.#deadline : Number.POSITIVE_INFINITY
  }

  /**
   * Counts a message.
   * @param delay how long its confirmation may wait, ms; undefined: until the interval since the last one has passed
   * @param now monotonic time, ms
   * @param save the number of the save that has the message, if the message is stored
   */
  receive(delay: number | undefined, now: number, save = 0): void {
    this.#count(delay === undefined ? this.#confirmedAt + CONFIRM_INTERVAL_MS : now + delay, now, save)
  }

  /**
   * Counts a message of a room.
   * @param random from 0 up to 1
   */
  receiveInRoom(room: string, memberCount: number, random: () => number, now: number, save = 0): void {
    const maxDelay = Math.min(MAX_ROOM_DELAY_MS, memberCount * ROOM_DELAY_PER_MEMBER_MS)
    // One random delay for all messages until the next confirmation: of one for each, the shortest would count.
    const hasDelay = this.#rooms.has(room)
    this.#rooms.add(room)
    if (memberCount < LARGE_ROOM) {
      return this.#count(hasDelay ? Number.POSITIVE_INFINITY : now + random() * maxDelay, now, save)
    }
    const isPrompt = random() * memberCount < this.#takePromptConfirmations(room, now)
    const backupDelay = () => Math.min(BACKUP_DELAY.max, -Math.log(1 - random()) * BACKUP_DELAY.mean) * maxDelay
    const due = isPrompt ? now : hasDelay ? Number.POSITIVE_INFINITY : now + backupDelay()
    this.#count(due, now, save, LARGE_ROOM_BATCH_SIZE)
  }

  /** How many members confirm a message of a large room at once, on average. */
  #takePromptConfirmations(room: string, now: number): number {
    const since = now - (this.#lastAt.get(room) ?? Number.NEGATIVE_INFINITY)
    this.#lastAt.set(room, now)
    return Math.min(PROMPT_CONFIRMATIONS, since * PROMPT_CONFIRMATIONS_PER_MS)
  }

  #count(due: number, now: number, save: number, batchSize = CONFIRM_BATCH_SIZE): void {
    this.#received++
    this.#save = save
    const isBatchFull = this.#received - this.#confirmed >= batchSize
    this.#deadline = Math.min(this.#deadline, isBatchFull ? now : due)
  }

  /**
   * The total number of messages received, if a confirmation is due and its messages are saved; else undefined.
   * @param isSaved whether the save with a number is done; if not, the confirmation waits for it
   */
  takeDue(now: number, isSaved: (save: number) => boolean = () => true): number | undefined {
    if (this.#awaited === undefined) {
      if (this.#deadline > now) return undefined
      this.#deadline = Number.POSITIVE_INFINITY
      this.#rooms.clear()
      this.#awaited = { count: this.#received, save: this.#save }
    }
    const { count, save } = this.#awaited
    if (!isSaved(save)) return undefined
    this.#awaited = undefined
    this.#confirmed = count
    this.#confirmedAt = now
    return count
  }
}
