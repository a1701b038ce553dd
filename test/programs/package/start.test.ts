/** `npm start`: the servers of a config as child processes, and ports that are already in use. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { freePorts, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { Tmux } from '../../support/programs/tmux.ts'

const cleanups: (() => unknown)[] = []

afterEach(() => {
  for (const clean of cleanups.splice(0)) clean()
  stopAll()
})

async function configure(count: number, more: object = {}) {
  const ports = await freePorts(count)
  const folder = temporaryFolder()
  const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  const write = (name: string, list: object[]) => {
    const file = join(folder, name)
    writeFileSync(file, JSON.stringify({ servers: list, ...more }))
    return file
  }
  return { ports, servers, write, file: write('config.json', servers) }
}

/** Processes by parent. */
function childrenOf(parent: number): number[] {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
  return rows.flatMap(row => {
    const [pid = 0, ppid = 0] = row.trim().split(/\s+/).map(Number)
    return ppid === parent ? [pid, ...childrenOf(pid)] : []
  })
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    // It has ended meanwhile.
    return ''
  }
}

/** The process ids of the servers that a launcher, or the shell that runs it, has started, in the order of the config. */
function serversOf(launcher = 0): number[] {
  const servers = childrenOf(launcher).map(pid => ({
    pid,
    id: /daemon\/main\.js --id (\S+)/.exec(commandLineOf(pid))?.[1],
  }))
  return servers
    .flatMap(({ pid, id }) => (id === undefined ? [] : [{ pid, id }]))
    .sort((a, b) => a.id.localeCompare(b.id))
    .map(({ pid }) => pid)
}

class Launcher {
  readonly child: ChildProcess
  out = ''
  code: number | null | undefined

  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.out += chunk
      })
    }
    this.child.on('close', code => {
      this.code = code
    })
    cleanups.push(() => this.child.kill('SIGKILL'))
  }

  static node(file: string, ...args: string[]): Launcher {
    return new Launcher(process.execPath, ['dist/cli/start.js', '--config', file, ...args])
  }

  /** Waits until `count` servers listen. */
  async listening(count: number): Promise<this> {
    await until('all servers listen', () => this.out.split('Listening for connections').length - 1 === count)
    for (const pid of childrenOf(this.child.pid ?? 0)) {
      cleanups.push(() => {
        try {
          process.kill(pid, 'SIGKILL')
        } catch {
          // It has exited.
        }
      })
    }
    return this
  }

  async exit(): Promise<{ code: number | null | undefined; out: string }> {
    await until('the launcher exits', () => this.code !== undefined)
    return { code: this.code, out: this.out }
  }
}

const accepts = (port: number) =>
  new Promise<boolean>(resolve => {
    const socket: Socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(socket.destroy() !== undefined))
    socket.once('error', () => resolve(false))
  })

async function untilNoServerListens(ports: readonly number[]): Promise<void> {
  const check = async () => expect(await Promise.all(ports.map(accepts))).toEqual(ports.map(() => false))
  await vi.waitFor(check, { timeout: 60_000, interval: 50 })
}

test('SIGKILL of the launcher ends all servers', async () => {
  const { ports, file } = await configure(3)
  const launcher = await Launcher.node(file).listening(3)
  // Idle servers: one that writes to the closed log pipe of the launcher would fail anyway.
  await until('all links are up', () => launcher.out.split(/(?:Out|In)bound connection/).length - 1 >= 12)
  launcher.child.kill('SIGKILL')
  await untilNoServerListens(ports)
})

test.each(['SIGTERM', 'SIGINT'] as const)('%s to npm ends all servers', async signal => {
  const { ports, file } = await configure(2)
  const launcher = await new Launcher('npm', ['start', '--silent', '--', '--config', file]).listening(2)
  launcher.child.kill(signal)
  await untilNoServerListens(ports)
  await launcher.exit()
})

test('SIGKILL of npm ends all servers', async () => {
  const { ports, file } = await configure(2)
  const npm = await new Launcher('npm', ['start', '--silent', '--', '--config', file]).listening(2)
  npm.child.kill('SIGKILL')
  await untilNoServerListens(ports)
})

test('a server that is killed is named, and the others keep running until the last one', async () => {
  const { file } = await configure(2)
  const launcher = await Launcher.node(file).listening(2)
  const [first = 0, second = 0] = serversOf(launcher.child.pid)
  process.kill(first, 'SIGKILL')
  const line = 'mesh-chat: server-1 was killed (SIGKILL); 1 of 2 servers still running\n'
  await until('the end is printed', () => launcher.out.includes(line))
  // It notices that its peer is gone.
  await until('the other server still runs', () => /server-2: .*(lost|closed|unreachable|refused)/i.test(launcher.out))
  process.kill(second, 'SIGKILL')
  const { code, out } = await launcher.exit()
  expect(code).toBe(1)
  expect(out).toMatch(
    /mesh-chat: all servers have ended: server-1 was killed \(SIGKILL\); server-2 was killed \(SIGKILL\)\n$/,
  )
})

describe('on a terminal', () => {
  const tmux = new Tmux()
  afterEach(() => tmux.kill())

  test('the chat survives a killed server, and gives the reason when all are gone', async () => {
    const { file } = await configure(2)
    const home = temporaryFolder()
    const environment = `env -u CI XDG_STATE_HOME=${home} XDG_CONFIG_HOME=${home}`
    const command = `${environment} ${process.execPath} dist/cli/start.js --config ${file}; echo "exit code $?"; exec sleep 600`
    const window = tmux.open('start', command)
    await window.until(screen => expect(screen).toMatch(/Echo +Hi! I am Echo, a bot/))
    // The first server is the one of the chat.
    const [first = 0, second = 0] = serversOf(Number(window.query('pane_pid')))
    process.kill(first, 'SIGKILL')
    await window.until(screen =>
      expect(screen).toContain('server-1 was killed (SIGKILL); 1 of 2 servers still running'),
    )
    window.sendKeys('hello', 'Enter')
    await window.until(screen => expect(screen).toContain('You said: hello'))
    process.kill(second, 'SIGKILL')
    await window.until(screen => expect(screen).toContain('exit code 1'))
    expect(window.query('alternate_on')).toBe('0')
    expect(window.screen().replaceAll('\n', '')).toContain(
      'mesh-chat: all servers have ended: server-1 was killed (SIGKILL); server-2 was killed (SIGKILL)',
    )
  })

  test('a server that cannot start ends the start, with its error', async () => {
    const { file } = await configure(2, { secretFile: 'missing' })
    const window = tmux.open('start', `${process.execPath} dist/cli/start.js --config ${file}; exec sleep 600`)
    await window.until(screen =>
      expect(screen.replaceAll('\n', '')).toMatch(/mesh-chat: server-[12] exited with code 2: .*secretFile.*missing/),
    )
  })

  test('a chat opens with a bot that introduces itself; leaving stops the servers', async () => {
    const { ports, file } = await configure(2)
    const home = temporaryFolder()
    const settings = join(home, 'mesh-chat/config.json')
    mkdirSync(join(home, 'mesh-chat'))
    writeFileSync(settings, JSON.stringify({ user: 'Billy', server: 'http://127.0.0.1:1' }))
    const environment = `env -u CI XDG_STATE_HOME=${home} XDG_CONFIG_HOME=${home}`
    const command = `${environment} ${process.execPath} dist/cli/start.js --config ${file}; exec sleep 600`
    const window = tmux.open('start', command)
    await window.until(screen => expect(screen).toMatch(/Echo +Hi! I am Echo, a bot/))
    expect(window.screen()).not.toContain('Billy')
    window.sendKeys('hello', 'Enter')
    await window.until(screen => expect(screen).toContain('You said: hello'))
    window.sendKeys('/quit', 'Enter')
    await window.until(screen => expect(screen).toContain('Servers stopped.'))
    await untilNoServerListens(ports)
    // The files of daily use stay as they are; those of the trial are found again.
    const before = { user: 'Billy', server: 'http://127.0.0.1:1' }
    expect(JSON.parse(readFileSync(settings, 'utf8'))).toEqual(before)
    expect(readdirSync(home).sort()).toEqual(['mesh-chat', 'mesh-chat-trial'])
    expect(readdirSync(join(home, 'mesh-chat'))).toEqual(['config.json'])
    const again = tmux.open('again', command)
    await again.until(screen => expect(screen).toMatch(/You said: hello[\s\S]*Hi! I am Echo/))
    again.sendKeys('/quit', 'Enter')
    await again.until(screen => expect(screen).toContain('Servers stopped.'))
  })
})

test('a second start reports the running servers, and how to join them', async () => {
  const { ports, servers, file, write } = await configure(2)
  await Launcher.node(file).listening(2)
  expect(await Launcher.node(file).exit()).toEqual({
    code: 1,
    out: `mesh-chat: These servers are already running here. Join with: mesh-chat --user NAME --port ${ports[0]}; or stop them first\n`,
  })
  const [free = 0] = await freePorts(1)
  const half = write('half.json', [{ id: 'server-0', ip: '127.0.0.1', port: free }, ...servers.slice(1)])
  expect(await Launcher.node(half).exit()).toEqual({
    code: 1,
    out: `mesh-chat: Some of these servers are already running here (server-2); stop them first. Join with: mesh-chat --user NAME --port ${ports[1]}\n`,
  })
})

test('a second start recognizes servers that require authentication', async () => {
  const { ports, file } = await configure(1, { auth: 'key' })
  await Launcher.node(file).listening(1)
  const { out } = await Launcher.node(file).exit()
  expect(out).toContain(`These servers are already running here. Join with: mesh-chat --user NAME --port ${ports[0]}`)
})

test.each(['a web server', 'a silent program', 'a server with another id'])(
  'a port that %s uses is reported',
  async program => {
    const { ports, file, write } = await configure(1)
    const [port = 0] = ports
    if (program === 'a server with another id') {
      await Launcher.node(write('other.json', [{ id: 'other', ip: '127.0.0.1', port }])).listening(1)
    } else {
      const server: Server = createServer(socket => {
        cleanups.push(() => socket.destroy())
        socket.on('error', () => {})
        if (program === 'a web server') socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
      })
      await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
      cleanups.push(() => server.close())
    }
    expect(await Launcher.node(file).exit()).toEqual({
      code: 1,
      out: `mesh-chat: port ${port} is already in use by another program; stop it, or change the port of server-1 in ${file}\n`,
    })
  },
)
