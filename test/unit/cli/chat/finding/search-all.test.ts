/** The search in all threads, in memory; test/unit/cli/history/search-all.test.ts searches the history. */
import { beforeEach, expect, test } from 'vitest'
import { goToMessage, searchAllThreads } from '../../../../../cli/chat/history-pages.ts'
import type { ScreenRequest } from '../../../../../cli/chat/model/model.ts'
import { openedThreadRows } from '../../../../../cli/chat/views/inline.ts'
import { renderScreen } from '../../../../../cli/chat/views/render.ts'
import { rowText } from '../../../../../cli/chat/views/row.ts'
import { ChatDriver, ctrl, KEYS } from '../chat-driver.ts'

const SEARCH_ALL = '\u001bs'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.online()
  chat.resize(90, 9)
  chat.room('#ops', ['Billy'])
  chat.message('Billy', 'Anna', 'the Needle is here')
  chat.message('Carla', '#ops', 'a haystack\nwith a needle')
  chat.compose('Carla', 'which needle?')
  chat.message('Billy', 'Anna', 'nothing')
})

/** Types, and carries out the requests without a history on disk. */
function type(keys: string): ScreenRequest[] {
  const requests = chat.type(keys)
  for (const request of requests) {
    if (request.type === 'search-all') for (const _ of searchAllThreads(chat.model, undefined, request.text));
    if (request.type === 'go-to-message') goToMessage(chat.model, undefined, request)
  }
  return requests
}

test('lists the messages of all threads that contain the text, newest first, with thread, time and sender', () => {
  expect(type('/search-all nEEdle\r')).toContainEqual({ type: 'search-all', text: 'nEEdle' })
  expect(chat.screen()).toMatchInlineSnapshot(`
    "
    Rooms               │ Search in all threads: 3
    1 ● #ops          1 │ 2026-11-24 10:03 Carla    Anna     which needle?
    Threads             │ 2026-11-24 10:02 #ops     Carla    a haystack ⏎ with a needle
     … 2 more, 2 unread │ 2026-11-24 10:01 Billy    Billy    the Needle is here
                        │
    Online 0            │
    ● server-2  Anna  0 online  3 unread  Esc close, Up/Down select, Enter go to the message
    › nEEdle
    "
  `)
})

test('shows texts as their threads do: formatted, and actions with their sender', () => {
  chat.message('Billy', 'Anna', 'a *bold* `lens`')
  chat.message('Billy', 'Anna', '/me cleans the lens')
  type('/search-all lens\r')
  expect(chat.screen()).toMatch(/Billy {4}Billy {4}Billy cleans the lens\n.*Billy {4}Billy {4}a bold lens\n/)
  const bold = renderScreen(chat.model, 0)
    .rows.flat()
    .find(({ text }) => text === 'bold')
  expect(bold).toMatchObject({ bold: true })
  // A match that is only in the source is shown there.
  type(`${KEYS.dismiss}/search-all *bold*\r`)
  expect(chat.screen()).toContain('a *bold* `lens`')
  type(`${KEYS.dismiss}/set formatting off\r/search-all lens\r`)
  expect(chat.screen()).toContain('a *bold* `lens`')
})

test('searches while the user types', () => {
  type(SEARCH_ALL)
  expect(chat.screen()).toContain('type to search all threads')
  type('which')
  expect(chat.screen()).toContain('Search in all threads: 1')
  type('x')
  expect(chat.screen()).toContain('nothing found')
  expect(type(ctrl('u'))).toEqual([{ type: 'search-all', text: '' }])
  expect(chat.model.searchAll).toMatchObject({ state: 'idle', found: [] })
})

test('Enter goes to the message in its thread', () => {
  type(`${SEARCH_ALL}needle`)
  type(KEYS.down + KEYS.down + KEYS.down)
  expect(chat.model.searchAll?.selectedIndex).toBe(2)
  const requests = type(KEYS.enter)
  expect(requests.map(request => request.type)).toEqual(['go-to-message', 'save'])
  expect([chat.thread, chat.model.searchAll, chat.model.current?.searchMatch?.text]).toEqual([
    'Billy',
    undefined,
    'needle',
  ])
  expect(chat.screen()).toContain('the Needle is here')
})

test('inline mode prints the messages around the one that was chosen', () => {
  for (let n = 1; n <= 30; n++) chat.message('Dora', 'Anna', `text ${n}`)
  type(`${SEARCH_ALL}text 12`)
  type(KEYS.enter)
  const thread = chat.model.current
  const texts = thread === undefined ? [] : openedThreadRows(chat.model, thread).map(rowText)
  expect(texts.slice(1).map(row => row.slice(-2).trim())).toEqual([
    '7',
    '8',
    '9',
    '10',
    '11',
    '12',
    '13',
    '14',
    '15',
    '16',
  ])
})

test('Enter without a result keeps the search open; Esc closes it and keeps the draft', () => {
  chat.model.openThread('Billy')
  chat.type('draft')
  type(`${SEARCH_ALL}zzz`)
  expect(type(KEYS.enter)).not.toContainEqual({ type: 'save' })
  expect(chat.model.searchAll).toBeDefined()
  type(KEYS.dismiss)
  expect([chat.model.searchAll, chat.input, chat.thread]).toEqual([undefined, 'draft', 'Billy'])
})

test('lists at most 200 messages', () => {
  for (let n = 0; n < 250; n++) chat.message('Billy', 'Anna', `again ${n}`)
  type(`${SEARCH_ALL}again`)
  expect(chat.model.searchAll?.found).toHaveLength(200)
  expect(chat.model.searchAll?.found[0]?.message.text).toBe('again 249')
  expect(chat.screen()).toContain('Search in all threads: the newest 200')
})

test('results for an earlier text are dropped', () => {
  chat.type(`${SEARCH_ALL}needle`)
  const search = searchAllThreads(chat.model, undefined, 'needl')
  while (!search.next().done);
  expect(chat.model.searchAll).toMatchObject({ state: 'searching', found: [] })
})
