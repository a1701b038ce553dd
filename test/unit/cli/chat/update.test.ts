/** What events of the session do to the model. */
import { beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_PREFERENCES } from '../../../../cli/chat/model/preferences.ts'
import { update } from '../../../../cli/chat/model/update.ts'
import type { SessionEvent } from '../../../../src/client/events.ts'
import { ChatDriver, DAY, KEYS } from './chat-driver.ts'

const key = (letter: string) => Buffer.alloc(32, letter).toString('base64url')

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.online()
  chat.roster(['Anna', 'Billy'])
})

const texts = (name: string) => chat.model.threads.get(name)?.entries.map(({ text }) => text)

describe('roster', () => {
  test('notes in a thread when its user comes online or goes offline', () => {
    chat.model.openThread('Billy')
    chat.roster(['Anna'], [], ['Billy'])
    chat.roster(['Anna', 'Billy', 'Carla'], ['Billy', 'Carla'])
    expect(texts('Billy')).toEqual(['Billy went offline', 'Billy is online'])
    expect(chat.model.threads.has('Carla')).toBe(false)
    expect([...chat.model.online]).toEqual(['Anna', 'Billy', 'Carla'])
  })

  test('does not announce the users of the first roster of a connection', () => {
    chat.model.openThread('Billy')
    chat.tell({ type: 'connection', state: { phase: 'connecting', server: 'server-2', attempt: 1 } })
    chat.online()
    chat.roster(['Anna', 'Billy'], ['Billy'])
    expect(texts('Billy')).toEqual([])
  })

  test('adds no notes if the preference is off', () => {
    chat = new ChatDriver({ ...DEFAULT_PREFERENCES, notes: false })
    chat.online()
    chat.roster(['Anna', 'Billy'])
    chat.model.openThread('Billy')
    chat.roster(['Anna'], [], ['Billy'])
    expect(texts('Billy')).toEqual([])
  })

  test('warns once in the open thread about a confusable name', () => {
    chat.model.openThread('Billy')
    chat.roster(['Anna', 'Bi11y', 'Billy'], ['Bi11y'])
    chat.roster(['Anna', 'Bi11y', 'Billy', 'Zoe'], ['Zoe'])
    expect(texts('Billy')).toEqual(['Billy looks like Bi11y, another user.'])
  })

  test('a name that looks like the own one, or like one with a thread that is offline, is marked', () => {
    chat.message('Billy', 'Anna', 'one')
    chat.roster(['ANNA', 'Anna', 'billy'], ['ANNA', 'billy'])
    expect(chat.screen()).toMatch(/ANNA ≈/)
    expect(chat.screen()).toMatch(/ billy ≈/)
    expect(chat.screen()).toMatch(/○ Billy +≈/)
    chat.message('BILLY', 'Anna', 'it is me')
    expect(texts('BILLY')?.[0]).toMatch(/^BILLY looks like billy|Billy, another user\.$/)
  })
})

describe('message', () => {
  test('a message that claims an earlier time than what was read is marked, unread, and rings', () => {
    chat.message('Billy', 'Anna', 'one')
    chat.model.openThread('Billy')
    chat.type('/msg Carla\r')
    expect(chat.model.unreadCount).toBe(0)
    const late = { id: 'late', at: DAY - 3_600_000, from: 'Billy', to: 'Anna', text: 'I said no' }
    expect(chat.tell({ type: 'message', message: late, origin: 'live', late: true })).toEqual([
      { type: 'bell', thread: 'Billy' },
      { type: 'notify', thread: 'Billy', message: late },
    ])
    expect(chat.model.threads.get('Billy')?.unreadCount).toBe(1)
    expect(texts('Billy')).toEqual([
      '(late) I said no',
      'one',
      'a message dated 2026-11-24 09:00 has arrived; it is sorted by its time',
    ])
    chat.model.openThread('Billy')
    chat.type('x')
    expect(chat.model.unreadCount).toBe(0)
  })

  test('that is late is only marked at the end of the thread', () => {
    chat.message('Billy', 'Anna', 'one')
    const late = { id: 'late', at: DAY + 90_000, from: 'Billy', to: 'Anna', text: 'two' }
    chat.tell({ type: 'message', message: late, origin: 'live', late: true })
    expect(texts('Billy')).toEqual(['one', '(late) two'])
  })

  test('is unread and rings in a thread that is not open', () => {
    const message = { id: '1', at: DAY + 60_000, from: 'Billy', to: 'Anna', text: 'one' }
    expect(chat.message('Billy', 'Anna', 'one')).toEqual([
      { type: 'bell', thread: 'Billy' },
      { type: 'notify', thread: 'Billy', message },
    ])
    expect(chat.model.unreadCount).toBe(1)
    expect(chat.model.lastSender).toBe('Billy')
  })

  test('is read at once in the open thread', () => {
    chat.model.openThread('Billy')
    expect(chat.message('Billy', 'Anna', 'one')).toEqual([{ type: 'read', thread: 'Billy', at: DAY + 60_000 }])
    expect(chat.model.unreadCount).toBe(0)
  })

  test('is unread in the open thread while the user has scrolled up', () => {
    chat.model.openThread('Billy')
    for (let n = 1; n <= 20; n++) chat.message('Billy', 'Anna', `message ${n}`)
    chat.type(KEYS.pageUp)
    expect(chat.message('Billy', 'Anna', 'below')).toContainEqual({ type: 'bell', thread: 'Billy' })
    expect(chat.model.current?.newBelow).toBe(1)
    chat.type(KEYS.scrollToEnd)
    expect([chat.model.current?.newBelow, chat.model.unreadCount]).toEqual([0, 0])
  })

  test('of another client of the user is neither unread nor rings', () => {
    expect(chat.message('Anna', 'Billy', 'from my phone')).toEqual([])
    expect(texts('Billy')).toEqual(['from my phone'])
    expect(chat.model.unreadCount).toBe(0)
  })

  test('from the history is neither unread nor rings', () => {
    expect(chat.message('Billy', 'Anna', 'old', { origin: 'history' })).toEqual([])
    expect(chat.model.unreadCount).toBe(0)
  })

  test('that was composed here scrolls to the end, and loads it if needed', () => {
    chat.model.openThread('Billy')
    for (let n = 1; n <= 20; n++) chat.message('Billy', 'Anna', `message ${n}`)
    chat.type(KEYS.pageUp)
    chat.compose('Billy', 'my answer')
    expect(chat.model.current?.anchor).toBeUndefined()
    Object.assign(chat.model.current ?? {}, { hasEnd: false })
    expect(chat.message('Anna', 'Billy', 'another', { origin: 'composed' })).toEqual([{ type: 'page', part: 'latest' }])
  })

  test('is escaped for the terminal', () => {
    chat.message('Billy', 'Anna', 'a\u001b[2Jb')
    expect(texts('Billy')).toEqual(['a\\u{1b}[2Jb'])
  })
})

test('read: messages that another client has read are not unread, and do not ring later', () => {
  chat.message('Billy', 'Anna', 'one')
  chat.message('Billy', 'Anna', 'two')
  chat.tell({ type: 'read', thread: 'Billy', at: DAY + 60_000 })
  expect(chat.model.unreadCount).toBe(1)
  chat.tell({ type: 'read', thread: 'Billy', at: DAY + 180_000 })
  expect(chat.model.unreadCount).toBe(0)
  expect(chat.message('Billy', 'Anna', 'three')).toEqual([])
  expect(chat.tell({ type: 'read', thread: 'Unknown', at: DAY })).toEqual([])
})

test('progress: marks the message, also if it comes before the message', () => {
  const id = chat.compose('Billy', 'one')
  chat.tell({ type: 'progress', id, to: 'Billy', progress: { state: 'sent' } })
  expect(chat.model.threads.get('Billy')?.entryById(id)?.progress).toEqual({ state: 'sent' })
  chat.tell({ type: 'progress', id: '2', to: 'Billy', progress: { state: 'waiting', reason: 'offline' } })
  chat.compose('Billy', 'two')
  expect(chat.model.threads.get('Billy')?.entryById('2')?.progress?.state).toBe('waiting')
})

test('progress: a rejection of a message that was not composed becomes a notice', () => {
  chat.model.openThread('Billy')
  const progress = { state: 'refused', code: 'text-too-long', message: 'the text is too long' } as const
  chat.tell({ type: 'progress', id: 'x', to: 'Billy', progress })
  expect(chat.model.notice).toEqual({ text: 'the text is too long', tone: 'error' })
})

test('progress: a rejection without a thread becomes a notice', () => {
  const progress = { state: 'refused', code: 'bad-name', message: 'a user name cannot be empty' } as const
  chat.tell({ type: 'progress', id: 'x', to: 'Nowhere', progress })
  expect(chat.model.notice).toEqual({ text: 'a user name cannot be empty', tone: 'error' })
})

describe('key', () => {
  const event = (state: 'own' | 'new' | 'changed' | 'trusted'): SessionEvent => ({
    type: 'key',
    user: 'Billy',
    key: key('x'),
    state,
    own: key('a'),
    known: new Map([['Billy', key('b')]]),
  })

  test.each(['own', 'new', 'trusted'] as const)('%s is not announced', state => {
    expect(chat.tell(event(state))).toEqual([])
    expect([chat.notice, texts('Billy')]).toEqual([undefined, undefined])
  })

  test('changed warns in the thread and in the status row, and rings', () => {
    expect(chat.tell(event('changed'))).toEqual([{ type: 'bell', thread: 'Billy' }])
    expect(chat.model.notice).toEqual({
      text: 'WARNING: the key of Billy has changed',
      tone: 'error',
      stays: true,
    })
    expect(texts('Billy')?.join(' ')).toMatch(/WARNING: the key of Billy has changed.*\/trust Billy/)
    expect(chat.model.changedKeys.get('Billy')).toBe(key('x'))
    chat.tell(event('trusted'))
    expect(chat.model.changedKeys.size).toBe(0)
  })
})

test('forged: says that a message was dropped', () => {
  chat.tell({ type: 'forged', from: 'Billy' })
  expect(chat.notice).toBe('dropped a forged message in the name of Billy')
})

test('connections: shows the number next to the name', () => {
  chat.tell({ type: 'connections', connections: new Map([['Billy', 3]]) })
  expect(chat.screen()).toContain('Billy ×3')
})

test('a notice is shown in the status row, and in the open thread', () => {
  const notice = { type: 'notice', code: 'mesh-new', text: 'First connection', isWarning: false } as const
  update(chat.model, notice, DAY)
  expect(chat.model.notice).toEqual({ text: 'First connection', tone: 'info', isKept: true })
  chat.model.openThread('Billy')
  update(chat.model, notice, DAY)
  update(chat.model, { ...notice, text: 'Files', isWarning: true }, DAY)
  expect(chat.model.notice).toEqual({ text: 'Files', tone: 'error', isKept: true })
  expect(chat.model.threads.get('Billy')?.entries.map(({ kind, text }) => [kind, text])).toEqual([
    ['note', 'First connection'],
    ['warning', 'Files'],
  ])
})
