/** Scrolling of the open thread, and the pages of the history that it requests. */
import { beforeEach, describe, expect, test } from 'vitest'
import { bottomPosition, movePosition } from '../../../../../cli/chat/model/layout/viewport.ts'
import { pageSize, scroll, scrollToEntry } from '../../../../../cli/chat/model/threads/scroll.ts'
import { Thread } from '../../../../../cli/chat/model/threads/thread.ts'
import { ChatDriver, DAY, KEYS } from '../chat-driver.ts'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.resize(50, 8)
  chat.model.openThread('Billy')
})

const fill = (count: number) => {
  for (let n = 1; n <= count; n++) chat.message('Billy', 'Anna', `message ${n}`)
}
/** The numbers of the visible messages. */
const visible = () => [...chat.screen().matchAll(/message (\d+)/g)].map(([, n]) => Number(n))

describe('positions', () => {
  const thread = new Thread('Billy')
  for (let n = 1; n <= 3; n++) thread.addMessage({ id: `${n}`, at: DAY + n, from: 'Billy', to: 'Anna', text: 'x' })
  // Entries of 2, 1 and 3 rows.
  const rowsOf = (index: number) => [2, 1, 3][index] ?? 0

  test.each([
    [0, 0, 0, [0, 0]],
    [0, 0, 1, [0, 1]],
    [0, 0, 2, [1, 0]],
    [0, 1, 2, [2, 0]],
    [2, 2, -3, [1, 0]],
    [2, 2, -5, [0, 0]],
    [2, 2, -6, [-1, 0]],
    [2, 2, 1, [3, 0]],
    [0, 0, 100, [3, 94]],
  ])('from entry %i, row %i by %i rows is %j', (index, row, by, [toIndex, toRow]) => {
    expect(movePosition({ index, row }, by, thread, rowsOf)).toEqual({ index: toIndex, row: toRow })
  })

  test('the bottom is the last row, or the anchor within the rows of its entry', () => {
    expect(bottomPosition(thread, rowsOf)).toEqual({ index: 2, row: 2 })
    const entry = thread.entryById('1')
    if (entry === undefined) throw new Error('no entry')
    thread.anchor = { entry, row: 0 }
    expect(bottomPosition(thread, rowsOf)).toEqual({ index: 0, row: 0 })
    thread.anchor = { entry, row: Number.MAX_SAFE_INTEGER }
    expect(bottomPosition(thread, rowsOf)).toEqual({ index: 0, row: 1 })
  })
})

describe('the open thread', () => {
  test('scrolls by a page that keeps one row in view', () => {
    fill(20)
    expect(pageSize(chat.model)).toBe(2)
    expect(visible()).toEqual([17, 18, 19, 20])
    // Away from the end, the last row shows how to get there.
    chat.type(KEYS.pageUp)
    expect(visible()).toEqual([16, 17, 18])
    chat.type(KEYS.pageUp)
    expect(visible()).toEqual([14, 15, 16])
    chat.type(KEYS.pageDown + KEYS.pageDown)
    expect(visible()).toEqual([17, 18, 19, 20])
  })

  test('stops at its start, with the first row at the top', () => {
    fill(20)
    for (let n = 0; n < 20; n++) chat.type(KEYS.pageUp)
    expect(chat.screen().split('\n')[2]).toMatch(/^── Tuesday/)
    const top = chat.screen()
    chat.type(KEYS.scrollToStart)
    expect(chat.screen()).toBe(top)
  })

  test('follows new messages at its end only', () => {
    fill(20)
    chat.type(KEYS.pageUp + KEYS.pageDown)
    expect(chat.model.current?.anchor).toBeUndefined()
    fill(1)
    expect(visible().at(-1)).toBe(1)
    chat.type(KEYS.pageUp)
    const before = visible()
    fill(1)
    expect(visible()).toEqual(before)
    chat.type(KEYS.dismiss)
    expect(chat.model.current?.newBelow).toBe(0)
  })

  test.each([0, 2, 3])('with %i messages fits on the screen, and does not scroll', count => {
    fill(count)
    for (const by of [-1, Number.NEGATIVE_INFINITY, 3]) {
      expect(scroll(chat.model, by)).toEqual([])
      expect(chat.model.current?.anchor).toBeUndefined()
    }
  })

  test.each([1, 2, 10, 19, 20])('scrolls so that message %i is visible', n => {
    fill(20)
    const { current } = chat.model
    if (current === undefined) throw new Error('no thread is open')
    scrollToEntry(chat.model, current, `${n}`)
    expect(visible()).toContain(n)
    expect(current.anchor === undefined).toBe(n >= 19)
  })

  test('shows the start of an entry that is higher than the screen', () => {
    chat.message('Billy', 'Anna', 'line\n'.repeat(10).trim(), { id: 'long' })
    fill(5)
    const { current } = chat.model
    if (current === undefined) throw new Error('no thread is open')
    scrollToEntry(chat.model, current, 'long')
    expect(chat.screen()).toMatch(/Billy\n── Tuesday.*\n10:01 {4}Billy {2}line\n +line\n↓/)
  })
})

describe('pages of the history', () => {
  const state = (hasStart: boolean, hasEnd: boolean) => Object.assign(chat.model.current ?? {}, { hasStart, hasEnd })

  beforeEach(() => fill(100))

  test.each([
    [Number.NEGATIVE_INFINITY, false, true, [{ type: 'page', part: 'first' }]],
    [Number.POSITIVE_INFINITY, true, false, [{ type: 'page', part: 'latest' }]],
    [Number.NEGATIVE_INFINITY, true, true, []],
    [Number.POSITIVE_INFINITY, true, true, []],
    [-1, false, true, []],
    [-80, false, true, [{ type: 'page', part: 'before' }]],
    [-80, true, true, []],
    [1, true, false, [{ type: 'page', part: 'after' }]],
  ])('by %d rows, start loaded: %s, end loaded: %s', (by, hasStart, hasEnd, requests) => {
    state(hasStart, hasEnd)
    expect(scroll(chat.model, by)).toEqual(requests)
  })
})
