/** The search of the open thread. */
import { beforeEach, describe, expect, test } from 'vitest'
import { goToNewerMatch, searchThread } from '../../../../../cli/chat/history-pages.ts'
import type { ScreenRequest } from '../../../../../cli/chat/model/model.ts'
import { ChatDriver, ctrl, KEYS } from '../chat-driver.ts'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.resize(50, 8)
  chat.model.openThread('Billy')
  for (let n = 1; n <= 30; n++) chat.message('Billy', 'Anna', n % 10 === 5 ? `the Needle ${n}` : `message ${n}`)
})

/** Types, and carries out the searches without a history on disk. */
function type(keys: string): ScreenRequest[] {
  const requests = chat.type(keys)
  for (const request of requests) {
    const thread = chat.model.current
    if (request.type === 'newer-match') goToNewerMatch(chat.model, undefined)
    if (request.type !== 'search' || thread === undefined) continue
    const search = searchThread(chat.model, thread, undefined, request.text, request.older)
    while (!search.next().done);
  }
  return requests
}

test('searches from the end while the user types, whatever the case', () => {
  chat.type(ctrl('s'))
  expect(chat.screen()).toContain('search: type to search')
  expect(type('nE')).toEqual([{ type: 'search', text: 'nE', older: false }])
  expect(chat.screen()).toContain('the Needle 25')
  expect(chat.model.search?.state).toBe('found')
})

test('the search key again goes to older matches, says when it is at the oldest, and then starts at the newest again', () => {
  type(`${ctrl('s')}needle`)
  expect(type(ctrl('s'))).toEqual([{ type: 'search', text: 'needle', older: true }])
  expect(chat.screen()).toContain('the Needle 15')
  type(KEYS.up)
  expect(chat.screen()).toContain('the Needle 5')
  type(ctrl('s'))
  expect(chat.model.search?.state).toBe('oldest')
  expect(chat.screen()).toContain('the Needle 5')
  expect(chat.screen()).toContain('no older match; Ctrl+S goes to the newest')
  expect(type(ctrl('s'))).toEqual([{ type: 'search', text: 'needle', older: false }])
  expect(chat.screen()).toContain('the Needle 25')
  expect(chat.model.search?.state).toBe('found')
})

test('Down goes back to newer matches, and says when it is at the newest', () => {
  type(`${ctrl('s')}needle`)
  type(ctrl('s') + ctrl('s'))
  expect(chat.model.current?.searchMatch?.id).toBe('5')
  expect(type(KEYS.down)).toEqual([{ type: 'newer-match' }])
  expect(chat.model.current?.searchMatch?.id).toBe('15')
  type(KEYS.down)
  expect([chat.model.current?.searchMatch?.id, chat.model.search?.state]).toEqual(['25', 'found'])
  type(KEYS.down)
  expect([chat.model.current?.searchMatch?.id, chat.model.search?.state]).toEqual(['25', 'newest'])
  expect(chat.screen()).toContain('no newer match')
  type(ctrl('s'))
  expect(chat.model.current?.searchMatch?.id).toBe('15')
})

test('a text that is nowhere is not found, whichever key follows', () => {
  type(`${ctrl('s')}xyzzy`)
  expect(chat.screen()).toContain('search: nothing found')
  expect(type(ctrl('s'))).toEqual([])
  type(KEYS.down)
  expect(chat.screen()).toContain('search: nothing found')
})

test('editing the text searches again from the end', () => {
  type(`${ctrl('s')}needle`)
  type(ctrl('s'))
  expect(type(ctrl('h'))).toEqual([{ type: 'search', text: 'needl', older: false }])
  expect(chat.screen()).toContain('the Needle 25')
  expect(type(ctrl('a'))).toEqual([])
})

test('without a text there is nothing to search', () => {
  type(`${ctrl('s')}n`)
  expect(type(ctrl('h'))).toEqual([])
  expect([chat.model.search?.state, chat.model.current?.searchMatch]).toEqual(['idle', undefined])
  expect(type(ctrl('s'))).toEqual([])
})

test('Enter stays at the match; Esc goes back to the end and removes the mark', () => {
  type(`${ctrl('s')}needle`)
  type(KEYS.enter)
  expect([chat.model.search, chat.model.current?.searchMatch?.text]).toEqual([undefined, 'needle'])
  expect(chat.screen()).toContain('the Needle 25')
  type(`${ctrl('s')}needle`)
  type(KEYS.dismiss)
  expect([chat.model.search, chat.model.current?.searchMatch]).toEqual([undefined, undefined])
  expect(chat.screen()).toContain('message 30')
})

describe('after Enter, the match stays highlighted', () => {
  beforeEach(() => {
    chat.resize(90, 8)
    type(`${ctrl('s')}needle`)
    type(ctrl('s'))
    type(KEYS.enter)
    expect(chat.inverseText()).toContain('Needle')
    expect(chat.screen()).toContain('match: Alt+K selects the message, Esc leaves it')
  })

  test('while the user scrolls up and down', () => {
    type(KEYS.pageUp + KEYS.pageDown)
    expect(chat.inverseText()).toContain('Needle')
  })

  test.each([
    ['Esc', KEYS.dismiss],
    ['a typed text', 'x'],
    ['the end of the thread', KEYS.scrollToEnd],
    ['scrolling down to the end', KEYS.pageDown.repeat(20)],
  ])('until %s', (_, keys) => {
    type(keys)
    expect(chat.model.current?.searchMatch).toBe(undefined)
    expect(chat.screen()).not.toContain('match: ')
  })

  test('and Alt+K selects it', () => {
    type('\u001bk')
    expect(chat.model.current?.selection?.id).toBe('15')
    type('\u001bk')
    expect(chat.model.current?.selection?.id).toBe('14')
  })
})

test('a result is dropped if the text or the thread has changed in the meantime', () => {
  const thread = chat.model.current
  if (thread === undefined) throw new Error('no thread is open')
  chat.type(`${ctrl('s')}needle`)
  const search = searchThread(chat.model, thread, undefined, 'needl', false)
  while (!search.next().done);
  expect([chat.model.search?.state, thread.searchMatch]).toEqual(['searching', undefined])
})

test('Ctrl+S without a thread is an error', () => {
  chat = new ChatDriver()
  expect(chat.type(ctrl('s'))).toEqual([])
  expect(chat.model.notice).toEqual({ text: 'no thread is open', tone: 'error' })
})
