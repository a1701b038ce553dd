/** This server's users as a stream for its peers. */
import { describe, expect, test } from 'vitest'
import { ENTRIES_PER_FRAME, PresenceStream, type SnapshotChunk } from '../../../src/presence/presence-stream.ts'
import type { PresenceEntry } from '../../../src/protocol/frames.ts'

const entry = (name: string, connections: number): PresenceEntry => [name, connections]

const made = (chunks: readonly SnapshotChunk[]) => chunks.map(chunk => chunk())

/** Publishes a delta of this number of users. */
function publish(stream: PresenceStream, users: number): void {
  for (let n = 0; n < users; n++) stream.recordChange(`user ${n}`, 1)
  stream.takeDeltas(entry)
}

test('changes become one numbered delta, with the last count of each user', () => {
  const stream = new PresenceStream('a')
  stream.recordChange('Anna', 1)
  stream.recordChange('Billy', 1)
  stream.recordChange('Anna', 0)
  const changes = [
    ['Anna', 0],
    ['Billy', 1],
  ]
  expect(stream.takeDeltas(entry)).toEqual([{ type: 'delta', incarnation: 'a', seq: 1, changes }])
  expect(stream.seq).toBe(1)
})

test('no changes make no delta', () => {
  const stream = new PresenceStream('a')
  publish(stream, 1)
  expect(stream.takeDeltas(entry)).toEqual([])
  expect(stream.seq).toBe(1)
})

test('many changes are split into several deltas', () => {
  const stream = new PresenceStream('a')
  for (let n = 0; n <= ENTRIES_PER_FRAME; n++) stream.recordChange(`user ${n}`, 1)
  const deltas = stream.takeDeltas(entry)
  expect(deltas.map(({ seq, changes }) => [seq, changes.length])).toEqual([
    [1, ENTRIES_PER_FRAME],
    [2, 1],
  ])
})

test('a peer catches up with the deltas that it misses', () => {
  const stream = new PresenceStream('a')
  for (let n = 0; n < 3; n++) publish(stream, 1)
  const seqs = (seq: number) => stream.deltasAfter({ incarnation: 'a', seq })?.map(frame => frame.seq)
  expect(seqs(1)).toEqual([2, 3])
  expect(seqs(3)).toEqual([])
})

test.each([
  ['holds nothing', { seq: 0 }],
  ['holds another incarnation', { incarnation: 'b', seq: 3 }],
  ['holds a position that this stream never had', { incarnation: 'a', seq: 4 }],
])('a peer that %s needs a snapshot', (_, holds) => {
  const stream = new PresenceStream('a')
  for (let n = 0; n < 3; n++) publish(stream, 1)
  expect(stream.deltasAfter(holds)).toBeUndefined()
  const users: PresenceEntry[] = [['Anna', 1]]
  expect(made(stream.snapshot(users, []))).toEqual([
    { type: 'snapshot', incarnation: 'a', seq: 3, users: [['Anna', 1]], more: false },
  ])
})

test('a peer that misses more than the log keeps needs a snapshot', () => {
  const stream = new PresenceStream('a')
  publish(stream, 2_000)
  publish(stream, 2_000)
  expect(stream.deltasAfter({ incarnation: 'a', seq: 0 })).toHaveLength(4)
  publish(stream, 2_000)
  expect(stream.deltasAfter({ incarnation: 'a', seq: 0 })).toBeUndefined()
  expect(stream.deltasAfter({ incarnation: 'a', seq: 2 })).toHaveLength(4)
})

test('an empty snapshot is one empty chunk', () => {
  const stream = new PresenceStream('a')
  expect(made(stream.snapshot([], []))).toEqual([
    { type: 'snapshot', incarnation: 'a', seq: 0, users: [], more: false },
  ])
})

test('a long snapshot comes in chunks, and only the last has no more', () => {
  const stream = new PresenceStream('a')
  const users = Array.from({ length: 2 * ENTRIES_PER_FRAME }, (_, n): PresenceEntry => [`user ${n}`, 1])
  const chunks = made(stream.snapshot(users, []))
  expect(chunks.map(({ users, more }) => [users.length, more])).toEqual([
    [ENTRIES_PER_FRAME, true],
    [ENTRIES_PER_FRAME, false],
  ])
  expect(chunks.flatMap(({ users }) => users)).toEqual(users)
})

test('the chunks of a snapshot have its position, and not that of the moment when they are made', () => {
  const stream = new PresenceStream('a', 1)
  publish(stream, 1)
  const users: PresenceEntry[] = [
    ['Anna', 1],
    ['Billy', 1],
  ]
  const chunks = stream.snapshot(users, [['#ops', ['Anna', 'Billy']]])
  publish(stream, 1)
  const frame = { type: 'snapshot', incarnation: 'a', seq: 1 }
  expect(made(chunks)).toEqual([
    { ...frame, users: [['Anna', 1]], part: 0, more: true },
    { ...frame, users: [['Billy', 1]], part: 1, more: true },
    { ...frame, users: [], rooms: [['#ops', ['Anna']]], part: 2, more: true },
    { ...frame, users: [], rooms: [['#ops', ['Billy']]], part: 3, more: false },
  ])
  expect(stream.deltasAfter({ incarnation: 'a', seq: 1 })).toHaveLength(1)
})

describe('memberships of rooms', () => {
  test('go into the delta of their turn, by room', () => {
    const stream = new PresenceStream('a')
    stream.recordChange('Anna', 1)
    stream.recordMembership('#ops', 'Anna', true)
    stream.recordMembership('#dev', 'Anna', true)
    stream.recordMembership('#ops', 'Billy', false)
    expect(stream.takeDeltas(entry)).toEqual([
      {
        type: 'delta',
        incarnation: 'a',
        seq: 1,
        changes: [['Anna', 1]],
        rooms: [
          ['#ops', ['Anna'], ['Billy']],
          ['#dev', ['Anna'], []],
        ],
      },
    ])
    expect(stream.takeDeltas(entry)).toEqual([])
  })

  test('without changes of users make a delta of their own', () => {
    const stream = new PresenceStream('a')
    stream.recordMembership('#ops', 'Anna', true)
    expect(stream.takeDeltas(entry)).toMatchObject([{ seq: 1, changes: [], rooms: [['#ops', ['Anna'], []]] }])
  })

  test('of a user who joins and leaves in one turn are told as left, and the other way round', () => {
    const stream = new PresenceStream('a')
    for (const isMember of [true, false]) stream.recordMembership('#ops', 'Anna', isMember)
    for (const isMember of [false, true]) stream.recordMembership('#ops', 'Billy', isMember)
    expect(stream.takeDeltas(entry)).toMatchObject([{ rooms: [['#ops', ['Billy'], ['Anna']]] }])
  })

  test('of a user who goes offline need no entry: the user has left all rooms', () => {
    const stream = new PresenceStream('a')
    stream.recordMembership('#ops', 'Anna', false)
    stream.recordChange('Anna', 0)
    expect(stream.takeDeltas(entry)).toEqual([{ type: 'delta', incarnation: 'a', seq: 1, changes: [['Anna', 0]] }])
  })

  test('of a user who goes offline and comes back in one turn are told', () => {
    const stream = new PresenceStream('a')
    stream.recordMembership('#ops', 'Anna', false)
    stream.recordChange('Anna', 0)
    stream.recordChange('Anna', 1)
    stream.recordMembership('#dev', 'Anna', true)
    expect(stream.takeDeltas(entry)).toMatchObject([
      {
        changes: [['Anna', 1]],
        rooms: [
          ['#ops', [], ['Anna']],
          ['#dev', ['Anna'], []],
        ],
      },
    ])
  })

  test('follow the users in deltas of their own if there are many: a user is known before the rooms', () => {
    const stream = new PresenceStream('a')
    for (let n = 0; n <= ENTRIES_PER_FRAME; n++) stream.recordChange(`user ${n}`, 1)
    for (let n = 0; n <= ENTRIES_PER_FRAME; n++) stream.recordMembership('#ops', `user ${n}`, true)
    const sizes = stream.takeDeltas(entry).map(({ seq, changes, rooms = [] }) => {
      return [seq, changes.length, rooms.reduce((sum, [, joined, left]) => sum + joined.length + left.length, 0)]
    })
    expect(sizes).toEqual([
      [1, ENTRIES_PER_FRAME, 0],
      [2, 1, 0],
      [3, 0, ENTRIES_PER_FRAME],
      [4, 0, 1],
    ])
  })

  test('share a delta with the users up to half of what each may have', () => {
    const sizesOf = (users: number, memberships: number) => {
      const stream = new PresenceStream('a')
      for (let n = 0; n < users; n++) stream.recordChange(`user ${n}`, 1)
      for (let n = 0; n < memberships; n++) stream.recordMembership(`#room-${n}`, 'Anna', true)
      return stream.takeDeltas(entry).map(({ changes, rooms = [] }) => [changes.length, rooms.length])
    }
    const [users, memberships] = [ENTRIES_PER_FRAME / 2, ENTRIES_PER_FRAME / 2]
    expect(sizesOf(users, memberships)).toEqual([[users, memberships]])
    expect(sizesOf(users + 1, 1)).toEqual([
      [users + 1, 0],
      [0, 1],
    ])
    expect(sizesOf(1, memberships + 1)).toEqual([
      [1, 0],
      [0, memberships + 1],
    ])
  })

  test('are in a snapshot after the users, in chunks with one or the other', () => {
    const stream = new PresenceStream('a')
    const users = Array.from({ length: ENTRIES_PER_FRAME + 1 }, (_, n): PresenceEntry => [`user ${n}`, 1])
    const members = users.slice(0, ENTRIES_PER_FRAME).map(([name]) => name)
    const chunks = made(
      stream.snapshot(users, [
        ['#one', ['user 0']],
        ['#ops', members],
      ]),
    )
    expect(
      chunks.map(({ users, rooms, more }) => [users.length, rooms?.map(([room, all]) => [room, all.length]), more]),
    ).toEqual([
      [ENTRIES_PER_FRAME, undefined, true],
      [1, undefined, true],
      [
        0,
        [
          ['#one', 1],
          ['#ops', ENTRIES_PER_FRAME - 1],
        ],
        true,
      ],
      [0, [['#ops', 1]], false],
    ])
    expect(chunks[2]?.rooms?.[1]?.[1]).toEqual(members.slice(0, -1))
  })

  test('count for the log: a peer that misses too many needs a snapshot', () => {
    const stream = new PresenceStream('a')
    const join = (users: number) => {
      for (let n = 0; n < users; n++) stream.recordMembership('#ops', `user ${n}`, true)
      stream.takeDeltas(entry)
    }
    join(1_400)
    join(1_400)
    expect(stream.deltasAfter({ incarnation: 'a', seq: 0 })).toHaveLength(4)
    join(1_400)
    expect(stream.deltasAfter({ incarnation: 'a', seq: 0 })).toBeUndefined()
  })
})
