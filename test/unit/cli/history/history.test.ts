/** The history of a user on disk: order, duplicates, pages, search, index, replaced files. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { History } from '../../../../cli/history/history.ts'
import { messageHash } from '../../../../src/client/history/positions.ts'
import type { Message } from '../../../../src/protocol/messages.ts'
import { stateFolderPerTest } from '../state-folder.ts'

const DAY = new Date(2026, 10, 24, 10, 0).getTime()
const file = stateFolderPerTest()
/** The user's folder. */
const folder = () => dirname(file('history.jsonl'))

function message(n: number, more: Partial<Message> = {}): Message {
  return { id: `id-${n}`, at: DAY + n * 1_000, from: 'Billy', to: 'Anna', text: `message ${n}`, ...more }
}

/** Writes a history file with this many messages. */
function write(count: number, more: (n: number) => Partial<Message> = () => ({})): void {
  mkdirSync(dirname(file('history.jsonl')), { recursive: true })
  const lines = Array.from({ length: count }, (_, n) => JSON.stringify({ message: message(n, more(n)) }))
  writeFileSync(file('history.jsonl'), `${lines.join('\n')}\n`)
}

/** Stores a message as another client of the user. */
function store(message: Message): void {
  const history = new History(folder(), 'Anna')
  history.store(message)
  history.close()
}

const texts = (messages: Iterable<Message>) => [...messages].map(({ text }) => text)

test('messages are in order, each once, whatever the order of the lines and repeated lines', () => {
  const history = new History(folder(), 'Anna')
  for (const n of [3, 1, 2, 3, 1, 5, 4, 5]) history.store(message(n))
  history.store(message(6, { from: 'Anna', to: 'Carla' }))
  history.saveNow()
  const again = new History(folder(), 'Anna')
  expect(texts(again.all())).toEqual([1, 2, 3, 4, 5, 6].map(n => `message ${n}`))
  expect(texts(again.all('Billy'))).toHaveLength(5)
  expect(again.threads()).toEqual([
    { name: 'Carla', lastAt: DAY + 6_000 },
    { name: 'Billy', lastAt: DAY + 5_000 },
  ])
})

test('a line cut off by a crash is skipped, and the next message starts a new line', () => {
  store(message(1))
  appendFileSync(file('history.jsonl'), '{"message":{"id":"id-2","at":17')
  const history = new History(folder(), 'Anna')
  history.store(message(3))
  history.saveNow()
  expect(texts(new History(folder(), 'Anna').all())).toEqual(['message 1', 'message 3'])
  expect(history.page('Billy', 10).map(({ id }) => id)).toEqual(['id-1', 'id-3'])
})

test('the saved index is used; a missing or damaged one is rebuilt', () => {
  write(20_000)
  new History(folder(), 'Anna').close()
  expect(statSync(file('history.index')).size).toBeGreaterThan(20_000 * 32)
  const page = texts(new History(folder(), 'Anna').page('Billy', 3))
  expect(page).toEqual(['message 19997', 'message 19998', 'message 19999'])
  for (const broken of [Buffer.from('nonsense'), readFileSync(file('history.index')).subarray(0, 999)]) {
    writeFileSync(file('history.index'), broken)
    expect(texts(new History(folder(), 'Anna').page('Billy', 3))).toEqual(page)
  }
  // Lines covered by the index are not parsed again: a line that became invalid still counts.
  const bytes = readFileSync(file('history.jsonl'))
  bytes.fill('#', bytes.indexOf('\n') + 1, bytes.indexOf('\n') + 50)
  writeFileSync(file('history.jsonl'), bytes)
  expect(new History(folder(), 'Anna').archive.at).toHaveLength(20_000)
  rmSync(file('history.index'))
  expect(new History(folder(), 'Anna').archive.at).toHaveLength(19_999)
})

test('pages backward and forward have no gap, also among messages with the same time', () => {
  write(1_000, n => ({ at: DAY + Math.floor(n / 7), id: `id-${`${n}`.padStart(4, '0')}` }))
  const history = new History(folder(), 'Anna')
  const all = texts(history.all())
  const backward: string[] = []
  for (
    let page = history.page('Billy', 70);
    page.length > 0;
    page = history.page('Billy', 70, { before: page[0] ?? message(0) })
  ) {
    backward.unshift(...texts(page))
  }
  expect(backward).toEqual(all)
  const forward: string[] = []
  for (
    let page = history.page('Billy', 70, { after: { at: -1, id: '' } });
    page.length > 0;
    page = history.page('Billy', 70, { after: page.at(-1) ?? message(0) })
  ) {
    forward.push(...texts(page))
  }
  expect(forward).toEqual(all)
})

test('search goes backwards, ignores case, and stays in its thread', () => {
  write(5_000, n =>
    n % 1_000 === 7 ? { text: `A "Needle"\nin ${n}` } : n === 4_500 ? { from: 'Carla', text: 'needle' } : {},
  )
  const history = new History(folder(), 'Anna')
  const find = (from?: Message) => [...history.search('Billy', '"needle"\nin', from)].find(found => found !== undefined)
  let found = find()
  const order: string[] = []
  while (found !== undefined) {
    order.push(found.id)
    found = find(found)
  }
  expect(order).toEqual(['id-4007', 'id-3007', 'id-2007', 'id-1007', 'id-7'])
})

test('search finds a text whatever its normal form', () => {
  const forms = ['caf\u00e9', 'cafe\u0301', 'CAFE\u0301', 'cafe']
  write(4, n => ({ text: `a ${forms[n]}` }))
  const history = new History(folder(), 'Anna')
  for (const text of ['caf\u00e9', 'Cafe\u0301']) {
    const [newest] = history.search('Billy', text)
    expect(newest?.text).toBe('a CAFE\u0301')
  }
  history.close()
})

test('a refreshed archive has what was stored since', () => {
  write(3)
  const history = new History(folder(), 'Anna')
  const { archive } = history
  history.store({ id: 'new', at: 1e12, from: 'Billy', to: 'Anna', text: 'x' })
  const refreshed = archive.refreshed?.()
  expect([archive.at.length, refreshed?.at.length, refreshed?.read(0)?.id]).toEqual([3, 4, 'new'])
  history.close()
})

test('a history that does not exist yet is empty', () => {
  const history = new History(folder(), 'Anna')
  expect([...history.all()]).toEqual([])
  expect(history.threads()).toEqual([])
  expect(history.page('Billy', 10)).toEqual([])
  expect([...history.search('Billy', 'x')]).toEqual([])
  expect(history.archive.at).toHaveLength(0)
  history.close()
})

test('refresh adds the lines of other processes; a snapshot does not change', () => {
  const history = new History(folder(), 'Anna')
  const other = new History(folder(), 'Anna')
  other.store(message(1))
  other.saveNow()
  history.refresh()
  const { archive } = history
  other.store(message(2))
  other.saveNow()
  history.refresh()
  expect(archive.at).toHaveLength(1)
  expect(history.archive.at).toHaveLength(2)
  expect(archive.read(0)).toEqual(message(1))
  expect(archive.read(1)).toBeUndefined()
})

test('the archive has the hashes of its messages, and finds a message by time and hash only', () => {
  const history = new History(folder(), 'Anna')
  history.store(message(1))
  const { archive } = history
  expect(archive.find(message(1))).toEqual(message(1))
  expect(archive.find({ ...message(1), id: 'other' })).toBeUndefined()
  expect(archive.find({ ...message(1), from: 'Eve' })).toBeUndefined()
  history.refresh()
  const { a, b } = messageHash(message(1))
  expect([history.archive.hashA[0], history.archive.hashB[0]]).toEqual([a, b])
})

test('a file that became shorter was rewritten, and is indexed from the start', () => {
  write(10)
  const history = new History(folder(), 'Anna')
  write(3, n => ({ text: `new ${n}` }))
  history.refresh()
  expect(texts(history.all())).toEqual(['new 0', 'new 1', 'new 2'])
})

test('lines that are not messages are skipped', () => {
  write(1)
  appendFileSync(file('history.jsonl'), '\n{"other":1}\n{"message":{"id":7}}\n{"message":null}\nnot JSON\n')
  store(message(2))
  expect(texts(new History(folder(), 'Anna').all())).toEqual(['message 0', 'message 2'])
})

test('a search yields undefined every 2,000 messages, so that the caller can do other work', () => {
  write(5_000, n => (n === 0 ? { text: 'needle' } : {}))
  const steps = [...new History(folder(), 'Anna').search('Billy', 'NEEDLE')]
  expect(steps.map(found => found?.text)).toEqual([undefined, undefined, 'needle'])
  const before = { at: message(0).at, id: message(0).id }
  expect([...new History(folder(), 'Anna').search('Billy', 'needle', before)]).toEqual([])
})

test('the indexing of a large file reports its progress', () => {
  const text = 'x'.repeat(16_000)
  write(2_200, () => ({ text }))
  const progress: number[] = []
  new History(folder(), 'Anna', { progress: share => progress.push(share) })
  expect(progress.length).toBeGreaterThan(10)
  expect(progress).toEqual([...progress].sort((one, other) => one - other))
  expect(progress.at(-1)).toBe(1)
  progress.length = 0
  write(3)
  new History(folder(), 'Anna', { progress: share => progress.push(share) })
  expect(progress).toEqual([])
})

test('threads are told apart by their names, not by a hash of them', () => {
  // These names had the same 32-bit hash in index files of 0.1: only one of them was listed.
  const [one, other] = ['afcpvs', 'vrcpth'] as const
  const history = new History(folder(), 'Anna')
  history.store(message(1, { from: one }))
  history.store(message(2, { from: other }))
  history.refresh()
  expect(history.threads().map(({ name }) => name)).toEqual([other, one])
  expect(history.page(one, 10)).toEqual([message(1, { from: one })])
  expect(texts(history.all(other))).toEqual(['message 2'])
})

test('the sealed original of a message is stored next to it', () => {
  const history = new History(folder(), 'Anna')
  history.store(message(1), 'sealed1.x')
  history.store(message(2), '')
  history.store(message(3))
  history.saveNow()
  const { archive } = new History(folder(), 'Anna')
  expect([0, 1, 2].map(row => archive.read(row))).toEqual([
    { ...message(1), sealed: 'sealed1.x' },
    { ...message(2), sealed: '' },
    message(3),
  ])
  expect(archive.find(message(1))?.sealed).toBe('sealed1.x')
  expect(JSON.parse(readFileSync(file('history.jsonl'), 'utf8').split('\n')[0] ?? '')).toEqual({
    message: message(1),
    sealed: 'sealed1.x',
  })
})

test('a history that is only read takes over no held messages', () => {
  const outbox = join(folder(), 'outbox-999999999.jsonl')
  mkdirSync(folder(), { recursive: true })
  writeFileSync(outbox, `${JSON.stringify({ held: message(1) })}\n`)
  const history = new History(folder(), 'Anna')
  history.close()
  expect(existsSync(outbox)).toBe(true)
  expect(history.held).toEqual([message(1)])
  expect(existsSync(outbox)).toBe(false)
})
