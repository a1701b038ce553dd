/** The file of a user's rooms: several clients write it, bad entries are skipped, a damaged file is replaced. */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { RoomsFile } from '../../../../cli/storage/rooms-file.ts'
import { userFolder } from '../../../../cli/storage/user-folder.ts'
import { openUserStorage } from '../../../../cli/storage/user-storage.ts'
import type { RoomEntry } from '../../../../src/client/rooms/room-list.ts'
import { stateFolderPerTest } from '../state-folder.ts'

stateFolderPerTest()
const DAY = new Date(2026, 10, 24, 10, 0).getTime()
const mesh = { folder: 'mesh' }
const folder = () => userFolder('mesh', 'Anna')
const path = () => join(folder(), 'rooms.json')
const open = () => RoomsFile.in(folder())

function write(content: string): void {
  mkdirSync(folder(), { recursive: true })
  writeFileSync(path(), content)
}

test('two clients write the same file: the latest change of each room counts', () => {
  const [one, two] = [open(), open()]
  expect(one.read()).toEqual([])
  one.store([['#ops', true, DAY + 5]])
  two.store([
    ['#ops', false, DAY + 4],
    ['#dev', true, DAY + 4],
  ])
  one.store([
    ['#ops', true, DAY + 5],
    ['#dev', false, DAY + 6],
  ])
  two.store([['#ops', false, DAY + 7]])
  expect(open().read()).toEqual([
    ['#dev', false, DAY + 6],
    ['#ops', false, DAY + 7],
  ])
  expect(statSync(path()).mode & 0o777).toBe(0o600)
  expect(existsSync(`${path()}.lock`)).toBe(false)
})

test('invalid entries are skipped, and gone after the next change', () => {
  write(
    JSON.stringify([
      ['#ops', true, DAY + 5],
      ['ops', true, DAY + 5],
      ['#dev', 'yes', DAY + 5],
      ['#x', true],
      7,
      ['#OPS', true, DAY + 6],
    ]),
  )
  expect(open().read()).toEqual([['#ops', true, DAY + 5]])
  expect(open().problem).toBeUndefined()
  open().store([['#dev', true, DAY + 6]])
  expect(JSON.parse(readFileSync(path(), 'utf8'))).toEqual([
    ['#ops', true, DAY + 5],
    ['#dev', true, DAY + 6],
  ])
})

test('a damaged file counts as empty, is reported at the start, and is replaced by the next change', () => {
  for (const content of ['', '[["#ops",true,5],["#d', '{"rooms":[]}', '[]'.padEnd(2 << 20)]) {
    write(content)
    expect(open().read()).toEqual([])
    expect(openUserStorage(mesh, 'Anna').problem?.message).toContain('the list of your rooms is unknown')
    open().store([['#ops', true, DAY + 5]])
    expect(openUserStorage(mesh, 'Anna').problem).toBeUndefined()
    expect(open().read()).toEqual([['#ops', true, DAY + 5]])
  }
})

test('a change that cannot be written is written by the next one that can', () => {
  const file = open()
  mkdirSync(dirname(folder()), { recursive: true })
  writeFileSync(folder(), 'a file in the place of the folder')
  const changes: RoomEntry[][] = [[['#ops', true, DAY + 5]], [['#dev', true, DAY + 6]]]
  for (const change of changes) expect(() => file.store(change)).toThrow()
  rmSync(folder())
  file.save()
  expect(open().read()).toEqual(changes.flat())
})

test('a time of a wrong clock that a client corrects is corrected in the file, unless another client has written it', () => {
  const [one, two] = [open(), open()]
  one.store([['#ops', true, DAY + 1_000]])
  one.store([['#ops', true, DAY + 5]])
  expect(open().read()).toEqual([['#ops', true, DAY + 5]])
  two.store([['#ops', false, DAY + 2_000]])
  for (const at of [5, 6]) {
    one.store([['#ops', true, DAY + at]])
    expect(open().read()).toEqual([['#ops', false, DAY + 2_000]])
  }
})

test('nothing is written if nothing has changed', () => {
  open().save()
  expect(existsSync(path())).toBe(false)
  open().store([['#ops', true, DAY + 5]])
  const { ino } = statSync(path())
  open().store([['#ops', true, DAY + 5]])
  expect(statSync(path()).ino).toBe(ino)
})
