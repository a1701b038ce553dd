/** Rooms in the model: their state, unread counts, mentions, and who joins and leaves. */
import { beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_PREFERENCES } from '../../../../../cli/chat/model/preferences.ts'
import { findMentions, mentions } from '../../../../../cli/chat/model/rooms/mentions.ts'
import { ChatDriver, DAY } from '../chat-driver.ts'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.online()
  chat.roster(['Anna', 'Billy', 'Carla'])
})

const texts = (name: string) => chat.model.threads.get(name)?.entries.map(({ text }) => text)
const listed = () => chat.model.threadsByActivity().map(({ name }) => name)
const counts = (name: string) => {
  const thread = chat.model.threads.get(name)
  return [thread?.unreadCount, thread?.mentionCount]
}

describe('a room that the user is in', () => {
  test('is a thread, listed above those with users', () => {
    chat.message('Billy', 'Anna', 'hello')
    chat.room('#ops', ['Billy'])
    expect(listed()).toEqual(['#ops', 'Billy'])
    chat.message('Billy', '#ops', 'in the room')
    chat.message('Anna', '#ops', 'from another client')
    expect([texts('#ops'), texts('Billy')]).toEqual([['in the room', 'from another client'], ['hello']])
  })

  test('stays listed while it is empty and another thread is open', () => {
    chat.room('#ops', [])
    chat.model.openThread('#ops')
    chat.model.openThread('Billy')
    expect(listed()).toEqual(['#ops', 'Billy'])
  })

  test('that the user leaves is listed only while it is open, and its messages can be read again', () => {
    chat.room('#ops', ['Billy'])
    chat.message('Billy', '#ops', 'one')
    chat.message('Billy', '#ops', 'two')
    chat.model.openThread('#ops')
    chat.model.openThread('Carla')
    chat.message('Billy', '#ops', 'unread')
    chat.room('#ops', [], { state: { state: 'parted' } })
    expect([listed(), chat.model.unreadCount]).toEqual([['Carla'], 0])
    chat.model.openThread('#ops')
    expect(listed()).toEqual(['#ops'])
    expect(texts('#ops')).toEqual(['one', 'two', 'unread', 'you left #ops; /join #ops to return'])
  })

  test('that rejects or refuses the user says why, once', () => {
    const state = { state: 'rejected', code: 'room-full', message: '#ops is full' } as const
    chat.room('#ops', [], { state })
    expect(chat.model.notice).toEqual({ text: 'cannot join #ops now: #ops is full', tone: 'error' })
    chat.model.notice = undefined
    chat.room('#ops', [], { state })
    expect([chat.notice, listed()]).toEqual([undefined, ['#ops']])
    chat.model.openThread('#ops')
    chat.room('#ops', [], { state: { state: 'refused', code: 'room-forbidden', message: 'not a member' } })
    expect(chat.model.notice).toEqual({ text: 'you are not in #ops: not a member', tone: 'error' })
    expect(texts('#ops')).toEqual(['you are not in #ops: not a member'])
    expect(chat.model.rooms.size).toBe(0)
  })
})

describe('unread messages of a room', () => {
  beforeEach(() => {
    chat.room('#ops', ['Billy', 'Carla'])
    chat.model.openThread('Carla')
  })

  test('are those of others, and mentions are counted apart', () => {
    expect(chat.message('Billy', '#ops', 'hello')).toEqual([{ type: 'bell', thread: '#ops' }])
    chat.message('Carla', '#ops', 'is Anna here?')
    chat.message('Anna', '#ops', 'I am Anna')
    expect(counts('#ops')).toEqual([2, 1])
    expect([chat.model.unreadCount, chat.model.mentionCount]).toEqual([2, 1])
    chat.tell({ type: 'read', thread: '#ops', at: DAY + 60_000 })
    expect(counts('#ops')).toEqual([1, 1])
    chat.tell({ type: 'read', thread: '#ops', at: DAY + 120_000 })
    expect(counts('#ops')).toEqual([0, 0])
  })

  test('are read when the room is opened, below the separator', () => {
    chat.message('Billy', '#ops', 'one')
    chat.model.openThread('#ops')
    expect(chat.type('x')).toEqual([{ type: 'read', thread: '#ops', at: DAY + 60_000 }])
    expect(chat.model.current?.firstUnreadId).toBe('1')
    expect(counts('#ops')).toEqual([0, 0])
    expect(chat.message('Carla', '#ops', 'two')).toEqual([{ type: 'read', thread: '#ops', at: DAY + 120_000 }])
  })

  test('of a muted room are counted and do not ring, except for mentions', () => {
    chat.type('/mute #ops\r')
    expect(chat.message('Billy', '#ops', 'hello')).toEqual([])
    expect(chat.message('Billy', '#ops', 'hello @anna')).toMatchObject([
      { type: 'bell' },
      { type: 'notify', thread: '#ops' },
    ])
    expect(counts('#ops')).toEqual([2, 1])
  })

  test('of an ignored user are hidden in rooms, too', () => {
    chat.type('/ignore Billy\r')
    expect(chat.message('Billy', '#ops', 'Anna!')).toEqual([])
    expect([counts('#ops'), texts('#ops')]).toEqual([[0, 0], []])
  })

  test('are no mentions in threads with users, and /reply does not answer a room', () => {
    chat.message('Billy', 'Anna', 'Anna?')
    chat.message('Carla', '#ops', 'hello')
    expect(counts('Billy')).toEqual([1, 0])
    expect(chat.model.lastSender).toBe('Billy')
  })

  test('that arrive late are mentions until they are seen', () => {
    const late = { id: 'late', at: DAY - 3_600_000, from: 'Billy', to: '#ops', text: 'Anna, look' }
    chat.tell({ type: 'message', message: late, origin: 'live', late: true })
    chat.tell({ type: 'read', thread: '#ops', at: DAY })
    expect(counts('#ops')).toEqual([1, 1])
    chat.model.openThread('#ops')
    chat.type('x')
    expect(counts('#ops')).toEqual([0, 0])
  })
})

describe('messages of a room that other members have kept', () => {
  const caughtUp = (text: string, at: number) =>
    chat.tell({ type: 'message', message: { id: text, at, from: 'Billy', to: '#ops', text }, origin: 'history' })

  beforeEach(() => chat.model.openThread('Carla'))

  test('are unread if they were missed, and do not ring', () => {
    chat.model.ensureThread('#ops').markStored(DAY - 5_000)
    chat.room('#ops', ['Billy'])
    expect(caughtUp('known elsewhere', DAY - 6_000)).toEqual([])
    expect(counts('#ops')).toEqual([0, 0])
    expect(caughtUp('missed by Anna', DAY - 4_000)).toEqual([])
    caughtUp('missed', DAY - 3_000)
    expect(counts('#ops')).toEqual([2, 1])
    chat.model.openThread('#ops')
    expect(chat.model.current?.firstUnreadId).toBe('missed by Anna')
  })

  test('are not unread in a room that the user has just joined', () => {
    chat.room('#ops', ['Billy'])
    for (const ago of [2_000, 3_000, 1_000]) caughtUp(`${ago} ago`, DAY - ago)
    expect(counts('#ops')).toEqual([0, 0])
    chat.message('Billy', '#ops', 'hello')
    chat.model.openThread('#ops')
    expect([counts('#ops'), chat.model.current?.firstUnreadId]).toEqual([[1, 0], '1'])
  })
})

describe('a mention', () => {
  test.each([
    ['@Anna', 'Anna'],
    ['hello anna!', 'Anna'],
    ['(ANNA)', 'Anna'],
    ['Anna', 'Anna'],
    ['ask @Anna, please', 'Anna'],
    ['e\u0301mile?', 'Émile'],
    ['你好安娜你好', '安娜'],
    ['你好Anna你好', 'Anna'],
    ['Anna Bell is away', 'Anna Bell'],
    ['for C++ only', 'C++'],
  ])('%j mentions %j', (text, name) => {
    expect(mentions(text, name)).toBe(true)
  })

  test.each([
    ['Annabell', 'Anna'],
    ['Joanna', 'Anna'],
    ['Anna_1', 'Anna'],
    ['Аnna in Cyrillic', 'Anna'],
    ['Hannah 𝐀nna𝐚', 'nna'],
    ['billy@anna.example', 'Anna'],
    ['annaé', 'Anna'],
    ['an na', 'Anna'],
    ['', 'Anna'],
  ])('%j does not mention %j', (text, name) => {
    expect(mentions(text, name)).toBe(false)
  })

  test('is a range with its @', () => {
    expect(findMentions('é Anna, @anna', 'Anna')).toEqual([
      { start: 2, end: 6 },
      { start: 8, end: 13 },
    ])
  })
})

describe('joins and leaves', () => {
  const change = (others: readonly string[], joined: readonly string[], left: readonly string[] = []) =>
    chat.room('#ops', others, { joined, left })

  test('are folded into one line until the next message', () => {
    change(['Billy', 'Emil'], ['Anna', 'Billy', 'Emil'])
    expect(texts('#ops')).toEqual([])
    change(['Billy', 'Carla', 'Emil'], ['Carla'])
    change(['Billy', 'Carla', 'Dora', 'Emil'], ['Dora'])
    change(['Billy', 'Carla', 'Dora'], [], ['Emil'])
    expect(texts('#ops')).toEqual(['Carla and Dora joined, Emil left'])
    change(['Billy', 'Dora'], [], ['Carla'])
    change(['Billy', 'Dora', 'Emil'], ['Emil'])
    expect(texts('#ops')).toEqual(['Dora joined'])
    change(['Billy', 'Emil'], [], ['Dora'])
    expect(texts('#ops')).toEqual([])
    change(['Billy'], [], ['Emil'])
    chat.message('Billy', '#ops', 'hello')
    change(['Billy', 'A', 'B', 'C', 'D', 'E'], ['A', 'B', 'C', 'D', 'E'])
    expect(texts('#ops')).toEqual(['Emil left', 'hello', 'A, B, C and 2 others joined'])
  })

  test('mark names that look like another one', () => {
    chat.roster(['Anna', 'Bi11y', 'Billy'], ['Anna', 'Bi11y', 'Billy'])
    change(['Emil'], [])
    change(['Bi11y', 'Carla', 'Emil'], ['Bi11y', 'Carla'])
    expect(texts('#ops')).toEqual(['Bi11y ≈ and Carla joined'])
  })

  test('are no activity, and do not count the members that were there before', () => {
    change(['Billy'], ['Anna', 'Billy'])
    chat.room('#ops', ['Billy'], { state: { state: 'waiting' } })
    change(['Carla'], ['Carla'], ['Billy'])
    expect(texts('#ops')).toEqual([])
    chat.room('#dev', [])
    chat.message('Billy', '#dev', 'hello')
    change([], [], ['Carla'])
    expect([texts('#ops'), listed()]).toEqual([['Carla left'], ['#dev', '#ops']])
  })

  test.each([
    ['auto', 20, false],
    ['auto', 19, true],
    ['on', 20, true],
    ['off', 2, false],
  ] as const)('with the setting %s are shown in a room with Anna and %i others: %s', (joins, count, isShown) => {
    chat.model.preferences = { ...DEFAULT_PREFERENCES, joins }
    const others = Array.from({ length: count }, (_, n) => `User ${n}`)
    change(others.slice(1), [])
    change(others, ['User 0'])
    expect(texts('#ops')).toEqual(isShown ? ['User 0 joined'] : [])
  })
})

test('warns of names that look alike: of rooms among rooms, and of senders in a room', () => {
  chat.roster(['Anna', 'Billy'], ['Anna', 'Billy'])
  chat.room('#ops', [])
  chat.room('#0ps', [])
  chat.model.openThread('#0ps')
  expect(texts('#0ps')).toEqual(['#0ps looks like #ops, another room.'])
  chat.message('Bi11y', '#ops', 'it is me')
  chat.message('Bi11y', '#ops', 'again')
  expect(texts('#ops')).toEqual(['Bi11y looks like Billy, another user.', 'it is me', 'again'])
  chat.message('ops', 'Anna', 'no room')
  expect(texts('ops')).toEqual(['no room'])
})
