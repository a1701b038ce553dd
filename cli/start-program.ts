/**
 * `npm start`: runs each server of the config as a process. On a terminal it opens a chat, with an echo bot on another
 * server, and leaving the chat stops the servers. Otherwise it prints the logs until a signal.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import type { SessionRequest } from '../src/client/events.ts'
import { reportUsageErrors } from '../src/programs/command-line/command-errors.ts'
import { EXIT, exitOnCrash, fail } from '../src/programs/command-line/fail.ts'
import { type Config, ConfigError, type ConfiguredServer, readConfig, toServerAddress } from '../src/programs/config.ts'
import { VERSION } from '../src/programs/package.ts'
import { parseContent } from '../src/protocol/message-kinds.ts'
import { type ChatControls, chat } from './commands/chat.ts'
import { requireFreePorts } from './port-owner.ts'
import { ServerProcesses, waitUntilListening } from './server-processes.ts'
import { NO_STORAGE, openSession } from './session/connection.ts'
import { SettingsFile } from './settings.ts'
import { setFolderName } from './storage/data-folder.ts'
import { BOT, TRIAL_FOLDER, trialUser } from './trial.ts'

/** How often to check whether npm still runs, ms. */
const NPM_CHECK_INTERVAL_MS = 1_000

/** The first messages of the bot. */
const GREETING = [
  'Hi! I am Echo, a bot on another server of this mesh: I send every message back to you.',
  'Type a message and press Enter. Press ? on an empty line for help; /quit leaves and stops the servers.',
]

exitOnCrash()
const program = new Command('npm start --')
  .description('Start all servers of a config and, on a terminal, a chat.')
  .option('--config <file>', 'config of the mesh (default: ./config.json, else the packaged one)')
  .option('--logs', 'print the logs, on a terminal too')
reportUsageErrors(program)
const args = program.parse().opts<{ config?: string; logs?: boolean }>()

const config = loadConfig()
await requireFreePorts(config)
if (process.stdin.isTTY && process.stdout.isTTY && !args.logs) await runWithChat()
else runWithLogs()

function loadConfig(): Config {
  try {
    return readConfig(args.config)
  } catch (error) {
    return fail(EXIT.usage, error instanceof ConfigError ? error.message : String(error))
  }
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
    ({ reason, code }) => {
      if (servers.running > 0) return console.error(`mesh-chat: ${reason}; ${stillRunning(servers)}`)
      console.error(`mesh-chat: ${servers.endReasons}`)
      process.exitCode = code
    },
  )
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => servers.stop())
  onNpmKilled(() => servers.stop())
}

function stillRunning({ running }: ServerProcesses): string {
  return `${running} of ${config.servers.length} servers still running`
}

/** Calls the listener when npm started this process and was killed: SIGKILL does not reach the children of npm. */
function onNpmKilled(listener: () => void): void {
  if (process.env.npm_lifecycle_event === undefined) return
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    listener()
  }, NPM_CHECK_INTERVAL_MS)
  timer.unref()
}

async function runWithChat(): Promise<void> {
  console.error(`Starting ${config.servers.map(({ id, port }) => `${id} on ${port}`).join(', ')} …`)
  let controls: ChatControls | undefined
  const servers = new ServerProcesses(
    config,
    () => {},
    ({ reason, code }) => {
      if (controls === undefined) fail(code, reason)
      if (servers.running === 0) return controls.end(code, servers.endReasons)
      const text = `${reason}; ${stillRunning(servers)}`
      controls.showNotice({ type: 'notice', code: 'server-ended', text, isWarning: true })
    },
  )
  await waitUntilListening(config.servers)
  const [first, second = first] = config.servers.map(urlOf)
  if (first === undefined || second === undefined) return
  setFolderName(TRIAL_FOLDER)
  const user = trialUser()
  runEchoBot(second, user)
  await chat({
    user,
    to: BOT,
    servers: [first],
    ca: readCa(),
    lastServer: undefined,
    settings: new SettingsFile(),
    history: true,
    screen: 'whole',
    onStart: given => {
      controls = given
    },
    onExit: () => {
      if (servers.running === 0) return
      servers.stop()
      // The exit listener that restores the terminal was added before this one.
      process.once('exit', () => console.error('Servers stopped.'))
    },
  })
}

/** A user that greets one user, replies to each message, and stores nothing. */
function runEchoBot(server: string, guest: string): void {
  let hasGreeted = false
  const instance = randomBytes(12).toString('base64url')
  const options = {
    user: BOT,
    client: `mesh-chat-echo/${VERSION}`,
    instance,
    servers: [server],
    random: Math.random,
    ca: readCa(),
  }
  const send: (request: SessionRequest) => void = openSession(options, NO_STORAGE, event => {
    if (event.type === 'roster' && !hasGreeted && event.users.has(guest)) {
      hasGreeted = true
      for (const text of GREETING) send({ type: 'compose', to: guest, text })
    }
    if (event.type !== 'message' || event.origin !== 'live' || event.message.from === BOT) return
    const { from, text } = event.message
    const content = parseContent(text, from)
    if (content.kind !== 'text') return
    setTimeout(() => send({ type: 'compose', to: from, text: `You said: ${content.text}` }), 300)
  })
}
