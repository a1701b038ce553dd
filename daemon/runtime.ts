import { randomBytes } from 'node:crypto'
import { createServer, type Server as HttpServer, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, Server as SecureServer } from 'node:https'
import type { ListenOptions } from 'node:net'
import { Server, type ServerOptions, type Socket } from 'socket.io'
import { toServerAddress } from '../src/programs/config.ts'
import type { AuthMode } from '../src/protocol/credentials.ts'
import type { Limits } from '../src/protocol/limits.ts'
import { MAX_PACKET_BYTES, PROTOCOL_VERSION, type ServerAddress } from '../src/protocol/messages.ts'
import type { ServerStatus } from '../src/protocol/status.ts'
import { MeshServer } from '../src/server/server.ts'
import type { Effect, Input } from '../src/server/types.ts'
import type { TokenKey } from './auth/tokens.ts'
import { ClientGateway } from './client-gateway.ts'
import { DeadlineTimer } from './deadline-timer.ts'
import type { LinkCarrier } from './links/carrier.ts'
import { SocketLinks } from './links/socket-links.ts'
import type { Log } from './log/log.ts'
import type { TlsMaterial } from './settings/tls.ts'
import { Backpressure } from './transport/backpressure.ts'
import { limitControlFrames } from './transport/control-frame-limit.ts'
import { EventReader } from './transport/event-reader.ts'
import { isOwnOrigin } from './transport/origin.ts'
import { disableRooms } from './transport/release-request.ts'
import { installStickySessions } from './transport/sticky-sessions.ts'
import { limitConnectionsPerAddress } from './transport/tcp-connection-limit.ts'
import { announceWorker, onWorkerAnnounced, type WorkerInfo } from './workers.ts'

/** Time for the last words to leave when the server ends, ms. */
const SHUTDOWN_FLUSH_MS = 500

export interface RuntimeOptions {
  id: string
  host: string
  /** The address at which clients and peers reach this server. */
  publicHost: string
  port: number
  /** The URL to tell others instead, where that address is not how they reach it. */
  advertise?: string | undefined
  /** Of several workers that share the port: this one's place, and its port for links (0: any). */
  worker?: { info: WorkerInfo; linkPort: number } | undefined
  peers: readonly ServerAddress[]
  /** URLs of servers to begin with, whoever they are. */
  seeds?: readonly string[]
  limits: Limits
  secret: string
  auth: AuthMode
  /** Checks the tokens of users. */
  tokenKey: TokenKey | undefined
  /** URLs of NATS servers that carry the links; none: servers connect to each other. */
  backbone: readonly string[]
  /** Encrypts connections of clients and links. */
  tls: TlsMaterial | undefined
  log: Log
  narrateMessages: boolean
  /** Called once, when the server has ended: drained, or by itself. Nothing of it is left then. */
  exit: (code: number, reason: string) => void
}

const notFound = (_: unknown, response: ServerResponse) => response.writeHead(404).end()

function socketOptions(scheme: 'http' | 'https', names: readonly string[]): Partial<ServerOptions> {
  return {
    allowEIO3: true,
    serveClient: false,
    perMessageDeflate: false,
    pingInterval: 5_000,
    pingTimeout: 5_000,
    maxHttpBufferSize: MAX_PACKET_BYTES,
    // A connection that joins no namespace; one that joined has to identify itself, or to prove that it is a peer.
    connectTimeout: 10_000,
    // A browser tells the page's origin; no page but one of this very address may connect.
    allowRequest: (request, allow) => {
      const { origin, host } = request.headers
      allow(null, isOwnOrigin(origin, host, scheme, names))
    },
  }
}

/** A server at work. */
export interface RunningServer {
  /** How it stands; looks at every connection. */
  status: () => ServerStatus
  /** Payloads so far that were not what they must be. */
  malformed: () => { client: number; peer: number }
  /** Where clients reach it. */
  url: string
  /** The names online in the whole mesh, sorted. */
  roster: () => readonly string[]
  /** Leaves the mesh in good order; `exit` is called at the end. */
  drain: () => void
  /** Takes renewed certificates, for connections to come. */
  renewCertificates: (tls: TlsMaterial) => void
  /** Takes the config's peers as they are now. */
  updatePeers: (peers: readonly ServerAddress[]) => void
}

/** Runs the core on real sockets: input → step → effects. Rejects when the port cannot be had. */
export async function startServer(options: RuntimeOptions): Promise<RunningServer> {
  const { tls, backbone } = options
  // What NATS needs is read only where it is used.
  const { NatsLinks } = backbone.length === 0 ? {} : await import('./links/nats/nats-links.ts')
  const names = [options.host, options.publicHost]
  if (options.advertise !== undefined) names.push(new URL(options.advertise).hostname)
  const https: SecureServer[] = []
  const createSocketServer = () => {
    const http = tls === undefined ? createServer(notFound) : createSecureServer(tls, notFound)
    if (http instanceof SecureServer) https.push(http)
    limitConnectionsPerAddress(http, options.limits.connectionsPerAddress)
    const io = new Server(http, socketOptions(tls === undefined ? 'http' : 'https', names))
    disableRooms(io)
    // engine.io makes anew what upgrades, when the port is there.
    http.once('listening', () => limitControlFrames(io))
    // The answer to an upgrade and engine.io's first packet leave in one write; there are no others in that turn.
    http.prependListener('upgrade', (_, socket) => {
      socket.cork()
      setImmediate(() => socket.uncork())
    })
    io.engine.on('connection', engine => {
      const backpressure = new Backpressure(engine, options.limits, options.log)
      EventReader.install(engine, bytes => backpressure.countRead(bytes))
    })
    return { http, io }
  }
  const { http, io } = createSocketServer()
  const port = await listen(http, { port: options.port, host: options.host })
  const incarnation = randomBytes(16).toString('hex')
  const urlForPort = (port: number) =>
    toServerAddress({ id: options.id, ip: options.publicHost, port }, tls !== undefined).url
  let url = options.advertise ?? urlForPort(port)
  let clientUrl: string | undefined
  const { worker } = options
  const socketServers = [io]
  if (worker !== undefined) await installStickySessions(worker.info, io, http)
  if (worker !== undefined && backbone.length === 0) {
    // Its peers have to reach this very worker: it has a port of its own for links.
    const link = createSocketServer()
    link.io.use((_, next) => next(new Error(`clients connect at ${url}`)))
    socketServers.push(link.io)
    const linkPort = await listen(link.http, { port: worker.linkPort, host: options.host, exclusive: true })
    options.log.write('info', `Listening for peers on port: ${linkPort}`)
    clientUrl = url
    const advertised = new URL(url)
    advertised.port = `${linkPort}`
    url = advertised.origin
  }
  const publicUrls = { url, ...(clientUrl === undefined ? {} : { clients: clientUrl }) }

  const core = new MeshServer({ ...options, ...publicUrls, incarnation, graceMs: 5_000, random: Math.random })
  const deadlineTimer = new DeadlineTimer(() => step({ type: 'tick' }))
  let isFlushScheduled = false
  let ended = false
  const inputs: Input[] = []
  let isStepping = false
  const step = (input: Input) => {
    if (ended) return
    inputs.push(input)
    // An effect may bring an input at once (a socket closed): it waits until this step's effects are done, in order.
    if (isStepping) return
    isStepping = true
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      for (const effect of core.step(next, performance.now(), Date.now())) perform(effect)
    }
    isStepping = false
    if (core.needsFlush) scheduleFlush()
    deadlineTimer.set(core.deadline)
  }
  /** Once the turn has read all that had come. */
  const scheduleFlush = () => {
    if (isFlushScheduled) return
    isFlushScheduled = true
    setImmediate(() => {
      isFlushScheduled = false
      if (core.needsFlush) step({ type: 'flush' })
      clients.flush()
    })
  }
  const clients = new ClientGateway(
    io,
    { server: options.id, mode: options.auth, tokenKey: options.tokenKey },
    options.log,
    step,
    scheduleFlush,
  )
  const self = { id: options.id, incarnation, protocol: PROTOCOL_VERSION, ...publicUrls, auth: options.auth }
  const holds = (peer: string, user: string) => core.isUserOnPeer(peer, user)
  const links: LinkCarrier =
    NatsLinks === undefined
      ? new SocketLinks(socketServers, { ...options, self, step })
      : new NatsLinks({ ...options, self, step, urls: backbone, holds })
  const perform = (effect: Effect): void => {
    switch (effect.type) {
      case 'emit':
      case 'answer':
      case 'close':
        return clients.perform(effect)
      case 'dial':
      case 'accept':
      case 'refuse':
      case 'send':
      case 'hang-up':
        return links.perform(effect)
      case 'log':
        return options.log.note(effect.entry)
      case 'exit':
        return end(effect.code, effect.reason)
      default:
        effect satisfies never
    }
  }
  const end = (code: number, reason: string) => {
    const finish = () => {
      if (ended) return
      ended = true
      clearTimeout(shutdownTimer)
      deadlineTimer.stop()
      for (const wire of connections) wire.cut()
      options.exit(code, reason)
    }
    // One turn for the goodbyes to leave; who does not read them, or holds a connection open, is not waited for.
    let connections: Backpressure[] = []
    setImmediate(() => {
      connections = socketServers.flatMap(connectionsOf)
      void Promise.all([links.close(), ...socketServers.map(io => io.close())]).then(finish)
    })
    const shutdownTimer = setTimeout(finish, SHUTDOWN_FLUSH_MS)
  }
  options.log.write('info', `Listening for connections on port: ${port}`)
  step({ type: 'start' })
  if (worker !== undefined) {
    onWorkerAnnounced(member => step({ type: 'learn', member }))
    announceWorker({ id: options.id, ...publicUrls })
  }
  return {
    status: () => core.status,
    malformed: () => ({ client: clients.malformed, peer: links.malformed }),
    url: clientUrl ?? url,
    roster: () => core.roster,
    drain: () => step({ type: 'drain' }),
    updatePeers: peers => step({ type: 'configure', peers }),
    renewCertificates: renewed => {
      for (const one of https) one.setSecureContext(renewed)
      links.setCa(renewed.ca)
    },
  }
}

/** All connections; closed, Socket.IO forgets those that have not gone, too. */
function connectionsOf(io: Server): Backpressure[] {
  const { clients } = io.engine as unknown as { clients: Record<string, Socket['conn']> }
  return Object.values(clients).flatMap(engine => Backpressure.of(engine) ?? [])
}

/** Listens; answers with the port. Rejects when it cannot be had. */
async function listen(http: HttpServer, where: ListenOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => http.once('error', reject).listen(where, resolve))
  const address = http.address()
  return typeof address === 'object' && address !== null ? address.port : (where.port ?? 0)
}
