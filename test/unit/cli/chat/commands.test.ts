/** Slash commands: how a line is parsed, and what each command does. */
import { beforeEach, describe, expect, test } from 'vitest'
import { COMMANDS } from '../../../../cli/chat/model/commands/commands.ts'
import { runCommand } from '../../../../cli/chat/model/commands/run-command.ts'
import type { ScreenRequest } from '../../../../cli/chat/model/model.ts'
import { fingerprint } from '../../../../cli/keys/fingerprint.ts'
import { ChatDriver } from './chat-driver.ts'

const SAVE = { type: 'save' } as const
const key = (letter: string) => Buffer.alloc(32, letter).toString('base64url')

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.online()
  chat.roster(['Anna', 'Anna Bell', 'Billy', 'Carla'])
})

const run = (line: string): ScreenRequest[] => {
  chat.model.notice = undefined
  return runCommand(chat.model, line)
}

/** Tells the model about the keys of a mesh that uses them. */
function tellKeys(state: 'new' | 'changed' = 'new', user = 'Billy'): void {
  const known = new Map([['Billy', key('b')]])
  chat.tell({ type: 'key', user, key: state === 'changed' ? key('x') : key('b'), state, own: key('a'), known })
}

describe('a command line', () => {
  test.each([
    ['unknown', 'nonsense', 'unknown command /nonsense; see /help'],
    ['misspelt', 'sarch x', 'unknown command /sarch; did you mean /search?'],
    ['the name of a setting', 'theme light', 'unknown command /theme; did you mean /set theme?'],
    ['empty', '', 'unknown command /; see /help'],
    ['ambiguous', 'q', 'unknown command /q; see /help'],
    ['without a required argument', 'msg', undefined],
  ])('that is %s gets an error', (_, line, error) => {
    run(line)
    if (error === undefined) expect(chat.model.notice).toEqual({ text: 'usage: /msg NAME [TEXT]', tone: 'error' })
    else expect(chat.model.notice).toEqual({ text: error, tone: 'error' })
  })

  test('may shorten the name of a command to a unique prefix', () => {
    expect(run('qui')).toEqual([{ type: 'quit' }])
    expect(run('ms Billy hello')).toContainEqual({ type: 'send', to: 'Billy', text: 'hello' })
  })

  test('needs arguments exactly where the usage shows some without brackets', () => {
    for (const { name, usage } of COMMANDS) {
      run(name)
      const needsArguments = usage.replace(/\[.*?\]+/g, '').trim() !== ''
      expect(chat.notice === `usage: /${name} ${usage}`, name).toBe(needsArguments)
    }
  })
})

describe('/msg', () => {
  test('opens the thread and sends the text', () => {
    expect(run('msg Billy Hi there')).toEqual([{ type: 'send', to: 'Billy', text: 'Hi there' }, SAVE])
    expect(chat.thread).toBe('Billy')
  })

  test('without a text only opens the thread', () => {
    expect(run('msg Billy')).toEqual([SAVE])
    expect(chat.thread).toBe('Billy')
  })

  test.each([
    ['msg Anna Bell hello', 'Anna Bell', 'hello'],
    ['msg Anna Belle hello', 'Anna', 'Belle hello'],
    ['msg Billy\nfirst\nsecond', 'Billy', 'first\nsecond'],
    ['msg "Anna Bell" hello', 'Anna Bell', 'hello'],
    ['msg "Anna" Bell hello', 'Anna', 'Bell hello'],
    ['msg Anna Seen hello', 'Anna Seen', 'hello'],
    ['msg Anna Key hello', 'Anna Key', 'hello'],
    ['msg Anna Member hello', 'Anna Member', 'hello'],
  ])('takes the longest known name, or one in quotes: %j', (line, to, text) => {
    chat.message('Anna Seen', 'Anna', 'from the history')
    chat.tell({
      type: 'key',
      user: 'x',
      key: key('x'),
      state: 'new',
      own: key('a'),
      known: new Map([['Anna Key', 'k']]),
    })
    chat.room('#ops', ['Anna Member'])
    expect(run(line)).toContainEqual({ type: 'send', to, text })
  })

  test('rejects an invalid name', () => {
    run(`msg ${'x'.repeat(65)} hello`)
    expect(chat.model.notice).toEqual({ text: 'a user name can have at most 64 characters', tone: 'error' })
    expect(chat.thread).toBeUndefined()
  })
})

describe('a /msg that may be for either of two users', () => {
  const QUESTION = 'to "Billy Bo", or to Billy? Enter sends to "Billy Bo", Tab takes Billy'
  beforeEach(() => chat.roster(['Anna', 'Billy', 'Billy Bo']))

  test('asks once; Enter sends to the longer name', () => {
    expect(run('msg Billy Bo hello')).toEqual([{ type: 'save' }])
    expect([chat.notice, chat.thread, chat.input]).toEqual([QUESTION, 'Billy Bo', 'hello'])
    expect(chat.type('\r')).toContainEqual({ type: 'send', to: 'Billy Bo', text: 'hello' })
    expect(run('msg Billy Bo again')).toContainEqual({ type: 'send', to: 'Billy Bo', text: 'again' })
  })

  test('Tab takes the shorter one, unless there is a draft', () => {
    run('msg Billy Bo hello')
    expect(chat.type('\t\r')).toContainEqual({ type: 'send', to: 'Billy', text: 'Bo hello' })
    const other = new ChatDriver()
    other.roster(['Anna', 'Billy', 'Billy Bo'])
    other.model.openThread('Billy Bo')
    other.type('a draft')
    runCommand(other.model, 'msg Billy Bo hello')
    expect([other.notice, other.input]).toEqual([
      'to "Billy Bo", or to Billy? Enter sends to "Billy Bo", for Billy write /msg "Billy" …',
      'a draft\nhello',
    ])
  })
})

test.each([
  ['msg "Anna Bell hello', 'put the name in quotes: "NAME"'],
  ['query Anna Belle', 'never seen "Anna Belle"; write only Anna, or the whole name in quotes'],
  ['ignore "Anna Bell" x', 'unexpected text after the name: x'],
])('says what is ambiguous: %j', (line, notice) => {
  run(line)
  expect(chat.notice).toBe(notice)
})

test.each([
  ['query Anna Bell', 'Anna Bell'],
  ['query "Not Seen"', 'Not Seen'],
  ['query Not Seen', 'Not Seen'],
])('%s opens the thread with the whole name', (line, name) => {
  expect(run(line)).toEqual([SAVE])
  expect(chat.thread).toBe(name)
})

test('/query opens a thread', () => {
  expect(run('query Carla')).toEqual([SAVE])
  expect(chat.thread).toBe('Carla')
})

test('/reply sends to the user who wrote last', () => {
  run('reply hello')
  expect(chat.model.notice).toEqual({ text: 'no messages received yet', tone: 'error' })
  chat.message('Billy', 'Anna', 'first')
  chat.message('Carla', 'Anna', 'second')
  expect(run('reply hello')).toEqual([{ type: 'send', to: 'Carla', text: 'hello' }, SAVE])
  expect(chat.thread).toBe('Carla')
})

test('/who opens the list of online users, filtered', () => {
  expect(run('who bil')).toEqual([])
  expect(chat.model.finder?.kind).toBe('users')
  expect(chat.input).toBe('bil')
})

test('/search starts a search of the open thread', () => {
  run('search needle')
  expect(chat.notice).toBe('no thread is open')
  chat.model.openThread('Billy')
  expect(run('search needle')).toEqual([{ type: 'search', text: 'needle', older: false }])
  expect(chat.model.search?.state).toBe('searching')
})

test('/close closes the thread and opens the most recent other one', () => {
  run('close')
  expect(chat.notice).toBe('no thread is open')
  chat.message('Carla', 'Anna', 'old')
  chat.message('Billy', 'Anna', 'new')
  run('query Zoe')
  expect(run('close')).toEqual([SAVE])
  expect(chat.thread).toBe('Billy')
  run('close')
  run('close')
  expect(chat.thread).toBeUndefined()
  expect(chat.model.threads.size).toBe(0)
})

test('/clear empties the view of the thread', () => {
  chat.message('Billy', 'Anna', 'hello')
  run('query Billy')
  expect(run('clear')).toEqual([])
  expect(chat.model.current?.entries).toEqual([])
})

test('/mute turns the bell of a user off, and on again', () => {
  run('mute')
  expect(chat.notice).toBe('usage: /mute NAME')
  expect(run('mute Billy')).toEqual([SAVE])
  expect(chat.model.preferences.muted).toEqual(['Billy'])
  expect(chat.message('Billy', 'Anna', 'quiet')).toEqual([])
  run('query Billy')
  run('mute')
  expect(chat.model.preferences.muted).toEqual([])
  expect(chat.notice).toBe('Billy is no longer muted')
})

test('/ignore hides the messages of a user until /unignore', () => {
  run('unignore')
  expect(chat.notice).toBe('no users are ignored')
  expect(run('ignore Carla')).toEqual([SAVE])
  run('ignore Carla')
  expect(chat.model.preferences.ignored).toEqual(['Carla'])
  expect(chat.message('Carla', 'Anna', 'hidden')).toEqual([])
  expect(chat.model.threads.has('Carla')).toBe(false)
  run('unignore')
  expect(chat.notice).toBe('ignored: Carla')
  run('unignore Billy')
  expect(chat.model.notice).toEqual({ text: 'Billy is not ignored', tone: 'error' })
  expect(run('unignore Carla')).toEqual([SAVE])
  expect(chat.message('Carla', 'Anna', 'shown')).toContainEqual({ type: 'bell', thread: 'Carla' })
})

test('/ignore and /mute suggest a known name for one that was never seen', () => {
  run('ignore Bily')
  expect(chat.notice).toBe('Bily is ignored; /unignore Bily to undo; did you mean Billy?')
  run('unignore Bill')
  expect(chat.notice).toBe('Bill is not ignored; did you mean Bily?')
  run('mute Bily')
  expect(chat.notice).toBe('Bily is muted; /mute Bily again to undo; did you mean Billy?')
})

describe('/key', () => {
  test('needs a mesh that uses keys', () => {
    run('key')
    expect(chat.model.notice).toEqual({ text: 'this mesh does not use user keys', tone: 'error' })
  })

  test("shows the user's own key while no thread is open", () => {
    tellKeys()
    run('key')
    expect(chat.notice).toBe(`your key: ${fingerprint(key('a'))}`)
  })

  test('shows both keys in the thread, and a changed key as a warning', () => {
    tellKeys('changed')
    run('key Billy')
    const texts = () => chat.model.current?.entries.slice(-3).map(({ kind, text }) => `${kind}: ${text}`)
    expect(texts()).toEqual([
      `note: your key: ${fingerprint(key('a'))}`,
      `note: key of Billy: ${fingerprint(key('b'))}`,
      `warning: new key, not trusted: ${fingerprint(key('x'))}`,
    ])
    run('key Carla')
    expect(texts()?.at(-1)).toBe('note: key of Carla: not known yet')
  })
})

test('/trust accepts a changed key only with the words of this key', () => {
  tellKeys()
  run('trust Billy')
  expect(chat.model.notice).toEqual({ text: 'the key of Billy has not changed', tone: 'error' })
  run('trust Billy some words')
  expect(chat.notice).toBe('the key of Billy has not changed')
  tellKeys('changed')
  const words = fingerprint(key('x'))
  expect(run('trust Billy')).toEqual([])
  expect(chat.notice).toContain(`the words of the new key of Billy are: ${words}.`)
  expect(run(`trust Billy ${fingerprint(key('y'))}`)).toEqual([])
  expect(chat.notice).toContain('these are not the words of the new key of Billy')
  expect(run(`trust Billy ${words}`)).toEqual([{ type: 'trust', user: 'Billy', key: key('x') }])
})

test('/trust says that a mesh without keys has none', () => {
  run('trust Billy some words')
  expect(chat.notice).toBe('this mesh does not use user keys')
})

test('/trust shows the words in the open thread, which has room for them', () => {
  tellKeys('changed')
  chat.model.openThread('Billy')
  run('trust Billy')
  expect(chat.model.current?.entries.at(-1)).toMatchObject({ kind: 'warning' })
  expect(chat.model.current?.entries.at(-1)?.text).toContain(fingerprint(key('x')))
})

describe('/set', () => {
  test.each([
    ['set bell', 'bell on (on, off): ring the bell for unread messages'],
    ['set nonsense', 'unknown setting nonsense; /set lists the settings'],
    ['set bel off', 'unknown setting bel; did you mean bell? /set lists the settings'],
    ['set theme pink', 'theme must be one of: calm, blue, amber, mono'],
  ])('/%s changes nothing', (line, notice) => {
    const before = chat.model.preferences
    expect(run(line)).toEqual([])
    expect(chat.notice).toBe(notice)
    expect(chat.model.preferences).toBe(before)
  })

  test.each([
    ['set theme mono', { theme: 'mono' }],
    ['set bell off', { bell: false }],
    ['set sidebar off', { sidebar: 'off' }],
    ['set joins on', { joins: 'on' }],
  ])('/%s changes a preference', (line, changed) => {
    expect(run(line)).toEqual([SAVE])
    expect(chat.model.preferences).toMatchObject(changed)
  })
})

test('/help opens the help at its start', () => {
  chat.model.overlayTop = 7
  expect(run('help')).toEqual([])
  expect([chat.model.overlay, chat.model.overlayTop]).toEqual(['help', 0])
})

test('/quit quits', () => {
  expect(run('quit')).toEqual([{ type: 'quit' }])
})
