/** A mesh of real processes on loopback, with a proxy on the way from each server to each other, if wanted. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { io } from 'socket.io-client'
import { expect } from 'vitest'
import type { Limits } from '../../../src/protocol/limits.ts'
import { freePorts, Program, temporaryFolder, until } from './processes.ts'
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
  readonly #sockets: { disconnect(): unknown }[] = []

  private constructor() {}

  static async start(
    count: number,
    options: { proxied?: boolean; limits?: Partial<Limits>; backbone?: string } = {},
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
      writeFileSync(config, JSON.stringify({ servers, limits: options.limits ?? {}, backbone: options.backbone }))
      const program = mesh.#spawn(id, config)
      mesh.servers.push({ id, port, url: `http://127.0.0.1:${port}`, config, program })
    }
    await until('all listen', () => mesh.servers.every(({ program }) => program.out.includes('Listening for')), 60_000)
    await until(
      'a mesh of all with all',
      () => mesh.servers.every(server => mesh.outboundLinkCount(server) >= count - 1),
      60_000,
    )
    return mesh
  }

  #spawn(id: string, config: string): Program {
    return new Program('daemon', ['--id', id, '--config', config, '--log-format', 'text'])
  }

  restart(server: RealServer): void {
    server.program = this.#spawn(server.id, server.config)
  }

  server(n: number): RealServer {
    const server = this.servers[n - 1]
    if (server === undefined) throw new Error(`no server ${n}`)
    return server
  }

  /** How many links a server has dialled so far. */
  outboundLinkCount(server: RealServer): number {
    return server.program.count('Outbound connection to peer')
  }

  /** The proxies between a server and all others, both ways. */
  proxiesOf(n: number): TcpProxy[] {
    const { id } = this.server(n)
    return [...this.#proxies].flatMap(([way, proxy]) => (way.split(' ').includes(id) ? [proxy] : []))
  }

  join(user: string, n: number): RealClient {
    const others = this.servers.map(server => server.url)
    const client = new RealClient(user, [this.server(n).url, ...others])
    this.clients.push(client)
    return client
  }

  /** An original client that does not come back: its user lives and dies with its server. */
  joinWithoutReconnect(user: string, n: number): void {
    const socket = io(this.server(n).url, { transports: ['websocket'], reconnection: false, forceNew: true })
    socket.on('connect', () => socket.emit('identify', user))
    this.#sockets.push(socket)
  }

  /** An identified connection, to write to below Socket.IO's client. */
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

  /** All but the sessions go. */
  disconnectSockets(): void {
    for (const socket of this.#sockets.splice(0)) socket.disconnect()
  }

  /** Everyone sees exactly these users. */
  async waitForRoster(users: readonly string[], within = 30_000): Promise<number> {
    const expected = [...users].sort().join()
    const wrong = () => this.clients.filter(client => client.roster.join() !== expected)
    return until(`everyone sees ${expected}`, () => wrong().length === 0, within).catch(error => {
      const seen = wrong().map(client => `${client.user} at ${client.server}: ${client.roster.join()}`)
      throw new Error(`${error.message}; ${seen.join('; ')}`)
    })
  }

  /** Every client sends to every user, again and again, until stopped. */
  startChatting(users: readonly string[], everyMs = 25): () => number {
    let turn = 0
    const timer = setInterval(() => {
      const sender = this.clients[turn % this.clients.length]
      const to = users[Math.floor(turn / this.clients.length) % users.length]
      if (sender !== undefined && to !== undefined) sender.send(to, `message ${turn}`)
      turn++
    }, everyMs)
    return () => {
      clearInterval(timer)
      return turn
    }
  }

  /**
   * What must hold once all is healed and quiet. Everyone is online by then, so no message is held any more: each was
   * confirmed by a client of its recipient.
   */
  async expectConverged(users: readonly string[]): Promise<void> {
    for (const [at, server] of this.servers.entries()) {
      if (server.program.exitStatus === undefined) this.join(users[at % users.length] ?? 'Anna', at + 1)
    }
    await this.waitForRoster(users, 60_000)
    const held = () => this.clients.flatMap(client => client.held)
    await until('no message is held', () => held().length === 0, 60_000)
    const alike = (client: RealClient, other: RealClient) => client.orderedIds.join() === other.orderedIds.join()
    const pairs = this.clients.flatMap(one => this.clients.map(other => [one, other] as const))
    const different = () => pairs.filter(([one, other]) => one.user === other.user && !alike(one, other))
    await until("a user's clients hold the same", () => different().length === 0, 60_000).catch(error => {
      const counts = different().map(([one, other]) => `${one.user}: ${one.shown.length} and ${other.shown.length}`)
      throw new Error(`${error.message}; ${counts.join('; ')}`)
    })
    for (const client of this.clients) {
      expect(new Set(client.shown.map(({ id }) => id)).size, `${client.user} shows each once`).toBe(client.shown.length)
    }
    for (const sender of this.clients) {
      for (const message of sender.composed) {
        const receivers = this.clients.filter(({ user }) => user === message.to)
        expect(
          receivers.some(({ shown }) => shown.some(({ id }) => id === message.id)),
          message.text,
        ).toBe(true)
      }
    }
    // Two who hold the same two messages hold them in the same order.
    for (const [one, other] of pairs) {
      const theirs = new Set(other.orderedIds)
      const both = one.orderedIds.filter(id => theirs.has(id))
      expect(other.orderedIds.filter(id => both.includes(id))).toEqual(both)
    }
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.close()
    this.disconnectSockets()
    for (const { program } of this.servers) program.child.kill('SIGKILL')
    await Promise.all([...this.#proxies.values()].map(proxy => proxy.close()))
  }
}
