/** What keys do while no list, search or help is open. */
import { beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_PREFERENCES } from '../../../../cli/chat/model/preferences.ts'
import { ChatDriver, ctrl, KEYS, paste } from './chat-driver.ts'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.online()
  chat.roster(['Anna', 'Billy', 'Carla'])
})

describe('Enter', () => {
  test('sends the input to the open thread', () => {
    chat.model.openThread('Billy')
    expect(chat.type('hello\r')).toEqual([{ type: 'send', to: 'Billy', text: 'hello' }])
    expect(chat.type('two\u001b\rlines\r')).toEqual([{ type: 'send', to: 'Billy', text: 'two\nlines' }])
    expect(chat.input).toBe('')
  })

  test('does nothing for blank input', () => {
    chat.model.openThread('Billy')
    expect(chat.type('  \r')).toEqual([])
    expect(chat.input).toBe('  ')
  })

  test('keeps the input while no thread is open', () => {
    expect(chat.type('hello\r')).toEqual([])
    expect(chat.model.notice).toEqual({ text: 'no thread is open; open one with /msg NAME', tone: 'error' })
    expect(chat.input).toBe('hello')
  })

  test('keeps a text that is too long for any message', () => {
    chat.model.openThread('Billy')
    const text = 'x'.repeat(256 * 1024 + 1)
    chat.model.focusedEditor.set(text)
    expect(chat.type('\r')).toEqual([])
    expect(chat.model.notice).toMatchObject({ text: expect.stringContaining('send it in parts'), tone: 'error' })
    expect(chat.input).toBe(text)
  })

  test('runs a line that starts with a slash, and sends one that starts with two', () => {
    chat.model.openThread('Billy')
    expect(chat.type('/quit\r')).toEqual([{ type: 'quit' }])
    expect(chat.type('//me\r')).toEqual([{ type: 'send', to: 'Billy', text: '/me' }])
  })
})

describe('a paste', () => {
  test('of several lines becomes one message; tabs stay tabs, and other control characters are removed', () => {
    const chat = new ChatDriver()
    chat.model.openThread('Billy')
    expect(chat.type(paste('one\r\ntwo\t\u0001three'))).toEqual([])
    expect(chat.screen()).toContain('two    three')
    expect(chat.type(KEYS.enter)).toEqual([{ type: 'send', to: 'Billy', text: 'one\ntwo\tthree' }])
  })

  test.each(['/quit', '/quit\nand more', '//comment', `/${'x\n'.repeat(30)}x`])('%j is text, never a command', text => {
    const chat = new ChatDriver()
    chat.model.openThread('Billy')
    chat.type(paste(text))
    if (chat.notice?.includes('Enter to insert')) chat.type(KEYS.enter)
    expect(chat.input).toBe(`/${text}`)
    expect(chat.notice).toContain('is sent as text')
    expect(chat.type(KEYS.enter)).toEqual([{ type: 'send', to: 'Billy', text }])
  })

  test('after typed text, or into a search, is inserted unchanged', () => {
    const chat = new ChatDriver()
    chat.model.openThread('Billy')
    chat.type(`/msg Carla ${paste('/quit')}`)
    expect(chat.input).toBe('/msg Carla /quit')
    chat.type(ctrl('u') + ctrl('s') + paste('/two\nlines\t!'))
    expect(chat.input).toBe('/two lines !')
  })

  test('that is too long says so before it is inserted', () => {
    const chat = new ChatDriver()
    chat.model.openThread('Billy')
    chat.type(paste('x'.repeat(200_000)))
    expect(chat.notice).toBe(
      'the paste is too long; paste the first 131072 characters? Enter to insert, other keys cancel',
    )
  })

  const long = Array.from({ length: 40 }, (_, n) => `line ${n}`).join('\r')
  test.each([
    ['Enter', KEYS.enter, 40],
    ['y', 'y', 40],
    ['n', 'n', 1],
    ['Esc', KEYS.dismiss, 1],
  ])('that is long waits for a confirmation; %s', (_, answer, lines) => {
    chat.model.openThread('Billy')
    chat.type(paste(long))
    expect(chat.notice).toBe('paste 40 lines? Enter to insert, other keys cancel')
    expect(chat.input).toBe('')
    chat.type(answer)
    expect(chat.input.split('\n')).toHaveLength(lines)
    expect(chat.model.pendingPaste).toBeUndefined()
  })

  test('in one line is long from 4000 characters on', () => {
    chat.model.openThread('Billy')
    chat.type(paste('x'.repeat(4_000)))
    expect(chat.input).toHaveLength(4_000)
    chat.type(ctrl('u') + paste('x'.repeat(4_001)))
    expect(chat.notice).toContain('paste 4001 characters?')
  })
})

describe('Tab', () => {
  beforeEach(() => chat.model.openThread('Billy'))

  test.each([
    ['ask c\t', 'ask Carla '],
    ['/q\t', '/query '],
    ['/q\t\t', '/quit '],
    ['/q\t\t\t', '/query '],
    [`/q${KEYS.shiftTab}`, '/quit '],
    ['zzz\t', 'zzz'],
    ['\t', ''],
    ['/q\t/x', '/query /x'],
  ])('completes %j to %j', (keys, input) => {
    chat.type(keys)
    expect(chat.input).toBe(input)
  })

  test('starts a new completion after any other key', () => {
    chat.type('b\tc\t')
    expect(chat.input).toBe('Billy Carla ')
    chat.type(`${ctrl('u')}/q\t${ctrl('h')}\t`)
    expect(chat.input).toBe('/query ')
  })
})

describe('threads', () => {
  test('Ctrl+N and Ctrl+P go through threads and online users, and keep the drafts', () => {
    chat.model.openThread('Billy')
    chat.type('a draft')
    chat.type(ctrl('n'))
    expect(chat.thread).toBe('Carla')
    chat.type(ctrl('n'))
    expect([chat.thread, chat.input]).toEqual(['Billy', 'a draft'])
    chat.type(ctrl('p'))
    expect(chat.thread).toBe('Carla')
    expect(chat.type(ctrl('p'))).toEqual([{ type: 'save' }])
  })

  test('Ctrl+N does nothing while the user is alone', () => {
    chat.roster(['Anna'], [], ['Billy', 'Carla'])
    expect(chat.type(ctrl('n'))).toEqual([])
  })

  test('Alt with a digit opens the thread with that number', () => {
    chat.message('Billy', 'Anna', 'old')
    chat.message('Carla', 'Anna', 'new')
    chat.type('\u001b2')
    expect(chat.thread).toBe('Billy')
    chat.type('\u001b9')
    expect(chat.thread).toBe('Billy')
  })

  test('Alt+A opens the next unread thread', () => {
    chat.type('\u001ba')
    expect(chat.notice).toBe('no unread messages')
    chat.message('Billy', 'Anna', 'hello')
    chat.type('\u001ba')
    expect(chat.thread).toBe('Billy')
  })
})

describe('quitting', () => {
  test('Ctrl+C clears the input, then asks, then quits', () => {
    chat.model.openThread('Billy')
    chat.type('text')
    expect(chat.type(ctrl('c'))).toEqual([])
    expect(chat.input).toBe('')
    expect(chat.type(ctrl('c'))).toEqual([])
    expect(chat.notice).toBe('press Ctrl+C again to quit')
    expect(chat.type(ctrl('c'))).toEqual([{ type: 'quit' }])
  })

  test('any other key in between cancels it', () => {
    chat.type(`${ctrl('c')}${KEYS.up}`)
    expect(chat.type(ctrl('c'))).toEqual([])
  })

  test('Ctrl+D quits on an empty line only', () => {
    chat.model.openThread('Billy')
    chat.type('text')
    chat.type(ctrl('a'))
    expect(chat.type(ctrl('d'))).toEqual([])
    expect(chat.input).toBe('ext')
    chat.type(ctrl('k'))
    expect(chat.type(ctrl('d'))).toEqual([{ type: 'quit' }])
  })
})

describe('the input history', () => {
  beforeEach(() => chat.model.openThread('Billy'))

  test('Up and Down go through it, and stop at both ends', () => {
    chat.type('one\rtwo\r')
    chat.type(KEYS.down)
    expect(chat.input).toBe('')
    chat.type(KEYS.up)
    expect(chat.input).toBe('two')
    chat.type(KEYS.up + KEYS.up)
    expect(chat.input).toBe('one')
    chat.type(KEYS.down + KEYS.down)
    expect(chat.input).toBe('')
  })

  test('holds a line that is entered twice in a row once', () => {
    chat.type('one\rone\rtwo\rone\r')
    expect(chat.model.inputHistory).toEqual(['one', 'two', 'one'])
  })

  test('holds 500 lines', () => {
    for (let n = 0; n < 510; n++) chat.type(`line ${n}\r`)
    expect(chat.model.inputHistory).toHaveLength(500)
    expect(chat.model.inputHistory[0]).toBe('line 10')
  })

  test('Up goes to the line above first', () => {
    chat.type('sent\r')
    chat.type(`one\u001b\rtwo${KEYS.up}!`)
    expect(chat.input).toBe('one!\ntwo')
    chat.type(KEYS.up)
    expect(chat.input).toBe('sent')
  })
})

test('side effects of keys: redraw, suspend, sidebar', () => {
  expect(chat.type(ctrl('l'))).toEqual([{ type: 'redraw' }])
  expect(chat.type(ctrl('z'))).toEqual([{ type: 'suspend' }])
  expect(chat.type('\u001b[18~')).toEqual([{ type: 'save' }])
  expect(chat.model.preferences.sidebar).toBe('off')
})

test('? opens the help on an empty line only', () => {
  chat.model.openThread('Billy')
  chat.type('why')
  chat.type('?')
  expect([chat.input, chat.model.overlay]).toEqual(['why?', undefined])
  chat.type(`${ctrl('u')}?`)
  expect(chat.model.overlay).toBe('help')
  expect(chat.type(ctrl('l'))).toEqual([{ type: 'redraw' }])
  expect(chat.model.overlay).toBe('help')
  chat.type('x')
  expect([chat.input, chat.model.overlay]).toEqual(['', undefined])
  // Without its slash, the command would be sent as a message.
  chat.type('?')
  chat.type('/names')
  expect([chat.input, chat.model.overlay]).toEqual(['/names', undefined])
})

test('keys of the settings file override the defaults', () => {
  chat = new ChatDriver({ ...DEFAULT_PREFERENCES, keys: { 'C-x': 'help', 'C-n': 'redraw', f5: 'nonsense' } })
  expect(chat.notice).toBe('unknown key action in the settings file: nonsense')
  expect(chat.type(ctrl('n'))).toEqual([{ type: 'redraw' }])
  chat.type(ctrl('x'))
  expect(chat.model.overlay).toBe('help')
})

test('a read mark is sent when the end of the open thread is visible', () => {
  chat.message('Billy', 'Anna', 'one')
  expect(chat.type('/query Billy\r')).toContainEqual(expect.objectContaining({ type: 'read', thread: 'Billy' }))
  expect(chat.type('x')).toEqual([])
})

describe('keys in a sequence', () => {
  test('Ctrl+X Ctrl+E edits the draft with the editor', () => {
    chat.model.openThread('Billy')
    chat.type('a draft')
    expect(chat.type(ctrl('x'))).toEqual([])
    expect(chat.notice).toBe('Ctrl+X …')
    expect(chat.type(ctrl('e'))).toEqual([{ type: 'edit-draft' }])
    expect([chat.notice, chat.input]).toEqual([undefined, 'a draft'])
  })

  test('other keys after the first one do nothing, and text is inserted', () => {
    chat.model.openThread('Billy')
    chat.type(`one${ctrl('x')}${ctrl('u')}`)
    expect([chat.input, chat.notice]).toEqual(['one', 'Ctrl+X Ctrl+U has no action'])
    chat.type(`${ctrl('x')} two`)
    expect(chat.type(ctrl('e'))).toEqual([])
    expect(chat.input).toBe('one two')
  })

  test('a binding of the first key wins, and own sequences work', () => {
    const own = new ChatDriver({
      ...DEFAULT_PREFERENCES,
      keys: { 'C-x': 'redraw', 'C-q e': 'help', 'C-q C-e': 'help' },
    })
    expect(own.type(ctrl('x'))).toEqual([{ type: 'redraw' }])
    own.type(ctrl('q') + ctrl('e'))
    expect(own.model.overlay).toBe('help')
  })
})
