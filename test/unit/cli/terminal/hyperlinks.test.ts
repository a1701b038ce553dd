import { describe, expect, test } from 'vitest'
import { addHyperlinks } from '../../../../cli/terminal/hyperlinks.ts'
import { openerCommand } from '../../../../cli/terminal/opener.ts'
import { hasHyperlinks, mayAskName } from '../../../../cli/terminal/terminal-features.ts'

const link = { start: 4, end: 12, url: 'http://a/', id: '1' }
const OPEN = '^[]8;id=1;http://a/^[\\'
const CLOSE = '^[]8;;^[\\'
const add = (line: string, ...links: (typeof link)[]) =>
  addHyperlinks(line, 'see http://a now', links).replaceAll('\u001b', '^[')

describe('hyperlinks', () => {
  test('surround a part of a line', () => {
    expect(add('see http://a now', link)).toBe(`see ${OPEN}http://a${CLOSE} now`)
  })

  test('are not confused by styles', () => {
    expect(add('\u001b[2msee \u001b[7mhttp\u001b[27m://a\u001b[22m now', link)).toBe(
      `^[[2msee ${OPEN}^[[7mhttp^[[27m://a${CLOSE}^[[22m now`,
    )
  })

  test('may be several, up to the end of the line', () => {
    expect(add('see http://a now', link, { ...link, start: 13, end: 16 })).toBe(
      `see ${OPEN}http://a${CLOSE} ${OPEN}now${CLOSE}`,
    )
  })

  test('are left out of a line with another text', () => {
    expect(add('sea http://a now', link)).toBe('sea http://a now')
    expect(add('see http', link)).toBe('see http')
  })
})

test.each([
  [{ TERM: 'xterm-kitty' }, true],
  [{ TERM: 'xterm-256color', VTE_VERSION: '7600' }, true],
  [{ TERM: 'xterm-256color', TERM_PROGRAM: 'iTerm.app' }, true],
  [{ TERM: 'tmux-256color', TMUX: 'x', TERM_PROGRAM: 'tmux', TERM_PROGRAM_VERSION: '3.4' }, true],
  [
    { TERM: 'tmux-256color', TMUX: 'x', TERM_PROGRAM: 'tmux', TERM_PROGRAM_VERSION: '3.3a', VTE_VERSION: '7600' },
    false,
  ],
  [{ TERM: 'tmux-256color', TMUX: 'x', TERM_PROGRAM: 'tmux', TERM_PROGRAM_VERSION: 'next-3.5' }, true],
  // Before 3.2, tmux tells no version; a terminal around it has set the other variables.
  [{ TERM: 'screen-256color', TMUX: 'x', TERM_PROGRAM: 'iTerm.app', TERM_PROGRAM_VERSION: '3.5' }, false],
  [{ TERM: 'screen', STY: 'x', VTE_VERSION: '7600' }, false],
  [{ TERM: 'linux' }, false],
  [{ TERM: 'xterm-256color' }, false],
  [{}, false],
])('whether the terminal with %j has hyperlinks: %s', (env, has) => {
  expect(hasHyperlinks(env)).toBe(has)
})

test.each([
  ['tmux 3.4', true],
  ['tmux 3.5a', true],
  ['tmux 4.0', true],
  ['tmux next-3.4', true],
  ['tmux next-3.3', false],
  ['tmux master', true],
  ['tmux openbsd-7.5', true],
  ['tmux openbsd-7.4', false],
  ['tmux 3.3a', false],
  ['tmux 2.9', false],
  ['VTE(7600)', true],
  ['VTE(4600)', false],
  ['foot(1.16.2)', true],
  ['Konsole 23.08.5', true],
  ['XTerm(390)', false],
])('whether the terminal that tells the name %j has hyperlinks: %s', (name, has) => {
  expect(hasHyperlinks({ TERM: 'xterm-256color' }, name)).toBe(has)
})

test('the Linux console and GNU screen are not asked for their name', () => {
  const asked = [{ TERM: 'xterm-256color' }, { TERM: 'linux' }, { TERM: 'dumb' }, { TERM: 'screen', STY: 'x' }, {}]
  expect(asked.map(env => mayAskName(env))).toEqual([true, false, false, false, true])
})

test.each([
  [['firefox', '--new-tab'], {}, 'linux', ['firefox', '--new-tab', 'http://a/']],
  [['sh', '-c', 'echo "$1"', 'sh', '%u'], {}, 'linux', ['sh', '-c', 'echo "$1"', 'sh', 'http://a/']],
  [[], { BROWSER: 'w3m -N %s:lynx' }, 'linux', ['w3m', '-N', 'http://a/']],
  [[], { BROWSER: '' }, 'linux', ['xdg-open', 'http://a/']],
  [[], {}, 'darwin', ['open', 'http://a/']],
])('the opener %j with %j on %s is %j', (opener, env, platform, command) => {
  expect(openerCommand('http://a/', opener, env, platform)).toEqual(command)
})
