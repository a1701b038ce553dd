#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import * as z from 'zod'
import { addressOf, type Config, ConfigError } from '../src/config.ts'
import { AUTH_MODES, type AuthMode } from '../src/protocol/credentials.ts'
import { parseUserName } from '../src/protocol/names.ts'
import { readConfig } from './config.ts'
import { createLog, type LogOptions } from './log.ts'
import { run } from './runtime.ts'
import { isLoopback, isWildcard, readSecret } from './secret.ts'
import { readTls } from './tls.ts'
import { makeToken, readTokenKey } from './tokens.ts'

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

/** How users prove their names: as told; on loopback by their word. */
function chooseAuth(args: Arguments, config: Config, host: string): AuthMode {
  const auth = args.auth ?? config.auth
  if (auth === 'token' && config.tokenKeyFile === undefined) {
    fail(2, `auth: token needs the key that checks tokens: set tokenKeyFile in ${config.file}`)
  }
  if (auth !== undefined || isLoopback(host) || args.insecure) return auth ?? 'open'
  const choice = 'key (each user has one), token (you sign who they are) or open (anybody can be anybody)'
  return fail(
    2,
    `${host} can be reached from elsewhere: say how users prove their names with auth in ${config.file}, or --auth: ${choice}`,
  )
}

async function serve(args: Arguments): Promise<void> {
  const config = readConfig(args.config)
  if (args.id === undefined) fail(2, 'which server is this? Say it with: --id ID')
  const self = config.servers.find(server => server.id === args.id)
  const ids = config.servers.map(server => server.id).join(', ')
  if (self === undefined) fail(2, `there is no server ${JSON.stringify(args.id)} in ${config.file}; it has ${ids}`)
  const host = args.host ?? self.ip
  const port = Number(args.port ?? self.port)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    fail(2, `--port ${args.port}: give a number from 0 to 65535`)
  const secret = readSecret(config.secretFile)
  if (secret === '' && !isLoopback(host) && !args.insecure) {
    fail(
      2,
      `${host} can be reached from elsewhere, and the mesh has no secret: set MESH_CHAT_SECRET, or secretFile in ${config.file}; or give --insecure`,
    )
  }
  const auth = chooseAuth(args, config, host)
  const tokenKey = auth === 'token' ? readTokenKey(config.tokenKeyFile ?? '') : undefined
  const tls = config.tls && readTls(config.tls)
  const format = args.logFormat ?? (process.stdout.isTTY ? 'text' : 'json')
  // A line per message is for a person who watches; for a log collector it is too much.
  const level = args.logLevel ?? (format === 'text' ? 'debug' : 'info')
  const log = createLog({ format, level, text: args.logText === true }, self.id)
  log.say('info', `Loading config from: ${config.file}`)
  log.say('info', 'Config loaded.')
  log.say('info', `My id: ${self.id}`)
  if (secret === '') {
    const open = isLoopback(host) ? 'any program of this machine' : 'anybody who reaches this server'
    log.say('warn', `No secret is set: ${open} can be a peer.`)
  }
  if (auth !== 'open') log.say('info', `Users prove their names by: ${auth}`)
  else if (!isLoopback(host)) log.say('warn', 'Names are taken on trust: whoever reaches this server can be anybody.')
  const server = await run({
    id: self.id,
    host,
    // An address that stands for all of a machine's is none to be reached at.
    reachedAt: isWildcard(host) ? self.ip : host,
    port,
    peers: config.servers.filter(one => one !== self).map(one => addressOf(one, tls !== undefined)),
    limits: config.limits,
    secret,
    auth,
    tokenKey,
    tls,
    log,
    narrateMessages: level === 'debug',
    exit: (code, reason) => (code === 0 ? process.exit(0) : fail(code, reason)),
  })
  // Renewed certificates are for new connections; those that stand stay.
  process.on('SIGHUP', () => {
    try {
      if (config.tls !== undefined) server.renew(readTls(config.tls))
      log.say('info', 'Certificates read again.')
    } catch (error) {
      log.say('error', `${(error as Error).message}; the old certificates stay`)
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
await program.parseAsync()
