/** Which users are in which rooms. */
import { expect, test } from 'vitest'
import { Memberships } from '../../../src/presence/memberships.ts'

const listOf = (memberships: Memberships) => Array.from(memberships, ([room, users]) => [room, [...users]])

test('a user is in a room once, and leaves it once', () => {
  const memberships = new Memberships()
  expect([memberships.add('#ops', 'Anna'), memberships.add('#ops', 'Anna')]).toEqual([true, false])
  expect([memberships.size, memberships.has('#ops', 'Anna'), memberships.has('#dev', 'Anna')]).toEqual([1, true, false])
  expect([memberships.delete('#ops', 'Anna'), memberships.delete('#ops', 'Anna')]).toEqual([true, false])
  expect([memberships.size, memberships.has('#ops', 'Anna')]).toEqual([0, false])
})

test('a user who leaves all rooms leaves those of others alone', () => {
  const memberships = new Memberships()
  for (const room of ['#a', '#b']) for (const user of ['Anna', 'Billy']) memberships.add(room, user)
  memberships.add('#c', 'Anna')
  expect([...memberships.roomsOf('Anna')]).toEqual(['#a', '#b', '#c'])
  expect(memberships.deleteUser('Anna')).toEqual(['#a', '#b', '#c'])
  expect(memberships.deleteUser('Anna')).toEqual([])
  expect([memberships.size, listOf(memberships)]).toEqual([
    2,
    [
      ['#a', ['Billy']],
      ['#b', ['Billy']],
    ],
  ])
})

test('nothing is left when all have left, one by one or at once', () => {
  const memberships = new Memberships()
  for (const room of ['#a', '#b']) for (const user of ['Anna', 'Billy']) memberships.add(room, user)
  memberships.delete('#a', 'Anna')
  memberships.delete('#b', 'Anna')
  memberships.deleteUser('Billy')
  expect([memberships.size, listOf(memberships), [...memberships.roomsOf('Anna')]]).toEqual([0, [], []])
})

test('a user may be named like a room, or like a property of objects', () => {
  const memberships = new Memberships()
  memberships.add('#ops', '__proto__')
  memberships.add('#ops', '#ops')
  expect(listOf(memberships)).toEqual([['#ops', ['__proto__', '#ops']]])
  expect([...memberships.roomsOf('constructor')]).toEqual([])
})
