import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type Duplex, pipeline } from 'node:stream'
import type { Server as SocketIoServer } from 'socket.io'
import type { WorkerInfo } from '../workers.ts'

/** The headers that Engine.IO reads. No others are forwarded: some are only meant for one connection. */
const FORWARDED_HEADERS = ['host', 'origin', 'user-agent', 'accept-encoding', 'content-type', 'content-length'] as const

type RequestListener = (request: IncomingMessage, response: ServerResponse) => void
type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** The session of a request, as Engine.IO reads it; undefined for a request that starts one. */
function sessionIdOf({ url = '' }: IncomingMessage): string | undefined {
  return URL.canParse(url, 'http://x') ? new URL(url, 'http://x').searchParams.getAll('sid').at(-1) : undefined
}

/**
 * Long polling over a port that several workers share: the requests of one client reach any of them, but only the worker
 * of its session knows the client. A session's id starts with its worker's number, and a worker forwards the requests of
 * another worker's sessions, over a socket in a folder of the workers. A balancer in front that looks at the first bytes
 * of a connection would cost less, but cannot read encrypted connections, and one connection may carry several sessions.
 */
export async function installStickySessions(worker: WorkerInfo, io: SocketIoServer, http: Server): Promise<void> {
  const ownPrefix = `${worker.number}.`
  const socketPathOf = (number: string) => join(worker.folder, `${number}.sock`)
  // As Engine.IO makes ids, with the worker's number first. Overwriting generateId is documented.
  io.engine.generateId = () => `${ownPrefix}${randomBytes(15).toString('base64url')}`

  /** The other worker that has the session of a request; undefined: this worker handles the request. */
  const otherWorkerOf = (incoming: IncomingMessage): string | undefined => {
    const number = /^(\d{1,4})\./.exec(sessionIdOf(incoming) ?? '')?.[1]
    if (number === undefined || `${number}.` === ownPrefix) return undefined
    return incoming.method === 'GET' || incoming.method === 'POST' ? number : undefined
  }
  const [handle] = http.listeners('request') as RequestListener[]
  const upgrades = http.listeners('upgrade') as UpgradeListener[]
  http.removeAllListeners('request')
  http.removeAllListeners('upgrade')
  http.on('request', (incoming: IncomingMessage, response: ServerResponse) => {
    const number = otherWorkerOf(incoming)
    if (number === undefined) handle?.(incoming, response)
    else forwardRequest(socketPathOf(number), incoming, response)
  })
  http.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    const number = otherWorkerOf(incoming)
    if (number !== undefined) return forwardUpgrade(socketPathOf(number), incoming, socket, head)
    for (const upgrade of upgrades) upgrade.call(http, incoming, socket, head)
  })

  // Sessions start on the public port only, where the connections of an address are counted. Engine.IO starts none for a
  // request with an id, and rejects an id that it does not know.
  const isOwnSession = (incoming: IncomingMessage) => sessionIdOf(incoming)?.startsWith(ownPrefix) === true
  const internalServer = createServer((incoming, response) => {
    if (isOwnSession(incoming)) handle?.(incoming, response)
    else rejectUnknownSession(response)
  })
  internalServer.on('upgrade', (incoming, socket, head) => {
    if (!isOwnSession(incoming)) return void socket.destroy()
    for (const upgrade of upgrades) upgrade.call(http, incoming, socket, head)
  })
  // A worker that was killed leaves its socket file.
  rmSync(socketPathOf(`${worker.number}`), { force: true })
  await new Promise<void>((resolve, reject) => {
    // Workers share what they listen on, unless it is exclusive.
    internalServer.once('error', reject).listen({ path: socketPathOf(`${worker.number}`), exclusive: true }, resolve)
  })
}

function forwardRequest(socketPath: string, incoming: IncomingMessage, response: ServerResponse): void {
  const { method, url } = incoming
  const headers: Record<string, string> = {}
  for (const name of FORWARDED_HEADERS) {
    const value = incoming.headers[name]
    if (value !== undefined) headers[name] = value
  }
  const forwarded = request({ socketPath, method, path: url, headers }, answer => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    pipeline(answer, response, () => {})
  })
  // The worker has died, and the session with it.
  forwarded.on('error', () => rejectUnknownSession(response))
  response.on('close', () => forwarded.destroy())
  // The body of a GET has no length, so the other worker would read it as the next request.
  if (method === 'POST') incoming.pipe(forwarded)
  else forwarded.end()
}

function forwardUpgrade(socketPath: string, incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
  const forwarded = connect(socketPath, () => {
    const { rawHeaders } = incoming
    const lines = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1]}`] : []))
    forwarded.write(`${incoming.method} ${incoming.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1')
    forwarded.write(head)
    socket.pipe(forwarded).pipe(socket)
  })
  forwarded.on('error', () => socket.destroy())
  forwarded.on('close', () => socket.destroy())
  socket.on('error', () => forwarded.destroy())
  socket.on('close', () => forwarded.destroy())
}

/** Answers as Engine.IO does for a session that it does not know. */
function rejectUnknownSession(response: ServerResponse): void {
  if (response.headersSent) return void response.destroy()
  response.writeHead(400, { 'content-type': 'application/json' })
  response.end('{"code":1,"message":"Session ID unknown"}')
}
