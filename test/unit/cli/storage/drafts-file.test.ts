/** The file of a user's drafts: several clients write it, it is bounded, and a damaged file is replaced. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Draft } from '../../../../cli/common/draft.ts'
import { DraftsFile } from '../../../../cli/storage/drafts-file.ts'
import { userFolder } from '../../../../cli/storage/user-folder.ts'
import { stateFolderPerTest } from '../state-folder.ts'

stateFolderPerTest()
const folder = () => userFolder('mesh', 'Anna')
const path = () => join(folder(), 'drafts.json')
const open = () => DraftsFile.in(folder())
const drafts = (entries: Record<string, string>): Map<string, Draft> =>
  new Map(Object.entries(entries).map(([thread, text]) => [thread, { text }]))

test('drafts are there after a restart, for their owner only, and a draft that was sent is gone', () => {
  const file = open()
  file.store(drafts({ Billy: 'Hi', '#ops': 'two\nlines' }))
  expect(open().read()).toEqual(drafts({ Billy: 'Hi', '#ops': 'two\nlines' }))
  expect(statSync(path()).mode & 0o777).toBe(0o600)
  file.store(drafts({ '#ops': 'two\nlines' }))
  expect(open().read()).toEqual(drafts({ '#ops': 'two\nlines' }))
})

test('a draft keeps what it replies to or edits; without a usable target it is an ordinary one', () => {
  const message = { id: 'm1', from: 'Billy', quote: 'Lunch?' }
  const stored = new Map<string, Draft>([
    ['Billy', { text: 'yes', target: { kind: 'reply', target: message, previousDraft: '' } }],
    ['#ops', { text: 'new', target: { kind: 'edit', target: { ...message, from: 'Anna' }, previousDraft: 'a draft' } }],
  ])
  const file = open()
  file.store(stored)
  expect(open().read()).toEqual(stored)
  file.store(new Map([...stored, ['Billy', { text: 'yes' }]]))
  expect(open().read().get('Billy')).toEqual({ text: 'yes' })
  writeFileSync(path(), JSON.stringify([['Billy', 'yes', { kind: 'delete', id: 'm1', from: 'Billy', quote: 'x' }]]))
  expect(open().read()).toEqual(drafts({ Billy: 'yes' }))
})

test('of two clients the last change of each thread counts', () => {
  const [one, two] = [open(), open()]
  one.store(drafts({ Billy: 'one', Carla: 'one' }))
  two.read()
  two.store(drafts({ Billy: 'two', Carla: 'one', Zoe: 'two' }))
  one.store(drafts({ Billy: 'one' }))
  expect(open().read()).toEqual(drafts({ Billy: 'two', Zoe: 'two' }))
})

test('without a change nothing is written', () => {
  const file = open()
  file.store(drafts({ Billy: 'Hi' }))
  writeFileSync(path(), '[]')
  file.store(drafts({ Billy: 'Hi' }))
  expect(readFileSync(path(), 'utf8')).toBe('[]')
})

test.each([
  ['torn', '[["Billy","H'],
  ['of another kind', '{"Billy":"Hi"}'],
])('a file that is %s counts as empty and is replaced', (_, content) => {
  mkdirSync(folder(), { recursive: true })
  writeFileSync(path(), content)
  const file = open()
  expect(file.read()).toEqual(new Map())
  file.store(drafts({ Billy: 'Hi' }))
  expect(open().read()).toEqual(drafts({ Billy: 'Hi' }))
})

test('invalid entries are left out', () => {
  mkdirSync(folder(), { recursive: true })
  writeFileSync(path(), JSON.stringify([['Billy', 'Hi'], ['', 'x'], ['\u0007', 'x'], ['#', 'x'], ['Zoe', 7], 'x']))
  expect(open().read()).toEqual(drafts({ Billy: 'Hi' }))
})

test('the oldest drafts are dropped above 200, and above a million characters', () => {
  const many = new Map(Array.from({ length: 300 }, (_, n): [string, Draft] => [`user ${n}`, { text: 'Hi' }]))
  open().store(many)
  expect([...open().read().keys()]).toEqual(Array.from({ length: 200 }, (_, n) => `user ${n + 100}`))
  const file = open()
  file.read()
  file.store(
    new Map(Array.from({ length: 10 }, (_, n): [string, Draft] => [`user ${n}`, { text: 'x'.repeat(200_000) }])),
  )
  expect([...open().read().keys()]).toEqual(['user 5', 'user 6', 'user 7', 'user 8', 'user 9'])
})

test('another file is taken over for threads without a draft', () => {
  open().store(drafts({ Billy: 'here' }))
  const other = join(folder(), 'other.json')
  writeFileSync(
    other,
    JSON.stringify([
      ['Billy', 'there'],
      ['Zoe', 'there'],
    ]),
  )
  open().import(other)
  expect(open().read()).toEqual(drafts({ Billy: 'here', Zoe: 'there' }))
})
