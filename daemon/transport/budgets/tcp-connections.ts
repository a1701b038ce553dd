import type { Socket as TcpSocket } from 'node:net'
import { exceeds } from '../../../src/protocol/limits.ts'
import { type AddressBudget, type AddressBudgets, TCP_CONNECTIONS_PER_CLIENT } from './address-budgets.ts'

/** Where an open connection keeps its state, so that all connections share a listener. */
const OPEN = Symbol('open TCP connection')
type OpenSocket = TcpSocket & { [OPEN]?: OpenConnection | undefined }

interface OpenConnection {
  readonly connections: TcpConnections
  readonly budget: AddressBudget
  /** With TLS, what it and its TLS socket have in common. */
  readonly key: string | undefined
}

function onClose(this: OpenSocket): void {
  this[OPEN]?.connections.forget(this)
}

/**
 * The open TCP connections of a server, from all addresses. A connection is new until it carries a session; with TLS, that
 * includes its handshake. When there are too many, the oldest new one is closed: clients need a few round trips to start
 * a session, and those who only hold connections open give way to them. Without a new one, the latest is closed.
 */
export class TcpConnections {
  readonly #limit: number
  readonly #addresses: AddressBudgets
  /** Oldest first. */
  readonly #new = new Set<OpenSocket>()
  /** With TLS, the new ones by what a connection and its TLS socket have in common; else undefined. */
  readonly #byKey: Map<string, OpenSocket> | undefined
  #size = 0

  /**
   * @param clients clients that may connect; 0: any number
   * @param isSecure whether `markUsed` gets the TLS sockets on the connections
   */
  constructor(clients: number, addresses: AddressBudgets, isSecure: boolean) {
    this.#limit = clients * TCP_CONNECTIONS_PER_CLIENT
    this.#addresses = addresses
    this.#byKey = isSecure ? new Map() : undefined
  }

  /** All open connections, and those of them that carry no session yet. */
  get counts(): { open: number; new: number } {
    return { open: this.#size, new: this.#new.size }
  }

  /** Counts a connection, or closes it if its address has too many. */
  add(socket: OpenSocket): void {
    const budget = this.#addresses.of(socket.remoteAddress ?? '')
    if (!this.#addresses.openTcp(budget)) return void socket.destroy()
    this.#size++
    this.#new.add(socket)
    const key = this.#byKey && keyOf(socket)
    if (key !== undefined) this.#byKey?.set(key, socket)
    socket[OPEN] = { connections: this, budget, key }
    socket.on('close', onClose)
    if (exceeds(this.#size, this.#limit)) this.#closeOldestNew()
  }

  /** A connection, or the TLS socket on it, carries a session. */
  markUsed(socket: OpenSocket): void {
    const found = this.#byKey === undefined ? socket : this.#byKey.get(keyOf(socket))
    if (found !== undefined) this.#removeNew(found)
  }

  /** Counts a connection down, once. */
  forget(socket: OpenSocket): void {
    const connection = socket[OPEN]
    if (connection === undefined) return
    this.#removeNew(socket)
    socket[OPEN] = undefined
    this.#size--
    this.#addresses.closeTcp(connection.budget)
  }

  #removeNew(socket: OpenSocket): void {
    this.#new.delete(socket)
    const key = socket[OPEN]?.key
    // Another connection may have its address and port by now.
    if (key !== undefined && this.#byKey?.get(key) === socket) this.#byKey.delete(key)
  }

  #closeOldestNew(): void {
    for (const socket of this.#new) {
      // At once: the event `close` comes later, and others may connect before.
      this.forget(socket)
      return void socket.destroy()
    }
  }
}

function keyOf({ remoteAddress, remotePort, localAddress }: TcpSocket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`
}
