#!/usr/bin/env node
/**
 * `npm start`: every server of the config as a process of its own. On a terminal a chat opens, with a friendly echo
 * on another server, and leaving it stops the servers; else the logs stand side by side until a signal.
 */
import { randomBytes } from 'node:crypto'
import { userInfo } from 'node:os'
import { Command } from 'commander'
import type { SessionRequest } from '../src/client/events.ts'
import { type Config, ConfigError, readConfig, toServerAddress } from '../src/programs/config.ts'
import { EXIT, fail } from '../src/programs/fail.ts'
import { VERSION } from '../src/programs/package.ts'
import { parseUserName } from '../src/protocol/names.ts'
import { chat } from './commands/chat.ts'
import { isListening, ServerProcesses, waitUntilListening } from './server-processes.ts'
import { NO_STORAGE, openSession } from './session/connection.ts'
import { SettingsFile } from './settings.ts'

const args = new Command('start')
  .description('Starts every server of a config; on a terminal, a chat with them.')
  .option('--config <file>', 'the mesh (default: config.json here, else the one shipped)')
  .option('--logs', 'the logs side by side, on a terminal too')
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : EXIT.usage))
  .parse()
  .opts<{ config?: string; logs?: boolean }>()

const config = loadConfig()
for (const server of config.servers) {
  if (await isListening(server)) {
    fail(EXIT.general, `port ${server.port} of ${server.id} is in use; stop what listens there, or edit ${config.file}`)
  }
}
if (process.stdin.isTTY && process.stdout.isTTY && !args.logs) await runWithChat()
else runWithLogs()

function loadConfig(): Config {
  try {
    return readConfig(args.config)
  } catch (error) {
    return fail(EXIT.usage, error instanceof ConfigError ? error.message : String(error))
  }
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
    (id, code) => fail(code, `${id} ended: ${lastLogLines.get(id) ?? 'it said nothing'}`),
  )
  await waitUntilListening(config.servers)
  const [first, second = first] = config.servers.map(server => toServerAddress(server).url)
  if (first === undefined || second === undefined) return
  runEchoBot('Echo', second)
  const settings = new SettingsFile()
  const name = parseUserName(settings.settings.user ?? userInfo().username)
  await chat({
    user: name.ok ? name.value : 'Anna',
    to: 'Echo',
    servers: [first],
    settings,
    history: true,
    screen: 'whole',
    onExit: () => servers.stop(),
  })
}

/** A user who answers every message. Keeps nothing. */
function runEchoBot(user: string, server: string): void {
  const instance = randomBytes(12).toString('base64url')
  const options = { user, client: `mesh-chat-echo/${VERSION}`, instance, servers: [server], random: Math.random }
  const send: (request: SessionRequest) => void = openSession(options, NO_STORAGE, event => {
    if (event.type !== 'message' || event.origin !== 'live' || event.message.from === user) return
    const { from, text } = event.message
    setTimeout(() => send({ type: 'compose', to: from, text: `You said: ${text}` }), 300)
  })
}
