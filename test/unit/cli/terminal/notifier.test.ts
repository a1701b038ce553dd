import { beforeEach, describe, expect, test, vi } from 'vitest'
import { commandArguments, Notifier, notificationSequence } from '../../../../cli/terminal/notifier.ts'
import { detectNotifications } from '../../../../cli/terminal/terminal-features.ts'

let written: string
let errors: string[]
let notifier: Notifier

beforeEach(() => {
  written = ''
  errors = []
  notifier = new Notifier(
    text => {
      written += text
    },
    text => errors.push(text),
  )
})

describe('the escape sequences', () => {
  test.each([
    ['osc9', '\u001b]9;Billy: hi; 4\u0007'],
    ['osc777', '\u001b]777;notify;Billy;hi; 4\u0007'],
    ['osc99', '\u001b]99;i=mesh-chat:d=0;Billy\u001b\\\u001b]99;i=mesh-chat:p=body;hi; 4\u001b\\'],
  ] as const)('%s', (kind, sequence) => {
    expect(notificationSequence(kind, 'Billy', 'hi; 4', false)).toBe(sequence)
  })

  test('a name cannot add a field', () => {
    expect(notificationSequence('osc777', 'a;b', 'c', false)).toBe('\u001b]777;notify;a,b;c\u0007')
    expect(notificationSequence('osc9', '4;3', 'c', false)).toBe('\u001b]9;4,3: c\u0007')
  })

  test('in tmux they are passed through, with each Escape doubled', () => {
    expect(notificationSequence('osc9', 'a', 'b', true)).toBe('\u001bPtmux;\u001b\u001b]9;a: b\u0007\u001b\\')
  })

  test('texts have no control characters, one line, and a length', () => {
    notifier.notify('Bil\u0007ly', `one\n\u001b]0;two\u0007${'x'.repeat(100_000)}`, {
      notify: 'osc9',
      notifyCommand: [],
    })
    expect(written).toMatch(/\]9;Bil\\u\{7\}ly: one \\u\{1b\}\]0;two\\u\{7\}x+…\u0007/)
    expect(written.length).toBeLessThan(400)
  })
})

test('off means no notification, not by a command either', () => {
  notifier.notify('a', 'b', { notify: 'off', notifyCommand: ['/bin/false'] })
  expect([written, errors]).toEqual(['', []])
})

test('many notifications in close succession are dropped', () => {
  for (let n = 0; n < 50; n++) notifier.notify('a', `${n}`, { notify: 'osc9', notifyCommand: [] })
  expect(written.match(/\]9;/g)).toHaveLength(5)
})

test.each([
  [['/nonexistent/notify', '%t'], 'ENOENT'],
  [[process.execPath, '-e', 'process.exit(3)'], 'exit code 3'],
])('a command that fails is reported once: %j', async (notifyCommand, reason) => {
  const settings = { notify: 'auto', notifyCommand } as const
  for (let n = 0; n < 3; n++) notifier.notify('a', 'b', settings)
  await vi.waitFor(() => expect(errors).toEqual([expect.stringContaining(reason)]), { timeout: 20_000 })
  expect(written).toBe('')
})

test('the command gets the texts as arguments, never as options', () => {
  expect(commandArguments(['notify-send', '--', '%t', '%m'], 'Billy', '$(x) `y`')).toEqual([
    'notify-send',
    '--',
    'Billy',
    '$(x) `y`',
  ])
  expect(commandArguments(['say', '%m', '%t: %m', '100%'], '%m', '--help')).toEqual([
    'say',
    ' --help',
    '%m: --help',
    '100%',
  ])
})

test.each([
  [{ TERM: 'xterm-kitty' }, 'osc99'],
  [{ TERM: 'tmux-256color', TERM_PROGRAM: 'tmux', TMUX: 'x', KITTY_WINDOW_ID: '1' }, 'osc99'],
  [{ TERM: 'foot' }, 'osc777'],
  [{ TERM: 'xterm-256color', TERM_PROGRAM: 'WezTerm' }, 'osc777'],
  [{ TERM: 'xterm-256color', TERM_PROGRAM: 'iTerm.app' }, 'osc9'],
  [{ TERM: 'xterm-256color', WT_SESSION: 'x' }, 'osc9'],
  [{ TERM: 'xterm-256color' }, undefined],
  [{ TERM: 'linux' }, undefined],
  [{}, undefined],
])('the terminal with %j has %s', (env, kind) => {
  expect(detectNotifications(env)).toBe(kind)
})

test.each([
  ['kitty(0.35.1)', 'osc99'],
  ['foot(1.16.2)', 'osc777'],
  ['WezTerm 20240203-110809-5046fc22', 'osc777'],
  ['iTerm2 3.5.0', 'osc9'],
  ['Konsole 23.08.5', undefined],
  ['XTerm(390)', 'osc9'],
  ['tmux 3.4', 'osc9'],
])('the name %j that the terminal tells decides before the environment: %s', (name, kind) => {
  expect(detectNotifications({ TERM: 'xterm-256color', TERM_PROGRAM: 'iTerm.app' }, name)).toBe(kind)
  notifier.terminalName = 'foot(1.16.2)'
  notifier.notify('a', 'b', { notify: 'auto', notifyCommand: [] })
  expect(written).toContain(']777;notify;a;b')
})
