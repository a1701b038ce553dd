/** A mesh of real server processes on loopback, optionally with a TCP proxy on every link. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { io } from 'socket.io-client'
import { expect } from 'vitest'
import { compareMessages } from '../../../src/common/hybrid-clock.ts'
import type { Limits } from '../../../src/protocol/limits.ts'
import { DEADLINE_MS, freePorts, Program, temporaryFolder, until } from './processes.ts'
import { RealClient } from './real-client.ts'
import { TcpProxy } from './tcp-proxy.ts'

interface RealServer {
  id: string
  port: number
  url: string
  config: string
  program: Program
}

export class RealMesh {
  readonly servers: RealServer[] = []
  readonly clients: RealClient[] = []
  readonly folder = temporaryFolder()
  readonly #proxies = new Map<string, TcpProxy>()
  /** The room that all clients are in. */
  #room: string | undefined
  readonly #sockets: { disconnect(): unknown }[] = []

  private constructor() {}

  static async start(
    count: number,
    options: {
      proxied?: boolean
      limits?: Partial<Limits>
      backbone?: string
      checkout?: string
      /** Further environment of each server. */
      env?: Readonly<Record<string, NodeJS.ProcessEnv>>
      config?: object
    } = {},
  ): Promise<RealMesh> {
    const mesh = new RealMesh()
    const ports = await freePorts(count)
    const addresses = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
    for (const { id, port } of addresses) {
      const servers: typeof addresses = []
      for (const peer of addresses) {
        if (options.proxied !== true || peer.id === id) servers.push(peer)
        else {
          const proxy = await TcpProxy.to(peer.port)
          mesh.#proxies.set(`${id} ${peer.id}`, proxy)
          servers.push({ ...peer, port: proxy.port })
        }
      }
      const config = join(mesh.folder, `${id}.json`)
      const { limits = {}, backbone } = options
      writeFileSync(config, JSON.stringify({ servers, limits, backbone, ...options.config }))
      const program = mesh.#spawn(id, config, options.checkout, options.env?.[id])
      mesh.servers.push({ id, port, url: `http://127.0.0.1:${port}`, config, program })
    }
    await until(
      'all servers listen',
      () => mesh.servers.every(({ program }) => program.out.includes('Listening for')),
      60_000,
    )
    await until(
      'every server has links to all others',
      () => mesh.servers.every(server => mesh.outboundLinkCount(server) >= count - 1),
      60_000,
    )
    return mesh
  }

  #spawn(id: string, config: string, checkout?: string, env: NodeJS.ProcessEnv = {}): Program {
    return new Program('daemon', ['--id', id, '--config', config, '--log-format', 'text'], env, checkout)
  }

  /** @param checkout the folder of another release, with its build */
  restart(server: RealServer, checkout?: string, env?: NodeJS.ProcessEnv): void {
    server.program = this.#spawn(server.id, server.config, checkout, env)
  }

  server(n: number): RealServer {
    const server = this.servers[n - 1]
    if (server === undefined) throw new Error(`no server ${n}`)
    return server
  }

  /** Number of links that a server has opened so far. */
  outboundLinkCount(server: RealServer): number {
    return server.program.count('Outbound connection to peer')
  }

  /** The proxies between a server and all others, in both directions. */
  proxiesOf(n: number): TcpProxy[] {
    const { id } = this.server(n)
    return [...this.#proxies].flatMap(([link, proxy]) => (link.split(' ').includes(id) ? [proxy] : []))
  }

  join(user: string, n: number): RealClient {
    const others = this.servers.map(server => server.url)
    const client = new RealClient(user, [this.server(n).url, ...others])
    this.clients.push(client)
    return client
  }

  /** An original client that does not reconnect: its user leaves when its server dies. */
  joinWithoutReconnect(user: string, n: number): void {
    const socket = io(this.server(n).url, { transports: ['websocket'], reconnection: false, forceNew: true })
    socket.on('connect', () => socket.emit('identify', user))
    this.#sockets.push(socket)
  }

  /** Opens an identified connection that can write packets past the Socket.IO encoder. */
  async connectRaw(user: string, n: number): Promise<{ write(packet: string): unknown; received(): number }> {
    const socket = io(this.server(n).url, { transports: ['websocket'], reconnection: false, forceNew: true })
    this.#sockets.push(socket)
    await new Promise(resolve => {
      socket.on('connect', () => socket.emit('identify', { user, client: 'raw/1', protocol: 2 }, resolve))
    })
    let received = 0
    socket.on('im', () => received++)
    const engine = socket.io.engine as unknown as { write(packet: string): unknown }
    return { write: packet => engine.write(packet), received: () => received }
  }

  /** Closes the connections that are not client sessions. */
  disconnectSockets(): void {
    for (const socket of this.#sockets.splice(0)) socket.disconnect()
  }

  /** Waits until every client's roster is exactly this list. */
  async waitForRoster(users: readonly string[], within = DEADLINE_MS): Promise<number> {
    const expected = [...users].sort().join()
    const wrong = () => this.clients.filter(client => client.roster.join() !== expected)
    return until(`every client has the roster ${expected}`, () => wrong().length === 0, within).catch(error => {
      const seen = wrong().map(client => `${client.user} at ${client.server}: ${client.roster.join()}`)
      throw new Error(`${error.message}; ${seen.join('; ')}`)
    })
  }

  /** All clients join a room, and their users are its members from now on. */
  async openRoom(room: string): Promise<void> {
    this.#room = room
    for (const client of this.clients) client.joinRoom(room)
    await this.waitForMembers(room, new Set(this.clients.map(({ user }) => user)))
  }

  /** Waits until every client is in the room, with exactly these members. */
  async waitForMembers(room: string, users: Iterable<string>, within = DEADLINE_MS): Promise<number> {
    const expected = [...users].sort().join()
    const wrong = () => this.clients.filter(({ rooms }) => rooms.get(room)?.join() !== expected)
    return until(`every client has the members ${expected}`, () => wrong().length === 0, within).catch(error => {
      const seen = wrong().map(client => `${client.user} at ${client.server}: ${client.rooms.get(room)?.join()}`)
      throw new Error(`${error.message}; ${seen.join('; ')}`)
    })
  }

  /** Every client sends to every user or room in turn. Returns a function that stops it and returns the number of messages. */
  startChatting(users: readonly string[], everyMs = 25): () => number {
    let sent = 0
    const timer = setInterval(() => {
      const sender = this.clients[sent % this.clients.length]
      const to = users[Math.floor(sent / this.clients.length) % users.length]
      if (sender !== undefined && to !== undefined) sender.send(to, `message ${sent}`)
      sent++
    }, everyMs)
    return () => {
      clearInterval(timer)
      return sent
    }
  }

  /**
   * Checks what must hold once all faults are healed: one roster, no held message (all users are online, so a client of
   * the recipient has confirmed each one), identical threads on all clients of a user, nothing lost, one order. In a room
   * all clients have all messages.
   */
  async expectConverged(users: readonly string[]): Promise<void> {
    for (const [at, server] of this.servers.entries()) {
      if (server.program.exitStatus === undefined) this.join(users[at % users.length] ?? 'Anna', at + 1)
    }
    await this.waitForRoster(users, 60_000)
    const held = () => this.clients.flatMap(client => client.held)
    await until('no message is held', () => held().length === 0, 60_000)
    if (this.#room !== undefined) await this.#expectRoomConverged(this.#room, users)
    const areAlike = (client: RealClient, other: RealClient) => client.orderedIds.join() === other.orderedIds.join()
    const pairs = this.clients.flatMap(one => this.clients.map(other => [one, other] as const))
    const different = () => pairs.filter(([one, other]) => one.user === other.user && !areAlike(one, other))
    await until('all clients of a user have the same messages', () => different().length === 0, 60_000).catch(error => {
      const counts = different().map(([one, other]) => `${one.user}: ${one.shown.length} and ${other.shown.length}`)
      throw new Error(`${error.message}; ${counts.join('; ')}`)
    })
    for (const client of this.clients) {
      expect(new Set(client.shown.map(({ id }) => id)).size, `${client.user} shows each message once`).toBe(
        client.shown.length,
      )
    }
    for (const sender of this.clients) {
      for (const message of sender.composed) {
        if (message.to === this.#room) continue
        const receivers = this.clients.filter(({ user }) => user === message.to)
        expect(
          receivers.some(({ shown }) => shown.some(({ id }) => id === message.id)),
          message.text,
        ).toBe(true)
      }
    }
    // Any two clients have the messages that both know in the same order.
    for (const [one, other] of pairs) {
      const otherIds = new Set(other.orderedIds)
      const both = one.orderedIds.filter(id => otherIds.has(id))
      expect(other.orderedIds.filter(id => both.includes(id))).toEqual(both)
    }
  }

  async #expectRoomConverged(room: string, users: readonly string[]): Promise<void> {
    await this.waitForMembers(room, users, 60_000)
    const sent = this.clients.flatMap(({ composed }) => composed).filter(({ to }) => to === room)
    const expected = sent.sort(compareMessages).map(({ id }) => id)
    const wrong = () => this.clients.filter(client => client.orderedIdsTo(room).join() !== expected.join())
    await until(`all have the ${sent.length} messages to ${room}`, () => wrong().length === 0, 60_000).catch(error => {
      const seen = wrong().map(client => {
        const ids = client.orderedIdsTo(room)
        const missing = sent.filter(({ id }) => !ids.includes(id)).map(({ text, from }) => `${text} of ${from}`)
        return `${client.user} at ${client.server}: ${ids.length}, without ${missing.slice(0, 5).join()}`
      })
      throw new Error(`${error.message}; ${seen.join('; ')}`)
    })
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.close()
    this.disconnectSockets()
    for (const { program } of this.servers) program.child.kill('SIGKILL')
    await Promise.all([...this.#proxies.values()].map(proxy => proxy.close()))
  }
}
