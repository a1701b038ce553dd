import { ConfigError } from '../src/programs/config.ts'
import { fail } from '../src/programs/fail.ts'
import { VERSION } from '../src/programs/package.ts'
import type { AdminServer } from './admin/admin-server.ts'
import { createLog, type Log } from './log/log.ts'
import { type RunningServer, startServer } from './runtime.ts'
import { exposureWarnings } from './settings/exposure.ts'
import { isWildcard } from './settings/secret.ts'
import {
  findSelf,
  loadConfig,
  NO_CONFIG,
  parsePort,
  parseWorkerCount,
  peersOf,
  resolveSettings,
  type ServeArguments,
  type Settings,
} from './settings/settings.ts'
import { readTls } from './settings/tls.ts'
import { currentWorker, runWorkers } from './workers.ts'

/**
 * Runs a server, or the workers that are one together, until a signal.
 * @throws ConfigError
 */
export async function serve(args: ServeArguments): Promise<void> {
  const settings = resolveSettings(args)
  const { id, config, self, host, port, linkPort, backbone, secret, auth, tokenKey, tls } = settings
  const format = args.logFormat ?? (process.stdout.isTTY ? 'text' : 'json')
  // A line per message is for a person who watches; for a log collector it is too much.
  const level = args.logLevel ?? (format === 'text' ? 'debug' : 'info')
  const workerInfo = currentWorker()
  const serverId = workerInfo === undefined ? id : `${id}/${workerInfo.number}`
  const prefix = workerInfo === undefined ? '' : `${serverId}: `
  const log = createLog({ format, level, text: args.logText === true, prefix }, serverId)
  if (args.workers !== undefined && workerInfo === undefined) {
    const code = await runWorkers(parseWorkerCount(args.workers), log.write)
    process.exit(code)
  }
  logStartup(serverId, settings, workerInfo !== undefined, log)
  const admin = await openAdmin(args, workerInfo === undefined ? 1 : workerInfo.number, log)
  const server = await startServer({
    id: serverId,
    host,
    // An address that stands for all of a machine's is none to be reached at.
    publicHost: isWildcard(host) ? self.ip : host,
    port,
    advertise: args.advertise,
    worker: workerInfo && { info: workerInfo, linkPort: linkPort === 0 ? 0 : linkPort + workerInfo.number - 1 },
    peers: peersOf(config, id),
    seeds: args.join ?? [],
    backbone,
    limits: config.limits,
    secret,
    auth,
    tokenKey,
    tls,
    log,
    narrateMessages: level === 'debug',
    exit: (code, reason) => (code === 0 ? process.exit(0) : fail(code, reason)),
  })
  admin?.setServer(server)
  process.on('SIGHUP', () => reloadConfig(args, id, server, log))
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, server.drain)
}

/** The first lines of the log: which server this is, and what strangers may do there. */
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

/** Opens the door for machines, where it is wanted. The next worker has the next port. */
async function openAdmin(args: ServeArguments, worker: number, log: Log): Promise<AdminServer | undefined> {
  const { adminPort, adminHost: host = '127.0.0.1' } = args
  if (adminPort === undefined) {
    if (args.adminHost === undefined) return undefined
    throw new ConfigError(`--admin-host ${host}: on which --admin-port?`)
  }
  const port = parsePort('--admin-port', adminPort)
  const { AdminServer } = await import('./admin/admin-server.ts')
  return AdminServer.listen({ host, port: port === 0 ? 0 : port + worker - 1, version: VERSION, log })
}

/** Takes the config and its certificates as they are now; these are for new connections, and those that stand stay. */
function reloadConfig(args: ServeArguments, id: string, server: RunningServer, log: Log): void {
  try {
    const config = loadConfig(args)
    findSelf(config, id, args)
    if (config.tls !== undefined) {
      server.renewCertificates(readTls(config.tls))
      log.write('info', 'Certificates read again.')
    }
    server.updatePeers(peersOf(config, id))
    if (config !== NO_CONFIG) log.write('info', `Config read again from: ${config.file}`)
  } catch (error) {
    log.write('error', `${(error as Error).message}; all stays as it was`)
  }
}
