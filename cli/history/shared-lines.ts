import { fstatSync, readSync } from 'node:fs'
import { messageKey } from '../../src/client/history/positions.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { linesBetween } from '../storage/read-lines.ts'
import { parseLine } from './history-line.ts'

/** Most messages that are remembered as written. Clients of one user store the same message within seconds. */
const MAX_REMEMBERED = 20_000
/** Bytes at the end of the file to look at, if others have written more than that since the last look. */
const MAX_BYTES = 4 << 20

/**
 * Which messages are in a history that several clients of a user write: each gets every message, and one of them stores it.
 */
export class SharedLines {
  /** The keys of messages that are in the file, latest last. */
  readonly #keys = new Set<string>()
  /** Where the next look starts, in the file with this number. */
  #seenBytes: number
  #file: string | undefined

  /** @param seenBytes the size of the file when its messages were read */
  constructor(seenBytes: number) {
    this.#seenBytes = seenBytes
  }

  /** The lines whose messages are not in the file; they count as written from now on. The file is locked. */
  selectMissing(lines: readonly string[], descriptor: number): string[] {
    this.#look(descriptor)
    return lines.filter(line => {
      const message = parseLine(line)
      return message === undefined || this.#add(message)
    })
  }

  /** Reads what was added to the file since the last look. */
  #look(descriptor: number): void {
    const { size, dev, ino } = fstatSync(descriptor)
    const file = `${dev} ${ino}`
    const isOther = this.#file !== undefined && this.#file !== file
    this.#file = file
    if (isOther || size < this.#seenBytes) {
      this.#keys.clear()
      this.#seenBytes = 0
    }
    const read = (buffer: Buffer, position: number) => readSync(descriptor, buffer, 0, buffer.length, position)
    for (const { bytes, next } of linesBetween(read, Math.max(this.#seenBytes, size - MAX_BYTES), size)) {
      const message = bytes === undefined ? undefined : parseLine(bytes.toString('utf8'))
      if (message !== undefined) this.#add(message)
      this.#seenBytes = next
    }
  }

  /** Returns false if it is known. */
  #add(message: Message): boolean {
    const key = `${messageKey(message)}\n${message.at}`
    if (this.#keys.has(key)) return false
    this.#keys.add(key)
    const [oldest] = this.#keys
    if (this.#keys.size > MAX_REMEMBERED && oldest !== undefined) this.#keys.delete(oldest)
    return true
  }
}
