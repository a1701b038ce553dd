/** The outbox file: held and released messages, takeover from ended processes, damaged lines. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { OutboxFile } from '../../../../cli/history/outbox-file.ts'
import type { Message } from '../../../../src/protocol/messages.ts'
import { stopAll, temporaryFolder } from '../../../support/programs/processes.ts'

const own = `Anna.outbox-${process.pid}.jsonl`
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
  const outbox = new OutboxFile(folder, 'Anna')
  expect(readdirSync(folder)).toEqual([])
  outbox.hold(message('one'))
  outbox.hold(message('two'))
  expect(statSync(path(own)).mode & 0o777).toBe(0o600)
  expect(ids(new OutboxFile(folder, 'Anna'))).toEqual(['one', 'two'])
  outbox.release('one')
  expect(ids(new OutboxFile(folder, 'Anna'))).toEqual(['two'])
  outbox.release('two')
  expect(outbox.held).toEqual([])
  expect(readdirSync(folder)).toEqual([])
})

test('releasing an unknown message writes nothing', () => {
  const outbox = new OutboxFile(folder, 'Anna')
  outbox.release('unknown')
  expect(existsSync(path(own))).toBe(false)
  outbox.hold(message('one'))
  const before = readFileSync(path(own), 'utf8')
  outbox.release('unknown')
  expect(readFileSync(path(own), 'utf8')).toBe(before)
})

test('the files of ended processes are taken over, those of running processes and other users are not', () => {
  writeFileSync(path(`Anna.outbox-${endedPid}.jsonl`), held('one') + held('two') + released('one'))
  // The parent process is running.
  writeFileSync(path(`Anna.outbox-${process.ppid}.jsonl`), held('running'))
  writeFileSync(path(`Billy.outbox-${endedPid}.jsonl`), held('other user'))
  const outbox = new OutboxFile(folder, 'Anna')
  expect(ids(outbox)).toEqual(['two'])
  const names = [own, `Anna.outbox-${process.ppid}.jsonl`, `Billy.outbox-${endedPid}.jsonl`]
  expect(readdirSync(folder).sort()).toEqual(names.sort())
  // The messages are in the file of this process now.
  expect(ids(new OutboxFile(folder, 'Anna'))).toEqual(['two'])
  outbox.release('two')
  expect(existsSync(path(own))).toBe(false)
})

test('a taken over outbox with no held messages leaves no file', () => {
  writeFileSync(path(`Anna.outbox-${endedPid}.jsonl`), held('one') + released('one'))
  expect(ids(new OutboxFile(folder, 'Anna'))).toEqual([])
  expect(readdirSync(folder)).toEqual([])
})

test('lines that are incomplete or invalid are skipped', () => {
  const content = `${held('one')}\nnull\n{"held":{"id":1}}\n{"released":7}\n${held('two').slice(0, 30)}`
  writeFileSync(path(`Anna.outbox-${endedPid}.jsonl`), content)
  expect(ids(new OutboxFile(folder, 'Anna'))).toEqual(['one'])
})
