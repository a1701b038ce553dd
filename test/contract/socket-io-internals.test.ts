/** What three files of the daemon build on inside engine.io is there, and without it all is as it was, only slower. */
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server, type Socket } from 'socket.io'
import { io } from 'socket.io-client'
import { afterEach, expect, test, vi } from 'vitest'
import { EventReader } from '../../daemon/transport/event-reader.ts'
import { type CreatedPacket, FrameBatch, Packet, preEncodeFrame } from '../../daemon/transport/frame-batch.ts'
import { releaseRequest } from '../../daemon/transport/release-request.ts'

let server: Server
let http: HttpServer

afterEach(() => server.close())

/** A server, a client of it, and the server's side of their connection. */
async function connectPair(transport: 'websocket' | 'polling') {
  http = createServer()
  server = new Server(http)
  const read: unknown[] = []
  server.engine.on('connection', engine => {
    EventReader.install(engine, () => {})
    const packets = EventReader.of(engine)
    if (packets === undefined) return
    packets.onEvent = (event, payload, call) => {
      if (event === 'ordinary') return false
      read.push([event, payload, call])
      return true
    }
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const accepted = new Promise<Socket>(resolve => server.once('connection', resolve))
  const client = io(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, { transports: [transport] })
  return { client, read, socket: await accepted }
}

/** The frames that go straight to `ws`. */
function spyOnFrames(socket: Socket) {
  const { transport } = socket.conn as unknown as { transport: { socket?: { _sender: { sendFrame(): void } } } }
  return transport.socket === undefined ? undefined : vi.spyOn(transport.socket._sender, 'sendFrame')
}

const events = [
  ['short', 'x'],
  ['medium', 'ü'.repeat(200)],
  ['long', '棕'.repeat(70_000)],
  ['last', { deep: [1, null, '"quoted"'] }],
] as const

test.each([
  ['websocket', 1],
  ['polling', events.length],
] as const)('over %s all packets of a turn arrive in order, in %i writes', async (transport, writes) => {
  const { client, socket } = await connectPair(transport)
  const received: unknown[] = []
  client.onAny((event, payload) => received.push([event, payload]))
  let waits = 0
  const frames = new FrameBatch(socket.conn, () => waits++)
  let written = 0
  socket.conn.on('packetCreate', () => written++)
  const straight = spyOnFrames(socket)
  for (const [event, payload] of events) frames.add(new Packet(`2${JSON.stringify([event, payload])}`))
  expect(waits).toBe(1)
  frames.flush()
  expect(written + (straight?.mock.calls.length ?? 0)).toBe(writes)
  frames.add(new Packet('2["before",0]'))
  // What Socket.IO writes itself goes behind what waits.
  socket.emit('behind', 1)
  await expect
    .poll(() => received, { timeout: 10_000 })
    .toEqual([...events, ['before', 0], ['behind', 1]].map(one => [...one]))
  client.close()
})

test('frames go straight to ws, but behind what engine.io still has to write', async () => {
  const { client, socket } = await connectPair('websocket')
  const received: unknown[] = []
  client.onAny((event, payload) => received.push([event, payload]))
  let passed = 0
  const frames = new FrameBatch(socket.conn, () => {}, { checkBuffered: () => passed++ })
  let written = 0
  socket.conn.on('packetCreate', () => written++)
  const say = (n: number) => {
    frames.add(new Packet(`2["frame",${n}]`))
    frames.flush()
  }
  say(1)
  say(2)
  expect([written, passed]).toEqual([0, 2])
  // Until this is written, engine.io keeps what comes behind it.
  socket.emit('ordinary', 3)
  say(4)
  expect([written, passed]).toEqual([2, 2])
  await expect
    .poll(() => received, { timeout: 10_000 })
    .toEqual([
      ['frame', 1],
      ['frame', 2],
      ['ordinary', 3],
      ['frame', 4],
    ])
  say(5)
  expect([written, passed]).toEqual([2, 3])
  await expect.poll(() => received.length, { timeout: 10_000 }).toBe(5)
  client.close()
})

test('events are read without the general decoder, those that are not taken go the ordinary way, in order', async () => {
  const { client, read, socket } = await connectPair('websocket')
  const ordinary: unknown[] = []
  socket.onAny((event, payload) => ordinary.push([event, payload]))
  client.emit('one', { a: 1 }, () => {})
  client.emit('two', 'text')
  await expect
    .poll(() => read, { timeout: 10_000 })
    .toEqual([
      ['one', { a: 1 }, expect.any(Number)],
      ['two', 'text', undefined],
    ])
  client.emit('ordinary', 1)
  client.emit('binary', Buffer.from('bytes'))
  await expect
    .poll(() => ordinary, { timeout: 10_000 })
    .toEqual([
      ['ordinary', 1],
      ['binary', Buffer.from('bytes')],
    ])
  client.close()
})

test('packets that end alike share their end, alone in a turn and with others', async () => {
  const { client, socket } = await connectPair('websocket')
  const received: unknown[] = []
  client.onAny((event, payload) => received.push([event, payload]))
  const frames = new FrameBatch(socket.conn, () => {})
  const end = Buffer.from(`${JSON.stringify('ü'.repeat(40_000))}]`)
  const packets = ['one', 'two', 'three'].map(event => new Packet(`2[${JSON.stringify(event)},`, end))
  expect(packets[0]?.frame[1]).toBe(end)
  for (const [at, packet] of packets.entries()) {
    frames.add(packet)
    if (at !== 1) frames.flush()
  }
  await expect
    .poll(() => received, { timeout: 10_000 })
    .toEqual(['one', 'two', 'three'].map(event => [event, 'ü'.repeat(40_000)]))
  client.close()
})

test("Socket.IO's own packets are given their frames, and leave others' options as they are", async () => {
  const { client, socket } = await connectPair('websocket')
  const received: unknown[] = []
  client.onAny((event, payload) => received.push([event, payload]))
  const framed: [string, boolean][] = []
  socket.conn.on('packetCreate', (packet: unknown) => {
    const created = packet as CreatedPacket
    const options = { ...created.options }
    const given = created.options
    preEncodeFrame(socket.conn, created)
    expect(given).toEqual(options)
    framed.push([created.type, created.options?.wsPreEncodedFrame !== undefined])
  })
  socket.emit('text', 'ü')
  socket.emit('bytes', Buffer.from('bytes'))
  ;(socket.conn as unknown as { sendPacket: (type: string) => void }).sendPacket('ping')
  const ponged = new Promise<void>(resolve => {
    socket.conn.on('packet', ({ type }: { type: string }) => type === 'pong' && resolve())
  })
  await expect
    .poll(() => received, { timeout: 10_000 })
    .toEqual([
      ['text', 'ü'],
      ['bytes', Buffer.from('bytes')],
    ])
  await ponged
  expect(framed).toEqual([
    ['message', true],
    ['message', true],
    ['message', false],
    ['ping', true],
  ])
  client.close()
})

test('a connection lets go of its request, and works on', async () => {
  const { client, socket } = await connectPair('websocket')
  const raw = (socket.conn.transport as unknown as { socket: { _socket: NodeJS.EventEmitter } }).socket._socket
  const listeners = raw.listenerCount('close')
  releaseRequest(socket)
  expect(socket.request).toBeNull()
  expect(raw.listenerCount('close')).toBe(listeners - 1)
  const closed = new Promise(resolve => socket.on('disconnect', resolve))
  const answered = new Promise(resolve => socket.on('ordinary', (_, answer) => resolve(answer('yes'))))
  expect(await client.emitWithAck('ordinary', 1)).toBe('yes')
  await answered
  client.close()
  await closed
  expect(socket.nsp.sockets.size).toBe(0)
})
