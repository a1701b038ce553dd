import { describe, expect, test } from 'vitest'
import { DEFAULT_PREFERENCES } from '../../../../../cli/chat/model/preferences.ts'
import { Thread } from '../../../../../cli/chat/model/threads/thread.ts'
import { entryRows } from '../../../../../cli/chat/views/messages.ts'
import { rowText } from '../../../../../cli/chat/views/row.ts'
import type { Message } from '../../../../../src/protocol/messages.ts'

const READER = { user: 'Anna', preferences: DEFAULT_PREFERENCES, similarName: () => undefined, similarNamesRevision: 0 }

const message = (n: number, from = 'Billy'): Message => ({
  id: `id-${`${n}`.padStart(4, '0')}`,
  at: n,
  from,
  to: from === 'Billy' ? 'Anna' : 'Billy',
  text: `message ${n}`,
})
const messages = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => message(from + n))
const ids = (thread: Thread) => thread.entries.map(({ at }) => at)

test('entries are ordered by time, then id, whatever the order of arrival', () => {
  const thread = new Thread('Billy')
  for (const n of [3, 1, 2]) thread.addMessage(message(n))
  thread.addMessage({ ...message(2), id: 'id-0' })
  expect(thread.entries.map(({ id }) => id)).toEqual(['id-0001', 'id-0', 'id-0002', 'id-0003'])
  const entry = thread.entryById('id-0002')
  expect(entry && thread.indexOf(entry)).toBe(2)
})

test('a note comes last, even if the last message has a later time', () => {
  const thread = new Thread('Billy')
  thread.addMessage(message(100))
  thread.addNote('Billy went offline', 5)
  thread.addWarning('WARNING', 6)
  expect(thread.entries.map(({ kind }) => kind)).toEqual(['message', 'note', 'warning'])
})

test('the read mark only moves forward, and unread messages are those of the other user after it', () => {
  const thread = new Thread('Billy')
  for (const n of [1, 2, 4]) thread.addMessage(message(n))
  thread.addMessage(message(3, 'Anna'))
  thread.reading.markRead(1)
  expect(thread.unreadCount).toBe(2)
  thread.reading.markRead(0)
  expect([thread.unreadCount, thread.reading.readAt]).toEqual([2, 1])
  thread.reading.markRead(4)
  expect(thread.unreadCount).toBe(0)
})

describe('pages of the history', () => {
  test('a message outside of the loaded part is not added', () => {
    const thread = new Thread('Billy')
    thread.replaceEntries(messages(10, 20), false, false)
    thread.addMessage(message(5))
    thread.addMessage(message(25))
    thread.addMessage({ ...message(15), id: 'inside' })
    expect(ids(thread)).toEqual([10, 11, 12, 13, 14, 15, 15, 16, 17, 18, 19])
  })

  test('a page before drops entries at the end beyond 2000, a page after at the start', () => {
    const thread = new Thread('Billy')
    thread.replaceEntries(messages(1_000, 2_900), false, true)
    thread.addPage(messages(800, 1_000), 'before', false)
    expect([thread.entries.length, ids(thread)[0], ids(thread).at(-1)]).toEqual([2_000, 800, 2_799])
    expect([thread.hasStart, thread.hasEnd]).toEqual([false, false])
    expect(thread.entryById('id-2800')).toBeUndefined()
    thread.addPage(messages(2_800, 2_900), 'after', true)
    expect([thread.entries.length, ids(thread)[0], ids(thread).at(-1)]).toEqual([2_000, 900, 2_899])
    expect([thread.hasStart, thread.hasEnd]).toEqual([false, true])
  })

  test('a page that overlaps adds each message once', () => {
    const thread = new Thread('Billy')
    thread.replaceEntries(messages(10, 20), false, true)
    thread.addPage(messages(5, 12), 'before', true)
    expect(ids(thread)).toEqual(messages(5, 20).map(({ at }) => at))
    expect(thread.hasStart).toBe(true)
  })
})

describe('a thread that gets ever more messages', () => {
  const add = (thread: Thread, from: number, to: number, isStored = true) => {
    for (const one of messages(from, to)) {
      thread.addMessage(one)
      thread.trim(isStored)
    }
  }

  test('keeps those at its end, and loads the rest from the history', () => {
    const thread = new Thread('Billy')
    add(thread, 0, 10_000)
    expect(thread.entries.length).toBeLessThan(2_500)
    expect([thread.hasStart, thread.hasEnd, ids(thread).at(-1)]).toEqual([false, true, 9_999])
    expect(thread.entryById('id-0000')).toBeUndefined()
    const first = ids(thread)[0] ?? 0
    thread.addPage(messages(first - 200, first), 'before', false)
    expect(ids(thread)[0]).toBe(first - 200)
  })

  test('keeps those around the visible ones while the user reads older ones', () => {
    const thread = new Thread('Billy')
    add(thread, 0, 1_000)
    const entry = thread.entryById('id-0500')
    thread.anchor = entry && { entry, row: 0 }
    add(thread, 1_000, 10_000)
    expect(thread.entries.length).toBeLessThan(2_500)
    expect(thread.entryById('id-0500')).toBe(entry)
    expect([thread.hasStart, thread.hasEnd, ids(thread)[0]]).toEqual([true, false, 0])
  })

  test('without a history on disk keeps the newest 20,000', () => {
    const thread = new Thread('Billy')
    add(thread, 0, 30_000, false)
    expect(thread.entries.length).toBeGreaterThanOrEqual(20_000)
    expect(thread.entries.length).toBeLessThan(20_500)
    expect([thread.hasStart, thread.hasEnd, ids(thread).at(-1)]).toEqual([true, true, 29_999])
  })
})

test('delivery states of at most 2000 messages are remembered', () => {
  const thread = new Thread('Billy')
  for (let n = 0; n < 2_001; n++) thread.setProgress(`id-${`${n}`.padStart(4, '0')}`, { state: 'sent' })
  for (const n of [0, 1, 2_000]) thread.addMessage(message(n, 'Anna'))
  expect(thread.entries.map(({ progress }) => progress?.state)).toEqual([undefined, 'sent', 'sent'])
})

describe('late messages', () => {
  const build = () => {
    const thread = new Thread('Billy')
    for (const n of [10, 20]) thread.addMessage(message(n))
    thread.reading.markRead(20)
    return thread
  }

  test('a late message is marked, and unread until the end of the thread is seen, whatever other clients have read', () => {
    const thread = build()
    thread.addMessage(message(15), true)
    expect(thread.entries.map(({ text }) => text)).toEqual([
      'message 10',
      expect.stringMatching(/^\(late, dated (1999-12-31|2000-01-01) \d\d:\d\d\) message 15$/),
      'message 20',
    ])
    thread.reading.markRead(20)
    expect([thread.unreadCount, thread.reading.firstUnread?.at]).toEqual([1, 15])
    thread.addMessage(message(30))
    thread.reading.markRead(20)
    expect([thread.unreadCount, thread.reading.firstUnread?.at]).toEqual([2, 30])
    thread.reading.markSeen()
    expect([thread.unreadCount, thread.reading.firstUnread]).toEqual([0, undefined])
  })

  test('a page of the history keeps the mark, and at most 2000 late messages are remembered', () => {
    const thread = build()
    for (const late of messages(100, 2_200)) thread.addMessage(late, true)
    thread.replaceEntries(messages(100, 2_200), true, true)
    expect(thread.entries.filter(({ text }) => text.startsWith('(late')).length).toBe(2_000)
    thread.reading.markRead(20)
    expect(thread.unreadCount).toBe(2_100)
  })
})

describe('the delivery state of a message', () => {
  const delivered = (connections: number) => ({ state: 'delivered', connections }) as const
  const own = message(1, 'Anna')

  test('is that of the history, or a later one of this run', () => {
    const thread = new Thread('Billy')
    const shown = () => thread.entryById(own.id)?.progress
    thread.replaceEntries([{ ...own, receipt: { delivered: 2 } }], true, true)
    expect(shown()).toEqual(delivered(2))
    for (const progress of [{ state: 'sent' }, { state: 'waiting', reason: 'offline' }, delivered(1)] as const) {
      thread.setProgress(own.id, progress)
      expect(shown()).toEqual(delivered(2))
    }
    thread.setProgress(own.id, delivered(3))
    // The history may not have it yet.
    thread.replaceEntries([{ ...own, receipt: { delivered: 2 } }], true, true)
    expect(shown()).toEqual(delivered(3))
    thread.replaceEntries([{ ...own, receipt: { delivered: 4 } }], true, true)
    expect(shown()).toEqual(delivered(4))
  })

  test('of a message that is sent again after it was rejected is the later one', () => {
    const thread = new Thread('Billy')
    thread.setProgress(own.id, { state: 'waiting', reason: 'offline' })
    thread.replaceEntries([{ ...own, rejection: { code: 'bad-name', message: 'no' } }], true, true)
    expect(thread.entryById(own.id)?.progress).toEqual({ state: 'waiting', reason: 'offline' })
  })

  test('has the number of members in a room, and the column of marks is as wide as the widest', () => {
    const thread = new Thread('Billy')
    thread.replaceEntries([own, { ...message(2, 'Anna'), receipt: { delivered: 12, of: 345 } }], true, true)
    const rows = [0, 1].flatMap(index => entryRows(thread, index, READER, 60).map(rowText)).slice(-2)
    expect(rows.map(row => row.slice(6))).toEqual(['        Anna   message 1', '✓12/345        message 2'])
    thread.setProgress(own.id, { state: 'delivered', connections: 3, of: 345 })
    expect(entryRows(thread, 0, READER, 60).map(rowText).at(-1)?.slice(6)).toBe('✓3/345  Anna   message 1')
  })
})
