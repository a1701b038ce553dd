/** The frames and events of rooms and receipts: their size, and that one bad part does not void what it comes with. */
import { describe, expect, test } from 'vitest'
import { MAX_TIME_MS } from '../../../src/common/time.ts'
import {
  confirmedSchema,
  MAX_CONFIRMATIONS_PER_FRAME,
  MAX_MEMBERSHIPS_PER_FRAME,
  MAX_NAMES_PER_FRAME,
  missedSchema,
  presenceSchema,
  roomForwardSchema,
  userReceiptsSchema,
} from '../../../src/protocol/frames.ts'
import {
  joinResponseSchema,
  MAX_LISTED_ROOMS,
  MAX_PACKET_BYTES,
  MAX_RECEIPT_NAMES,
  MAX_RECEIPTS,
  MAX_TEXT_LENGTH,
  messageSchema,
  receiptsSchema,
  roomEventSchema,
  roomListSchema,
} from '../../../src/protocol/messages.ts'
import { parseUserName } from '../../../src/protocol/names.ts'
import { parseRoomName } from '../../../src/protocol/rooms.ts'

/** The longest names, in bytes. */
const USER = '𐐷'.repeat(64)
const ROOM = `#${'𐐷'.repeat(63)}`
const ID = 'x'.repeat(64)
const bytes = (payload: unknown) => Buffer.byteLength(JSON.stringify(payload))
const time = MAX_TIME_MS - 1 / 1024

test('the names of this test are valid', () => {
  expect([parseUserName(USER).ok, parseRoomName(ROOM)]).toEqual([true, { ok: true, value: ROOM }])
})

describe('every full payload is accepted and fits a packet', () => {
  const seq = Number.MAX_SAFE_INTEGER
  const rooms = Array.from({ length: MAX_MEMBERSHIPS_PER_FRAME }, () => [ROOM, [USER]])
  const half = MAX_MEMBERSHIPS_PER_FRAME / 2
  const changed = Array.from({ length: half }, (_, at) => (at % 2 === 0 ? [ROOM, [USER], []] : [ROOM, [], [USER]]))
  const users = Array.from({ length: MAX_NAMES_PER_FRAME / 2 }, () => [USER, 1_000_000, 'k'.repeat(43), time])
  const names = Array<string>(MAX_RECEIPT_NAMES).fill(USER)
  const confirmations = Array.from({ length: MAX_CONFIRMATIONS_PER_FRAME }, () => [seq, 1_000_000, false, names])
  const listed = Array.from({ length: MAX_LISTED_ROOMS }, () => ({
    room: ROOM,
    members: 2_000,
    topic: '林'.repeat(500),
  }))
  const members = Array.from({ length: 2_000 }, (_, at) => `${at}`.padStart(4, '0') + USER.slice(8))
  test.each([
    ['memberships', presenceSchema, { type: 'snapshot', incarnation: ID, seq, users: [], rooms, more: false }],
    ['changes of users and memberships', presenceSchema, delta(users, changed)],
    ['a message', roomForwardSchema, [[seq, ID, time, USER, ROOM, '\u0001'.repeat(MAX_TEXT_LENGTH), 'p'.repeat(200)]]],
    ['confirmations', confirmedSchema, confirmations],
    ['missed', missedSchema, Array(MAX_NAMES_PER_FRAME).fill(ROOM)],
    ['the list of rooms', roomListSchema, { ok: true, rooms: listed, total: 1_000_000 }],
    ['the answer to join', joinResponseSchema, { ok: true, room: ROOM, info: {}, version: seq, members }],
    ['a version of the members', roomEventSchema, { room: ROOM, version: seq, joined: members, left: [] }],
  ])('%s', (_, schema, payload) => {
    expect(schema.safeParse(payload).error).toBeUndefined()
    expect(bytes([payload])).toBeLessThan(MAX_PACKET_BYTES)
  })

  function delta(changes: unknown[], rooms: unknown[]) {
    return { type: 'delta', incarnation: ID, seq, changes, rooms }
  }

  test('receipts', () => {
    const receipts = Array.from({ length: MAX_RECEIPTS }, () => [ID, time, ROOM, 64, 64, names])
    const payload = { user: USER, receipts }
    expect(userReceiptsSchema.safeParse(payload).success).toBe(true)
    expect(bytes(['receipts', payload])).toBeLessThan(MAX_PACKET_BYTES)
  })
})

describe('a receipt', () => {
  test.each([
    ['of a user', ['m', time, 'Billy', 2]],
    ['of a room', ['m', time, '#ops', 2, 3, ['Billy', 'Cleo']]],
    ['of a room without names', ['m', time, '#ops', 2, 3, []]],
  ])('%s is accepted', (_, receipt) => {
    expect(receiptsSchema.safeParse([receipt]).data).toEqual([receipt])
  })

  test.each([
    ['without a count', ['m', time, 'Billy']],
    ['with a negative count', ['m', time, 'Billy', -1]],
    ['with half a count', ['m', time, 'Billy', 0.5]],
    ['with the members but no names', ['m', time, '#ops', 2, 3]],
    ['with too many names', ['m', time, '#ops', 2, 3, Array(MAX_RECEIPT_NAMES + 1).fill('Billy')]],
    ['with a name that is none', ['m', time, '#ops', 2, 3, ['']]],
    ['with an impossible time', ['m', 1, 'Billy', 2]],
    ['with an empty id', ['', time, 'Billy', 2]],
    ['with more than that', ['m', time, '#ops', 2, 3, [], 1]],
  ])('%s is refused', (_, receipt) => {
    expect(receiptsSchema.safeParse([receipt]).success).toBe(false)
  })
})

describe('presence', () => {
  const snapshot = { type: 'snapshot', incarnation: 'a', seq: 1, users: [], more: false } as const
  const delta = { type: 'delta', incarnation: 'a', seq: 1, changes: [] } as const

  test('a user whose name is that of a room is left out, and the others count', () => {
    const users = [
      ['#ops', 1],
      ['Anna', 1],
    ]
    expect(presenceSchema.parse({ ...snapshot, users })).toMatchObject({ users: [['Anna', 1]] })
  })

  test('memberships are optional: a server of 0.2 sends none', () => {
    expect(presenceSchema.parse(snapshot)).toEqual(snapshot)
    expect(presenceSchema.parse(delta)).toEqual(delta)
  })

  test('a room whose name this server does not know is left out, and the others count', () => {
    const rooms = [
      ['#\u0378', ['Anna']],
      ['#ops', ['Anna']],
    ]
    expect(presenceSchema.safeParse({ ...snapshot, users: [['Anna', 1]], rooms }).data).toMatchObject({
      users: [['Anna', 1]],
      rooms: [['#ops', ['Anna']]],
    })
  })
})

// A room is a name that messages, receipts and `missed` frames must be able to carry.
test('every room name may be the recipient of a message, in a receipt and in a frame of missed ones', () => {
  const name = parseRoomName('#ops\u3164')
  const to = name.ok ? name.value : '#ops'
  const message = { id: 'm', at: time, from: 'Anna', to, text: 'hi' }
  expect(messageSchema.safeParse(message).success).toBe(true)
  expect(receiptsSchema.safeParse([['m', time, to, 1]]).success).toBe(true)
  expect(missedSchema.safeParse([to]).success).toBe(true)
})
