import { ConfigError } from '../src/programs/config.ts'
import { fail } from '../src/programs/fail.ts'
import { VERSION } from '../src/programs/package.ts'
import type { Admin } from './admin/admin-server.ts'
import { createLog, type Log } from './log/log.ts'
import { type Running, run } from './runtime.ts'
import { doorWarnings } from './settings/exposure.ts'
import { isWildcard } from './settings/secret.ts'
import {
  type Arguments,
  configOf,
  countOf,
  findSelf,
  NO_CONFIG,
  peersOf,
  portOf,
  type Settings,
  settingsOf,
} from './settings/settings.ts'
import { readTls } from './settings/tls.ts'
import { placeHere, runWorkers } from './workers.ts'

/**
 * Runs a server, or the workers that are one together, until a signal.
 * @throws ConfigError
 */
export async function serve(args: Arguments): Promise<void> {
  const settings = settingsOf(args)
  const { id, config, self, host, port, linkPort, backbone, secret, auth, tokenKey, tls } = settings
  const format = args.logFormat ?? (process.stdout.isTTY ? 'text' : 'json')
  // A line per message is for a person who watches; for a log collector it is too much.
  const level = args.logLevel ?? (format === 'text' ? 'debug' : 'info')
  const place = placeHere()
  const own = place === undefined ? id : `${id}/${place.number}`
  const prefix = place === undefined ? '' : `${own}: `
  const log = createLog({ format, level, text: args.logText === true, prefix }, own)
  if (args.workers !== undefined && place === undefined) {
    const code = await runWorkers(countOf(args.workers), log.say)
    process.exit(code)
  }
  introduce(own, settings, place !== undefined, log)
  const admin = await openAdmin(args, place === undefined ? 1 : place.number, log)
  const server = await run({
    id: own,
    host,
    // An address that stands for all of a machine's is none to be reached at.
    reachedAt: isWildcard(host) ? self.ip : host,
    port,
    advertise: args.advertise,
    worker: place && { place, linkPort: linkPort === 0 ? 0 : linkPort + place.number - 1 },
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
  admin?.serves(server)
  process.on('SIGHUP', () => reread(args, id, server, log))
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, server.drain)
}

/** The first lines of the log: which server this is, and what strangers may do there. */
function introduce(own: string, { config, host, secret, auth }: Settings, isWorker: boolean, log: Log): void {
  if (config !== NO_CONFIG) {
    log.say('info', `Loading config from: ${config.file}`)
    log.say('info', 'Config loaded.')
  }
  log.say('info', `My id: ${own}`)
  if (isWorker) log.say('info', `Process: ${process.pid}`)
  for (const warning of doorWarnings(host, secret, auth)) log.say('warn', warning)
  if (auth !== 'open') log.say('info', `Users prove their names by: ${auth}`)
}

/** Opens the door for machines, where it is wanted. The next worker has the next port. */
async function openAdmin(args: Arguments, worker: number, log: Log): Promise<Admin | undefined> {
  const { adminPort, adminHost: host = '127.0.0.1' } = args
  if (adminPort === undefined) {
    if (args.adminHost === undefined) return undefined
    throw new ConfigError(`--admin-host ${host}: on which --admin-port?`)
  }
  const port = portOf('--admin-port', adminPort)
  const { Admin } = await import('./admin/admin-server.ts')
  return Admin.open({ host, port: port === 0 ? 0 : port + worker - 1, version: VERSION, log })
}

/** Takes the config and its certificates as they are now; these are for new connections, and those that stand stay. */
function reread(args: Arguments, id: string, server: Running, log: Log): void {
  try {
    const config = configOf(args)
    findSelf(config, id, args)
    if (config.tls !== undefined) {
      server.renew(readTls(config.tls))
      log.say('info', 'Certificates read again.')
    }
    server.configure(peersOf(config, id))
    if (config !== NO_CONFIG) log.say('info', `Config read again from: ${config.file}`)
  } catch (error) {
    log.say('error', `${(error as Error).message}; all stays as it was`)
  }
}
