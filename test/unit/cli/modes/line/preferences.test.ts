/** Line mode: the bell, notifications, marks and output follow the preferences, and commands change these. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { DEFAULT_PREFERENCES, type Preferences } from '../../../../../cli/chat/model/preferences.ts'
import type { LineTerminal } from '../../../../../cli/modes/line/alerts.ts'
import { LineMode } from '../../../../../cli/modes/line/line-mode.ts'
import { NO_SERVICES } from '../../../../../cli/modes/line/services.ts'
import { LineSources } from '../../../../../cli/modes/line/sources.ts'
import type { SessionEvent } from '../../../../../src/client/events.ts'
import { SortedNames } from '../../../../../src/common/sorted-names.ts'
import { formatContent } from '../../../../../src/protocol/message-kinds.ts'

const AT = new Date(2026, 10, 24, 9, 5).getTime()
const BEL = '\u0007'
const ESC = '\u001b'

let out: string[]
let err: string[]
let written: string
let mode: LineMode
let preferences: Preferences
let messages: number

beforeEach(() => {
  vi.useFakeTimers({ now: AT })
  written = ''
  preferences = { ...DEFAULT_PREFERENCES, notify: 'off' }
  start({ write: text => (written += text), hasEscapes: true })
})
afterEach(() => void vi.useRealTimers())

function start(terminal: LineTerminal | undefined): void {
  messages = 0
  out = []
  err = []
  const output = { log: (line: string) => out.push(line), error: (line: string) => err.push(line) }
  mode = new LineMode('Anna', ['Billy'], output, () => undefined, Date.now, {
    ...NO_SERVICES,
    preferences: () => preferences,
    savePreferences: changed => {
      preferences = changed
    },
    terminal,
  })
  mode.handleEvent({ type: 'connection', state: { phase: 'online', server: 's', url: 'http://x' } })
  err.length = 0
}

/** Enters lines, and returns what is printed, without the confirmations of `/to`. */
function enter(...lines: string[]): string[] {
  for (const line of lines) mode.handleLine(line, () => {})
  return err.splice(0).filter(line => !line.startsWith('* lines go to '))
}

type MessageEvent = Extract<SessionEvent, { type: 'message' }>

/** Returns the line that is printed for a message. */
function receive(from: string, to: string, text: string, change: Partial<MessageEvent> = {}): string | undefined {
  messages++
  mode.handleEvent({
    type: 'message',
    message: { id: `m${messages}`, at: AT + messages, from, to, text },
    origin: 'live',
    ...change,
  })
  return out.pop()
}

/** What was written to the terminal since the last call, after the delay. */
function alerts(): string {
  vi.advanceTimersByTime(600)
  const all = written
  written = ''
  return all
}

function room(members: readonly string[], change: { joined?: string[]; left?: string[] } = {}): string[] {
  const names = new SortedNames()
  names.reset(members)
  const event = { type: 'room', room: '#ops', state: { state: 'joined' }, info: {}, joined: [], left: [] } as const
  mode.handleEvent({ ...event, members: names, ...change })
  return err.splice(0)
}

describe('the bell', () => {
  test('rings for live messages of others, and not for changes, history and ignored users', () => {
    receive('Billy', 'Anna', 'Hi')
    expect(alerts()).toBe(BEL)
    receive('Billy', '#ops', 'Hi all')
    expect(alerts()).toBe(BEL)
    receive('Anna', 'Billy', 'mine')
    receive('Billy', 'Anna', 'old', { origin: 'history' })
    const target = { id: 'm1', from: 'Billy' }
    receive('Billy', 'Anna', formatContent({ kind: 'edit', target, text: 'Ho' }, 'Billy'))
    preferences = { ...preferences, ignored: ['Carla'] }
    receive('Carla', 'Anna', 'hidden')
    expect(alerts()).toBe('')
  })

  test('does not ring if it is off, without a terminal, or for a message that another client has read', () => {
    enter('/set bell off')
    receive('Billy', 'Anna', 'Hi')
    expect(alerts()).toBe('')
    enter('/set bell on')
    receive('Billy', 'Anna', 'Hi')
    mode.handleEvent({ type: 'read', thread: 'Billy', at: AT + messages })
    expect(alerts()).toBe('')
    receive('Billy', 'Anna', 'a new one')
    expect(alerts()).toBe(BEL)
    receive('Billy', 'Anna', 'an old one', { late: true })
    mode.handleEvent({ type: 'read', thread: 'Billy', at: AT + messages })
    expect(alerts()).toBe(BEL)
    start(undefined)
    receive('Billy', 'Anna', 'Hi')
    expect(alerts()).toBe('')
  })

  test('/mute turns it off for a user or a room, except for mentions, and on again', () => {
    expect(enter('/mute', '/mute #OPS', '/to Billy', '/mute')).toEqual([
      'usage: /mute NAME',
      '* #ops is muted; /mute #ops again to undo',
      '* Billy is muted; /mute Billy again to undo',
    ])
    expect(preferences.muted).toEqual(['#ops', 'Billy'])
    receive('Billy', 'Anna', 'Hi')
    receive('Carla', '#ops', 'Hi all')
    expect(alerts()).toBe('')
    receive('Carla', '#ops', 'Hi Anna')
    expect(alerts()).toBe(BEL)
    expect(enter('/mute Billy', '/mute #', '/mute "Billy')).toEqual([
      '* Billy is no longer muted',
      expect.stringMatching(/^\w/),
      'put the name in quotes: "NAME"',
    ])
    receive('Billy', 'Anna', 'Hi')
    expect(alerts()).toBe(BEL)
  })
})

describe('notifications', () => {
  test('announce messages to the user alone and mentions, as the setting says', () => {
    enter('/set bell off', '/set notify osc9')
    receive('Billy', 'Anna', 'Hi')
    expect(alerts()).toContain(`${ESC}]9;Billy: Hi`)
    receive('Billy', '#ops', 'Hi all')
    expect(alerts()).toBe('')
    receive('Billy', '#ops', 'Hi Anna')
    expect(alerts()).toContain(`${ESC}]9;#ops: Billy: Hi Anna`)
    enter('/set notify off')
    receive('Billy', 'Anna', 'Hi')
    expect(alerts()).toBe('')
  })

  test('write no escape sequences to a terminal that has none', () => {
    preferences = { ...preferences, notify: 'osc9' }
    start({ write: text => (written += text), hasEscapes: false })
    receive('Billy', 'Anna', 'Hi')
    enter('/clear')
    expect(alerts()).toBe(BEL)
  })
})

describe('messages of rooms', () => {
  test('that mention the user, have a highlighted word or reply to the user are marked', () => {
    expect(receive('Billy', '#ops', 'Hi all')).toBe('09:05 #ops Billy: Hi all')
    expect(receive('Billy', '#ops', 'Hi @anna')).toBe('09:05 #ops Billy (mentions you): Hi @anna')
    expect(receive('Billy', '#ops', '/me greets Anna')).toBe('09:05 #ops * Billy (mentions you) greets Anna')
    expect(receive('Billy', '#ops', '> Hi?\nyes\n⟦reply m Anna⟧')).toContain('#ops Billy (mentions you): > Hi?')
    expect(receive('Billy', 'Anna', 'Hi Anna')).toBe('09:05 Billy: Hi Anna')
    expect(receive('Anna', '#ops', 'I am Anna')).toBe('09:05 to #ops: I am Anna')
    expect(enter('/highlight', '/highlight deploy', '/highlight')).toEqual([
      '* no words are highlighted',
      '* deploy is highlighted in new messages of rooms',
      '* highlighted: deploy',
    ])
    expect(receive('Billy', '#ops', 'Deploy now')).toBe('09:05 #ops Billy (mentions you): Deploy now')
    expect(enter('/highlight deploy')).toEqual(['* deploy is no longer highlighted'])
    expect(receive('Billy', '#ops', 'Deploy now')).toBe('09:05 #ops Billy: Deploy now')
  })

  test('no name can look like the mark', () => {
    expect(receive('Billy (mentions you)', '#ops', 'Hi')).toBe('09:05 #ops "Billy (mentions you)": Hi')
  })
})

describe('/set', () => {
  test('lists the settings of line mode apart from those of the full screen, shows and changes one', () => {
    expect(enter('/set')).toEqual([
      '* bell on, notify off, notes on, joins auto; only on the full screen: sidebar auto, title on, mouse on, links auto, typing on, formatting on, theme calm',
    ])
    expect(enter('/set bell', '/set theme', '/set theme mono', '/set bell loud', '/set nonsense')).toEqual([
      '* bell on (on, off): ring the bell for unread messages',
      expect.stringMatching(/^\* theme calm \(.*\): colors \(only on the full screen\)$/),
      '* theme mono (only on the full screen)',
      '* bell must be one of: on, off',
      '* unknown setting nonsense; /set lists the settings',
    ])
    expect(preferences).toEqual({ ...DEFAULT_PREFERENCES, notify: 'off', theme: 'mono' })
  })

  test('notes off: does not say who comes and goes', () => {
    const users = new SortedNames()
    const change = (joined: string[], left: string[]) => {
      for (const name of joined) users.add(name)
      for (const name of left) users.delete(name)
      mode.handleEvent({ type: 'roster', users, joined, left })
      return err.splice(0)
    }
    expect(change(['Anna', 'Billy'], [])).toEqual(['* online: Anna, Billy'])
    expect(change(['Carla'], [])).toEqual(['* Carla is online'])
    enter('/set notes off')
    expect(change(['Emil'], ['Carla'])).toEqual([])
    expect(enter('/who')).toEqual(['* online: Anna, Billy, Emil'])
  })

  test('joins: says always, never, or in small rooms who joins and leaves', () => {
    const crowd = Array.from({ length: 40 }, (_, n) => `User ${n + 10}`)
    room(['Anna'])
    expect(room(['Anna', 'Billy'], { joined: ['Billy'] })).toEqual(['* #ops: Billy joined'])
    enter('/set joins off')
    expect(room(['Anna'], { left: ['Billy'] })).toEqual([])
    enter('/set joins on')
    expect(room([...crowd, 'Anna'], { joined: crowd })).toEqual([
      `* #ops: ${crowd.slice(0, 20).join(', ')} and 20 more joined`,
    ])
    enter('/set joins auto')
    expect(room(crowd, { left: ['Anna'] })).toEqual([])
  })
})

describe('/raw', () => {
  test('prints the source of the last message of others, or of an earlier one', () => {
    expect(enter('/raw')).toEqual(['no recipient; choose one with /to NAME or /join #ROOM'])
    receive('Billy', 'Anna', '> Hi?\nif (x) {\n\ty = `1`\n}\n⟦reply m Anna⟧')
    receive('Billy', 'Anna', 'two\u001b[2J')
    receive('Anna', 'Billy', 'mine')
    expect(enter('/raw', '/raw -2')).toEqual([
      '* Billy wrote:',
      '  two\\u{1b}[2J',
      '* Billy wrote:',
      ...['  if (x) {', expect.stringMatching(/^ {2}\s+y = `1`$/), '  }'],
    ])
    expect(enter('/raw -3', '/raw now')).toEqual(['* no such message here', 'usage: /raw [-N|@NAME]'])
    receive('Carla', '#ops', 'in the room')
    receive('Billy', '#ops', 'too')
    expect(enter('/to #ops', '/raw', '/raw @Carla')).toEqual([
      ...['* Billy wrote:', '  too'],
      ...['* Carla wrote:', '  in the room'],
    ])
  })

  test('prints the new text of an edited message', () => {
    receive('Billy', 'Anna', 'Hi')
    receive('Billy', 'Anna', formatContent({ kind: 'edit', target: { id: 'm1', from: 'Billy' }, text: 'Ho' }, 'Billy'))
    receive('Carla', 'Anna', formatContent({ kind: 'edit', target: { id: 'm1', from: 'Billy' }, text: 'No' }, 'Carla'))
    expect(enter('/to Billy', '/raw')).toEqual(['* Billy wrote:', '  Ho'])
  })

  test('takes messages that are no longer in memory from the history', () => {
    const target = { id: 'm', from: 'Billy' }
    const stored = { ...target, at: AT, to: 'Anna', text: 'Hi' }
    const edit = { id: 'e', at: AT + 1, from: 'Billy', content: { kind: 'edit', target, text: 'Ho' } } as const
    const history = { find: () => stored, changesOf: () => [edit] }
    expect(new LineSources('Anna', () => history).lines('Billy', target)).toEqual(['  Ho'])
    expect(new LineSources('Anna', () => undefined).lines('Billy', target)).toBeUndefined()
    const sources = new LineSources('Anna', () => undefined)
    for (let n = 1; n <= 201; n++) sources.observe({ ...stored, id: `${n}` })
    expect(sources.lines('Billy', { id: '1', from: 'Billy' })).toBeUndefined()
    expect(sources.lines('Billy', { id: '2', from: 'Billy' })).toEqual(['  Hi'])
  })
})

test('/close forgets the recipient', () => {
  expect(enter('/to Billy', '/close', 'Hi', '/close')).toEqual([
    '* Billy is no longer the recipient; choose one with /to NAME',
    'no recipient; choose one with /to NAME or /join #ROOM',
    'no recipient; choose one with /to NAME or /join #ROOM',
  ])
})

test('/clear clears a terminal, and does nothing without one', () => {
  expect(enter('/clear')).toEqual([])
  expect(written).toBe(`${ESC}[H${ESC}[2J`)
  start(undefined)
  expect(enter('/clear')).toEqual([])
})
