import { fail } from '../src/programs/command-line/fail.ts'
import { ConfigError } from '../src/programs/config.ts'
import { VERSION } from '../src/programs/package.ts'
import type { AdminServer } from './admin/admin-server.ts'
import { descriptorFault, descriptorLimit, divideDescriptors } from './descriptors.ts'
import { explainListenError } from './explain-listen-error.ts'
import { createLog, type Log, type ProcessLog } from './log/log.ts'
import type { RunningServer } from './runtime.ts'
import { backboneWarnings, withBackboneOf } from './settings/backbone.ts'
import { exposureWarnings } from './settings/exposure.ts'
import { isWildcard } from './settings/secret.ts'
import {
  findSelf,
  loadConfig,
  NO_CONFIG,
  parseHostOption,
  parsePort,
  parseWorkerCount,
  peersOf,
  resolveSettings,
  type ServeArguments,
  type Settings,
} from './settings/settings.ts'
import { readTls, tlsWarnings } from './settings/tls.ts'
import { hostNamesOf } from './transport/origin.ts'
import { currentWorker, runWorkers } from './workers.ts'

/**
 * Runs a server, or its workers, until it is asked to shut down.
 * @throws ConfigError
 */
export async function serve(given: ServeArguments): Promise<void> {
  const args = withBackboneOf(given)
  const settings = resolveSettings(args)
  const {
    id,
    config,
    self,
    host,
    port,
    linkPort,
    backbone,
    secret,
    previousSecret,
    names,
    origins,
    auth,
    tokenKey,
    tls,
  } = settings
  const format = args.logFormat ?? (process.stdout.isTTY ? 'text' : 'json')
  // Lines about single messages are for a person at a terminal, too many for a log collector.
  const level = args.logLevel ?? (format === 'text' ? 'debug' : 'info')
  const workerInfo = currentWorker()
  const serverId = workerInfo === undefined ? id : `${id}/${workerInfo.number}`
  const prefix = workerInfo === undefined ? '' : `${serverId}: `
  const log = createLog({ format, level, text: args.logText === true, prefix }, serverId)
  if (args.workers !== undefined && workerInfo === undefined) {
    const code = await runWorkers(parseWorkerCount(args.workers), log.write, onShutdownRequest(args))
    process.exit(code)
  }
  const peers = peersOf(config, id)
  const openFiles = descriptorLimit()
  const fault = descriptorFault(openFiles, peers.length)
  if (fault !== undefined) throw new Error(fault)
  const descriptors = divideDescriptors(config.limits, openFiles, peers.length)
  logStartup(serverId, settings, workerInfo !== undefined, log)
  const fileWarnings = config.tls === undefined ? [] : tlsWarnings(config.tls)
  for (const warning of [...backboneWarnings(given), ...fileWarnings]) log.write('warn', warning)
  if (descriptors.warning !== undefined) log.write('info', descriptors.warning)
  const admin = await openAdmin(args, settings, workerInfo === undefined ? 1 : workerInfo.number, log)
  // The primary of workers, and a server with invalid settings, do not need it.
  const { startServer } = await import('./runtime.ts')
  const server = await startServer({
    id: serverId,
    host,
    // A wildcard address is not reachable; the config's address is.
    publicHost: isWildcard(host) ? self.ip : host,
    port,
    advertise: args.advertise,
    worker: workerInfo && { info: workerInfo, linkPort: linkPort === 0 ? 0 : linkPort + workerInfo.number - 1 },
    peers,
    seeds: args.join ?? [],
    backbone,
    limits: descriptors.limits,
    rooms: config.rooms,
    maxTcpConnections: descriptors.maxTcpConnections,
    secret,
    previousSecret,
    names,
    origins,
    auth,
    tokenKey,
    tls,
    log,
    narrateMessages: level === 'debug',
    exit: (code, reason) => (code === 0 ? process.exit(0) : fail(code, reason)),
  }).catch(error => {
    throw explainListenError(error, { host, port }, { host: '--host', port: '--port', linkPort: '--link-port' })
  })
  admin?.setServer(server)
  process.on('SIGHUP', () => reloadConfig(args, id, server, log))
  // The primary process of workers watches stdin for them.
  onShutdownRequest(workerInfo === undefined ? args : {})(server.drain)
}

/** Returns a function that registers a listener for the shutdown signals and, with `--exit-with-stdin`, the end of stdin. */
function onShutdownRequest({ exitWithStdin = false }: Pick<ServeArguments, 'exitWithStdin'>) {
  return (listener: () => void): void => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, listener)
    if (!exitWithStdin) return
    process.stdin.on('end', listener).on('error', listener).resume()
  }
}

/** Writes the first lines of the log: which server this is, and the warnings about its exposure. */
function logStartup(serverId: string, { config, host, secret, auth }: Settings, isWorker: boolean, log: Log): void {
  if (config !== NO_CONFIG) {
    log.write('info', `Loading config from: ${config.file}`)
    log.write('info', 'Config loaded.')
  }
  log.write('info', `My id: ${serverId}`)
  if (isWorker) log.write('info', `Process: ${process.pid}`)
  for (const warning of exposureWarnings(host, secret, auth)) log.write('warn', warning)
  if (auth !== 'open') log.write('info', `Users prove their names by: ${auth}`)
}

/** Opens the admin port if one is set; each worker uses the port after the one before. */
async function openAdmin(
  args: ServeArguments,
  { self, host: serverHost, names }: Settings,
  worker: number,
  log: ProcessLog,
): Promise<AdminServer | undefined> {
  const { adminPort, adminHost = '127.0.0.1' } = args
  const host = parseHostOption('--admin-host', adminHost)
  if (adminPort === undefined) {
    if (args.adminHost === undefined) return undefined
    throw new ConfigError(`--admin-host ${host} needs a port; set it with --admin-port PORT`)
  }
  const port = parsePort('--admin-port', adminPort)
  const { AdminServer } = await import('./admin/admin-server.ts')
  const urls = args.advertise === undefined ? names : [...names, args.advertise]
  const hostNames = hostNamesOf([host, serverHost, self.ip], urls)
  return AdminServer.listen({ host, hostNames, port: port === 0 ? 0 : port + worker - 1, version: VERSION, log })
}

/** Reloads the config's peers and rooms, and the certificates for new connections. */
function reloadConfig(args: ServeArguments, id: string, server: RunningServer, log: Log): void {
  try {
    const config = loadConfig(args)
    findSelf(config, id, args)
    if (config.tls !== undefined) {
      server.renewCertificates(readTls(config.tls))
      log.write('info', 'Certificates reloaded.')
    }
    server.reconfigure({ peers: peersOf(config, id), rooms: config.rooms })
    if (config !== NO_CONFIG) log.write('info', `Config reloaded from: ${config.file}`)
  } catch (error) {
    log.write('error', `Could not reload the config: ${(error as Error).message}; keeping the current settings`)
  }
}
