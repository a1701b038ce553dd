import { exceeds } from '../../protocol/limits.ts'

/** This machine itself: IPv4's loopback, also as IPv6 writes it, and IPv6's. */
const LOOPBACK = /^(?:::ffff:)?127\.|^::1$/

export function isLoopback(address: string): boolean {
  return LOOPBACK.test(address)
}

/** How many connections come from each network address; loopback is not counted. */
export class AddressCounts {
  #byConnection = new Map<number, string>()
  #counts = new Map<string, number>()

  /** Counts a connection; false, and it is not counted, when its address has `limit` of them already. */
  tryAdd(connection: number, address: string, limit: number): boolean {
    if (isLoopback(address)) return true
    const count = (this.#counts.get(address) ?? 0) + 1
    if (exceeds(count, limit)) return false
    this.#counts.set(address, count)
    this.#byConnection.set(connection, address)
    return true
  }

  remove(connection: number): void {
    const address = this.#byConnection.get(connection)
    if (address === undefined) return
    this.#byConnection.delete(connection)
    const left = (this.#counts.get(address) ?? 1) - 1
    if (left > 0) this.#counts.set(address, left)
    else this.#counts.delete(address)
  }
}
