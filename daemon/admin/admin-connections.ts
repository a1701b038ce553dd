import type { Socket } from 'node:net'

/**
 * The connections of the admin port. Above the limit the oldest one that waits for a request makes room, so that programs
 * that only hold connections open keep no scraper out.
 */
export class AdminConnections {
  readonly #limit: number
  /** Oldest first, with the number of requests in progress. */
  readonly #connections = new Map<Socket, number>()

  constructor(limit: number) {
    this.#limit = limit
  }

  add(socket: Socket): void {
    if (this.#connections.size >= this.#limit) this.#oldest()?.destroy()
    this.#connections.set(socket, 0)
    socket.once('close', () => this.#connections.delete(socket))
  }

  /** A request has arrived. */
  begin(socket: Socket): void {
    this.#change(socket, 1)
  }

  /** A request has been answered. */
  end(socket: Socket): void {
    this.#change(socket, -1)
  }

  #change(socket: Socket, by: number): void {
    const requests = this.#connections.get(socket)
    if (requests !== undefined) this.#connections.set(socket, requests + by)
  }

  /** The oldest connection without a request, else the oldest one; it is forgotten. */
  #oldest(): Socket | undefined {
    const sockets = [...this.#connections.keys()]
    const oldest = sockets.find(socket => this.#connections.get(socket) === 0) ?? sockets[0]
    if (oldest !== undefined) this.#connections.delete(oldest)
    return oldest
  }
}
