import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { isLoopbackAddress } from '../../src/common/loopback.ts'
import { exceeds } from '../../src/protocol/limits.ts'

/** A client that uses long polling has two TCP connections at times. */
const TCP_CONNECTIONS_PER_CLIENT = 2

/**
 * Bounds the TCP connections per remote address, whatever they are used for: clients have their own limit, but a
 * connection that never sends a request costs as much. Connections from this machine are not counted.
 */
export class TcpConnectionLimit {
  readonly #maxPerAddress: number
  readonly #isExempt: (address: string) => boolean
  #counts = new Map<string, number>()

  /**
   * @param clientsPerAddress clients that may connect from one address; 0: any number
   * @param isExempt addresses that are not counted
   */
  constructor(http: Server, clientsPerAddress: number, isExempt: (address: string) => boolean = isLoopbackAddress) {
    this.#maxPerAddress = clientsPerAddress * TCP_CONNECTIONS_PER_CLIENT
    this.#isExempt = isExempt
    http.prependListener('connection', (socket: Socket) => this.#onConnection(socket))
  }

  /** Open connections that are counted. */
  get total(): number {
    let total = 0
    for (const count of this.#counts.values()) total += count
    return total
  }

  #onConnection(socket: Socket): void {
    const { remoteAddress: address = '' } = socket
    if (this.#isExempt(address)) return
    const count = (this.#counts.get(address) ?? 0) + 1
    if (exceeds(count, this.#maxPerAddress)) return void socket.destroy()
    this.#counts.set(address, count)
    socket.once('close', () => this.#onClose(address))
  }

  #onClose(address: string): void {
    const count = (this.#counts.get(address) ?? 1) - 1
    if (count > 0) this.#counts.set(address, count)
    else this.#counts.delete(address)
  }
}
