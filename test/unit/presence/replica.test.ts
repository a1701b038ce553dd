/** The copy of a peer's users. */
import { describe, expect, test } from 'vitest'
import { type ApplyResult, Replica } from '../../../src/presence/replica.ts'
import type {
  PresenceEntry,
  PresenceSnapshot,
  RoomChanges,
  RoomMembers,
  StreamDelta,
} from '../../../src/protocol/frames.ts'

const KEY = 'k'.repeat(43)
const OTHER_KEY = 'o'.repeat(43)

function snapshot(seq: number, users: PresenceEntry[], more = false, incarnation = 'a'): PresenceSnapshot {
  return { type: 'snapshot', incarnation, seq, users, more }
}

function delta(seq: number, changes: PresenceEntry[], incarnation = 'a'): StreamDelta {
  return { type: 'delta', incarnation, seq, changes }
}

function replicaWith(...users: PresenceEntry[]): Replica {
  const replica = new Replica()
  replica.apply(snapshot(5, users))
  return replica
}

test('a snapshot sets the position and reports the users as changes', () => {
  const replica = new Replica()
  expect(replica.apply(snapshot(5, [['Anna', 2]]))).toEqual({
    outcome: 'applied',
    replaced: true,
    changes: [{ name: 'Anna', before: 0, now: 2 }],
    memberships: [],
  })
  expect([replica.incarnation, replica.seq, replica.size]).toEqual(['a', 5, 1])
  expect(replica.connectionCount('Anna')).toBe(2)
  expect(replica.connectionCount('Billy')).toBe(0)
})

test('a snapshot replaces the users, and reports only the difference', () => {
  const replica = replicaWith(['Anna', 1], ['Billy', 1], ['Carla', 1])
  const result = replica.apply(
    snapshot(9, [
      ['Billy', 2],
      ['Carla', 1],
      ['Dora', 1],
    ]),
  )
  expect(result).toMatchObject({
    changes: [
      { name: 'Billy', before: 1, now: 2 },
      { name: 'Dora', before: 0, now: 1 },
      { name: 'Anna', before: 1, now: 0 },
    ],
  })
  expect(replica.size).toBe(3)
})

test('an empty snapshot removes all users', () => {
  const replica = replicaWith(['Anna', 1])
  expect(replica.apply(snapshot(6, []))).toMatchObject({ changes: [{ name: 'Anna', before: 1, now: 0 }] })
  expect(replica.size).toBe(0)
})

test('the next delta applies; 0 connections remove a user', () => {
  const replica = replicaWith(['Anna', 1])
  const result = replica.apply(
    delta(6, [
      ['Anna', 0],
      ['Billy', 3],
    ]),
  )
  expect(result).toEqual({
    outcome: 'applied',
    replaced: false,
    changes: [
      { name: 'Anna', before: 1, now: 0 },
      { name: 'Billy', before: 0, now: 3 },
    ],
    memberships: [],
  })
  expect([replica.seq, replica.size]).toEqual([6, 1])
})

test('a delta without effect is applied without changes', () => {
  const replica = replicaWith(['Anna', 1])
  const nothing = { outcome: 'applied', replaced: false, changes: [], memberships: [] }
  expect(replica.apply(delta(6, [['Anna', 1]]))).toEqual(nothing)
  expect(replica.seq).toBe(6)
})

test('a repeated delta changes nothing', () => {
  const replica = replicaWith(['Anna', 1])
  expect(replica.apply(delta(5, [['Anna', 7]]))).toEqual({ outcome: 'nothing-new' })
  expect(replica.connectionCount('Anna')).toBe(1)
})

test.each([
  ['after a missing one', delta(7, [['Anna', 0]])],
  ['of another incarnation', delta(6, [['Anna', 0]], 'b')],
])('a delta %s is a gap and changes nothing', (_, frame) => {
  const replica = replicaWith(['Anna', 1])
  expect(replica.apply(frame)).toEqual({ outcome: 'gap' })
  expect([replica.seq, replica.connectionCount('Anna')]).toEqual([5, 1])
})

test('a delta before any snapshot is a gap', () => {
  expect(new Replica().apply(delta(1, []))).toEqual({ outcome: 'gap' })
})

test('a snapshot in chunks applies with the last chunk', () => {
  const replica = replicaWith(['Zoe', 1])
  expect(replica.apply(snapshot(9, [['Anna', 1]], true))).toEqual({ outcome: 'nothing-new' })
  expect([replica.seq, replica.connectionCount('Anna'), replica.connectionCount('Zoe')]).toEqual([5, 0, 1])
  expect(replica.apply(snapshot(9, [['Billy', 1]]))).toMatchObject({ replaced: true })
  expect([replica.seq, replica.connectionCount('Anna'), replica.connectionCount('Zoe')]).toEqual([9, 1, 0])
})

test('chunks of another snapshot replace an incomplete one', () => {
  const replica = new Replica()
  replica.apply(snapshot(9, [['Anna', 1]], true))
  replica.apply(snapshot(10, [['Billy', 1]], true))
  replica.apply(snapshot(10, [['Carla', 1]]))
  expect([replica.size, replica.connectionCount('Anna'), replica.connectionCount('Billy')]).toEqual([2, 0, 1])
})

test('the size counts an incomplete snapshot, so that a limit stops it early', () => {
  const replica = replicaWith(['Zoe', 1])
  replica.apply(
    snapshot(
      9,
      [
        ['Anna', 1],
        ['Billy', 1],
      ],
      true,
    ),
  )
  expect(replica.size).toBe(2)
})

test('a heartbeat shows a gap by incarnation or position', () => {
  const replica = replicaWith()
  expect(replica.isBehind('a', 5)).toBe(false)
  expect(replica.isBehind('a', 4)).toBe(false)
  expect(replica.isBehind('a', 6)).toBe(true)
  expect(replica.isBehind('b', 5)).toBe(true)
  expect(new Replica().isBehind('a', 0)).toBe(true)
})

test('clear removes everything, reports the users, and forgets the position', () => {
  const replica = replicaWith(['Anna', 2, KEY, 7])
  replica.apply(snapshot(9, [['Billy', 1]], true))
  const changes = [{ name: 'Anna', before: 2, now: 0, lostClaim: { key: KEY, at: 7 } }]
  expect(replica.clear()).toEqual({ changes, memberships: [] })
  expect([replica.size, replica.incarnation, replica.seq, replica.claim('Anna')]).toEqual([0, undefined, 0, undefined])
  expect(replica.clear()).toEqual({ changes: [], memberships: [] })
})

test('a claim is set, changed and removed with its user', () => {
  const replica = replicaWith(['Anna', 1, KEY, 7])
  expect(replica.claim('Anna')).toEqual({ key: KEY, at: 7 })
  expect(replica.apply(delta(6, [['Anna', 1, OTHER_KEY, 8]]))).toMatchObject({ changes: [{ name: 'Anna' }] })
  expect(replica.claim('Anna')).toEqual({ key: OTHER_KEY, at: 8 })
  replica.apply(delta(7, [['Anna', 0]]))
  expect(replica.claim('Anna')).toBeUndefined()
})

test('a snapshot that only changes the key of a claim reports a change', () => {
  const replica = replicaWith(['Anna', 1, KEY, 7])
  expect(replica.apply(snapshot(9, [['Anna', 1, OTHER_KEY, 8]]))).toMatchObject({
    changes: [{ name: 'Anna', before: 1, now: 1 }],
  })
})

test('a change names the claim that it ends: of a user who left, or of another key', () => {
  const lostClaim = { key: KEY, at: 7 }
  const left = [{ name: 'Anna', before: 1, now: 0, lostClaim }]
  const taken = [{ name: 'Anna', before: 1, now: 1, lostClaim }]
  const changesOf = (frame: StreamDelta | PresenceSnapshot) => {
    const result = replicaWith(['Anna', 1, KEY, 7]).apply(frame)
    return result.outcome === 'applied' ? result.changes : []
  }
  expect(changesOf(delta(6, [['Anna', 0]]))).toEqual(left)
  expect(changesOf(snapshot(9, []))).toEqual(left)
  expect(changesOf(delta(6, [['Anna', 1, OTHER_KEY, 8]]))).toEqual(taken)
  expect(changesOf(snapshot(9, [['Anna', 1, OTHER_KEY, 8]]))).toEqual(taken)
  expect(changesOf(delta(6, [['Anna', 2, KEY, 7]]))).toEqual([{ name: 'Anna', before: 1, now: 2 }])
})

describe('memberships of rooms', () => {
  const withRooms = (
    rooms: RoomMembers,
    users: PresenceEntry[] = [
      ['Anna', 1],
      ['Billy', 1],
    ],
  ) => {
    const replica = new Replica()
    replica.apply({ ...snapshot(5, users), rooms })
    return replica
  }
  const changed = (result: ApplyResult) =>
    result.outcome === 'applied'
      ? result.memberships.map(({ room, name, isMember }) => `${isMember ? '+' : '-'}${room} ${name}`)
      : result.outcome
  const roomDelta = (seq: number, rooms: RoomChanges, changes: PresenceEntry[] = []): StreamDelta => ({
    ...delta(seq, changes),
    rooms,
  })

  test('a snapshot sets them and reports the difference', () => {
    const replica = withRooms([
      ['#ops', ['Anna', 'Billy']],
      ['#dev', ['Anna']],
    ])
    expect([replica.isInRoom('#ops', 'Anna'), replica.isInRoom('#dev', 'Billy'), replica.membershipCount]).toEqual([
      true,
      false,
      3,
    ])
    const next = {
      ...snapshot(9, [['Anna', 1]]),
      rooms: [
        ['#ops', ['Anna']],
        ['#new', ['Anna']],
      ] as RoomMembers,
    }
    expect(changed(replica.apply(next))).toEqual(['+#new Anna', '-#ops Billy', '-#dev Anna'])
    expect(replica.membershipCount).toBe(2)
  })

  test('a snapshot without rooms, as of a server of 0.2, ends them all', () => {
    const replica = withRooms([['#ops', ['Anna']]])
    expect(changed(replica.apply(snapshot(9, [['Anna', 1]])))).toEqual(['-#ops Anna'])
    expect(replica.membershipCount).toBe(0)
  })

  test('a snapshot in chunks applies its rooms with the last chunk, and counts them before', () => {
    const replica = withRooms([['#old', ['Anna']]])
    replica.apply({ ...snapshot(9, [['Anna', 1]], true), rooms: [['#ops', ['Anna']]] })
    expect(replica.apply({ ...snapshot(9, [], true), rooms: [['#ops', ['Billy', 'Cleo']]] })).toEqual({
      outcome: 'nothing-new',
    })
    expect([replica.isInRoom('#old', 'Anna'), replica.isInRoom('#ops', 'Anna'), replica.membershipCount]).toEqual([
      true,
      false,
      3,
    ])
    expect(changed(replica.apply({ ...snapshot(9, []), rooms: [['#ops', ['Dora']]] }))).toEqual([
      '+#ops Anna',
      '+#ops Billy',
      '+#ops Cleo',
      '+#ops Dora',
      '-#old Anna',
    ])
  })

  test('a delta joins and leaves; what is known already is no change', () => {
    const replica = withRooms([['#ops', ['Anna']]])
    expect(
      changed(
        replica.apply(
          roomDelta(6, [
            ['#ops', ['Anna', 'Billy'], ['Cleo']],
            ['#dev', [], ['Anna']],
          ]),
        ),
      ),
    ).toEqual(['+#ops Billy'])
    expect(changed(replica.apply(roomDelta(7, [['#ops', [], ['Anna', 'Billy']]])))).toEqual([
      '-#ops Anna',
      '-#ops Billy',
    ])
    expect(replica.membershipCount).toBe(0)
  })

  test('a user who goes offline leaves all rooms, without being listed', () => {
    const replica = withRooms([
      ['#ops', ['Anna', 'Billy']],
      ['#dev', ['Anna']],
    ])
    expect(changed(replica.apply(delta(6, [['Anna', 0]])))).toEqual(['-#ops Anna', '-#dev Anna'])
    expect(changed(replica.apply(delta(7, [['Anna', 0]])))).toEqual([])
    expect(replica.membershipCount).toBe(1)
  })

  test('the rooms of a delta apply after its users: a user who comes and joins is in the room', () => {
    const replica = withRooms([])
    expect(changed(replica.apply(roomDelta(6, [['#ops', ['Cleo'], []]], [['Cleo', 1]])))).toEqual(['+#ops Cleo'])
  })

  test('a change of the number of connections leaves the rooms alone', () => {
    const replica = withRooms([['#ops', ['Anna']]])
    expect(changed(replica.apply(delta(6, [['Anna', 3]])))).toEqual([])
    expect(replica.isInRoom('#ops', 'Anna')).toBe(true)
  })

  test.each([
    ['a repeated delta', roomDelta(5, [['#ops', ['Billy'], ['Anna']]]), 'nothing-new'],
    ['a delta after a missing one', roomDelta(7, [['#ops', ['Billy'], ['Anna']]]), 'gap'],
  ])('%s changes no room', (_, frame, outcome) => {
    const replica = withRooms([['#ops', ['Anna']]])
    expect(changed(replica.apply(frame))).toBe(outcome)
    expect([replica.isInRoom('#ops', 'Anna'), replica.isInRoom('#ops', 'Billy')]).toEqual([true, false])
  })

  test('clear ends and reports them all, those of an incomplete snapshot without a report', () => {
    const replica = withRooms([['#ops', ['Anna', 'Billy']]])
    replica.apply({ ...snapshot(9, [], true), rooms: [['#new', ['Anna', 'Billy', 'Cleo']]] })
    expect(replica.clear().memberships.map(({ room, name }) => `${room} ${name}`)).toEqual(['#ops Anna', '#ops Billy'])
    expect([replica.membershipCount, replica.isInRoom('#ops', 'Anna')]).toEqual([0, false])
    expect(replica.clear().memberships).toEqual([])
  })
})

describe('a snapshot that is taken over in slices', () => {
  const names = (changes: readonly { name: string; now: number }[]) => changes.map(({ name, now }) => `${name} ${now}`)

  /** A replica of Anna and Billy with a snapshot of Carla, Dora and Anna, of which one user is applied. */
  function begin() {
    const replica = replicaWith(['Anna', 1], ['Billy', 1])
    const result = replica.apply(
      snapshot(9, [
        ['Carla', 1],
        ['Dora', 1],
        ['Anna', 2],
      ]),
      { left: 1 },
    )
    return { replica, result }
  }

  test('counts at once, and reports its changes slice by slice, those who have left last', () => {
    const { replica, result } = begin()
    expect(result).toMatchObject({ outcome: 'applied', changes: [{ name: 'Carla' }] })
    expect([replica.seq, replica.size, replica.isTakingOver]).toEqual([9, 3, true])
    expect(['Dora', 'Anna', 'Billy'].map(name => replica.connectionCount(name))).toEqual([1, 2, 0])
    expect(['Dora', 'Anna', 'Billy'].map(name => replica.appliedCount(name))).toEqual([0, 1, 1])
    expect(names(replica.takeOver({ left: 2 }).changes)).toEqual(['Dora 1', 'Anna 2'])
    const allowance = { left: 100 }
    expect(names(replica.takeOver(allowance).changes)).toEqual(['Billy 0'])
    expect([replica.isTakingOver, replica.appliedCount('Billy'), replica.size]).toEqual([false, 0, 3])
    // What is left is for others.
    expect(allowance.left).toBeGreaterThan(90)
  })

  test('keeps deltas that come meanwhile, and reports them at once', () => {
    const { replica } = begin()
    const result = replica.apply(
      delta(10, [
        ['Dora', 0],
        ['Emil', 1],
        ['Carla', 0],
        ['Billy', 3],
      ]),
    )
    expect(result).toMatchObject({
      changes: [
        { name: 'Emil', before: 0, now: 1 },
        { name: 'Carla', before: 1, now: 0 },
        { name: 'Billy', before: 1, now: 3 },
      ],
    })
    expect(names(replica.takeOver({ left: 100 }).changes)).toEqual(['Anna 2'])
    expect(['Anna', 'Billy', 'Carla', 'Dora', 'Emil'].map(name => replica.appliedCount(name))).toEqual([2, 3, 0, 0, 1])
    expect([replica.seq, replica.size]).toEqual([10, 3])
  })

  test('is replaced by the next one', () => {
    const { replica } = begin()
    expect(names(replica.clear({ left: 1 }).changes)).toEqual(['Anna 0'])
    expect([replica.size, replica.incarnation, replica.connectionCount('Carla')]).toEqual([0, undefined, 0])
    replica.apply(snapshot(1, [['Billy', 1]], false, 'b'), { left: 0 })
    expect([replica.incarnation, replica.size, replica.appliedCount('Carla')]).toEqual(['b', 1, 1])
    expect(names(replica.takeOver({ left: 100 }).changes)).toEqual(['Carla 0'])
    expect([replica.isTakingOver, replica.appliedCount('Billy')]).toEqual([false, 1])
  })

  test('has its rooms at once, and reports them slice by slice', () => {
    const replica = new Replica()
    const users: PresenceEntry[] = ['Anna', 'Billy', 'Carla'].map(name => [name, 1])
    replica.apply({ ...snapshot(5, users), rooms: [['#old', ['Anna', 'Billy']]] })
    replica.apply({ ...snapshot(9, users), rooms: [['#new', ['Anna', 'Billy', 'Carla']]] }, { left: 4 })
    expect([replica.isInRoom('#new', 'Carla'), replica.isInRoom('#old', 'Anna')]).toEqual([true, false])
    replica.apply({ ...delta(10, [['Carla', 0]]), rooms: [['#new', ['Dora'], ['Billy']]] })
    const rooms = (left: number) =>
      replica.takeOver({ left }).memberships.map(({ room, name, isMember }) => `${isMember ? '+' : '-'}${room} ${name}`)
    expect(rooms(100)).toEqual(['-#old Anna', '-#old Billy'])
    expect([replica.isInRoom('#new', 'Carla'), replica.isInRoom('#new', 'Dora'), replica.membershipCount]).toEqual([
      false,
      true,
      2,
    ])
  })

  test('of half of many users removes the other half', () => {
    const replica = new Replica()
    const users = Array.from({ length: 3_000 }, (_, n): PresenceEntry => [`user-${n}`, 1])
    replica.apply(snapshot(1, users))
    replica.apply(
      snapshot(
        2,
        users.filter((_, n) => n % 2 === 0),
      ),
      { left: 0 },
    )
    const left: string[] = []
    while (replica.isTakingOver) left.push(...names(replica.takeOver({ left: 70 }).changes))
    expect([left.length, new Set(left).size, replica.size]).toEqual([1_500, 1_500, 1_500])
    expect([...replica.names()]).toHaveLength(1_500)
  })

  test('loses no claim of a user who has left', () => {
    const replica = replicaWith(['Anna', 1, KEY, 7], ['Billy', 1, KEY, 8])
    replica.apply(snapshot(9, [['Billy', 1, OTHER_KEY, 9]]), { left: 1 })
    // The names are applied with their claims.
    expect([replica.claim('Anna'), replica.claim('Billy')]).toEqual([
      { key: KEY, at: 7 },
      { key: OTHER_KEY, at: 9 },
    ])
    expect(replica.takeOver({ left: 100 }).changes).toEqual([
      { name: 'Anna', before: 1, now: 0, lostClaim: { key: KEY, at: 7 } },
    ])
    expect(replica.clear({ left: 0 }, false)).toEqual({ changes: [], memberships: [] })
    expect(replica.takeOver({ left: 100 }).changes).toEqual([{ name: 'Billy', before: 1, now: 0 }])
  })
})
