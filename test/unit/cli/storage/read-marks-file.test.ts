/** The file of a user's read marks: several clients write it, it is bounded, and a damaged file counts as none. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mergeMeshFolders } from '../../../../cli/storage/merge-meshes.ts'
import { ReadMarksFile } from '../../../../cli/storage/read-marks-file.ts'
import { userFolder } from '../../../../cli/storage/user-folder.ts'
import { stateFolderPerTest } from '../state-folder.ts'

stateFolderPerTest()
const folder = () => userFolder('mesh', 'Anna')
const path = () => join(folder(), 'read-marks.json')
const open = () => ReadMarksFile.in(folder())
const marks = (since: number, threads: Record<string, number>) => ({ since, threads: new Map(Object.entries(threads)) })

test('marks are there after a restart, for their owner only', () => {
  const file = open()
  expect(file.read()).toBe(undefined)
  file.store(marks(5, { Billy: 3, '#ops': 5 }))
  expect(open().read()).toEqual(marks(5, { Billy: 3, '#ops': 5 }))
  expect(statSync(path()).mode & 0o777).toBe(0o600)
})

test('only later marks are written, and the time of the first ones stays', () => {
  const file = open()
  file.store(marks(5, { Billy: 5 }))
  file.store(marks(9, { Billy: 4, Carla: 3, Dora: 9.5 }))
  expect(open().read()).toEqual(marks(5, { Dora: 9.5, Billy: 5 }))
  writeFileSync(path(), '{"since":1,"threads":[]}')
  file.store(marks(9, { Billy: 5, Dora: 9.5 }))
  expect(readFileSync(path(), 'utf8')).toBe('{"since":1,"threads":[]}')
})

test('of two clients the latest mark of each thread counts', () => {
  open().store(marks(1, {}))
  const [one, two] = [open(), open()]
  for (const file of [one, two]) file.read()
  one.store(marks(1, { Billy: 20, Carla: 10 }))
  two.store(marks(1, { Billy: 15, Carla: 30, Zoe: 2 }))
  expect(open().read()).toEqual(marks(1, { Carla: 30, Billy: 20, Zoe: 2 }))
})

test.each([
  ['torn', '{"since":1,"thr'],
  ['of another kind', '[]'],
  ['without its time', '{"threads":[]}'],
  ['too large', ' '.repeat(10_000_001)],
])('a file that is %s counts as none, and is replaced', (_, content) => {
  mkdirSync(folder(), { recursive: true })
  writeFileSync(path(), content)
  const file = open()
  expect(file.read()).toBe(undefined)
  file.store(marks(3, { Billy: 3 }))
  expect(open().read()).toEqual(marks(3, { Billy: 3 }))
})

test('late messages are kept until a client has seen them, at most 1,000', () => {
  const late = (id: string) => ({ thread: '#ops', from: 'Billy', id, at: 2.5 })
  open().store(marks(1, {}))
  const [one, two] = [open(), open()]
  for (const file of [one, two]) file.read()
  one.store({ ...marks(1, {}), late: [late('a'), late('b')] })
  two.store({ ...marks(1, {}), late: [late('b'), late('c')] })
  expect(open().read()?.late).toEqual([late('a'), late('b'), late('c')])
  one.store({ ...marks(1, {}), late: [late('a')] })
  expect(open().read()?.late).toEqual([late('a'), late('c')])
  one.store(marks(1, {}))
  two.store(marks(1, {}))
  expect(open().read()).toEqual(marks(1, {}))
  one.store({ ...marks(1, {}), late: Array.from({ length: 1_001 }, (_, n) => late(`n${n}`)) })
  expect(
    open()
      .read()
      ?.late?.map(({ id }) => id),
  ).toEqual(Array.from({ length: 1_000 }, (_, n) => `n${n + 1}`))
})

test('late messages of a file that is taken over are added', () => {
  const late = (id: string) => ({ thread: 'Billy', from: 'Billy', id, at: 2 })
  open().store({ ...marks(1, {}), late: [late('a')] })
  const other = join(folder(), 'other.json')
  new ReadMarksFile(other).store({ ...marks(1, { Billy: 2 }), late: [late('b')] })
  open().import(other)
  expect(open().read()).toEqual({ ...marks(1, { Billy: 2 }), late: [late('a'), late('b')] })
})

test('invalid marks are left out', () => {
  mkdirSync(folder(), { recursive: true })
  writeFileSync(path(), JSON.stringify({ since: 1, threads: [['Billy', 2], ['', 3], ['Carla', -1], ['Dora', 'x'], 7] }))
  expect(open().read()).toEqual(marks(1, { Billy: 2 }))
})

test('at most 10,000 threads are kept, those with the latest marks', () => {
  open().store({ since: 0, threads: new Map(Array.from({ length: 10_005 }, (_, n) => [`User-${n}`, n + 1])) })
  const { threads } = open().read() ?? marks(0, {})
  expect([threads.size, threads.has('User-4'), threads.has('User-5')]).toEqual([10_000, false, true])
})

test('merged meshes have the marks of both', () => {
  open().store(marks(1, { Billy: 5 }))
  const other = ReadMarksFile.in(userFolder('other', 'Anna'))
  other.store(marks(2, { Billy: 4, Carla: 9 }))
  mergeMeshFolders('other', 'mesh')
  expect(open().read()).toEqual(marks(1, { Carla: 9, Billy: 5 }))
  expect(existsSync(join(userFolder('other', 'Anna'), 'read-marks.json'))).toBe(false)
})
