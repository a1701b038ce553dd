/** Messages to rooms in the history on disk: their lines, their threads, and which archive has them. */
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { History } from '../../../../cli/history/history.ts'
import { parseLine } from '../../../../cli/history/history-line.ts'
import { type Archive, MessageLog } from '../../../../src/client/history/message-log.ts'
import type { Message } from '../../../../src/protocol/messages.ts'
import { stateFolderPerTest } from '../state-folder.ts'

const DAY = new Date(2026, 10, 24, 10, 0).getTime()
const file = stateFolderPerTest()
const open = () => new History(dirname(file('history.jsonl')), 'Anna')
const lines = () => readFileSync(file('history.jsonl'), 'utf8').split('\n').filter(Boolean)

function message(n: number, to: string, more: Partial<Message> = {}): Message {
  return { id: `id-${n}`, at: DAY + n * 1_000, from: 'Billy', to, text: `message ${n}`, ...more }
}

const texts = (messages: Iterable<Message | undefined>) => [...messages].map(found => found?.text)
const textsOf = (archive: Archive) => texts(Array.from(archive.at, (_, index) => archive.read(index)))

test('a message to a room has a line that 0.2 ignores, with its proof', () => {
  const history = open()
  const toRoom = message(1, '#ops', { proof: 'a-proof' })
  history.store(message(0, 'Anna'))
  history.store(toRoom, undefined, true)
  history.close()
  expect(lines()).toEqual([
    JSON.stringify({ message: message(0, 'Anna') }),
    JSON.stringify({ room: toRoom, late: true }),
  ])
  expect([...open().all('#ops')]).toEqual([{ ...toRoom, late: true }])
})

test('a line that does not fit its recipient, or whose author has the name of a room, is no message', () => {
  const valid = [{ message: message(1, 'Anna') }, { room: message(1, '#ops') }]
  const invalid = [
    { message: message(1, '#ops') },
    { room: message(1, 'Anna') },
    { message: message(1, 'Anna', { from: '#ops' }) },
    { room: message(1, '#ops', { from: '#ops' }) },
    { room: message(1, '#ops'), message: message(1, 'Anna') },
  ]
  expect(valid.map(line => parseLine(JSON.stringify(line))?.text)).toEqual(['message 1', 'message 1'])
  const parsed = invalid.map(line => parseLine(JSON.stringify(line))?.to)
  // Of two fields, the first counts.
  expect(parsed).toEqual([undefined, undefined, undefined, undefined, '#ops'])
})

test('a room is a thread of its own, in lists, pages and searches', () => {
  const history = open()
  for (const [n, to] of [
    [1, 'Anna'],
    [2, '#ops'],
    [3, '#dev'],
    [4, '#ops'],
  ] as const)
    history.store(message(n, to))
  history.store(message(5, '#ops', { from: 'Anna' }))
  history.store(message(6, 'Billy', { from: 'Anna' }))
  history.refresh()
  expect(history.threads().map(({ name }) => name)).toEqual(['Billy', '#ops', '#dev'])
  expect(texts(history.page('#ops', 2))).toEqual(['message 4', 'message 5'])
  expect(texts(history.page('Billy', 9))).toEqual(['message 1', 'message 6'])
  expect(texts(history.search('#ops', 'message 2'))).toEqual(['message 2'])
  expect(texts(history.search('Billy', 'message 2'))).toEqual([])
  expect(texts(history.all('#dev'))).toEqual(['message 3'])
  expect(texts(history.all())).toHaveLength(6)
  history.close()
})

test('the receipt of a message to a room is found', () => {
  const history = open()
  history.store(message(1, '#ops', { from: 'Anna' }))
  history.storeReceipt('id-1', DAY + 1_000, { delivered: 2, of: 5 })
  history.close()
  expect(open().page('#ops', 1)[0]?.receipt).toEqual({ delivered: 2, of: 5 })
})

test('the archive leaves messages to rooms out; each room has its own', () => {
  const history = open()
  for (let n = 0; n < 30; n++) history.store(message(n, ['Anna', '#ops', '#dev'][n % 3] ?? ''))
  history.refresh()
  const { archive } = history
  const room = history.roomArchive('#ops')
  expect(textsOf(archive)).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 24, 27].map(n => `message ${n}`))
  expect(textsOf(room)).toEqual([1, 4, 7, 10, 13, 16, 19, 22, 25, 28].map(n => `message ${n}`))
  expect(textsOf(history.roomArchive('#empty'))).toEqual([])
  history.store(message(30, '#ops'))
  history.store(message(31, 'Anna'))
  const [later, laterRoom] = [archive.refreshed?.(), room.refreshed?.()]
  expect([later?.at.length, laterRoom?.at.length]).toEqual([11, 11])
  expect([archive.at.length, room.at.length]).toEqual([10, 10])
  expect(room.find(message(30, '#ops'))?.text).toBe('message 30')
  expect(archive.find(message(30, '#ops'))).toBeUndefined()
  expect(history.roomArchive('#dev').find(message(30, '#ops'))).toBeUndefined()
  history.close()
})

test('without messages to rooms the archive is the index itself', () => {
  const history = open()
  history.store(message(1, 'Anna'))
  history.refresh()
  expect(history.archive.at).toBe(history.archive.at)
  history.store(message(2, '#ops'))
  history.refresh()
  expect(history.archive.at).not.toBe(history.archive.at)
  history.close()
})

test('an id that its sender uses in two rooms and in a direct message hides none of them', () => {
  for (let restart = 0; restart < 2; restart++) {
    const history = open()
    if (restart === 0) for (const to of ['#ops', '#dev', 'Anna']) history.store(message(1, to, { text: `to ${to}` }))
    history.refresh()
    expect(texts(history.all()).sort()).toEqual(['to #dev', 'to #ops', 'to Anna'])
    for (const room of ['#ops', '#dev']) {
      expect(history.roomArchive(room).find(message(1, room))?.text).toBe(`to ${room}`)
      expect(new MessageLog(history.roomArchive(room)).has(message(1, room))).toBe(true)
    }
    expect(history.archive.find(message(1, 'Anna'))?.text).toBe('to Anna')
    history.close()
  }
  expect(lines()).toHaveLength(3)
})

test('rooms are found again in a saved index', () => {
  mkdirSync(dirname(file('history.jsonl')), { recursive: true })
  for (let n = 0; n < 4_000; n++) {
    const line = n % 2 === 0 ? { message: message(n, 'Anna') } : { room: message(n, '#ops') }
    appendFileSync(file('history.jsonl'), `${JSON.stringify(line)}\n`)
  }
  open().close()
  const history = open()
  expect(readFileSync(file('history.index')).length).toBeGreaterThan(4_000 * 32)
  expect(history.roomArchive('#ops').at).toHaveLength(2_000)
  expect(history.archive.at).toHaveLength(2_000)
  expect(texts(history.page('#ops', 1))).toEqual(['message 3999'])
  history.close()
})

test('messages that come with earlier times, and other histories, are in their threads at once', () => {
  const history = open()
  const expected = new Map<string, number[]>()
  const threads = ['#ops', '#dev', 'Billy']
  // Every third message is older than those before it.
  for (let n = 0; n < 300; n++) {
    const time = n % 3 === 2 ? 300 - n : 1_000 + n
    const thread = threads[(n * 7) % 3] ?? ''
    const to = thread === 'Billy' ? 'Anna' : thread
    history.store(message(time, to))
    expected.set(
      thread,
      [...(expected.get(thread) ?? []), time].sort((a, b) => a - b),
    )
    if (n % 10 !== 0) continue
    history.refresh()
    for (const [name, times] of expected) {
      const shown = times.map(one => `message ${one}`)
      expect(texts(history.all(name))).toEqual(shown)
      expect(texts(history.page(name, 5))).toEqual(shown.slice(-5))
      if (name !== 'Billy') expect(textsOf(history.roomArchive(name))).toEqual(shown)
    }
    expect(textsOf(history.archive)).toEqual(texts(history.all('Billy')))
  }
})
