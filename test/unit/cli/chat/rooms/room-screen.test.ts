/** What the screen shows of rooms. */
import { beforeEach, describe, expect, test } from 'vitest'
import { toneColor } from '../../../../../cli/chat/model/theme.ts'
import { eventRows } from '../../../../../cli/chat/views/inline.ts'
import { renderScreen } from '../../../../../cli/chat/views/render.ts'
import { rowText } from '../../../../../cli/chat/views/row.ts'
import { width } from '../../../../../cli/terminal/width.ts'
import type { SessionEvent } from '../../../../../src/client/events.ts'
import { SortedNames } from '../../../../../src/common/sorted-names.ts'
import { ChatDriver, DAY, KEYS } from '../chat-driver.ts'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.online()
  chat.roster(['Anna', 'Billy', 'Carla'])
})

const sidebar = () =>
  chat
    .screen()
    .split('\n')
    .filter(row => row.includes('│'))
    .map(row => row.slice(0, 20).trimEnd())

describe('the sidebar', () => {
  test('lists rooms above threads, with unread messages, mentions and their state', () => {
    chat.resize(80, 15)
    chat.message('Billy', 'Anna', 'hello')
    chat.room('#ops', ['Billy'])
    chat.room('#later', [], { state: { state: 'waiting' } })
    chat.room('#full', [], { state: { state: 'rejected', code: 'room-full', message: '#full is full' } })
    for (const text of ['one', '@Anna', 'three']) chat.message('Billy', '#ops', text)
    chat.model.openThread('#later')
    chat.model.notice = undefined
    expect(chat.screen()).toMatchInlineSnapshot(`
      "
      Rooms               │ #later  ◌ joining…
      1 ● #ops       @1 2 │
      2 ✗ #full           │
      3 ◌ #later          │
      Threads             │
      4 ● Billy         1 │
                          │
      Also online 2       │
       Anna (you)         │
       Carla              │
                          │
                          │ No messages in #later yet.
      ● server-2  Anna  3 online  @1 3 unread  ? help
      › message to #later
      "
    `)
  })

  test('gives both groups rows, and says how many are not shown', () => {
    chat.resize(80, 15)
    for (let n = 1; n <= 9; n++) {
      chat.room(`#room-${n}`, [])
      chat.message(`User ${n}`, 'Anna', 'hello')
    }
    chat.roster(Array.from({ length: 50 }, (_, n) => `Online ${n}`).sort())
    expect(sidebar()).toMatchInlineSnapshot(`
      [
        "Rooms",
        "1 ● #room-1",
        " … 8 more",
        "Threads",
        " … 9 more, 9 unread",
        "",
        "Online 50",
        " Online 0",
        " Online 1",
        " Online 10",
        " Online 11",
        " … 46 more",
      ]
    `)
    for (let rows = 1; rows < 30; rows++) {
      chat.resize(80, rows)
      expect(renderScreen(chat.model, DAY).rows.length).toBeLessThanOrEqual(Math.max(1, rows - 1))
    }
  })
})

describe('the header of a room', () => {
  const header = () => chat.screen().split('\n')[1]?.slice(22)
  const info = { topic: 'Deploys and incidents, on call: see the calendar' }

  beforeEach(() => {
    chat.resize(80, 11)
    chat.model.openThread('#ops')
  })

  test.each([
    ['joined', { state: 'joined' }, '#ops  ● 2 members  Deploys and incidents, on call: see th…'],
    ['waiting', { state: 'waiting' }, '#ops  ◌ joining…'],
    ['rejected', { state: 'rejected', code: 'room-full', message: '#ops is full' }, '#ops  ✗ #ops is full'],
    ['parted', { state: 'parted' }, '#ops  ○ you are not in this room; /join #ops'],
  ] as const)('tells that it is %s', (_, state, text) => {
    chat.room('#ops', ['Billy'], { state, info })
    expect(header()).toBe(text)
  })

  test('tells that the client is offline', () => {
    chat.tell({ type: 'connection', state: { phase: 'connecting', server: '', attempt: 1 } })
    chat.room('#ops', ['Billy'], { state: { state: 'waiting' } })
    expect(header()).toBe('#ops  ◌ offline: messages are sent when you are back')
  })

  test('fits, whatever the name and the topic', () => {
    const name = `#${'x'.repeat(63)}`
    chat.room(name, ['Billy'], { info: { topic: '長'.repeat(200) } })
    chat.model.openThread(name)
    for (let columns = 20; columns < 130; columns += 3) {
      chat.resize(columns, 11)
      for (const row of renderScreen(chat.model, DAY).rows) expect(width(rowText(row))).toBeLessThanOrEqual(columns)
    }
  })
})

test('the input line says what the user can do in a room', () => {
  chat.resize(80, 11)
  chat.model.openThread('#ops')
  expect(chat.screen()).toContain('› you are not in #ops; /join #ops to write there\n')
  chat.room('#ops', ['Billy'])
  expect(chat.screen()).toContain('› message to #ops\n')
  chat.room('#ops', ['Billy'], { info: { write: 'operators', operators: ['Billy'] } })
  expect(chat.screen()).toContain('› only operators may write in #ops\n')
})

test('Alt+A opens a room with a mention first', () => {
  chat.room('#ops', ['Billy'])
  chat.message('Billy', '#ops', 'Anna?')
  chat.message('Carla', 'Anna', 'hello')
  chat.room('#dev', ['Billy'])
  chat.message('Billy', '#dev', 'hello')
  chat.type('\u001ba')
  expect(chat.thread).toBe('#ops')
  chat.type('\u001ba')
  expect(chat.thread).toBe('#dev')
})

describe('the thread of a room', () => {
  const deliver = (id: string, connections: number, of: number, names?: readonly string[]) =>
    chat.tell({
      type: 'progress',
      id,
      to: '#ops',
      progress: { state: 'delivered', connections, of, ...(names === undefined ? {} : { names }) },
    })
  const segments = () => renderScreen(chat.model, DAY).rows.flat()

  beforeEach(() => {
    chat.resize(80, 14)
    chat.room('#ops', ['Billy', 'Christopher Robin'])
    chat.model.openThread('#ops')
  })

  test('has who spoke, receipts, and who joined and left in one line', () => {
    chat.message('Christopher Robin', '#ops', 'hello')
    deliver(chat.compose('#ops', 'Hi all'), 1, 2)
    chat.room('#ops', ['Billy', 'Carla', 'Emil'], { joined: ['Carla', 'Emil'], left: ['Christopher Robin'] })
    expect(chat.screen()).toMatchInlineSnapshot(`
      "
      Rooms               │ #ops  ● 4 members
      1 ● #ops            │
                          │
      Online 3            │
       Anna (you)         │
       Billy              │
       Carla              │
                          │ ── Tuesday, 24 November 2026 ─────────────────────────────
                          │ 10:01      Christopher R…  hello
                          │ 10:02 ✓1/2 Anna            Hi all
                          │ 10:02      Carla and Emil joined, Christopher Robin left
      ● server-2  Anna  3 online  ? help
      › message to #ops
      "
    `)
  })

  test('highlights mentions of the user, also next to a match of the search', () => {
    chat.message('Billy', '#ops', 'is @anna or Anna here? Annabell is')
    chat.message('Anna', '#ops', 'Anna is here')
    const highlighted = () => segments().filter(({ text, tone, bold }) => text !== '' && tone === 'warn' && bold)
    expect(highlighted().map(({ text }) => text)).toEqual(['@anna', 'Anna'])
    Object.assign(chat.model.current ?? {}, { searchMatch: { id: '1', text: 'anna or' } })
    expect(highlighted().map(({ text }) => text)).toEqual(['Anna'])
    expect(segments().find(({ inverse, text }) => inverse && text === 'anna or')).toBeDefined()
  })

  test('gives each name a color that does not depend on the width, in every theme', () => {
    chat.message('Christopher Robin', '#ops', 'hello')
    const names = () => segments().filter(({ tone }) => tone === 'name')
    expect(names().map(({ text, user }) => [text, user])).toEqual([['Christopher R…', 'Christopher Robin']])
    chat.resize(40, 14)
    expect(names().map(({ text, user }) => [text, user])).toEqual([['Christoph…', 'Christopher Robin']])
    const users = Array.from({ length: 50 }, (_, n) => `User ${n}`)
    expect(new Set(users.map(user => toneColor('calm', 'name', user))).size).toBe(4)
    expect(toneColor('mono', 'name', 'Billy')).toBeUndefined()
  })

  test('shows who has the last own message with Alt+I', () => {
    chat.type('\u001bi')
    expect(chat.notice).toBe('no message of yours here')
    const first = chat.compose('#ops', 'first')
    deliver(first, 1, 2, ['Billy'])
    chat.message('Billy', '#ops', 'hello')
    chat.type('\u001bi')
    expect(chat.screen()).toMatchInlineSnapshot(`
      "
      Message
        To                         #ops
        Time                       10:01, Tuesday, 24 November 2026
        Text                       first
        State                      delivered to 1 of 2 other members

      Delivered to
        Billy

      Not confirmed, in the room now
        Christopher Robin
      Esc closes the details, Up/Down scroll
      ›
      "
    `)
    chat.type(KEYS.dismiss)
    expect(chat.model.overlay).toBeUndefined()
    const second = chat.compose('#ops', 'second')
    chat.type('\u001bi')
    expect(chat.screen()).toContain('accepted by a server, not confirmed')
    deliver(second, 7, 9)
    expect(chat.screen()).toMatch(/delivered to 7 of 9 other members\n.*the names are not known/)
    deliver(second, 9, 9)
    expect(chat.screen()).toMatch(/delivered to 9 of 9 other members\n.*everyone who was in the room/)
    chat.type(KEYS.dismiss)
    Object.assign(chat.model.current ?? {}, { searchMatch: { id: first, text: 'first' } })
    chat.type('\u001bi')
    expect(chat.screen()).toMatch(/Text +first/)
  })

  test.each([
    [{ state: 'sent' }, 'sent, not confirmed yet'],
    [{ state: 'waiting', reason: 'not-joined' }, 'waiting: you are not in the room yet'],
    [{ state: 'waiting', reason: 'recipient-offline' }, 'waiting: no other member is online'],
    [{ state: 'refused', code: 'not-in-room', message: 'only members' }, 'rejected: only members'],
  ] as const)('the details of a message have its state: %j', (progress, text) => {
    chat.tell({ type: 'progress', id: chat.compose('#ops', 'text'), to: '#ops', progress })
    chat.type('\u001bi')
    expect(chat.screen()).toContain(text)
  })
})

describe('inline mode prints', () => {
  const printed = (event: SessionEvent) => {
    chat.tell(event)
    return eventRows(chat.model, event).map(rowText)
  }
  const members = new SortedNames()
  members.reset(['Anna', 'Billy'])
  const event = { type: 'room', room: '#ops', members, info: {}, joined: [], left: [] } as const

  test('messages of a room with its name, joins and leaves, and why the user is not in a room', () => {
    chat.model.isInline = true
    const state = { state: 'joined' } as const
    expect(printed({ ...event, state, joined: ['Anna', 'Billy'] })).toEqual([])
    expect(printed({ ...event, state, left: ['Carla'] })).toEqual(['#ops: Carla left'])
    expect(printed({ ...event, state })).toEqual([])
    chat.roster(['Anna', 'Bi11y', 'Billy'], ['Bi11y', 'Billy'])
    expect(printed({ ...event, state, left: ['Bi11y'] })).toEqual(['#ops: Bi11y ≈ left'])
    const message = { id: 'x', at: DAY, from: 'Billy', to: '#ops', text: 'hello' }
    expect(printed({ type: 'message', message, origin: 'live' })).toEqual(['10:00 Billy ≈ → #ops  hello'])
    const refused = { state: 'refused', code: 'room-forbidden', message: 'not a member' } as const
    expect(printed({ ...event, state: refused })).toEqual(['#ops: not a member'])
  })
})
