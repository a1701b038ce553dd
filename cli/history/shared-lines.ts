import { fstatSync, readSync } from 'node:fs'
import type { StoredReceipt } from '../../src/client/history/message-log.ts'
import { linesBetween } from '../storage/files/read-lines.ts'
import { lineKey, parseLine, parseReceipt, type ReceiptLine } from './history-line.ts'
import { isMore, mergeReceipts } from './receipt-counts.ts'

/** Most messages and receipts that are remembered as written. Clients of one user store the same within seconds. */
const MAX_REMEMBERED = 20_000
/** Bytes at the end of the file to look at, if others have written more than that since the last look. */
const MAX_BYTES = 4 << 20

/**
 * Which messages and receipts are in a history that several clients of a user write: each gets all of them, and one of them
 * stores each.
 */
export class SharedLines {
  /** The keys of messages that are in the file, latest last. */
  readonly #keys = new Set<string>()
  /** The receipts in the file by message, latest last. */
  readonly #receipts = new Map<string, StoredReceipt>()
  /** The lines that this client was told to write last: the next look need not parse them. */
  readonly #ownLines = new Set<string>()
  /** Where the next look starts, in the file with this number. */
  #seenBytes: number
  #file: string | undefined

  /** @param seenBytes the size of the file when its messages were read */
  constructor(seenBytes: number) {
    this.#seenBytes = seenBytes
  }

  /** The lines that say something that is not in the file; they count as written from now on. The file is locked. */
  selectMissing(lines: readonly string[], descriptor: number): string[] {
    this.#look(descriptor)
    const missing = lines.filter(line => this.#add(line))
    for (const line of missing) this.#ownLines.add(line)
    return missing
  }

  /** Reads what was added to the file since the last look. */
  #look(descriptor: number): void {
    const { size, dev, ino } = fstatSync(descriptor)
    const file = `${dev} ${ino}`
    const isOther = this.#file !== undefined && this.#file !== file
    this.#file = file
    if (isOther || size < this.#seenBytes) {
      this.#keys.clear()
      this.#receipts.clear()
      this.#ownLines.clear()
      this.#seenBytes = 0
    }
    const read = (buffer: Buffer, position: number) => readSync(descriptor, buffer, 0, buffer.length, position)
    for (const { bytes, next } of linesBetween(read, Math.max(this.#seenBytes, size - MAX_BYTES), size)) {
      const line = bytes?.toString('utf8')
      if (line !== undefined && !this.#ownLines.delete(line)) this.#add(line)
      this.#seenBytes = next
    }
    this.#ownLines.clear()
  }

  /** Remembers what a line says. Returns false if that is known. */
  #add(line: string): boolean {
    const message = parseLine(line)
    if (message !== undefined) return this.#addKey(`${lineKey(message)}\n${message.at}`)
    const receipt = parseReceipt(line)
    return receipt === undefined || this.#addReceipt(receipt)
  }

  #addKey(key: string): boolean {
    if (this.#keys.has(key)) return false
    this.#keys.add(key)
    const [oldest] = this.#keys
    if (this.#keys.size > MAX_REMEMBERED && oldest !== undefined) this.#keys.delete(oldest)
    return true
  }

  #addReceipt(receipt: ReceiptLine): boolean {
    const key = `${receipt.id}\n${receipt.at}`
    const known = this.#receipts.get(key)
    if (!isMore(receipt, known)) return false
    this.#receipts.delete(key)
    this.#receipts.set(key, mergeReceipts(receipt, known))
    const [oldest] = this.#receipts.keys()
    if (this.#receipts.size > MAX_REMEMBERED && oldest !== undefined) this.#receipts.delete(oldest)
    return true
  }
}
