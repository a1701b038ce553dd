/** The screen, drawn. */
import { beforeEach, describe, expect, test } from 'vitest'
import { handleKey } from '../../../cli/chat/model/handle-key.ts'
import { Model, type ScreenRequest } from '../../../cli/chat/model/model.ts'
import { DEFAULT_PREFERENCES } from '../../../cli/chat/model/preferences.ts'
import { update } from '../../../cli/chat/model/update.ts'
import { renderScreen } from '../../../cli/chat/views/render.ts'
import { rowText } from '../../../cli/chat/views/row.ts'
import { KeyDecoder } from '../../../cli/terminal/key-decoder.ts'
import { width, wrap } from '../../../cli/terminal/width.ts'
import type { SessionEvent } from '../../../src/client/events.ts'
import { SortedNames } from '../../../src/common/sorted-names.ts'

const DAY = new Date(2026, 10, 24, 10, 0).getTime()
let model: Model
let sent = 0

beforeEach(() => {
  model = new Model('Anna')
  model.columns = 64
  model.rows = 11
  sent = 0
})

const tell = (event: SessionEvent) => update(model, event, DAY)
const type = (text: string): ScreenRequest[] => new KeyDecoder().feed(text).flatMap(key => handleKey(model, key))
function names(of: readonly string[]) {
  const sorted = new SortedNames()
  sorted.reset(of)
  return sorted
}

const roster = (users: string[], joined: string[] = [], left: string[] = []) =>
  tell({ type: 'roster', users: names(users), joined, left })
const online = () => tell({ type: 'connection', state: { phase: 'online', server: 'server-2', url: 'http://x' } })

function message(
  from: string,
  to: string,
  text: string,
  origin: 'live' | 'composed' | 'history' = 'live',
  id = `${++sent}`,
) {
  tell({ type: 'message', message: { id, at: DAY + sent * 60_000, from, to, text }, origin })
  return id
}

function screen(): string {
  return `\n${renderScreen(model, DAY)
    .rows.map(row => rowText(row).trimEnd())
    .join('\n')}\n`
}

describe('the screen', () => {
  test('threads, roster, messages with their fates, status, composer', () => {
    online()
    roster(['Anna', 'Billy', 'Carla'])
    model.openThread('Billy')
    const id = message('Anna', 'Billy', 'Hi Billy', 'composed')
    tell({ type: 'progress', id, to: 'Billy', progress: { state: 'delivered', connections: 2 } })
    message('Billy', 'Anna', 'Hi Anna, here is a text that is too long for one row of this screen')
    message('Carla', 'Anna', 'are you there?')
    roster(['Anna', 'Billy'], [], ['Carla'])
    type('well')
    expect(screen()).toMatchInlineSnapshot(`
      "
      Threads             │ Billy  ● online
      1 ○ Carla         1 │
      2 ● Billy           │
                          │ ── Tuesday, 24 November 2026 ─────────────
      Online 2            │ 10:01 ✓2 Anna   Hi Billy
       Anna (you)         │ 10:02    Billy  Hi Anna, here is a text
       Billy              │                 that is too long for one
                          │                 row of this screen
      ● server-2  Anna  2 online  1 unread  ? help
      › well
      "
    `)
  })

  test('narrow, the sidebar folds away; tiny, nothing breaks', () => {
    online()
    roster(['Anna', 'Billy'])
    model.openThread('Billy')
    message('Billy', 'Anna', 'hello there, Anna')
    Object.assign(model, { columns: 40, rows: 8 })
    expect(screen()).toMatchInlineSnapshot(`
      "
      Billy  ● online


      ── Tuesday, 24 November 2026 ───────────
      10:01    Billy  hello there, Anna
      ● server-2  Anna  2 online
      › write to Billy
      "
    `)
    Object.assign(model, { columns: 20, rows: 5 })
    expect(screen()).toMatchInlineSnapshot(`
      "
      Billy  ● online
                Anna
      ● server-2  Anna  2…
      › write to Billy
      "
    `)
    for (let columns = 1; columns < 90; columns += 7) {
      for (let rows = 1; rows < 12; rows++) {
        Object.assign(model, { columns, rows })
        expect(renderScreen(model, DAY).rows.length).toBeLessThanOrEqual(Math.max(1, rows - 1))
        if (columns >= 20)
          for (const row of renderScreen(model, DAY).rows) expect(width(rowText(row))).toBeLessThanOrEqual(columns)
      }
    }
  })

  test('a refused message says why; a waiting one is marked; hostile text is shown, not obeyed', () => {
    model.columns = 50
    model.openThread('Billy')
    const refused = message('Anna', 'Billy', 'too much', 'composed')
    const progress = { state: 'refused', code: 'text-too-long', message: 'a text has at most 16384 bytes' } as const
    tell({ type: 'progress', id: refused, to: 'Billy', progress })
    const waiting = message('Anna', 'Billy', 'later', 'composed')
    tell({ type: 'progress', id: waiting, to: 'Billy', progress: { state: 'waiting', reason: 'offline' } })
    message('Billy', 'Anna', '\u001b[2J\u001b]52;c;aGk=\u0007\u202egnitset\ttab')
    expect(screen()).toMatchInlineSnapshot(`
      "
      Billy
      ── Tuesday, 24 November 2026 ─────────────────────
      10:01 ✗  Anna   too much
                      not sent: a text has at most
                      16384 bytes
      10:02 …  Anna   later
      10:03    Billy  \\u{1b}[2J\\u{1b}]52;c;aGk=\\u{7}\\u{2
                      02e}gnitset    tab
      ◌ connecting to …  Anna
      › write to Billy
      "
    `)
  })

  test('a line stands before what is new, and stays while one reads', () => {
    Object.assign(model, { columns: 50, rows: 14 })
    model.openThread('Carla')
    message('Billy', 'Anna', 'old')
    type('/query Billy\r/query Carla\r')
    message('Billy', 'Anna', 'first unread')
    message('Billy', 'Anna', 'second unread')
    expect(model.unreadCount).toBe(2)
    type('\u001ba')
    expect(model.unreadCount).toBe(0)
    message('Billy', 'Anna', 'came while reading')
    expect(screen()).toMatchInlineSnapshot(`
      "
      Billy




      ── Tuesday, 24 November 2026 ─────────────────────
      10:01    Billy  old
      ── new ───────────────────────────────────────────
      10:02    Billy  first unread
      10:03    Billy  second unread
      10:04    Billy  came while reading
      ◌ connecting to …  Anna
      › write to Billy
      "
    `)
  })

  test('scrolled up, the view stays, and says how many are new below', () => {
    Object.assign(model, { columns: 50, rows: 8 })
    model.openThread('Billy')
    for (let n = 1; n <= 20; n++) message('Billy', 'Anna', `message ${n}`)
    type('\u001b[5~\u001b[5~')
    const before = screen()
    expect(before).toMatchInlineSnapshot(`
      "
      Billy
      10:12    Billy  message 12
      10:13    Billy  message 13
      10:14    Billy  message 14
      ↓ M-End or Esc goes there
      ◌ connecting to …  Anna
      › write to Billy
      "
    `)
    for (let n = 21; n <= 23; n++) message('Billy', 'Anna', `message ${n}`)
    // One that sorts far above the view: the view does not move.
    message('Billy', 'Anna', 'late in coming', 'history', '0')
    expect(screen()).toBe(before.replace('↓ ', '↓ 3 new below · ').replace('  Anna\n', '  Anna  3 unread\n'))
    for (let n = 0; n < 20; n++) type('\u001b[5~')
    expect(screen()).toContain('message 1\n')
    for (let n = 0; n < 20; n++) type('\u001b[6~')
    expect(screen()).toContain('message 23\n')
    expect(screen()).not.toContain('↓')
  })

  test('the help is made from the tables of commands and keys', () => {
    Object.assign(model, { columns: 70, rows: 60 })
    type('?')
    for (const part of ['/msg NAME [TEXT]', '/quit', '^N M-Down', 'M-Enter']) expect(screen()).toContain(part)
    type('\r')
    expect(screen()).not.toContain('/quit')
  })
})

describe('hands', () => {
  beforeEach(() => {
    online()
    roster(['Anna', 'Billy', 'Carla'])
  })

  test('a line sends to the open thread, and commands act', () => {
    expect(type('hello\r')).toEqual([])
    expect(model.notice?.text).toContain('nobody is chosen')
    type('\u0015')
    expect(type('/msg Billy Hi there\r')).toContainEqual({ type: 'send', to: 'Billy', text: 'Hi there' })
    expect(type('two\u001b\rlines\r')).toEqual([{ type: 'send', to: 'Billy', text: 'two\nlines' }])
    expect(type('//me\r')).toEqual([{ type: 'send', to: 'Billy', text: '/me' }])
    type('/nonsense\r')
    expect(model.notice).toMatchObject({ tone: 'error', text: expect.stringContaining('/nonsense') })
    expect(type('/quit\r')).toEqual([{ type: 'quit' }])
  })

  test('a paste of several lines stays one message', () => {
    model.openThread('Billy')
    expect(type('\u001b[200~one\r\ntwo\u001b[201~')).toEqual([])
    expect(type('\r')).toEqual([{ type: 'send', to: 'Billy', text: 'one\ntwo' }])
  })

  test('Tab completes names and commands, and goes on to the next', () => {
    model.openThread('Billy')
    type('ask c\t')
    expect(model.current?.editor.text).toBe('ask Carla ')
    type('\u0015/q\t\t')
    expect(model.current?.editor.text).toBe('/quit ')
  })

  test('drafts are kept per thread; ^N goes through threads and people', () => {
    model.openThread('Billy')
    type('a draft')
    type('\u000e')
    expect(model.current?.name).toBe('Carla')
    type('\u0010')
    expect(model.current?.editor.text).toBe('a draft')
  })

  test('^C clears, then asks, then leaves; ^D leaves on an empty line only', () => {
    model.openThread('Billy')
    type('text')
    expect(type('\u0004')).toEqual([])
    expect(type('\u0003')).toEqual([])
    expect(model.current?.editor.text).toBe('')
    expect(type('\u0003')).toEqual([])
    expect(model.notice?.text).toContain('^C again leaves')
    expect(type('\u0003')).toEqual([{ type: 'quit' }])
    expect(type('\u0004')).toEqual([{ type: 'quit' }])
  })

  test('up brings back what was entered', () => {
    model.openThread('Billy')
    type('one\rtwo\r')
    type('\u001b[A\u001b[A')
    expect(model.current?.editor.text).toBe('one')
    type('\u001b[B\u001b[B')
    expect(model.current?.editor.text).toBe('')
  })
})

describe('choices', () => {
  beforeEach(() => {
    online()
    roster(['Anna', 'Billy', 'Carla', 'Caroline'])
  })

  test('typing finds someone online, with the number of their connections', () => {
    tell({ type: 'connections', connections: new Map([['Carla', 3]]) })
    type('\u000fcar')
    expect(screen()).toContain('Who is online')
    expect(screen()).toMatch(/Carla ×3\n.*Caroline\n/)
    expect(screen()).not.toMatch(/│ Billy/)
    type('\u001b[B\r')
    expect(model.current?.name).toBe('Caroline')
    type('hello\r\u0012hel\r')
    expect(model.current?.editor.text).toBe('hello')
  })

  test('what was read on another client is not unread here, and does not ring', () => {
    expect(tell({ type: 'read', thread: 'Billy', at: 0 })).toEqual([])
    message('Billy', 'Anna', 'one')
    message('Billy', 'Anna', 'two')
    expect(model.unreadCount).toBe(2)
    tell({ type: 'read', thread: 'Billy', at: DAY + 60_000 })
    expect(model.unreadCount).toBe(1)
    expect(type('/query Billy\r')).toContainEqual({ type: 'read', thread: 'Billy', at: DAY + 120_000 })
    expect(model.unreadCount).toBe(0)
  })

  test('the bell rings for a thread that is not open, unless muted; an ignored name is not shown', () => {
    const im = (from: string): SessionEvent => ({
      type: 'message',
      message: { id: `${++sent}`, at: DAY + sent, from, to: 'Anna', text: 'x' },
      origin: 'live',
    })
    expect(tell(im('Billy'))).toEqual([{ type: 'bell', thread: 'Billy' }])
    type('/mute Billy\r')
    expect(tell(im('Billy'))).toEqual([])
    type('/mute Billy\r')
    expect(tell(im('Billy'))).toEqual([{ type: 'bell', thread: 'Billy' }])
    type('/ignore Carla\r')
    expect(tell(im('Carla'))).toEqual([])
    expect(model.threads.has('Carla')).toBe(false)
    type('/unignore Carla\r')
    expect(tell(im('Carla'))).toHaveLength(1)
  })

  test('settings change with /set, and say what they can be', () => {
    expect(type('/set theme mono\r')).toEqual([{ type: 'save' }])
    expect(model.preferences.theme).toBe('mono')
    type('/set theme pink\r')
    expect(model.notice).toMatchObject({ tone: 'error', text: expect.stringContaining('calm') })
    type('/set\r')
    expect(model.notice?.text).toContain('theme mono')
  })

  test('keys can be bound anew; an action that does not exist is told', () => {
    model = new Model('Anna', { ...DEFAULT_PREFERENCES, keys: { 'C-x': 'help', f5: 'nonsense' } })
    expect(model.notice?.text).toContain('nonsense')
    type('\u0018')
    expect(model.overlay).toBe('help')
  })

  test('a long paste is asked about', () => {
    model.openThread('Billy')
    const lines = Array.from({ length: 40 }, (_, n) => `line ${n}`).join('\r')
    type(`\u001b[200~${lines}\u001b[201~`)
    expect(model.notice?.text).toContain('40 lines')
    type('n')
    expect(model.current?.editor.text).toBe('')
    type(`\u001b[200~${lines}\u001b[201~\r`)
    expect(model.current?.editor.text.split('\n')).toHaveLength(40)
  })
})

test('wrapping keeps every character, and no row is too wide', () => {
  const text = 'The quick 棕色狐狸 jumps over\nthe lazy 👩‍👩‍👧 dog withaverylongwordthatfitsnowhere'
  for (let columns = 2; columns < 40; columns++) {
    const rows = wrap(text, columns)
    expect(rows.map(row => row.text).join('')).toBe(text.replaceAll('\n', ''))
    for (const row of rows) expect(width(row.text)).toBeLessThanOrEqual(columns)
  }
})
