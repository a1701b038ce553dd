/** Events and frames of rooms with wrong types: each is refused, and none has an effect. */
import { describe, expect, test } from 'vitest'
import { type LINK_EVENTS, readFrame } from '../../daemon/links/link-events.ts'
import { siblingFrameSchema } from '../../src/client/history/reconciliation.ts'
import { parseComposedMessage } from '../../src/protocol/guards.ts'
import {
  deliveredMessageSchema,
  joinResponseSchema,
  MAX_LISTED_ROOMS,
  receiptsSchema,
  relayRequestSchema,
  roomEventSchema,
  roomListSchema,
  typingNoticeSchema,
  typingRequestSchema,
} from '../../src/protocol/messages.ts'
import { ServerHarness } from '../support/harness/server-harness.ts'

const NOW = 1_760_000_000_000
/** Values of every type; a field is replaced by each of those that are not of its own. */
const VALUES: Record<string, unknown[]> = {
  nothing: [null],
  boolean: [true, false],
  number: [0, -1, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY],
  string: ['', 'x', '__proto__', '#', '#Ops', ' #ops', '#o ps', '\u0000', '\ud800', 'x'.repeat(300)],
  list: [[], [[]], [null], ['#ops'], [[[[[]]]]]],
  object: [{}, { __proto__: null }, { length: 1 }, { '#ops': true }],
}
const typeOf = (value: unknown) =>
  value === null || value === undefined ? 'nothing' : Array.isArray(value) ? 'list' : typeof value
const othersThan = (...types: string[]) =>
  Object.entries(VALUES).flatMap(([type, values]) => (types.includes(type) ? [] : values))

type Path = readonly (string | number)[]

/** All places in a payload, the payload itself included. */
function placesIn(payload: unknown, path: Path = []): Path[] {
  if (typeof payload !== 'object' || payload === null) return [path]
  return [
    path,
    ...Object.entries(payload).flatMap(([key, one]) =>
      placesIn(one, [...path, Array.isArray(payload) ? Number(key) : key]),
    ),
  ]
}

function valueAt(payload: unknown, path: Path): unknown {
  return path.reduce((value, key) => (value as Record<string, unknown>)[key], payload)
}

function replaced(payload: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return value
  const copy = Array.isArray(payload) ? [...(payload as unknown[])] : { ...(payload as object) }
  const fields = copy as Record<string | number, unknown>
  fields[key] = replaced(fields[key], rest, value)
  return copy
}

/** The payload with each place replaced by values of another type, and by nothing. What JSON cannot carry is left out. */
function* wrongTypes(payload: unknown, optional: readonly string[]): Generator<[at: string, payload: unknown]> {
  for (const path of placesIn(payload)) {
    const at = path.join('.')
    for (const value of othersThan(typeOf(valueAt(payload, path))))
      yield [`${at} = ${JSON.stringify(value)}`, replaced(payload, path, value)]
    if (!optional.includes(at) && path.length > 0) yield [`${at} is missing`, replaced(payload, path, undefined)]
  }
}

const snapshot = {
  type: 'snapshot',
  incarnation: 'i',
  seq: 1,
  users: [['Anna', 1]],
  rooms: [['#ops', ['Anna']]],
  more: false,
}
const delta = {
  type: 'delta',
  incarnation: 'i',
  seq: 2,
  changes: [['Anna', 1]],
  rooms: [['#ops', ['Anna'], ['Billy']]],
}
const roomRelay = { room: '#ops', user: 'Anna', from: 'two:1', to: 'one:1', body: '{}' }
const receipt = ['m', NOW, '#ops', 1, 2, ['Billy']]

describe.each<[sender: keyof typeof LINK_EVENTS, event: string, payload: unknown, optional: string[]]>([
  ['dialler', 'presence', snapshot, ['rooms']],
  ['dialler', 'presence', delta, ['incarnation', 'rooms']],
  ['dialler', 'room-forward', [[1, 'm', NOW, 'Anna', '#ops', 'hi', '']], []],
  ['dialler', 'room-relay', roomRelay, ['to']],
  ['dialler', 'receipts', { user: 'Anna', receipts: [receipt] }, []],
  ['dialler', 'typing', { from: 'Anna', to: '#ops', at: NOW, proof: 'p' }, ['at', 'proof']],
  ['dialler', 'missed', ['#ops', 'Anna'], []],
  ['acceptor', 'confirmed', [[1, 2, true, ['Anna']]], []],
])('a %s frame %s of a peer', (sender, event, payload, optional) => {
  test('is read as it is', () => {
    expect(readFrame(sender, event, payload)).toEqual({ event, payload })
  })

  test('with any wrong type is not read', () => {
    let count = 0
    for (const [at, wrong] of wrongTypes(payload, optional)) {
      const frame = readFrame(sender, event, wrong)
      // A room of a presence frame that is not valid is left out, and the others count.
      const isLeftOut = event === 'presence' && at.startsWith('rooms.')
      expect([at, isLeftOut ? (frame?.payload as { rooms?: unknown } | undefined)?.rooms : frame]).toEqual([
        at,
        isLeftOut ? [] : undefined,
      ])
      count++
    }
    expect(count).toBeGreaterThan(30)
  })

  test('is not one of the other side', () => {
    expect(readFrame(sender === 'dialler' ? 'acceptor' : 'dialler', event, payload)).toBeUndefined()
  })
})

describe('a frame of a peer is not read', () => {
  test.each<[string, string, unknown]>([
    ['with a room that is not in canonical form', 'room-relay', { ...roomRelay, room: '#Ops' }],
    ['with the name of a user for a room', 'room-relay', { ...roomRelay, room: 'Anna' }],
    ['with a body that is no text', 'room-relay', { ...roomRelay, body: { type: 'tell' } }],
    ['with a body that does not fit a packet', 'room-relay', { ...roomRelay, body: '\u0001'.repeat(400_000) }],
    ['with a forward to a user', 'room-forward', [[1, 'm', NOW, 'Anna', 'Billy', 'hi', '']]],
    ['without a proof', 'room-forward', [[1, 'm', NOW, 'Anna', '#ops', 'hi']]],
    ['with a proof that is too long', 'room-forward', [[1, 'm', NOW, 'Anna', '#ops', 'hi', 'p'.repeat(201)]]],
    ['with the number 0', 'room-forward', [[0, 'm', NOW, 'Anna', '#ops', 'hi', '']]],
    ['with too many messages', 'room-forward', Array(257).fill([1, 'm', NOW, 'Anna', '#ops', 'hi', ''])],
    ['with a forward to a room among those to users', 'forward', [[1, 'm', NOW, 'Anna', '#ops', 'hi', '']]],
    ['with too many names', 'missed', Array(4_097).fill('#ops')],
    ['with too many receipts', 'receipts', { user: 'Anna', receipts: Array(1_001).fill(receipt) }],
    [
      'with a proof of a typing notice that is too long',
      'typing',
      { from: 'Anna', to: 'Billy', proof: 'p'.repeat(301) },
    ],
    ['with too many rooms', 'presence', { ...snapshot, rooms: Array(4_097).fill(['#ops', []]) }],
  ])('%s', (_, event, payload) => {
    expect(readFrame('dialler', event, payload)).toBeUndefined()
  })

  test.each<[string, unknown]>([
    ['with too many confirmations', Array(101).fill([1, 2, true, []])],
    ['with too many names in one', [[1, 2, true, Array(65).fill('Anna')]]],
    ['with a negative count', [[1, -1, true, []]]],
  ])('%s', (_, payload) => {
    expect(readFrame('acceptor', 'confirmed', payload)).toBeUndefined()
  })
})

describe('events between clients and servers with any wrong type are refused', () => {
  const info = { topic: 'Hi', operators: ['Olga'], write: 'operators', historyDays: 7 }
  const optionalInfo = ['info.topic', 'info.operators', 'info.write', 'info.historyDays']
  const joined = { ok: true, room: '#ops', info, version: 1, members: ['Anna'] }
  const refusal = { ok: false, code: 'room-full', message: 'full', retryAfter: 5 }
  const message = { id: 'm', at: NOW, to: '#ops', text: 'hi', proof: 'p' }
  const rooms = [{ room: '#ops', members: 2, topic: 'Hi' }]
  const parses = {
    composed: (payload: unknown) => parseComposedMessage(payload) !== undefined,
    relay: (payload: unknown) => relayRequestSchema.safeParse(payload).success,
    delivered: (payload: unknown) => deliveredMessageSchema.safeParse(payload).success,
    join: (payload: unknown) => joinResponseSchema.safeParse(payload).success,
    event: (payload: unknown) => roomEventSchema.safeParse(payload).success,
    list: (payload: unknown) => roomListSchema.safeParse(payload).success,
    receipts: (payload: unknown) => receiptsSchema.safeParse(payload).success,
    typing: (payload: unknown) => typingRequestSchema.safeParse(payload).success,
    notice: (payload: unknown) => typingNoticeSchema.safeParse(payload).success,
    sibling: (payload: unknown) => siblingFrameSchema.safeParse(payload).success,
  }

  test.each<[string, keyof typeof parses, unknown, string[]]>([
    ['a message to a room', 'composed', message, ['proof']],
    ['a frame for a member', 'relay', { room: '#ops', to: 'one:1', body: '{}' }, ['to', 'room']],
    ['a received message', 'delivered', { ...message, from: 'Anna', forwarded: true }, ['proof']],
    ['the answer to join', 'join', joined, optionalInfo],
    ['the refusal of join', 'join', refusal, ['retryAfter']],
    ['members who changed', 'event', { room: '#ops', version: 1, joined: ['Anna'], left: ['Billy'] }, []],
    ['new settings', 'event', { room: '#ops', info }, optionalInfo],
    ['an eviction', 'event', { room: '#ops', refusal }, ['refusal.retryAfter']],
    ['a missed message', 'event', { room: '#ops', missed: true }, []],
    ['the list of rooms', 'list', { ok: true, rooms, total: 1 }, ['rooms.0.topic']],
    ['receipts', 'receipts', [receipt], []],
    ['a request to tell that one types', 'typing', { to: 'Anna', at: NOW, proof: 'p' }, ['at', 'proof']],
    ['a typing notice', 'notice', { from: 'Anna', to: '#ops', at: NOW, proof: 'p' }, ['at', 'proof']],
    ['receipts of a sibling', 'sibling', { type: 'receipts', receipts: [receipt] }, []],
  ])('%s', (_, kind, payload, optional) => {
    const parse = parses[kind]
    expect(parse(payload)).toBe(true)
    let count = 0
    for (const [at, wrong] of wrongTypes(payload, optional)) {
      expect([at, parse(wrong)]).toEqual([at, false])
      count++
    }
    expect(count).toBeGreaterThan(30)
  })

  test('a list of too many rooms, and settings with a topic that is too long', () => {
    const many = Array(MAX_LISTED_ROOMS + 1).fill(rooms[0])
    expect(parses.list({ ok: true, rooms: many, total: 1 })).toBe(false)
    expect(parses.event({ room: '#ops', info: { topic: 'x'.repeat(501) } })).toBe(false)
  })

  test('what a server says of a room is shown without control characters', () => {
    expect(roomEventSchema.parse({ room: '#ops', info: { topic: '\u001b[2J\nHi' } })).not.toMatchObject({
      info: { topic: expect.stringContaining('\u001b') },
    })
  })

  test('rooms of a sibling that are none are left out, and the others count', () => {
    const entries = [
      ['#ops', true, NOW],
      ['#Ops', true, NOW],
      ['Anna', true, NOW],
      ['#x', 1, NOW],
      ['#x', true, 5],
      null,
    ]
    expect(siblingFrameSchema.parse({ type: 'rooms', rooms: entries })).toEqual({ type: 'rooms', rooms: [entries[0]] })
    expect(siblingFrameSchema.safeParse({ type: 'rooms', rooms: Array(1_001).fill(entries[0]) }).success).toBe(false)
  })
})

describe('requests of a client about rooms', () => {
  test('with anything but the name of a room are refused, and change nothing', () => {
    const server = new ServerHarness({ messagesPerSecond: 0 }, {})
    const anna = server.join('Anna')
    let call = 10_000
    for (const room of [...othersThan('none'), '#', '##', 'Anna', `#${'x'.repeat(64)}`, undefined]) {
      if (room === '#Ops' || room === ' #ops') continue
      for (const type of ['join', 'part'] as const) {
        server.step({ type, connection: anna, room, call: ++call })
        expect([room, server.answers.get(call)]).toEqual([
          room,
          expect.objectContaining({ ok: false, code: 'bad-room' }),
        ])
      }
    }
    server.step({ type: 'rooms', connection: anna, call: ++call })
    expect(server.answers.get(call)).toEqual({ ok: true, rooms: [], total: 0 })
    expect(server.closed.size).toBe(0)
  })

  test('of a connection that has not identified are refused', () => {
    const server = new ServerHarness({})
    const stranger = server.connect()
    server.step({ type: 'join', connection: stranger, room: '#ops', call: 1_001 })
    server.step({ type: 'part', connection: stranger, room: '#ops', call: 1_002 })
    server.step({ type: 'rooms', connection: stranger, call: 1_003 })
    server.step({ type: 'relay', connection: stranger, to: undefined, room: '#ops', body: '{}' })
    for (const call of [1_001, 1_002, 1_003]) expect(server.answers.get(call)).toMatchObject({ code: 'not-identified' })
    expect(server.server.membersOf('#ops')).toEqual([])
  })

  test('of a client that has said nothing of rooms are refused, and it hears nothing of them', () => {
    const server = new ServerHarness({})
    const old = server.connect()
    server.step({ type: 'identify', connection: old, user: 'Olga', protocol: 2, call: 1_000 })
    server.step({ type: 'join', connection: old, room: '#ops', call: 1_001 })
    expect(server.answers.get(1_001)).toMatchObject({ ok: false, code: 'bad-payload' })
    expect(server.im(old, '#ops')).toMatchObject({ ok: false, code: 'bad-name' })
    const anna = server.join('Anna')
    server.step({ type: 'join', connection: anna, room: '#ops', call: 1_002 })
    server.im(anna, '#ops')
    server.advance(10_000)
    for (const event of ['room', 'receipts'] as const) expect(server.sentTo(old, event)).toEqual([])
    expect(server.sentTo(old, 'im')).toEqual([])
  })
})
