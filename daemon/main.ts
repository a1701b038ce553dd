#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Argument, Command, Option } from 'commander'
import * as z from 'zod'
import { completion, SHELLS, type Shell } from '../src/completion.ts'
import { addressOf, backboneUrlSchema, type Config, ConfigError, type ConfiguredServer } from '../src/config.ts'
import { AUTH_MODES, type AuthMode } from '../src/protocol/credentials.ts'
import { DEFAULT_LIMITS } from '../src/protocol/limits.ts'
import { type ServerAddress, urlSchema } from '../src/protocol/messages.ts'
import { parseServerId, parseUserName } from '../src/protocol/names.ts'
import type { Admin } from './admin.ts'
import { type CheckArguments, check } from './check.ts'
import { readConfig } from './config.ts'
import { CHECK_HELP, HELP } from './help.ts'
import { createLog, type Log, type LogOptions } from './log.ts'
import { run } from './runtime.ts'
import { checkDoors, doorWarnings, mendsOf } from './safety.ts'
import { isWildcard, readSecret } from './secret.ts'
import { readTls } from './tls.ts'
import { makeToken, readTokenKey } from './tokens.ts'
import { placeHere, runWorkers } from './workers.ts'

/** More than any machine has CPUs for. */
const MOST_WORKERS = 512

interface Arguments {
  id?: string
  config?: string
  host?: string
  port?: string
  logFormat?: LogOptions['format']
  logLevel?: LogOptions['level']
  logText?: boolean
  insecure?: boolean
  auth?: AuthMode
  join?: string[]
  advertise?: string
  workers?: string
  linkPort?: string
  backbone?: string[]
  adminPort?: string
  adminHost?: string
}

function fail(code: number, message: string): never {
  console.error(`mesh-chatd: ${message}`)
  process.exit(code)
}

/** The package's version; its root is two folders above the built program. */
function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return z.object({ version: z.string() }).parse(JSON.parse(readFileSync(file, 'utf8'))).version
}

/** What holds for a server that joins by an address, or by a backbone, alone. */
const NO_CONFIG: Config = {
  file: 'the command line',
  servers: [],
  limits: DEFAULT_LIMITS,
  secretFile: undefined,
  auth: undefined,
  tokenKeyFile: undefined,
  tls: undefined,
  backbone: undefined,
}

/**
 * This server's own place: in the config, or as told on the command line where it joins others.
 * @throws ConfigError
 */
function findSelf(config: Config, id: string, args: Arguments): ConfiguredServer {
  const self = config.servers.find(server => server.id === id)
  if (self !== undefined) return self
  if (args.join === undefined && args.backbone === undefined) {
    const ids = config.servers.map(server => server.id).join(', ')
    throw new ConfigError(`there is no server ${JSON.stringify(id)} in ${config.file}; it has ${ids}`)
  }
  const checked = parseServerId(id)
  if (!checked.ok) throw new ConfigError(`--id: ${checked.reason}`)
  if (args.port === undefined) throw new ConfigError(`on which port? Say it with: --port PORT`)
  return { id, ip: args.host ?? '127.0.0.1', port: Number(args.port) }
}

function portOf(option: string, given: string): number {
  const port = Number(given)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  return fail(2, `${option} ${given}: give a number from 0 to 65535`)
}

function countOf(given: string): number {
  const count = given === 'auto' ? availableParallelism() : Number(given)
  if (Number.isInteger(count) && count >= 1 && count <= MOST_WORKERS) return count
  return fail(2, `--workers ${given}: give a number from 1 to ${MOST_WORKERS}, or auto`)
}

function peersOf(config: Config, id: string): ServerAddress[] {
  return config.servers.filter(one => one.id !== id).map(one => addressOf(one, config.tls !== undefined))
}

/** Opens the door for machines, where it is wanted. The next worker has the next port. */
async function openAdmin(args: Arguments, worker: number, log: Log): Promise<Admin | undefined> {
  const { adminPort, adminHost: host = '127.0.0.1' } = args
  if (adminPort === undefined) {
    return args.adminHost === undefined ? undefined : fail(2, `--admin-host ${host}: on which --admin-port?`)
  }
  const port = portOf('--admin-port', adminPort)
  const { Admin } = await import('./admin.ts')
  return Admin.open({ host, port: port === 0 ? 0 : port + worker - 1, version: version(), log })
}

async function serve(args: Arguments): Promise<void> {
  const { id } = args
  if (id === undefined) fail(2, 'which server is this? Say it with: --id ID')
  for (const url of [...(args.join ?? []), ...(args.advertise === undefined ? [] : [args.advertise])]) {
    if (!urlSchema.safeParse(url).success) fail(2, `${url} is no address of a server; give http://host:port`)
  }
  for (const url of args.backbone ?? []) {
    if (!backboneUrlSchema.safeParse(url).success)
      fail(2, `--backbone ${url}: give nats://host:port or tls://host:port`)
  }
  // Who joins by an address, or by a backbone and with a port of its own, needs no config.
  const alone = args.join !== undefined || (args.backbone !== undefined && args.port !== undefined)
  const config = alone && args.config === undefined ? NO_CONFIG : readConfig(args.config)
  const backbone = args.backbone ?? config.backbone ?? []
  if (backbone.length > 0 && args.join !== undefined) {
    fail(2, 'on a backbone everyone meets by themselves: give --backbone or --join, not both')
  }
  const self = findSelf(config, id, args)
  const host = args.host ?? self.ip
  const port = portOf('--port', args.port ?? `${self.port}`)
  const secret = readSecret(config.secretFile)
  const doors = {
    host,
    hasAddress: !isWildcard(self.ip) || args.advertise !== undefined,
    secret,
    auth: args.auth ?? config.auth,
    hasTokenKey: config.tokenKeyFile !== undefined,
    backbone,
    insecure: args.insecure === true,
  }
  const auth = checkDoors(doors, mendsOf(config.file, port))
  const tokenKey = auth === 'token' ? readTokenKey(config.tokenKeyFile ?? '') : undefined
  const tls = config.tls && readTls(config.tls)
  const format = args.logFormat ?? (process.stdout.isTTY ? 'text' : 'json')
  // A line per message is for a person who watches; for a log collector it is too much.
  const level = args.logLevel ?? (format === 'text' ? 'debug' : 'info')
  const place = placeHere()
  const own = place === undefined ? id : `${id}/${place.number}`
  const prefix = place === undefined ? '' : `${own}: `
  const log = createLog({ format, level, text: args.logText === true, prefix }, own)
  const linkPort = portOf('--link-port', args.linkPort ?? '0')
  if (args.workers !== undefined && place === undefined) {
    const code = await runWorkers(countOf(args.workers), log.say)
    process.exit(code)
  }
  if (config !== NO_CONFIG) {
    log.say('info', `Loading config from: ${config.file}`)
    log.say('info', 'Config loaded.')
  }
  log.say('info', `My id: ${own}`)
  if (place !== undefined) log.say('info', `Process: ${process.pid}`)
  for (const warning of doorWarnings(host, secret, auth)) log.say('warn', warning)
  if (auth !== 'open') log.say('info', `Users prove their names by: ${auth}`)
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
  // Renewed certificates are for new connections; those that stand stay.
  process.on('SIGHUP', () => {
    try {
      const reread = config === NO_CONFIG ? NO_CONFIG : readConfig(args.config)
      findSelf(reread, id, args)
      if (reread.tls !== undefined) {
        server.renew(readTls(reread.tls))
        log.say('info', 'Certificates read again.')
      }
      server.configure(peersOf(reread, id))
      if (reread !== NO_CONFIG) log.say('info', `Config read again from: ${reread.file}`)
    } catch (error) {
      log.say('error', `${(error as Error).message}; all stays as it was`)
    }
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, server.drain)
}

/** Prints a token for a user, signed with the mesh's key. */
async function printToken(args: { user: string; expires: string; key?: string; config?: string }): Promise<void> {
  const file = args.key ?? readConfig(args.config).tokenKeyFile
  if (file === undefined) fail(2, 'which key signs it? Set tokenKeyFile in the config, or give --key FILE')
  const name = parseUserName(args.user)
  if (!name.ok) fail(2, `--user: ${name.reason}`)
  if (!/^\d+[smhdwy]$/.test(args.expires)) fail(2, `--expires ${args.expires}: give a time such as 12h or 30d`)
  const { sign, algorithm } = readTokenKey(file)
  if (sign === undefined) fail(2, `${file} holds a public key, which only checks; give the private one with --key FILE`)
  console.log(await makeToken(sign, algorithm, name.value, args.expires))
}

async function endsWell(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (error instanceof ConfigError) fail(2, error.message)
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      const { port } = error as { port?: number }
      fail(1, `port ${port} is in use; stop the other program, or give another with --port`)
    }
    fail(1, message)
  }
}

const program = new Command('mesh-chatd')
  .description('Runs one server of the mesh.')
  .version(version())
  .enablePositionalOptions()
  .option('--id <id>', 'which server of the config this is')
  .option('--config <file>', 'the mesh: ids, addresses and ports (default: config.json here, else the one shipped)')
  .option('--host <address>', 'listen on this address instead of the one in the config')
  .option('--port <port>', 'listen on this port instead of the one in the config')
  .option('--join <url...>', 'join the mesh of the server at this address; no config is needed')
  .option('--advertise <url>', 'where others reach this server, if that is not where it listens')
  .option(
    '--backbone <url...>',
    'NATS servers that carry the links, nats://host:port, instead of a link from each to each',
  )
  .option('--workers <count>', 'so many processes on one port, or auto: one for each CPU')
  .option('--link-port <port>', 'of the first worker for links, the next has the next (default: any that is free)')
  .option('--admin-port <port>', 'serve /healthz, /readyz and /metrics on this port; the next worker has the next')
  .option('--admin-host <address>', 'on this address (default: 127.0.0.1)')
  .addOption(new Option('--log-format <format>', 'text or json').choices(['text', 'json']))
  .addOption(
    new Option('--log-level <level>', 'how much to tell (default: debug as text, info as json)').choices([
      'debug',
      'info',
      'warn',
      'error',
    ]),
  )
  .addOption(
    new Option('--auth <mode>', 'how users prove their names, instead of what the config says').choices(AUTH_MODES),
  )
  .option('--insecure', 'listen to the network without a secret: whoever reaches this server can be a peer')
  .option('--log-text', "log the messages' texts, not only their lengths")
  .addHelpText('after', HELP)
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))
  .action((args: Arguments) => endsWell(serve(args)))
program
  .command('token')
  .description('Prints a token that says who a user is, where the mesh has auth: token.')
  .requiredOption('--user <name>', 'whom it is for')
  .option('--expires <time>', 'how long it is good for: 12h, 30d …', '30d')
  .option('--key <file>', 'the key that signs it (default: tokenKeyFile of the config)')
  .option('--config <file>', 'the mesh (default: config.json here, else the one shipped)')
  .action(args => endsWell(printToken(args)))
program
  .command('check')
  .description('Looks at a config, its files, and each server of it; changes nothing in the mesh.')
  .option('--config <file>', 'the mesh (default: config.json here, else the one shipped)')
  .option('--id <id>', 'the server that is to run here; it is not asked itself')
  .option('--timeout <seconds>', 'how long a server may take to answer', '5')
  .option('--insecure', 'as for the server: no secret and no auth are needed')
  .option('--json', 'as JSON lines')
  .addHelpText('after', CHECK_HELP)
  .action((args: CheckArguments) => endsWell(check(args).then(code => process.exit(code))))
program
  .command('completion')
  .description('Prints the script that teaches a shell to complete mesh-chatd; it says how to load it.')
  .addArgument(new Argument('<shell>', 'which').choices(SHELLS))
  .action((shell: Shell) => console.log(completion(shell, program)))
await program.parseAsync()
