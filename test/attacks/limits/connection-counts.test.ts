/** Every counter of connections goes back to 0: no client can use up a limit for good. */
import { connect, type Socket as TcpSocket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { io, type Socket } from 'socket.io-client'
import { afterEach, describe, expect, test } from 'vitest'
import { ClientGateway } from '../../../daemon/client-gateway.ts'
import { SocketLinks } from '../../../daemon/links/socket-links.ts'
import { Backpressure } from '../../../daemon/transport/backpressure.ts'
import type { Engine } from '../../../daemon/transport/internals.ts'
import { selfTest } from '../../../daemon/transport/self-test.ts'
import { SocketServer } from '../../../daemon/transport/socket-server.ts'
import { DEFAULT_LIMITS, type Limits } from '../../../src/protocol/limits.ts'
import { FloodingClient } from '../../support/attacks/flooding-client.ts'
import { CarrierHarness } from '../../support/harness/carrier-harness.ts'
import { startInProcess } from '../../support/in-process-server.ts'
import { publicMeshProver, UNKNOWING_CORE } from '../../support/mesh-prover.ts'
import { until } from '../../support/programs/processes.ts'
import { keyNamed } from '../../support/simulation/plain-identity.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

const log = { write: () => {}, note: () => {} }

/** A server that counts the connections of loopback, too, with the gateway of the clients. */
async function startSocketServer(limits: Partial<Limits>) {
  const { features } = await selfTest()
  const server = new SocketServer({
    tls: undefined,
    pages: { hostNames: [], origins: [] },
    limits: { ...DEFAULT_LIMITS, ...limits },
    log,
    features,
    cutOffCounts: { client: 0, peer: 0 },
    isExempt: () => false,
  })
  const auth = { server: 's', mode: 'open', tokenKey: undefined, mesh: publicMeshProver('s', 'open') } as const
  const gateway = new ClientGateway(
    server.io,
    auth,
    log,
    () => {},
    () => {},
    UNKNOWING_CORE,
  )
  const port = await server.listen({ port: 0, host: '127.0.0.1' })
  cleanups.push(() => server.close())
  return { server, gateway, port, url: `http://127.0.0.1:${port}` }
}

function openClient(url: string, transports: string[]): Promise<Socket> {
  const client = io(url, { transports, forceNew: true, reconnection: false })
  cleanups.push(() => client.disconnect())
  return new Promise((resolve, reject) => {
    client.on('connect', () => resolve(client))
    client.on('connect_error', reject)
  })
}

describe('TCP connections per address', () => {
  const PER_ADDRESS = 5
  const MAX_TCP = 2 * PER_ADDRESS

  test.each([[['websocket']], [['polling']], [['polling', 'websocket']]])(
    'clients over %j connect and leave three times as often as the limit allows at once',
    async transports => {
      const { server, gateway, url } = await startSocketServer({ connectionsPerAddress: PER_ADDRESS })
      for (let round = 0; round < 3 * MAX_TCP; round += PER_ADDRESS) {
        const clients = await Promise.all(Array.from({ length: PER_ADDRESS }, () => openClient(url, transports)))
        expect(server.counts.tcp).toBeGreaterThan(0)
        for (const client of clients) client.disconnect()
        await until('all are counted down', () => server.counts.engine === 0 && gateway.counts.clients === 0)
        // Node's HTTP agent of a polling client keeps its connections for a while: they are of this process.
        server.http.closeIdleConnections()
        await until('all TCP connections are counted down', () => server.counts.tcp === 0)
      }
    },
  )

  test('connections that send nothing, half a request or a broken one count down when they close', async () => {
    const { server, port } = await startSocketServer({ connectionsPerAddress: PER_ADDRESS })
    const upgrade = 'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n'
    const requests = [
      '',
      upgrade,
      `${upgrade}Upgrade: websocket\r\n\r\n`,
      `${upgrade}Upgrade: other\r\n\r\n`,
      'GET / x\r\n\r\n',
    ]
    for (let n = 0; n < 3 * MAX_TCP; n++) {
      const socket = connect(port, '127.0.0.1').on('error', () => {})
      await new Promise(resolve => socket.once('connect', resolve))
      socket.write(requests[n % requests.length] ?? '')
      await new Promise(resolve => setImmediate(resolve))
      socket.destroy()
    }
    await until('all are counted down', () => server.counts.tcp === 0)
  })

  test('connections above the limit are refused until others close', async () => {
    const { server, port } = await startSocketServer({ connectionsPerAddress: PER_ADDRESS })
    const open = () =>
      new Promise<TcpSocket | undefined>(resolve => {
        const socket = connect(port, '127.0.0.1').on('error', () => {})
        cleanups.push(() => socket.destroy())
        const before = server.counts.tcp
        socket.on('close', () => resolve(undefined))
        socket.on(
          'connect',
          () =>
            void until('it is counted', () => server.counts.tcp > before).then(
              () => resolve(socket),
              () => {},
            ),
        )
      })
    const sockets: (TcpSocket | undefined)[] = []
    for (let n = 0; n < MAX_TCP; n++) sockets.push(await open())
    expect(server.counts.tcp).toBe(MAX_TCP)
    expect(await open()).toBeUndefined()
    sockets[0]?.destroy()
    await until('one is counted down', () => server.counts.tcp === MAX_TCP - 1)
    expect(await open()).toBeDefined()
  })
})

test('clients, their calls and their connections are counted down', async () => {
  const server = await startInProcess('server-1')
  cleanups.push(() => server.close())
  const clients = await Promise.all([openClient(server.url, ['websocket']), openClient(server.url, ['polling'])])
  for (const [at, client] of clients.entries()) {
    // A second argument keeps the packet away from the event reader.
    expect(await client.emitWithAck('identify', { user: `user-${at}`, client: 'x/1', protocol: 2 })).toMatchObject({
      ok: true,
    })
    expect(await client.emitWithAck('im', 5, 5)).toMatchObject({ ok: false })
    for (const event of ['got', 'relay', 'im', 'identify', 'roster', 'key', 'survey']) {
      await client.timeout(60_000).emitWithAck(event, { wrong: 'payload' }, 5)
    }
    client.emit('unknown', () => {})
  }
  expect(server.counts()).toMatchObject({ engine: 2, clients: 2 })
  await until('each call is answered', () => server.counts().pendingCalls === 0)
  for (const client of clients) client.disconnect()
  await until('all are counted down', () => Object.values(server.counts()).every(count => count === 0))
})

test('the limits of clients recover: as many again can connect when the first have left', async () => {
  const server = await startInProcess('server-1', { limits: { connections: 5, connectionsPerUser: 3 } })
  cleanups.push(() => server.close())
  for (let round = 0; round < 3; round++) {
    const clients: Socket[] = []
    for (let n = 0; n < 5; n++) {
      const client = await openClient(server.url, ['websocket'])
      clients.push(client)
      const user = n < 3 ? 'Anna' : 'Billy'
      expect(await client.emitWithAck('identify', { user, client: 'x/1', protocol: 2 })).toMatchObject({ ok: true })
    }
    for (const client of clients) client.disconnect()
    await until('all are counted down', () => server.counts().engine === 0)
  }
})

test('a connection has its number of proofs for itself: a new one starts at 0', async () => {
  const server = await startInProcess('server-1', { auth: 'key' })
  cleanups.push(() => server.close())
  const hello = { user: 'Anna', client: 'x/1', protocol: 2, key: keyNamed('Anna'), proof: 'x' }
  for (let round = 0; round < 2; round++) {
    const client = await openClient(server.url, ['websocket'])
    const answer = await client.emitWithAck('identify', hello)
    expect(answer).toMatchObject({ ok: false })
    expect(answer.message).not.toMatch(/too many/)
    client.disconnect()
  }
})

test('handshakes, dials, decisions and links of peers are counted down', async () => {
  const limits = { handshakes: 3 }
  const [one, other] = [
    await CarrierHarness.onSockets('server-1'),
    await CarrierHarness.onSockets('server-2', { limits }),
  ]
  cleanups.push(
    () => one.close(),
    () => other.close(),
  )
  const links = (harness: CarrierHarness) =>
    harness.carrier instanceof SocketLinks ? harness.carrier.counts : undefined
  const nothing = { links: 0, waiting: 0, handshakes: 0, dials: 0, decisions: 0 }
  const party = { id: 'x', incarnation: 'x#1', protocol: 2, nonce: 'A'.repeat(22) }
  // Handshakes that are never finished: more than the limit, and each left in another way.
  const silent: Socket[] = []
  for (let n = 0; n < 9; n++) {
    const socket = io(`${other.url}/mesh`, {
      auth: party,
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
    })
    silent.push(socket)
    await new Promise(resolve => socket.once('challenge', resolve))
    expect(links(other)?.handshakes).toBeLessThanOrEqual(3)
    if (n % 3 === 1) socket.emit('prove', 'no function to answer')
    if (n % 3 === 2) await socket.emitWithAck('prove', 'a wrong proof')
  }
  for (const socket of silent) socket.disconnect()
  await until('the handshakes are counted down', () => links(other)?.handshakes === 0)
  for (let round = 0; round < 3; round++) {
    const link = await one.link(other)
    const isCounted = (harness: CarrierHarness) => isDeepStrictEqual(links(harness), { ...nothing, links: 1 })
    await until('each has one link, and nothing under way', () => isCounted(one) && isCounted(other))
    one.carrier.perform({ type: 'hang-up', link: link.out, reason: 'a test' })
    await until('the link is counted down', () => links(other)?.links === 0)
  }
  expect([links(one), links(other)]).toEqual([nothing, nothing])
})

test('a closed connection can be collected, with its backpressure and its batch', async () => {
  const { server, port } = await startSocketServer({})
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const gc: () => void = runInNewContext('gc')
  const references: WeakRef<object>[] = []
  server.io.engine.on('connection', (engine: Engine) => {
    references.push(new WeakRef(engine), new WeakRef(Backpressure.of(engine)))
  })
  const clients = Array.from({ length: 5 }, () => new FloodingClient(port, 'Anna'))
  await until('all are connected', () => clients.every(({ received }) => received.includes('40{"sid"')))
  for (const client of clients) client.close()
  await until('all are closed', () => server.counts.engine === 0)
  expect(references).toHaveLength(10)
  await until('all are collected', () => {
    gc()
    return references.every(reference => reference.deref() === undefined)
  })
})
