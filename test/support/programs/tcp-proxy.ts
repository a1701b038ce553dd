/** A TCP proxy on loopback that cuts, delays, throttles and half-opens connections. */
import { createServer, connect as dial, type Server, type Socket } from 'node:net'

/** One direction of a proxied connection: forwards chunks in order, each when it is due. */
class Pipe {
  readonly #proxy: TcpProxy
  readonly #from: Socket
  readonly #to: Socket
  #queue: { at: number; chunk: Buffer }[] = []
  #nextSendAt = 0
  #timer: NodeJS.Timeout | undefined
  /** Whether it forwards neither data nor the end of the connection any more. */
  #abandoned = false
  /** Whether the connection has ended; what was sent before that still arrives. */
  #ended = false

  constructor(proxy: TcpProxy, from: Socket, to: Socket) {
    this.#proxy = proxy
    this.#from = from
    this.#to = to
    from.on('data', chunk => this.#enqueue(chunk))
    from.on('error', () => {})
    from.on('close', hadError => {
      if (hadError) this.#queue = []
      this.#ended = true
      this.#pump()
    })
    to.on('close', () => clearTimeout(this.#timer))
    this.updateFlow()
  }

  abandon(): void {
    this.#abandoned = true
    this.updateFlow()
  }

  /** Pauses or resumes, according to the state of the proxy. */
  updateFlow(): void {
    if (this.#proxy.frozen || this.#abandoned) this.#from.pause()
    else this.#from.resume()
    this.#pump()
  }

  #enqueue(chunk: Buffer): void {
    const { delayMs, bytesPerSecond } = this.#proxy
    this.#nextSendAt = Math.max(this.#nextSendAt, performance.now()) + (chunk.length * 1000) / bytesPerSecond
    this.#queue.push({ at: this.#nextSendAt + delayMs, chunk })
    // Throttling must slow the sender down, too.
    if (bytesPerSecond < Number.POSITIVE_INFINITY) this.#from.pause()
    this.#pump()
  }

  #pump(): void {
    clearTimeout(this.#timer)
    if (this.#proxy.frozen || this.#abandoned) return
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const wait = first.at - performance.now()
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#pump(), Math.ceil(wait))
        return
      }
      this.#queue.shift()
      this.#to.write(first.chunk)
    }
    if (this.#ended) this.#to.destroySoon()
    else this.#from.resume()
  }
}

export class TcpProxy {
  readonly target: number
  delayMs = 0
  bytesPerSecond = Number.POSITIVE_INFINITY
  #mode: 'open' | 'cut' | 'frozen' = 'open'
  #server: Server
  #sockets = new Set<Socket>()
  #pipes = new Set<Pipe>()

  private constructor(server: Server, target: number) {
    this.#server = server
    this.target = target
    server.on('connection', socket => this.#accept(socket))
  }

  static async to(target: number): Promise<TcpProxy> {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return new TcpProxy(server, target)
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  get frozen(): boolean {
    return this.#mode === 'frozen'
  }

  /** Resets all connections, and every new one until `heal`. */
  cut(): void {
    this.#mode = 'cut'
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Half-opens all connections: they stay open and new ones are accepted, but no data passes until `heal`. */
  freeze(): void {
    this.#mode = 'frozen'
    for (const pipe of this.#pipes) pipe.updateFlow()
  }

  /** Half-opens the existing connections for good; new ones work. */
  halfOpenExisting(): void {
    for (const pipe of this.#pipes) pipe.abandon()
  }

  heal(): void {
    this.#mode = 'open'
    this.delayMs = 0
    this.bytesPerSecond = Number.POSITIVE_INFINITY
    for (const pipe of this.#pipes) pipe.updateFlow()
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #accept(near: Socket): void {
    if (this.#mode === 'cut') return void near.resetAndDestroy()
    const far = dial(this.target, '127.0.0.1')
    const pipes = [new Pipe(this, near, far), new Pipe(this, far, near)]
    for (const pipe of pipes) this.#pipes.add(pipe)
    for (const socket of [near, far]) {
      this.#sockets.add(socket)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        for (const pipe of pipes) this.#pipes.delete(pipe)
      })
    }
  }
}
