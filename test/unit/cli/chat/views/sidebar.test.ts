/** The sidebar: which threads it shows, their numbers, and the users who are online besides. */
import { beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_PREFERENCES } from '../../../../../cli/chat/model/preferences.ts'
import { rowText } from '../../../../../cli/chat/views/row.ts'
import { sidebarRows } from '../../../../../cli/chat/views/sidebar.ts'
import { ChatDriver } from '../chat-driver.ts'

const F7 = '\u001b[18~'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.online()
})

const rows = (height = 20) => sidebarRows(chat.model, 20, height).map(row => rowText(row).trimEnd())
const numbered = () => rows().flatMap(row => /^(\d) \S (\S+)/.exec(row)?.slice(1, 3).join(' ') ?? [])

describe('the numbers of threads', () => {
  test('stay while the threads are listed, whatever arrives and whichever is opened', () => {
    for (const name of ['Billy', 'Carla', 'Dora']) chat.message(name, 'Anna', 'hi')
    expect(numbered()).toEqual(['1 Dora', '2 Carla', '3 Billy'])
    chat.message('Billy', 'Anna', 'newer')
    chat.message('Emil', 'Anna', 'hello')
    chat.room('#ops', [])
    expect(numbered()).toEqual(['4 #ops', '1 Dora', '2 Carla', '3 Billy', '5 Emil'])
    chat.type('\u001b3')
    expect(chat.thread).toBe('Billy')
    chat.type('\u001b5')
    expect(chat.thread).toBe('Emil')
    expect(numbered()).toEqual(['4 #ops', '1 Dora', '2 Carla', '3 Billy', '5 Emil'])
  })

  test('of a closed thread goes to the next one without a number', () => {
    for (let n = 1; n <= 10; n++) chat.message(`User-${n}`, 'Anna', 'hi')
    expect(numbered()).toHaveLength(9)
    expect(numbered().join()).not.toContain('User-1,')
    chat.model.openThread('User-5')
    chat.type('/close\r')
    expect(numbered()).toEqual([
      '1 User-10',
      '2 User-9',
      '3 User-8',
      '4 User-7',
      '5 User-6',
      '6 User-1',
      '7 User-4',
      '8 User-3',
      '9 User-2',
    ])
  })

  test('Alt with a number that no thread has does nothing', () => {
    expect([chat.type('\u001b7'), chat.thread]).toEqual([[], undefined])
  })
})

test('threads without a number: those with unread messages come first', () => {
  for (let n = 1; n <= 20; n++) {
    chat.model.openThread(`User-${n}`)
    chat.message(`User-${n}`, 'Anna', 'hi')
  }
  rows()
  chat.message('User-3', 'Anna', 'unread')
  const names = chat.model.listedThreads().map(({ name }) => name)
  expect(names.slice(9, 11)).toEqual(['User-3', 'User-11'])
})

test.each([1, 2, 3, 4, 5, 6, 7, 8, 12, 20])('the open thread is visible in %i rows', height => {
  for (let n = 1; n <= 12; n++) chat.room(`#room-${n}`, [])
  for (let n = 1; n <= 12; n++) chat.message(`User-${n}`, 'Anna', 'hi')
  chat.roster(Array.from({ length: 50 }, (_, n) => `Online ${n}`).sort())
  for (const name of ['#room-1', '#room-7', '#room-12', 'User-1', 'User-7', 'User-12']) {
    chat.model.openThread(name)
    const shown = rows(height)
    expect(shown).toHaveLength(height)
    expect(shown.filter(row => row.split(' ').includes(name))).toHaveLength(1)
  }
})

test('users with a thread are listed once, and counted', () => {
  chat.roster(['Anna', 'Billy', 'Carla', 'Dora'])
  chat.tell({ type: 'connections', connections: new Map([['Billy', 3]]) })
  chat.message('Billy', 'Anna', 'hi')
  chat.message('Zoe', 'Anna', 'hi')
  expect(rows(9)).toEqual([
    'Threads',
    '1 ○ Zoe           1',
    '2 ● Billy      ×3 1',
    '',
    'Also online 3',
    ' Anna (you)',
    ' Carla',
    ' Dora',
    '',
  ])
  chat.roster(['Billy', ...Array.from({ length: 10 }, (_, n) => `User ${n}`)])
  expect(rows(9).slice(-4)).toEqual([' User 0', ' User 1', ' User 2', ' … 7 more'])
})

test('without a connection no user is shown as online, nor counted', () => {
  chat.roster(['Anna', 'Billy', 'Carla'])
  chat.tell({ type: 'connections', connections: new Map([['Billy', 3]]) })
  chat.message('Billy', 'Anna', 'hi')
  chat.tell({ type: 'connection', state: { phase: 'waiting', reason: 'refused', retryAt: 0, attempt: 1 } })
  expect(rows(8)).toEqual(['Threads', '1 · Billy         1', '', 'Last online', ' Anna (you)', ' Carla', '', ''])
  const dim = sidebarRows(chat.model, 20, 8).slice(3, 6)
  for (const [segment] of dim) expect(segment?.dim).toBe(true)
  chat.type('\u000f')
  expect(chat.screen()).not.toMatch(/[●○] (?:Billy|Carla)/)
  chat.online()
  expect(rows(8)).toContain('1 ● Billy      ×3 1')
  expect(rows(8)).toContain('Also online 2')
})

test('the title of the users online counts those below it', () => {
  expect(rows(8)).toContain('Online 0')
  chat.roster(['Anna', 'Billy'])
  expect(rows(8)).toContain('Online 2')
  chat.message('Billy', 'Anna', 'hi')
  expect(rows(8).slice(-5)).toEqual(['Also online 1', ' Anna (you)', '', '', ''])
  chat.message('Anna', 'Anna', 'note to self')
  expect(rows(8).join()).not.toContain('nline')
})

test('a thread with a draft is marked, but not the open one, whose draft is in the input line', () => {
  for (const name of ['Billy', 'Carla']) chat.message(name, 'Anna', 'hi')
  chat.model.openThread('Billy')
  chat.type('a draft')
  expect(rows()[2]).toBe('2 ○ Billy')
  chat.type('\u001b1')
  expect(rows()[2]).toBe('2 ○ Billy         *')
  chat.type('\u000f')
  expect(chat.screen()).toContain('○ Billy *')
})

test('a mention is counted once: as a mention, not among the other unread messages', () => {
  chat.room('#ops', ['Carla'])
  chat.message('Carla', '#ops', 'Anna?')
  expect(rows()[1]).toBe('1 ● #ops         @1')
  chat.message('Carla', '#ops', 'hello?')
  expect(rows()[1]).toBe('1 ● #ops       @1 1')
  chat.resize(80, 11)
  expect(chat.screen()).toContain('0 online  @1 1 unread')
})

test('muted threads are marked, also in the header', () => {
  chat.message('Billy', 'Anna', 'hi')
  chat.type('/mute Billy\r')
  expect(rows()[1]).toBe('1 ○ Billy       ~ 1')
  expect(sidebarRows(chat.model, 20, 9)[1]).toContainEqual(
    expect.objectContaining({ text: expect.stringMatching(/^Billy/), dim: true }),
  )
  chat.model.openThread('Billy')
  expect(chat.screen()).toContain('│ Billy  ~ muted  ○ offline')
})

describe('the setting sidebar', () => {
  const isShown = (columns: number) => {
    chat.resize(columns, 11)
    return chat.screen().includes('│')
  }

  test('is auto by default: the sidebar is shown from 80 columns on', () => {
    chat = new ChatDriver(DEFAULT_PREFERENCES)
    expect([79, 80].map(isShown)).toEqual([false, true])
    chat.type('/set sidebar on\r')
    expect([39, 40, 79].map(isShown)).toEqual([false, true, true])
    chat.type('/set sidebar off\r')
    expect([79, 200].map(isShown)).toEqual([false, false])
  })

  test('F7 hides what is shown and shows what is hidden', () => {
    chat = new ChatDriver(DEFAULT_PREFERENCES)
    const press = (columns: number) => {
      chat.resize(columns, 11)
      chat.type(F7)
      return chat.model.preferences.sidebar
    }
    expect([press(100), press(100), press(60), press(60)]).toEqual(['off', 'auto', 'on', 'off'])
  })
})

test('without the sidebar, the status row says which threads have unread messages: mentions first', () => {
  chat = new ChatDriver(DEFAULT_PREFERENCES)
  chat.online()
  chat.room('#ops', ['Carla'])
  for (const name of ['Billy', 'Dora', 'Emil']) chat.message(name, 'Anna', 'hi')
  chat.model.openThread('Emil')
  chat.type('x')
  chat.message('Carla', '#ops', 'Anna?')
  chat.resize(76, 11)
  expect(chat.screen()).toContain('0 online  unread: 1:#ops @1 3:Dora 1 4:Billy 1')
  chat.message('Gero', 'Anna', 'hi')
  expect(chat.screen()).toContain('4:Billy 1 …')
  chat.resize(80, 11)
  expect(chat.screen()).toContain('0 online  @1 3 unread')
})

test('names that look like another one are marked everywhere', () => {
  chat.room('#ops', ['Billy', 'BiIly'])
  chat.roster(['Anna', 'BiIly', 'Billy'], ['Anna', 'BiIly', 'Billy'])
  const id = chat.compose('#ops', 'hello')
  chat.message('BiIly', '#ops', 'I am Billy')
  chat.tell({
    type: 'progress',
    id,
    to: '#ops',
    progress: { state: 'delivered', connections: 1, of: 2, names: ['BiIly'] },
  })
  chat.model.openThread('#ops')
  chat.resize(100, 24)
  expect(rows().filter(row => row.includes('≈'))).toEqual([' BiIly ≈', ' Billy ≈'])
  expect(chat.screen()).toMatch(/BiIly≈ I am Billy/)
  chat.type('\u001bi')
  expect(chat.screen()).toMatch(/Delivered to\n +BiIly ≈\n[\s\S]*room now\n +Billy ≈/)
})
