/** Unpacking of packed rosters, with the limits that a hostile server meets. */
import { deflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { unpackRoster } from '../../../../cli/session/unpack-roster.ts'
import { frontEncode } from '../../../../src/protocol/encodings/front-coding.ts'

const pack = (value: unknown, version = 7) => packText(JSON.stringify(value), version)
const packText = (text: string | Buffer, version = 7) => ({
  version,
  packed: deflateRawSync(text, { level: 1 }).toString('base64'),
})

test('a packed snapshot is unpacked', () => {
  const users = ['Anna', 'Annabel', 'Billy', 'Ünal']
  expect(unpackRoster(pack({ users: frontEncode(users) }))).toEqual({ version: 7, users })
})

test('a packed delta is unpacked', () => {
  const delta = { joined: frontEncode(['Anna', 'Anne']), left: [] }
  expect(unpackRoster(pack(delta))).toEqual({ version: 7, joined: ['Anna', 'Anne'], left: [] })
})

test.each<[string, unknown]>([
  ['a plain roster', { version: 1, users: ['Anna'] }],
  ['undefined', undefined],
  ['text', 'roster'],
  ['a packed roster without a version', { packed: '' }],
  ['text that is not base64', { version: 1, packed: '§§' }],
  ['bytes that are not deflated', { version: 1, packed: Buffer.from('not deflated').toString('base64') }],
  ['text that is not JSON', packText('{"users":')],
  ['names that are not a list', pack({ users: 'Anna' })],
  ['names that are not text', pack({ users: [7] })],
  ['a name that shares more than the previous name has', pack({ users: ['0Anna', '9x'] })],
  ['a name without its number of shared units', pack({ users: ['!Anna'] })],
])('%s is returned unchanged', (_, payload) => {
  expect(unpackRoster(payload)).toBe(payload)
})

test('C24: more than 32 MiB of unpacked text is not unpacked', () => {
  const bomb = packText(`{"users":[]}${' '.repeat(32 * 1024 * 1024)}`)
  expect(bomb.packed.length).toBeLessThan(1_000_000)
  expect(unpackRoster(bomb)).toBe(bomb)
})

test('C24: more than 2,000,000 names are not decoded', () => {
  const bomb = packText(`{"users":["0x"${',"1z"'.repeat(2_000_000)}]}`)
  expect(unpackRoster(bomb)).toBe(bomb)
})

test('C24: names of more than 64 Mi units are not decoded', () => {
  // Each name shares 35 units with the one before: 4 bytes for 36.
  const names = (count: number) => packText(`{"users":["0${'x'.repeat(35)}"${',"zy"'.repeat(count)}]}`)
  expect(unpackRoster(names(1_900_000))).toMatchObject({ packed: expect.any(String) })
  expect(unpackRoster(names(1_000))).toMatchObject({ users: { length: 1_001 } })
})
