/** Faults of real processes and sockets under load: no loss, no duplicates, no ghosts, one order. */
import { connect } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import { Program, stopAll, until, untilToldOnline } from '../../support/programs/processes.ts'
import { RealMesh } from '../../support/programs/real-mesh.ts'

/** By server. */
const USERS_AT = [
  ['Anna', 'Dora', 'Gina', 'Jan'],
  ['Billy', 'Emil', 'Hugo'],
  ['Carla', 'Finn', 'Ida'],
] as const
const USERS = USERS_AT.flat()
/** All users are in it. */
const ROOM = '#ops'
/** A client is online at another server within this time after it notices the loss, ms. */
const FAIL_OVER_MS = 3_000
/** How long a client needs to detect a silent server: Socket.IO's ping interval plus timeout, ms. */
const DETECTION_MS = 10_000
/** The users of a lost server leave the roster after the grace period, those of a silent one after its link timed out, ms. */
const GRACE_MS = 5_000
const LINK_DEAD_MS = 6_000
/** A server exits within this time after SIGTERM, ms. */
const DRAIN_MS = 5_000
/** Allowance for a busy machine, ms. */
const SLACK_MS = 6_000

const rounds = Number(process.env.MESH_CHAT_ROUNDS ?? 1)
const measured: { faultTest: string; messages: number; [what: string]: number | string }[] = []

/** A machine that stalls for longer than the grace period is a fault of its own: such a round is played once more. */
const RETRY = 1

/** Three servers, and a room of ten members; all send to it and to each other while `run` causes the fault. */
function fault(name: string, options: { proxied?: boolean }, run: (mesh: RealMesh) => Promise<Record<string, number>>) {
  for (let round = 1; round <= rounds; round++) {
    test.concurrent(`${name}${round > 1 ? `, round ${round}` : ''}`, { timeout: 240_000, retry: RETRY }, async () => {
      const mesh = await RealMesh.start(3, options)
      try {
        for (const [at, users] of USERS_AT.entries()) for (const user of users) mesh.join(user, at + 1)
        mesh.join('Anna', 2)
        await mesh.waitForRoster(USERS)
        await mesh.openRoom(ROOM)
        const stop = mesh.startChatting(['Anna', 'Billy', 'Carla', ROOM])
        const times = await run(mesh).finally(stop)
        await mesh.expectConverged(USERS)
        measured.push({ faultTest: name, messages: stop(), ...times })
      } finally {
        await mesh.close()
      }
    })
  }
}

afterAll(() => {
  stopAll()
  if (process.env.MESH_CHAT_ROUNDS !== undefined)
    console.table(measured.sort((a, b) => (a.faultTest < b.faultTest ? -1 : 1)))
})

/** Users that left a roster, except those whose own client moved: they are offline while they reconnect. */
function usersThatFlickered(mesh: RealMesh): string[] {
  const moved = new Set(mesh.clients.flatMap(client => (client.disconnectedAt > 0 ? [client.user] : [])))
  return mesh.clients.flatMap(client => client.departures.map(({ name }) => name)).filter(name => !moved.has(name))
}

/** How long the clients of a lost server took to be online elsewhere, ms: since the fault, and since they noticed it. */
async function failOver(mesh: RealMesh, lost: string): Promise<Record<string, number>> {
  const since = performance.now()
  const clients = mesh.clients.filter(client => client.server === lost)
  const before = new Map(clients.map(client => [client, client.onlineAt]))
  const elsewhere = () => clients.every(client => client.server !== undefined && client.onlineAt !== before.get(client))
  await until(`the clients of ${lost} are elsewhere`, elsewhere)
  const noticed = Math.max(...clients.map(client => client.onlineAt - client.disconnectedAt))
  expect(noticed).toBeLessThan(FAIL_OVER_MS + SLACK_MS)
  const moved = Math.max(...clients.map(client => client.onlineAt)) - since
  return { 'client moved': Math.round(moved), 'of it after noticing': Math.round(noticed) }
}

fault('kill -9 of a server', {}, async mesh => {
  const two = mesh.server(2)
  mesh.joinWithoutReconnect('Olga', 2)
  await mesh.waitForRoster([...USERS, 'Olga'])
  two.program.child.kill('SIGKILL')
  const [moved, gone] = await Promise.all([failOver(mesh, two.id), mesh.waitForRoster(USERS)])
  expect(gone).toBeLessThan(GRACE_MS + FAIL_OVER_MS + SLACK_MS)
  mesh.restart(two)
  const back = await until('it is back', () => mesh.outboundLinkCount(two) >= 2)
  return { ...moved, 'roster right': gone, 'links back': back }
})

fault('SIGSTOP of a server until it is lost', {}, async mesh => {
  const two = mesh.server(2)
  mesh.joinWithoutReconnect('Olga', 2)
  await mesh.waitForRoster([...USERS, 'Olga'])
  two.program.child.kill('SIGSTOP')
  const [moved, gone] = await Promise.all([failOver(mesh, two.id), mesh.waitForRoster(USERS)])
  expect(moved['client moved']).toBeLessThan(DETECTION_MS + FAIL_OVER_MS + SLACK_MS)
  expect(gone).toBeLessThan(DETECTION_MS + FAIL_OVER_MS + LINK_DEAD_MS + GRACE_MS + SLACK_MS)
  two.program.child.kill('SIGCONT')
  const before = mesh.outboundLinkCount(mesh.server(1))
  const back = await until('it is back', () => mesh.outboundLinkCount(mesh.server(1)) > before)
  return { ...moved, 'roster right': gone, 'links back': back }
})

fault('SIGSTOP of a server for 8 s', {}, async mesh => {
  const two = mesh.server(2)
  mesh.joinWithoutReconnect('Olga', 3)
  await mesh.waitForRoster([...USERS, 'Olga'])
  const since = performance.now()
  two.program.child.kill('SIGSTOP')
  await until('8 s have passed', () => performance.now() - since > 8_000)
  two.program.child.kill('SIGCONT')
  await until('it noticed', () => two.program.out.includes('This process was paused for'))
  // No user left the roster of the paused server or of its peers, then or in the next grace period.
  await until('the next grace period', () => performance.now() - since > 8_000 + GRACE_MS + 2_000)
  expect(usersThatFlickered(mesh)).toEqual([])
  await mesh.waitForRoster([...USERS, 'Olga'])
  mesh.disconnectSockets()
  return {}
})

fault('SIGTERM of a server', {}, async mesh => {
  const two = mesh.server(2)
  mesh.joinWithoutReconnect('Olga', 2)
  await mesh.waitForRoster([...USERS, 'Olga'])
  // An idle connection does not keep the server from exiting.
  const idle = connect(two.port, '127.0.0.1').on('error', () => {})
  await until('it is connected', () => idle.readyState === 'open')
  two.program.child.kill('SIGTERM')
  const [moved, gone, ended] = await Promise.all([
    failOver(mesh, two.id),
    mesh.waitForRoster(USERS),
    two.program.waitForExit(),
  ])
  expect(two.program.exitStatus).toEqual({ code: 0, signal: null })
  expect(ended).toBeLessThan(DRAIN_MS + SLACK_MS)
  mesh.restart(two)
  const back = await until('it is back', () => mesh.outboundLinkCount(two) >= 2)
  return { ...moved, 'roster right': gone, 'exit 0': ended, 'links back': back }
})

fault('a cut of 2 s between servers', { proxied: true }, async mesh => {
  const since = performance.now()
  for (const proxy of mesh.proxiesOf(2)) proxy.cut()
  await until('2 s have passed', () => performance.now() - since > 2_000)
  const before = mesh.servers.map(server => mesh.outboundLinkCount(server))
  for (const proxy of mesh.proxiesOf(2)) proxy.heal()
  const back = await until('the links are back', () =>
    mesh.servers.every((server, at) => mesh.outboundLinkCount(server) >= (before[at] ?? 0) + (at === 1 ? 2 : 1)),
  )
  await until('the next grace period', () => performance.now() - since > 2_000 + GRACE_MS)
  expect(usersThatFlickered(mesh)).toEqual([])
  return { 'links back': back }
})

for (const kind of ['cut', 'freeze'] as const) {
  const name = kind === 'cut' ? 'a partition (connections reset)' : 'a partition (half-open, nothing passes)'
  fault(name, { proxied: true }, async mesh => {
    const side = USERS_AT[2].join()
    const carla = mesh.clients.find(({ user }) => user === 'Carla')
    for (const proxy of mesh.proxiesOf(3)) proxy[kind]()
    const alone = await until("Carla's server sees its own users only", () => carla?.roster.join() === side)
    await until('they are the members of the room', () => carla?.rooms.get(ROOM)?.join() === side)
    expect(alone).toBeLessThan(LINK_DEAD_MS + GRACE_MS + SLACK_MS)
    const before = mesh.servers.map(server => mesh.outboundLinkCount(server))
    for (const proxy of mesh.proxiesOf(3)) proxy.heal()
    const [right, back] = await Promise.all([
      mesh.waitForRoster(USERS),
      until('the links are back', () =>
        mesh.servers.every((server, at) => mesh.outboundLinkCount(server) > (before[at] ?? 0)),
      ),
    ])
    return { 'loss seen': alone, 'roster right': right, 'links back': back }
  })
}

fault('slow links: 300 ms late, 40 KB/s', { proxied: true }, async mesh => {
  const proxies = [1, 2, 3].flatMap(n => mesh.proxiesOf(n))
  for (const proxy of proxies) {
    proxy.delayMs = 300
    proxy.bytesPerSecond = 40_000
  }
  const since = performance.now()
  await until('8 s have passed', () => performance.now() - since > 8_000)
  for (const proxy of proxies) proxy.heal()
  expect(usersThatFlickered(mesh)).toEqual([])
  return {}
})

fault('faults of all servers one after the other', { proxied: true }, async mesh => {
  const composed = () => mesh.clients.reduce((sum, client) => sum + client.composed.length, 0)
  const untilComposed = async (count: number) => {
    const before = composed()
    await until(`${count} more messages`, () => composed() - before >= count)
  }
  for (const n of [1, 2, 3]) {
    const server = mesh.server(n)
    for (const proxy of mesh.proxiesOf(n)) n === 2 ? proxy.freeze() : proxy.cut()
    await untilComposed(25)
    server.program.child.kill(n === 3 ? 'SIGTERM' : 'SIGKILL')
    for (const proxy of mesh.proxiesOf(n)) proxy.heal()
    await server.program.waitForExit()
    mesh.restart(server)
    await untilComposed(50)
  }
  return { 'roster right': await mesh.waitForRoster(USERS, 60_000) }
})

test.concurrent('two line-mode clients get every line once although servers are killed', {
  timeout: 240_000,
  retry: RETRY,
}, async () => {
  const mesh = await RealMesh.start(3)
  try {
    const servers = mesh.servers.flatMap(server => ['--server', server.url])
    const run = (user: string, to: string, first: number) => {
      const own = ['--server', mesh.server(first).url, ...servers]
      return new Program('cli', ['--user', user, '--to', to, ...own], { XDG_STATE_HOME: mesh.folder })
    }
    const dora = run('Dora', 'Emil', 2)
    const emil = run('Emil', 'Dora', 3)
    await untilToldOnline([dora, 'Emil'], [emil, 'Dora'])
    for (let n = 100; n < 200; n++) {
      dora.child.stdin?.write(`line ${n}\n`)
      if (n === 130) mesh.server(2).program.child.kill('SIGKILL')
      if (n === 160) mesh.server(3).program.child.kill('SIGTERM')
      await until('the line is sent', () => dora.out.includes(`to Emil: line ${n}`))
    }
    await until('the last line has arrived', () => emil.out.includes('Dora: line 199'), 60_000)
    const lines = () => [...emil.out.matchAll(/Dora: line (\d+)/g)].map(match => Number(match[1]))
    await until('all lines have arrived', () => lines().length >= 100, 60_000)
    expect(lines().sort()).toEqual(Array.from({ length: 100 }, (_, n) => n + 100))
    for (const { child } of [dora, emil]) child.kill('SIGKILL')
  } finally {
    await mesh.close()
  }
})
