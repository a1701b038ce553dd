import { between, pick } from '../random.ts'
import { forgeNumbers, impersonate, intrude } from './hostile/intruders.ts'
import { STRANGER_URL } from './hostile/stranger.ts'
import type { TerminationMode } from './network.ts'
import type { SimClient, SimMesh, SimServer } from './sim-mesh.ts'

/** A mesh, and the bounds that the actions of a schedule keep to. */
export interface Scenario {
  mesh: SimMesh
  users: readonly string[]
  /** The rooms that clients join. */
  rooms: readonly string[]
  maxClients: number
  /** Largest error of a server's and of a client's wall clock, ms. */
  maxSkew: { server: number; client: number }
  /** Servers whose clocks are wrong by hours, and step: a minority. */
  wrongClocks: ReadonlySet<SimServer>
  /** Whether servers may be down when the schedule ends. */
  mayStayDown: boolean
}

/** One kind of event in a schedule. */
interface Action {
  /** How often it is chosen, relative to the other actions. */
  weight: number
  /** Returns a line for the transcript; undefined: none. */
  run: (scenario: Scenario) => string | undefined
}

const responsive = <T extends { running: boolean; frozen: boolean }>(processes: readonly T[]) =>
  processes.filter(({ running, frozen }) => running && !frozen)

function pickOne<T>({ mesh }: Scenario, from: readonly T[]): T | undefined {
  return from.length === 0 ? undefined : pick(mesh.random, from)
}

/** Sends messages, if there is a client. The recorder writes the lines of the transcript. */
function sendHello(client: SimClient | undefined, to: string, times = 1): undefined {
  for (let n = 0; n < times; n++) client?.send(to, 'hello')
  return undefined
}

const isInRoom = ({ rooms }: SimClient) => rooms.length > 0

const TERMINATION_MODES: readonly TerminationMode[] = ['orderly', 'reset', 'silent']

/** The error of a clock that is wrong, ms: minutes to hours, in either direction. */
export function randomWrongSkew(random: () => number): number {
  return (random() < 0.5 ? -1 : 1) * pick(random, [300_000, 3_600_000, 40_000_000]) * (0.5 + random())
}

/** Everything that can happen in a schedule. */
export const ACTIONS = {
  send: {
    weight: 10,
    run: scenario =>
      sendHello(pickOne(scenario, responsive(scenario.mesh.clients)), pick(scenario.mesh.random, scenario.users)),
  },
  sendToSelf: {
    weight: 1,
    run: scenario => {
      const client = pickOne(scenario, responsive(scenario.mesh.clients))
      return sendHello(client, client?.user ?? '')
    },
  },
  sendSeveral: {
    weight: 2,
    run: scenario => {
      const { random } = scenario.mesh
      return sendHello(
        pickOne(scenario, responsive(scenario.mesh.clients)),
        pick(random, scenario.users),
        between(random, 2, 6),
      )
    },
  },
  flood: {
    weight: 0.5,
    run: scenario => {
      const { random } = scenario.mesh
      return sendHello(
        pickOne(scenario, responsive(scenario.mesh.clients)),
        pick(random, scenario.users),
        pick(random, [12, 25, 60, 120]),
      )
    },
  },
  sendFromAll: {
    weight: 1,
    run: scenario => {
      const to = pick(scenario.mesh.random, scenario.users)
      for (const client of responsive(scenario.mesh.clients)) client.send(to, 'hello')
      return undefined
    },
  },
  joinRoom: {
    weight: 3,
    run: scenario => {
      const client = pickOne(scenario, responsive(scenario.mesh.clients))
      const room = pick(scenario.mesh.random, scenario.rooms)
      client?.joinRoom(room)
      return client && `${client.name} joins ${room}`
    },
  },
  partRoom: {
    weight: 1,
    run: scenario => {
      const client = pickOne(scenario, responsive(scenario.mesh.clients).filter(isInRoom))
      const room = client && pick(scenario.mesh.random, client.rooms)
      if (client === undefined || room === undefined) return undefined
      client.partRoom(room)
      return `${client.name} leaves ${room}`
    },
  },
  sendToRoom: {
    weight: 6,
    run: scenario => {
      const { random, clients } = scenario.mesh
      const client = pickOne(scenario, responsive(clients).filter(isInRoom))
      return sendHello(client, client === undefined ? '' : pick(random, client.rooms), between(random, 1, 3))
    },
  },
  floodRoom: {
    weight: 0.3,
    run: scenario => {
      const { random, clients } = scenario.mesh
      const client = pickOne(scenario, responsive(clients).filter(isInRoom))
      return sendHello(client, client === undefined ? '' : pick(random, client.rooms), pick(random, [12, 40, 120]))
    },
  },
  allJoinRoom: {
    weight: 0.5,
    run: scenario => {
      const room = pick(scenario.mesh.random, scenario.rooms)
      for (const client of responsive(scenario.mesh.clients)) client.joinRoom(room)
      return `all clients join ${room}`
    },
  },
  join: {
    weight: 3,
    run: scenario => {
      const { mesh, users, maxClients } = scenario
      if (mesh.clients.length >= maxClients) return undefined
      const user = pick(mesh.random, users)
      const client = mesh.join(`${user}-${mesh.clients.length}`, user, pick(mesh.random, mesh.servers))
      client.skew = (mesh.random() * 2 - 1) * scenario.maxSkew.client
      return `${client.name} joins`
    },
  },
  quit: {
    weight: 1,
    run: scenario => {
      const client = pickOne(scenario, responsive(scenario.mesh.clients))
      client?.quit()
      return client && `${client.name} quits`
    },
  },
  killClientBetweenEffects: {
    weight: 1,
    run: scenario => {
      const client = pickOne(scenario, responsive(scenario.mesh.clients))
      client?.killAfterEffects(between(scenario.mesh.random, 0, 12))
      return client && `${client.name} is killed after its next few effects`
    },
  },
  killClientAtOnce: {
    weight: 0.5,
    run: scenario => {
      const client = pickOne(scenario, responsive(scenario.mesh.clients))
      client?.kill(pick(scenario.mesh.random, TERMINATION_MODES))
      return client && `${client.name} is killed`
    },
  },
  failDisk: {
    weight: 1,
    run: scenario => {
      const { mesh } = scenario
      const client = pickOne(scenario, responsive(mesh.clients))
      if (client === undefined) return undefined
      const ms = pick(mesh.random, [300, 2_000, 15_000]) * (0.5 + mesh.random())
      client.disk.fails = true
      mesh.timeline.after(ms, () => {
        client.disk.fails = false
      })
      return `the disk of ${client.name} is full for ${Math.round(ms)} ms`
    },
  },
  reopen: {
    weight: 4,
    run: scenario => {
      const { mesh } = scenario
      const client = pickOne(
        scenario,
        mesh.clients.filter(one => !one.running),
      )
      client?.start(pick(mesh.random, mesh.servers))
      return client && `${client.name} starts again`
    },
  },
  crash: {
    weight: 2,
    run: scenario => {
      const { mesh } = scenario
      const server = pickOne(scenario, responsive(mesh.servers))
      if (server === undefined) return undefined
      const mode = pick(mesh.random, TERMINATION_MODES)
      mesh.crash(server, mode)
      return `${server.id} is killed (${mode})`
    },
  },
  restart: {
    weight: 1,
    run: scenario => {
      const server = pickOne(scenario, responsive(scenario.mesh.servers))
      if (server === undefined) return undefined
      scenario.mesh.crash(server, pick(scenario.mesh.random, TERMINATION_MODES))
      server.boot()
      return `${server.id} is killed and starts again`
    },
  },
  reboot: {
    weight: 1,
    run: scenario => {
      const server = pickOne(scenario, responsive(scenario.mesh.servers))
      if (server === undefined) return undefined
      const here = scenario.mesh.clients.filter(({ connection }) => connection?.server === server)
      scenario.mesh.crash(server, pick(scenario.mesh.random, TERMINATION_MODES))
      for (const client of here) client.kill('orderly')
      server.boot()
      for (const client of here) client.start(server)
      return `the machine of ${server.id} and its clients reboots`
    },
  },
  sendAcrossReboot: {
    weight: 1.5,
    run: scenario => {
      const { mesh, users } = scenario
      const { random, network } = mesh
      const client = pickOne(
        scenario,
        responsive(mesh.clients).filter(({ connection }) => connection !== undefined),
      )
      const server = client?.connection?.server
      if (client === undefined || server === undefined || server.frozen) return undefined
      const to = pick(random, users)
      network.changeLatency(
        ({ endpoints }) => endpoints[0].process.name.startsWith(to),
        () => [700, 300],
      )
      client.send(to, 'before')
      mesh.advance(random() * 120)
      if (!client.running) return undefined
      mesh.crash(server, 'reset')
      server.boot()
      client.kill('orderly')
      client.start(server)
      mesh.advance(random() * 500)
      client.send(to, 'after')
      return `${server.id} starts again while ${client.name} talks to ${to} over a slow connection`
    },
  },
  boot: {
    weight: 3,
    run: scenario => {
      const server = pickOne(
        scenario,
        scenario.mesh.servers.filter(one => !one.running),
      )
      server?.boot()
      return server && `${server.id} starts`
    },
  },
  drain: {
    weight: 1,
    run: scenario => {
      const server = pickOne(scenario, responsive(scenario.mesh.servers))
      server?.step({ type: 'drain' })
      return server && `${server.id} gets SIGTERM`
    },
  },
  freezeServer: { weight: 1, run: scenario => freeze(scenario, pickOne(scenario, responsive(scenario.mesh.servers))) },
  freezeClient: { weight: 1, run: scenario => freeze(scenario, pickOne(scenario, responsive(scenario.mesh.clients))) },
  cutServers: {
    weight: 1.5,
    run: scenario => {
      const { mesh } = scenario
      const [one, other] = [pick(mesh.random, mesh.servers).id, pick(mesh.random, mesh.servers).id]
      if (one === other) return undefined
      if (mesh.random() < 0.6) mesh.cut(one, other)
      else {
        mesh.network.cut(one, other)
        return `traffic from ${one} to ${other} is cut`
      }
      return `traffic between ${one} and ${other} is cut`
    },
  },
  isolate: {
    weight: 0.7,
    run: ({ mesh }) => {
      const isolated = pick(mesh.random, mesh.servers).id
      for (const { id } of mesh.servers) if (id !== isolated) mesh.cut(isolated, id)
      return `${isolated} is cut off from all servers`
    },
  },
  split: {
    weight: 0.7,
    run: ({ mesh }) => {
      const left = mesh.servers.filter(() => mesh.random() < 0.5)
      for (const one of left) for (const other of mesh.servers) if (!left.includes(other)) mesh.cut(one.id, other.id)
      return `a partition separates ${left.map(({ id }) => id).join(', ')} from the others`
    },
  },
  announceStranger: {
    weight: 0.7,
    run: scenario => {
      const client = pickOne(
        scenario,
        responsive(scenario.mesh.clients).filter(({ connection }) => connection !== undefined),
      )
      client?.hear('stranger', STRANGER_URL)
      return client && `${client.name} is told to move to a stranger's server`
    },
  },
  cutClient: {
    weight: 1.5,
    run: scenario => {
      const client = pickOne(scenario, responsive(scenario.mesh.clients))
      const server = client?.connection?.server
      if (client === undefined || server === undefined) return undefined
      const direction = scenario.mesh.random()
      if (direction < 0.7) scenario.mesh.network.cut(client.name, server.id)
      if (direction > 0.3) scenario.mesh.network.cut(server.id, client.name)
      const which = direction < 0.3 ? ', outgoing only' : direction > 0.7 ? ', incoming only' : ''
      return `${client.name} is cut off from ${server.id}${which}`
    },
  },
  heal: {
    weight: 2,
    run: ({ mesh }) => {
      mesh.heal()
      return 'all cuts are healed'
    },
  },
  reroute: {
    weight: 1,
    run: ({ mesh }) => {
      mesh.network.changeLatency(() => mesh.random() < 0.5)
      return 'latencies change'
    },
  },
  breakLink: {
    weight: 1.5,
    run: ({ mesh }) => {
      const [one, other] = [pick(mesh.random, mesh.servers), pick(mesh.random, mesh.servers)]
      if (one === other) return undefined
      mesh.network.break(one, other)
      return `the link from ${one.id} to ${other.id} breaks`
    },
  },
  dialTwice: {
    weight: 1,
    run: scenario => {
      const { mesh } = scenario
      const server = pickOne(scenario, responsive(mesh.servers))
      const peer = pick(mesh.random, mesh.servers)
      if (server === undefined || server === peer) return undefined
      server.dial(peer.id)
      return `${server.id} dials ${peer.id} again`
    },
  },
  jumpClock: {
    weight: 1,
    run: scenario => {
      const { mesh, maxSkew, wrongClocks } = scenario
      const isServer = mesh.random() < 0.5
      const process = isServer ? pick(mesh.random, mesh.servers) : pick(mesh.random, mesh.clients)
      const isWrong = wrongClocks.has(process as SimServer)
      process.skew = isWrong
        ? randomWrongSkew(mesh.random)
        : (mesh.random() * 2 - 1) * (isServer ? maxSkew.server : maxSkew.client)
      const right = mesh.servers.filter(server => !wrongClocks.has(server))
      mesh.recorder.minServerSkew = Math.min(mesh.recorder.minServerSkew, ...right.map(server => server.skew))
      return `the clock of ${process.name} jumps to ${Math.round(process.skew)} ms ahead of the true time`
    },
  },
  intrude: {
    weight: 0.5,
    run: scenario => intrude(scenario.mesh, pickOne(scenario, responsive(scenario.mesh.servers)), scenario.users),
  },
  impersonate: {
    weight: 1,
    run: scenario => impersonate(scenario.mesh, pickOne(scenario, responsive(scenario.mesh.servers)), scenario.users),
  },
  forgeNumbers: {
    weight: 0.5,
    run: scenario => forgeNumbers(scenario.mesh, pickOne(scenario, responsive(scenario.mesh.servers)), scenario.users),
  },
} satisfies Readonly<Record<string, Action>>

/** The actions that need a room. */
export const ROOM_ACTIONS: ReadonlySet<string> = new Set([
  'joinRoom',
  'partRoom',
  'sendToRoom',
  'floodRoom',
  'allJoinRoom',
])

function freeze({ mesh }: Scenario, process: SimClient | SimMesh['servers'][number] | undefined): string | undefined {
  if (process === undefined) return undefined
  const ms = pick(mesh.random, [300, 2_000, 6_000, 15_000]) * (0.5 + mesh.random())
  const { generation } = process
  mesh.freeze(process)
  mesh.timeline.after(ms, () => {
    if (process.generation === generation) mesh.thaw(process)
  })
  return `${process.name} is frozen for ${Math.round(ms)} ms`
}
