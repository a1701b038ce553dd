/** A mesh on a NATS backbone with many users, whose NATS is killed or freezes. `MESH_CHAT_CROWD` is their number. */
import { io, type Socket } from 'socket.io-client'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { NatsServer, natsMissingReason } from '../../support/programs/nats-server.ts'
import { stopAll, until } from '../../support/programs/processes.ts'
import { RealMesh } from '../../support/programs/real-mesh.ts'

const CROWD = Number(process.env.MESH_CHAT_CROWD ?? 2_000)
const JOIN_AT_ONCE = 100
const USERS = ['Anna', 'Billy', 'Carla']

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const end of cleanups.splice(0).reverse()) await end()
})
afterAll(stopAll)

/** Users who stay online and do nothing, each with a view of the roster. */
class Crowd {
  readonly users: readonly string[]
  readonly #sockets: Socket[] = []
  lost = 0

  constructor(count: number) {
    this.users = Array.from({ length: count }, (_, n) => `crowd-${n}`)
  }

  async join(url: string): Promise<void> {
    for (let at = 0; at < this.users.length; at += JOIN_AT_ONCE)
      await Promise.all(this.users.slice(at, at + JOIN_AT_ONCE).map(user => this.#connect(url, user)))
  }

  async #connect(url: string, user: string): Promise<void> {
    const socket = io(url, { transports: ['websocket'], reconnection: false, forceNew: true })
    this.#sockets.push(socket)
    socket.on('disconnect', () => void this.lost++)
    await new Promise<void>((resolve, reject) => {
      socket.on('connect_error', reject)
      socket.on('connect', () =>
        socket.emit('identify', { user, client: 'crowd/1', protocol: 2, views: true }, ({ ok }: { ok: boolean }) =>
          ok ? resolve() : reject(new Error(`${user} is refused`)),
        ),
      )
    })
  }

  close(): void {
    for (const socket of this.#sockets) socket.disconnect()
  }
}

describe.skipIf(natsMissingReason !== undefined)(`with ${CROWD.toLocaleString('en')} users on a server`, () => {
  const faults = [
    ['is killed and starts again', 'SIGKILL', (nats: NatsServer) => nats.start()],
    ['freezes and continues', 'SIGSTOP', (nats: NatsServer) => nats.kill('SIGCONT')],
  ] as const
  test.each(faults)(
    'all messages are delivered once, and all rosters are whole, after NATS %s',
    {
      timeout: 600_000,
    },
    async (_, signal, repair) => {
      const nats = await NatsServer.start()
      cleanups.push(() => nats.kill('SIGCONT') ?? nats.kill())
      const limits = { connectionsPerAddress: 0, wholeRoster: 100 }
      const mesh = await RealMesh.start(2, { backbone: nats.url, limits })
      cleanups.push(() => mesh.close())
      const crowd = new Crowd(CROWD)
      cleanups.push(() => crowd.close())
      await crowd.join(mesh.server(1).url)
      for (const [at, user] of USERS.entries()) mesh.join(user, (at % 2) + 1)
      mesh.join('Anna', 2)
      const everyone = [...USERS, ...crowd.users]
      await mesh.waitForRoster(everyone, 60_000)

      const stop = mesh.startChatting(USERS, 10)
      const sentCount = () => mesh.clients.reduce((sum, { composed }) => sum + composed.length, 0)
      await until('messages are sent', () => sentCount() > 100, 60_000)
      const noticed = () => mesh.servers.map(({ program }) => program.count('Backbone at: '))
      const [before, links] = [noticed(), mesh.servers.map(server => mesh.outboundLinkCount(server))]
      nats.kill(signal)
      await until('all servers have noticed', () => noticed().every((count, at) => count > (before[at] ?? 0)), 60_000)
      const lost = sentCount()
      await until('messages are sent meanwhile', () => sentCount() > lost + 100, 60_000)
      // The users of the other server have left: it gets a snapshot of them again.
      const isAlone = () => mesh.clients.some(({ server, roster }) => server === 'server-2' && roster.length < CROWD)
      await until('the grace period has ended', isAlone, 60_000)
      await repair(nats)
      await until(
        'both are linked again',
        () => mesh.servers.every((server, at) => mesh.outboundLinkCount(server) > (links[at] ?? 0)),
        60_000,
      )
      const linked = sentCount()
      await until('more messages are sent', () => sentCount() > linked + 200, 60_000)
      stop()
      await mesh.expectConverged(everyone)
      expect(crowd.lost).toBe(0)
    },
  )
})
