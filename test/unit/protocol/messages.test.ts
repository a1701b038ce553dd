import { expect, test } from 'vitest'
import { membersSchema } from '../../../src/protocol/frames.ts'
import {
  composedMessageSchema,
  deliveredMessageSchema,
  fateSchema,
  identifyRequestSchema,
  identifyResponseSchema,
  legacyMessageSchema,
  moveSchema,
  refusalSchema,
  rosterSnapshotSchema,
  serverAddressSchema,
} from '../../../src/protocol/messages.ts'

const accepts = (schema: { safeParse(value: unknown): { success: boolean } }, value: unknown) =>
  schema.safeParse(value).success

test('V4: an identification has protocol 2', () => {
  const request = { user: 'Anna', client: 'x/1', protocol: 2 }
  expect(accepts(identifyRequestSchema, request)).toBe(true)
  expect(accepts(identifyRequestSchema, { ...request, protocol: 3 })).toBe(false)
  expect(accepts(identifyRequestSchema, { ...request, client: 'x'.repeat(101) })).toBe(false)
})

test('V5: unknown fields are ignored', () => {
  const message = { id: '1', at: 1, from: 'Billy', to: 'Anna', text: 'Hi', forwarded: false }
  expect(deliveredMessageSchema.parse({ ...message, kind: 'new' })).toEqual(message)
})

test('N5: a roster must be sorted, each name once', () => {
  expect(accepts(rosterSnapshotSchema, { version: 1, users: ['Anna', 'Billy'] })).toBe(true)
  expect(accepts(rosterSnapshotSchema, { version: 1, users: ['Billy', 'Anna'] })).toBe(false)
  expect(accepts(rosterSnapshotSchema, { version: 1, users: ['Anna', 'Anna'] })).toBe(false)
})

test('D1: a delivery result is a count, or a rejection', () => {
  expect(accepts(fateSchema, { ok: true, delivered: 0 })).toBe(true)
  expect(accepts(fateSchema, { ok: true, delivered: 2, unconfirmed: true })).toBe(true)
  expect(accepts(fateSchema, { ok: true, delivered: 2, unconfirmed: false })).toBe(false)
  expect(accepts(fateSchema, { ok: true, delivered: -1 })).toBe(false)
  expect(accepts(fateSchema, { ok: false, code: 'rate-limited', message: 'wait', retryAfter: 5 })).toBe(true)
})

test('E1: the message of a rejection is safe to print', () => {
  const refusal = { ok: false, code: 'bad-name', message: 'no\u001b[2J' }
  expect(refusalSchema.parse(refusal).message).toBe('no\\u{1b}[2J')
  expect(accepts(refusalSchema, { ...refusal, code: 'unheard-of' })).toBe(false)
})

test.each([
  [5, 5],
  [50 * 365 * 86_400_000, 60_000],
])('E13: retryAfter %d is at most 60 s: %d', (sent, kept) => {
  const refusal = { ok: false, code: 'clock-ahead', message: 'ahead', retryAfter: sent }
  expect(refusalSchema.parse(refusal).retryAfter).toBe(kept)
})

test('E3: a message of protocol 2 that is invalid does not pass as one of an original client', () => {
  const message = { id: 'a.1', at: 1_700_000_000_000, to: 'Billy', text: 'Hi' }
  expect(accepts(composedMessageSchema, message)).toBe(true)
  for (const at of [-1, 253_402_300_800_000, null]) {
    expect(accepts(composedMessageSchema, { ...message, at })).toBe(false)
    expect(accepts(legacyMessageSchema, { ...message, at })).toBe(false)
  }
  expect(legacyMessageSchema.parse({ from: 'x', to: 'Billy', text: 'Hi' })).toEqual({ to: 'Billy', text: 'Hi' })
})

test.each(['http://127.0.0.1:1', 'https://a.example'])('a server can have the URL %s', url => {
  expect(accepts(serverAddressSchema, { id: 'server-1', url })).toBe(true)
})

test.each(['ftp://a', 'a:1', 'http://a b', 'http://a/\u202e', `http://a/${'x'.repeat(300)}`])(
  'a server cannot have the URL %j',
  url => {
    expect(accepts(serverAddressSchema, { id: 'server-1', url })).toBe(false)
  },
)

test('G10: an address that is not valid is left out, and the others are used', () => {
  const good = { id: 'server-1', url: 'http://[::1]:3001' }
  const bad = ['http://[::1:3001', 'http://host name:3001', 'http://10.0.0.1:3000:3001', 'ftp://x', 'x', 7, null]
  const servers = [...bad.map(url => ({ id: 'server-2', url })), good, null, 'x', { id: '-', url: good.url }]
  expect(moveSchema.parse({ servers })).toEqual({ servers: [good] })
  expect(membersSchema.parse(servers)).toEqual([good])
  const roster = { version: 1, users: [] }
  const at = Date.UTC(2026, 0, 1)
  const answer = { ok: true, server: 'server-1', incarnation: 'i', connection: 'server-1:1', roster, time: at, servers }
  expect(identifyResponseSchema.parse(answer)).toMatchObject({ ok: true, servers: [good] })
})
