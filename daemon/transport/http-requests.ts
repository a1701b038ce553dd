import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket as TcpSocket } from 'node:net'
import type { ConnectionBudget } from './budgets/connection-budget.ts'
import type { HeldBytes, Holder } from './budgets/held-bytes.ts'
import { FLUSH_TIMEOUT_MS } from './flush-timeout.ts'

/** What Node keeps of each piece of a body, bytes. */
const CHUNK_OVERHEAD_BYTES = 64

/** While a request is not answered, its TCP connection is closed when nothing is sent or read for this long, ms. */
const IDLE_MS = 20_000

/** Set on a TCP connection while a request of it is not answered. */
const IS_BUSY = Symbol('busy')
type WithBusy = TcpSocket & { [IS_BUSY]?: boolean }

/**
 * Bounds the HTTP requests of clients, before Engine.IO reads them. Bodies count while they arrive, as `FrameMeter` counts
 * on WebSockets, and answers until they are read. A connection has one request at a time: clients and proxies do not
 * pipeline, and one read of the socket could contain thousands of requests, all of them handled in one event-loop turn.
 */
export class HttpRequests {
  readonly #heldBytes: HeldBytes
  readonly #onUsed: (socket: TcpSocket) => void
  /** The sessions that started by long polling, by session id. */
  readonly #sessions = new Map<string, ConnectionBudget>()
  readonly #unreadAnswers = new Map<ConnectionBudget, Set<UnreadAnswer>>()

  /** @param onUsed called with a TCP connection that carries a request of a session */
  constructor(heldBytes: HeldBytes, onUsed: (socket: TcpSocket) => void) {
    this.#heldBytes = heldBytes
    this.#onUsed = onUsed
  }

  /** Sessions, and answers that wait to be read. */
  get counts(): { sessions: number; unreadAnswers: number } {
    let unreadAnswers = 0
    for (const answers of this.#unreadAnswers.values()) unreadAnswers += answers.size
    return { sessions: this.#sessions.size, unreadAnswers }
  }

  /** Call when Engine.IO has attached its request listener. */
  install(http: HttpServer): void {
    const [handle] = http.listeners('request') as ((request: IncomingMessage, response: ServerResponse) => void)[]
    http.removeAllListeners('request')
    http.on('request', (request: IncomingMessage, response: ServerResponse) => {
      // Not `http.timeout`: that makes a timer for each connection, which a WebSocket keeps for its life.
      request.socket.setTimeout(IDLE_MS)
      if (!this.#isAllowed(request, response)) return
      const budget = this.#budgetOf(request)
      if (budget !== undefined) {
        this.#onUsed(request.socket)
        if (request.method === 'POST') meterBody(request, response, budget)
        else this.#meterAnswer(response, request.socket, budget)
      }
      // A body that no session reads would be read and dropped, as fast as it arrives.
      else if (hasBody(request)) response.setHeader('connection', 'close')
      handle?.(request, response)
    })
  }

  openSession(id: string, budget: ConnectionBudget): void {
    this.#sessions.set(id, budget)
  }

  /** The session has ended: its unread answers have `FLUSH_TIMEOUT_MS` to leave. */
  closeSession(id: string): void {
    const budget = this.#sessions.get(id)
    this.#sessions.delete(id)
    for (const answer of (budget && this.#unreadAnswers.get(budget)) ?? []) {
      setTimeout(() => answer.cut(), FLUSH_TIMEOUT_MS).unref()
    }
  }

  /** Closes a connection that sends a request before its last one is answered. */
  #isAllowed({ socket }: IncomingMessage, response: ServerResponse): boolean {
    const connection = socket as WithBusy
    // One read of the socket may contain further requests: Node parses them, and they end here.
    if (socket.destroyed) return false
    if (connection[IS_BUSY]) {
      socket.destroy()
      return false
    }
    connection[IS_BUSY] = true
    response.once('close', () => {
      connection[IS_BUSY] = false
    })
    return true
  }

  /** The budget of the session of long polling that a request belongs to. */
  #budgetOf({ url = '' }: IncomingMessage): ConnectionBudget | undefined {
    const query = url.indexOf('?')
    if (query < 0) return undefined
    const id = new URLSearchParams(url.slice(query + 1)).getAll('sid').at(-1)
    return id === undefined ? undefined : this.#sessions.get(id)
  }

  /** Counts what the kernel does not take of an answer, until the client has read enough of it. */
  #meterAnswer(response: ServerResponse, socket: TcpSocket, budget: ConnectionBudget): void {
    const end = response.end.bind(response) as (...parts: unknown[]) => ServerResponse
    response.end = (...parts: unknown[]) => {
      const ended = end(...parts)
      if (socket.writableLength > 0) this.#hold(response, socket, budget)
      return ended
    }
  }

  #hold(response: ServerResponse, socket: TcpSocket, budget: ConnectionBudget): void {
    const answer = new UnreadAnswer(socket, budget, this.#heldBytes)
    const answers = this.#unreadAnswers.get(budget) ?? new Set()
    this.#unreadAnswers.set(budget, answers.add(answer))
    response.once('close', () => {
      answer.release()
      answers.delete(answer)
      if (answers.size === 0) this.#unreadAnswers.delete(budget)
    })
    answer.hold(socket.writableLength)
  }
}

/** An answer that its client has not read. It counts beyond its session: ending that does not make the client read. */
class UnreadAnswer implements Holder {
  heldBytes = 0
  readonly #socket: TcpSocket
  readonly #budget: ConnectionBudget
  readonly #heldOnServer: HeldBytes

  constructor(socket: TcpSocket, budget: ConnectionBudget, heldOnServer: HeldBytes) {
    this.#socket = socket
    this.#budget = budget
    this.#heldOnServer = heldOnServer
  }

  get isIdentified(): boolean {
    return this.#budget.isIdentified && !this.#budget.isClosed
  }

  hold(bytes: number): void {
    this.#change(bytes)
  }

  release(): void {
    this.#change(0)
  }

  exceed(): void {
    this.release()
    this.cut()
  }

  cut(): void {
    this.#socket.destroy()
  }

  #change(bytes: number): void {
    const change = bytes - this.heldBytes
    if (change === 0) return
    this.heldBytes = bytes
    this.#budget.unreadAnswerBytes += change
    this.#heldOnServer.change(this, change)
  }
}

function meterBody(request: IncomingMessage, response: ServerResponse, budget: ConnectionBudget): void {
  let bytes = 0
  const count = (chunk: Buffer | string) => {
    bytes += Buffer.byteLength(chunk) + CHUNK_OVERHEAD_BYTES
    if (bytes > budget.maxIncoming) return budget.exceed('a request is too large')
    budget.holdBody(bytes)
  }
  // Not before Engine.IO listens itself, which is later where the headers of CORS are set: the first listener lets
  // the body flow, and what flows until then is lost.
  const countWhenRead = (event: string | symbol) => {
    if (event !== 'data') return
    request.off('newListener', countWhenRead)
    request.on('data', count)
  }
  request.on('newListener', countWhenRead)
  response.once('close', () => budget.holdBody(0))
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
}
