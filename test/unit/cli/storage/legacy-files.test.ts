/** The files of 0.1 move into a mesh, whatever the names of the users, and whenever the client is killed. */
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { OutboxFile } from '../../../../cli/history/outbox-file.ts'
import { hasLegacyHistory, migrateLegacyFiles } from '../../../../cli/storage/legacy-files.ts'
import { userFolder } from '../../../../cli/storage/user-folder.ts'
import { hasUserStorage, openUserStorage } from '../../../../cli/storage/user-storage.ts'
import { keyNamed } from '../../../support/simulation/plain-identity.ts'
import { stateFolderPerTest } from '../state-folder.ts'

const file = stateFolderPerTest()
const mesh = { folder: 'one' }
const message = (id: string, from = 'Billy', to = 'Anna') => ({ id, at: 1_700_000_000_000, from, to, text: id })
const stored = (id: string) => `${JSON.stringify({ message: message(id) })}\n`
const held = (id: string) => `${JSON.stringify({ held: message(id, 'Anna', 'Billy') })}\n`
const historyIds = (user = 'Anna') => [...openUserStorage(mesh, user).history.all()].map(({ id }) => id)
const migrate = (user = 'Anna') => migrateLegacyFiles(user, userFolder(mesh.folder, user))
/** Names in the data folder that are not of this version. */
const legacy = () => readdirSync(dirname(file('x'))).filter(name => name !== 'meshes')
const endedPid = spawnSync(process.execPath, ['--version']).pid

beforeEach(() => mkdirSync(dirname(file('x')), { recursive: true }))

test('history, held messages and known keys move; the index goes, and the key stays', () => {
  writeFileSync(file('Anna.jsonl'), stored('one') + stored('two'))
  writeFileSync(file('Anna.index'), 'x')
  writeFileSync(file('Anna.key'), 'x')
  writeFileSync(file('Anna.known-keys'), `\n${JSON.stringify({ user: 'Billy', key: keyNamed('Billy') })}\n`)
  writeFileSync(file(`Anna.outbox-${endedPid}.jsonl`), held('three'))
  // A crash of 0.1 while it took over an outbox left this.
  writeFileSync(file('Anna.outbox-99999999.jsonl.adopted'), held('four'))
  expect(hasLegacyHistory('Anna')).toBe(true)
  expect(migrate()).toBe(true)
  expect(legacy()).toEqual(['Anna.key'])
  expect(historyIds()).toEqual(['one', 'two'])
  const { history, knownKeys } = openUserStorage(mesh, 'Anna')
  expect(history.held.map(({ id }) => id).sort()).toEqual(['four', 'three'])
  expect([...knownKeys.read()]).toEqual([['Billy', keyNamed('Billy')]])
  expect(migrate()).toBe(false)
  expect(hasLegacyHistory('Anna')).toBe(false)
})

test('two outboxes of 0.1 with one process id are both kept', () => {
  writeFileSync(file(`Anna.outbox-${endedPid}.jsonl`), held('one'))
  writeFileSync(file(`Anna.outbox-${endedPid}.jsonl.adopted`), held('two'))
  expect(migrate()).toBe(true)
  const { history } = openUserStorage(mesh, 'Anna')
  expect(history.held.map(({ id }) => id).sort()).toEqual(['one', 'two'])
})

test('an outbox of 0.1 whose process id belongs to a program that started later is taken over', () => {
  // The parent process is running.
  const outbox = file(`Anna.outbox-${process.ppid}.jsonl`)
  writeFileSync(outbox, held('one'))
  expect(migrate()).toBe(false)
  utimesSync(outbox, new Date(1_600_000_000_000), new Date(1_600_000_000_000))
  expect(migrate()).toBe(true)
})

test('messages that were stored before are kept, each once', () => {
  const { history } = openUserStorage(mesh, 'Anna')
  history.store(message('one'))
  history.saveNow()
  appendFileSync(join(userFolder('one', 'Anna'), 'history.jsonl'), '{"message":{"id":"cut o')
  writeFileSync(file('Anna.jsonl'), `${stored('one')}${stored('two')}{"message":{"id":"cut`)
  expect(migrate()).toBe(true)
  expect(historyIds().sort()).toEqual(['one', 'two'])
})

test('the outbox of a client of 0.1 that runs stays, and what that client writes later moves the next time', () => {
  const running = `Anna.outbox-${process.ppid}.jsonl`
  writeFileSync(file('Anna.jsonl'), stored('one'))
  writeFileSync(file(running), held('three'))
  expect(migrate()).toBe(true)
  expect(legacy()).toEqual([running])
  writeFileSync(file('Anna.jsonl'), stored('two'))
  expect(migrate()).toBe(true)
  expect(historyIds().sort()).toEqual(['one', 'two'])
})

test('a user whose name looks like a file of another user keeps the messages', () => {
  const other = 'Anna.outbox-99999999'
  // In 0.1 this name was the history of that user and an outbox of Anna, and Anna deleted it.
  writeFileSync(file(`${other}.jsonl`), `${JSON.stringify({ message: message('theirs', 'Billy', other) })}\n`)
  writeFileSync(file('Anna.jsonl'), stored('one'))
  migrate()
  expect(new OutboxFile(userFolder('one', 'Anna')).held).toEqual([])
  expect(legacy()).toEqual([`${other}.jsonl`])
  expect(migrate(other)).toBe(true)
  expect(historyIds(other)).toEqual(['theirs'])
  // The other way around: an outbox of Anna is not that user's history.
  writeFileSync(file(`${other}.jsonl`), held('mine'))
  expect(hasLegacyHistory(other)).toBe(false)
  expect(migrate(other)).toBe(false)
  expect(migrate()).toBe(true)
  expect(new OutboxFile(userFolder('one', 'Anna')).held.map(({ id }) => id)).toEqual(['mine'])
})

test('a migration that was killed at any point is continued by the next one, and loses nothing', () => {
  const folder = userFolder('one', 'Anna')
  const content = stored('one') + stored('two')
  const points = [
    // After the file was claimed.
    () => renameSync(file('Anna.jsonl'), join(folder, 'import-0a.jsonl')),
    // After it was made the history, under both names.
    () => {
      renameSync(file('Anna.jsonl'), join(folder, 'import-0b.jsonl'))
      linkSync(join(folder, 'import-0b.jsonl'), join(folder, 'history.jsonl'))
    },
    // After a part of it was added to a history.
    () => {
      renameSync(file('Anna.jsonl'), join(folder, 'import-0c.jsonl'))
      writeFileSync(join(folder, 'history.jsonl'), `${stored('zero')}\n${stored('one').slice(0, 20)}`)
    },
  ]
  for (const killAt of points) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    writeFileSync(file('Anna.jsonl'), content)
    killAt()
    expect(hasUserStorage(mesh, 'Anna')).toBe(true)
    expect(historyIds()).toEqual(expect.arrayContaining(['one', 'two']))
    expect(readdirSync(folder).filter(name => name.startsWith('import'))).toEqual([])
  }
  expect(readFileSync(join(folder, 'history.jsonl'), 'utf8')).toContain('"zero"')
})

test('a file of more than one block is appended whole', () => {
  const lines = Array.from(
    { length: 9_000 },
    (_, n) => `${JSON.stringify({ message: { ...message(`id-${n}`), text: 'x'.repeat(200) } })}\n`,
  )
  const { history: first } = openUserStorage(mesh, 'Anna')
  first.store(message('first'))
  first.saveNow()
  writeFileSync(file('Anna.jsonl'), lines.join('').trimEnd())
  migrate()
  expect(historyIds()).toHaveLength(9_001)
  expect(existsSync(file('Anna.jsonl'))).toBe(false)
})
