/**
 * The self-test of daemon/transport: what another version of Socket.IO, Engine.IO or ws may lack is found when a server
 * starts, and the server then works without it, or does not start.
 */
import { createRequire } from 'node:module'
import { connect } from 'node:net'
import { io, NodeWebSocket, type Socket } from 'socket.io-client'
import { afterEach, describe, expect, test } from 'vitest'
import { type FeatureName, runSelfTest } from '../../daemon/transport/self-test.ts'
import type { Limits } from '../../src/protocol/limits.ts'
import { FloodingClient } from '../support/attacks/flooding-client.ts'
import { CarrierHarness } from '../support/harness/carrier-harness.ts'
import { type InProcessServer, startInProcess } from '../support/in-process-server.ts'
import { until } from '../support/programs/processes.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

const OPTIONAL = [
  'webSocket',
  'pause',
  'closeTimeout',
  'preEncodedFrames',
  'directWrites',
  'eventReader',
  'compactListeners',
] as const
const REQUIRED = ['sentPackets', 'readPackets', 'controlFrames', 'dialledWebSocket'] as const

async function startWithout(missing: FeatureName, limits: Partial<Limits> = {}): Promise<InProcessServer> {
  const server = await startInProcess('server-1', { limits, selfTest: () => runSelfTest(new Set([missing])) })
  cleanups.push(() => server.close())
  return server
}

async function openUser(server: InProcessServer, user: string, transport: 'websocket' | 'polling'): Promise<Socket> {
  const client = io(server.url, { transports: [transport], forceNew: true, reconnection: false })
  cleanups.push(() => client.disconnect())
  let received = 0
  client.on('im', () => client.emit('got', ++received))
  expect(await client.emitWithAck('identify', { user, client: 'x/1', protocol: 2 })).toMatchObject({ ok: true })
  return client
}

test('the installed versions have everything', async () => {
  const { features, warnings } = await runSelfTest()
  expect(warnings).toEqual([])
  expect(Object.values(features)).not.toContain(false)
})

describe.each(OPTIONAL)('without %s', missing => {
  test('the server says so in its log, and chat works over both transports', async () => {
    const server = await startWithout(missing)
    expect(server.lines.filter(line => line.startsWith('Unknown version of Socket.IO: '))).not.toEqual([])
    const anna = await openUser(server, 'Anna', 'websocket')
    const billy = await openUser(server, 'Billy', 'polling')
    for (const [from, to, name] of [
      [anna, billy, 'Billy'],
      [billy, anna, 'Anna'],
    ] as const) {
      const texts: string[] = []
      const onMessage = ({ text }: { text: string }) => texts.push(text)
      to.on('im', onMessage)
      const expected = Array.from({ length: 50 }, (_, n) => `text ${n} 棕"`)
      const sent = expected.map((text, n) =>
        from.emitWithAck('im', { id: `${name}-${n}`, at: Date.now(), to: name, text }),
      )
      for (const fate of await Promise.all(sent)) expect(fate).toMatchObject({ ok: true, delivered: 1 })
      expect(texts).toEqual(expected)
      to.off('im', onMessage)
    }
  })

  test('a slow consumer is disconnected', async () => {
    const server = await startWithout(missing, { bufferedBytes: 500_000, messagesPerSecond: 0, unconfirmedMessages: 0 })
    const slow = new FloodingClient(Number(new URL(server.url).port), 'Slow')
    cleanups.push(() => slow.close())
    await until('it is online', () => server.roster().includes('Slow'))
    slow.pause()
    const sender = await openUser(server, 'Sender', 'websocket')
    let echoed = 0
    sender.on('im', () => echoed++)
    // Until the kernel's buffers are full, too. The sender reads its echoes, so it is not slow itself.
    for (let n = 0; n < 3_000 && server.cutOff().client === 0; n++) {
      sender.emit('im', { id: `m${n}`, at: Date.now(), to: 'Slow', text: 'x'.repeat(16_000) })
      if (n % 10 === 0) await until('the sender has read', () => echoed > n - 20)
    }
    expect(server.cutOff()).toEqual({ client: 1, peer: 0 })
    expect(server.lines).toContain('Disconnected a slow client: too many unsent bytes.')
    await until('the slow user is gone, and the sender is not', () => server.roster().join() === 'Sender')
  })

  test('a client that floods is read slowly, or disconnected', async () => {
    const limits = { messagesPerSecond: 10, burst: 50 }
    const server = await startWithout(missing, limits)
    const anna = await openUser(server, 'Anna', 'websocket')
    const flood = new FloodingClient(Number(new URL(server.url).port), 'Mallory')
    cleanups.push(() => flood.close())
    await until('it is online', () => server.roster().includes('Mallory'))
    const since = performance.now()
    flood.start(['im', { to: 'Nobody', text: 'x' }])
    const isDisconnected = missing === 'pause' || missing === 'webSocket'
    await until('it is noticed', () => (isDisconnected ? !flood.open : performance.now() - since > 2_000))
    // 200 packets a second and a burst of 200, plus what two reads of the socket bring.
    const seconds = (performance.now() - since) / 1_000
    expect(flood.rateLimitedCount).toBeLessThan(seconds * 200 + 200 + 2 * 2_000)
    expect(flood.open).toBe(!isDisconnected)
    expect(await anna.emitWithAck('roster')).toMatchObject({ users: expect.arrayContaining(['Anna']) })
  })

  test('a client that floods with pings is disconnected', async () => {
    const server = await startWithout(missing)
    const flood = new FloodingClient(Number(new URL(server.url).port), 'Mallory')
    cleanups.push(() => flood.close())
    await until('it is online', () => server.roster().includes('Mallory'))
    flood.startControlFrames(9)
    await until('it is disconnected', () => server.roster().length === 0)
  })

  test('a client that does not answer a close frame is disconnected', async () => {
    if (missing === 'closeTimeout') patch(ws.WebSocket.prototype, '_closeTimeout', { get: () => 30_000, set: () => {} })
    const server = await startWithout(missing)
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    cleanups.push(() => socket.destroy())
    let received = ''
    let isClosed = false
    socket.on('error', () => {}).on('close', () => (isClosed = true))
    socket.on('data', chunk => (received += chunk.toString('latin1')))
    socket.write(
      'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    await until('it is connected', () => received.includes('0{"sid"'))
    // Not a packet of Socket.IO: it closes the connection.
    const text = Buffer.from('4x')
    socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]))
    // By itself, ws waits for 30 s.
    await until('the TCP connection is closed', () => isClosed, 25_000)
    expect(server.counts()).toMatchObject({ engine: 0 })
  })
})

test.each(REQUIRED)('without %s the server does not start: a limit would be lost', async missing => {
  await expect(startWithout(missing)).rejects.toThrow(/^unknown version of Socket\.IO \(.*cannot limit .*\); install/)
})

/** The modules that the server uses, as socket.io and engine.io resolve them. */
const requireFromSocketIo = createRequire(createRequire(import.meta.url).resolve('socket.io'))
const requireFromEngine = createRequire(requireFromSocketIo.resolve('engine.io'))
interface Patchable {
  prototype: object
}
const ws: { WebSocket: Patchable } = requireFromEngine('ws')
const engineIo: { Socket: Patchable; transports: Record<'websocket', Patchable> } = requireFromSocketIo('engine.io')

/** Replaces a member until the end of the test; undefined: removes it. */
function patch(target: object, name: string, replacement: PropertyDescriptor | undefined): void {
  const original = Object.getOwnPropertyDescriptor(target, name)
  cleanups.push(() => {
    if (original === undefined) Reflect.deleteProperty(target, name)
    else Object.defineProperty(target, name, original)
  })
  if (replacement === undefined) Reflect.deleteProperty(target, name)
  else Object.defineProperty(target, name, { ...replacement, configurable: true })
}

/** Makes objects of a class ignore listeners for an event. */
function hideEvent({ prototype }: Patchable, event: string): void {
  const { on } = prototype as NodeJS.EventEmitter
  patch(prototype, 'on', {
    value(this: NodeJS.EventEmitter, name: string, listener: () => void) {
      return name === event ? this : on.call(this, name, listener)
    },
  })
}

const ignored = { get: () => undefined, set: () => {} }
test.each<[FeatureName, string, () => void]>([
  ['webSocket', 'bufferedAmount of ws', () => patch(ws.WebSocket.prototype, 'bufferedAmount', undefined)],
  ['pause', 'pause() of ws', () => patch(ws.WebSocket.prototype, 'pause', undefined)],
  ['pause', 'an effect of pause()', () => patch(ws.WebSocket.prototype, 'pause', { value: () => {} })],
  ['closeTimeout', 'the option closeTimeout of ws', () => patch(ws.WebSocket.prototype, '_closeTimeout', ignored)],
  [
    'preEncodedFrames',
    'the option wsPreEncodedFrame of Engine.IO',
    () => patch(engineIo.transports.websocket.prototype, '_canSendPreEncodedFrame', { value: () => false }),
  ],
  ['directWrites', 'bufferedAmount 0', () => patch(ws.WebSocket.prototype, 'bufferedAmount', { get: () => 1 })],
  ['eventReader', 'pingTimeoutTimer of Engine.IO', () => patch(engineIo.Socket.prototype, 'pingTimeoutTimer', ignored)],
])('the self-test finds a missing %s (%s)', async (missing, _, remove) => {
  remove()
  const { features, warnings } = await runSelfTest()
  expect(features).toMatchObject({ [missing]: false })
  expect(warnings.length).toBeGreaterThan(0)
})

test.each<[string, RegExp, () => void]>([
  ['packetCreate events of Engine.IO', /no packetCreate/, () => hideEvent(engineIo.Socket, 'packetCreate')],
  ['flush events of Engine.IO', /no packetCreate and flush/, () => hideEvent(engineIo.Socket, 'flush')],
  ['packet events of Engine.IO', /no packet event/, () => hideEvent(engineIo.Socket, 'packet')],
  ['terminate() of ws', /cannot limit control frames/, () => patch(ws.WebSocket.prototype, 'terminate', undefined)],
  ['ping events of ws', /no ping events/, () => hideEvent(ws.WebSocket, 'ping')],
  ['createSocket of the client', /createSocket/, () => patch(NodeWebSocket.prototype, 'createSocket', undefined)],
])('the self-test fails without %s', async (_, reason, remove) => {
  remove()
  await expect(runSelfTest()).rejects.toThrow(reason)
})

test('a server does not dial when it cannot count the unsent bytes of the link', async () => {
  interface Transport {
    ws: { binaryType: string }
    uri(): string
    addEventListeners(): void
  }
  // A version of the client that opens its WebSocket without createSocket.
  patch(Object.getPrototypeOf(NodeWebSocket.prototype), 'doOpen', {
    value(this: Transport) {
      this.ws = NodeWebSocket.prototype.createSocket.call(this as never, this.uri(), undefined, {})
      this.ws.binaryType = 'nodebuffer'
      this.addEventListeners()
    },
  })
  const [one, other] = [await CarrierHarness.onSockets('server-1'), await CarrierHarness.onSockets('server-2')]
  cleanups.push(
    () => one.close(),
    () => other.close(),
  )
  expect(await one.dial(other)).toMatchObject({ type: 'dial-failed', reason: expect.stringContaining('cannot limit') })
})
