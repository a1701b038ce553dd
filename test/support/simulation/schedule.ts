/**
 * Random schedules: a seed chooses a mesh, its users and a sequence of faults; then all faults are healed, and the
 * invariants must hold.
 */
import { between, pick } from '../random.ts'
import { cancelMessages } from './cancel-messages.ts'
import { changeDuringSnapshot } from './change-during-snapshot.ts'
import { ACTIONS, ROOM_ACTIONS, randomWrongSkew, type Scenario } from './faults.ts'
import { findLateDeliveries, findViolations, ROOMS } from './invariants.ts'
import { MAX_SANE_SKEW_MS, type TranscriptLine } from './recorder.ts'
import { type SimClient, SimMesh, type SimServer } from './sim-mesh.ts'
import { typeMessages } from './type-messages.ts'

export interface ScheduleResult {
  seed: number
  problems: readonly string[]
  /** Empty unless a transcript was requested. */
  lines: readonly TranscriptLine[]
}

const USERS = ['Anna', 'Billy', 'Carla', '__proto__', 'Dörte', 'Emil']
const HOUR_MS = 3_600_000
/** Quiet time before the first check: longer than a link timeout plus a grace period, ms. */
const QUIET_MS = 13_000
/** Time between two checks, ms. */
const CHECK_INTERVAL_MS = 4_000
/** The invariants must hold this long after the faults, ms. Siblings repair lost packets within a minute. */
const SETTLE_TIMEOUT_MS = 180_000
/** Every 16th schedule continues for a long time after the invariants hold, and they must still hold at its end. */
const LONG_RUN_EVERY = 16
/** Every 12th schedule has only faults so short that no user may notice one. */
const GENTLE_EVERY = 12
/** In every 7th schedule a clock of a linked mesh steps, and no user may notice. */
const CLOCK_STEPS_EVERY = 7
/** In every 3rd schedule one server is of version 0.1. */
const LEGACY_EVERY = 3
/** Two of five schedules have no rooms: what happens without them must not become rare. */
const ROOMLESS_EVERY = 5
/** Every 8th schedule is a mesh with `auth: key`. */
const KEY_MODE_EVERY = 8

/** In some schedules users do more after each action; the other seeds stay what they were. */
const MORE_EVERY = 13
/** Of these, schedules in which servers request snapshots. */
const SNAPSHOTS_AT = 6
const MORE_ACTIONS: ReadonlyMap<number, (scenario: Scenario) => void> = new Map([
  [4, cancelMessages],
  [SNAPSHOTS_AT, changeDuringSnapshot],
  [9, typeMessages],
])

/** In every 17th schedule clients hold views of the roster; the other seeds stay what they were. */
const VIEWS_EVERY = 17
const VIEWS_AT = 5

/** In every 3rd schedule, and where they request snapshots, servers apply them slowly: one user or membership in each turn, and some turns are long. */
const SLOW_SNAPSHOTS_EVERY = 3
const SLOW_SNAPSHOTS_AT = 2
const SLOW_TURN_MS = 60

/**
 * In every 19th schedule, if all servers are up in the end, a server knows only the address of the first one when it starts.
 */
const JOINING_EVERY = 19
const JOINING_AT = 8

/**
 * Plays the schedule of a seed.
 * @param transcript whether `lines` are recorded
 */
export function runSchedule(seed: number, transcript = false): ScheduleResult {
  const scenario = setUp(seed, transcript)
  const { mesh } = scenario
  const { recorder } = mesh
  try {
    if (seed % GENTLE_EVERY === 0) runGentleActions(scenario)
    // In key mode, messages to users that were never online are not sent yet.
    else if (seed % CLOCK_STEPS_EVERY === 0 && mesh.auth === 'open') runClockSteps(scenario)
    else runActions(scenario, MORE_ACTIONS.get(seed % MORE_EVERY) ?? (() => {}), seed % VIEWS_EVERY === VIEWS_AT)
    healAll(scenario)
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

/** Most schedules are small: many can be played, and a failure is short to read. Every 5th is larger, every 40th largest. */
function setUp(seed: number, transcript: boolean): Scenario {
  const large = seed % 40 === 0
  const medium = seed % 5 === 0
  const servers = large ? 2 + ((seed / 40) % 7) : medium ? 2 + ((seed / 5) % 4) : 2 + (seed % 2)
  const mayStayDown = seed % 3 === 0
  const appliesSlowly = seed % SLOW_SNAPSHOTS_EVERY === SLOW_SNAPSHOTS_AT || seed % MORE_EVERY === SNAPSHOTS_AT
  const auth = seed % KEY_MODE_EVERY === 3 ? 'key' : 'open'
  const mesh = new SimMesh(seed, servers, {
    transcript,
    events: false,
    clientsKnowAllServers: mayStayDown,
    auth,
    appliedPerTurn: appliesSlowly ? 1 : undefined,
    entriesPerFrame: appliesSlowly ? 1 : undefined,
    ...(seed % VIEWS_EVERY === VIEWS_AT ? { limits: { wholeRoster: 1 } } : {}),
    ...(seed % JOINING_EVERY === JOINING_AT && !mayStayDown ? { initialPeers: knowsFirst } : {}),
    isLegacy: ({ id }) => seed % LEGACY_EVERY === 1 && id === 'server-2',
  })
  const { random, network, recorder } = mesh
  if (appliesSlowly) for (const server of mesh.servers) server.slowTurnMs = SLOW_TURN_MS
  const users = USERS.slice(0, large ? between(random, 2, 6) : between(random, 1, 3))
  // Clock errors: none, small, large on clients only, large everywhere.
  const [server, anyClient] = pick(random, [
    [0, 0],
    [MAX_SANE_SKEW_MS, MAX_SANE_SKEW_MS],
    [MAX_SANE_SKEW_MS, HOUR_MS],
    [MAX_SANE_SKEW_MS, 48 * HOUR_MS],
    [90_000, HOUR_MS],
  ] as const)
  // A client whose clock is wrong by more than 24 h stores a message when it is delivered: not where all must be stored at once.
  const isChecked = seed % GENTLE_EVERY === 0 || seed % CLOCK_STEPS_EVERY === 0
  const client = isChecked ? Math.min(HOUR_MS, anyClient) : anyClient
  for (const process of mesh.servers) process.skew = (random() * 2 - 1) * server
  recorder.minServerSkew = Math.min(...mesh.servers.map(process => process.skew))
  // A minority of wrong clocks, where all servers are up in the end: those that are right decide the time.
  const wrong = mayStayDown || random() < 0.5 ? 0 : (servers - 1) >> 1
  const wrongClocks = new Set(mesh.servers.slice(0, wrong))
  for (const process of wrongClocks) process.skew = randomWrongSkew(random)
  const slow = pick(random, [20, 30, 300, 1_500])
  network.nextLatency = () => (random() < 0.2 ? [slow * random(), slow] : [1, 25])
  network.isLossy = random() < 0.3
  const maxClients = large ? 40 : medium ? 8 : 4
  const rooms = seed % ROOMLESS_EVERY < 2 ? [] : ROOMS.slice(0, between(random, 1, ROOMS.length))
  const scenario = { mesh, users, rooms, maxClients, maxSkew: { server, client }, wrongClocks, mayStayDown }
  const first = large ? between(random, 4, 16) : seed % GENTLE_EVERY === 0 ? 4 : between(random, 1, 3)
  for (let n = 0; n < first; n++) ACTIONS.join.run(scenario)
  return scenario
}

function knowsFirst({ id }: SimServer): { peers: []; seeds: string[] } {
  const seeds = id === 'server-1' ? ['http://server-2:1', 'http://server-3:1'] : ['http://server-1:1']
  return { peers: [], seeds }
}

/**
 * Swarm testing: each schedule leaves some kinds of action out and prefers others, which finds more faults than using
 * all of them at once (Groce et al., ISSTA 2012).
 */
function runActions(scenario: Scenario, doMore: (scenario: Scenario) => void, withViews: boolean): void {
  const { mesh } = scenario
  const { random, recorder } = mesh
  const actions = Object.entries(ACTIONS).filter(([name]) => scenario.rooms.length > 0 || !ROOM_ACTIONS.has(name))
  const weights = actions.map(([name, action]) => {
    const preference = name === 'send' ? 1 : pick(random, [0, 0.5, 1, 3])
    return { action, weight: action.weight * preference }
  })
  const total = weights.reduce((sum, { weight }) => sum + weight, 0)
  const pace = pick(random, [30, 300, 1_500, 4_000])
  const steps = mesh.servers.length > 3 || random() < 0.2 ? between(random, 15, 40) : between(random, 4, 12)
  // Most schedules begin with a connected mesh.
  if (random() < 0.7) mesh.advance(2_000)
  for (let step = 0; step < steps && recorder.problems.length === 0; step++) {
    let remaining = random() * total
    const chosen = weights.find(({ weight }) => {
      remaining -= weight
      return remaining < 0
    })
    const line = chosen?.action.run(scenario)
    if (line !== undefined) recorder.log('*', line)
    doMore(scenario)
    if (withViews) changeView(mesh.clients, step)
    // Mixed paces: some actions happen almost at once, some far apart.
    mesh.advance(random() < 0.15 ? random() * 6_000 : random() * pace)
  }
}

/** All clients but some watch another user, and one shows another part of the list. Without random numbers. */
function changeView(clients: readonly SimClient[], step: number): void {
  for (const [n, client] of clients.entries())
    if (client.running && (n + step) % 3 > 0) client.watch(USERS[(n + step) % USERS.length] ?? '')
  const client = clients[step % clients.length]
  if (client?.running === true && step % 2 === 0)
    client.showNames(['', 'Billy', 'Dörte'][step % 3] ?? '', 1 + (step % 4))
}

/** A connected mesh in which links break briefly, or a server stalls. No user may notice. */
function runGentleActions(scenario: Scenario): void {
  const { mesh } = scenario
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
    recorder.log('*', `the link from ${one.id} to ${other.id} breaks`)
    const stalls = random() < 0.4
    if (stalls) stallServer(mesh, one, other)
    for (const name of ['send', 'sendSeveral', 'send', 'sendToSelf', 'send'] as const) {
      mesh.advance(random() * 150)
      ACTIONS[name].run(scenario)
    }
    // If only a link broke, this is before the senders' first retry: the server must have forwarded the messages.
    mesh.advance(stalls ? 13_000 : 4_500)
    for (const problem of findLateDeliveries(mesh)) recorder.addProblem(problem)
    mesh.advance(8_000)
  }
  recorder.expectsNoDisruption = false
}

/**
 * A linked mesh in which one clock is wrong and steps. All clients must have the right time within seconds, and messages must
 * be delivered at once.
 */
function runClockSteps(scenario: Scenario): void {
  const { mesh } = scenario
  const { recorder, network, random } = mesh
  network.nextLatency = () => [1, 25]
  network.changeLatency(() => true)
  network.isLossy = false
  for (const server of mesh.servers) server.skew = 0
  mesh.advance(3_000)
  const stepping = pick(random, mesh.servers)
  for (let round = 0; round < 3; round++) {
    stepping.skew = randomWrongSkew(random)
    recorder.log('*', `the clock of ${stepping.id} jumps to ${Math.round(stepping.skew)} ms ahead of the true time`)
    for (const name of ['join', 'send', 'sendSeveral', 'send', 'sendFromAll'] as const) {
      mesh.advance(random() * 1_500)
      ACTIONS[name].run(scenario)
    }
    mesh.advance(4_000)
    for (const { name, session } of mesh.clients)
      if (!recorder.isTimeRight(session?.meshTimeOffset))
        recorder.addProblem(`${name} has a wrong time after a clock has jumped`)
    for (const problem of findLateDeliveries(mesh)) recorder.addProblem(problem)
  }
}

/**
 * Stalls a server until the grace period for a peer, whose link is cut, has passed, but not as long as the timeouts of
 * its own peers and clients.
 */
function stallServer(mesh: SimMesh, peer: SimServer, server: SimServer): void {
  // Slower than the 50 ms for which a server gathers roster changes: users that it removes by mistake are seen to leave.
  mesh.network.nextLatency = () => [40, 25]
  mesh.network.changeLatency(() => true)
  // The server has noticed the broken link, and its peer has not dialled again.
  mesh.advance(70)
  mesh.network.cut(peer.id, server.id)
  mesh.advance(1_400)
  mesh.freeze(server)
  mesh.recorder.log('*', `${server.id} stalls`)
  mesh.timeline.after(3_000, () => mesh.heal())
  mesh.timeline.after(4_500 + mesh.random() * 300, () => mesh.thaw(server))
}

/** Ends all faults: servers that are down start, frozen processes continue, and the network is fast. */
function healAll({ mesh, mayStayDown, rooms }: Scenario): void {
  const { network, recorder, random } = mesh
  recorder.log('*', 'all faults end')
  mesh.heal()
  network.nextLatency = () => [1, 25]
  network.changeLatency(() => true)
  network.isLossy = false
  for (const process of [...mesh.servers, ...mesh.clients]) mesh.thaw(process)
  for (const client of mesh.clients) client.killAfterEffects(Number.POSITIVE_INFINITY)
  for (const client of mesh.clients) client.disk.fails = false
  const boot = () => {
    for (const server of mesh.servers) {
      const stays = mayStayDown && random() < 0.5 && mesh.servers.some(({ running }) => running)
      if (!server.running && !stays) server.boot()
    }
  }
  boot()
  // Some servers may still be draining.
  mesh.advance(5_000)
  boot()
  const up = mesh.servers.filter(({ running }) => running)
  const zoe = mesh.join('Zoe', 'Zoe', pick(random, up))
  // A lost change of the members is noticed at the next one.
  for (const room of rooms) zoe.joinRoom(room)
}
