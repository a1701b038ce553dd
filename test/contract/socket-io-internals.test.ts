/** What daemon/transport builds on inside of Engine.IO and ws, on real connections. */
import { once } from 'node:events'
import type { Socket as TcpSocket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Socket } from 'socket.io'
import { type Socket as ClientSocket, io } from 'socket.io-client'
import { afterEach, expect, test } from 'vitest'
import { Backpressure } from '../../daemon/transport/backpressure.ts'
import { EARLY_PING_MS } from '../../daemon/transport/heartbeat.ts'
import { type Engine, idleTcpOf, webSocketOf } from '../../daemon/transport/internals.ts'
import { EventReader } from '../../daemon/transport/packets/event-reader.ts'
import { FrameBatch } from '../../daemon/transport/packets/frame-batch.ts'
import { Packet } from '../../daemon/transport/packets/packet.ts'
import { releaseRequest } from '../../daemon/transport/release-request.ts'
import { selfTest } from '../../daemon/transport/self-test.ts'
import { SocketServer } from '../../daemon/transport/socket-server.ts'
import { DEFAULT_LIMITS } from '../../src/protocol/limits.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

/** A server, a client of it, the server's side of their connection, and the events that the event reader took. */
async function connectPair(
  transport: 'websocket' | 'polling',
): Promise<{ client: ClientSocket; socket: Socket; events: unknown[] }> {
  const { features } = await selfTest()
  const server = new SocketServer({
    tls: undefined,
    pages: { hostNames: [], origins: [] },
    limits: DEFAULT_LIMITS,
    log: { write: () => {}, note: () => {} },
    features,
    cutOffCounts: { client: 0, peer: 0 },
  })
  const events: unknown[] = []
  server.io.engine.on('connection', (engine: Engine) => {
    const reader = EventReader.of(engine)
    if (reader === undefined) return
    reader.receiver = {
      handleEvent: (event, payload, call) => {
        if (event === 'unknown') return false
        events.push([event, payload, call])
        return true
      },
      flush() {},
    }
  })
  const port = await server.listen({ port: 0, host: '127.0.0.1' })
  const accepted = new Promise<Socket>(resolve => server.io.once('connection', resolve))
  const client = io(`http://127.0.0.1:${port}`, { transports: [transport] })
  cleanups.push(
    () => server.close(),
    () => client.close(),
  )
  return { client, socket: await accepted, events }
}

function batchOf({ conn }: Socket, onPending: () => void = () => {}): FrameBatch {
  return new FrameBatch(conn, onPending, Backpressure.of(conn))
}

/** The events that a client receives. */
function receivedBy(client: ClientSocket): unknown[] {
  const received: unknown[] = []
  client.onAny((event, payload) => received.push([event, payload]))
  return received
}

const EVENTS = [
  ['short', 'x'],
  ['medium', 'ü'.repeat(200)],
  ['long', '棕'.repeat(70_000)],
  ['last', { deep: [1, null, '"quoted"'] }],
] as const

test.each([
  ['websocket', 1],
  ['polling', EVENTS.length],
] as const)('over %s the packets of a turn arrive in order, and are %i for Engine.IO', async (transport, count) => {
  const { client, socket } = await connectPair(transport)
  const received = receivedBy(client)
  let pending = 0
  const batch = batchOf(socket, () => pending++)
  let created = 0
  socket.conn.on('packetCreate', () => created++)
  for (const [event, payload] of EVENTS) batch.add(new Packet(`2${JSON.stringify([event, payload])}`))
  expect(pending).toBe(1)
  batch.flush(performance.now())
  expect(created).toBe(count)
  batch.add(new Packet('2["before",0]'))
  socket.emit('after', 1)
  const expected = [...EVENTS, ['before', 0], ['after', 1]].map(one => [...one])
  await expect.poll(() => received).toEqual(expected)
})

test('batches and packets of Socket.IO itself arrive in the order in which they were written', async () => {
  const { client, socket } = await connectPair('websocket')
  const received = receivedBy(client)
  const batch = batchOf(socket)
  for (let n = 0; n < 50; n++) {
    if (n % 3 === 2) socket.emit('event', n)
    else batch.add(new Packet(`2["event",${n}]`))
    if (n % 5 === 0) batch.flush(performance.now())
    if (n % 7 === 0) await nextTurn()
  }
  batch.flush(performance.now())
  const expected = Array.from({ length: 50 }, (_, n) => ['event', n])
  await expect.poll(() => received).toEqual(expected)
})

/** Counts the packets that Engine.IO creates on a connection, by type. */
function countCreated({ conn }: Socket): Record<string, number> {
  const counts: Record<string, number> = {}
  conn.on('packetCreate', ({ type }: { type: string }) => {
    counts[type] = (counts[type] ?? 0) + 1
  })
  return counts
}

test('the only packet of a turn goes past Engine.IO, unless something waits there', async () => {
  const { client, socket } = await connectPair('websocket')
  const received = receivedBy(client)
  const batch = batchOf(socket)
  await expect.poll(() => idleTcpOf(socket.conn)).toBeDefined()
  const created = countCreated(socket)
  const send = (n: number) => {
    batch.add(new Packet(`2["event",${n}]`))
    batch.flush(performance.now())
  }
  send(1)
  expect(created).toEqual({})
  socket.emit('event', 2)
  // Engine.IO sends the packet before in this turn.
  send(3)
  expect(created).toEqual({ message: 2 })
  await expect.poll(() => idleTcpOf(socket.conn)).toBeDefined()
  send(4)
  expect(created).toEqual({ message: 2 })
  const expected = [1, 2, 3, 4].map(n => ['event', n])
  await expect.poll(() => received).toEqual(expected)
})

/** Sends packets to a client that does not read, past Engine.IO, until the buffers of the kernel are full. */
async function fill(client: ClientSocket, socket: Socket) {
  const { budget } = Backpressure.of(socket.conn)
  budget.markIdentified()
  const received = receivedBy(client)
  const batch = batchOf(socket)
  await expect.poll(() => idleTcpOf(socket.conn)).toBeDefined()
  const tcp = (client.io.engine.transport as unknown as { ws: { _socket: TcpSocket } }).ws._socket
  tcp.pause()
  const created = countCreated(socket)
  let sent = 0
  const send = (payload: string) => {
    batch.add(new Packet(`2${JSON.stringify(['event', sent++, payload])}`))
    batch.flush(performance.now())
  }
  while (budget.unreadBytes === 0) {
    send('x'.repeat(100_000))
    await nextTurn()
  }
  expect(created).toEqual({})
  const allReceived = async () => {
    await expect.poll(() => received.length).toBe(sent)
    expect(received).toEqual(Array.from({ length: sent }, (_, n) => ['event', n]))
  }
  return { budget, tcp, send, allReceived }
}

test('what the kernel does not take of a packet counts as unread until it is sent', async () => {
  const { client, socket } = await connectPair('websocket')
  const { budget, tcp, allReceived } = await fill(client, socket)
  expect(idleTcpOf(socket.conn)).toBeUndefined()
  tcp.resume()
  await allReceived()
  await expect.poll(() => budget.unreadBytes).toBe(0)
  expect(idleTcpOf(socket.conn)).toBeDefined()
})

test('further packets for a client that does not read wait in order', async () => {
  const { client, socket } = await connectPair('websocket')
  const { budget, tcp, send, allReceived } = await fill(client, socket)
  for (let more = 0; more < 3; more++) send('y')
  tcp.resume()
  await allReceived()
  await expect.poll(() => budget.unreadBytes).toBe(0)
})

test('no packet goes past Engine.IO on a connection that it closes', async () => {
  const { socket } = await connectPair('websocket')
  await expect.poll(() => idleTcpOf(socket.conn)).toBeDefined()
  socket.conn.close()
  expect(idleTcpOf(socket.conn)).toBeUndefined()
})

test('a packet takes a ping along when one is due soon, once; the answer counts for Engine.IO', async () => {
  const { client, socket } = await connectPair('websocket')
  const batch = batchOf(socket)
  const now = performance.now()
  await expect.poll(() => idleTcpOf(socket.conn)).toBeDefined()
  let pings = 0
  let pongs = 0
  client.io.on('ping', () => pings++)
  socket.conn.on('heartbeat', () => pongs++)
  const sendAt = async (at: number, event: string) => {
    const received = new Promise<void>(resolve => client.once(event, () => resolve()))
    batch.add(new Packet(`2["${event}"]`))
    batch.flush(at)
    await received
    await expect.poll(() => idleTcpOf(socket.conn)).toBeDefined()
  }
  await sendAt(now + EARLY_PING_MS - 100, 'one')
  await sendAt(now + EARLY_PING_MS + 100, 'two')
  await sendAt(now + EARLY_PING_MS + 200, 'three')
  await expect.poll(() => pongs).toBe(1)
  expect(pings).toBe(1)
  // Version 3 of Engine.IO: the client pings.
  Object.defineProperty(socket.conn, 'protocol', { value: 3 })
  await sendAt(now + 3 * EARLY_PING_MS, 'four')
  expect(pings).toBe(1)
})

test('after a ping of Engine.IO, packets take none along for a while', async () => {
  const { client, socket } = await connectPair('websocket')
  const batch = batchOf(socket)
  await expect.poll(() => idleTcpOf(socket.conn)).toBeDefined()
  let pings = 0
  client.io.on('ping', () => pings++)
  const pinged = once(socket.conn, 'heartbeat')
  await pinged
  const sent = new Promise<void>(resolve => client.once('last', () => resolve()))
  batch.add(new Packet('2["event"]'))
  batch.flush(performance.now())
  socket.emit('last')
  await sent
  expect(pings).toBe(1)
})

test('the event reader takes events; what it does not take goes to Socket.IO, in order', async () => {
  const { client, events, socket } = await connectPair('websocket')
  const others: unknown[] = []
  socket.onAny((event, payload) => others.push([event, payload]))
  client.emit('one', { a: 1 }, () => {})
  client.emit('two', 'text')
  await expect
    .poll(() => events)
    .toEqual([
      ['one', { a: 1 }, expect.any(Number)],
      ['two', 'text', undefined],
    ])
  client.emit('unknown', 1)
  client.emit('three', 1, 2, 3)
  await expect
    .poll(() => others)
    .toEqual([
      ['unknown', 1],
      ['three', 1],
    ])
})

test('an event does not overtake an earlier packet of the same turn that Socket.IO handles', async () => {
  const { events, socket } = await connectPair('websocket')
  const others: unknown[] = []
  socket.onAny((event, payload) => others.push([event, payload]))
  const webSocket = webSocketOf(socket.conn) as unknown as NodeJS.EventEmitter
  const receive = (text: string) => webSocket.emit('message', Buffer.from(text), false)
  receive('42["unknown",1]')
  receive('42["one",2]')
  await expect
    .poll(() => others)
    .toEqual([
      ['unknown', 1],
      ['one', 2],
    ])
  expect(events).toEqual([])
  receive('42["one",3]')
  expect(events).toEqual([['one', 3, undefined]])
})

test('a pong does not send the events of its turn through Socket.IO', async () => {
  const { events, socket } = await connectPair('websocket')
  const webSocket = webSocketOf(socket.conn) as unknown as NodeJS.EventEmitter
  let pongs = 0
  socket.conn.on('heartbeat', () => pongs++)
  await nextTurn()
  webSocket.emit('message', Buffer.from('3'), false)
  webSocket.emit('message', Buffer.from('42["one",1]'), false)
  expect(pongs).toBe(1)
  expect(events).toEqual([['one', 1, undefined]])
})

test('packets with the same end share one buffer, alone in a batch and with others', async () => {
  const { client, socket } = await connectPair('websocket')
  const received = receivedBy(client)
  const batch = batchOf(socket)
  const end = Buffer.from(`${JSON.stringify('ü'.repeat(40_000))}]`)
  const packets = ['one', 'two', 'three'].map(event => new Packet(`2[${JSON.stringify(event)},`, end))
  expect(packets[0]?.frame[1]).toBe(end)
  for (const [at, packet] of packets.entries()) {
    batch.add(packet)
    if (at !== 1) batch.flush(performance.now())
  }
  const expected = ['one', 'two', 'three'].map(event => [event, 'ü'.repeat(40_000)])
  await expect.poll(() => received).toEqual(expected)
})

test('a connection works on when its request is released', async () => {
  const { client, socket } = await connectPair('websocket')
  releaseRequest(socket)
  expect(socket.request).toBeNull()
  socket.on('unknown', (_, answer) => answer('yes'))
  expect(await client.emitWithAck('unknown', 1)).toBe('yes')
  const closed = once(socket, 'disconnect')
  client.close()
  await closed
  expect(socket.nsp.sockets.size).toBe(0)
})

test("an upgrade leaves no close listener of Engine.IO's response on the TCP socket, and all others", async () => {
  const { socket } = await connectPair('websocket')
  const { _socket: tcp } = (socket.conn.transport as unknown as { socket: { _socket: NodeJS.EventEmitter } }).socket
  const names = tcp.rawListeners('close').map(listener => {
    const { listener: original } = listener as { listener?: () => void }
    return { name: (original ?? listener).name, isOnce: original !== undefined }
  })
  expect(names.filter(({ isOnce }) => isOnce)).toEqual([])
  expect(names.map(({ name }) => name)).toContain('socketOnClose')
})
