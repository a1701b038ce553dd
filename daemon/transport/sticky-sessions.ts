import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type Duplex, pipeline } from 'node:stream'
import type { Server as SocketServer } from 'socket.io'
import type { WorkerInfo } from '../workers.ts'

/** What engine.io reads of a request. No other header is passed on: some speak of one connection, and end with it. */
const FORWARDED_HEADERS = ['host', 'origin', 'user-agent', 'accept-encoding', 'content-type', 'content-length'] as const

/** The session that a request is of, as engine.io reads it; undefined where it begins one. */
function sessionIdOf({ url = '' }: IncomingMessage): string | undefined {
  return URL.canParse(url, 'http://x') ? new URL(url, 'http://x').searchParams.getAll('sid').at(-1) : undefined
}

/**
 * Long-polling over a port that several workers share: the requests of one client come to any of them, and only the one
 * that began with it knows it. A session's id begins with its worker's number, and who receives a request for another
 * worker passes it on, over a socket in a folder of their own. A balancer in front that looks at the first bytes of a
 * connection would be cheaper, but sees nothing where clients are encrypted, and one connection may serve many sessions.
 */
export async function installStickySessions(worker: WorkerInfo, io: SocketServer, http: Server): Promise<void> {
  const ownPrefix = `${worker.number}.`
  const socketPathOf = (number: string) => join(worker.folder, `${number}.sock`)
  // What engine.io would make, with the number in front.
  io.engine.generateId = () => `${ownPrefix}${randomBytes(15).toString('base64url')}`

  /** The worker that has the session of a request, if that is another. */
  const otherWorkerOf = (incoming: IncomingMessage): string | undefined => {
    const number = /^(\d{1,4})\./.exec(sessionIdOf(incoming) ?? '')?.[1]
    if (number === undefined || `${number}.` === ownPrefix) return undefined
    return incoming.method === 'GET' || incoming.method === 'POST' ? number : undefined
  }
  const [handle] = http.listeners('request') as ((request: IncomingMessage, response: ServerResponse) => void)[]
  const upgrades = http.listeners('upgrade') as ((request: IncomingMessage, socket: Duplex, head: Buffer) => void)[]
  http.removeAllListeners('request')
  http.removeAllListeners('upgrade')
  http.on('request', (incoming: IncomingMessage, response: ServerResponse) => {
    const number = otherWorkerOf(incoming)
    if (number === undefined) return handle?.(incoming, response)
    const { method, url } = incoming
    const headers: Record<string, string> = {}
    for (const name of FORWARDED_HEADERS) {
      const value = incoming.headers[name]
      if (value !== undefined) headers[name] = value
    }
    const proxied = request({ socketPath: socketPathOf(number), method, path: url, headers }, answer => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      pipeline(answer, response, () => {})
    })
    // The worker is gone, and the session with it.
    proxied.on('error', () => rejectUnknownSession(response))
    response.on('close', () => proxied.destroy())
    // The body of a GET has no length that the other would know: it would be the next request.
    if (method === 'POST') incoming.pipe(proxied)
    else proxied.end()
  })
  http.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    const number = otherWorkerOf(incoming)
    if (number === undefined) {
      for (const upgrade of upgrades) upgrade.call(http, incoming, socket, head)
      return
    }
    const proxied = connect(socketPathOf(number), () => {
      const { rawHeaders } = incoming
      const lines = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1]}`] : []))
      proxied.write(`${incoming.method} ${incoming.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1')
      proxied.write(head)
      socket.pipe(proxied).pipe(socket)
    })
    proxied.on('error', () => socket.destroy())
    proxied.on('close', () => socket.destroy())
    socket.on('error', () => proxied.destroy())
    socket.on('close', () => proxied.destroy())
  })

  // Only what has begun at the front, where its address was seen and counted, goes on here.
  const { clients } = io.engine as unknown as { clients: object }
  const hasSession = (incoming: IncomingMessage) => Object.hasOwn(clients, sessionIdOf(incoming) ?? '')
  const internalServer = createServer((incoming, response) => {
    if (hasSession(incoming)) handle?.(incoming, response)
    else rejectUnknownSession(response)
  })
  internalServer.on('upgrade', (incoming, socket, head) => {
    if (!hasSession(incoming)) return void socket.destroy()
    for (const upgrade of upgrades) upgrade.call(http, incoming, socket, head)
  })
  // What a worker that was killed has left.
  rmSync(socketPathOf(`${worker.number}`), { force: true })
  await new Promise<void>((resolve, reject) => {
    // Not to be shared, as a worker's listening is by default.
    internalServer.once('error', reject).listen({ path: socketPathOf(`${worker.number}`), exclusive: true }, resolve)
  })
}

/** What engine.io says to a session that it does not know. */
function rejectUnknownSession(response: ServerResponse): void {
  if (response.headersSent) return void response.destroy()
  response.writeHead(400, { 'content-type': 'application/json' })
  response.end('{"code":1,"message":"Session ID unknown"}')
}
