/** Own messages that were rejected: kept on disk and shown, but never part of the history. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { History } from '../../../../cli/history/history.ts'
import { RejectedFile } from '../../../../cli/history/rejected-file.ts'
import type { RejectedMessage } from '../../../../src/client/history/message-log.ts'
import { stateFolderPerTest } from '../state-folder.ts'

const DAY = new Date(2026, 10, 24, 10, 0).getTime()
const file = stateFolderPerTest()
const folder = () => dirname(file('rejected.jsonl'))
const open = () => new History(folder(), 'Anna')

const rejection = { code: 'text-too-long', message: 'too long' } as const
const plain = (n: number, to = 'Billy') => ({ id: `id-${n}`, at: DAY + n * 1_000, from: 'Anna', to, text: `text ${n}` })
const rejected = (n: number, to?: string): RejectedMessage => ({ ...plain(n, to), rejection })
const lines = () => readFileSync(file('rejected.jsonl'), 'utf8').split('\n').filter(Boolean)
const ids = (messages: Iterable<{ id: string }>) => [...messages].map(({ id }) => id)

test('a rejected message is in the pages of its thread, also after a restart, and nowhere else', () => {
  const history = open()
  history.store(plain(1))
  history.storeRejected({ ...rejected(2), sealed: 'sealed' })
  history.store(plain(3))
  history.storeRejected(rejected(4, 'Carla'))
  history.close()
  expect(lines()).toEqual([
    JSON.stringify({ rejected: plain(2), sealed: 'sealed', code: 'text-too-long', reason: 'too long' }),
    JSON.stringify({ rejected: plain(4, 'Carla'), code: 'text-too-long', reason: 'too long' }),
  ])
  expect(statSync(file('rejected.jsonl')).mode & 0o777).toBe(0o600)
  const again = open()
  expect(again.page('Billy', 10)).toEqual([plain(1), { ...plain(2), sealed: 'sealed', rejection }, plain(3)])
  expect(again.page('Carla', 10)).toEqual([rejected(4, 'Carla')])
  expect(ids(again.all())).toEqual(['id-1', 'id-3'])
  expect(again.archive.at).toHaveLength(2)
  expect(again.archive.find(plain(2))).toBeUndefined()
  expect([...again.search('Billy', 'text 2')]).toEqual([])
  expect(again.threads().map(({ name }) => name)).toEqual(['Billy'])
  expect(again.threads(true)).toEqual([
    { name: 'Carla', lastAt: plain(4).at },
    { name: 'Billy', lastAt: plain(3).at },
  ])
  again.close()
})

test('rejected messages are at their place in pages before and after a position', () => {
  const history = open()
  for (const n of [1, 2, 4, 5]) history.store(plain(n))
  history.storeRejected(rejected(3))
  expect(ids(history.page('Billy', 2, { before: plain(4) }))).toEqual(['id-2', 'id-3'])
  expect(ids(history.page('Billy', 2, { before: plain(3) }))).toEqual(['id-1', 'id-2'])
  expect(ids(history.page('Billy', 2, { after: plain(2) }))).toEqual(['id-3', 'id-4'])
  expect(ids(history.page('Billy', 2, { after: plain(3) }))).toEqual(['id-4', 'id-5'])
  expect(ids(history.page('Billy', 2))).toEqual(['id-4', 'id-5'])
  history.close()
})

test('a message that waits to be sent again, or that the history has, is not shown as rejected', () => {
  const history = open()
  expect(history.held).toEqual([])
  for (const n of [1, 2]) history.storeRejected(rejected(n))
  history.hold(plain(1))
  history.store(plain(2))
  expect(history.page('Billy', 10).map(({ id, rejection }) => [id, rejection])).toEqual([
    ['id-1', undefined],
    ['id-2', undefined],
  ])
  history.close()
})

test("the user's clients with one folder see each other's rejected messages", async () => {
  const [one, two] = [open(), open()]
  expect(one.page('Billy', 10)).toEqual([])
  two.storeRejected(rejected(1))
  await two.save()
  expect(ids(one.page('Billy', 10))).toEqual(['id-1'])
  one.storeRejected(rejected(2))
  await one.save()
  expect(ids(two.page('Billy', 10))).toEqual(['id-1', 'id-2'])
  for (const client of [one, two]) client.close()
})

test('torn and foreign lines are skipped, and the next message starts a new line', () => {
  mkdirSync(folder(), { recursive: true })
  const line = (more: object) =>
    `${JSON.stringify({ rejected: plain(1), code: 'text-too-long', reason: 'too long', ...more })}\n`
  writeFileSync(file('rejected.jsonl'), '\n')
  appendFileSync(file('rejected.jsonl'), line({ rejected: { ...plain(1), from: 'Billy' } }))
  appendFileSync(file('rejected.jsonl'), line({ code: 'no code' }))
  appendFileSync(file('rejected.jsonl'), line({ reason: 7 }))
  appendFileSync(file('rejected.jsonl'), `{"message":${JSON.stringify(plain(1))}}\n${line({}).slice(0, 40)}`)
  const history = open()
  expect(history.page('Billy', 10)).toEqual([])
  history.storeRejected(rejected(2))
  expect(ids(history.page('Billy', 10))).toEqual(['id-2'])
  history.close()
})

test('the newest 1,000 are kept, and the file has at most 2,000 lines, private and without temporary files', async () => {
  let own = new RejectedFile(folder(), 'Anna')
  const other = new RejectedFile(folder(), 'Anna')
  for (let n = 0; n < 5_000; n++) {
    own.store(rejected(n))
    if (n % 50 === 0) await own.file.save()
    // A client that was started later.
    if (n === 2_500) own.file.saveNow()
    if (n === 2_500) own = new RejectedFile(folder(), 'Anna')
  }
  own.file.saveNow()
  const newest = Array.from({ length: 1_000 }, (_, n) => `id-${n + 4_000}`)
  for (const one of [own, other]) expect(ids(one.messages)).toEqual(newest)
  expect(lines().length).toBeLessThan(2_100)
  expect(statSync(file('rejected.jsonl')).mode & 0o777).toBe(0o600)
  expect(existsSync(file('rejected.jsonl.lock'))).toBe(false)
})

test('the file is not replaced while lines in it are being saved', () => {
  const own = new RejectedFile(folder(), 'Anna')
  for (let n = 0; n < 2_500; n++) {
    own.store(rejected(n))
    if (n % 100 === 0) expect(ids(own.messages).at(-1)).toBe(`id-${n}`)
  }
  own.file.saveNow()
  expect(lines()).toHaveLength(2_500)
  own.store(rejected(2_500))
  expect(ids(own.messages).at(-1)).toBe('id-2500')
  expect(lines()).toHaveLength(1_001)
})

test('clients that write while one of them makes the file smaller lose nothing', async () => {
  const clients = Array.from({ length: 3 }, () => new RejectedFile(folder(), 'Anna'))
  const isSaved = new Set<string>()
  for (let n = 0; n < 4_000; n++) {
    const client = clients[n % 3] ?? new RejectedFile(folder(), 'Anna')
    client.store(rejected(n))
    if (n % 7 === 0) {
      await client.file.save()
      isSaved.add(`id-${n}`)
    }
  }
  for (const client of clients) await client.file.save()
  const kept = new Set(ids(new RejectedFile(folder(), 'Anna').messages))
  expect(kept.size).toBe(1_000)
  // Those of one client may be written a little later than those of another.
  for (let n = 3_100; n < 4_000; n++) if (isSaved.has(`id-${n}`)) expect(kept).toContain(`id-${n}`)
})
