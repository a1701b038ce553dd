import { spawnSync } from 'node:child_process'
import { type Config, ConfigError, readConfig } from '../../src/programs/config.ts'
import { EXIT, fail } from '../../src/programs/fail.ts'
import { packageFile } from '../../src/programs/package.ts'
import { parseUserName } from '../../src/protocol/names.ts'
import { accepts, listening } from '../server-processes.ts'

interface LabArguments {
  config?: string
  detach?: boolean
  socket: string
}

const SESSION = 'lab'

/** Starts the servers and several clients in the panes of one tmux session. */
export async function lab(clients: readonly string[], args: LabArguments): Promise<void> {
  const config = load(args.config)
  const panes = clientsOf(clients, config)
  const tmux = (...command: string[]) => spawnSync('tmux', ['-L', args.socket, ...command], { encoding: 'utf8' })
  if (tmux('-V').error !== undefined) {
    const lines = panes.map(({ user, port }) => `    mesh-chat --user ${shell(user)} --port ${port}`)
    fail(
      EXIT.general,
      [
        'the lab needs tmux: apt install tmux, brew install tmux, or as your system has it.',
        'Or type each of these in a terminal of its own:',
        ...config.servers.map(({ id }) => `    mesh-chatd --id ${id} --config ${shell(config.file)}`),
        ...lines,
      ].join('\n'),
    )
  }
  const attach = `tmux -L ${args.socket} attach -t ${SESSION}`
  if (tmux('has-session', '-t', SESSION).status === 0) {
    fail(EXIT.general, `a lab is running: look at it with \`${attach}\`, or end it with \`${ending(args.socket)}\``)
  }
  for (const server of config.servers) {
    if (await accepts(server))
      fail(EXIT.general, `port ${server.port} of ${server.id} is in use; stop what listens there`)
  }

  const run = (file: string, ...rest: string[]) =>
    ['exec', process.execPath, packageFile(file), ...rest].map(shell).join(' ')
  const logs = run('dist/cli/start.js', '--logs', '--config', config.file)
  const { COLUMNS, LINES } = { COLUMNS: process.stdout.columns || 200, LINES: process.stdout.rows || 50 }
  must(tmux('new-session', '-d', '-s', SESSION, '-x', `${COLUMNS}`, '-y', `${LINES}`, logs))
  must(tmux('set-option', '-t', SESSION, 'mouse', 'on'))
  console.error(`Starting ${config.servers.map(({ id }) => id).join(', ')} …`)
  try {
    await listening(config.servers)
  } catch (error) {
    tmux('kill-session', '-t', SESSION)
    fail(EXIT.general, (error as Error).message)
  }
  // The log stands last: each client is put in front of it.
  const other = (user: string) => panes.find(pane => pane.user !== user)?.user
  for (const { user, port } of panes) {
    const whom = other(user)
    const to = whom === undefined ? [] : ['--to', whom]
    const command = run('dist/cli/main.js', '--user', user, '--port', `${port}`, ...to)
    must(tmux('split-window', '-b', '-t', `${SESSION}:0.{bottom-right}`, command))
    must(tmux('select-layout', '-t', SESSION, 'tiled'))
  }
  must(tmux('select-pane', '-t', `${SESSION}:0.0`))
  if (args.detach || !process.stdout.isTTY) {
    console.log(`The lab runs in tmux. Look at it:  ${attach}`)
    console.log(`End it:                            ${ending(args.socket)}`)
    return
  }
  const { TMUX: _, ...env } = process.env
  spawnSync('tmux', ['-L', args.socket, 'attach', '-t', SESSION], { stdio: 'inherit', env })
  if (tmux('has-session', '-t', SESSION).status === 0) {
    console.log(`The lab still runs. Look at it:  ${attach}`)
    console.log(`End it:                          ${ending(args.socket)}`)
  }
}

function load(file: string | undefined): Config {
  try {
    return readConfig(file)
  } catch (error) {
    return fail(EXIT.usage, error instanceof ConfigError ? error.message : String(error))
  }
}

/** `NAME:PORT`; a name may hold colons. */
function clientsOf(clients: readonly string[], { servers }: Config): { user: string; port: number }[] {
  const [first, second = first, third = second] = servers.map(server => server.port)
  const chosen = clients.length > 0 ? clients : [`Anna:${first}`, `Anna:${second}`, `Billy:${third}`]
  return chosen.map(client => {
    const [, raw, port] = /^(.*):(\d+)$/.exec(client) ?? []
    const name = parseUserName(raw ?? '')
    if (raw === undefined || !name.ok) fail(EXIT.usage, `${client}: give clients as NAME:PORT, such as Anna:${first}`)
    return { user: name.value, port: Number(port) }
  })
}

function ending(socket: string): string {
  return `tmux -L ${socket} kill-session -t ${SESSION}`
}

function must({ status, stderr }: { status: number | null; stderr: string }): void {
  if (status !== 0) fail(EXIT.general, `tmux: ${stderr.trim()}`)
}

/** Quotes a word for sh. */
function shell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
