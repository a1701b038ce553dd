import { EventEmitter } from 'node:events'

const ESC = '\u001b['

/**
 * The stdout that Ink is given. Ink, told to debug, writes each frame whole; what becomes of it on the terminal is
 * decided here. So Ink's ways of finding its last frame again (which lose a row, or wipe the terminal's scrollback when
 * the window shrinks) are never used.
 */
abstract class InkOutput extends EventEmitter {
  readonly isTTY = true
  columns = 80
  rows = 24
  /** Where the cursor belongs after the next frame; absent, it is hidden. */
  cursor: { x: number; y: number } | undefined
  protected readonly writeRaw: (text: string) => void

  constructor(writeRaw: (text: string) => void) {
    super()
    this.writeRaw = writeRaw
  }

  /** Takes a whole frame. */
  abstract write(frame: string): boolean

  /** Puts the cursor where it belongs: a frame in which only the cursor moved is none for Ink. */
  abstract placeCursor(): void

  /** The terminal shows something else by now, or has another size: the next frame is to be a whole one. */
  abstract repaint(columns: number, rows: number): void

  /** What Ink's typings ask of a stdout, and Ink never uses. */
  asStream(): NodeJS.WriteStream {
    return this as unknown as NodeJS.WriteStream
  }
}

/** Frames on the whole screen: the rows that differ from the last frame are written, each at its own place. */
export class ScreenOutput extends InkOutput {
  /** Whether a row is left out of the next frame: it stays as it is. */
  isRowUnchanged: (row: number) => boolean = () => false
  #lastLines: string[] = []

  override write(frame: string): boolean {
    const lines = frame.split('\n').slice(0, this.rows)
    lines.forEach((_, row) => {
      if (this.isRowUnchanged(row)) lines[row] = this.#lastLines[row] ?? ''
    })
    let changes = ''
    lines.forEach((line, row) => {
      if (line !== this.#lastLines[row]) changes += `${ESC}${row + 1};1H${line}${ESC}0m${ESC}K`
    })
    if (lines.length < this.#lastLines.length) changes += `${ESC}${lines.length + 1};1H${ESC}J`
    this.#lastLines = lines
    if (changes !== '') this.writeRaw(`${ESC}?2026h${ESC}?25l${changes}`)
    this.placeCursor()
    if (changes !== '') this.writeRaw(`${ESC}?2026l`)
    return true
  }

  override placeCursor(): void {
    const { cursor } = this
    this.writeRaw(cursor === undefined ? `${ESC}?25l` : `${ESC}${cursor.y + 1};${cursor.x + 1}H${ESC}?25h`)
  }

  override repaint(columns: number, rows: number): void {
    this.columns = columns
    this.rows = rows
    this.#lastLines = []
    this.writeRaw(`${ESC}H${ESC}2J`)
  }
}

/** Frames at the end of what the terminal shows: a block that moves down as lines are printed above it. */
export class InlineOutput extends InkOutput {
  #lastLines: string[] = []
  /** The row of the block in which the cursor stands. */
  #cursorRow = 0

  override write(frame: string): boolean {
    const lines = frame.split('\n')
    if (lines.join('\n') !== this.#lastLines.join('\n')) this.#paint('', lines)
    return true
  }

  /** Prints lines for good, above the block. */
  print(lines: readonly string[]): void {
    if (lines.length > 0) this.#paint(`${lines.join('\r\n')}\r\n`, this.#lastLines)
  }

  override placeCursor(): void {
    const { cursor } = this
    if (cursor === undefined) return this.writeRaw(`${ESC}?25l`)
    this.writeRaw(`${this.#moveUp(this.#cursorRow - cursor.y)}\r${cursor.x > 0 ? `${ESC}${cursor.x}C` : ''}${ESC}?25h`)
    this.#cursorRow = cursor.y
  }

  /** The block stands where it stood, as far as a terminal that has wrapped its lines anew can tell. */
  override repaint(columns: number, rows: number): void {
    this.columns = columns
    this.rows = rows
    if (this.#lastLines.length > 0) this.#paint('', this.#lastLines)
  }

  #paint(above: string, lines: string[]): void {
    const top = `${ESC}?25l${this.#moveUp(this.#cursorRow)}\r${ESC}J`
    this.writeRaw(top + above + lines.map(line => `${line}${ESC}0m`).join('\r\n'))
    this.#lastLines = lines
    this.#cursorRow = lines.length - 1
    this.placeCursor()
  }

  #moveUp(rows: number): string {
    if (rows === 0) return ''
    return rows > 0 ? `${ESC}${rows}A` : `${ESC}${-rows}B`
  }
}
