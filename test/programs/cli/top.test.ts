/** `mesh-chat top` in a real terminal, against real servers and a fake one. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { io } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { clusterStatusSchema } from '../../../src/protocol/status.ts'
import { clusterStatusOf } from '../../support/cluster-statuses.ts'
import { freePorts } from '../../support/programs/processes.ts'
import { RawClient } from '../../support/programs/raw-client.ts'
import { TestMesh, until } from '../../support/programs/test-mesh.ts'
import { Tmux, type Window } from '../../support/programs/tmux.ts'
import { StatusServer } from '../../support/status-server.ts'

const tmux = new Tmux()
const mesh = new TestMesh()
const servers: ReturnType<TestMesh['start']>[] = []
let windows = 0

beforeAll(async () => {
  await mesh.configure(3)
  for (const n of [1, 2, 3]) servers.push(mesh.start(n))
  for (const server of servers) {
    await until(() => expect(server.out.match(/Outbound connection to peer/g)).toHaveLength(2))
  }
})

afterAll(() => {
  tmux.kill()
  mesh.stop()
})

function open(args: string, { columns = 80, rows = 24, env = '' } = {}): Window {
  const program = `${process.execPath} ${join(process.cwd(), 'dist/cli/main.js')} top ${args}`
  const command = `env -u CI -u NO_COLOR XDG_CONFIG_HOME=${mesh.folder} ${env} ${program}`
  const name = `top-${++windows}`
  return tmux.open(name, `seq 1 60; ${command}; echo "exit code $?"; exec sleep 600`, columns, rows)
}

/** Runs `top` without a terminal until it exits. */
function run(...args: string[]) {
  return new Promise<{ status: number | null; stdout: string; stderr: string }>(resolve => {
    const env = { ...process.env, XDG_CONFIG_HOME: mesh.folder }
    const child = spawn(process.execPath, ['dist/cli/main.js', 'top', ...args], { env })
    const out = { stdout: '', stderr: '' }
    child.stdout.on('data', chunk => {
      out.stdout += chunk
    })
    child.stderr.on('data', chunk => {
      out.stderr += chunk
    })
    child.on('close', status => resolve({ status, ...out }))
  })
}

const port = (n: number) => mesh.ports[n - 1]

describe('top --json', () => {
  test('prints all servers as one line of JSON, without going online', async () => {
    const { status, stdout } = await run('--json', '--port', `${port(2)}`)
    expect(status).toBe(0)
    expect(stdout.trimEnd()).not.toContain('\n')
    const clusterStatus = clusterStatusSchema.parse(JSON.parse(stdout))
    expect(clusterStatus.server).toBe('server-2')
    expect(clusterStatus.servers.map(({ id, status }) => [id, status?.connections]).sort()).toEqual([
      ['server-1', 0],
      ['server-2', 0],
      ['server-3', 0],
    ])
  })

  test('exits with 69 and one line if no server answers, and with 2 and a hint if there is no terminal', async () => {
    const [free] = await freePorts(1)
    expect(await run('--json', '--port', `${free}`)).toMatchObject({
      status: 69,
      stdout: '',
      stderr: expect.stringMatching(
        /^mesh-chat: no server answers \(http:.*\); check the address, or start one with: mesh-chatd.*\n$/,
      ),
    })
    expect(await run('--port', `${port(1)}`)).toMatchObject({ status: 2, stderr: expect.stringContaining('--json') })
  })

  test('reports a server that rejects the request or gives an invalid answer, and escapes control characters', async () => {
    const [free = 0] = await freePorts(1)
    const refusal = { ok: false, code: 'unauthorized', message: 'not you\u001b[2J' }
    const server = await StatusServer.start(free, () => refusal)
    try {
      expect(await run('--json', '--server', server.url)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('rejected the request: not you\\u{1b}[2J'),
      })
      server.answer = () => ({ ok: true, server: 'server-1', servers: [{ id: '\u001b[2J' }] })
      expect(await run('--json', '--server', server.url)).toMatchObject({
        status: 69,
        stderr: expect.stringContaining('invalid answer'),
      })
      const status = () => ({ incarnation: '\u009b2J\u202e' })
      server.answer = () => clusterStatusOf(2, 1, { status })
      const { stdout } = await run('--json', '--server', server.url)
      expect(stdout).toContain('\\u009b2J\\u202e')
    } finally {
      await server.close()
    }
  })
})

describe('the screen', () => {
  let fake: StatusServer | undefined
  afterEach(async () => {
    await fake?.close()
    fake = undefined
  })

  test('shows traffic, a killed and restarted server, and switches servers when its own is killed', async () => {
    const window = open(`--port ${port(1)}`)
    await window.until(screen => expect(screen).toMatch(/● server-1 at [\s\S]*servers 3\/3 {2}links 6\/6 /))
    await window.until(screen => expect(screen.match(/● \d+(\.\d)?( |$)/gm)).toHaveLength(6))
    // Anna sends messages to herself.
    const anna = io(`http://127.0.0.1:${port(3)}`, { transports: ['websocket'], forceNew: true })
    anna.on('connect', () => anna.emit('identify', 'Anna'))
    const talk = setInterval(() => anna.emit('im', { from: 'Anna', to: 'Anna', text: 'hi', forwarded: false }), 50)
    await window.until(screen => expect(screen).toMatch(/● server-3 +1 +1 +\d\d +\d\d .*[▇█]/))
    await window.until(screen => expect(screen).toMatch(/online 1 {2}connections 1 /))
    await window.until(screen => expect(screen).toMatch(/messages\/s {2}max \d\d+, last \d+ s\n[\s\S]*█/))
    clearInterval(talk)
    anna.disconnect()

    servers[2]?.child.kill('SIGKILL')
    await window.until(screen => {
      expect(screen).toMatch(/✗ server-3 +no answer for \d+s; reachable from 0\/2/)
      expect(screen).toMatch(/servers 2\/3 {2}links 2\/6 /)
      expect(screen).toMatch(/server-3 +[○?] +[○?] +·/)
    })
    servers[2] = mesh.start(3)
    await window.until(screen => expect(screen).toMatch(/servers 3\/3 {2}links 6\/6 /))

    servers[0]?.child.kill('SIGKILL')
    await window.until(screen => {
      expect(screen).toMatch(/● server-[23] at http/)
      expect(screen).toMatch(/✗ server-1 +no answer/)
    })
    servers[0] = mesh.start(1)
    await window.until(screen => expect(screen).toMatch(/servers 3\/3 {2}links 6\/6 /))
    window.sendKeys('q')
    await window.until(screen => expect(screen).toContain('exit code 0'))
    expect([window.query('alternate_on'), window.query('cursor_flag')]).toEqual(['0', '1'])
    expect(window.screen()).toContain('\n60\n')
  })

  test('r shows the rooms and their members on each server', async () => {
    const window = open(`--port ${port(1)}`)
    await window.until(screen => expect(screen).toContain('servers 3/3'))
    const clients = [
      await RawClient.connect(`http://127.0.0.1:${port(1)}`, 'Anna'),
      await RawClient.connect(`http://127.0.0.1:${port(3)}`, 'Billy'),
      await RawClient.connect(`http://127.0.0.1:${port(3)}`, 'Carla'),
    ]
    for (const client of clients) await client.join('#ops')
    window.sendKeys('r')
    await window.until(screen => {
      expect(screen).toMatch(/room +members +server-1 +server-2 +server-3\n/)
      expect(screen).toMatch(/#ops +3 +1 +- +2\n/)
    })
    for (const client of clients) client.close()
    await window.until(screen => expect(screen).toContain('no rooms, except hidden ones'))
    window.sendKeys('r')
    await window.until(screen => expect(screen).toContain('link row → column'))
    window.sendKeys('q')
    await window.until(screen => expect(screen).toContain('exit code 0'))
  })

  test('redraws at every size, and leaves the scrollback of the terminal unchanged', async () => {
    const window = open(`--port ${port(2)}`)
    await window.until(screen => expect(screen).toContain('servers 3/3'))
    for (const [columns, rows] of [
      [120, 40],
      [40, 8],
      [60, 12],
      [80, 24],
    ] as const) {
      window.resize(columns, rows)
      await window.until(screen => {
        const lines = screen.trimEnd().split('\n')
        expect(lines).toHaveLength(rows)
        expect(lines.at(-1)).toContain('? help')
        expect(screen.includes('refused/s  ')).toBe(columns >= 120)
        expect(screen.includes('link row → column')).toBe(rows >= 24)
      })
    }
    window.sendKeys('?')
    await window.until(screen => expect(screen).toContain('Esc close  q quit'))
    window.sendKeys('Escape')
    await window.until(screen => expect(screen).toContain('? help'))
    window.sendKeys('s')
    await window.until(screen => expect(screen).toContain('sorted by users'))
    window.sendKeys('Space')
    await window.until(screen => expect(screen).toContain('paused'))
    window.sendKeys('q')
    await window.until(screen => expect(screen).toContain('exit code 0'))
    expect(window.screen('-S', '-')).toMatch(/^1\n2\n3\n[\s\S]*\n59\n60\n/)
  })

  test.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s restores the terminal and its exit code says so', async (signal, code) => {
    const window = open(`--port ${port(2)}`)
    await window.until(screen => expect(screen).toContain('servers 3/3'))
    const pid = window.query('pane_pid')
    for (const child of readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')) {
      process.kill(Number(child), signal)
    }
    await window.until(screen => expect(screen).toContain(`exit code ${code}`))
    expect([window.query('alternate_on'), window.query('cursor_flag')]).toEqual(['0', '1'])
  })

  test('exits with 69 and restores the terminal if no server answers; does not draw on a dumb terminal', async () => {
    const [free] = await freePorts(1)
    const offline = open(`--port ${free}`)
    await offline.until(screen => expect(screen).toContain('exit code 69'))
    expect(offline.screen()).toMatch(/no server answers \(http/)
    expect(offline.query('alternate_on')).toBe('0')
    const dumb = open(`--port ${port(2)}`, { env: 'TERM=dumb' })
    await dumb.until(screen => expect(screen).toContain('exit code 2'))
    expect(dumb.screen()).toContain('--json')
  })

  test('waits for retryAfter, and reconnects to a server that closes unidentified connections', async () => {
    const [one = 0, two = 0] = await freePorts(2)
    const other = await StatusServer.start(two, () => clusterStatusOf(2, 9))
    let seconds = 0
    const reading = () => {
      const { servers, ...rest } = clusterStatusOf(2, ++seconds)
      return { ...rest, servers: servers.map(server => ({ ...server, url: other.url })) }
    }
    const server = await StatusServer.start(one, reading)
    fake = server
    const window = open(`--server ${server.url}`)
    await window.until(screen => expect(screen).toContain('servers 2/2'))
    const refusal = { ok: false, code: 'rate-limited', message: 'too many requests', retryAfter: 1_000 }
    // One early request is not reported; repeated rejections are.
    server.answer = () => {
      server.answer = reading
      return refusal
    }
    const asked = server.requestCount
    const screens: string[] = []
    await until(() => {
      screens.push(window.screen())
      expect(server.requestCount).toBeGreaterThan(asked + 1)
    })
    for (const screen of screens) expect(screen).toContain('● server-1 at')
    server.answer = () => refusal
    await window.until(screen => expect(screen).toMatch(/data \d+s old +rejected: too many/))
    server.answer = reading
    await window.until(screen => expect(screen).toContain('● server-1 at'))
    const before = server.connectionCount
    server.disconnectAll()
    await until(() => expect(server.connectionCount).toBe(before + 1))
    await window.until(screen => expect(screen).toContain(`● server-1 at ${server.url}`))
    expect(other.connectionCount).toBe(0)
    window.sendKeys('C-c')
    await window.until(screen => expect(screen).toContain('exit code 0'))
    await other.close()
  })

  test('switches from a silent server to one that the mesh listed', async () => {
    const [one = 0, two = 0] = await freePorts(2)
    const other = await StatusServer.start(two, () => ({ ...clusterStatusOf(2, 9), server: 'server-2' }))
    fake = other
    const reading = clusterStatusOf(2, 9)
    const servers = reading.servers.map(server => ({
      ...server,
      url: server.id === 'server-2' ? other.url : undefined,
    }))
    const first = await StatusServer.start(one, () => ({ ...reading, servers }))
    try {
      const window = open(`--server ${first.url}`)
      await window.until(screen => expect(screen).toContain(`● server-1 at ${first.url}`))
      first.answer = () => undefined
      await window.until(screen => expect(screen).toContain(`● server-2 at ${other.url}`))
      window.sendKeys('q')
      await window.until(screen => expect(screen).toContain('exit code 0'))
    } finally {
      await first.close()
    }
  })
})
