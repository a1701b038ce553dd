import { exceeds } from '../../../src/protocol/limits.ts'

/** A connection with bytes in memory that its client has not finished, or not read. */
export interface Holder {
  readonly heldBytes: number
  readonly isIdentified: boolean
  /** Closes the connection; it holds nothing after that. */
  exceed(reason: string): void
}

/** How a holder's bytes are read, and how it is closed. */
interface Accessors<T> {
  bytesOf(holder: T): number
  close(holder: T): void
}

const HELD: Accessors<Holder> = {
  bytesOf: holder => holder.heldBytes,
  close: holder => holder.exceed('too many bytes of unfinished messages on this server'),
}

/**
 * The bytes that clients' connections hold, all together. Above the limit, the connection with the most is closed, and
 * one that has not identified before any other: strangers cannot displace users.
 */
class ByteTotal<T extends Pick<Holder, 'isIdentified'>> {
  readonly #limit: number
  readonly #accessors: Accessors<T>
  readonly #holders = new Set<T>()
  #total = 0

  /** @param limit 0: unlimited */
  constructor(limit: number, accessors: Accessors<T>) {
    this.#limit = limit
    this.#accessors = accessors
  }

  get total(): number {
    return this.#total
  }

  /** A connection holds `change` bytes more. */
  change(holder: T, change: number): void {
    this.#total += change
    if (this.#accessors.bytesOf(holder) > 0) this.#holders.add(holder)
    else this.#holders.delete(holder)
    while (exceeds(this.#total, this.#limit)) {
      const largest = this.#largest()
      if (largest === undefined) return
      this.#accessors.close(largest)
    }
  }

  #largest(): T | undefined {
    const { bytesOf } = this.#accessors
    let largest: T | undefined
    for (const holder of this.#holders) {
      const isBetter =
        largest === undefined ||
        (holder.isIdentified === largest.isIdentified ? bytesOf(holder) > bytesOf(largest) : !holder.isIdentified)
      if (isBetter) largest = holder
    }
    return largest
  }
}

/** The bytes of messages whose end has not arrived, and what waits for connections that have not identified. */
export class HeldBytes extends ByteTotal<Holder> {
  /** @param limit 0: unlimited */
  constructor(limit: number) {
    super(limit, HELD)
  }
}

/** An identified connection with bytes that its client has not read. */
export interface SlowReader {
  readonly unreadBytes: number
  readonly isIdentified: boolean
  /** Closes the connection as a slow client; it holds nothing after that. */
  exceedUnread(): void
}

const UNREAD: Accessors<SlowReader> = {
  bytesOf: reader => reader.unreadBytes,
  close: reader => reader.exceedUnread(),
}

/** The bytes that wait for identified connections. */
export class UnreadBytes extends ByteTotal<SlowReader> {
  /** @param limit 0: unlimited */
  constructor(limit: number) {
    super(limit, UNREAD)
  }
}
