/** Original clients and mesh-chat on servers as real processes. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { io as io4 } from 'socket.io-client'
import io1 from 'socket.io-client-1'
import io2 from 'socket.io-client-2'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { freePorts, removeFolder } from '../../support/programs/processes.ts'

interface OriginalSocket {
  on(event: string, listener: (payload: never) => void): unknown
  emit(event: string, payload: unknown): unknown
  close(): unknown
}

const folder = mkdtempSync(join(tmpdir(), 'mesh-chat-'))
const config = join(folder, 'config.json')
const processes: ChildProcess[] = []
const sockets: OriginalSocket[] = []
let ports: number[] = []

function start(program: 'daemon' | 'cli', ...args: string[]) {
  const home = join(folder, args.join('_').replaceAll('/', '_'))
  const env = { ...process.env, XDG_STATE_HOME: home, XDG_CONFIG_HOME: home }
  const child = spawn(process.execPath, [`dist/${program}/main.js`, ...args], { env })
  processes.push(child)
  const output = { child, out: '' }
  const take = (chunk: Buffer) => {
    output.out += chunk
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  return output
}

const server = (n: number) => start('daemon', '--id', `server-${n}`, '--config', config, '--log-format', 'text')
const until = (check: () => void) => vi.waitFor(check, { timeout: 60_000, interval: 50 })

function original(open: unknown, n: number, user: string) {
  const connectTo = open as (url: string, options: object) => OriginalSocket
  const socket = connectTo(`http://127.0.0.1:${ports[n - 1]}`, { forceNew: true })
  const client = { socket, list: [] as string[], ims: [] as { from: string; text: string }[] }
  socket.on('connect', () => socket.emit('identify', user))
  socket.on('update_client', ({ list }: { list: string[] }) => {
    client.list = list
  })
  socket.on('im', (im: { from: string; text: string }) => client.ims.push(im))
  sockets.push(socket)
  return client
}

beforeAll(async () => {
  ports = await freePorts(3)
  const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  writeFileSync(config, JSON.stringify({ servers }))
})

afterAll(() => {
  for (const socket of sockets) socket.close()
  for (const child of processes) child.kill('SIGKILL')
  removeFolder(folder)
})

test('original clients of Socket.IO 1, 2 and 4 and mesh-chat exchange messages over three servers', async () => {
  const [one, two] = [server(1), server(2)]
  await until(() => expect(two.out).toContain('Outbound connection to peer: server-1'))
  const three = server(3)
  await until(() => expect(one.out).toContain('Outbound connection to peer: server-3'))
  await until(() => expect(three.out).toContain('Outbound connection to peer: server-2'))

  const old = original(io1, 1, 'Anna')
  const newer = original(io2, 2, 'Billy')
  const newest = original(io4, 3, 'Carla')
  const dora = start('cli', '--user', 'Dora', '--port', `${ports[1]}`, '--to', 'Anna')
  const everyone = ['Anna', 'Billy', 'Carla', 'Dora']
  for (const client of [old, newer, newest]) await until(() => expect(client.list).toEqual(everyone))

  newer.socket.emit('im', { from: 'Carla', to: 'Anna', text: 'Hi Anna', forwarded: true })
  await until(() => expect(old.ims).toMatchObject([{ from: 'Billy', text: 'Hi Anna' }]))
  await until(() => expect(newer.ims).toHaveLength(1))
  expect(newest.ims).toEqual([])
  await until(() => expect(one.out).toContain('Received forwarded IM from Billy to Anna: (7 characters)'))

  dora.child.stdin.write('hello from the terminal\n')
  await until(() => expect(old.ims[1]).toMatchObject({ from: 'Dora', text: 'hello from the terminal' }))
  dora.child.stdin.write('/edit hello again\n')
  await until(() => expect(old.ims[2]).toMatchObject({ from: 'Dora', text: '(edited) hello again' }))
  old.socket.emit('im', { to: 'Dora', text: 'and \u001b[2Jback' })
  await until(() => expect(dora.out).toContain('Anna: and \\u{1b}[2Jback'))

  for (const payload of [null, 5, {}, { to: {}, text: [] }, '__proto__']) newest.socket.emit('im', payload)
  newest.socket.emit('identify', { user: 7 })
  newest.socket.emit('im', { to: 'constructor', text: 'x' })
  await until(() => expect(newest.ims).toHaveLength(1))

  // The server of Dora drains: her client moves to another server.
  two.child.kill('SIGTERM')
  await until(() => expect(two.child.exitCode).toBe(0))
  await until(() => expect(dora.out.match(/online at/g)?.length).toBeGreaterThanOrEqual(2))
  await until(() => expect(newest.list).toEqual(['Anna', 'Carla', 'Dora']))
  old.socket.emit('im', { to: 'Dora', text: 'still there?' })
  await until(() => expect(dora.out).toContain('Anna: still there?'))
})

test('an invalid command line is reported in one line', () => {
  const run = (program: string, ...args: string[]) => {
    const { status, stderr } = spawnSync(process.execPath, [`dist/${program}/main.js`, ...args], { encoding: 'utf8' })
    return { status, lines: stderr.trim().split('\n') }
  }
  const unknown = run('daemon', '--id', 'server-9', '--config', config)
  expect(unknown).toMatchObject({ status: 2, lines: [expect.stringContaining('server-1, server-2, server-3')] })
  const missing = run('daemon', '--id', 'server-1', '--config', '/nowhere.json')
  expect(missing).toMatchObject({ status: 2, lines: [expect.stringContaining('/nowhere.json')] })
  expect(run('cli', '--user', ' ')).toMatchObject({ status: 2, lines: [expect.stringContaining('cannot be empty')] })
  const dead = run('cli', '--user', 'Anna', '--server', 'http://127.0.0.1:1')
  expect(dead).toMatchObject({ status: 69 })
  expect(dead.lines.at(-1)).toContain('no server answers')
})
