/** What the screen shows for a state of the model. */
import { beforeEach, describe, expect, test } from 'vitest'
import { COMMANDS } from '../../../../../cli/chat/model/commands/commands.ts'
import { helpLines } from '../../../../../cli/chat/model/layout/help-lines.ts'
import { settingLines } from '../../../../../cli/chat/model/layout/setting-lines.ts'
import { DEFAULT_PREFERENCES } from '../../../../../cli/chat/model/preferences.ts'
import type { ReadonlyModel } from '../../../../../cli/chat/model/readonly-model.ts'
import { eventRows, openedEntries, openedThreadRows } from '../../../../../cli/chat/views/inline.ts'
import { renderInline, renderScreen } from '../../../../../cli/chat/views/render.ts'
import { rowText } from '../../../../../cli/chat/views/row.ts'
import { width } from '../../../../../cli/terminal/width.ts'
import type { SessionEvent } from '../../../../../src/client/events.ts'
import { SortedNames } from '../../../../../src/common/sorted-names.ts'
import { ChatDriver, ctrl, DAY, KEYS } from '../chat-driver.ts'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
})

describe('the screen', () => {
  test('shows threads, roster, messages with delivery marks, status and input line', () => {
    chat.online()
    chat.roster(['Anna', 'Billy', 'Carla'])
    chat.model.openThread('Billy')
    const id = chat.compose('Billy', 'Hi Billy')
    chat.tell({ type: 'progress', id, to: 'Billy', progress: { state: 'delivered', connections: 2 } })
    chat.message('Billy', 'Anna', 'Hi Anna, here is a text that is too long for one row of this screen')
    chat.message('Carla', 'Anna', 'are you there?')
    chat.roster(['Anna', 'Billy'], [], ['Carla'])
    chat.type('well')
    expect(chat.screen()).toMatchInlineSnapshot(`
      "
      Threads             │ Billy  ● online
      1 ○ Carla         1 │
      2 ● Billy           │
                          │ ── Tuesday, 24 November 2026 ─────────────
      Also online 1       │ 10:01 ✓2 Anna   Hi Billy
       Anna (you)         │ 10:02    Billy  Hi Anna, here is a text
                          │                 that is too long for one
                          │                 row of this screen
      ● server-2  Anna  2 online  1 unread  ? help
      › well
      "
    `)
  })

  test('hides the sidebar when it is narrow, and never draws more rows or columns than it has', () => {
    chat.online()
    chat.roster(['Anna', 'Billy'])
    chat.model.openThread('Billy')
    chat.message('Billy', 'Anna', 'hello there, Anna')
    chat.resize(40, 8)
    expect(chat.screen()).toMatchInlineSnapshot(`
      "
      Billy  ● online


      ── Tuesday, 24 November 2026 ───────────
      10:01    Billy  hello there, Anna
      ● server-2  Anna  2 online
      › message to Billy
      "
    `)
    chat.resize(20, 5)
    expect(chat.screen()).toMatchInlineSnapshot(`
      "
      Billy  ● online
         Billy  Anna
      ● server-2  Anna  2…
      › message to Billy
      "
    `)
    for (const overlay of [undefined, 'help', 'details'] as const) {
      chat.model.overlay = overlay
      for (let columns = 1; columns < 90; columns += 7) {
        for (let rows = 1; rows < 12; rows++) {
          chat.resize(columns, rows)
          const frame = renderScreen(chat.model, DAY)
          expect(frame.rows.length).toBeLessThanOrEqual(Math.max(1, rows - 1))
          if (columns >= 20) for (const row of frame.rows) expect(width(rowText(row))).toBeLessThanOrEqual(columns)
        }
      }
    }
  })

  test('shows why a message was rejected, marks a waiting one, and escapes control characters', () => {
    chat.resize(50, 11)
    chat.model.openThread('Billy')
    const rejected = chat.compose('Billy', 'too much')
    const progress = { state: 'refused', code: 'text-too-long', message: 'a text has at most 16384 bytes' } as const
    chat.tell({ type: 'progress', id: rejected, to: 'Billy', progress })
    const waiting = chat.compose('Billy', 'later')
    chat.tell({ type: 'progress', id: waiting, to: 'Billy', progress: { state: 'waiting', reason: 'offline' } })
    chat.message('Billy', 'Anna', '\u001b[2J\u001b]52;c;aGk=\u0007\u202egnitset\ttab')
    expect(chat.screen()).toMatchInlineSnapshot(`
      "
      Billy
      ── Tuesday, 24 November 2026 ─────────────────────
      10:01 ✗  Anna   too much
                      not sent: a text has at most
                      16384 bytes
      10:02 …         later
      10:03    Billy  \\u{1b}[2J\\u{1b}]52;c;aGk=\\u{7}\\u{2
                      02e}gnitset    tab
      ◌ connecting…  Anna
      › message to Billy
      "
    `)
  })

  test('draws a separator above the first unread message, which stays while the thread is open', () => {
    chat.resize(50, 14)
    chat.model.openThread('Carla')
    chat.message('Billy', 'Anna', 'old')
    chat.type('/query Billy\r/query Carla\r')
    chat.message('Billy', 'Anna', 'first unread')
    chat.message('Billy', 'Anna', 'second unread')
    expect(chat.model.unreadCount).toBe(2)
    chat.type('\u001ba')
    expect(chat.model.unreadCount).toBe(0)
    chat.message('Billy', 'Anna', 'came while reading')
    expect(chat.screen()).toMatchInlineSnapshot(`
      "
      Billy




      ── Tuesday, 24 November 2026 ─────────────────────
      10:01    Billy  old
      ── new ───────────────────────────────────────────
      10:02    Billy  first unread
      10:03           second unread
      10:04           came while reading
      ◌ connecting…  Anna
      › message to Billy
      "
    `)
    chat.type('/query Carla\r/query Billy\r')
    expect(chat.screen()).not.toContain('── new')
  })

  test('does not move while scrolled up, and counts the new messages below', () => {
    chat.resize(50, 8)
    chat.model.openThread('Billy')
    for (let n = 1; n <= 20; n++) chat.message('Billy', 'Anna', `message ${n}`)
    chat.type(KEYS.pageUp + KEYS.pageUp)
    const before = chat.screen()
    expect(before).toMatchInlineSnapshot(`
      "
      Billy
      10:14    Billy  message 14
      10:15           message 15
      10:16           message 16
      ↓ Esc to go to the end
      ◌ connecting…  Anna
      › message to Billy
      "
    `)
    for (let n = 21; n <= 23; n++) chat.message('Billy', 'Anna', `message ${n}`)
    chat.tell({
      type: 'message',
      message: { id: 'older', at: DAY, from: 'Billy', to: 'Anna', text: 'sorts far above' },
      origin: 'history',
    })
    expect(chat.screen()).toBe(before.replace('↓ ', '↓ 3 new below · ').replace('  Anna\n', '  Anna  3 unread\n'))
  })

  test('shows notices in full while no thread is open, such as the words of the key of a new mesh', () => {
    chat.online()
    chat.resize(60, 14)
    const text = 'First connection to this mesh: its key is exotic onion rifle pride wrap refuse chicken paddle crouch'
    chat.tell({ type: 'notice', code: 'mesh-new', text, isWarning: false })
    for (let n = 1; n <= 9; n++)
      chat.tell({ type: 'notice', code: 'mesh-same', text: `notice ${n}`, isWarning: n === 9 })
    expect(chat.model.startNotices).toHaveLength(5)
    chat.model.startNotices.splice(0)
    chat.tell({ type: 'notice', code: 'mesh-new', text, isWarning: false })
    chat.type('/who x')
    expect(chat.screen()).toMatchInlineSnapshot(`
      "
      Online 0            │ mesh-chat
                          │ First connection to this mesh: its
                          │ key is exotic onion rifle pride wrap
                          │ refuse chicken paddle crouch
                          │
                          │ No thread is open.
                          │
                          │ /msg NAME   open a thread
                          │ /rooms      list the rooms to join
                          │ Ctrl+N      go to the next online user
                          │ ?           list all commands and keys
      ● server-2  Anna  0 online  ? help
      › /who x
      "
    `)
    for (let rows = 1; rows < 12; rows++) {
      chat.resize(30, rows)
      expect(renderScreen(chat.model, DAY).rows.length).toBeLessThanOrEqual(Math.max(1, rows - 1))
    }
  })

  test('says what to do while no thread is open, and that an offline user gets messages later', () => {
    chat.online()
    chat.roster(['Anna'])
    chat.resize(90, 11)
    expect(chat.screen()).toMatchInlineSnapshot(`
      "
      Online 1            │ mesh-chat
       Anna (you)         │
                          │ No thread is open.
                          │
                          │ /msg NAME   open a thread
                          │ /rooms      list the rooms to join
                          │ Ctrl+N      go to the next online user
                          │ ?           list all commands and keys
      ● server-2  Anna  1 online  ? help
      › type a command, for example /msg NAME
      "
    `)
    chat.model.openThread('Billy')
    expect(chat.screen()).toMatchInlineSnapshot(`
      "
      Threads             │ Billy  ○ offline: messages are delivered when they connect
      1 ○ Billy           │
                          │
      Online 1            │
       Anna (you)         │
                          │
                          │
                          │ No messages with Billy yet.
      ● server-2  Anna  1 online  ? help
      › message to Billy
      "
    `)
  })

  test('counts down to the next connection attempt', () => {
    const state = { phase: 'waiting', reason: 'connection refused', retryAt: DAY + 2_500, attempt: 2 } as const
    chat.tell({ type: 'connection', state })
    expect(chat.screen()).toContain('○ not connected (connection refused), retrying in 3 s  Anna')
    chat.tell({ type: 'connection', state: { ...state, retryAt: DAY + 500 } })
    expect(chat.screen()).toContain('retrying now')
  })
})

describe('the help', () => {
  test('lists all commands and keys, also those of the settings file, and any other key closes it', () => {
    chat = new ChatDriver({ ...DEFAULT_PREFERENCES, keys: { 'C-x': 'last-thread' } })
    chat.resize(80, 120)
    chat.type('?')
    for (const { name } of COMMANDS) expect(chat.screen()).toContain(`/${name}`)
    for (const part of ['Ctrl+N Alt+Down', 'Alt+Enter', '✓2', '/set theme']) expect(chat.screen()).toContain(part)
    expect(chat.screen()).toMatch(/Ctrl\+X +previous-thread \(from your settings file\)/)
    expect(chat.screen()).toContain('Esc closes the help')
    chat.type(KEYS.enter)
    expect(chat.screen()).not.toContain('/quit')
  })

  test('fits into 80 columns', () => {
    chat.resize(80, 120)
    chat.type('?')
    for (const line of helpLines(chat.model)) {
      if (line.type === 'item') expect(chat.screen()).toContain(`  ${line.label.padEnd(26)} ${line.text}\n`)
      else if (line.type !== 'pair') expect(chat.screen()).toContain(`${line.text}\n`)
    }
  })

  test.each(['?', '/set\r'])('%j wraps its texts on a narrow screen, and cuts none', typed => {
    chat.resize(60, 300)
    chat.type(typed)
    expect(chat.screen()).not.toContain('…\n')
    const words = (text: string) => text.split(/\s+/).filter(word => word !== '')
    const shown = new Set(words(chat.screen()))
    for (const line of typed === '?' ? helpLines(chat.model) : settingLines(chat.model))
      if (line.type === 'item') expect(words(line.text).filter(word => !shown.has(word))).toEqual([])
    // The last line can be reached.
    chat.resize(60, 20)
    chat.type(KEYS.scrollToEnd)
    expect(chat.screen()).toContain(typed === '?' ? 'Esc followed by a key' : '/set NAME VALUE changes one')
  })

  test.each([
    ['msg', ['/msg NAME [TEXT]']],
    ['/MSG', ['/msg NAME [TEXT]']],
    ['set', ['/set [NAME [VALUE]]', '/set sidebar']],
    ['notify', ['/set notify']],
    ['Ctrl+N', ['Ctrl+N Alt+Down']],
    ['C-n', ['Ctrl+N Alt+Down']],
    ['alt+9', ['Alt+1 … Alt+9']],
    ['~', ['~']],
    ['sear', ['/search TEXT', '/search-all [TEXT]']],
    ['bell', ['/set bell']],
    ['fingerprints', ['/key [NAME]']],
  ])('/help %s shows that only', (topic, labels) => {
    chat.type(`/help ${topic}\r`)
    const shown = helpLines(chat.model).flatMap(line => (line.type === 'item' ? [line.label] : []))
    expect(shown).toEqual(expect.arrayContaining(labels))
    if (labels.length === 1) expect(shown).toEqual(labels)
    chat.resize(80, 24)
    expect(chat.screen()).toContain(`Help: ${topic}`)
    expect(chat.screen()).toContain('Esc closes the help, Up/Down scroll; /help shows all of it')
    chat.type(`${KEYS.dismiss}?`)
    expect(helpLines(chat.model).length).toBeGreaterThan(100)
  })

  test('/help with a misspelt name suggests one', () => {
    chat.resize(80, 24)
    chat.type('/help serch\r')
    expect(chat.screen()).toContain('no help about serch; did you mean search?')
    chat.type(`${KEYS.dismiss}/help xyzzy\r`)
    expect(chat.screen()).toContain('no help about xyzzy; /help lists everything')
  })

  test('scrolls by line and page, and stops at both ends, also after the screen has grown', () => {
    chat.resize(80, 13)
    chat.type('?')
    const lines = helpLines(chat.model).length
    const first = () => chat.screen().split('\n')[2]
    expect(first()).toBe('Commands')
    chat.type(KEYS.up)
    expect(first()).toBe('Commands')
    chat.type(KEYS.down)
    expect(first()).toContain('/msg')
    for (let n = 0; n < 20; n++) chat.type(KEYS.pageDown)
    expect(chat.model.overlayTop).toBe(lines - 9)
    chat.type(KEYS.up)
    expect(chat.model.overlayTop).toBe(lines - 10)
    chat.resize(80, 23)
    expect(chat.screen().split('\n').slice(2, 21).at(-1)).toContain('Esc followed by a key')
    expect(chat.model.overlayTop).toBe(lines - 10)
    chat.type(KEYS.up)
    expect(chat.model.overlayTop).toBe(lines - 20)
    chat.type(KEYS.scrollToEnd + KEYS.scrollToStart)
    expect(chat.model.overlayTop).toBe(0)
  })

  test('takes at most 12 rows in inline mode, and scrolls to its last line there', () => {
    chat.model.isInline = true
    chat.resize(80, 40)
    chat.type('?')
    chat.type(KEYS.scrollToEnd)
    const { rows, cursor } = renderInline(chat.model, DAY)
    expect(rows).toHaveLength(14)
    expect(cursor).toBeUndefined()
    expect(rows.map(rowText).join('\n')).toContain('Esc followed by a key')
  })
})

test('rendering does not change the model', () => {
  chat.online()
  chat.roster(['Anna', 'Billy'])
  chat.model.openThread('Billy')
  for (let n = 1; n <= 30; n++) chat.message('Billy', 'Anna', `message ${n}`)
  for (const keys of ['', KEYS.pageUp, '?', KEYS.enter + ctrl('o'), KEYS.dismiss + ctrl('s')]) {
    chat.type(keys)
    chat.model.overlayTop = 1_000
    const before = structuredClone({ ...chat.model, threads: [], current: chat.model.current?.anchor, online: [] })
    renderScreen(chat.model, DAY)
    renderInline(chat.model, DAY)
    const after = structuredClone({ ...chat.model, threads: [], current: chat.model.current?.anchor, online: [] })
    expect(after).toEqual(before)
  }
})

test('views cannot change the model: the compiler rejects it', () => {
  const view = (model: ReadonlyModel) => {
    // @ts-expect-error a view must not write
    model.overlayTop = 0
    // @ts-expect-error a view must not open threads
    model.openThread('Billy')
    // @ts-expect-error a view must not add entries
    model.current?.entries.push()
    // @ts-expect-error a view must not edit
    model.focusedEditor.insert('')
    // @ts-expect-error a view must not change preferences
    model.preferences.muted.push()
  }
  // Only the types matter.
  expect(view).toBeTypeOf('function')
})

describe('inline mode prints', () => {
  const printed = (event: SessionEvent) => {
    chat.tell(event)
    return eventRows(chat.model, event).map(rowText)
  }
  const message = (from: string, to: string, text: string, origin: 'live' | 'composed' | 'history'): SessionEvent => ({
    type: 'message',
    message: { id: text, at: DAY, from, to, text },
    origin,
  })

  beforeEach(() => {
    chat.model.isInline = true
    chat.online()
    chat.roster(['Anna', 'Billy'])
  })

  test('messages as they are sent and received, but not the history', () => {
    expect(printed(message('Billy', 'Anna', 'Hi\nAnna', 'live'))).toEqual(['10:00 Billy  Hi', '      Anna'])
    expect(printed(message('Anna', 'Billy', 'Hi', 'composed'))).toEqual(['10:00 Anna → Billy  Hi'])
    expect(printed(message('Billy', 'Anna', 'old', 'history'))).toEqual([])
  })

  test('rejected messages, changed keys, and users who come and go', () => {
    const progress = { state: 'refused', code: 'text-too-long', message: 'too long' } as const
    expect(printed({ type: 'progress', id: 'x', to: 'Billy', progress })).toEqual(['not sent to Billy: too long'])
    const key = { type: 'key', user: 'Billy', key: 'AAAA', state: 'changed', own: 'BBBB', known: new Map() } as const
    expect(printed(key)).toEqual([
      expect.stringContaining('WARNING: the key of Billy has changed.'),
      expect.stringContaining('/trust Billy'),
    ])
    const users = new SortedNames()
    expect(printed({ type: 'roster', users, joined: ['Zoe'], left: ['Billy'] })).toEqual(['Billy went offline'])
    chat.model.preferences = { ...chat.model.preferences, notes: false }
    expect(printed({ type: 'roster', users, joined: ['Billy'], left: [] })).toEqual([])
  })

  test('nothing twice: of a thread that is opened, only messages that were not printed', () => {
    for (let n = 1; n <= 4; n++) chat.message('Billy', 'Anna', `message ${n}`)
    const thread = chat.model.threads.get('Billy')
    const entries = thread === undefined ? [] : openedEntries(thread, id => id === '2' || id === '3')
    expect(entries.map(({ text }) => text)).toEqual(['message 1', 'message 4'])
  })

  test('the last ten messages of a thread that is opened', () => {
    for (let n = 1; n <= 12; n++) chat.message('Billy', 'Anna', `message ${n}`)
    chat.model.openThread('Billy')
    const thread = chat.model.current
    const rows = thread === undefined ? [] : openedThreadRows(chat.model, thread).map(rowText)
    expect(rows).toHaveLength(11)
    expect([rows[0], rows[1], rows[10]]).toEqual(['── Billy ──', '10:03 Billy  message 3', '10:12 Billy  message 12'])
  })

  test('a rejected message of a thread that is opened as that', () => {
    const id = chat.compose('Billy', 'too much')
    const progress = { state: 'refused', code: 'text-too-long', message: 'too long' } as const
    chat.tell({ type: 'progress', id, to: 'Billy', progress })
    const thread = chat.model.threads.get('Billy')
    const rows = thread === undefined ? [] : openedThreadRows(chat.model, thread).map(rowText)
    expect(rows.slice(1)).toEqual(['10:01 Anna → Billy  too much', '      not sent: too long'])
  })
})
