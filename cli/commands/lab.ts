import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { EXIT, fail } from '../../src/programs/command-line/fail.ts'
import { helpText } from '../../src/programs/command-line/help.ts'
import { printLine } from '../../src/programs/command-line/print.ts'
import { type Config, ConfigError, readConfig } from '../../src/programs/config.ts'
import { packageFile } from '../../src/programs/package.ts'
import { parseUserName } from '../../src/protocol/names.ts'
import { requireFreePorts } from '../port-owner.ts'
import { waitUntilListening } from '../server-processes.ts'
import { dataFolder, makePrivateFolder } from '../storage/data-folder.ts'

interface LabArguments {
  config?: string
  detach?: boolean
  socket: string
}

const SESSION_NAME = 'lab'
/** All clients have this room open, so that every pane shows the same thread. */
const ROOM = '#lab'

/** The text below the options of `mesh-chat help lab`. */
export const LAB_HELP = helpText({
  'Leave the lab': [
    ['Ctrl+B D', 'leave tmux; the lab keeps running'],
    [killCommand('mesh-chat'), 'stop the lab: all clients and servers'],
    ['/quit', 'in the pane of a client: end this client'],
    ['Ctrl+C', 'in the pane of the log: stop all servers'],
  ],
  Files: [['~/.local/state/mesh-chat-lab', 'of the clients; each lab starts with empty ones']],
})

/** Starts the servers and several clients, each in a pane of one tmux session. */
export async function lab(clients: readonly string[], args: LabArguments): Promise<void> {
  const config = loadConfig(args.config)
  const panes = parseClients(clients, config)
  const tmux = (...command: string[]) => spawnSync('tmux', ['-L', args.socket, ...command], { encoding: 'utf8' })
  if (tmux('-V').error !== undefined) {
    const lines = panes.map(
      ({ user, port }) => `    mesh-chat --user ${shellQuote(user)} --port ${port} --to '${ROOM}'`,
    )
    fail(
      EXIT.general,
      [
        'tmux is not installed; install it (apt install tmux, brew install tmux),',
        'or run each of these commands in a separate terminal:',
        ...config.servers.map(({ id }) => `    mesh-chatd --id ${id} --config ${shellQuote(config.file)}`),
        ...lines,
      ].join('\n'),
    )
  }
  const attach = `tmux -L ${args.socket} attach -t ${SESSION_NAME}`
  if (tmux('has-session', '-t', SESSION_NAME).status === 0) {
    fail(
      EXIT.general,
      `the lab is already running; attach to it with \`${attach}\`, or stop it with \`${killCommand(args.socket)}\``,
    )
  }
  await requireFreePorts(config)

  const folders = createFolders(args.socket)
  const nodeCommand = (file: string, ...rest: string[]) =>
    ['exec', 'env', ...folders, process.execPath, packageFile(file), ...rest].map(shellQuote).join(' ')
  const logs = nodeCommand('dist/cli/start.js', '--logs', '--config', config.file)
  const { COLUMNS, LINES } = { COLUMNS: process.stdout.columns || 200, LINES: process.stdout.rows || 50 }
  requireSuccess(tmux('new-session', '-d', '-s', SESSION_NAME, '-x', `${COLUMNS}`, '-y', `${LINES}`, logs))
  requireSuccess(tmux('set-option', '-t', SESSION_NAME, 'mouse', 'on'))
  // Its last lines say why all servers have ended. Before tmux 3.2 the pane closes.
  tmux('set-option', '-p', '-t', SESSION_NAME, 'remain-on-exit', 'failed')
  console.error(`Starting ${config.servers.map(({ id }) => id).join(', ')} …`)
  try {
    await waitUntilListening(config.servers)
  } catch (error) {
    tmux('kill-session', '-t', SESSION_NAME)
    fail(EXIT.general, (error as Error).message)
  }
  // The logs are in the last pane: each client's pane goes before it.
  for (const { user, port } of panes) {
    const command = nodeCommand('dist/cli/main.js', '--user', user, '--port', `${port}`, '--to', ROOM)
    requireSuccess(tmux('split-window', '-b', '-t', `${SESSION_NAME}:0.{bottom-right}`, command))
    requireSuccess(tmux('select-layout', '-t', SESSION_NAME, 'tiled'))
  }
  requireSuccess(tmux('select-pane', '-t', `${SESSION_NAME}:0.0`))
  if (args.detach || !process.stdout.isTTY) {
    printLine(`The lab is running in tmux. Attach: ${attach}`)
    printLine(`Stop it:                            ${killCommand(args.socket)}`)
    return
  }
  const { TMUX: _, ...env } = process.env
  spawnSync('tmux', ['-L', args.socket, 'attach', '-t', SESSION_NAME], { stdio: 'inherit', env })
  if (tmux('has-session', '-t', SESSION_NAME).status === 0) {
    printLine(`The lab is still running. Attach: ${attach}`)
    printLine(`Stop it:                          ${killCommand(args.socket)}`)
  }
}

/**
 * Creates empty folders for the files of the lab's clients, so that they leave the threads, keys and settings of daily use
 * alone; what an earlier lab has left is deleted.
 * @returns the variables that name the folders, as NAME=FOLDER
 */
function createFolders(socket: string): string[] {
  const base = join(dirname(dataFolder()), 'mesh-chat-lab', `socket-${encodeURIComponent(socket)}`)
  rmSync(base, { recursive: true, force: true })
  makePrivateFolder(base)
  return [`XDG_STATE_HOME=${join(base, 'state')}`, `XDG_CONFIG_HOME=${join(base, 'config')}`]
}

function loadConfig(file: string | undefined): Config {
  try {
    return readConfig(file)
  } catch (error) {
    return fail(EXIT.usage, error instanceof ConfigError ? error.message : String(error))
  }
}

/** Parses `NAME:PORT` arguments; a name may contain colons. */
function parseClients(clients: readonly string[], { servers }: Config): { user: string; port: number }[] {
  const [first, second = first, third = second] = servers.map(server => server.port)
  const chosen = clients.length > 0 ? clients : [`Anna:${first}`, `Anna:${second}`, `Billy:${third}`]
  return chosen.map(client => {
    const [, raw, port] = /^(.*):(\d+)$/.exec(client) ?? []
    const name = parseUserName(raw ?? '')
    if (raw === undefined || !name.ok) {
      fail(EXIT.usage, `${client} is not a client; give clients as NAME:PORT, such as Anna:${first}`)
    }
    return { user: name.value, port: Number(port) }
  })
}

function killCommand(socket: string): string {
  return `tmux -L ${socket} kill-session -t ${SESSION_NAME}`
}

function requireSuccess({ status, stderr }: { status: number | null; stderr: string }): void {
  if (status !== 0) fail(EXIT.general, `tmux failed: ${stderr.trim()}`)
}

/** Quotes a word for sh. */
function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
