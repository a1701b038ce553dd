/** The versioned list of users who are online. */
import { expect, test } from 'vitest'
import { Roster } from '../../../src/presence/roster.ts'

function rosterWith(...users: string[]): Roster {
  const roster = new Roster()
  for (const user of users) roster.markChanged(user)
  roster.publish(() => true)
  return roster
}

test('publish makes the marked changes visible as one version', () => {
  const roster = rosterWith('Billy')
  roster.markChanged('Anna')
  roster.markChanged('Billy')
  expect(roster.snapshot()).toEqual({ version: 1, users: ['Billy'] })
  expect(roster.publish(name => name === 'Anna')).toEqual({ version: 2, joined: ['Anna'], left: ['Billy'] })
  expect(roster.snapshot()).toEqual({ version: 2, users: ['Anna'] })
})

test('a join and a leave between two versions cancel out', () => {
  const roster = rosterWith('Anna')
  roster.markChanged('Billy')
  roster.markChanged('Anna')
  expect(roster.publish(name => name === 'Anna')).toBeUndefined()
  expect(roster.snapshot().version).toBe(1)
})

test('users who are not marked are not read', () => {
  const roster = rosterWith('Anna')
  expect(roster.publish(() => expect.fail('nothing is marked'))).toBeUndefined()
})

test('the size follows the users, and returns to 0', () => {
  const roster = rosterWith('Anna', 'Billy')
  expect(roster.size).toBe(2)
  for (const user of ['Anna', 'Billy']) roster.markChanged(user)
  roster.publish(() => false)
  expect([roster.size, roster.snapshot().users]).toEqual([0, []])
})

test('the snapshot is the same object until the next version', () => {
  const roster = rosterWith('Anna')
  const before = roster.snapshot()
  roster.markChanged('Anna')
  roster.publish(() => true)
  expect(roster.snapshot()).toBe(before)
  roster.markChanged('Anna')
  roster.publish(() => false)
  expect(roster.snapshot()).not.toBe(before)
})
