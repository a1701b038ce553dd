/** Random schedules: a mesh, what happens to it, and what must hold when it is healed and quiet. */

import { between, pick } from '../random.ts'
import { ACTIONS, type Scenario } from './faults.ts'
import { findLateDeliveries, findViolations } from './invariants.ts'
import { MAX_SANE_SKEW_MS, type TranscriptLine } from './recorder.ts'
import { SimMesh, type SimServer } from './sim-mesh.ts'

export interface ScheduleResult {
  seed: number
  problems: readonly string[]
  /** What happened, if it was asked for. */
  lines: readonly TranscriptLine[]
}

const USERS = ['Anna', 'Billy', 'Carla', '__proto__', 'Dörte', 'Emil']
const HOUR_MS = 3_600_000
/** Quiet before the first look: longer than a grace period after the death of a link, ms. */
const QUIET_MS = 13_000
/** Between two looks, and until everything must be well, ms. Lost words between siblings are mended within a minute. */
const CHECK_INTERVAL_MS = 4_000
const SETTLE_TIMEOUT_MS = 180_000
/** One schedule of so many goes on for long after all was well, and must stay well. */
const LONG_RUN_EVERY = 16
/** One of so many is gentle: links break for a moment, and nobody may notice. */
const GENTLE_EVERY = 12
/** One of so many is of a mesh that knows its users by keys. */
const KEY_MODE_EVERY = 8

/** Plays the schedule of a seed. */
export function runSchedule(seed: number, transcript = false): ScheduleResult {
  const stage = setUp(seed, transcript)
  const { mesh } = stage
  const { recorder } = mesh
  try {
    if (seed % GENTLE_EVERY === 0) runGentleActions(stage)
    else runActions(stage)
    healAll(stage)
    const end = mesh.now + SETTLE_TIMEOUT_MS
    mesh.advance(QUIET_MS)
    let violations = findViolations(mesh)
    while (violations.length > 0 && mesh.now < end && recorder.problems.length === 0) {
      mesh.advance(CHECK_INTERVAL_MS)
      violations = findViolations(mesh)
    }
    if (violations.length === 0 && seed % LONG_RUN_EVERY === 0) {
      mesh.advance(100_000)
      violations = findViolations(mesh)
    }
    for (const problem of violations) recorder.addProblem(problem)
  } catch (error) {
    recorder.addProblem(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  return { seed, problems: recorder.problems, lines: recorder.lines ?? [] }
}

/** Most schedules are small, so that many are played and a failure is short to read; some are as large as they get. */
function setUp(seed: number, transcript: boolean): Scenario {
  const large = seed % 40 === 0
  const middle = seed % 5 === 0
  const servers = large ? 2 + ((seed / 40) % 7) : middle ? 2 + ((seed / 5) % 4) : 2 + (seed % 2)
  const mayStayDown = seed % 3 === 0
  const auth = seed % KEY_MODE_EVERY === 3 ? 'key' : 'open'
  const mesh = new SimMesh(seed, servers, { transcript, events: false, clientsKnowAllServers: mayStayDown, auth })
  const { random, network, recorder } = mesh
  const users = USERS.slice(0, large ? between(random, 2, 6) : between(random, 1, 3))
  // How wrong clocks are: not at all, a little, the clients' only, everyone's.
  const [server, client] = pick(random, [
    [0, 0],
    [MAX_SANE_SKEW_MS, MAX_SANE_SKEW_MS],
    [MAX_SANE_SKEW_MS, HOUR_MS],
    [90_000, HOUR_MS],
  ] as const)
  recorder.areClocksSane = server <= MAX_SANE_SKEW_MS
  for (const process of mesh.servers) process.skew = (random() * 2 - 1) * server
  recorder.minServerSkew = Math.min(...mesh.servers.map(process => process.skew))
  const slow = pick(random, [20, 30, 300, 1_500])
  network.nextLatency = () => (random() < 0.2 ? [slow * random(), slow] : [1, 25])
  network.isLossy = random() < 0.3
  const stage = { mesh, users, maxClients: large ? 20 : middle ? 8 : 4, maxSkew: { server, client }, mayStayDown }
  const first = large ? between(random, 4, 16) : seed % GENTLE_EVERY === 0 ? 4 : between(random, 1, 3)
  for (let n = 0; n < first; n++) ACTIONS.join?.run(stage)
  return stage
}

/** Each schedule leaves some kinds of action out and likes others, which finds more than all at once (Groce 2012). */
function runActions(stage: Scenario): void {
  const { mesh } = stage
  const { random, recorder } = mesh
  const weights = Object.entries(ACTIONS).map(([name, { weight }]) => {
    const preference = name === 'say' ? 1 : pick(random, [0, 0.5, 1, 3])
    return { name, weight: weight * preference }
  })
  const total = weights.reduce((sum, { weight }) => sum + weight, 0)
  const pace = pick(random, [30, 300, 1_500, 4_000])
  const steps = mesh.servers.length > 3 || random() < 0.2 ? between(random, 15, 40) : between(random, 4, 12)
  // Some schedules begin in a mesh that has found itself.
  if (random() < 0.7) mesh.advance(2_000)
  for (let step = 0; step < steps && recorder.problems.length === 0; step++) {
    let chance = random() * total
    const chosen = weights.find(({ weight }) => {
      chance -= weight
      return chance < 0
    })
    const line = chosen && ACTIONS[chosen.name]?.run(stage)
    if (line) recorder.log('*', line)
    // A mixture of paces: some things fall into one moment, some far apart.
    mesh.advance(random() < 0.15 ? random() * 6_000 : random() * pace)
  }
}

/** Everyone finds each other in peace; then links break for a moment, or a server stands still. Nobody may notice. */
function runGentleActions(stage: Scenario): void {
  const { mesh } = stage
  const { recorder, network, random } = mesh
  network.nextLatency = () => [1, 25]
  network.changeLatency(() => true)
  network.isLossy = false
  mesh.advance(4_000)
  recorder.expectsNoDisruption = true
  for (let round = 0; round < 3; round++) {
    const other = pick(random, mesh.servers)
    const one = pick(
      random,
      mesh.servers.filter(server => server !== other),
    )
    network.break(one, other)
    recorder.log('*', `the link of ${one.id} to ${other.id} breaks`)
    const stalls = random() < 0.4
    if (stalls) stallServer(mesh, one, other)
    for (const action of ['say', 'saySeveral', 'say', 'sayToSelf', 'say']) {
      mesh.advance(random() * 150)
      ACTIONS[action]?.run(stage)
    }
    // Before any message could go out again, if nothing but a link broke.
    mesh.advance(stalls ? 13_000 : 4_500)
    for (const problem of findLateDeliveries(mesh)) recorder.addProblem(problem)
    mesh.advance(8_000)
  }
  recorder.expectsNoDisruption = false
}

/**
 * A server stands still until the grace period of a peer, whose link is cut, has passed; but not as long as its own
 * peers and clients wait for it.
 */
function stallServer(mesh: SimMesh, peer: SimServer, server: SimServer): void {
  mesh.network.cut(peer.id, server.id)
  mesh.advance(1_400)
  mesh.freeze(server)
  mesh.recorder.log('*', `${server.id} stands still for a while`)
  mesh.timeline.after(3_000, () => mesh.heal())
  mesh.timeline.after(4_500 + mesh.random() * 300, () => mesh.thaw(server))
}

/** All is healed: what is down comes up, what is frozen continues, and the network is quick. */
function healAll({ mesh, mayStayDown }: Scenario): void {
  const { network, recorder, random } = mesh
  recorder.log('*', 'all is healed')
  mesh.heal()
  network.nextLatency = () => [1, 25]
  network.changeLatency(() => true)
  network.isLossy = false
  for (const process of [...mesh.servers, ...mesh.clients]) mesh.thaw(process)
  for (const client of mesh.clients) client.killAfterEffects(Number.POSITIVE_INFINITY)
  const boot = () => {
    for (const server of mesh.servers) {
      const stays = mayStayDown && random() < 0.5 && mesh.servers.some(({ running }) => running)
      if (!server.running && !stays) server.boot()
    }
  }
  boot()
  // Some may drain still.
  mesh.advance(5_000)
  boot()
  const up = mesh.servers.filter(({ running }) => running)
  mesh.join('Zoe', 'Zoe', pick(random, up))
}
