/** Notices of the status row: how long they stay. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { NoticeTimer } from '../../../../../cli/modes/screen/notice-timer.ts'
import { ChatDriver, ctrl, KEYS, paste } from '../chat-driver.ts'

let chat: ChatDriver
let timer: NoticeTimer
let draws: number

beforeEach(() => {
  vi.useFakeTimers()
  chat = new ChatDriver()
  chat.online()
  chat.roster(['Anna', 'Billy'])
  chat.model.openThread('Billy')
  draws = 0
  timer = new NoticeTimer(chat.model, () => draws++)
})

afterEach(() => {
  vi.useRealTimers()
})

const pass = (seconds: number) => vi.advanceTimersByTime(seconds * 1000)

test('a notice goes after some seconds, or with the next key', () => {
  chat.type('/mute\r')
  timer.update()
  pass(4)
  expect([chat.notice, draws]).toEqual(['Billy is muted; /mute Billy again to undo', 0])
  pass(4)
  expect([chat.notice, draws]).toEqual([undefined, 1])
  chat.type('/mute\r')
  timer.update()
  chat.type('x')
  expect(chat.notice).toBe(undefined)
})

test('a new notice has its own time', () => {
  chat.type('/mute\r')
  timer.update()
  pass(5)
  chat.type('/mute\r')
  timer.update()
  pass(5)
  expect(chat.notice).toBe('Billy is no longer muted')
  pass(5)
  expect(chat.notice).toBe(undefined)
})

test('it stays while the terminal does not have the focus, and some seconds after that', () => {
  chat.type('\u001b[O')
  chat.model.showNotice('Carla invites you to #ops; /join #ops')
  timer.update()
  pass(1000)
  expect(chat.notice).toContain('Carla invites you')
  chat.type('\u001b[I')
  timer.update()
  pass(3)
  expect(chat.notice).toContain('Carla invites you')
  pass(5)
  expect(chat.notice).toBe(undefined)
})

test.each([
  ['the question about a name that was never seen', () => chat.type('/msg Biily hi\r')],
  ['the question before a long paste', () => chat.type(paste('x\n'.repeat(50)))],
  ['the start of a sequence of keys', () => chat.type(ctrl('x'))],
  ['a forged message', () => chat.tell({ type: 'forged', from: 'Billy' })],
])('%s stays until the next key', (_, show) => {
  show()
  timer.update()
  const { notice } = chat
  expect(notice).not.toBe(undefined)
  pass(1000)
  expect(chat.notice).toBe(notice)
  chat.type(KEYS.dismiss)
  expect(chat.notice).not.toBe(notice)
})

test('Ctrl+C long after the first one does not quit, but asks again', () => {
  chat.type(ctrl('c'))
  timer.update()
  expect(chat.notice).toBe('press Ctrl+C again to quit')
  pass(10)
  expect(chat.notice).toBe(undefined)
  expect(chat.type(ctrl('c'))).toEqual([])
  expect(chat.type(ctrl('c'))).toEqual([{ type: 'quit' }])
})
