/** The wheel and clicks. */
import { beforeEach, expect, test } from 'vitest'
import { handleClick } from '../../../../cli/chat/model/mouse.ts'
import { clickTarget } from '../../../../cli/chat/views/click-target.ts'
import { renderScreen } from '../../../../cli/chat/views/render.ts'
import { ChatDriver, DAY } from './chat-driver.ts'

const WHEEL_UP = '\u001b[<64;40;4M'
const WHEEL_DOWN = '\u001b[<65;40;4M'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.online()
  chat.roster(['Anna', 'Billy', 'Carla'])
  chat.model.openThread('Billy')
  for (let n = 1; n <= 20; n++) chat.message('Billy', 'Anna', `message ${n}`)
})

/** Clicks on the first place of the screen with a text. */
function click(text: string) {
  const { rows } = renderScreen(chat.model, DAY)
  const texts = rows.map(row => row.map(segment => segment.text).join(''))
  const row = texts.findIndex(line => line.includes(text))
  return handleClick(chat.model, clickTarget(rows[row] ?? [], texts[row]?.indexOf(text) ?? 0, 22))
}

test('the wheel scrolls the thread, and keeps the draft, the notice and the completion', () => {
  chat.type('a draft')
  chat.model.showNotice('a notice')
  chat.type(WHEEL_UP)
  expect(chat.screen()).toContain('message 17')
  expect(chat.screen()).not.toContain('message 18')
  chat.message('Billy', 'Anna', 'below')
  expect(chat.model.unreadCount).toBe(1)
  expect([chat.input, chat.notice]).toEqual(['a draft', 'a notice'])
  chat.type(WHEEL_DOWN + WHEEL_DOWN)
  expect(chat.screen()).toContain('below')
  expect(chat.model.unreadCount).toBe(0)
})

test('the wheel scrolls the help, and moves the selection of a list', () => {
  chat.type('?')
  chat.type(WHEEL_DOWN)
  expect([chat.model.overlay, chat.model.overlayTop]).toEqual(['help', 3])
  chat.type(WHEEL_UP)
  expect(chat.model.overlayTop).toBe(0)
  chat.type('\u001b[I')
  expect(chat.model.overlay).toBe('help')
  chat.type('\u0007\u000f')
  chat.type(WHEEL_DOWN)
  expect(chat.model.finder?.selectedIndex).toBe(1)
})

test('the wheel leaves the question about a long paste open', () => {
  chat.type(`\u001b[200~${'x'.repeat(5_000)}\u001b[201~`)
  chat.type(WHEEL_UP)
  chat.type('\r')
  expect(chat.input).toHaveLength(5_000)
})

test('a click in the sidebar opens the thread, and reads it', () => {
  chat.message('Carla', 'Anna', 'hello')
  expect(click('Carla')).toMatchObject([{ type: 'save' }, { type: 'read', thread: 'Carla' }])
  expect(chat.thread).toBe('Carla')
  chat.type('\u000f')
  click('Billy')
  expect([chat.thread, chat.model.finder]).toEqual(['Billy', undefined])
})

test('a click in the list of the switcher opens the thread, or joins the room', () => {
  chat.tell({ type: 'room-list', rooms: [{ room: '#ops', members: 2 }], total: 1 })
  chat.type('\u000fcarl')
  click('Carla')
  expect([chat.thread, chat.model.finder]).toEqual(['Carla', undefined])
  chat.type('\u000fop')
  expect(click('#ops')).toContainEqual({ type: 'join', room: '#ops' })
  expect(chat.thread).toBe('#ops')
})

test('a click in a row with a link lists the links of the thread, with that one selected', () => {
  chat.message('Billy', 'Anna', 'see http://one.example and http://two.example')
  chat.message('Billy', 'Anna', 'http://three.example')
  expect(click('two.example')).toEqual([])
  expect(chat.screen()).toMatch(/http:\/\/three.example\/\n.*http:\/\/two.example\/\n.*http:\/\/one.example\//)
  expect(chat.type('\r')).toEqual([{ type: 'open-link', url: 'http://two.example/' }])
  click('see ')
  expect(chat.type('\r')).toEqual([{ type: 'open-link', url: 'http://one.example/' }])
})

test('a click elsewhere does nothing', () => {
  for (const text of ['Online', '(you)', 'message 19', '│']) expect(click(text)).toEqual([])
  expect(handleClick(chat.model, clickTarget([], 3, 0))).toEqual([])
  expect(chat.thread).toBe('Billy')
})
