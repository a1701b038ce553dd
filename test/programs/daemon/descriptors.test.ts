/** A server with few file descriptors: an error at the start if they do not suffice, and links stay when they run short. */
import { spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealClient } from '../../support/programs/real-client.ts'

const sockets: Socket[] = []
const clients: RealClient[] = []
const children: ReturnType<typeof spawn>[] = []
afterAll(() => {
  for (const client of clients) client.close()
  for (const socket of sockets) socket.destroy()
  for (const child of children) child.kill('SIGKILL')
  stopAll()
})

const limited = (limit: number, args: readonly string[]) => [
  '-c',
  `ulimit -n ${limit}; exec "$0" dist/daemon/main.js "$@"`,
  process.execPath,
  ...args,
]

async function configure() {
  const ports = await freePorts(2)
  const file = join(temporaryFolder(), 'config.json')
  const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  writeFileSync(file, JSON.stringify({ servers }))
  const args = (n: number) => ['--id', `server-${n}`, '--config', file, '--log-format', 'text', '--log-level', 'info']
  return { ports, args }
}

test('with too few descriptors a server does not start, and says how many it needs', async () => {
  const { args } = await configure()
  const { status, stdout, stderr } = spawnSync('sh', limited(130, args(1)), { encoding: 'utf8' })
  expect({ status, stdout, stderr }).toEqual({
    status: 1,
    stdout: '',
    stderr:
      'mesh-chatd: the limit of open files is 130, but a server needs at least 256; raise it with ulimit -n, or LimitNOFILE in systemd\n',
  })
})

test('E17: a server without free descriptors refuses new clients, and keeps clients and links', async () => {
  const { ports, args } = await configure()
  const child = spawn('sh', limited(260, args(1)))
  children.push(child)
  const state = { out: '', code: undefined as number | null | undefined }
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', chunk => {
      state.out += chunk
    })
  }
  child.on('exit', code => {
    state.code = code
  })
  const two = new Program('daemon', args(2))
  await until('they are linked', () => two.out.includes('Inbound connection') && state.out.includes('Inbound'), 60_000)
  const join_ = (user: string, n: number) => {
    const client = new RealClient(user, [`http://127.0.0.1:${ports[n - 1]}`])
    clients.push(client)
    return client
  }
  const [anna, billy] = [join_('Anna', 1), join_('Billy', 2)]
  await until('both are online', () => [anna, billy].every(({ roster }) => roster.length === 2), 60_000)

  // Each connection takes a descriptor; the server closes those beyond the limit at once.
  let closed = 0
  const flood = () => {
    const socket = connect({ port: ports[0] ?? 0, host: '127.0.0.1' })
    sockets.push(socket)
    socket.on('error', () => {}).on('close', () => closed++)
  }
  for (let n = 0; n < 400; n++) flood()
  await until('connections are refused', () => closed > 100)
  for (let n = 0; n < 20; n++) {
    anna.send('Billy', `to Billy ${n}`)
    billy.send('Anna', `to Anna ${n}`)
  }
  await until(
    'all messages are confirmed',
    () => anna.shown.length === 40 && anna.held.length + billy.held.length === 0,
  )
  expect(state.code).toBeUndefined()
  expect(state.out).not.toMatch(/disconnected|ended:/)
  for (const socket of sockets.splice(0)) socket.destroy()
  const carla = join_('Carla', 1)
  await until('new clients are accepted again', () => carla.roster.length === 3, 60_000)
  child.kill('SIGTERM')
  await until('it has drained', () => state.code !== undefined)
  expect(state.code).toBe(0)
})
