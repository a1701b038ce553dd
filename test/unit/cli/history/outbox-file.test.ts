/** The outbox file: held and released messages, takeover from ended processes, damaged lines. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { OutboxFile } from '../../../../cli/history/outbox-file.ts'
import type { Message } from '../../../../src/protocol/messages.ts'
import { stopAll, temporaryFolder } from '../../../support/programs/processes.ts'

const own = `outbox-${process.pid}.jsonl`
let folder = ''
/** The id of a process that has ended. */
let endedPid = 0

beforeEach(() => {
  folder = temporaryFolder()
  endedPid = spawnSync(process.execPath, ['--version']).pid
})
afterAll(stopAll)

const message = (id: string): Message => ({ id, at: 1_700_000_000_000, from: 'Anna', to: 'Billy', text: id })
const held = (id: string) => `${JSON.stringify({ held: message(id) })}\n`
const released = (id: string) => `${JSON.stringify({ released: id })}\n`
const ids = (outbox: OutboxFile) => outbox.held.map(({ id }) => id)
const path = (name: string) => join(folder, name)

test('held messages are on disk until they are released; an empty outbox has no file', () => {
  const outbox = new OutboxFile(folder)
  expect(readdirSync(folder)).toEqual([])
  outbox.hold(message('one'))
  outbox.hold(message('two'))
  expect(statSync(path(own)).mode & 0o777).toBe(0o600)
  expect(ids(new OutboxFile(folder))).toEqual(['one', 'two'])
  outbox.release('one')
  expect(ids(new OutboxFile(folder))).toEqual(['two'])
  outbox.release('two')
  expect(outbox.held).toEqual([])
  expect(readdirSync(folder)).toEqual([])
})

test('releasing an unknown message writes nothing', () => {
  const outbox = new OutboxFile(folder)
  outbox.release('unknown')
  expect(existsSync(path(own))).toBe(false)
  outbox.hold(message('one'))
  const before = readFileSync(path(own), 'utf8')
  outbox.release('unknown')
  expect(readFileSync(path(own), 'utf8')).toBe(before)
})

test('the files of ended processes are taken over, those of running processes are not', () => {
  writeFileSync(path(`outbox-${endedPid}.jsonl`), held('one') + held('two') + released('one'))
  // The parent process is running.
  writeFileSync(path(`outbox-${process.ppid}.jsonl`), held('running'))
  writeFileSync(path(`outbox-${endedPid}.json`), held('not an outbox'))
  const outbox = new OutboxFile(folder)
  expect(ids(outbox)).toEqual(['two'])
  const names = [own, `outbox-${process.ppid}.jsonl`, `outbox-${endedPid}.json`]
  expect(readdirSync(folder).sort()).toEqual(names.sort())
  // The messages are in the file of this process now.
  expect(ids(new OutboxFile(folder))).toEqual(['two'])
  outbox.release('two')
  expect(existsSync(path(own))).toBe(false)
})

test('a taken over outbox with no held messages leaves no file', () => {
  writeFileSync(path(`outbox-${endedPid}.jsonl`), held('one') + released('one'))
  expect(ids(new OutboxFile(folder))).toEqual([])
  expect(readdirSync(folder)).toEqual([])
})

test('lines that are incomplete or invalid are skipped', () => {
  const content = `${held('one')}\nnull\n{"held":{"id":1}}\n{"released":7}\n${held('two').slice(0, 30)}`
  writeFileSync(path(`outbox-${endedPid}.jsonl`), content)
  expect(ids(new OutboxFile(folder))).toEqual(['one'])
})

test('a file that a process had taken over when it was killed is taken over again', () => {
  writeFileSync(path(`outbox-${endedPid}-5f3a.jsonl`), held('one') + held('two') + released('two'))
  expect(ids(new OutboxFile(folder))).toEqual(['one'])
  expect(readdirSync(folder)).toEqual([own])
})

test('a message keeps its sealed text, also when its file is taken over', () => {
  const outbox = new OutboxFile(folder)
  outbox.hold(message('one'), 'sealed1.x')
  outbox.hold(message('two'), '')
  renameSync(path(own), path(`outbox-${endedPid}.jsonl`))
  const expected = [
    { ...message('one'), sealed: 'sealed1.x' },
    { ...message('two'), sealed: '' },
  ]
  expect(outbox.held).toEqual(expected)
  expect(new OutboxFile(folder).held).toEqual(expected)
  expect(new OutboxFile(folder).held).toEqual(expected)
})
