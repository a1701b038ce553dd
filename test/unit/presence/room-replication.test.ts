/** Users and their rooms, from a stream to a replica: whatever happens, the replica has what the server has. */
import { describe, expect, test } from 'vitest'
import { Memberships } from '../../../src/presence/memberships.ts'
import { PresenceStream } from '../../../src/presence/presence-stream.ts'
import { type ApplyResult, Replica } from '../../../src/presence/replica.ts'
import type { PresenceEntry, PresenceSnapshot, StreamDelta } from '../../../src/protocol/frames.ts'
import { Random } from '../../support/random.ts'

const USERS = ['Anna', 'Billy', 'Cleo', 'Dora', 'Erik']
const ROOMS = ['#a', '#b', '#c']

/** A server's users with their rooms, as `Clients` and `Rooms` record them in the stream. */
class Source {
  readonly stream = new PresenceStream('i')
  readonly users = new Map<string, number>()
  readonly rooms = new Memberships()

  connect(user: string): void {
    const connections = (this.users.get(user) ?? 0) + 1
    this.users.set(user, connections)
    this.stream.recordChange(user, connections)
  }

  disconnect(user: string): void {
    const connections = (this.users.get(user) ?? 0) - 1
    if (connections < 0) return
    if (connections === 0) {
      for (const room of this.rooms.deleteUser(user)) this.stream.recordMembership(room, user, false)
      this.users.delete(user)
    } else this.users.set(user, connections)
    this.stream.recordChange(user, connections)
  }

  join(room: string, user: string): void {
    if (this.users.has(user) && this.rooms.add(room, user)) this.stream.recordMembership(room, user, true)
  }

  part(room: string, user: string): void {
    if (this.rooms.delete(room, user)) this.stream.recordMembership(room, user, false)
  }

  flush(): StreamDelta[] {
    return this.stream.takeDeltas((name, connections): PresenceEntry => [name, connections])
  }

  snapshot(): PresenceSnapshot[] {
    const rooms = Array.from(this.rooms, ([room, users]): [string, string[]] => [room, [...users]])
    return this.stream.snapshot([...this.users], rooms).map(chunk => chunk())
  }

  catchUp(replica: Replica): (PresenceSnapshot | StreamDelta)[] {
    const { incarnation, seq } = replica
    return this.stream.deltasAfter(incarnation === undefined ? { seq } : { incarnation, seq }) ?? this.snapshot()
  }
}

/** A replica, and what it has told so far. */
class Target {
  readonly replica = new Replica()
  readonly told = new Set<string>()

  apply(frames: readonly (PresenceSnapshot | StreamDelta)[]): ApplyResult['outcome'][] {
    return frames.map(frame => {
      const result = this.replica.apply(frame)
      if (result.outcome === 'applied') this.#note(result.memberships)
      return result.outcome
    })
  }

  clear(): void {
    this.#note(this.replica.clear().memberships)
  }

  #note(memberships: Extract<ApplyResult, { outcome: 'applied' }>['memberships']): void {
    for (const { room, name, isMember } of memberships) {
      const row = `${room} ${name}`
      if (this.told.has(row) === isMember) throw new Error(`${row} is told twice`)
      if (isMember) this.told.add(row)
      else this.told.delete(row)
    }
  }
}

const rowsOf = (memberships: Memberships) =>
  [...memberships].flatMap(([room, users]) => Array.from(users, user => `${room} ${user}`)).sort()

function expectSame(source: Source, { replica, told }: Target): void {
  expect([...told].sort()).toEqual(rowsOf(source.rooms))
  expect(replica.membershipCount).toBe(source.rooms.size)
  for (const user of USERS) expect([user, replica.connectionCount(user)]).toEqual([user, source.users.get(user) ?? 0])
  for (const room of ROOMS) {
    for (const user of USERS) expect(replica.isInRoom(room, user)).toBe(source.rooms.has(room, user))
  }
}

describe.each([1, 2, 3])('with random steps (seed %d)', seed => {
  test('a replica equals its source after 2,000 steps, with lost frames, new links and snapshots in between', () => {
    const random = new Random(seed)
    const source = new Source()
    const target = new Target()
    const seen = { gap: 0, snapshot: 0, catchUp: 0 }
    target.apply(source.snapshot())
    for (let step = 0; step < 2_000; step++) {
      const user = random.pick(USERS)
      const room = random.pick(ROOMS)
      for (let n = random.below(4); n >= 0; n--) {
        const kind = random.below(10)
        if (kind < 2) source.connect(user)
        else if (kind < 4) source.disconnect(user)
        else if (kind < 8) source.join(room, user)
        else source.part(room, user)
      }
      // A snapshot in the middle of a turn has what the next deltas tell again.
      if (random.chance(0.02)) {
        target.apply(source.snapshot())
        seen.snapshot++
      }
      if (random.chance(0.3)) continue
      const deltas = source.flush()
      if (random.chance(0.05)) target.apply(deltas.slice(1))
      else if (target.apply(deltas).includes('gap')) {
        seen.gap++
        target.apply(source.snapshot())
      }
      if (random.chance(0.02)) {
        target.apply(source.catchUp(target.replica))
        seen.catchUp++
      }
      if (random.chance(0.01)) {
        target.clear()
        target.apply(source.catchUp(target.replica))
      }
      if (target.replica.seq === source.stream.seq && random.chance(0.5)) expectSame(source, target)
    }
    for (const user of USERS) while (source.users.has(user)) source.disconnect(user)
    target.apply(source.flush())
    target.apply(source.catchUp(target.replica))
    expectSame(source, target)
    expect([source.rooms.size, target.replica.membershipCount, target.replica.size, target.told.size]).toEqual([
      0, 0, 0, 0,
    ])
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(10)
  })
})

test('a peer that missed a delta asks for a snapshot, which has the rooms', () => {
  const source = new Source()
  const target = new Target()
  target.apply(source.snapshot())
  source.connect('Anna')
  source.join('#a', 'Anna')
  source.flush()
  source.join('#b', 'Anna')
  expect(target.apply(source.flush())).toEqual(['gap'])
  expect(target.told.size).toBe(0)
  expect(target.apply(source.snapshot())).toEqual(['applied'])
  expectSame(source, target)
})

test('a peer that comes back within the log gets the deltas with the rooms, and no snapshot', () => {
  const source = new Source()
  const target = new Target()
  source.connect('Anna')
  source.flush()
  target.apply(source.snapshot())
  source.join('#a', 'Anna')
  source.flush()
  source.part('#a', 'Anna')
  source.join('#b', 'Anna')
  source.flush()
  const frames = source.catchUp(target.replica)
  expect(frames.map(({ type }) => type)).toEqual(['delta', 'delta'])
  target.apply(frames)
  expectSame(source, target)
})
