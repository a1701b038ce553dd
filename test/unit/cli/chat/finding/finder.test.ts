/** The switcher, and the lists of online users and of earlier input. */
import { beforeEach, describe, expect, test } from 'vitest'
import { finderMatches } from '../../../../../cli/chat/model/finding/finder.ts'
import { renderScreen } from '../../../../../cli/chat/views/render.ts'
import { rowText } from '../../../../../cli/chat/views/row.ts'
import { ChatDriver, ctrl, DAY, KEYS } from '../chat-driver.ts'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.online()
  chat.roster(['Anna', 'Billy', 'Carla', 'Caroline'])
})

const matches = () => chat.model.finder && finderMatches(chat.model, chat.model.finder)

describe('the switcher', () => {
  test('lists what needs attention first: mentions, unread threads, the latest ones, and then the other rooms and users', () => {
    chat.room('#ops', ['Billy'])
    chat.message('Carla', 'Anna', 'first')
    chat.message('Zoe', 'Anna', 'she is offline now')
    chat.message('Billy', '#ops', 'hello Anna')
    chat.model.openThread('Zoe')
    chat.type('/query Caroline\r')
    const rooms = [
      { room: '#ops', members: 2 },
      { room: '#lab', members: 1, topic: 'experiments' },
    ]
    chat.tell({ type: 'room-list', rooms, total: 2 })
    expect(chat.type(ctrl('o'))).toEqual([{ type: 'list-rooms' }])
    expect(matches()).toEqual(['#ops', 'Carla', 'Zoe', 'Caroline', '#lab', 'Anna', 'Billy'])
    chat.resize(64, 12)
    expect(chat.screen()).toMatchInlineSnapshot(`
      "
      Rooms               │ Go to a thread, room or user
      1 ● #ops         @1 │ ● #ops  @1  2
      Threads             │ ● Carla  1 unread
      4 ● Caroline        │ ○ Zoe
       … 2 more, 1 unread │ ● Caroline
                          │ + #lab  1  experiments
      Also online 2       │ ● Anna (you)
       Anna (you)         │ ● Billy
       Billy              │
      ● server-2  @1 1 unread  Esc close, type to filter, Enter select
      ›
      "
    `)
  })

  test('lists users who are offline and have no thread, too', () => {
    chat.room('#ops', ['Bruno'])
    chat.tell({ type: 'key', user: 'x', key: 'x', state: 'new', own: 'a', known: new Map([['Dora', 'k']]) })
    chat.type(ctrl('o'))
    expect(matches()).toEqual(['#ops', 'Anna', 'Billy', 'Carla', 'Caroline', 'Dora', 'Bruno'])
  })

  test('ranks exact matches first, then starts of names and words, parts, and scattered letters', () => {
    chat.roster(['Art', 'Bart Ender', 'Clark Art', 'Adrian Burt', 'Artur', 'Zoe'])
    chat.type(`${ctrl('o')}aRt`)
    expect(matches()).toEqual(['Art', 'Artur', 'Clark Art', 'Bart Ender', 'Adrian Burt'])
  })

  test('finds rooms with and without their #, which leaves the users out', () => {
    chat.room('#carpool', [])
    chat.type(`${ctrl('o')}car`)
    expect(matches()).toEqual(['#carpool', 'Carla', 'Caroline'])
    chat.type(`${ctrl('u')}#c`)
    expect(matches()).toEqual(['#carpool'])
    chat.type(`${ctrl('u')}caro`)
    expect(matches()).toEqual(['Caroline', '#carpool'])
  })

  test.each([
    ['lin', 'Caro[lin]e'],
    ['crl', '[C]a[r]o[l]ine'],
    ['CAR', '[Car]oline'],
  ])('highlights what was typed: %s', (typed, expected) => {
    chat.roster(['Caroline'])
    chat.type(ctrl('o') + typed)
    const row = renderScreen(chat.model, DAY).rows.find(one => rowText(one).includes('● Caroline')) ?? []
    const name = row.slice(row.findIndex(({ text }) => text === '● ') + 1)
    const marked = name.map(({ text, tone, bold }) => (tone === 'accent' && bold ? `[${text}]` : text))
    expect(marked.join('').trim()).toBe(expected)
  })

  test('opens the thread of the selected user', () => {
    chat.type(`${ctrl('o')}car${KEYS.down}`)
    expect(chat.type(KEYS.enter)).toContainEqual({ type: 'save' })
    expect([chat.thread, chat.model.finder]).toEqual(['Caroline', undefined])
  })

  test('joins the selected room', () => {
    chat.tell({ type: 'room-list', rooms: [{ room: '#lab', members: 1 }], total: 1 })
    chat.type(`${ctrl('o')}lab`)
    expect(chat.screen()).toContain('+ #lab  1')
    expect(chat.type(KEYS.enter)).toContainEqual({ type: 'join', room: '#lab' })
    expect(chat.thread).toBe('#lab')
    expect(chat.type(`${ctrl('o')}lab${KEYS.enter}`)).not.toContainEqual({ type: 'join', room: '#lab' })
  })

  test('keeps the selection on the same name when users come and go', () => {
    chat.type(`${ctrl('o')}car${KEYS.down}`)
    chat.roster(['Anna', 'Carl', 'Carla', 'Caroline', 'Carsten'], ['Carl', 'Carsten'], ['Billy'])
    expect(matches()).toEqual(['Carl', 'Carla', 'Caroline', 'Carsten'])
    chat.type(KEYS.enter)
    expect(chat.thread).toBe('Caroline')
  })

  test('suggests a name when nothing matches', () => {
    chat.type(`${ctrl('o')}Biily`)
    expect(chat.screen()).toContain('no matches; did you mean Billy?')
  })

  test('typing narrows the matches down, and does not look at all names again', () => {
    chat.roster(Array.from({ length: 20_000 }, (_, n) => `User ${n}`))
    chat.type(`${ctrl('o')}user 19`)
    expect(matches()?.[0]).toBe('User 19')
    // All names would be read from here.
    Object.defineProperty(chat.model, 'online', { get: () => expect.unreachable() })
    chat.type('999')
    expect(matches()).toEqual(['User 19999'])
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

describe('/who', () => {
  test('without a connection says that it is not known who is online, and where the known users are', () => {
    chat.tell({ type: 'connection', state: { phase: 'waiting', reason: 'refused', retryAt: 0, attempt: 1 } })
    for (const command of ['/who', '/who Billy', '/who xyzzy']) {
      chat.type(`${command}\r`)
      expect(chat.model.finder).toBe(undefined)
      expect(chat.notice).toBe('not connected: who is online is not known; Ctrl+O lists all users you know')
    }
  })

  test('lists the online users that match, with their connections', () => {
    chat.tell({ type: 'connections', connections: new Map([['Carla', 3]]) })
    chat.message('Carlos', 'Anna', 'I am offline')
    chat.type('/who cAr\r')
    expect(matches()).toEqual(['Carla', 'Caroline'])
    expect(chat.screen()).toMatch(/Online users[\s\S]*Carla ×3\n.*Caroline\n/)
    expect(chat.screen()).not.toMatch(/│ Billy/)
  })

  test('says when nobody matches, and suggests a name', () => {
    chat.type('/who Biily\r')
    expect([chat.model.finder, chat.notice]).toEqual([undefined, 'no user online matches Biily; did you mean Billy?'])
    chat.type('/who xyzzy\r')
    expect(chat.notice).toBe('no user online matches xyzzy')
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
