/** Random schedules: a mesh, what happens to it, and what must hold when it is healed and quiet. */

import { between, pick } from '../random.ts'
import { ACTIONS, type Stage } from './faults.ts'
import { delays, untruths } from './ground-truth.ts'
import { type Line, SANE_SKEW_MS } from './ledger.ts'
import { Mesh, type SimServer } from './mesh.ts'

export interface Outcome {
  seed: number
  problems: readonly string[]
  /** What happened, if it was asked for. */
  lines: readonly Line[]
}

const USERS = ['Anna', 'Billy', 'Carla', '__proto__', 'Dörte', 'Emil']
const HOUR = 3_600_000
/** Quiet before the first look: longer than a grace period after the death of a link, ms. */
const QUIET_MS = 13_000
/** Between two looks, and until everything must be well, ms. Lost words between siblings are mended within a minute. */
const LOOK_MS = 4_000
const PATIENCE_MS = 180_000
/** One schedule of so many goes on for long after all was well, and must stay well. */
const LONG_LOOK = 16
/** One of so many is gentle: links break for a moment, and nobody may notice. */
const GENTLE = 12
/** One of so many is of a mesh that knows its users by keys. */
const KEYED = 8

/** Plays the schedule of a seed. */
export function play(seed: number, transcript = false): Outcome {
  const stage = setUp(seed, transcript)
  const { mesh } = stage
  const { ledger } = mesh
  try {
    if (seed % GENTLE === 0) actGently(stage)
    else act(stage)
    calm(stage)
    const end = mesh.now + PATIENCE_MS
    mesh.run(QUIET_MS)
    let wrong = untruths(mesh)
    while (wrong.length > 0 && mesh.now < end && ledger.problems.length === 0) {
      mesh.run(LOOK_MS)
      wrong = untruths(mesh)
    }
    if (wrong.length === 0 && seed % LONG_LOOK === 0) {
      mesh.run(100_000)
      wrong = untruths(mesh)
    }
    for (const problem of wrong) ledger.problem(problem)
  } catch (error) {
    ledger.problem(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  return { seed, problems: ledger.problems, lines: ledger.lines ?? [] }
}

/** Most schedules are small, so that many are played and a failure is short to read; some are as large as they get. */
function setUp(seed: number, transcript: boolean): Stage {
  const large = seed % 40 === 0
  const middle = seed % 5 === 0
  const servers = large ? 2 + ((seed / 40) % 7) : middle ? 2 + ((seed / 5) % 4) : 2 + (seed % 2)
  const mayStayDown = seed % 3 === 0
  const auth = seed % KEYED === 3 ? 'key' : 'open'
  const mesh = new Mesh(seed, servers, { transcript, events: false, wellKnown: mayStayDown, auth })
  const { random, network, ledger } = mesh
  const users = USERS.slice(0, large ? between(random, 2, 6) : between(random, 1, 3))
  // How wrong clocks are: not at all, a little, the clients' only, everyone's.
  const [server, client] = pick(random, [
    [0, 0],
    [SANE_SKEW_MS, SANE_SKEW_MS],
    [SANE_SKEW_MS, HOUR],
    [90_000, HOUR],
  ] as const)
  ledger.sane = server <= SANE_SKEW_MS
  for (const process of mesh.servers) process.skew = (random() * 2 - 1) * server
  ledger.slowest = Math.min(...mesh.servers.map(process => process.skew))
  const slow = pick(random, [20, 30, 300, 1_500])
  network.paths = () => (random() < 0.2 ? [slow * random(), slow] : [1, 25])
  network.lossy = random() < 0.3
  const stage = { mesh, users, mostClients: large ? 20 : middle ? 8 : 4, skew: { server, client }, mayStayDown }
  const first = large ? between(random, 4, 16) : seed % GENTLE === 0 ? 4 : between(random, 1, 3)
  for (let n = 0; n < first; n++) ACTIONS.join?.run(stage)
  return stage
}

/** Each schedule leaves some kinds of action out and likes others, which finds more than all at once (Groce 2012). */
function act(stage: Stage): void {
  const { mesh } = stage
  const { random, ledger } = mesh
  const weights = Object.entries(ACTIONS).map(([name, { weight }]) => {
    const liking = name === 'say' ? 1 : pick(random, [0, 0.5, 1, 3])
    return { name, weight: weight * liking }
  })
  const total = weights.reduce((sum, { weight }) => sum + weight, 0)
  const pace = pick(random, [30, 300, 1_500, 4_000])
  const steps = mesh.servers.length > 3 || random() < 0.2 ? between(random, 15, 40) : between(random, 4, 12)
  // Some schedules begin in a mesh that has found itself.
  if (random() < 0.7) mesh.run(2_000)
  for (let step = 0; step < steps && ledger.problems.length === 0; step++) {
    let chance = random() * total
    const chosen = weights.find(({ weight }) => {
      chance -= weight
      return chance < 0
    })
    const line = chosen && ACTIONS[chosen.name]?.run(stage)
    if (line) ledger.note('*', line)
    // A mixture of paces: some things fall into one moment, some far apart.
    mesh.run(random() < 0.15 ? random() * 6_000 : random() * pace)
  }
}

/** Everyone finds each other in peace; then links break for a moment, or a server stands still. Nobody may notice. */
function actGently(stage: Stage): void {
  const { mesh } = stage
  const { ledger, network, random } = mesh
  network.paths = () => [1, 25]
  network.reroute(() => true)
  network.lossy = false
  mesh.run(4_000)
  ledger.gentle = true
  for (let round = 0; round < 3; round++) {
    const other = pick(random, mesh.servers)
    const one = pick(
      random,
      mesh.servers.filter(server => server !== other),
    )
    network.break(one, other)
    ledger.note('*', `the link of ${one.id} to ${other.id} breaks`)
    const stalls = random() < 0.4
    if (stalls) stall(mesh, one, other)
    for (const action of ['say', 'saySeveral', 'say', 'sayToSelf', 'say']) {
      mesh.run(random() * 150)
      ACTIONS[action]?.run(stage)
    }
    // Before any message could go out again, if nothing but a link broke.
    mesh.run(stalls ? 13_000 : 4_500)
    for (const problem of delays(mesh)) ledger.problem(problem)
    mesh.run(8_000)
  }
  ledger.gentle = false
}

/**
 * A server stands still until the grace period of a peer, whose link is cut, has passed; but not as long as its own
 * peers and clients wait for it.
 */
function stall(mesh: Mesh, peer: SimServer, server: SimServer): void {
  mesh.network.cut(peer.id, server.id)
  mesh.run(1_400)
  mesh.freeze(server)
  mesh.ledger.note('*', `${server.id} stands still for a while`)
  mesh.timeline.after(3_000, () => mesh.heal())
  mesh.timeline.after(4_500 + mesh.random() * 300, () => mesh.thaw(server))
}

/** All is healed: what is down comes up, what is frozen continues, and the network is quick. */
function calm({ mesh, mayStayDown }: Stage): void {
  const { network, ledger, random } = mesh
  ledger.note('*', 'all is healed')
  mesh.heal()
  network.paths = () => [1, 25]
  network.reroute(() => true)
  network.lossy = false
  for (const process of [...mesh.servers, ...mesh.clients]) mesh.thaw(process)
  for (const client of mesh.clients) client.killAfter(Number.POSITIVE_INFINITY)
  const boot = () => {
    for (const server of mesh.servers) {
      const stays = mayStayDown && random() < 0.5 && mesh.servers.some(({ running }) => running)
      if (!server.running && !stays) server.boot()
    }
  }
  boot()
  // Some may drain still.
  mesh.run(5_000)
  boot()
  const up = mesh.servers.filter(({ running }) => running)
  mesh.join('Zoe', 'Zoe', pick(random, up))
}
