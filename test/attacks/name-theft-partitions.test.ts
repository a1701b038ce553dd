/** `auth: key` with real processes: thieves of a name while links are cut or slow, and clocks wrong. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from 'vitest'
import { Thief } from '../support/attacks/thief.ts'
import { JsonClient } from '../support/programs/json-client.ts'
import { stopAll, temporaryFolder, until } from '../support/programs/processes.ts'
import { RealMesh } from '../support/programs/real-mesh.ts'

let mesh: RealMesh | undefined
let thief: Thief | undefined
const clients: JsonClient[] = []
afterEach(async () => {
  thief?.stop()
  for (const { child } of clients.splice(0)) child.kill('SIGKILL')
  await mesh?.close()
})
afterAll(stopAll)

async function startMesh(): Promise<RealMesh> {
  const secretFile = join(temporaryFolder(), 'secret')
  writeFileSync(secretFile, 'k3Jx0vQe7TqP2mZsW9cYb4RnL6uH8dFa', { mode: 0o600 })
  mesh = await RealMesh.start(2, { proxied: true, config: { auth: 'key', secretFile } })
  return mesh
}

/** A client that knows one server. Returns when it is online. */
async function join1(user: string, { url }: { url: string }, home = temporaryFolder()): Promise<JsonClient> {
  const client = new JsonClient(user, url, home)
  clients.push(client)
  await until(`${user} is online`, () => client.isOnline)
  return client
}

const isRefused = (client: JsonClient) => client.events('connection').some(({ state }) => state === 'refused')

/** Stops a server at once, and starts it again. Returns when it listens. */
async function restart(mesh: RealMesh, n: number, clock = 0): Promise<void> {
  const server = mesh.server(n)
  server.program.child.kill('SIGKILL')
  await server.program.waitForExit()
  const source = `const now = Date.now; Date.now = () => now() + ${clock}`
  const env = { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(source)}` }
  mesh.restart(server, undefined, clock === 0 ? {} : env)
  await until('the server listens', () => server.program.out.includes('Listening for'))
}

test.each([
  ['are right', 0],
  ['differ, the one of the thief is ahead', 3_600_000],
])('a thief in another part of the mesh loses the name when the parts meet; clocks %s', async (_, clock) => {
  const mesh = await startMesh()
  const billy = await join1('Billy', mesh.server(1))
  const anna = await join1('Anna', mesh.server(1))
  anna.send('Billy', 'before')
  await until('Anna has the key of Billy', () => billy.received.some(({ text }) => text === 'before'))
  for (const proxy of mesh.proxiesOf(1)) proxy.cut()
  // The second server knows nothing any more.
  await restart(mesh, 2, clock)
  thief = new Thief('Billy', [mesh.server(2).port])
  await until('the thief has the name', () => thief?.codes.has('ok') === true)
  anna.send('Billy', 'meanwhile')
  await until('it arrives', () => billy.received.some(({ text }) => text === 'meanwhile'))
  for (const proxy of mesh.proxiesOf(1)) proxy.heal()
  await until('the thief has lost the name', () => thief?.codes.has('name-taken') === true, 60_000)
  anna.send('Billy', 'after')
  await until('it arrives', () => billy.received.some(({ text }) => text === 'after'))
  expect(isRefused(billy)).toBe(false)
  expect(billy.events('connection').filter(({ state }) => state === 'waiting')).toEqual([])
})

test('over slow links a thief gets a name for a short time at most, and its user stays online', async () => {
  const mesh = await startMesh()
  const billy = await join1('Billy', mesh.server(1))
  // Slower than a server waits for claims.
  for (const proxy of mesh.proxiesOf(1)) proxy.delayMs = 400
  await restart(mesh, 2)
  thief = new Thief('Billy', [mesh.server(2).port])
  await until('the thief is refused', () => thief?.codes.has('name-taken') === true, 60_000)
  const anna = await join1('Anna', mesh.server(2))
  anna.send('Billy', 'over the slow link')
  await until('it arrives', () => billy.received.some(({ text }) => text === 'over the slow link'), 60_000)
  expect(billy.events('connection').filter(({ state }) => state === 'waiting')).toEqual([])
})

test('P15: a server that shuts down while its link opens slowly gives the names to its peer', async () => {
  const mesh = await startMesh()
  const home = temporaryFolder()
  const billy = await join1('Billy', mesh.server(1), home)
  await billy.kill()
  const [one, two] = [mesh.server(1), mesh.server(2)]
  await until('the peer has seen Billy leave', () => one.program.out.includes('Billy'))
  for (const proxy of mesh.proxiesOf(1)) proxy.delayMs = 300
  await restart(mesh, 2)
  one.program.child.kill('SIGTERM')
  await one.program.waitForExit()
  thief = new Thief('Billy', [two.port])
  await until('the thief is refused', () => (thief?.codes.size ?? 0) > 0, 60_000)
  expect([...(thief?.codes ?? [])]).toEqual(['name-taken'])
  await restart(mesh, 1)
  await join1('Billy', one, home)
})
