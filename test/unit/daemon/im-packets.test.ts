/** Packets read and written by hand, for speed, against JSON, which says what they mean. */
import { expect, test } from 'vitest'
import { fatePacket, forwardPacket, imPacket, readIm } from '../../../daemon/transport/im-packets.ts'
import type { ForwardedMessage } from '../../../src/protocol/frames.ts'
import { seeded } from '../../support/random.ts'

const random = seeded(8)
const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T

const TEXTS = [
  '',
  'Anna',
  'Grüße',
  '🙂',
  '\ud83d',
  '\ude42',
  'a"b',
  'a\\b',
  'a\nb',
  '\u0000',
  '\u007f',
  '\u2028',
  '","text":"',
]
const TIMES = [0, -0, 1, 1.5, 5e-324, 1e-7, 1_760_000_000_000.25, 2 ** 53 - 1, 2 ** 53, 1e21]
const any = () => pick([...TEXTS, 'plain', 'two words', `${pick(TEXTS)}${pick(TEXTS)}`])

test('im, to clients', () => {
  for (let n = 0; n < 5_000; n++) {
    const payload = { id: any(), from: any(), to: any(), text: any(), at: pick(TIMES), forwarded: random() < 0.5 }
    expect(imPacket(payload)).toBe(`2${JSON.stringify(['im', payload])}`)
  }
})

test('fates', () => {
  const fates = [0, 1, 100].map(delivered => ({ ok: true as const, delivered }))
  for (const fate of [...fates, { ok: true, delivered: 1, unconfirmed: true } as const]) {
    expect(fatePacket(12, fate)).toBe(`312${JSON.stringify([fate])}`)
  }
})

test('forwards', () => {
  for (let n = 0; n < 2_000; n++) {
    const one = (): ForwardedMessage => [n, any(), pick(TIMES), any(), any(), any()]
    const batch = Array.from({ length: pick([0, 1, 3]) }, one)
    expect(forwardPacket(batch)).toBe(`2/mesh,${JSON.stringify(['forward', batch])}`)
  }
})

test('im, from clients: as JSON reads it, or not at all', () => {
  let byHand = 0
  for (let n = 0; n < 5_000; n++) {
    const payload = { id: any(), at: pick(TIMES), to: any(), text: any() }
    const read = readIm(`42${n}${JSON.stringify(['im', payload])}`)
    if (read === undefined) continue
    byHand++
    expect(read).toEqual({ payload: JSON.parse(JSON.stringify(payload)), call: n })
  }
  expect(byHand).toBeGreaterThan(300)
})

test('im, from clients: what is cut, doubled or put in at random is read as JSON reads it, or not at all', () => {
  const whole = '42["im",{"id":"a1","at":12.5,"to":"Anna","text":"Grüße"}]'
  const pieces = [
    '"',
    '\\',
    ',',
    ':',
    '0',
    '-',
    '.',
    'e9',
    '\n',
    ' ',
    '{',
    '}',
    ']',
    '"text":"x",',
    '"at":1,',
    '\ud83d',
    'é',
  ]
  let byHand = 0
  for (let n = 0; n < 50_000; n++) {
    const at = 2 + Math.floor(random() * (whole.length - 2))
    const text = whole.slice(0, at) + pick(['', ...pieces]) + whole.slice(at + pick([0, 0, 1, 2, 9]))
    const read = readIm(text)
    if (read === undefined) continue
    byHand++
    const [, call = ''] = /^42(\d*)/.exec(text) ?? []
    expect(['im', read.payload]).toEqual(JSON.parse(text.slice(2 + call.length)))
    expect(read.call).toBe(call === '' ? undefined : Number(call))
  }
  expect(byHand).toBeGreaterThan(1_000)
})

test.each([
  ['a leading zero', '"at":01'],
  ['minus zero', '"at":-0'],
  ['an exponent', '"at":1e5'],
  ['no digit behind the point', '"at":1.'],
  ['a key twice', '"at":1,"at":2'],
  ['another order', '"to":"b","at":1'],
])('im, from clients: %s is left to JSON', (_, at) => {
  expect(readIm(`42["im",{"id":"a",${at},"to":"b","text":"c"}]`)).toBeUndefined()
})
