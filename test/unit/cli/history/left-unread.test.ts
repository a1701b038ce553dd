/** What an earlier run has left unread is unread in the next one, until it is seen or read on another client. */
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { addStoredThreads, collectReadMarks, loadPage, restoreUnread } from '../../../../cli/chat/history-pages.ts'
import { Model } from '../../../../cli/chat/model/model.ts'
import { markOpenThreadRead, update } from '../../../../cli/chat/model/update.ts'
import { renderScreen } from '../../../../cli/chat/views/render.ts'
import { rowText } from '../../../../cli/chat/views/row.ts'
import type { ReadMarks } from '../../../../cli/common/read-marks.ts'
import { History } from '../../../../cli/history/history.ts'
import type { Message } from '../../../../src/protocol/messages.ts'
import { stateFolderPerTest } from '../state-folder.ts'

const DAY = new Date(2026, 10, 24, 10, 0).getTime()
const file = stateFolderPerTest()
const at = (n: number) => DAY + n * 1_000

/** Messages on disk: 10 of Billy, 5 of Carla in a room, two of which mention Anna, and one of Anna to Dora. */
function write(): void {
  const direct = Array.from({ length: 10 }, (_, n): Message => {
    return { id: `b${n}`, at: at(n), from: 'Billy', to: 'Anna', text: `message ${n}` }
  })
  const room = Array.from({ length: 5 }, (_, n): Message => {
    return { id: `c${n}`, at: at(n), from: 'Carla', to: '#ops', text: n > 2 ? `Anna ${n}?` : `talk ${n}` }
  })
  const own: Message = { id: 'a', at: at(9), from: 'Anna', to: 'Dora', text: 'hi' }
  const history = new History(dirname(file('history.jsonl')), 'Anna')
  for (const message of [...direct, own, ...room]) history.store(message)
  history.refresh()
}

/** The screen of the next run. */
function start(marks: ReadMarks | undefined) {
  const history = new History(dirname(file('history.jsonl')), 'Anna')
  const model = new Model('Anna')
  model.resize(60, 16)
  addStoredThreads(model, history)
  restoreUnread(model, history, marks)
  const counts = (name: string) => {
    const { unreadCount, mentionCount } = model.threads.get(name) ?? {}
    return [unreadCount, mentionCount]
  }
  const load = () => {
    loadPage(model, history, 'latest')
    return markOpenThreadRead(model)
  }
  const screen = () => renderScreen(model, DAY).rows.map(rowText).join('\n')
  return { history, model, counts, load, screen }
}

const read = (threads: Record<string, number>): ReadMarks => ({
  since: DAY - 1,
  threads: new Map(Object.entries(threads)),
})

test('without marks, everything was read', () => {
  write()
  const { model, counts } = start(undefined)
  expect([counts('Billy'), counts('Dora'), model.unreadCount]).toEqual([[0, 0], [0, 0], 0])
  expect(collectReadMarks(model).threads.get('Billy')).toBe(at(9))
})

test('what came after the mark is unread, but not own messages; mentions are counted', () => {
  write()
  const { counts } = start(read({ Billy: at(6), '#ops': at(1) }))
  expect([counts('Billy'), counts('#ops'), counts('Dora')]).toEqual([
    [3, 0],
    [3, 2],
    [0, 0],
  ])
})

test('the line "new" is above the first one; when it is seen, it is read here and on the other clients', () => {
  write()
  const { model, counts, load, screen } = start(read({ Billy: at(6) }))
  model.openThread('Billy')
  expect(load()).toEqual([{ type: 'read', thread: 'Billy', at: at(9) }])
  expect(counts('Billy')).toEqual([0, 0])
  expect(screen()).toMatch(/message 6\n── new ─+ *\n.*message 7\n/)
  expect(collectReadMarks(model).threads.get('Billy')).toBe(at(9))
})

test('a late message that was not seen stays unread, also below the mark, until it is seen', () => {
  write()
  const first = start(read({ Billy: at(9), '#ops': at(4) }))
  const late = (id: string, second: number, from: string, to: string, text: string) => {
    const message: Message = { id, at: at(second), from, to, text }
    first.history.store(message, undefined, true)
    first.history.refresh()
    update(first.model, { type: 'message', message, origin: 'live', late: true }, at(30))
  }
  late('l1', -5, 'Billy', 'Anna', 'held for long')
  late('l2', 20, 'Billy', 'Anna', 'not so long')
  late('l3', 2, 'Carla', '#ops', 'Anna, are you there?')
  expect([first.counts('Billy'), first.counts('#ops')]).toEqual([
    [2, 0],
    [1, 1],
  ])

  const marks = collectReadMarks(first.model)
  const second = start(marks)
  expect([second.counts('Billy'), second.counts('#ops')]).toEqual([
    [2, 0],
    [1, 1],
  ])
  expect(collectReadMarks(second.model)).toEqual(marks)
  second.model.openThread('Billy')
  second.load()
  expect(second.screen()).toContain('(late) held for long')
  expect(second.counts('Billy')).toEqual([0, 0])
  expect(collectReadMarks(second.model).late?.map(({ id }) => id)).toEqual(['l3'])

  const third = start(collectReadMarks(second.model))
  expect([third.counts('Billy'), third.counts('#ops')]).toEqual([
    [0, 0],
    [1, 1],
  ])
  third.model.openThread('#ops')
  third.load()
  expect(collectReadMarks(third.model).late).toBeUndefined()
})

test('a mark of a late message that the history does not have counts nothing', () => {
  write()
  const late = [{ thread: 'Billy', from: 'Billy', id: 'gone', at: at(3) }]
  const { model, counts } = start({ ...read({ Billy: at(9) }), late })
  expect(counts('Billy')).toEqual([0, 0])
  expect(collectReadMarks(model).late).toBeUndefined()
})

test('it stays unread while it is not seen, together with what comes', () => {
  write()
  const first = start(read({ Billy: at(6) }))
  const message: Message = { id: 'new', at: at(20), from: 'Billy', to: 'Anna', text: 'one more' }
  first.history.store(message)
  first.history.refresh()
  update(first.model, { type: 'message', message, origin: 'live' }, at(20))
  expect(first.counts('Billy')).toEqual([4, 0])
  const second = start(collectReadMarks(first.model))
  expect(second.counts('Billy')).toEqual([4, 0])
  second.model.openThread('Billy')
  second.load()
  expect(second.screen()).toMatch(/── new ─+ *\n.*message 7\n/)
  expect(start(collectReadMarks(second.model)).counts('Billy')).toEqual([0, 0])
})

test('another client of the user reads it', () => {
  write()
  const { model, counts } = start(read({ Billy: at(6) }))
  update(model, { type: 'read', thread: 'Billy', at: at(7) }, DAY)
  expect(counts('Billy')).toEqual([3, 0])
  update(model, { type: 'read', thread: 'Billy', at: at(9) }, DAY)
  expect(counts('Billy')).toEqual([0, 0])
})

test('of very many, the counts of the latest threads are whole, and the others are unread at least', () => {
  const history = new History(dirname(file('history.jsonl')), 'Anna')
  for (let user = 0; user < 25; user++)
    for (let n = 0; n < 1_001; n++)
      history.store({ id: `${user}-${n}`, at: at(user * 2_000 + n), from: `User-${user}`, to: 'Anna', text: 'x' })
  history.refresh()
  const { counts } = start({ since: 0, threads: new Map() })
  expect([counts('User-24')[0], counts('User-5')[0], counts('User-4')[0], counts('User-0')[0]]).toEqual([
    1_000, 1_000, 5, 5,
  ])
})

test('messages of ignored users are not unread', () => {
  write()
  const history = new History(dirname(file('history.jsonl')), 'Anna')
  const model = new Model('Anna')
  model.preferences = { ...model.preferences, ignored: ['Billy'] }
  addStoredThreads(model, history)
  restoreUnread(model, history, read({ Billy: at(6) }))
  expect(model.threads.get('Billy')?.unreadCount).toBe(0)
})
