import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { Server } from 'socket.io'
import type { Limits } from '../src/protocol/limits.ts'
import { PROTOCOL, type ServerAddress } from '../src/protocol/messages.ts'
import { MeshServer } from '../src/server/server.ts'
import type { Effect, Input } from '../src/server/types.ts'
import { ClientGate } from './clients.ts'
import type { Log } from './log.ts'
import { PeerGate } from './peers.ts'

export interface RuntimeOptions {
  id: string
  host: string
  port: number
  peers: readonly ServerAddress[]
  limits: Limits
  secret: string
  log: Log
  narrateMessages: boolean
  /** Called once, when the server has ended by itself. */
  exit: (code: number, reason: string) => void
}

/** Runs the core on real sockets: input → step → effects. Rejects when the port cannot be had. */
export async function run(options: RuntimeOptions): Promise<{ port: number; drain: () => void }> {
  const http = createServer((_, response) => response.writeHead(404).end())
  const io = new Server(http, {
    allowEIO3: true,
    serveClient: false,
    perMessageDeflate: false,
    pingInterval: 5_000,
    pingTimeout: 5_000,
    maxHttpBufferSize: 1_000_000,
    // A browser tells the page's origin; no page but one of this very address may connect.
    allowRequest: (request, allow) => {
      const { origin, host } = request.headers
      allow(null, origin === undefined || origin === `http://${host}`)
    },
  })
  await new Promise<void>((resolve, reject) => http.once('error', reject).listen(options.port, options.host, resolve))
  const address = http.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  const incarnation = randomBytes(16).toString('hex')
  const url = `http://${options.host}:${port}`

  const core = new MeshServer({ ...options, incarnation, url, graceMs: 5_000, random: Math.random })
  let timer: NodeJS.Timeout | undefined
  let flushing = false
  const step = (input: Input) => {
    for (const effect of core.step(input, performance.now(), Date.now())) perform(effect)
    if (core.gathered && !flushing) {
      flushing = true
      setImmediate(() => {
        flushing = false
        step({ type: 'flush' })
      })
    }
    clearTimeout(timer)
    const wait = core.deadline - performance.now()
    if (wait < Number.POSITIVE_INFINITY) timer = setTimeout(() => step({ type: 'tick' }), Math.max(1, Math.ceil(wait)))
  }
  const clients = new ClientGate(io, options.limits.bufferedBytes, step)
  const peers = new PeerGate(io, { id: options.id, incarnation, protocol: PROTOCOL, url }, options.secret, step)
  const perform = (effect: Effect) => {
    if (effect.type === 'log') options.log.note(effect.note)
    else if (effect.type === 'exit') {
      // One turn for the goodbyes to leave.
      setImmediate(() => void io.close(() => options.exit(effect.code, effect.reason)))
    } else {
      clients.perform(effect)
      peers.perform(effect)
    }
  }
  step({ type: 'start' })
  return { port, drain: () => step({ type: 'drain' }) }
}
