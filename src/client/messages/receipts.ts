import { type Fate, MAX_RECEIPT_NAMES, MAX_RECEIPTS, type Message, type Receipt } from '../../protocol/messages.ts'
import { type Context, emit, isPlausibleTime } from '../context.ts'
import { formatHash, messageHash } from '../history/positions.ts'

/** Messages whose receipts are remembered, the latest ones. */
const MAX_REMEMBERED = 10_000

/**
 * How many connections, or members of a room, have confirmed each of the user's messages, whichever client sent it. A
 * receipt only grows, so all clients of the user end with the same.
 */
export class ReceiptLog {
  readonly #context: Context
  /** By message id, latest last. */
  readonly #receipts = new Map<string, Receipt>()

  /** @param stored the latest receipts of earlier runs, oldest first */
  constructor(context: Context, stored: readonly Receipt[] = []) {
    this.#context = context
    for (const receipt of stored) this.#receipts.set(receipt[0], receipt)
  }

  /** Records the delivery result of an own message. */
  recordFate({ id, at, to }: Message, { delivered, of, names = [] }: Extract<Fate, { ok: true }>): void {
    this.record(of === undefined ? [id, at, to, delivered] : [id, at, to, delivered, of, names])
  }

  /** Records a receipt, stores it, and tells the user interface, if it says more than what is known. */
  record(receipt: Receipt): void {
    const [id, at, to, delivered, of, names = []] = receipt
    if (delivered === 0 || !isPlausibleTime(this.#context, at)) return
    const known = this.#receipts.get(id)
    const knownNames = known?.[5] ?? []
    const newNames = names.filter(name => !knownNames.includes(name))
    if (known !== undefined && delivered <= known[3] && newNames.length === 0) return
    const best = Math.max(delivered, known?.[3] ?? 0)
    const allNames = [...knownNames, ...newNames].slice(0, MAX_RECEIPT_NAMES)
    this.#receipts.delete(id)
    this.#receipts.set(id, of === undefined ? [id, at, to, best] : [id, at, to, best, of, allNames])
    const [oldest] = this.#receipts.keys()
    if (this.#receipts.size > MAX_REMEMBERED && oldest !== undefined) this.#receipts.delete(oldest)
    const counts = of === undefined ? { delivered: best } : { delivered: best, of }
    this.#context.effects.push({ type: 'store-receipt', id, at, receipt: counts })
    const audience = of === undefined ? {} : { of, names: allNames }
    const progress = { state: 'delivered' as const, connections: best, ...audience }
    emit(this.#context, { type: 'progress', id, to, progress })
  }

  /** The receipts of the latest messages: what all clients of the user should know. */
  get latest(): Receipt[] {
    const receipts = [...this.#receipts.values()].map(receipt => withoutNames(receipt))
    return receipts.sort(([, one], [, other]) => one - other).slice(-MAX_RECEIPTS)
  }

  /** A hash of the latest receipts: equal on two clients that know the same. */
  get latestHash(): string {
    const xor = { a: 0, b: 0 }
    for (const [id, , to, delivered] of this.latest) {
      const { a, b } = messageHash({ from: to, id: `${id} ${delivered}` })
      xor.a ^= a
      xor.b ^= b
    }
    return formatHash(xor)
  }
}

/** A receipt without names: counts are enough for a client that connects later. */
function withoutNames([id, at, to, delivered, of]: Receipt): Receipt {
  return of === undefined ? [id, at, to, delivered] : [id, at, to, delivered, of, []]
}
