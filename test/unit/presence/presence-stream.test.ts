/** This server's users as a stream for its peers. */
import { expect, test } from 'vitest'
import { PresenceStream } from '../../../src/presence/presence-stream.ts'
import { MAX_NAMES_PER_FRAME, type PresenceEntry } from '../../../src/protocol/frames.ts'

const entry = (name: string, connections: number): PresenceEntry => [name, connections]

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
  for (let n = 0; n <= MAX_NAMES_PER_FRAME; n++) stream.recordChange(`user ${n}`, 1)
  const deltas = stream.takeDeltas(entry)
  expect(deltas.map(({ seq, changes }) => [seq, changes.length])).toEqual([
    [1, MAX_NAMES_PER_FRAME],
    [2, 1],
  ])
})

test('a peer catches up with the deltas that it misses', () => {
  const stream = new PresenceStream('a')
  for (let n = 0; n < 3; n++) publish(stream, 1)
  const seqs = (seq: number) => stream.catchUp({ incarnation: 'a', seq }, []).map(frame => [frame.type, frame.seq])
  expect(seqs(1)).toEqual([
    ['delta', 2],
    ['delta', 3],
  ])
  expect(seqs(3)).toEqual([])
})

test.each([
  ['holds nothing', { seq: 0 }],
  ['holds another incarnation', { incarnation: 'b', seq: 3 }],
  ['holds a position that this stream never had', { incarnation: 'a', seq: 4 }],
])('a peer that %s gets a snapshot', (_, holds) => {
  const stream = new PresenceStream('a')
  for (let n = 0; n < 3; n++) publish(stream, 1)
  expect(stream.catchUp(holds, [['Anna', 1]])).toEqual([
    { type: 'snapshot', incarnation: 'a', seq: 3, users: [['Anna', 1]], more: false },
  ])
})

test('a peer that misses more than the log keeps gets a snapshot', () => {
  const stream = new PresenceStream('a')
  publish(stream, 2_000)
  publish(stream, 2_000)
  expect(stream.catchUp({ incarnation: 'a', seq: 0 }, []).map(({ type }) => type)).toEqual(['delta', 'delta'])
  publish(stream, 2_000)
  expect(stream.catchUp({ incarnation: 'a', seq: 0 }, []).map(({ type }) => type)).toEqual(['snapshot'])
  expect(stream.catchUp({ incarnation: 'a', seq: 1 }, []).map(({ type }) => type)).toEqual(['delta', 'delta'])
})

test('an empty snapshot is one empty chunk', () => {
  const stream = new PresenceStream('a')
  expect(stream.snapshot([])).toEqual([{ type: 'snapshot', incarnation: 'a', seq: 0, users: [], more: false }])
})

test('a long snapshot comes in chunks, and only the last has no more', () => {
  const stream = new PresenceStream('a')
  const users = Array.from({ length: 2 * MAX_NAMES_PER_FRAME }, (_, n): PresenceEntry => [`user ${n}`, 1])
  const chunks = stream.snapshot(users)
  expect(chunks.map(({ users, more }) => [users.length, more])).toEqual([
    [MAX_NAMES_PER_FRAME, true],
    [MAX_NAMES_PER_FRAME, false],
  ])
  expect(chunks.flatMap(({ users }) => users)).toEqual(users)
})
