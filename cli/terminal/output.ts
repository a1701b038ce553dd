import { EventEmitter } from 'node:events'
import { StyledLine } from './styled-line.ts'
import { width } from './width.ts'

const ESC = '\u001b['
/** Auto-wrap (DECAWM), which is off on the full screen except for rows that the terminal is to join. */
const AUTO_WRAP_ON = `${ESC}?7h`
const AUTO_WRAP_OFF = `${ESC}?7l`

/** A part of a row that starts at a column: the UTF-16 units before it, without styles and links, and its column, from 0. */
export interface ColumnStop {
  units: number
  column: number
}

/**
 * The `stdout` that Ink writes to. With `debug: true`, Ink writes each frame as a whole, and this class decides how to
 * update the terminal. Ink's own way, erasing the last frame, loses a row or clears the scrollback when the window
 * shrinks. See docs/decisions/ink-writes-whole-frames.md.
 */
abstract class InkOutput extends EventEmitter {
  readonly isTTY = true
  columns = 80
  rows = 24
  /** Cursor position after the next frame; undefined: hidden. */
  cursor: { x: number; y: number } | undefined
  protected readonly writeRaw: (text: string) => void

  constructor(writeRaw: (text: string) => void) {
    super()
    this.writeRaw = writeRaw
  }

  /** Receives a frame from Ink. */
  abstract write(frame: string): boolean

  /** Shows the frame, with the cursor at `cursor`. */
  abstract present(): void

  /** Discards the last frame because the terminal has another size or shows something else. */
  abstract repaint(columns: number, rows: number): void

  /** Ink's types require a full `WriteStream`, but Ink only uses what this class has. */
  asStream(): NodeJS.WriteStream {
    return this as unknown as NodeJS.WriteStream
  }
}

/** Full screen: writes only the rows that differ from the last frame, each at its position. */
export class ScreenOutput extends InkOutput {
  /** The rows that the lines of Ink's next frame are, in order; undefined: all. Other rows stay as they are. */
  changedRows: readonly number[] | undefined
  /** Rows of the whole frame, if Ink's frames have only some of them. */
  height = 0
  /** The parts of a row that start at a certain column. */
  columnStops: (row: number) => readonly ColumnStop[] = () => []
  /** Adds to the line of a row what Ink must not see. */
  decorate: (row: number, line: string) => string = (_, line) => line
  /** Whether a row continues the row above, which has the full width: the terminal then wraps it itself. */
  isContinuation: (row: number) => boolean = () => false
  /** The lines of Ink's last frame. Ink writes none if it would be the same. */
  #frame: readonly string[] = []
  #lastLines: readonly string[] = []
  /** What is written before the next frame. */
  #clearing = ''
  #lastCursor: string | undefined

  override write(frame: string): boolean {
    this.#frame = frame.split('\n')
    return true
  }

  /** Writes everything at once: each write to a terminal is a system call that wakes another program. */
  override present(): void {
    const lines = this.#nextLines()
    const isChanged = this.#changedLines(lines)
    let changes = this.#clearing
    lines.forEach((line, row) => {
      if (!isChanged[row]) return
      const continues = this.isContinuation(row)
      const isContinued = row + 1 < lines.length && this.isContinuation(row + 1)
      if (isContinued && !continues) changes += AUTO_WRAP_ON
      // A row that continues the one above is wrapped by the terminal: its cursor is still on the last column above.
      if (continues) changes += `${line}${ESC}0m${width(line) < this.columns ? `${ESC}K` : ''}`
      // Erase first: at the right edge, erasing to the end of the row would erase its last character.
      else changes += `${ESC}${row + 1};1H${ESC}K${moveToStops(line, this.columnStops(row))}${ESC}0m`
      if (continues && !isContinued) changes += AUTO_WRAP_OFF
    })
    if (lines.length < this.#lastLines.length) changes += `${ESC}${lines.length + 1};1H${ESC}J`
    this.#lastLines = lines
    this.#clearing = ''
    const { cursor } = this
    const place = cursor === undefined ? `${ESC}?25l` : `${ESC}${cursor.y + 1};${cursor.x + 1}H${ESC}?25h`
    if (changes !== '') this.writeRaw(`${ESC}?2026h${ESC}?25l${changes}${place}${ESC}?2026l`)
    else if (place !== this.#lastCursor) this.writeRaw(place)
    this.#lastCursor = place
  }

  #nextLines(): readonly string[] {
    const { changedRows } = this
    if (changedRows === undefined) return this.#frame.slice(0, this.rows).map((line, row) => this.decorate(row, line))
    const height = Math.min(this.height, this.rows)
    const lines = Array.from({ length: height }, (_, row) => this.#lastLines[row] ?? '')
    for (const [at, row] of changedRows.entries())
      if (row < height) lines[row] = this.decorate(row, this.#frame[at] ?? '')
    return lines
  }

  /** The rows to write. A row that the one below it continues is written together with that. */
  #changedLines(lines: readonly string[]): boolean[] {
    const isChanged = lines.map((line, row) => line !== this.#lastLines[row])
    let start = 0
    for (let row = 1; row <= lines.length; row++) {
      if (row < lines.length && this.isContinuation(row)) continue
      if (row - start > 1 && isChanged.slice(start, row).includes(true)) isChanged.fill(true, start, row)
      start = row
    }
    return isChanged
  }

  override repaint(columns: number, rows: number): void {
    this.columns = columns
    this.rows = rows
    this.#lastLines = []
    this.#clearing = `${ESC}H${ESC}2J`
  }
}

/**
 * Inserts cursor movements so that each part starts at its column, also on terminals that give the text before it another
 * width: they disagree on emoji sequences, flags and some scripts.
 */
function moveToStops(line: string, stops: readonly ColumnStop[]): string {
  const styled = new StyledLine(line)
  let moved = ''
  for (const stop of stops) {
    moved += styled.takeTo(stop.units)
    if (styled.position < stop.units) return moved
    moved += `${ESC}${stop.column + 1}G`
  }
  return moved + styled.takeRest()
}

/** Inline: a block of rows below the scrollback, which moves down as lines are printed above it. */
export class InlineOutput extends InkOutput {
  #lastLines: string[] = []
  /** The row of the block that has the cursor. */
  #cursorRow = 0

  override write(frame: string): boolean {
    const lines = frame.split('\n')
    if (lines.join('\n') !== this.#lastLines.join('\n')) this.#paint('', lines)
    return true
  }

  /** Prints lines into the scrollback, above the block. */
  print(lines: readonly string[]): void {
    if (lines.length > 0) this.#paint(`${lines.join('\r\n')}\r\n`, this.#lastLines)
  }

  override present(): void {
    const { cursor } = this
    if (cursor === undefined) return this.writeRaw(`${ESC}?25l`)
    this.writeRaw(`${this.#moveUp(this.#cursorRow - cursor.y)}\r${cursor.x > 0 ? `${ESC}${cursor.x}C` : ''}${ESC}?25h`)
    this.#cursorRow = cursor.y
  }

  /** Draws the block again at its old position. If the terminal has re-wrapped its lines, that position can be off. */
  override repaint(columns: number, rows: number): void {
    this.columns = columns
    this.rows = rows
    if (this.#lastLines.length > 0) this.#paint('', this.#lastLines)
  }

  /** What erases the block and puts the cursor where it started. */
  erasure(): string {
    const erasure = `${this.#moveUp(this.#cursorRow)}\r${ESC}J`
    this.#cursorRow = 0
    return erasure
  }

  /** The terminal shows something else: the next block starts at the cursor. */
  forgetPosition(): void {
    this.#cursorRow = 0
  }

  #paint(above: string, lines: string[]): void {
    const top = `${ESC}?25l${this.#moveUp(this.#cursorRow)}\r${ESC}J`
    this.writeRaw(top + above + lines.map(line => `${line}${ESC}0m`).join('\r\n'))
    this.#lastLines = lines
    // Before the first frame, the block has no lines.
    this.#cursorRow = Math.max(0, lines.length - 1)
    this.present()
  }

  #moveUp(rows: number): string {
    if (rows === 0) return ''
    return rows > 0 ? `${ESC}${rows}A` : `${ESC}${-rows}B`
  }
}
