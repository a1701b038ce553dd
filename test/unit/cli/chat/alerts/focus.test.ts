/** The terminal has the focus or not: what counts as read, and what rings. */
import { beforeEach, describe, expect, test } from 'vitest'
import { windowTitle } from '../../../../../cli/chat/model/alerts/window-title.ts'
import { Model } from '../../../../../cli/chat/model/model.ts'
import { ChatDriver, DAY, KEYS } from '../chat-driver.ts'

const FOCUS_IN = '\u001b[I'
const FOCUS_OUT = '\u001b[O'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.model.openThread('Billy')
})

describe('without the focus', () => {
  beforeEach(() => {
    chat.message('Billy', 'Anna', 'one')
    chat.type(FOCUS_OUT)
  })

  test('a message in the open thread is unread, rings and is announced', () => {
    expect(chat.message('Billy', 'Anna', 'two')).toMatchObject([
      { type: 'bell', thread: 'Billy' },
      { type: 'notify', thread: 'Billy', message: { text: 'two' } },
    ])
    expect(chat.model.unreadCount).toBe(1)
    expect(chat.screen()).toContain('1 unread')
  })

  test('it is read when the focus is back, below the line "new"', () => {
    chat.message('Billy', 'Anna', 'two')
    expect(chat.type(FOCUS_IN)).toEqual([{ type: 'read', thread: 'Billy', at: DAY + 120_000 }])
    expect(chat.model.unreadCount).toBe(0)
    expect(chat.screen()).toMatch(/one\n.*── new ─+\n.*two/)
    expect(chat.message('Billy', 'Anna', 'three')).toEqual([{ type: 'read', thread: 'Billy', at: DAY + 180_000 }])
    expect(chat.screen()).toMatch(/one\n.*── new ─+\n.*two/)
  })

  test('it is read when the user types, also if the terminal does not report the focus', () => {
    chat.message('Billy', 'Anna', 'two')
    expect(chat.type('x')).toEqual([{ type: 'read', thread: 'Billy', at: DAY + 120_000 }])
    expect(chat.input).toBe('x')
  })

  test('the wheel does not read it', () => {
    chat.message('Billy', 'Anna', 'two')
    expect(chat.type('\u001b[<65;1;1M')).toEqual([])
    expect(chat.model.unreadCount).toBe(1)
  })
})

test('the focus reads nothing while the user has scrolled up, and keeps the input and the notice', () => {
  for (let n = 1; n <= 20; n++) chat.message('Billy', 'Anna', `message ${n}`)
  chat.type(KEYS.pageUp)
  chat.type('draft')
  chat.model.showNotice('a notice')
  chat.type(FOCUS_OUT)
  chat.message('Billy', 'Anna', 'below')
  expect(chat.type(FOCUS_IN)).toEqual([])
  expect([chat.model.unreadCount, chat.input, chat.notice]).toEqual([1, 'draft', 'a notice'])
})

test('the title has the unread messages, the mentions and the user, without control characters', () => {
  expect(windowTitle(chat.model)).toBe('mesh-chat — Anna')
  chat.room('#ops', ['Billy'])
  chat.message('Carla', 'Anna', 'one')
  expect(windowTitle(chat.model)).toBe('(1) mesh-chat — Anna')
  chat.message('Billy', '#ops', 'Anna?')
  expect(windowTitle(chat.model)).toBe('(@1 1) mesh-chat — Anna')
  const hostile = new Model(`A\u001b]0;x\u0007${'a'.repeat(500)}`)
  expect(windowTitle(hostile)).toMatch(/^mesh-chat — A\\u\{1b\}\]0;x\\u\{7\}a+…$/)
})

test('a message that another client has read is not announced', () => {
  const message = (id: string, at: number) => ({ id, at, from: 'Carla', to: 'Anna', text: id })
  chat.tell({ type: 'message', message: message('one', DAY + 1), origin: 'live' })
  chat.tell({ type: 'message', message: message('late', DAY - 1), origin: 'live', late: true })
  chat.tell({ type: 'message', message: message('two', DAY + 2), origin: 'live' })
  chat.tell({ type: 'read', thread: 'Carla', at: DAY + 1 })
  const thread = chat.model.ensureThread('Carla')
  expect(thread.reading.isUnread(message('one', DAY + 1))).toBe(false)
  expect(thread.reading.isUnread(message('late', DAY - 1))).toBe(true)
  expect(thread.reading.isUnread(message('two', DAY + 2))).toBe(true)
})

describe('/highlight', () => {
  beforeEach(() => {
    chat.room('#ops', ['Billy'])
    chat.type('/highlight deploy\r')
  })

  test('makes a word of a room count and ring like the name of the user', () => {
    chat.type('/mute #ops\r')
    expect(chat.message('Billy', '#ops', 'Deploy is done')).toMatchObject([{ type: 'bell' }, { type: 'notify' }])
    expect(chat.message('Billy', '#ops', 'deployed again')).toEqual([])
    expect(chat.model.mentionCount).toBe(1)
    expect(chat.model.threads.get('#ops')?.entries.map(entry => entry.mentionsUser)).toEqual([true, undefined])
    expect(chat.model.threads.get('#ops')?.mentionWords).toEqual(['Anna', 'deploy'])
  })

  test('has no effect in a thread with a user', () => {
    chat.message('Carla', 'Anna', 'deploy')
    expect(chat.model.mentionCount).toBe(0)
  })

  test('is undone by a second time, lists the words, and has limits', () => {
    chat.type('/highlight\r')
    expect(chat.notice).toBe('highlighted: deploy')
    expect(chat.type('/highlight deploy\r')).toContainEqual({ type: 'save' })
    expect(chat.model.preferences.highlights).toEqual([])
    for (let n = 1; n <= 51; n++) chat.type(`/highlight word${n}\r`)
    expect(chat.notice).toBe('at most 50 words can be highlighted')
    expect(chat.model.preferences.highlights).toHaveLength(50)
    chat.type(`/highlight ${'x'.repeat(65)}\r`)
    expect(chat.notice).toBe('this word is too long')
  })
})
