import { toServerAddress } from '../src/programs/config.ts'
import type { Limits } from '../src/protocol/limits.ts'
import type { ServerAddress } from '../src/protocol/messages.ts'
import type { AuthMode } from '../src/protocol/proofs/credentials.ts'
import type { RoomSettings } from '../src/protocol/rooms.ts'
import type { ServerStatus } from '../src/protocol/status.ts'
import { OWN_PROTOCOLS } from '../src/protocol/versions.ts'
import { MeshServer } from '../src/server/server.ts'
import type { Effect, Input } from '../src/server/types.ts'
import { createProcessKey } from './auth/mesh-key.ts'
import { MeshProver } from './auth/mesh-prover.ts'
import { OwnOrigins } from './auth/own-origins.ts'
import type { TokenKey } from './auth/tokens.ts'
import { ClientGateway } from './client-gateway.ts'
import { DeadlineTimer } from './deadline-timer.ts'
import type { CarrierOptions, LinkCarrier } from './links/carrier.ts'
import { SocketLinks } from './links/socket-links.ts'
import type { Log } from './log/log.ts'
import type { TlsMaterial } from './settings/tls.ts'
import type { Backpressure, CutOffCounts } from './transport/backpressure.ts'
import { FLUSH_TIMEOUT_MS } from './transport/flush-timeout.ts'
import { hostNamesOf } from './transport/origin.ts'
import { type SelfTestResult, selfTest } from './transport/self-test.ts'
import { SocketServer } from './transport/socket-server.ts'
import { installStickySessions } from './transport/sticky-sessions.ts'
import { announceWorker, balancePort, onWorkerAnnounced, type WorkerInfo } from './workers.ts'

export interface RuntimeOptions {
  id: string
  host: string
  /** The address at which clients and peers reach this server. */
  publicHost: string
  port: number
  /** The URL to announce instead of that address. */
  advertise?: string | undefined
  /** For a worker: its number, and its port for links (0: any free port). */
  worker?: { info: WorkerInfo; linkPort: number } | undefined
  peers: readonly ServerAddress[]
  /** URLs of servers to join, whatever their ids. */
  seeds?: readonly string[]
  limits: Limits
  /** The rooms that the config sets up. */
  rooms?: readonly RoomSettings[]
  /** Most TCP connections, so that descriptors are left for dials; undefined: any number. */
  maxTcpConnections?: number | undefined
  /** The mesh's secret; empty: none. */
  secret: string
  /** The secret before a rotation. */
  previousSecret?: string | undefined
  /** Further origins by which this server is known to clients. */
  names?: readonly string[]
  /** Origins of other pages in a browser that may connect. */
  origins?: readonly string[]
  auth: AuthMode
  /** Checks users' tokens. */
  tokenKey: TokenKey | undefined
  /** URLs of NATS servers that carry the links; empty: servers connect to each other. */
  backbone: readonly string[]
  /** Encrypts connections of clients and peers. */
  tls: TlsMaterial | undefined
  log: Log
  narrateMessages: boolean
  /** Called once, when the server has shut down and released everything: after `drain`, or by itself. */
  exit: (code: number, reason: string) => void
  /** Checks what the transport uses of Socket.IO's internals; tests replace it. */
  selfTest?: () => Promise<SelfTestResult>
}

/** From this share of its connections on, a worker leaves new ones to others. */
const FULL_SHARE = 0.99

/** A running server. */
export interface RunningServer {
  /** Its state; visits every connection. */
  status: () => ServerStatus
  /** Malformed payloads so far. */
  malformed: () => { client: number; peer: number }
  /** Connections disconnected so far because they did not read. */
  cutOff: () => Readonly<CutOffCounts>
  /** Open connections and pending calls; all return to 0 when the last client disconnects. */
  counts: () => {
    tcp: number
    engine: number
    heldBytes: number
    unreadBytes: number
    addresses: number
    clients: number
    pendingCalls: number
  }
  /** The URL for clients. */
  url: string
  /** The names online in the whole mesh, sorted. */
  roster: () => readonly string[]
  /** Leaves the mesh in good order, then calls `exit`. */
  drain: () => void
  /** Uses renewed certificates for new connections. */
  renewCertificates: (tls: TlsMaterial) => void
  /** Replaces the configured peers and rooms. */
  reconfigure: (settings: { peers: readonly ServerAddress[]; rooms: readonly RoomSettings[] }) => void
}

/** Runs the core on real sockets: input → step → effects. Rejects when the port is not available. */
export async function startServer(options: RuntimeOptions): Promise<RunningServer> {
  const { tls, backbone, limits, log, maxTcpConnections } = options
  // Loaded only where it is used: the NATS client is large.
  const { NatsLinks } = backbone.length === 0 ? {} : await import('./links/nats/nats-links.ts')
  const { features, warnings } = await (options.selfTest ?? selfTest)()
  for (const warning of warnings) log.write('warn', warning)
  const { advertise, names = [], origins: pageOrigins = [] } = options
  // Pages that this server is known for are its own.
  const origins = [...pageOrigins, ...names]
  const urls = advertise === undefined ? origins : [...origins, advertise]
  const pages = { hostNames: hostNamesOf([options.host, options.publicHost], urls), origins }
  const cutOffCounts: CutOffCounts = { client: 0, peer: 0 }
  const createSocketServer = () =>
    new SocketServer({ tls, limits, log, features, cutOffCounts, pages, maxTcpConnections })
  const server = createSocketServer()
  const { worker } = options
  const address = { port: options.port, host: options.host }
  const shared = worker === undefined ? undefined : await server.listenShared(address)
  const port = shared === undefined ? await server.listen(address) : shared.port
  const processKey = createProcessKey()
  const incarnation = processKey.publicKey
  const urlForPort = (port: number) =>
    toServerAddress({ id: options.id, ip: options.publicHost, port }, tls !== undefined).url
  let url = options.advertise ?? urlForPort(port)
  let clientUrl: string | undefined
  const socketServers = [server]
  if (worker !== undefined) await installStickySessions(worker.info, server.io, server.http)
  if (worker !== undefined && backbone.length === 0) {
    // Peers must reach this very worker, so it has another port for links.
    const link = createSocketServer()
    link.io.use((_, next) => next(new Error(`clients connect at ${url}`)))
    socketServers.push(link)
    const linkPort = await link.listen({ port: worker.linkPort, host: options.host, exclusive: true })
    log.write('info', `Listening for peers on port: ${linkPort}`)
    clientUrl = url
    const advertised = new URL(url)
    advertised.port = `${linkPort}`
    url = advertised.origin
  }
  const publicUrls = { url, ...(clientUrl === undefined ? {} : { clients: clientUrl }) }

  const { secret, previousSecret, auth } = options
  const scheme = tls === undefined ? 'http' : 'https'
  // Clients reach a server at the port for clients only.
  const ownOrigins = new OwnOrigins({
    host: options.host,
    port,
    scheme,
    urls: [urlForPort(port), clientUrl ?? url],
    names,
  })
  const mesh = new MeshProver({ secret, previousSecret, server: options.id, incarnation, auth, origins: ownOrigins })
  const core = new MeshServer({
    ...options,
    ...publicUrls,
    incarnation,
    graceMs: 5_000,
    random: Math.random,
    signRoomMessage: message => mesh.signRoomMessage(message),
  })
  const deadlineTimer = new DeadlineTimer(() => step({ type: 'tick' }))
  let isFlushScheduled = false
  let ended = false
  const inputs: Input[] = []
  let isStepping = false
  const step = (input: Input) => {
    if (ended) return
    inputs.push(input)
    // An effect may cause an input at once (a socket closed): it waits until all effects of this step are performed.
    if (isStepping) return
    isStepping = true
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      for (const effect of core.step(next, performance.now(), Date.now())) perform(effect)
    }
    isStepping = false
    if (core.needsFlush) scheduleFlush()
    deadlineTimer.set(core.deadline)
  }
  /** Flushes at the end of this event-loop turn, when all packets that arrived are read. */
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
    server.io,
    { server: options.id, mode: auth, tokenKey: options.tokenKey, mesh },
    log,
    step,
    scheduleFlush,
    core,
  )
  const self = {
    id: options.id,
    incarnation,
    ...OWN_PROTOCOLS,
    ...publicUrls,
    auth: options.auth,
    rooms: true as const,
    compact: true as const,
  }
  const holds = (peer: string, user: string) => core.isUserOnPeer(peer, user)
  const holdsRoom = (peer: string, room: string) => core.isRoomOnPeer(peer, room)
  const credentials = { secret, previousSecret, processKey }
  const carrierOptions: CarrierOptions = { ...options, self, credentials, cutOffCounts, step }
  const links: LinkCarrier =
    NatsLinks === undefined
      ? new SocketLinks(
          socketServers.map(({ io }) => io),
          carrierOptions,
        )
      : new NatsLinks({ ...carrierOptions, urls: backbone, holds, holdsRoom })
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
        return log.note(effect.entry)
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
      for (const connection of connections) connection.cut()
      options.exit(code, reason)
    }
    // Goodbyes get one turn to be written. Connections that are not closed in time are cut.
    let connections: Backpressure[] = []
    setImmediate(() => {
      clients.flush(Number.POSITIVE_INFINITY)
      connections = socketServers.flatMap(({ connections }) => connections)
      void Promise.all([links.close(), ...socketServers.map(one => one.close())]).then(finish)
    })
    const shutdownTimer = setTimeout(finish, FLUSH_TIMEOUT_MS)
  }
  log.write('info', `Listening for connections on port: ${port}`)
  step({ type: 'start' })
  if (worker !== undefined) {
    onWorkerAnnounced(member => step({ type: 'learn', member }))
    announceWorker({ id: options.id, ...publicUrls })
  }
  if (shared !== undefined) {
    const most = Math.min(limits.connections || Number.POSITIVE_INFINITY, maxTcpConnections ?? Number.POSITIVE_INFINITY)
    const load = () => {
      const { tcpConnections: connections } = server
      return { connections, isFull: connections >= most * FULL_SHARE }
    }
    balancePort(load, isPaused => shared.setPaused(isPaused, () => !load().isFull))
  }
  return {
    status: () => core.status,
    malformed: () => ({ client: clients.malformed, peer: links.malformed }),
    cutOff: () => cutOffCounts,
    counts: () => ({ ...server.counts, ...clients.counts }),
    url: clientUrl ?? url,
    roster: () => core.roster,
    drain: () => step({ type: 'drain' }),
    reconfigure: ({ peers, rooms }) => step({ type: 'configure', peers, rooms }),
    renewCertificates: renewed => {
      for (const one of socketServers) one.renewCertificates(renewed)
      links.setCa(renewed.ca)
    },
  }
}
