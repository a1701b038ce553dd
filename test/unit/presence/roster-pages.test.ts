/** Which connections are told of which changes of the roster. */
import { expect, test } from 'vitest'
import { SortedNames } from '../../../src/common/sorted-names.ts'
import { type NameRange, RosterPages } from '../../../src/presence/roster-pages.ts'
import { compareNames } from '../../../src/protocol/names.ts'
import { seeded } from '../../support/random.ts'

function namesOf(...names: string[]): SortedNames {
  const sorted = new SortedNames()
  for (const name of names) sorted.add(name)
  return sorted
}

const numbered = (count: number) => Array.from({ length: count }, (_, n) => `user-${n.toString().padStart(5, '0')}`)

test('a change goes to the connections whose range has it', () => {
  const names = namesOf('Anna', 'Billy')
  const pages = new RosterPages(names)
  pages.follow(1, { after: '' })
  names.add('Carol')
  expect(pages.recordChanges(['Carol'], [])).toEqual([{ followers: [1], joined: ['Carol'], left: [] }])
  names.delete('Anna')
  expect(pages.recordChanges([], ['Anna'])).toEqual([{ followers: [1], joined: [], left: ['Anna'] }])
  pages.unfollow(1)
  names.delete('Carol')
  expect(pages.recordChanges([], ['Carol'])).toEqual([])
})

test('a change on a page that a connection does not follow is not for it', () => {
  const names = namesOf(...numbered(1_000))
  const pages = new RosterPages(names)
  pages.follow(1, { after: '', last: 'user-00040' })
  pages.follow(2, { after: 'user-00700', last: 'user-00720' })
  names.add('user-00710b')
  expect(pages.recordChanges(['user-00710b'], [])).toEqual([{ followers: [2], joined: ['user-00710b'], left: [] }])
})

test('a connection follows one range at a time', () => {
  const names = namesOf(...numbered(1_000))
  const pages = new RosterPages(names)
  pages.follow(1, { after: '', last: 'user-00040' })
  pages.follow(1, { after: 'user-00700', last: 'user-00720' })
  expect(pages.followerCount).toBe(1)
  names.add('user-00001b')
  expect(pages.recordChanges(['user-00001b'], [])).toEqual([])
})

test('a page that was split for its neighbour in the same version is not split again', () => {
  const all = numbered(64)
  const names = namesOf(...all)
  const pages = new RosterPages(names)
  const change = (joined: readonly string[], left: readonly string[]) => {
    for (const name of joined) names.add(name)
    for (const name of left) names.delete(name)
    return pages.recordChanges(joined, left)
  }
  // The first page grows to 31 names, the second one shrinks to 4.
  change(
    all.slice(0, 15).map(name => `${name}b`),
    all.slice(16, 28),
  )
  pages.follow(1, { after: 'user-00014' })
  const { pageCount } = pages
  // The second one gets too few names and is merged into the first one, which is then split: into 16, 16 and 1.
  change(['user-00028b'], ['user-00000', 'user-00028', 'user-00029'])
  expect(pages.pageCount).toBe(pageCount + 1)
  for (const name of [...names])
    expect([name, [...pages.followersOf(name)]]).toEqual([name, name > 'user-00014b' ? [1] : expect.anything()])
  pages.unfollow(1)
  for (const name of [...names]) expect([name, pages.followersOf(name).size]).toEqual([name, 0])
})

test('at random, every change in a range is told, and few others; pages stay of a useful size', () => {
  const random = seeded(7)
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)] as T
  const all = numbered(3_000)
  const names = namesOf(...all.filter(() => random() < 0.5))
  const pages = new RosterPages(names)
  const ranges = new Map<number, NameRange>()
  for (let round = 0; round < 150; round++) {
    const id = Math.floor(random() * 20)
    if (random() < 0.3) {
      const after = random() < 0.3 ? '' : pick(all)
      const inRange = names.after(after, 50)
      const last = inRange.length === 50 ? inRange.at(-1) : undefined
      const range = last === undefined ? { after } : { after, last }
      ranges.set(id, range)
      pages.follow(id, range)
    } else if (random() < 0.1) {
      ranges.delete(id)
      pages.unfollow(id)
    }
    const joined: string[] = []
    const left: string[] = []
    // Some rounds have many changes of neighbours.
    const start = Math.floor(random() * all.length)
    const changed = random() < 0.2 ? all.slice(start, start + 600) : Array.from({ length: 20 }, () => pick(all))
    for (const name of new Set(changed)) {
      if (names.delete(name)) left.push(name)
      else if (names.add(name)) joined.push(name)
    }
    const changes = pages.recordChanges(joined, left)
    for (const [follower, { after, last }] of ranges) {
      const isInRange = (name: string) =>
        compareNames(name, after) > 0 && (last === undefined || compareNames(name, last) <= 0)
      const told = changes.filter(change => change.followers.includes(follower))
      for (const name of joined.filter(isInRange)) expect(told.some(change => change.joined.includes(name))).toBe(true)
      for (const name of left.filter(isInRange)) expect(told.some(change => change.left.includes(name))).toBe(true)
    }
    for (const { followers } of changes) for (const follower of followers) expect(ranges.has(follower)).toBe(true)
    expect(pages.pageCount).toBeLessThan(names.size / 4 + 2)
    expect(pages.pageCount).toBeGreaterThanOrEqual(names.size / 32)
  }
  for (const id of ranges.keys()) pages.unfollow(id)
  expect(pages.followerCount).toBe(0)
  const last = names.after('', 1)
  names.delete(last[0] ?? '')
  expect(pages.recordChanges([], last)).toEqual([])
})
