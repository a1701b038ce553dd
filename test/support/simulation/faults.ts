import { between, pick } from '../random.ts'
import type { TerminationMode } from './network.ts'
import type { SimClient, SimMesh } from './sim-mesh.ts'

/** A mesh with what the actions of a schedule need to know of it. */
export interface Scenario {
  mesh: SimMesh
  users: readonly string[]
  maxClients: number
  /** The most that a clock of a server or of a client may be wrong, ms. */
  maxSkew: { server: number; client: number }
  /** Whether servers may still be down at the end. */
  mayStayDown: boolean
}

/** What may happen in a schedule: how often beside the others, and what it does; answers with a line of transcript. */
interface Action {
  weight: number
  run: (stage: Scenario) => string | undefined
}

const responsive = <T extends { running: boolean; frozen: boolean }>(of: readonly T[]) =>
  of.filter(one => one.running && !one.frozen)

function pickOne<T>({ mesh }: Scenario, of: readonly T[]): T | undefined {
  return of.length === 0 ? undefined : pick(mesh.random, of)
}

function sendHello(client: SimClient | undefined, to: string, times = 1): string | undefined {
  if (client === undefined) return undefined
  for (let n = 0; n < times; n++) client.send(to, 'hello')
  return ''
}

const TERMINATION_MODES: readonly TerminationMode[] = ['orderly', 'reset', 'silent']

export const ACTIONS: Readonly<Record<string, Action>> = {
  say: {
    weight: 10,
    run: stage => sendHello(pickOne(stage, responsive(stage.mesh.clients)), pick(stage.mesh.random, stage.users)),
  },
  sayToSelf: {
    weight: 1,
    run: stage => {
      const client = pickOne(stage, responsive(stage.mesh.clients))
      return sendHello(client, client?.user ?? '')
    },
  },
  saySeveral: {
    weight: 2,
    run: stage => {
      const { random } = stage.mesh
      return sendHello(pickOne(stage, responsive(stage.mesh.clients)), pick(random, stage.users), between(random, 2, 6))
    },
  },
  flood: {
    weight: 0.5,
    run: stage => {
      const { random } = stage.mesh
      return sendHello(
        pickOne(stage, responsive(stage.mesh.clients)),
        pick(random, stage.users),
        pick(random, [12, 25, 60, 120]),
      )
    },
  },
  sayAllAtOnce: {
    weight: 1,
    run: stage => {
      const to = pick(stage.mesh.random, stage.users)
      for (const client of responsive(stage.mesh.clients)) client.send(to, 'hello')
      return ''
    },
  },
  join: {
    weight: 3,
    run: stage => {
      const { mesh, users, maxClients } = stage
      if (mesh.clients.length >= maxClients) return undefined
      const user = pick(mesh.random, users)
      const client = mesh.join(`${user}-${mesh.clients.length}`, user, pick(mesh.random, mesh.servers))
      client.skew = (mesh.random() * 2 - 1) * stage.maxSkew.client
      return `${client.name} joins`
    },
  },
  quit: {
    weight: 1,
    run: stage => {
      const client = pickOne(stage, responsive(stage.mesh.clients))
      client?.quit()
      return client && `${client.name} quits`
    },
  },
  killClient: {
    weight: 1,
    run: stage => {
      const client = pickOne(stage, responsive(stage.mesh.clients))
      client?.killAfterEffects(between(stage.mesh.random, 0, 12))
      return client && `${client.name} is about to be killed`
    },
  },
  unplugClient: {
    weight: 0.5,
    run: stage => {
      const client = pickOne(stage, responsive(stage.mesh.clients))
      client?.kill(pick(stage.mesh.random, TERMINATION_MODES))
      return client && `${client.name} is killed`
    },
  },
  reopen: {
    weight: 4,
    run: stage => {
      const { mesh } = stage
      const client = pickOne(
        stage,
        mesh.clients.filter(one => !one.running),
      )
      client?.start(pick(mesh.random, mesh.servers))
      return client && `${client.name} is opened again`
    },
  },
  crash: {
    weight: 2,
    run: stage => {
      const { mesh } = stage
      const server = pickOne(stage, responsive(mesh.servers))
      if (server === undefined) return undefined
      const mode = pick(mesh.random, TERMINATION_MODES)
      mesh.crash(server, mode)
      return `${server.id} is killed, ${mode}`
    },
  },
  restart: {
    weight: 1,
    run: stage => {
      const server = pickOne(stage, responsive(stage.mesh.servers))
      if (server === undefined) return undefined
      stage.mesh.crash(server, pick(stage.mesh.random, TERMINATION_MODES))
      server.boot()
      return `${server.id} is killed and started again`
    },
  },
  reboot: {
    weight: 1,
    run: stage => {
      const server = pickOne(stage, responsive(stage.mesh.servers))
      if (server === undefined) return undefined
      const here = stage.mesh.clients.filter(({ connection }) => connection?.server === server)
      stage.mesh.crash(server, pick(stage.mesh.random, TERMINATION_MODES))
      for (const client of here) client.kill('orderly')
      server.boot()
      for (const client of here) client.start(server)
      return `the machine of ${server.id} and its clients is started again`
    },
  },
  talkOverReboot: {
    weight: 0.7,
    run: stage => {
      const { mesh, users } = stage
      const { random, network } = mesh
      const client = pickOne(
        stage,
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
      if (!client.running) return ''
      mesh.crash(server, 'reset')
      server.boot()
      client.kill('orderly')
      client.start(server)
      mesh.advance(random() * 500)
      client.send(to, 'after')
      return `${server.id} is started again while ${client.name} talks to ${to}, who is slow`
    },
  },
  boot: {
    weight: 3,
    run: stage => {
      const server = pickOne(
        stage,
        stage.mesh.servers.filter(one => !one.running),
      )
      server?.boot()
      return server && `${server.id} is started`
    },
  },
  drain: {
    weight: 1,
    run: stage => {
      const server = pickOne(stage, responsive(stage.mesh.servers))
      server?.step({ type: 'drain' })
      return server && `${server.id} gets SIGTERM`
    },
  },
  freezeServer: { weight: 1, run: stage => freeze(stage, pickOne(stage, responsive(stage.mesh.servers))) },
  freezeClient: { weight: 1, run: stage => freeze(stage, pickOne(stage, responsive(stage.mesh.clients))) },
  cutServers: {
    weight: 1.5,
    run: stage => {
      const { mesh } = stage
      const [one, other] = [pick(mesh.random, mesh.servers).id, pick(mesh.random, mesh.servers).id]
      if (one === other) return undefined
      if (mesh.random() < 0.6) mesh.cut(one, other)
      else {
        mesh.network.cut(one, other)
        return `nothing passes from ${one} to ${other}`
      }
      return `nothing passes between ${one} and ${other}`
    },
  },
  isolate: {
    weight: 0.7,
    run: ({ mesh }) => {
      const alone = pick(mesh.random, mesh.servers).id
      for (const { id } of mesh.servers) if (id !== alone) mesh.cut(alone, id)
      return `${alone} is cut off from all servers`
    },
  },
  split: {
    weight: 0.7,
    run: ({ mesh }) => {
      const left = mesh.servers.filter(() => mesh.random() < 0.5)
      for (const one of left) for (const other of mesh.servers) if (!left.includes(other)) mesh.cut(one.id, other.id)
      return `a partition: ${left.map(({ id }) => id).join(', ')} against the others`
    },
  },
  cutClient: {
    weight: 1.5,
    run: stage => {
      const client = pickOne(stage, responsive(stage.mesh.clients))
      const server = client?.connection?.server
      if (client === undefined || server === undefined) return undefined
      const way = stage.mesh.random()
      if (way < 0.7) stage.mesh.network.cut(client.name, server.id)
      if (way > 0.3) stage.mesh.network.cut(server.id, client.name)
      return `${client.name} is cut off from ${server.id}${way < 0.3 ? ', one way' : way > 0.7 ? ', the other way' : ''}`
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
      return 'delays change'
    },
  },
  breakLink: {
    weight: 1.5,
    run: ({ mesh }) => {
      const [one, other] = [pick(mesh.random, mesh.servers), pick(mesh.random, mesh.servers)]
      if (one === other) return undefined
      mesh.network.break(one, other)
      return `the link of ${one.id} to ${other.id} breaks`
    },
  },
  dialTwice: {
    weight: 1,
    run: stage => {
      const { mesh } = stage
      const server = pickOne(stage, responsive(mesh.servers))
      const peer = pick(mesh.random, mesh.servers)
      if (server === undefined || server === peer) return undefined
      server.dial(peer.id)
      return `${server.id} dials ${peer.id} once more`
    },
  },
  jumpClock: {
    weight: 1,
    run: stage => {
      const { mesh, maxSkew } = stage
      const ofServer = mesh.random() < 0.5
      const process = ofServer ? pick(mesh.random, mesh.servers) : pick(mesh.random, mesh.clients)
      process.skew = (mesh.random() * 2 - 1) * (ofServer ? maxSkew.server : maxSkew.client)
      mesh.recorder.minServerSkew = Math.min(mesh.recorder.minServerSkew, ...mesh.servers.map(server => server.skew))
      return `the clock of ${process.name} jumps to ${Math.round(process.skew)} ms ahead`
    },
  },
}

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
