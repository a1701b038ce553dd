import { expect, test } from 'vitest'
import {
  MAX_CLAIMS_PER_FRAME,
  MAX_FATES_PER_FRAME,
  MAX_MEMBERS,
  MAX_MESSAGES_PER_FRAME,
  MAX_NAMES_PER_FRAME,
  MAX_TEXT_PER_FRAME,
} from '../../../src/protocol/frames.ts'
import { DEFAULT_LIMITS, exceeds } from '../../../src/protocol/limits.ts'
import { MAX_ID_LENGTH, MAX_PACKET_BYTES, MAX_TEXT_LENGTH, relayBodySchema } from '../../../src/protocol/messages.ts'

const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value))
/** The character with the longest JSON: six bytes per unit. */
const control = (units: number) => '\u0001'.repeat(units)
/** The longest name that a server gives a user, in bytes: 64 code points of four bytes. */
const NAME = '\u{1f642}'.repeat(64)
const ID = control(MAX_ID_LENGTH)
const TIME = Number.MAX_SAFE_INTEGER - 1 / 2

test('a value exceeds a limit only above it, and a limit of 0 never', () => {
  expect(exceeds(5, 5)).toBe(false)
  expect(exceeds(6, 5)).toBe(true)
  expect(exceeds(1e9, 0)).toBe(false)
})

test('the default limits are the documented ones', () => {
  expect(DEFAULT_LIMITS).toEqual({
    messagesPerSecond: 100,
    burst: 500,
    textBytes: 16_384,
    bufferedBytes: 8_388_608,
    unconfirmedMessages: 10_000,
    connections: 50_000,
    connectionsPerUser: 100,
    connectionsPerAddress: 1_000,
    heldBytes: 67_108_864,
    unreadBytes: 268_435_456,
    handshakes: 100,
    heldPerPeer: 10_000,
    linkBufferedBytes: 67_108_864,
    peers: 1_000,
    usersPerPeer: 1_000_000,
    wholeRoster: 5_000,
    identifyMs: 10_000,
    claimMs: 43_200_000,
    rememberedClaims: 100_000,
    roomsPerUser: 100,
    membersPerRoom: 2_000,
    roomMessagesPerSecond: 100,
    membershipsPerPeer: 1_000_000,
  })
})

test('L5: every full frame fits a packet, whatever its names and texts', () => {
  const key = 'A'.repeat(43)
  const users = Array(MAX_NAMES_PER_FRAME).fill([NAME, Number.MAX_SAFE_INTEGER, key, TIME])
  const messageOf = (text: string) => [Number.MAX_SAFE_INTEGER, ID, TIME, NAME, NAME, text]
  const frames = {
    presence: { type: 'snapshot', incarnation: ID, seq: TIME, users, more: false },
    claims: Array(MAX_CLAIMS_PER_FRAME).fill([NAME, key, TIME, Number.MAX_SAFE_INTEGER]),
    missed: Array(MAX_NAMES_PER_FRAME).fill(NAME),
    forwards: Array(MAX_MESSAGES_PER_FRAME).fill(
      messageOf(control(Math.floor(MAX_TEXT_PER_FRAME / MAX_MESSAGES_PER_FRAME))),
    ),
    oneForward: [messageOf(control(MAX_TEXT_LENGTH))],
    fates: Array(MAX_FATES_PER_FRAME).fill([Number.MAX_SAFE_INTEGER, 100_000, false]),
    members: Array(MAX_MEMBERS).fill({ id: 'x'.repeat(64), url: 'x'.repeat(300), clients: 'x'.repeat(300) }),
  }
  for (const [name, frame] of Object.entries(frames)) {
    expect([name, bytes([name, frame]) < MAX_PACKET_BYTES]).toEqual([name, true])
  }
})

test('S2: a relay body must be a string that fits a packet when it is escaped once more', () => {
  expect(relayBodySchema.safeParse('{}').success).toBe(true)
  expect(relayBodySchema.safeParse({ type: 'compare' }).success).toBe(false)
  expect(relayBodySchema.safeParse('x'.repeat(MAX_PACKET_BYTES - 10_003)).success).toBe(true)
  expect(relayBodySchema.safeParse('x'.repeat(MAX_PACKET_BYTES - 10_002)).success).toBe(false)
  expect(relayBodySchema.safeParse('"'.repeat(MAX_PACKET_BYTES / 2)).success).toBe(false)
})
