/** The rooms of a user: the latest change of each room wins, whatever the order in which clients hear of changes. */
import { expect, test } from 'vitest'
import {
  MAX_REMEMBERED_ROOMS,
  type RoomEntry,
  RoomList,
  roomEntrySchema,
} from '../../../../src/client/rooms/room-list.ts'
import { EPOCH_MS } from '../../../support/harness/session-harness.ts'
import { Random } from '../../../support/random.ts'

test('the latest change of a room wins', () => {
  const list = new RoomList([['#ops', true, 5]])
  expect([list.update(['#ops', false, 4]), list.has('#ops')]).toEqual([false, true])
  expect([list.update(['#ops', false, 6]), list.has('#ops')]).toEqual([true, false])
  expect([list.changedAt('#ops'), list.changedAt('#dev'), list.joined]).toEqual([6, 0, []])
})

test('of a join and a leave at one time, the join wins; a repeated change is none', () => {
  for (const first of [true, false]) {
    const list = new RoomList([['#ops', first, 5]])
    expect([list.update(['#ops', !first, 5]), list.has('#ops'), list.update(['#ops', first, 5])]).toEqual([
      !first,
      true,
      false,
    ])
  }
})

test('clients that hear of the same changes in any order have the same rooms', () => {
  const random = new Random(4)
  for (let round = 0; round < 200; round++) {
    const changes = Array.from(
      { length: 20 },
      (): RoomEntry => [random.pick(['#a', '#b', '#c']), random.chance(0.5), random.below(8)],
    )
    const shuffled = [...changes, ...changes].sort(() => random.next() - 0.5)
    const [one, other] = [new RoomList(changes), new RoomList(shuffled)]
    expect([...other.entries].sort()).toEqual([...one.entries].sort())
    expect(new RoomList(one.entries).entries).toEqual(one.entries)
  }
})

test('a limited number is remembered: the rooms that the user left first are forgotten first', () => {
  const list = new RoomList([])
  for (let n = 0; n < MAX_REMEMBERED_ROOMS; n++) list.update([`#room-${n}`, n % 2 === 0, n])
  list.update(['#one', true, 5_000])
  list.update(['#two', false, 5_001])
  expect([list.entries.length, list.has('#room-0'), list.changedAt('#room-1'), list.changedAt('#room-3')]).toEqual([
    MAX_REMEMBERED_ROOMS,
    true,
    0,
    0,
  ])
  expect([list.has('#one'), list.changedAt('#two')]).toEqual([true, 5_001])
})

test('a user who is in all of them keeps these, and joins no other', () => {
  const list = new RoomList([])
  for (let n = 0; n <= MAX_REMEMBERED_ROOMS; n++) list.update([`#room-${n}`, true, n])
  expect([list.entries.length, list.has('#room-0'), list.has('#room-1')]).toEqual([MAX_REMEMBERED_ROOMS, true, true])
})

test.each([
  ['not a room', ['Anna', true, EPOCH_MS]],
  ['not in canonical form', ['#Ops', true, EPOCH_MS]],
  ['without a time', ['#ops', true]],
  ['with an impossible time', ['#ops', true, 5]],
  ['with a word for yes', ['#ops', 'yes', EPOCH_MS]],
  ['with more', ['#ops', true, EPOCH_MS, 1]],
])('an entry %s is refused', (_, entry) => {
  expect(roomEntrySchema.safeParse(entry).success).toBe(false)
})
