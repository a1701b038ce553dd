/** What a connection may use is counted for its whole life: joining a namespace again gives nothing back. */

import { readFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { ClientGateway } from '../../../daemon/client-gateway.ts'
import { selfTest } from '../../../daemon/transport/self-test.ts'
import { SocketServer } from '../../../daemon/transport/socket-server.ts'
import { DEFAULT_LIMITS } from '../../../src/protocol/limits.ts'
import type { Input } from '../../../src/server/types.ts'
import { clientFrame, RawWebSocket } from '../../support/attacks/raw-web-socket.ts'
import { type InProcessServer, startInProcess } from '../../support/in-process-server.ts'
import { publicMeshProver, UNKNOWING_CORE } from '../../support/mesh-prover.ts'
import { until } from '../../support/programs/processes.ts'
import { keyNamed } from '../../support/simulation/plain-identity.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

async function start(options: Parameters<typeof startInProcess>[1] = {}) {
  const server = await startInProcess('server-1', options)
  cleanups.push(() => server.close())
  return { server, port: Number(new URL(server.url).port) }
}

/** Resolves when all counters of a server are back at 0. */
const allAreZero = (server: InProcessServer) =>
  until('all counters are 0', () => Object.values(server.counts()).every(count => count === 0))

function track(client: RawWebSocket): RawWebSocket {
  cleanups.push(() => client.close())
  return client
}

const KB = 1024
const MB = 1024 * KB

describe('namespaces', () => {
  test('a client that leaves the namespace is disconnected', async () => {
    const { server, port } = await start()
    const client = track(await RawWebSocket.join(port))
    client.send('41')
    await until('it is disconnected', () => !client.isOpen)
    await allAreZero(server)
  })

  test.each(['40', '40/mesh,{}', '40/other,'])(
    'a client that joins a second one, with %s, is disconnected',
    async packet => {
      const { server, port } = await start()
      const client = track(await RawWebSocket.join(port, 'Anna'))
      client.send(packet)
      await until('it is disconnected', () => !client.isOpen)
      await allAreZero(server)
    },
  )

  test('a stranger who joins again and again gets one roster per connection', async () => {
    const { server, port } = await start()
    const client = track(await RawWebSocket.join(port))
    client.send('420["roster"]')
    await until('it has a roster', () => client.received.includes('"users":'))
    const before = client.receivedBytes
    await client.rejoin(50, '420["roster"]')
    expect(client.isOpen).toBe(false)
    expect(client.receivedBytes - before).toBeLessThan(100)
    await allAreZero(server)
  })

  test('a client that joins again and again gets no more proofs checked', async () => {
    const { server, port } = await start({ auth: 'key' })
    const client = track(await RawWebSocket.join(port))
    const proof = { user: 'Anna', client: 'x/1', protocol: 2, key: keyNamed('Anna'), proof: 'x' }
    const attempts = Array.from({ length: 5 }, (_, n) => `42${n}${JSON.stringify(['identify', proof])}`)
    client.send(...attempts)
    await until('they are checked', () => client.received.includes('434['))
    const before = client.receivedBytes
    await client.rejoin(50, ...attempts)
    expect(client.isOpen).toBe(false)
    expect(client.receivedBytes - before).toBeLessThan(100)
    await allAreZero(server)
  })
})

describe('binary packets', () => {
  test.each([
    ['a binary frame', [clientFrame('x', { opcode: 2 })]],
    ['the header of a binary frame', [clientFrame('', { opcode: 2, length: 1 * MB })]],
    ['a binary event with an attachment to come', [clientFrame('451-["im",{"_placeholder":true,"num":0}]')]],
    ['a binary acknowledgement with an attachment to come', [clientFrame('461-0[{"_placeholder":true,"num":0}]')]],
    ['base64 of Engine.IO', [clientFrame('bAAAA')]],
  ])('%s ends the connection of an identified client', async (_, frames) => {
    const { server, port } = await start()
    const client = track(await RawWebSocket.join(port, 'Anna'))
    client.write(...frames)
    await until('it is disconnected', () => !client.isOpen)
    await allAreZero(server)
  })

  test('attachments that never complete are not held', async () => {
    const { server, port } = await start({ limits: { messagesPerSecond: 0 } })
    const clients = await Promise.all(Array.from({ length: 10 }, () => RawWebSocket.join(port, 'Anna').then(track)))
    for (const client of clients) {
      client.send('4510-["im"]')
      for (let n = 0; n < 5; n++) client.write(clientFrame('x'.repeat(MB), { opcode: 2 }))
    }
    await until('all are disconnected', () => clients.every(client => !client.isOpen))
    await allAreZero(server)
  })
})

describe('unfinished messages', () => {
  test('a stranger who sends more than 64 kB is disconnected, however it is cut into frames', async () => {
    const { server, port } = await start()
    const floods: Record<string, Buffer[]> = {
      'one frame': [clientFrame('x'.repeat(65 * KB))],
      'only the header of one': [clientFrame('', { length: 65 * KB })],
      fragments: Array.from({ length: 65 }, (_, n) =>
        clientFrame('x'.repeat(KB), { opcode: n === 0 ? 1 : 0, final: false }),
      ),
      'empty fragments': Array.from({ length: 600 }, (_, n) =>
        clientFrame('', { opcode: n === 0 ? 1 : 0, final: false }),
      ),
      'complete messages': Array.from({ length: 66 }, () => clientFrame(`42["${'x'.repeat(KB)}"]`)),
    }
    for (const [name, frames] of Object.entries(floods)) {
      const client = track(await RawWebSocket.join(port))
      client.write(...frames)
      await until(`it is disconnected: ${name}`, () => !client.isOpen)
    }
    await allAreZero(server)
  })

  test('a stranger may send almost 64 kB, and a user much more', async () => {
    const { server, port } = await start()
    const [stranger, user] = [track(await RawWebSocket.join(port)), track(await RawWebSocket.join(port, 'Anna'))]
    stranger.write(clientFrame('x'.repeat(60 * KB), { final: false }))
    user.write(clientFrame('x'.repeat(1_900 * KB), { final: false }))
    await until('the bytes are counted', () => server.counts().heldBytes > 1_960 * KB)
    expect([stranger.isOpen, user.isOpen]).toEqual([true, true])
    user.write(clientFrame('x'.repeat(100 * KB), { opcode: 0, final: false }))
    await until('the user is disconnected above 2 MB', () => !user.isOpen)
    stranger.close()
    await allAreZero(server)
  })

  test('strangers together hold no more than heldBytes, and cannot displace a user', async () => {
    // The strangers stay for the whole test.
    const { server, port } = await start({ limits: { heldBytes: MB, identifyMs: 120_000 } })
    const user = track(await RawWebSocket.join(port, 'Anna'))
    user.write(clientFrame('x'.repeat(500 * KB), { final: false }))
    await until('it is counted', () => server.counts().heldBytes > 500 * KB)
    const strangers: RawWebSocket[] = []
    let most = 0
    for (let n = 0; n < 40; n++) {
      const stranger = track(await RawWebSocket.join(port))
      strangers.push(stranger)
      stranger.write(clientFrame('x'.repeat((30 + (n % 2)) * KB), { final: false }))
      await until('it is counted', () => {
        most = Math.max(most, server.counts().heldBytes)
        return server.counts().heldBytes > 500 * KB + Math.min(n, 15) * 30 * KB
      })
    }
    expect(most).toBeLessThanOrEqual(MB)
    await until('the surplus is disconnected', () => strangers.filter(({ isOpen }) => isOpen).length <= 17)
    expect(user.isOpen).toBe(true)
    user.write(clientFrame('', { opcode: 0 }))
    await until('the finished message is released', () => server.counts().heldBytes < 524 * KB)
    for (const one of strangers) one.close()
    user.close()
    await allAreZero(server)
  })

  /** With listed origins, Engine.IO reads the body later. */
  const pages = [[], ['https://page.example']].map(origins => ({ origins }))
  test.each(pages)('a polling body counts while it arrives, up to 64 kB for a stranger; %j', async options => {
    const { server, port } = await start(options)
    const answer = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`)
    const sid = /"sid":"([^"]+)"/.exec(await answer.text())?.[1]
    const request = (length: number) =>
      `POST /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`
    const socket = connectTcp(port, '127.0.0.1').on('error', () => {})
    cleanups.push(() => socket.destroy())
    let isClosed = false
    socket.on('close', () => {
      isClosed = true
    })
    socket.resume()
    socket.write(request(100 * KB) + 'x'.repeat(50 * KB))
    await until('it is counted', () => server.counts().heldBytes >= 50 * KB)
    socket.write('x'.repeat(20 * KB))
    await until('the session is closed', () => server.counts().engine === 0)
    socket.destroy()
    await until('the socket is closed', () => isClosed)
    await allAreZero(server)
  })
})

describe('connections that send nothing', () => {
  const pem = (name: string) => readFileSync(new URL(`../../support/tls/${name}.pem`, import.meta.url), 'utf8')
  const tls = { cert: pem('one'), key: pem('one-key'), ca: pem('ca') }
  const upgrade = (path: string, protocol: string) =>
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`

  /** Resolves when the server has closed a connection whose client keeps its own side open. */
  async function isEnded(port: number, text: string): Promise<void> {
    const socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true })
    cleanups.push(() => socket.destroy())
    let isOpen = true
    socket.on('error', () => {})
    socket.on('close', () => {
      isOpen = false
    })
    socket.resume()
    socket.write(text)
    // Only a write shows the client that the server has no connection any more.
    const writes = setInterval(() => socket.write(' '), 50)
    await until(`the server closes it`, () => !isOpen).finally(() => clearInterval(writes))
  }

  test('a TCP connection that never sends a byte is closed', async () => {
    const { port } = await start({ limits: { identifyMs: 400 } })
    const socket = connectTcp(port, '127.0.0.1').on('error', () => {})
    cleanups.push(() => socket.destroy())
    let isOpen = true
    socket.on('close', () => {
      isOpen = false
    })
    socket.resume()
    // Without identifyMs it would take longer.
    await until('the server closes it', () => !isOpen, 9_000)
  })

  test.each([true, false])('with TLS, too, before and after its handshake: %s', async isEncrypted => {
    const { port } = await start({ tls, limits: { identifyMs: 400 } })
    const options = { port, host: '127.0.0.1', rejectUnauthorized: false }
    const socket = isEncrypted ? connectTls(options) : connectTcp(options)
    socket.on('error', () => {})
    cleanups.push(() => socket.destroy())
    let isOpen = true
    socket.on('close', () => {
      isOpen = false
    })
    socket.resume()
    // Without identifyMs it would take longer.
    await until('the server closes it', () => !isOpen, 9_000)
  })

  test.each([
    upgrade('/other', 'websocket'),
    upgrade('/socket.io/', 'other'),
    upgrade('/socket.io/?EIO=4', 'websocket'),
  ])(
    'a connection whose request %j for another protocol is not accepted is closed, though the client keeps its side open',
    async text => {
      const { port } = await start()
      await isEnded(port, text)
    },
  )
})

test('rosters that strangers do not read count as held, and the surplus is disconnected', async () => {
  const { features } = await selfTest()
  const log = { write: () => {}, note: () => {} }
  const limits = { ...DEFAULT_LIMITS, bufferedBytes: 40 * MB, heldBytes: 50 * MB, identifyMs: 120_000 }
  const cutOffCounts = { client: 0, peer: 0 }
  const server = new SocketServer({
    tls: undefined,
    pages: { hostNames: [], origins: [] },
    limits,
    log,
    features,
    cutOffCounts,
  })
  cleanups.push(() => server.close())
  // More than the kernel's buffers on loopback hold.
  const payload = { version: 1, users: Array.from({ length: 300_000 }, (_, n) => `${n}`.padStart(64, 'x')) }
  const step = (input: Input) => {
    if (input.type === 'roster') gateway.perform({ ...input, type: 'answer', payload })
  }
  const auth = { server: 's', mode: 'open', tokenKey: undefined, mesh: publicMeshProver('s', 'open') } as const
  const onPending = () => void setImmediate(() => gateway.flush())
  const gateway = new ClientGateway(server.io, auth, log, step, onPending, UNKNOWING_CORE)
  const port = await server.listen({ port: 0, host: '127.0.0.1' })
  const strangers: RawWebSocket[] = []
  let most = 0
  for (let n = 0; n < 8; n++) {
    const stranger = track(await RawWebSocket.join(port))
    strangers.push(stranger)
    stranger.pause()
    stranger.send('420["roster"]')
    await until('the roster waits, or a connection was disconnected', () => {
      most = Math.max(most, server.counts.heldBytes)
      // What the kernel has taken, some megabytes, does not count.
      return server.counts.heldBytes > 8 * MB * Math.min(n + 1, 2)
    })
  }
  expect(most).toBeLessThanOrEqual(50 * MB)
  expect(server.counts.engine).toBeLessThan(6)
  for (const one of strangers) one.close()
  await until('nothing is held', () => server.counts.heldBytes === 0 && server.counts.engine === 0)
})
