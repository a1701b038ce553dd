/** How the messages of a thread look: formatting, groups of one sender, the day at the top, status bar and help. */
import { beforeEach, describe, expect, test } from 'vitest'
import { helpLines } from '../../../../../cli/chat/model/layout/help-lines.ts'
import { DEFAULT_PREFERENCES } from '../../../../../cli/chat/model/preferences.ts'
import { eventRows } from '../../../../../cli/chat/views/inline.ts'
import { renderInline, renderScreen } from '../../../../../cli/chat/views/render.ts'
import { columnStops, rowText, type Segment } from '../../../../../cli/chat/views/row.ts'
import { width } from '../../../../../cli/terminal/width.ts'
import type { SessionEvent } from '../../../../../src/client/events.ts'
import { ChatDriver, DAY, KEYS } from '../chat-driver.ts'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.online()
  chat.roster(['Anna', 'Billy', 'Carla'])
  chat.resize(59, 14)
  chat.model.openThread('Billy')
})

const segments = (): Segment[] => renderScreen(chat.model, DAY).rows.flat()
const segment = (text: string) => segments().find(one => one.text === text)
const messageRows = () =>
  chat
    .screen()
    .split('\n')
    .filter(row => /^\d\d:\d\d|^ {6}/.test(row))

describe('the name of the sender', () => {
  const body = () => chat.screen().trim().split('\n').slice(1, -2)

  test('is repeated at the top of the view when it is further up', () => {
    for (let n = 1; n <= 30; n++) chat.message('Billy', 'Anna', `message ${n}`)
    expect(body()[0]).toBe('10:21    Billy  message 21')
    expect(body().slice(1).join('\n')).not.toContain('Billy')
    chat.type(KEYS.pageUp)
    expect(body()[0]).toMatch(/^── Tuesday/)
    expect(body()[1]).toBe('10:16    Billy  message 16')
    expect(body().slice(2).join('\n')).not.toContain('Billy')
  })

  test('is repeated in a row of a long message, with the time, and without the mark', () => {
    chat.compose('Billy', Array.from({ length: 40 }, (_, n) => `line ${n}`).join('\n'))
    chat.tell({ type: 'progress', id: '1', to: 'Billy', progress: { state: 'sent' } })
    expect(body()[0]).toBe('10:01    Anna   line 30')
    expect(body()[1]).toBe('                line 31')
    chat.type(KEYS.pageUp)
    expect(body()[1]).toBe('10:01    Anna   line 25')
    chat.type(KEYS.scrollToStart)
    expect(body()[1]).toBe('10:01 →  Anna   line 0')
  })

  test('is not written over code, which has the whole row, but below it', () => {
    const code = Array.from({ length: 20 }, (_, n) => `code ${n}`).join('\n')
    chat.message('Billy', 'Anna', `\`\`\`\n${code}\n\`\`\`\nend`)
    expect(body()[0]).toBe('code 11')
    expect(body().at(-1)).toBe('10:01    Billy  end')
  })

  test('is not repeated below a separator, nor in notes', () => {
    chat.message('Billy', 'Anna', 'one')
    for (let n = 1; n <= 20; n++) chat.model.current?.addNote(`note ${n}`, DAY)
    expect(body().join('\n')).not.toContain('Billy')
  })
})

describe('formatting', () => {
  test('renders bold, italic and code without their delimiters', () => {
    chat.message('Billy', 'Anna', 'a *bold* and _italic_ `code`')
    expect(chat.screen()).toContain('Billy  a bold and italic code\n')
    expect(segment('bold')).toMatchObject({ bold: true })
    expect(segment('italic')).toMatchObject({ italic: true })
    expect(segment('code')).toMatchObject({ tone: 'code' })
  })

  test('/raw shows the source of the open thread only, again: formatted', () => {
    chat.message('Billy', 'Anna', 'a *bold* word')
    chat.message('Carla', 'Anna', 'a _nice_ day')
    chat.type('/raw\r')
    expect(chat.screen()).toContain('Billy  a *bold* word\n')
    chat.type('/query Carla\r')
    expect(chat.screen()).toContain('Carla  a nice day\n')
    chat.type('/query Billy\r/raw\r')
    expect(chat.screen()).toContain('Billy  a bold word\n')
  })

  test('the setting turns it off', () => {
    chat.message('Billy', 'Anna', '`code`')
    expect(chat.type('/set formatting off\r')).toEqual([{ type: 'save' }])
    expect(chat.screen()).toContain('Billy  `code`\n')
    chat.type('/raw\r')
    expect(chat.notice).toBe('formatting is off; /set formatting on')
  })

  test('rows of a code block have nothing but the code, from the left margin, with its spaces', () => {
    const code = `for x in y:\n    ${'long '.repeat(14)}\n\n  end`
    chat.message('Billy', 'Anna', `look:\n\`\`\`py\n${code}\n\`\`\`\ndone`)
    const rows = chat.screen().split('\n')
    const from = rows.findIndex(row => row.includes('look:'))
    expect(rows.slice(from, from + 8)).toEqual([
      '10:01    Billy  look:',
      'for x in y:',
      `    ${'long '.repeat(11)}`.trimEnd(),
      'long long long',
      '',
      '  end',
      '                done',
      '● server-2  Anna  3 online',
    ])
    const codeRows = renderScreen(chat.model, DAY).rows.slice(from, from + 5)
    expect(codeRows[1]?.map(rowText => rowText.text).join('')).toBe(`    ${'long '.repeat(11)}`)
  })

  test('a message that starts with a code block has its time and name above the code', () => {
    chat.message('Billy', 'Anna', '```\ncode\n```')
    expect(chat.screen()).toContain('10:01    Billy\ncode\n')
  })

  test('a match of the search and a mention are highlighted in formatted text', () => {
    chat.room('#ops', ['Billy'])
    chat.model.openThread('#ops')
    chat.message('Billy', '#ops', '*hello Anna* and `code`', { id: 'm' })
    expect(segment('Anna')).toMatchObject({ tone: 'warn', bold: true })
    const { current } = chat.model
    if (current === undefined) throw new Error('no thread')
    current.searchMatch = { id: 'm', text: 'lo anna and' }
    expect(
      segments()
        .filter(one => one.inverse && one.text !== '')
        .map(one => one.text)
        .join(''),
    ).toContain('lo Anna and')
  })

  test('a match that is only in the source is shown in the source', () => {
    chat.message('Billy', 'Anna', 'a *bold* word', { id: 'm' })
    const { current } = chat.model
    if (current === undefined) throw new Error('no thread')
    current.searchMatch = { id: 'm', text: '*bold*' }
    expect(segment('*bold*')).toMatchObject({ inverse: true })
  })

  test('inline mode prints it too, code from the left margin', () => {
    chat.model.isInline = true
    const message = { id: 'm', at: DAY, from: 'Billy', to: 'Anna', text: '*hi*\n```\n  code\n```\nend' }
    const event: SessionEvent = { type: 'message', message, origin: 'live' }
    chat.tell(event)
    expect(eventRows(chat.model, event).map(rowText)).toEqual(['10:00 Billy  hi', '  code', '      end'])
  })
})

describe('messages of one sender', () => {
  const say = (minutes: number, from = 'Billy', seconds = 0) =>
    chat.tell({
      type: 'message',
      message: {
        id: `${minutes}:${seconds}`,
        at: DAY + minutes * 60_000 + seconds * 1_000,
        from,
        to: from === 'Billy' ? 'Anna' : 'Billy',
        text: `at ${minutes}`,
      },
      origin: 'live',
    })

  test('have the name once, and the time where it changes', () => {
    say(0)
    say(0, 'Billy', 20)
    say(1)
    say(2, 'Anna')
    say(3)
    say(8)
    say(14)
    expect(messageRows()).toEqual([
      '10:00    Billy  at 0',
      '                at 0',
      '10:01           at 1',
      '10:02    Anna   at 2',
      '10:03    Billy  at 3',
      '10:08           at 8',
      '10:14    Billy  at 14',
    ])
  })

  test('have the name again on another day, after a note, and below the line of new messages', () => {
    say(13 * 60 + 58)
    say(14 * 60 + 1)
    chat.model.current?.addNote('Billy went offline', 0)
    say(14 * 60 + 2)
    expect(messageRows().filter(row => row.includes('Billy  at'))).toHaveLength(3)
    chat.type('/query Carla\r')
    say(14 * 60 + 3)
    chat.type('/query Billy\r')
    expect(chat.screen()).toMatch(/── new ─+\n00:03 {4}Billy {2}at 843/)
  })
})

describe('while scrolled up', () => {
  test('the day of the first visible message is at the top', () => {
    for (let n = 1; n <= 40; n++)
      chat.message(n % 2 === 0 ? 'Anna' : 'Billy', n % 2 === 0 ? 'Billy' : 'Anna', `message ${n}`)
    const top = () => chat.screen().split('\n')[2]
    expect(top()).not.toContain('November')
    chat.type(KEYS.pageUp)
    expect(top()).toMatch(/^── Tuesday, 24 November 2026 ─+$/)
    // At the start, the line of the day is the first row anyway.
    chat.type(KEYS.scrollToStart)
    expect(chat.screen().match(/Tuesday/g)).toHaveLength(1)
    expect(chat.screen()).toContain('message 1\n')
  })

  test('pages leave out no row', () => {
    for (let n = 1; n <= 60; n++) chat.message('Billy', 'Anna', `message ${n}.`)
    const seen = new Set<string>()
    for (let n = 0; n < 12; n++) {
      for (const [text] of chat.screen().matchAll(/message \d+\./g)) seen.add(text)
      chat.type(KEYS.pageUp)
    }
    expect(seen.size).toBe(60)
  })
})

describe('the status bar', () => {
  test('has its own background over the whole width, without faint text', () => {
    const bar = renderScreen(chat.model, DAY).rows.at(-2) ?? []
    expect(bar.every(({ inverse, dim }) => inverse === true && dim === undefined)).toBe(true)
    expect(width(rowText(bar))).toBe(59)
    // Inline, a full row would break when the terminal gets narrower.
    chat.model.isInline = true
    expect(width(rowText(renderInline(chat.model, DAY).rows[0] ?? []))).toBeLessThan(59)
  })

  test('says how to close the help, at every width', () => {
    chat.type('?')
    for (const columns of [20, 40, 80, 200]) {
      chat.resize(columns, 20)
      expect(chat.screen()).toContain('Esc closes the help')
    }
  })
})

test('on a narrow screen the help, the settings and the details have their texts below the labels, whole', () => {
  chat.resize(40, 200)
  chat.type('?')
  expect(chat.screen()).toContain('  /query NAME\n    open the thread with NAME or #ROOM\n')
  expect(
    chat
      .screen()
      .split('\n')
      .some(line => line.trimEnd().endsWith('…')),
  ).toBe(false)
  chat.type(`${KEYS.dismiss}/set${KEYS.enter}`)
  expect(chat.screen()).toContain('  bell on\n    ring the bell for unread messages\n    (or off)\n')
})

test('the header of a narrow screen has a shorter state, not the start of a longer one', () => {
  chat.roster(['Anna'])
  chat.model.openThread('Billy')
  chat.resize(40, 12)
  expect(chat.screen().split('\n')[1]?.trimEnd()).toBe('Billy  ○ offline')
  chat.resize(100, 12)
  expect(chat.screen().split('\n')[1]).toContain('○ offline: messages are delivered when they connect')
})

test('the help has two columns on a wide screen, and all lines are in them', () => {
  chat.resize(100, 50)
  chat.type('?')
  const lines = helpLines(chat.model).length
  chat.resize(200, 70)
  expect(helpLines(chat.model).length).toBeLessThan(lines * 0.75)
  const screen = chat.screen()
  expect(screen).toMatch(/^Commands +Keys$/m)
  chat.resize(100, 500)
  for (const line of helpLines(chat.model)) if (line.type !== 'pair') expect(screen).toContain(line.text)
  for (const mark of '…→✓✗●○×≈') expect(screen).toContain(mark)
  for (const key of ['Ctrl+N', 'Alt+Enter']) expect(screen).toContain(key)
})

test('the sidebar, its line and the messages start at fixed columns', () => {
  chat = new ChatDriver({ ...DEFAULT_PREFERENCES })
  chat.online()
  chat.roster(['Anna', 'Billy'])
  chat.resize(80, 14)
  chat.model.openThread('Billy')
  chat.message('Billy', 'Anna', 'hello')
  const { rows } = renderScreen(chat.model, DAY)
  const columns = (text: string) =>
    columnStops(rows.find(row => rowText(row).includes(text)) ?? []).map(stop => stop.column)
  expect(columns('Billy           │')).toEqual([19, 20])
  expect(columns('hello')).toEqual([20, 22])
})
