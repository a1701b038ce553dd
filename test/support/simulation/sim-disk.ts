import type { HeldMessage, RejectedMessage, StoredMessage } from '../../../src/client/history/message-log.ts'
import type { RoomEntry } from '../../../src/client/rooms/room-list.ts'
import type { Receipt } from '../../../src/protocol/messages.ts'
import type { SimProcess } from './sim-process.ts'

/** Time after which the operating system writes to the disk what no save covers, ms. */
const WRITE_BACK_MS = 1_000
/** Time after which a failed save is tried again, ms. */
const RETRY_MS = 1_000

/** A client's disk. What was written is in memory first, and reaches the disk in order: with the next save, or later. */
export class SimDisk {
  readonly history = new Map<string, StoredMessage>()
  readonly outbox = new Map<string, HeldMessage>()
  /** How many have confirmed each of the user's messages. */
  readonly receipts = new Map<string, Receipt>()
  /** The rooms that the user has joined or left. */
  rooms: readonly RoomEntry[] = []
  /** The user's messages that were rejected. */
  readonly rejected = new Map<string, RejectedMessage>()
  /** Whether writing fails: the disk is full. */
  fails = false
  /** Writes that are not on the disk yet. */
  #unsaved: (() => void)[] = []
  #isWriteBackScheduled = false
  readonly #process: SimProcess
  readonly #random: () => number

  constructor(process: SimProcess, random: () => number) {
    this.#process = process
    this.#random = random
  }

  write(run: () => void): void {
    this.#unsaved.push(run)
    if (this.#isWriteBackScheduled) return
    this.#isWriteBackScheduled = true
    this.#process.setTimer(WRITE_BACK_MS, () => {
      this.#isWriteBackScheduled = false
      if (this.fails) this.write(() => {})
      else this.#flush(this.#unsaved.length)
    })
  }

  /** Brings all writes so far to the disk, then calls `done`. */
  save(done: () => void): void {
    const writes = [...this.#unsaved]
    const latency = this.#random() < 0.2 ? 300 * this.#random() : 1 + 10 * this.#random()
    const attempt = () => {
      if (this.fails) return this.#process.setTimer(RETRY_MS, attempt)
      const last = this.#unsaved.findLastIndex(write => writes.includes(write))
      this.#flush(last + 1)
      done()
    }
    this.#process.setTimer(latency, attempt)
  }

  /** The process was killed, or its machine lost power: some of the last writes may be lost. */
  handleKill(): void {
    const { length } = this.#unsaved
    if (!this.fails) this.#flush(this.#random() < 0.5 ? length : Math.floor(this.#random() * (length + 1)))
    this.#unsaved = []
    this.#isWriteBackScheduled = false
  }

  #flush(count: number): void {
    for (const write of this.#unsaved.splice(0, count)) write()
  }
}
