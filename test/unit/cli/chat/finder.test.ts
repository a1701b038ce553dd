/** The lists of online users and of earlier input. */
import { beforeEach, describe, expect, test } from 'vitest'
import { finderMatches } from '../../../../cli/chat/model/finder.ts'
import { ChatDriver, ctrl, KEYS } from './chat-driver.ts'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.online()
  chat.roster(['Anna', 'Billy', 'Carla', 'Caroline'])
})

const matches = () => chat.model.finder && finderMatches(chat.model, chat.model.finder)

describe('the list of online users', () => {
  test('shows the users whose name contains the typed text, whatever the case, with their connections', () => {
    chat.tell({ type: 'connections', connections: new Map([['Carla', 3]]) })
    chat.type(`${ctrl('o')}cAr`)
    expect(matches()).toEqual(['Carla', 'Caroline'])
    expect(chat.screen()).toMatch(/Online users[\s\S]*Carla ×3\n.*Caroline\n/)
    expect(chat.screen()).not.toMatch(/│ Billy/)
  })

  test('opens the thread of the selected user', () => {
    chat.type(`${ctrl('o')}car${KEYS.down}`)
    expect(chat.type(KEYS.enter)).toContainEqual({ type: 'save' })
    expect([chat.thread, chat.model.finder]).toEqual(['Caroline', undefined])
  })

  test.each([
    [KEYS.up, 3],
    [KEYS.down, 1],
    [KEYS.down + KEYS.down + KEYS.down + KEYS.down, 0],
    [KEYS.tab + KEYS.tab, 2],
    [KEYS.shiftTab, 3],
    [ctrl('n') + ctrl('p') + ctrl('o'), 1],
    [`${KEYS.down}a`, 1],
    [`${KEYS.down}a${ctrl('h')}`, 0],
  ])('moves the selection, and wraps around: %j', (keys, selected) => {
    chat.type(ctrl('o'))
    chat.type(keys)
    expect(chat.model.finder?.selectedIndex).toBe(selected)
  })

  test('Enter without a match only closes it', () => {
    chat.type(`${ctrl('o')}zzz`)
    expect(chat.screen()).toContain('no matches')
    expect(chat.type(`${KEYS.down}${KEYS.enter}`)).toEqual([])
    expect([chat.model.finder, chat.thread]).toEqual([undefined, undefined])
  })

  test.each([KEYS.dismiss, ctrl('c')])('%j closes it and keeps the draft', key => {
    chat.model.openThread('Billy')
    chat.type(`draft${ctrl('o')}car${key}`)
    expect([chat.model.finder, chat.thread, chat.input]).toEqual([undefined, 'Billy', 'draft'])
  })

  test('lists at most 500 matches', () => {
    chat.roster(Array.from({ length: 600 }, (_, n) => `User ${1_000 + n}`))
    chat.type(ctrl('o'))
    expect(matches()).toHaveLength(500)
  })
})

test('the list of earlier input has each line once, newest first, and Enter puts it into the input line', () => {
  chat.model.openThread('Billy')
  chat.type('one\rtwo\rone\r')
  chat.type(ctrl('r'))
  expect(matches()).toEqual(['one', 'two'])
  expect(chat.screen()).toContain('Earlier input')
  chat.type(KEYS.down)
  expect(chat.type(KEYS.enter)).toEqual([])
  expect(chat.input).toBe('two')
})
