/** The screen while the roster is a view: the client knows only some of the users online. */
import { expect, test } from 'vitest'
import { ChatDriver, KEYS } from '../chat-driver.ts'

function setUp() {
  const driver = new ChatDriver()
  driver.online()
  driver.view(9_000, ['Aaron', 'Anna', 'Billy'])
  return driver
}

test('the start of the list is asked for once, and each person with a thread is watched', () => {
  const driver = setUp()
  expect(driver.takeRosterRequests()).toEqual([{ type: 'show-names', after: '', count: 60 }])
  driver.message('Zoe', 'Anna', 'hello')
  driver.type('/msg Billy')
  driver.type(KEYS.enter)
  expect(driver.takeRosterRequests()).toEqual([
    { type: 'watch', users: ['Zoe'] },
    { type: 'watch', users: ['Billy'] },
  ])
  driver.message('Zoe', 'Anna', 'hello again')
  expect(driver.takeRosterRequests()).toEqual([])
})

test('rooms are not watched', () => {
  const driver = setUp()
  driver.takeRosterRequests()
  driver.room('#ops', ['Billy'])
  expect(driver.takeRosterRequests()).toEqual([])
})

test('the sidebar and the status bar count everyone online', () => {
  const driver = setUp()
  const screen = driver.screen()
  expect(screen).toContain('Online 9000')
  expect(screen).toContain('9000 online')
  expect(screen).toContain('Aaron')
  expect(screen).toContain('8997 more')
})

test('a list of users asks the server for what is typed, and shows what it finds', () => {
  const driver = setUp()
  driver.takeRosterRequests()
  driver.type('/who zo')
  driver.type(KEYS.enter)
  expect(driver.takeRosterRequests()).toEqual([{ type: 'find-names', text: 'zo', count: 50 }])
  expect(driver.screen()).not.toContain('Zoe')
  driver.tell({ type: 'names-found', text: 'zo', users: ['Zoe', 'Zora'] })
  expect(driver.screen()).toContain('Zora')
  expect(driver.takeRosterRequests()).toEqual([])
  driver.type('e')
  expect(driver.takeRosterRequests()).toEqual([{ type: 'find-names', text: 'zoe', count: 50 }])
  driver.type(KEYS.enter)
  expect(driver.thread).toBe('Zoe')
})

test('Tab asks the server when the client knows no such name, and completes when the answer comes', () => {
  const driver = setUp()
  driver.takeRosterRequests()
  driver.type('/msg zo')
  driver.type(KEYS.tab)
  expect(driver.takeRosterRequests()).toEqual([{ type: 'find-names', text: 'zo', count: 50 }])
  expect(driver.input).toBe('/msg zo')
  driver.tell({ type: 'names-found', text: 'zo', users: ['Zoe'] })
  expect(driver.input).toBe('/msg Zoe ')
})

test('Tab does not change an input line that was edited meanwhile, and does not ask twice for the same', () => {
  const driver = setUp()
  driver.type('/msg zo')
  driver.type(KEYS.tab)
  driver.type('r')
  driver.tell({ type: 'names-found', text: 'zo', users: [] })
  expect(driver.input).toBe('/msg zor')
  driver.type('\u007f')
  driver.takeRosterRequests()
  driver.type(KEYS.tab)
  expect(driver.takeRosterRequests()).toEqual([])
  expect(driver.input).toBe('/msg zo')
})

test('a name that the client does not know of is looked up before it is called unseen', () => {
  const driver = setUp()
  driver.takeRosterRequests()
  driver.type('/msg Zoe hello')
  driver.type(KEYS.enter)
  expect(driver.notice).toContain('looking for "Zoe"')
  expect(driver.takeRosterRequests()).toContainEqual({ type: 'watch', users: ['Zoe'] })
  driver.view(9_000, ['Aaron', 'Anna', 'Billy', 'Zoe'], ['Zoe'])
  expect(driver.type(KEYS.enter)).toContainEqual({ type: 'send', to: 'Zoe', text: 'hello' })
})

test('a name that the server does not know either is unseen', () => {
  const driver = setUp()
  driver.type('/msg Bily hello')
  driver.type(KEYS.enter)
  driver.view(9_000, ['Aaron', 'Anna', 'Billy'])
  expect(driver.type(KEYS.enter)).not.toContainEqual(expect.objectContaining({ type: 'send' }))
  expect(driver.notice).toContain('did you mean Billy?')
})

test('that a user is online is news only if the user was offline before', () => {
  const driver = setUp()
  driver.model.preferences = { ...driver.model.preferences, notes: true }
  driver.type('/msg Zoe')
  driver.type(KEYS.enter)
  driver.view(9_000, ['Aaron', 'Anna', 'Billy', 'Zoe'], ['Zoe'])
  expect(driver.screen()).not.toContain('Zoe is online')
  driver.type('/msg Zora')
  driver.type(KEYS.enter)
  driver.view(9_000, ['Aaron', 'Anna', 'Billy', 'Zoe'])
  driver.view(9_001, ['Aaron', 'Anna', 'Billy', 'Zoe', 'Zora'], ['Zora'])
  expect(driver.screen()).toContain('Zora is online')
})

test('a thread that is opened is watched again: its user may have been dropped', () => {
  const driver = setUp()
  for (const name of ['Zoe', 'Zora', 'Zoe']) {
    driver.takeRosterRequests()
    driver.type(`/msg ${name}`)
    driver.type(KEYS.enter)
    expect(driver.takeRosterRequests()).toContainEqual({ type: 'watch', users: [name] })
  }
})
