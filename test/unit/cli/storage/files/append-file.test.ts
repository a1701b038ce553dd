/** Files of lines: what is saved is in the file, and what cannot be saved is kept. */
import { mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { AppendFile } from '../../../../../cli/storage/files/append-file.ts'
import { stopAll, temporaryFolder } from '../../../../support/programs/processes.ts'

let path = ''
let file: AppendFile

beforeEach(() => {
  path = join(temporaryFolder(), 'folder', 'lines.jsonl')
  file = new AppendFile(path)
})
afterAll(stopAll)

const content = () => readFileSync(path, 'utf8')

/** Makes writing fail: there is a file where the folder must be. Returns the function that ends this. */
function breakFolder(): () => void {
  writeFileSync(join(path, '..'), '')
  return () => rmSync(join(path, '..'))
}

test('lines are in the file at once, and are saved with one call', async () => {
  file.append('one')
  expect(content()).toBe('one\n')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  file.append('two')
  expect(file.unsaved).toBe(2)
  await file.save()
  expect(file.unsaved).toBe(0)
  expect(content()).toBe('one\ntwo\n')
  await file.save()
  file.saveNow()
  expect(content()).toBe('one\ntwo\n')
})

test.each(['one', 'one\ntw'])('a line is not glued to the incomplete end of %j', async before => {
  mkdirSync(join(path, '..'))
  writeFileSync(path, before)
  file.append('new')
  expect(content()).toBe(`${before}\nnew\n`)
})

test('lines that cannot be written are kept, and written by the next save in their order', async () => {
  const repair = breakFolder()
  for (const line of ['one', 'two']) file.append(line)
  await expect(file.save()).rejects.toThrow(/EEXIST|ENOTDIR/)
  file.append('three')
  expect(() => file.saveNow()).toThrow(/EEXIST|ENOTDIR/)
  expect(file.unsaved).toBe(3)
  repair()
  await file.save()
  expect(content()).toBe('one\ntwo\nthree\n')
})

test('lines that another client has written are not written, but after a failed write all are', async () => {
  const written = new Set(['one'])
  const selectMissing = (lines: readonly string[]) => {
    const missing = lines.filter(line => !written.has(line))
    for (const line of lines) written.add(line)
    return missing
  }
  file = new AppendFile(path, { selectMissing })
  for (const line of ['one', 'two']) file.append(line)
  await file.save()
  expect(content()).toBe('two\n')
  rmSync(join(path, '..'), { recursive: true })
  const repair = breakFolder()
  file.append('one')
  await expect(file.save()).rejects.toThrow(/EEXIST|ENOTDIR/)
  repair()
  await file.save()
  expect(content()).toBe('one\n')
})

test('lines that are appended during a save are of the next one', async () => {
  file.append('one')
  const saving = file.save()
  file.append('two')
  await saving
  expect(file.unsaved).toBe(1)
  await file.save()
  expect(content()).toBe('one\ntwo\n')
})

test('lines that were written to a file that another process has moved are written again', async () => {
  file.append('one')
  renameSync(path, `${path}.moved`)
  await file.save()
  expect(content()).toBe('one\n')
  file.append('two')
  rmSync(path)
  rmSync(`${path}.moved`)
  rmdirSync(join(path, '..'))
  expect(() => file.saveNow()).toThrow('another process has moved')
  file.saveNow()
  expect(content()).toBe('two\n')
})

test('dropped lines are not written later, also not by a save that is running', async () => {
  file.append('one')
  const saving = file.save()
  file.clear()
  file.append('two')
  await saving
  expect(file.unsaved).toBe(1)
  await file.save()
  expect(content()).toBe('two\n')
  file.remove()
  await file.save()
  expect(() => statSync(path)).toThrow('ENOENT')
})
