/**
 * `npm start`: runs each server of the config as a process. On a terminal it opens a chat, with an echo bot on another
 * server, and leaving the chat stops the servers. Otherwise it prints the logs until a signal.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { Command } from 'commander'
import type { SessionRequest } from '../src/client/events.ts'
import { type Config, ConfigError, type ConfiguredServer, readConfig, toServerAddress } from '../src/programs/config.ts'
import { EXIT, fail } from '../src/programs/fail.ts'
import { VERSION } from '../src/programs/package.ts'
import { parseUserName } from '../src/protocol/names.ts'
import { chat } from './commands/chat.ts'
import { portOwner } from './port-owner.ts'
import { ServerProcesses, waitUntilListening } from './server-processes.ts'
import { NO_STORAGE, openSession } from './session/connection.ts'
import { SettingsFile } from './settings.ts'

const args = new Command('start')
  .description('Starts all servers of a config and, on a terminal, a chat.')
  .option('--config <file>', 'config of the mesh (default: ./config.json, else the packaged one)')
  .option('--logs', 'print the logs, on a terminal too')
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : EXIT.usage))
  .parse()
  .opts<{ config?: string; logs?: boolean }>()

const config = loadConfig()
await requireFreePorts()
if (process.stdin.isTTY && process.stdout.isTTY && !args.logs) await runWithChat()
else runWithLogs()

function loadConfig(): Config {
  try {
    return readConfig(args.config)
  } catch (error) {
    return fail(EXIT.usage, error instanceof ConfigError ? error.message : String(error))
  }
}

/** Fails if a port is in use; says whether these servers run already, or another program uses the port. */
async function requireFreePorts(): Promise<void> {
  const { servers, tls, file } = config
  const owners = await Promise.all(servers.map(server => portOwner(server, tls !== undefined)))
  const foreign = servers.find((_, at) => owners[at] === 'another-program')
  if (foreign !== undefined) {
    const { id, port } = foreign
    const fix = `stop it, or change the port of ${id} in ${file}`
    fail(EXIT.general, `port ${port} is already in use by another program; ${fix}`)
  }
  const running = servers.filter((_, at) => owners[at] !== 'free')
  const [first] = running
  if (first === undefined) return
  const target = first.ip === '127.0.0.1' && tls === undefined ? `--port ${first.port}` : `--server ${urlOf(first)}`
  const join = `Join with: mesh-chat --user NAME ${target}`
  if (running.length === servers.length) {
    fail(EXIT.general, `These servers are already running here. ${join}; or stop them first`)
  }
  const ids = running.map(({ id }) => id).join(', ')
  fail(EXIT.general, `Some of these servers are already running here (${ids}); stop them first. ${join}`)
}

function urlOf(server: ConfiguredServer): string {
  return toServerAddress(server, config.tls !== undefined).url
}

/** The CA of the servers' certificates; undefined: the CAs that Node trusts. */
function readCa(): string | undefined {
  return config.tls?.ca === undefined ? undefined : readFileSync(config.tls.ca, 'utf8')
}

function runWithLogs(): void {
  const servers = new ServerProcesses(
    config,
    (id, text) => console.log(`${id}: ${text}`),
    (_, code) => {
      process.exitCode = code
      servers.stop()
    },
  )
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => servers.stop())
}

async function runWithChat(): Promise<void> {
  console.error(`Starting ${config.servers.map(({ id, port }) => `${id} on ${port}`).join(', ')} …`)
  const lastLogLines = new Map<string, string>()
  const servers = new ServerProcesses(
    config,
    (id, text) => lastLogLines.set(id, text),
    (id, code) => fail(code, `${id} exited: ${lastLogLines.get(id) ?? 'it printed nothing'}`),
  )
  await waitUntilListening(config.servers)
  const [first, second = first] = config.servers.map(urlOf)
  if (first === undefined || second === undefined) return
  runEchoBot('Echo', second)
  const settings = new SettingsFile()
  const name = parseUserName(settings.settings.user ?? userInfo().username)
  await chat({
    user: name.ok ? name.value : 'Anna',
    to: 'Echo',
    servers: [first],
    ca: readCa(),
    lastServer: settings.settings.server,
    settings,
    history: true,
    screen: 'whole',
    onExit: () => servers.stop(),
  })
}

/** A user that replies to each message, and stores nothing. */
function runEchoBot(user: string, server: string): void {
  const instance = randomBytes(12).toString('base64url')
  const options = {
    user,
    client: `mesh-chat-echo/${VERSION}`,
    instance,
    servers: [server],
    random: Math.random,
    ca: readCa(),
  }
  const send: (request: SessionRequest) => void = openSession(options, NO_STORAGE, event => {
    if (event.type !== 'message' || event.origin !== 'live' || event.message.from === user) return
    const { from, text } = event.message
    setTimeout(() => send({ type: 'compose', to: from, text: `You said: ${text}` }), 300)
  })
}
