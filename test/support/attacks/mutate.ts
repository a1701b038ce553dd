/** Valid payloads of clients and peers, and random mutations of them. */
import { packNames } from '../../../src/protocol/encodings/packed-names.ts'
import type { Random } from '../random.ts'

const HOSTILE_TEXTS = [
  '',
  ' ',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '\u0000',
  '\u001b[2J',
  '\u202e',
]
const MALFORMED_TEXTS = ['\ud800', 'e\u0301', '🦀'.repeat(64), 'x'.repeat(65), '{"a":1}', '\\u0001', '-0', 'NaN']
const HOSTILE_NUMBERS = [0, -0, -1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308, Number.NaN, Number.POSITIVE_INFINITY]

function hostileValue(random: Random): unknown {
  const kind = random.below(100)
  if (kind < 30) return random.pick([...HOSTILE_TEXTS, ...MALFORMED_TEXTS])
  if (kind < 55) return random.pick(HOSTILE_NUMBERS)
  if (kind < 70) return random.pick([null, undefined, true, false])
  if (kind < 78) return random.pick([[], {}, [[]], [null], [[[[[[]]]]]]])
  if (kind < 84) return JSON.parse('{"__proto__":{"ok":true},"constructor":{"prototype":1}}')
  if (kind < 90) return Buffer.from('binary')
  if (kind < 94) return { _placeholder: true, num: random.below(3) }
  if (kind < 97) return Array.from({ length: random.below(5_000) }, (_, at) => at)
  return random.pick(['x', '\u0001', '中', '🦀']).repeat(random.below(40_000))
}

/** Changes parts of a value, each with this probability. URLs are kept, so that the servers dial only loopback addresses. */
export function mutate(value: unknown, random: Random, probability: number): unknown {
  if (typeof value === 'string' && value.startsWith('http')) return value
  if (random.chance(probability)) return hostileValue(random)
  if (Array.isArray(value)) {
    const list = value.map(one => mutate(one, random, probability))
    if (random.chance(probability)) list.splice(random.below(list.length + 1), random.below(2), hostileValue(random))
    return list
  }
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  const entries = Object.entries(value).map(([key, one]): [string, unknown] => [key, mutate(one, random, probability)])
  if (random.chance(probability)) entries.splice(random.below(entries.length), 1)
  if (random.chance(probability)) entries.push([random.pick(HOSTILE_TEXTS), hostileValue(random)])
  return Object.fromEntries(entries)
}

/** Names that hostile connections identify with. */
const NAMES = ['Mallory', 'Mallory 1', '__proto__', 'constructor', 'Zoë']
/** Recipients of hostile messages; Anna and Billy are the users whose chat must not be disturbed. */
const RECIPIENTS = ['Anna', 'Billy', ...NAMES]
/** Rooms that hostile connections join, and names that are none. */
const ROOMS = ['#ops', '#Ops', '#caf\u00e9', '#', 'ops', '#__proto__']
const EVENTS = [
  'error',
  'message',
  '__proto__',
  'constructor',
  'prove',
  'challenge',
  'update_peer',
  'update_client',
  '',
]

/** A key, which nobody has the private one of, and a nonce that asks for the proof of the mesh. */
const KEY = 'T4aynrqvjt-GwlDEh0Owd-zhDnBgT1DA1dXALx8h_k8'
const NONCE = `mesh2-${'x'.repeat(22)}`

/** A valid event of a client. */
export function clientEvent(random: Random): [string, ...unknown[]] {
  const name = random.pick(NAMES)
  const to = random.pick(RECIPIENTS)
  const room = random.pick(ROOMS)
  const id = random.below(1e9).toString(36)
  const body = JSON.stringify({ type: 'compare', ranges: [{ from: 0, count: 1, hash: 'x' }] })
  return random.pick<[string, ...unknown[]]>([
    ['identify', name],
    ['identify', { user: name, client: 'fuzz/1', protocol: 2 }],
    ['identify', { user: name, client: 'fuzz/1', protocol: 2, rooms: true, typing: true }],
    ['identify', { user: name, client: 'fuzz/1', protocol: 2, views: true, connections: true, packed: true }],
    [
      'identify',
      { user: name, client: 'fuzz/1', protocol: 2, batched: true, nonce: NONCE, origin: 'http://127.0.0.1:1' },
    ],
    ['watch', [name, to]],
    ['names', { after: name, count: 10, follow: random.chance(0.5) }],
    ['find', { text: name.slice(0, 2), count: 10 }],
    ['key', to],
    ['claim', null],
    ['join', room],
    ['part', room],
    ['rooms', null],
    ['im', { id, at: Date.now(), to: room, text: 'hello', proof: 'p' }],
    ['relay', { room, body }],
    ['relay', { room, to: `server-1:${random.below(100)}`, body }],
    ['im', { from: 'x', to, text: 'hello', forwarded: true }],
    ['im', { id, at: Date.now(), to, text: 'hello' }],
    ['typing', { to: random.chance(0.5) ? to : room }],
    ['typing', { to, at: Date.now(), proof: 'p' }],
    ['got', random.below(10)],
    ['roster'],
    ['survey'],
    ['relay', { body }],
    ['relay', { to: `server-1:${random.below(100)}`, body }],
    [random.pick(EVENTS), name],
  ])
}

/** A valid frame of a peer with this incarnation. */
export function peerFrame(random: Random, incarnation: string): [string, ...unknown[]] {
  const seq = random.below(5)
  const users = NAMES.map((name, at) => [name, at + 1])
  const id = random.below(1e9).toString(36)
  const to = random.pick(RECIPIENTS)
  const room = random.pick(ROOMS)
  const number = random.below(1_000_000) + 1
  return random.pick<[string, ...unknown[]]>([
    ['presence', { type: 'snapshot', incarnation, seq, users, rooms: [[room, NAMES]], more: random.chance(0.5) }],
    ['presence', { type: 'delta', incarnation, seq, changes: [], rooms: [[room, [to], ['Mallory']]] }],
    ['room-forward', [[number, id, Date.now(), 'Mallory', room, 'forwarded', 'p']]],
    ['room-relay', { room, user: 'Mallory', from: 'fuzz:1', body: '{"type":"tell","messages":[]}' }],
    ['receipts', { user: to, receipts: [[id, Date.now(), room, 1, 2, ['Mallory']]] }],
    ['confirmed', [[random.below(100), 1, random.chance(0.5), ['Mallory']]]],
    ['typing', { from: 'Mallory', to: random.chance(0.5) ? to : room }],
    ['missed', [room]],
    ['presence', { type: 'snapshot', incarnation, seq, users, more: random.chance(0.5) }],
    ['presence', { type: 'delta', incarnation, seq, changes: [[`Mallory ${random.below(50)}`, random.below(2)]] }],
    ['forward', [[random.below(1_000_000) + 1, id, Date.now(), 'Mallory', to, 'forwarded']]],
    ['presence', { type: 'snapshot', incarnation, seq, users: [], packed: packNames(NAMES), part: 0, more: false }],
    ['claims', NAMES.map(name => [name, KEY, Date.now(), random.below(1_000)])],
    ['beat', { incarnation, seq }],
    ['beat', { seq, at: random.below(1e9), members: 'x'.repeat(22) }],
    ['request-members', null],
    ['members', [{ id: `learned-${random.below(1_000)}`, url: 'http://127.0.0.1:1' }]],
    ['relay', { user: to, from: 'fuzz:1', body: '{"type":"tell","messages":[]}' }],
    ['missed', [to]],
    ['survey', { number: random.below(10) + 1 }],
    ['status', { number: random.below(10) + 1, status: { server: 'fuzz', incarnation, links: [] } }],
    ['fates', [[random.below(100), 1, false]]],
    ['resync', null],
    ['goodbye', null],
    [random.pick(EVENTS), to],
  ])
}

/** A packet for the Socket.IO parser, valid or not. */
export function rawPacket(random: Random): string {
  const event = JSON.stringify(clientEvent(random))
  const depth = random.chance(0.02) ? 50_000 : random.below(200)
  const deep = '['.repeat(depth) + ']'.repeat(depth)
  const packet = random.pick([
    `2${event}`,
    `2/mesh,${event}`,
    `2${random.below(1e9)}${event}`,
    `299999999999999999999999${event}`,
    `2-1${event}`,
    `3${random.below(100)}[${deep}]`,
    '3[]',
    `2["im",${deep}]`,
    `2["relay",{"body":${deep}}]`,
    `2/mesh,["prove",${deep}]`,
    `51-["im",{"_placeholder":true,"num":0}]`,
    `5${random.below(1e6)}-["im",{"_placeholder":true,"num":${random.below(1e6)}}]`,
    '5-["im"]',
    '6[]',
    '0',
    '0{"token":1}',
    '0/mesh,{"id":"fuzz"}',
    '0/nowhere,',
    '1',
    '1/mesh,',
    '4{}',
    '2["disconnect"]',
    '2["connect_error",{}]',
    '2["newListener","x"]',
    '2[null]',
    '2[{}]',
    '2{}',
    '2',
    '',
  ])
  if (!random.chance(0.3)) return packet
  const at = random.below(packet.length + 1)
  const piece = random.pick(['"', '[', '{', ',', ']', '\\', '\u0000', '9', '-', '/', 'e', '\ud800'])
  return packet.slice(0, at) + piece + packet.slice(at + random.below(3))
}
