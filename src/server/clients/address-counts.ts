import { isLoopbackAddress } from '../../common/loopback.ts'
import { exceeds } from '../../protocol/limits.ts'

/** Connections per network address. Loopback addresses are not counted. */
export class AddressCounts {
  #addressByConnection = new Map<number, string>()
  #counts = new Map<string, number>()

  /** Connections that are counted now, from all addresses. */
  get size(): number {
    return this.#addressByConnection.size
  }

  /** Counts a connection. Returns false, without counting it, if its address already has `limit` connections. */
  tryAdd(connection: number, address: string, limit: number): boolean {
    if (isLoopbackAddress(address)) return true
    const count = (this.#counts.get(address) ?? 0) + 1
    if (exceeds(count, limit)) return false
    this.#counts.set(address, count)
    this.#addressByConnection.set(connection, address)
    return true
  }

  remove(connection: number): void {
    const address = this.#addressByConnection.get(connection)
    if (address === undefined) return
    this.#addressByConnection.delete(connection)
    const left = (this.#counts.get(address) ?? 1) - 1
    if (left > 0) this.#counts.set(address, left)
    else this.#counts.delete(address)
  }
}
