/** Typing notices: which users are shown as writing, and when others are told of this user. */
import { beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_PREFERENCES } from '../../../../../cli/chat/model/preferences.ts'
import { update } from '../../../../../cli/chat/model/update.ts'
import { renderInline, renderScreen } from '../../../../../cli/chat/views/render.ts'
import { rowText } from '../../../../../cli/chat/views/row.ts'
import { ChatDriver, ctrl, DAY, KEYS, paste } from '../chat-driver.ts'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver(DEFAULT_PREFERENCES)
  chat.resize(120, 12)
  chat.online()
  chat.roster(['Anna', 'Billy', 'Cleo', 'Dora'])
  chat.room('#ops', ['Billy', 'Cleo', 'Dora'])
  chat.model.openThread('Billy')
})

/** What the status row says about typing, this long after the start, ms. */
function shown(after = 0, render = renderScreen): string | undefined {
  const rows = render(chat.model, DAY + after).rows.map(rowText)
  return rows.map(row => /\S* ?(and \S+ )?(is|are) typing…/.exec(row)?.[0]).find(text => text !== undefined)
}
const hear = (from: string, to = 'Anna', after = 0) => update(chat.model, { type: 'typing', from, to }, DAY + after)

describe('a user who is writing', () => {
  test('is shown in the header for 5 s after the last notice', () => {
    hear('Billy')
    expect([shown(), shown(4_999), shown(5_000)]).toEqual(['Billy is typing…', 'Billy is typing…', undefined])
    hear('Billy', 'Anna', 3_000)
    expect([shown(7_999), shown(8_000)]).toEqual(['Billy is typing…', undefined])
    // The clock was set back.
    expect(shown(-100_000)).toBeUndefined()
  })

  test('is shown inline, too', () => {
    chat.model.isInline = true
    hear('Billy')
    expect(shown(0, renderInline)).toBe('Billy is typing…')
  })

  test('does not move anything', () => {
    const rows = () => renderScreen(chat.model, DAY).rows.map(rowText)
    const before = rows()
    hear('Billy')
    const after = rows()
    expect(after.length).toBe(before.length)
    expect(after.filter((row, at) => row !== before[at])).toHaveLength(1)
  })

  test('is shown until their message arrives in that thread, or they go offline', () => {
    hear('Billy')
    chat.message('Cleo', 'Anna', 'hi')
    chat.message('Billy', '#ops', 'hi')
    expect(shown()).toBe('Billy is typing…')
    chat.message('Billy', 'Anna', 'hi')
    expect(shown()).toBeUndefined()
    hear('Billy')
    chat.roster(['Anna', 'Cleo', 'Dora'], [], ['Billy'])
    expect(shown()).toBeUndefined()
  })

  test('is shown in the thread that it is about', () => {
    hear('Cleo')
    hear('Billy', '#ops')
    expect(shown()).toBeUndefined()
    chat.model.openThread('#ops')
    expect(shown()).toBe('Billy is typing…')
    chat.model.openThread('Cleo')
    expect(shown()).toBe('Cleo is typing…')
  })

  test('in a room is shown with one other, and by number with more', () => {
    chat.model.openThread('#ops')
    const texts = ['Cleo', 'Billy', 'Dora'].map(name => {
      hear(name, '#ops')
      return shown()
    })
    expect(texts).toEqual(['Cleo is typing…', 'Cleo and Billy are typing…', '3 are typing…'])
  })

  test('inline makes way for a notice', () => {
    hear('Billy')
    chat.model.showNotice('look here')
    expect(shown()).toBe('Billy is typing…')
    chat.model.isInline = true
    expect(shown(0, renderInline)).toBeUndefined()
  })

  test.each([
    [120, 'Billy', 'Billy is typing…'],
    [43, 'Billy', 'Billy is typing…'],
    [42, 'Billy', 'typing…'],
    [34, 'Billy', 'typing…'],
    [33, 'Billy', ''],
    [120, 'B'.repeat(64), `${'B'.repeat(15)}… is typing…`],
  ])('with %d columns and the name %s is shown as: %s', (columns, name, text) => {
    chat.roster(['Anna', name])
    chat.model.openThread(name)
    chat.model.preferences = { ...chat.model.preferences, sidebar: 'off' }
    chat.resize(columns, 12)
    hear(name)
    const [header = ''] = renderScreen(chat.model, DAY).rows.map(rowText)
    expect(header.length).toBeLessThanOrEqual(columns)
    expect(header).toContain(name.slice(0, 5))
    expect(header.endsWith(text)).toBe(true)
    expect(header.includes('typing')).toBe(text !== '')
  })

  test.each([
    ['ignored', { ignored: ['Billy'] }],
    ['muted', { muted: ['Billy'] }],
    ['in a muted room', { muted: ['#ops'] }],
    ['not to be shown', { typing: false }],
  ])('is not shown if they are %s', (_, preferences) => {
    chat.model.preferences = { ...DEFAULT_PREFERENCES, ...preferences }
    chat.model.openThread('#ops')
    hear('Billy', '#ops')
    expect(shown()).toBeUndefined()
  })

  test('tells when to draw the screen again', () => {
    chat.model.openThread('#ops')
    hear('Billy', '#ops')
    hear('Cleo', '#ops', 1_000)
    const { typing } = chat.model
    expect([1_000, 5_500, 6_000].map(after => typing.nextEnd('#ops', DAY + after))).toEqual([
      DAY + 5_000,
      DAY + 6_000,
      undefined,
    ])
  })
})

describe('this user', () => {
  const told = (text: string) => chat.type(text).filter(({ type }) => type === 'typing')
  const toBilly = [{ type: 'typing', to: 'Billy' }]

  test('is told to be writing with each change of the draft', () => {
    expect([told('h'), told('\u007f'), told('i'), told(KEYS.enter)]).toEqual([toBilly, [], toBilly, []])
    expect(told(paste('/a/path'))).toEqual(toBilly)
  })

  test.each([
    ['a command', '/who'],
    ['white space', ' '],
    ['a key that changes nothing', KEYS.pageUp],
    ['a search', `${ctrl('s')}text`],
    ['the switcher', `${ctrl('o')}text`],
  ])('is not told to be writing with %s', (_, text) => {
    expect(told(text)).toEqual([])
  })

  test('is told to be writing a text that starts with two slashes, but not at its first', () => {
    expect([told('/'), told('/'), told('x')]).toEqual([[], toBilly, toBilly])
  })

  test('is not told to be writing a line of the input history, until it is changed', () => {
    chat.type(`one${KEYS.enter}`)
    expect([told(KEYS.up), told('!')]).toEqual([[], toBilly])
  })

  test('is not told to be writing in a room where they cannot, or without a thread', () => {
    chat.model.openThread('#ops')
    expect(told('x')).toEqual([{ type: 'typing', to: '#ops' }])
    chat.room('#news', ['Olga'], { info: { write: 'operators', operators: ['Olga'] } })
    chat.model.openThread('#news')
    expect(told('x')).toEqual([])
    chat.model.current = undefined
    expect(told('x')).toEqual([])
  })

  test('is not told to be writing after /set typing off', () => {
    chat.type(`/set typing off${KEYS.enter}`)
    expect(told('x')).toEqual([])
    chat.type(`${ctrl('u')}/set typing on${KEYS.enter}`)
    expect(told('x')).toEqual(toBilly)
  })
})
