#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import * as z from 'zod'
import { addressOf, ConfigError } from '../src/config.ts'
import { readConfig } from './config.ts'
import { createLog, type LogOptions } from './log.ts'
import { run } from './runtime.ts'

interface Arguments {
  id: string
  config?: string
  host?: string
  port?: string
  logFormat?: LogOptions['format']
  logLevel?: LogOptions['level']
  logText?: boolean
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

const program = new Command('mesh-chatd')
  .description('Runs one server of the mesh.')
  .version(version())
  .requiredOption('--id <id>', 'which server of the config this is')
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
  .option('--log-text', "log the messages' texts, not only their lengths")
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))
const args = program.parse().opts<Arguments>()

try {
  const config = readConfig(args.config)
  const self = config.servers.find(server => server.id === args.id)
  const ids = config.servers.map(server => server.id).join(', ')
  if (self === undefined) fail(2, `there is no server ${JSON.stringify(args.id)} in ${config.file}; it has ${ids}`)
  const host = args.host ?? self.ip
  const port = Number(args.port ?? self.port)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    fail(2, `--port ${args.port}: give a number from 0 to 65535`)
  const format = args.logFormat ?? (process.stdout.isTTY ? 'text' : 'json')
  // A line per message is for a person who watches; for a log collector it is too much.
  const level = args.logLevel ?? (format === 'text' ? 'debug' : 'info')
  const log = createLog({ format, level, text: args.logText === true }, self.id)
  log.say('info', `Loading config from: ${config.file}`)
  log.say('info', 'Config loaded.')
  log.say('info', `My id: ${self.id}`)
  const server = await run({
    id: self.id,
    host,
    port,
    peers: config.servers.filter(one => one !== self).map(addressOf),
    limits: config.limits,
    secret: process.env.MESH_CHAT_SECRET ?? '',
    log,
    narrateMessages: level === 'debug',
    exit: (code, reason) => (code === 0 ? process.exit(0) : fail(code, reason)),
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, server.drain)
} catch (error) {
  if (error instanceof ConfigError) fail(2, error.message)
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') fail(1, 'the port is in use; stop the other program, or give another with --port')
  fail(1, message)
}
