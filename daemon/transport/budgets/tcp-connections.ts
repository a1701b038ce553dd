import type { Socket as TcpSocket } from 'node:net'
import { exceeds } from '../../../src/protocol/limits.ts'
import { type AddressBudgets, TCP_CONNECTIONS_PER_CLIENT } from './address-budgets.ts'

interface NewConnection {
  readonly socket: TcpSocket
  /** Counts it down, once. */
  readonly forget: () => void
}

/**
 * The open TCP connections of a server, from all addresses. A connection is new until it carries a session; with TLS, that
 * includes its handshake. When there are too many, the oldest new one is closed: clients need a few round trips to start
 * a session, and those who only hold connections open give way to them. Without a new one, the latest is closed.
 */
export class TcpConnections {
  readonly #limit: number
  readonly #addresses: AddressBudgets
  /** By remote address and port, which the connection and its TLS socket have in common; oldest first. */
  readonly #new = new Map<string, NewConnection>()
  #size = 0

  /** @param clients clients that may connect; 0: any number */
  constructor(clients: number, addresses: AddressBudgets) {
    this.#limit = clients * TCP_CONNECTIONS_PER_CLIENT
    this.#addresses = addresses
  }

  /** All open connections, and those of them that carry no session yet. */
  get counts(): { open: number; new: number } {
    return { open: this.#size, new: this.#new.size }
  }

  /** Counts a connection, or closes it if its address has too many. */
  add(socket: TcpSocket): void {
    const budget = this.#addresses.of(socket.remoteAddress ?? '')
    if (!this.#addresses.openTcp(budget)) return void socket.destroy()
    const key = keyOf(socket)
    this.#size++
    let isCounted = true
    const forget = () => {
      if (!isCounted) return
      isCounted = false
      this.#size--
      if (this.#new.get(key) === added) this.#new.delete(key)
      this.#addresses.closeTcp(budget)
    }
    const added = { socket, forget }
    this.#new.set(key, added)
    socket.once('close', forget)
    if (exceeds(this.#size, this.#limit)) this.#closeOldestNew()
  }

  /** A connection, or the TLS socket on it, carries a session. */
  markUsed(socket: TcpSocket): void {
    this.#new.delete(keyOf(socket))
  }

  #closeOldestNew(): void {
    for (const { socket, forget } of this.#new.values()) {
      // At once: the event `close` comes later, and others may connect before.
      forget()
      return void socket.destroy()
    }
  }
}

function keyOf({ remoteAddress, remotePort, localAddress }: TcpSocket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`
}
