import { expect, test } from 'vitest'
import { MAX_ANNOUNCED_SERVERS, ServerList } from '../../../src/client/server-list.ts'

const all = () => true
/** All servers that a list would dial after `url`. */
function others(configured: string[], announced: string[], mayDial: (origin: string) => boolean = all): string[] {
  let share = 0
  const list = new ServerList(configured, () => share)
  list.announce(
    announced.map((url, at) => ({ id: `s${at}`, url })),
    mayDial,
  )
  const picked = new Set<string>()
  for (share = 0; share < 1; share += 1 / 1_024) picked.add(list.pickOther(configured[0] ?? ''))
  return [...picked]
}

test('only the origin of an announced URL is dialled', () => {
  const announced = ['http://user:secret@b:1/mesh?token=x#y', 'https://c/', 'http://d:80']
  expect(others(['http://a'], announced)).toEqual(['http://b:1', 'https://c', 'http://d'])
})

test('at most 64 announced servers are kept and returned', () => {
  const announced = Array.from({ length: 1_000 }, (_, at) => ({ id: `s${at}`, url: `http://host-${at}` }))
  const list = new ServerList(['http://a'], () => 0.999)
  expect(list.announce(announced, all)).toHaveLength(MAX_ANNOUNCED_SERVERS)
  expect(list.pickOther('http://a')).toBe('http://host-63')
})

test('of many announcements, the latest 64 servers are kept', () => {
  let share = 0
  const list = new ServerList(['http://a'], () => share)
  for (let n = 0; n < 200; n++) list.announce([{ id: `s${n}`, url: `http://host-${n}` }], all)
  const kept = new Set<string>()
  for (share = 0; share < 1; share += 1 / 1_024) kept.add(list.pickOther('http://a'))
  expect(kept.size).toBe(MAX_ANNOUNCED_SERVERS)
  expect(kept).toContain('http://host-199')
  expect(kept).not.toContain('http://host-0')
})

test('an origin that may not be dialled is not kept', () => {
  expect(others(['http://a'], ['http://b', 'http://c'], origin => origin === 'http://c')).toEqual(['http://c'])
})

test('C4: with encrypted servers only, unencrypted ones are not kept', () => {
  expect(others(['https://a'], ['http://b', 'https://c'])).toEqual(['https://c'])
})

test('a configured server is not kept twice', () => {
  expect(others(['http://a', 'http://b'], ['http://b/', 'http://a'])).toEqual(['http://b'])
})

test('an announced server can be forgotten, a configured one cannot', () => {
  const list = new ServerList(['http://a', 'http://b'], () => 0.999)
  list.announce([{ id: 'c', url: 'http://c' }], all)
  list.forget('http://c')
  list.forget('http://b')
  expect(list.pickOther('http://a')).toBe('http://b')
})
