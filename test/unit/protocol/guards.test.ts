/** The hand-written guards accept exactly what the schemas accept. */
import { describe, expect, test } from 'vitest'
import { MAX_TIME_MS, MIN_TIME_MS } from '../../../src/common/time.ts'
import { fatesSchema, forwardSchema } from '../../../src/protocol/frames.ts'
import { isFateBatch, isForwardBatch, parseComposedMessage } from '../../../src/protocol/guards.ts'
import { composedMessageSchema } from '../../../src/protocol/messages.ts'
import { seeded } from '../../support/random.ts'

const random = seeded(7)
const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T

const TEXTS = ['', 'Anna', 'Grüße', '🙂', '\ud83d', 'a"b', 'a\\b', 'a\nb', '\u0000', '\u007f', '\u2028', '","text":"']
const LONG = [64, 65, 200, 201, 256 * 1024, 256 * 1024 + 1].map(length => 'x'.repeat(length))
const TIMES = [1_760_000_000_000.25, MIN_TIME_MS, MIN_TIME_MS - 1, MAX_TIME_MS, MAX_TIME_MS + 1]
const NUMBERS = [0, -0, 1, 2, -1, 1.5, ...TIMES, 2 ** 53 - 1, 2 ** 53, 1e300, Number.NaN, Number.POSITIVE_INFINITY]
const anything = (): unknown => pick<unknown>([pick(TEXTS), pick(LONG), pick(NUMBERS), true, null, undefined, [], {}])
/** A valid value in nine of ten cases, so that deep checks are reached. */
const mostly = (valid: () => unknown): unknown => (random() < 0.9 ? valid() : anything())
const text = () => pick([...TEXTS, 'x'.repeat(64)])
const count = () => pick([0, 1, 2, 1_000])

describe('guards and schemas agree on random input', () => {
  test('a composed message', () => {
    for (let n = 0; n < 20_000; n++) {
      const unsigned = { id: mostly(text), at: mostly(() => pick(NUMBERS)), to: mostly(text), text: mostly(text) }
      const valid = random() < 0.5 ? unsigned : { ...unsigned, proof: mostly(text) }
      const payload = mostly(() => (random() < 0.1 ? { ...valid, more: 1 } : valid))
      expect(parseComposedMessage(payload)).toEqual(composedMessageSchema.safeParse(payload).data)
    }
  })

  test('a composed message with a proof', () => {
    const message = { id: 'm', at: NUMBERS[6], to: '#ops', text: 'hi' }
    for (const proof of ['', 'x'.repeat(200), 'x'.repeat(201), null, undefined, 7, [], {}]) {
      const payload = { ...message, proof }
      expect([proof, parseComposedMessage(payload)]).toEqual([proof, composedMessageSchema.safeParse(payload).data])
    }
    expect(parseComposedMessage({ ...message, proof: 'x'.repeat(200) })).toMatchObject({ proof: 'x'.repeat(200) })
    expect(parseComposedMessage({ ...message, proof: 'x'.repeat(201) })).toBeUndefined()
  })

  test('a batch of forwards', () => {
    for (let n = 0; n < 5_000; n++) {
      const itemOf = () => [count(), mostly(text), pick(NUMBERS), mostly(text), mostly(text), mostly(text)]
      const length = pick([0, 1, 2, 3, 256, 257])
      const valid = Array.from({ length }, () => [1, 'id', 5, 'Anna', 'Billy', 'Hi'] as unknown)
      if (length > 0 && length < 4) valid[length - 1] = mostly(() => (random() < 0.1 ? [...itemOf(), 1] : itemOf()))
      const payload = mostly(() => valid)
      expect(isForwardBatch(payload)).toBe(forwardSchema.safeParse(payload).success)
    }
  })

  test('fates', () => {
    for (let n = 0; n < 5_000; n++) {
      const itemOf = () => [mostly(count), mostly(count), mostly(() => random() < 0.5)]
      const length = n % 500 === 0 ? pick([10_000, 10_001]) : pick([0, 1, 2, 3])
      const valid = Array.from({ length }, () => [1, 0, true] as unknown)
      if (length > 0 && length < 4) valid[length - 1] = mostly(() => (random() < 0.1 ? itemOf().slice(1) : itemOf()))
      const payload = mostly(() => valid)
      expect(isFateBatch(payload)).toBe(fatesSchema.safeParse(payload).success)
    }
  })
})
