import { describe, expect, test } from 'vitest'
import type { ClockReading } from '../../../src/protocol/frames.ts'
import { MAX_CORRECTION_MS, MeshClock } from '../../../src/server/mesh-clock.ts'

const EPOCH = 1_700_000_000_000
const MINUTE_MS = 60_000

/** Some servers, each with its own clock; `sync` exchanges heartbeats between all of them. */
class Clocks {
  readonly clocks: { id: string; clock: MeshClock; skew: number }[] = []
  now = 1_000

  add(id: string, skew: number): MeshClock {
    const clock = new MeshClock(id)
    this.clocks.push({ id, clock, skew })
    clock.read(this.now, EPOCH + this.now + skew)
    return clock
  }

  setSkew(id: string, skew: number): void {
    for (const one of this.clocks) if (one.id === id) one.skew = skew
  }

  /** @param rounds heartbeats on each link */
  sync(rounds = 10, roundTripMs = 2): void {
    for (let round = 0; round < rounds; round++) {
      this.now += 1_000
      for (const { clock, skew } of this.clocks) clock.read(this.now, EPOCH + this.now + skew)
      for (const one of this.clocks)
        for (const other of this.clocks) {
          const reading = other.clock.reading(this.now - roundTripMs / 2)
          if (one !== other) one.clock.observe(other.id, reading, this.now - roundTripMs, this.now)
        }
    }
  }

  /** The mesh times minus the true time, rounded to ms. */
  get errors(): number[] {
    return this.clocks.map(({ clock }) => Math.round(clock.offset - EPOCH))
  }
}

describe('MeshClock', () => {
  test('a server alone follows its own clock, also when that jumps', () => {
    const clocks = new Clocks()
    const clock = clocks.add('server-1', 500)
    expect(clocks.errors).toEqual([500])
    expect(clock.read(2_000, EPOCH + 2_000 - 3_600_000)).toBe(EPOCH + 2_000 - 3_600_000)
  })

  test('all servers have the median of their clocks', () => {
    const clocks = new Clocks()
    clocks.add('server-1', 0)
    clocks.add('server-2', 200)
    clocks.add('server-3', 10 * MINUTE_MS)
    clocks.sync()
    expect(clocks.errors).toEqual([200, 200, 200])
  })

  test('a clock that jumps does not move the mesh time of three servers', () => {
    const clocks = new Clocks()
    for (const id of ['server-1', 'server-2', 'server-3']) clocks.add(id, 0)
    clocks.sync()
    for (const skew of [-60 * MINUTE_MS, 24 * 60 * MINUTE_MS, 0]) {
      clocks.setSkew('server-2', skew)
      clocks.sync()
      expect(clocks.errors).toEqual([0, 0, 0])
    }
  })

  test('of two servers, neither a jump nor a wrong newcomer moves the mesh time', () => {
    const clocks = new Clocks()
    clocks.add('server-1', 0)
    clocks.sync()
    clocks.add('server-2', -10 * MINUTE_MS)
    clocks.sync()
    expect(clocks.errors).toEqual([0, 0])
    clocks.setSkew('server-1', -60 * MINUTE_MS)
    clocks.setSkew('server-2', 0)
    clocks.sync()
    expect(clocks.errors).toEqual([0, 0])
  })

  test('two servers that start at the same time with different clocks agree', () => {
    for (const skews of [
      [0, 600_000],
      [600_000, 0],
    ] as const) {
      const clocks = new Clocks()
      clocks.add('server-1', skews[0])
      clocks.now += 5
      clocks.add('server-2', skews[1])
      clocks.sync()
      const [first, second] = clocks.errors
      expect(first).toBe(second)
    }
  })

  test('the workers of one machine count as one clock', () => {
    const clocks = new Clocks()
    for (const id of ['a/1', 'a/2', 'a/3', 'a/4']) clocks.add(id, 10 * MINUTE_MS)
    clocks.add('b', 0)
    clocks.add('c', 0)
    clocks.sync()
    expect(clocks.errors).toEqual([0, 0, 0, 0, 0, 0])
  })

  test('the measurement with the shortest round trip counts', () => {
    const clock = new MeshClock('server-1')
    clock.read(0, EPOCH + 3_000)
    const reading = (at: number): ClockReading => ({ machine: EPOCH + at, mesh: EPOCH + at, uptime: 1e9 })
    // The answer to the first heartbeat was slow, and only in one direction.
    clock.observe('server-2', reading(1_900), 0, 2_000)
    clock.observe('server-2', reading(3_001), 3_000, 3_002)
    clock.observe('server-2', reading(5_900), 4_000, 6_000)
    expect(clock.offset - EPOCH).toBe(0)
  })

  test('a correction is bounded', () => {
    const clocks = new Clocks()
    clocks.add('server-1', 0)
    clocks.add('server-2', 0)
    clocks.add('server-3', -48 * 60 * MINUTE_MS)
    clocks.sync()
    expect(clocks.errors).toEqual([0, 0, -48 * 60 * MINUTE_MS + MAX_CORRECTION_MS])
  })

  test('a clock that was not measured for an hour does not count', () => {
    const clocks = new Clocks()
    const clock = clocks.add('server-1', 7_000)
    clocks.add('server-2', 0)
    clocks.add('server-3', 0)
    clocks.sync()
    expect(clock.offset - EPOCH).toBe(0)
    const later = clocks.now + 61 * MINUTE_MS
    clock.read(later, EPOCH + later + 7_100)
    expect(clock.offset - EPOCH).toBe(7_100)
  })

  test('a wrong clock is reported once, and once when it is right again', () => {
    const clocks = new Clocks()
    const clock = clocks.add('server-1', 0)
    clocks.add('server-2', 0)
    clocks.add('server-3', 0)
    clocks.sync()
    expect(clock.takeChanges()).toEqual([])
    clocks.setSkew('server-3', -90_000)
    clocks.sync()
    expect(clock.takeChanges()).toEqual([{ server: 'server-3', ahead: -90_000, isWrong: true }])
    clocks.sync()
    expect(clock.takeChanges()).toEqual([])
    clocks.setSkew('server-3', -4_000)
    clocks.sync()
    expect(clock.takeChanges()).toEqual([])
    clocks.setSkew('server-3', 0)
    clocks.sync()
    expect(clock.takeChanges()).toMatchObject([{ server: 'server-3', isWrong: false }])
    clock.forget('server-3')
    clocks.setSkew('server-1', 6_000)
  })
})
