import { describe, expect, test } from 'vitest'
import { ClaimMemory } from '../../../src/presence/claim-memory.ts'

const KEY = 'k'.repeat(43)
const OTHER_KEY = 'o'.repeat(43)
const HOUR = 3_600_000

const build = (limits: Partial<ConstructorParameters<typeof ClaimMemory>[0]> = {}) =>
  new ClaimMemory({ claimMs: 12 * HOUR, rememberedClaims: 3, ...limits })
const all = (memory: ClaimMemory, now: number) => [...memory.since(0, now)].map(([{ name }]) => name)

test('a claim is remembered for claimMs, then the memory is empty again', () => {
  const memory = build()
  expect(memory.deadline).toBe(Number.POSITIVE_INFINITY)
  memory.remember('Anna', { key: KEY, at: 5 }, 1_000, HOUR)
  memory.remember('Billy', { key: KEY, at: 5 }, 2_000, HOUR)
  expect(memory.get('Anna', 12 * HOUR + 999)).toMatchObject({ key: KEY, at: 5 })
  expect(memory.get('Anna', 12 * HOUR + 1_000)).toBeUndefined()
  expect(memory.forgetExpired(12 * HOUR + 1_000)).toEqual(['Anna'])
  expect(memory.size).toBe(1)
  expect(memory.forgetExpired(12 * HOUR + 2_000)).toEqual([])
  expect(memory.forgetExpired(memory.deadline)).toEqual(['Billy'])
  expect([memory.size, memory.deadline]).toEqual([0, Number.POSITIVE_INFINITY])
})

test('of two claims with different keys the older one is remembered, in any order', () => {
  const older = { key: KEY, at: 5 }
  const younger = { key: OTHER_KEY, at: 6 }
  for (const claims of [
    [older, younger],
    [younger, older],
  ]) {
    const memory = build()
    for (const claim of claims) memory.remember('Anna', claim, 0, HOUR)
    expect(memory.get('Anna', 0)).toMatchObject(older)
  }
})

test('another visit of the same key prolongs the claim and keeps its first time', () => {
  const memory = build()
  memory.remember('Anna', { key: KEY, at: 5 }, 0, HOUR)
  memory.remember('Anna', { key: KEY, at: 9 }, HOUR, HOUR)
  expect(memory.get('Anna', 13 * HOUR - 1)).toMatchObject({ key: KEY, at: 5 })
})

test('beyond rememberedClaims the oldest claim is dropped', () => {
  const memory = build()
  const drop = ['a', 'b', 'c', 'd', 'e'].map(name => memory.remember(name, { key: KEY, at: 1 }, 0, HOUR))
  expect(drop).toEqual([undefined, undefined, undefined, 'a', 'b'])
  expect(all(memory, 0)).toEqual(['c', 'd', 'e'])
})

test('a stranger who uses many names for a moment does not push out names that were held for long', () => {
  const memory = build()
  memory.remember('Billy', { key: KEY, at: 1 }, 0, HOUR)
  for (let n = 0; n < 1_000; n++) memory.remember(`${n}`, { key: OTHER_KEY, at: 2 }, 0, 9 * 60_000)
  expect(memory.size).toBe(3)
  expect(memory.get('Billy', 0)).toMatchObject({ key: KEY })
})

test('rememberedClaims 0 means no limit; claimMs 0 remembers nothing', () => {
  const unbounded = build({ rememberedClaims: 0 })
  for (let n = 0; n < 100; n++) unbounded.remember(`${n}`, { key: KEY, at: 2 }, 0, HOUR)
  expect(unbounded.size).toBe(100)
  const none = build({ claimMs: 0 })
  none.remember('Anna', { key: KEY, at: 2 }, 0, HOUR)
  none.merge('Billy', { key: KEY, at: 2 }, HOUR, 0, HOUR)
  expect(none.size).toBe(0)
})

describe('claims of peers', () => {
  test('a claim ends when it ends at the peer, and at the latest after claimMs', () => {
    const memory = build()
    memory.merge('Anna', { key: KEY, at: 5 }, HOUR, 0, HOUR)
    memory.merge('Billy', { key: KEY, at: 5 }, Number.MAX_SAFE_INTEGER, 0, HOUR)
    expect(memory.get('Anna', HOUR)).toBeUndefined()
    expect(memory.get('Billy', 12 * HOUR - 1)).toBeDefined()
    expect(memory.get('Billy', 12 * HOUR)).toBeUndefined()
  })

  test('servers do not prolong a claim for each other', () => {
    const [one, two] = [build(), build()]
    one.remember('Anna', { key: KEY, at: 5 }, 0, HOUR)
    for (let now = 0; now < 12 * HOUR; now += HOUR) {
      for (const [from, to] of [
        [one, two],
        [two, one],
      ] as const)
        for (const [{ name, key, at }, remaining] of from.since(0, now))
          to.merge(name, { key, at }, remaining + 1_000, now, HOUR)
    }
    expect(one.get('Anna', 12 * HOUR)).toBeUndefined()
    expect(two.get('Anna', 12 * HOUR + 1_000)).toBeUndefined()
  })

  test('an older claim of another key replaces a known one, a younger one does not', () => {
    const memory = build()
    memory.remember('Anna', { key: KEY, at: 5 }, 0, HOUR)
    memory.merge('Anna', { key: OTHER_KEY, at: 6 }, HOUR, 0, HOUR)
    expect(memory.get('Anna', 0)).toMatchObject({ key: KEY })
    memory.merge('Anna', { key: OTHER_KEY, at: 4 }, HOUR, 0, HOUR)
    expect(memory.get('Anna', 0)).toMatchObject({ key: OTHER_KEY, at: 4 })
  })

  test('since gives what was remembered after a time', () => {
    const memory = build()
    memory.remember('Anna', { key: KEY, at: 5 }, 1_000, HOUR)
    memory.remember('Billy', { key: KEY, at: 5 }, 2_000, 1)
    memory.merge('Carla', { key: KEY, at: 5 }, HOUR, 3_000, HOUR)
    expect([...memory.since(2_000, 4_000)].map(([{ name }, remaining]) => [name, remaining])).toEqual([
      ['Carla', HOUR - 1_000],
      ['Billy', 12 * HOUR - 2_000],
    ])
  })
})
