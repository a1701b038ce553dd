import { beforeEach, expect, test } from 'vitest'
import { TerminalModes } from '../../../../cli/terminal/terminal-modes.ts'

let written: string
let modes: TerminalModes

beforeEach(() => {
  written = ''
  modes = new TerminalModes(text => {
    written += text
  })
})

/** What was written since the last call, with `^[` for Escape. */
function take(): string {
  const text = written.replaceAll('\u001b', '^[')
  written = ''
  return text
}
const shown = (text: string) => text.replaceAll('\u001b', '^[')

test('focus reports, mouse and title are turned on and off again', () => {
  modes.set({ mouse: true, title: 'one' })
  expect(take()).toBe('')
  expect(shown(modes.opening())).toBe('^[[?1004h^[[?1000h^[[?1006h^[[22;0t^[]2;one\u0007')
  modes.set({ mouse: true, title: 'one' })
  expect(take()).toBe('')
  modes.set({ mouse: true, title: 'two' })
  expect(take()).toBe('^[]2;two\u0007')
  expect(shown(modes.closing())).toBe('^[[?1004l^[[?1000l^[[?1006l^[[23;0t')
  // After a stop.
  expect(shown(modes.opening())).toContain('^[[22;0t^[]2;two\u0007')
})

test('the mouse is turned off at once, and the wheel is not turned into keys until the end', () => {
  modes.set({ mouse: true, title: undefined })
  modes.opening()
  modes.set({ mouse: false, title: undefined })
  expect(take()).toBe('^[[?1000l^[[?1006l^[[?1007s^[[?1007l')
  modes.set({ mouse: true, title: undefined })
  modes.set({ mouse: false, title: undefined })
  expect(take()).toBe('^[[?1000h^[[?1006h^[[?1000l^[[?1006l')
  expect(shown(modes.closing())).toContain('^[[?1007r')
  expect(shown(modes.closing())).not.toContain('^[[?1007r')
})

test('inline mode leaves the mouse alone', () => {
  modes.set({ mouse: undefined, title: undefined })
  expect(shown(modes.opening())).toBe('^[[?1004h')
})

test('without a title, that of the terminal comes back', () => {
  modes.set({ mouse: undefined, title: 'one' })
  modes.opening()
  modes.set({ mouse: undefined, title: undefined })
  expect(take()).toBe('^[[23;0t')
  modes.set({ mouse: undefined, title: 'two' })
  expect(take()).toBe('^[[22;0t^[]2;two\u0007')
})
