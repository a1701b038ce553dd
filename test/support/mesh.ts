/** A whole mesh in one process: servers, client sessions, and a network whose delays and losses a seed chooses. */
import type { SessionEvent } from '../../src/client/events.ts'
import { Session, type SessionEffect, type SessionInput } from '../../src/client/session.ts'
import { DEFAULT_LIMITS } from '../../src/protocol/limits.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { MeshServer } from '../../src/server/server.ts'
import type { Effect, Input } from '../../src/server/types.ts'

/** mulberry32: a small seeded generator of numbers in [0, 1). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const GRACE_MS = 5_000
const WALL = 1_700_000_000_000

interface Socket {
  a: string
  b: string
  open: boolean
  /** When the last thing sent each way arrives: a socket keeps its order. */
  arrives: [number, number]
}

export class SimServer {
  core: MeshServer | undefined
  incarnation = 0
  flushing = false
  connections = new Map<number, { client: SimClient; dial: number; socket: Socket }>()
  links = new Map<number, { server: SimServer; link: number; incarnation: number; socket: Socket }>()
  readonly id: string

  constructor(id: string) {
    this.id = id
  }

  get url(): string {
    return `http://${this.id}:1`
  }
}

export class SimClient {
  session: Session | undefined
  flushing = false
  connection: { server: SimServer; incarnation: number; connection: number; dial: number; socket: Socket } | undefined
  /** What the screen was told. */
  readonly events: SessionEvent[] = []
  readonly shown: Message[] = []
  /** The disk: it outlives the session. */
  readonly history: Message[] = []
  readonly outbox = new Map<string, Message>()
  readonly name: string
  readonly user: string

  constructor(name: string, user: string) {
    this.name = name
    this.user = user
  }
}

export class Mesh {
  readonly random: () => number
  readonly servers: SimServer[] = []
  readonly clients: SimClient[] = []
  now = 0
  #queue: { at: number; order: number; run: () => void }[] = []
  #order = 0
  #numbers = 0
  #cuts = new Set<string>()
  readonly #sockets = new Set<Socket>()

  constructor(seed: number, servers: number) {
    this.random = seeded(seed)
    for (let n = 1; n <= servers; n++) this.servers.push(new SimServer(`server-${n}`))
    for (const server of this.servers) this.boot(server)
  }

  get wall(): number {
    return WALL + this.now
  }

  boot(server: SimServer): void {
    server.incarnation++
    server.core = new MeshServer({
      id: server.id,
      incarnation: `${server.id}#${server.incarnation}`,
      url: server.url,
      peers: this.servers.filter(peer => peer !== server).map(({ id, url }) => ({ id, url })),
      limits: DEFAULT_LIMITS,
      graceMs: GRACE_MS,
      random: this.random,
      narrateMessages: false,
    })
    this.input(server, { type: 'start' })
  }

  /** kill -9: the process is gone, its sockets are reset. */
  crash(server: SimServer): void {
    server.core = undefined
    for (const socket of [...this.#sockets]) if (socket.a === server.id || socket.b === server.id) this.#reset(socket)
    server.connections.clear()
    server.links.clear()
  }

  join(name: string, user: string, server: SimServer): SimClient {
    const client = new SimClient(name, user)
    this.clients.push(client)
    this.open(client, server)
    return client
  }

  /** Starts the client's program on what its disk holds. */
  open(client: SimClient, server: SimServer): void {
    const { user } = client
    const instance = `${client.name}~${++this.#numbers}`
    client.session = new Session({ user, client: 'sim/1', instance, servers: [server.url], random: this.random })
    client.shown.length = 0
    this.tell(client, { type: 'start', history: [...client.history], outbox: [...client.outbox.values()] })
  }

  /** The client's program ends. */
  quit(client: SimClient): void {
    this.tell(client, { type: 'request', request: { type: 'close' } })
    client.session = undefined
  }

  say(client: SimClient, to: string, text: string): void {
    this.tell(client, { type: 'request', request: { type: 'compose', to, text } })
  }

  /** Nothing passes between the two any more; sockets stay half-open until somebody notices. */
  cut(a: string, b: string): void {
    this.#cuts.add(`${a} ${b}`).add(`${b} ${a}`)
  }

  heal(): void {
    this.#cuts.clear()
  }

  /** Lets `ms` pass. */
  run(ms: number): void {
    const until = this.now + ms
    for (;;) {
      let next = this.#queue[0]?.at ?? Number.POSITIVE_INFINITY
      let due: (() => void) | undefined
      for (const server of this.servers) {
        const deadline = server.core?.deadline ?? Number.POSITIVE_INFINITY
        if (deadline < next) {
          next = deadline
          due = () => this.input(server, { type: 'tick' })
        }
      }
      for (const client of this.clients) {
        const deadline = client.session?.deadline ?? Number.POSITIVE_INFINITY
        if (deadline < next) {
          next = deadline
          due = () => this.tell(client, { type: 'tick' })
        }
      }
      if (next > until) break
      this.now = Math.max(this.now, next)
      if (due === undefined) this.#queue.shift()?.run()
      else due()
    }
    this.now = until
  }

  input(server: SimServer, input: Input): void {
    const { core } = server
    if (core === undefined) return
    for (const effect of core.step(input, this.now, this.wall)) this.#perform(server, effect)
    if (!core.gathered || server.flushing) return
    server.flushing = true
    this.#after(0.1, () => {
      server.flushing = false
      if (server.core === core) this.input(server, { type: 'flush' })
    })
  }

  tell(client: SimClient, input: SessionInput): void {
    const { session } = client
    if (session === undefined) return
    for (const effect of session.step(input, this.now, this.wall)) this.#act(client, effect)
    if (!session.gathered || client.flushing) return
    client.flushing = true
    this.#after(0.1, () => {
      client.flushing = false
      if (client.session === session) this.tell(client, { type: 'flush' })
    })
  }

  #perform(server: SimServer, effect: Effect): void {
    switch (effect.type) {
      case 'emit':
        for (const connection of effect.to) {
          const { event, payload } = effect.message
          if (event === 'im') this.#toClient(server, connection, dial => ({ type: 'im', dial, message: payload }))
          if (event === 'roster') this.#toClient(server, connection, dial => ({ type: 'roster', dial, delta: payload }))
          if (event === 'siblings') this.#toClient(server, connection, dial => ({ type: 'siblings', dial, ...payload }))
          if (event === 'move') this.#toClient(server, connection, dial => ({ type: 'move', dial, ...payload }))
          if (event === 'relay') {
            const frame = payload.body as Extract<SessionInput, { type: 'relay' }>['frame']
            this.#toClient(server, connection, dial => ({ type: 'relay', dial, from: payload.from, frame }))
          }
        }
        return
      case 'answer': {
        const answer = this.#calls.get(effect.call)
        this.#calls.delete(effect.call)
        if (answer) this.#toClient(server, effect.connection, dial => answer(dial, effect.payload))
        return
      }
      case 'close':
        return this.#hangUp(server.connections.get(effect.connection)?.socket)
      case 'dial':
        return this.#dial(server, effect.peer)
      case 'send': {
        const end = server.links.get(effect.link)
        if (end === undefined) return
        this.#through(end.socket, server.id, () => {
          if (end.server.incarnation === end.incarnation) {
            this.input(end.server, { type: 'frame', link: end.link, frame: effect.frame })
          }
        })
        return
      }
      case 'hang-up':
        return this.#hangUp(server.links.get(effect.link)?.socket)
    }
  }

  readonly #calls = new Map<number, (dial: number, payload: unknown) => SessionInput>()

  #dial(from: SimServer, peer: string): void {
    const to = this.servers.find(server => server.id === peer)
    const { incarnation } = from
    const fail = (reason: string) => {
      if (from.incarnation === incarnation) this.input(from, { type: 'dial-failed', peer, reason })
    }
    this.#after(1 + this.random() * 20, () => {
      if (from.core === undefined || from.incarnation !== incarnation) return
      if (to?.core === undefined || this.#cuts.has(`${from.id} ${to.id}`)) return fail('refused')
      const socket = this.#socket(from.id, to.id)
      const dialled = ++this.#numbers
      const accepted = ++this.#numbers
      from.links.set(dialled, { server: to, link: accepted, incarnation: to.incarnation, socket })
      to.links.set(accepted, { server: from, link: dialled, incarnation, socket })
      const introduction = { id: from.id, incarnation: `${from.id}#${incarnation}`, protocol: 2, url: from.url }
      const effects = to.core.step({ type: 'accepted', link: accepted, introduction }, this.now, this.wall)
      for (const effect of effects) {
        if (effect.type === 'accept') {
          const theirs = { id: to.id, incarnation: `${to.id}#${to.incarnation}`, protocol: 2, url: to.url }
          this.input(from, { type: 'dialled', peer, link: dialled, introduction: theirs, holds: effect.holds })
        } else if (effect.type === 'refuse') fail(effect.message)
        else this.#perform(to, effect)
      }
    })
  }

  #act(client: SimClient, effect: SessionEffect): void {
    switch (effect.type) {
      case 'dial':
        return this.#connect(client, effect.dial, effect.url)
      case 'hang-up':
        if (client.connection?.dial === effect.dial) this.#hangUp(client.connection.socket)
        return
      case 'identify': {
        const call = this.#call((dial, answer) => ({ type: 'identified', dial, answer: answer as never }))
        return this.#toServer(client, connection => ({
          type: 'identify',
          connection,
          user: client.user,
          protocol: 2,
          call,
        }))
      }
      case 'im': {
        const { id } = effect.message
        const call = this.#call((dial, fate) => ({ type: 'fate', dial, id, fate: fate as never }))
        return this.#toServer(client, connection => ({ type: 'im', connection, message: effect.message, call }))
      }
      case 'got':
        return this.#toServer(client, connection => ({ type: 'got', connection, count: effect.count }))
      case 'ask-roster': {
        const call = this.#call((dial, snapshot) => ({ type: 'roster-snapshot', dial, snapshot: snapshot as never }))
        return this.#toServer(client, connection => ({ type: 'roster', connection, call }))
      }
      case 'relay':
        return this.#toServer(client, connection => ({
          type: 'relay',
          connection,
          to: effect.to,
          body: effect.frame,
        }))
      case 'store':
        client.history.push(effect.message)
        return
      case 'hold':
        client.outbox.set(effect.message.id, effect.message)
        return
      case 'release':
        client.outbox.delete(effect.id)
        return
      case 'tell':
        client.events.push(effect.event)
        if (effect.event.type === 'message') client.shown.push(effect.event.message)
    }
  }

  #call(answer: (dial: number, payload: unknown) => SessionInput): number {
    this.#calls.set(++this.#numbers, answer)
    return this.#numbers
  }

  #connect(client: SimClient, dial: number, url: string): void {
    const server = this.servers.find(one => one.url === url)
    this.#after(1 + this.random() * 20, () => {
      if (server?.core === undefined) return this.tell(client, { type: 'closed', dial, reason: 'refused' })
      const socket = this.#socket(client.name, server.id)
      const connection = ++this.#numbers
      client.connection = { server, incarnation: server.incarnation, connection, dial, socket }
      server.connections.set(connection, { client, dial, socket })
      this.input(server, { type: 'connected', connection })
      this.tell(client, { type: 'opened', dial })
    })
  }

  #toServer(client: SimClient, input: (connection: number) => Input): void {
    const end = client.connection
    if (end === undefined) return
    this.#through(end.socket, client.name, () => {
      if (end.server.incarnation === end.incarnation) this.input(end.server, input(end.connection))
    })
  }

  #toClient(server: SimServer, connection: number, input: (dial: number) => SessionInput): void {
    const end = server.connections.get(connection)
    if (end !== undefined) this.#through(end.socket, server.id, () => this.tell(end.client, input(end.dial)))
  }

  #socket(a: string, b: string): Socket {
    const socket: Socket = { a, b, open: true, arrives: [0, 0] }
    this.#sockets.add(socket)
    return socket
  }

  #through(socket: Socket, from: string, deliver: () => void): void {
    const way = socket.a === from ? 0 : 1
    const to = way === 0 ? socket.b : socket.a
    if (!socket.open || this.#cuts.has(`${from} ${to}`)) return
    socket.arrives[way] = Math.max(socket.arrives[way], this.now + 1 + this.random() * 30)
    this.#at(socket.arrives[way], () => {
      if (socket.open && !this.#cuts.has(`${from} ${to}`)) deliver()
    })
  }

  #hangUp(socket: Socket | undefined): void {
    if (socket !== undefined) this.#reset(socket)
  }

  #reset(socket: Socket): void {
    if (!socket.open) return
    socket.open = false
    this.#sockets.delete(socket)
    this.#after(1, () => {
      for (const server of this.servers) {
        for (const [link, end] of server.links) {
          if (end.socket !== socket) continue
          server.links.delete(link)
          this.input(server, { type: 'link-closed', link, reason: 'closed' })
        }
        for (const [connection, end] of server.connections) {
          if (end.socket !== socket) continue
          server.connections.delete(connection)
          this.input(server, { type: 'disconnected', connection })
        }
      }
      for (const client of this.clients) {
        const end = client.connection
        if (end?.socket !== socket) continue
        client.connection = undefined
        this.tell(client, { type: 'closed', dial: end.dial, reason: 'closed' })
      }
    })
  }

  #after(ms: number, run: () => void): void {
    this.#at(this.now + ms, run)
  }

  #at(at: number, run: () => void): void {
    const entry = { at, order: this.#order++, run }
    let low = 0
    let high = this.#queue.length
    while (low < high) {
      const middle = (low + high) >> 1
      const there = this.#queue[middle]
      if (there !== undefined && (there.at < at || (there.at === at && there.order < entry.order))) low = middle + 1
      else high = middle
    }
    this.#queue.splice(low, 0, entry)
  }
}
