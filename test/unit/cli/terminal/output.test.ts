/** What is written to the terminal for a frame. */
import { beforeEach, describe, expect, test } from 'vitest'
import { InlineOutput, ScreenOutput } from '../../../../cli/terminal/output.ts'

let written: string

beforeEach(() => {
  written = ''
})

/** What was written since the last call, with `^[` for Escape. */
function take(): string {
  const text = written.replaceAll('\u001b', '^[')
  written = ''
  return text
}

const write = (text: string) => {
  written += text
}

describe('the full screen', () => {
  let output: ScreenOutput

  beforeEach(() => {
    output = new ScreenOutput(write)
    show('one\ntwo\nthree')
    take()
  })

  function show(frame: string): void {
    output.write(frame)
    output.present()
  }

  /** Shows a frame of three rows, of which Ink has composed only some. */
  function showRows(changedRows: readonly number[], frame: string): void {
    output.height = 3
    output.changedRows = changedRows
    show(frame)
  }

  test('gets only the rows that have changed', () => {
    show('one\nTWO\nthree')
    expect(take()).toBe('^[[?2026h^[[?25l^[[2;1H^[[KTWO^[[0m^[[?25l^[[?2026l')
  })

  test('gets a frame in one write, and nothing if nothing has changed', () => {
    const writes: string[] = []
    output = new ScreenOutput(text => writes.push(text))
    output.repaint(80, 24)
    output.cursor = { x: 1, y: 0 }
    show('one\ntwo')
    show('one\ntwo')
    expect(writes).toHaveLength(1)
    output.cursor = { x: 2, y: 0 }
    output.present()
    expect(writes.slice(1)).toEqual(['\u001b[1;3H\u001b[?25h'])
  })

  test('erases a row before it is written: after a row of the full width, the last column has the cursor', () => {
    output.columns = 5
    show('one\n12345\nthree')
    expect(take()).toContain('^[[2;1H^[[K12345^[[0m^[[?25l')
  })

  test('lets the terminal wrap a row that another one continues, and writes both when one changes', () => {
    output.columns = 5
    output.isContinuation = row => row === 2
    show('one\n12345\n678')
    expect(take()).toContain('^[[?7h^[[2;1H^[[K12345^[[0m678^[[0m^[[K^[[?7l')
    show('one\n12345\n6789')
    expect(take()).toContain('^[[?7h^[[2;1H^[[K12345^[[0m6789^[[0m^[[K^[[?7l')
    show('ONE\n12345\n6789')
    expect(take()).not.toContain('12345')
  })

  test('gets what Ink must not see', () => {
    output.decorate = (row, line) => `<${row} ${line}>`
    show('one\ntwo\nthree')
    expect(take()).toContain('<1 two>')
    showRows([2], 'THREE')
    expect(take()).toContain('^[[3;1H^[[K<2 THREE>')
  })

  test('keeps the rows that Ink has not composed again', () => {
    showRows([0, 2], 'ONE\nTHREE')
    expect(take()).toMatch(/^[^;]*1;1H\^\[\[KONE[^;]*3;1H\^\[\[KTHREE[^;]*$/)
    showRows([], '')
    expect(take()).toBe('')
  })

  test('gets a row with another decoration although Ink has nothing new to compose', () => {
    output.height = 3
    output.changedRows = [1]
    show('two')
    take()
    output.decorate = (_, line) => `<${line}>`
    output.present()
    expect(take()).toContain('^[[2;1H^[[K<two>')
  })

  test('clears the rows below a shorter frame', () => {
    show('one')
    expect(take()).toContain('^[[2;1H^[[J')
  })

  test('gets every row after a repaint, and none below its height', () => {
    output.repaint(10, 2)
    show('one\ntwo\nthree')
    const shown = take()
    expect(shown).toMatch(/^\^\[\[\?2026h\^\[\[\?25l\^\[\[H\^\[\[2J.*1;1H\^\[\[Kone.*2;1H\^\[\[Ktwo/)
    expect(shown).not.toContain('three')
  })

  test('moves the cursor to the column of a part, whatever is before it', () => {
    output.columnStops = row => (row === 1 ? [{ units: 3, column: 20 }] : [])
    show('one\n\u001b[1mab\u001b[22mc\u001b[2mdef\u001b[22m\nthree')
    expect(take()).toContain('^[[2;1H^[[K^[[1mab^[[22mc^[[21G^[[2mdef^[[22m^[[0m')
    output.columnStops = () => [{ units: 9, column: 20 }]
    show('one\nshort\nthree')
    expect(take()).toContain('^[[2;1H^[[Kshort^[[0m')
  })

  test('shows the cursor at its position', () => {
    output.cursor = { x: 4, y: 1 }
    output.present()
    expect(take()).toBe('^[[2;5H^[[?25h')
  })
})

describe('inline', () => {
  test('prints lines above the block, and draws the block again below them', () => {
    const output = new InlineOutput(write)
    output.cursor = { x: 2, y: 1 }
    output.write('status\n> ')
    take()
    output.print(['a message'])
    expect(take()).toBe('^[[?25l^[[1A\r^[[Ja message\r\nstatus^[[0m\r\n> ^[[0m\r^[[2C^[[?25h')
    output.print([])
    expect(take()).toBe('')
  })

  test('leaves no blank row between what is printed before the first block, and that block', () => {
    const output = new InlineOutput(write)
    output.print(['a message'])
    expect(take()).toBe('^[[?25l\r^[[Ja message\r\n^[[?25l')
    output.write('status')
    expect(take()).toMatch(/^\^\[\[\?25l\r\^\[\[Jstatus/)
  })

  test('draws nothing for an equal frame', () => {
    const output = new InlineOutput(write)
    output.write('status')
    take()
    output.write('status')
    expect(take()).toBe('')
  })
})
