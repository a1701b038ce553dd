/** The connection to NATS: slow, frozen and unsuitable NATS servers, and several to choose from. */
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { NatsClient } from '../../../daemon/links/nats/nats-client.ts'
import type { Log } from '../../../daemon/log/log.ts'
import { NatsServer, natsMissingReason } from '../../support/programs/nats-server.ts'
import { freePorts, until } from '../../support/programs/processes.ts'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const end of cleanups.splice(0).reverse()) await end()
})

async function startNats(...args: string[]): Promise<NatsServer> {
  const nats = await NatsServer.start(...args)
  cleanups.push(() => nats.kill())
  return nats
}

/** A NATS server that completes as much of the connect as `greet` says, then stops reading. */
async function startFakeNats(greet: { info?: object; hello?: string; pong: boolean }) {
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    if (greet.info !== undefined) socket.write(`INFO ${JSON.stringify(greet.info)}\r\n`)
    if (greet.hello !== undefined) socket.write(greet.hello)
    let pinged = false
    socket.on('data', chunk => {
      pinged ||= chunk.includes('PING\r\n')
      if (!pinged || !greet.pong) return
      socket.pause()
      socket.write('PONG\r\nPONG\r\n')
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return { sockets, url: `nats://127.0.0.1:${typeof address === 'object' ? address?.port : ''}` }
}

/** A NatsClient without links, and counts of its events. */
function connectNats(urls: readonly string[], maxBufferedBytes = 0) {
  const lines: string[] = []
  const log: Log = { write: (_, line) => void lines.push(line), note: () => {} }
  const seen = { up: 0, down: 0 }
  const count = (what: keyof typeof seen) => () => void seen[what]++
  const base = {
    name: 'test',
    inbox: 'mesh-chat.inbox.test',
    onPublishDenied: () => false,
    ca: () => undefined,
    log,
    maxBufferedBytes: () => maxBufferedBytes,
  }
  const nats = new NatsClient({
    ...base,
    cutOffCounts: { client: 0, peer: 0 },
    urls,
    onConnect: async () => count('up')(),
    onReady: () => {},
    onDisconnect: count('down'),
  })
  cleanups.push(() => nats.close())
  return { nats, lines, seen }
}

const INFO = { server_id: 'x', version: '2.9.10', proto: 1, max_payload: 1_048_576, headers: true }
describe('a faulty NATS server', () => {
  test('a NATS server that does not read is disconnected at the limit, which is logged', async () => {
    const deaf = await startFakeNats({ info: INFO, pong: true })
    const { nats, lines, seen } = connectNats([deaf.url], 1_000_000)
    await until('it is connected', () => seen.up === 1)
    const payload = Buffer.alloc(100_000)
    let published = 0
    // Bytes in kernel buffers do not count.
    await until('it is disconnected', () => {
      for (let n = 0; n < 5 && seen.down === 0; n++) nats.publish('x', payload)
      published += 5 * payload.length
      return seen.down === 1
    })
    expect(published).toBeLessThan(50_000_000)
    await until('it is logged', () => lines.some(line => /unreachable: slow consumer: NATS does not read/.test(line)))
    nats.publish('x', payload)
    expect(nats.subscribe('x', () => {}).unsubscribe()).toBeUndefined()
  })

  test('a frozen NATS server does not accumulate connections', async () => {
    const mute = await startFakeNats({ pong: false })
    const { lines } = connectNats([mute.url])
    await until(
      'the client tried twice',
      () => lines.filter(line => line.includes('no answer within 4 s')).length === 2,
    )
    expect(mute.sockets.size).toBeLessThanOrEqual(1)
    const other = await startFakeNats({ hello: 'HTTP/1.1 400 Bad Request\r\n\r\n', pong: false })
    const web = connectNats([other.url])
    await until('it is logged', () => web.lines.some(line => line.includes('is not NATS')))
  })

  test('publishing while the connection closes does not throw', async () => {
    const deaf = await startFakeNats({ info: INFO, pong: true })
    const { nats, seen } = connectNats([deaf.url])
    await until('it is connected', () => seen.up === 1)
    const { connection } = nats
    void connection?.close()
    // The connection is closed for a moment before `onDisconnect` is called.
    let between = 0
    while (seen.down === 0) {
      if (connection?.isClosed() === true) between++
      nats.publish('x', Buffer.from('hi'))
      nats.subscribe('x', () => {})
      await Promise.resolve()
    }
    expect(between).toBeGreaterThan(0)
  })

  test('a NATS server with a small max_payload is not used', async () => {
    const small = await startFakeNats({ info: { ...INFO, max_payload: 1_000 }, pong: true })
    const { lines, seen } = connectNats([small.url])
    await until('it is logged', () =>
      lines.some(line => /max_payload is 1000 bytes; set it to at least 16384/.test(line)),
    )
    expect(seen.up).toBe(0)
  })

  test.skipIf(natsMissingReason !== undefined)('the next of several NATS servers is tried', async () => {
    const nats = await startNats()
    const down = (await freePorts(3)).map(port => `nats://127.0.0.1:${port}`)
    // With random tries, six clients would hardly all find it this fast.
    const six = Array.from({ length: 6 }, () => connectNats([...down, nats.url]))
    await until('all are connected', () => six.every(({ seen }) => seen.up === 1))
    const failures = six.map(({ lines }) => lines.filter(line => line.includes('unreachable')).length)
    expect(Math.max(...failures)).toBeLessThanOrEqual(down.length)
  })
})
