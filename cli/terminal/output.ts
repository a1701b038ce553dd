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
  protected readonly put: (text: string) => void

  constructor(put: (text: string) => void) {
    super()
    this.put = put
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
  isLeftOut: (row: number) => boolean = () => false
  #shown: string[] = []

  override write(frame: string): boolean {
    const lines = frame.split('\n').slice(0, this.rows)
    lines.forEach((_, row) => {
      if (this.isLeftOut(row)) lines[row] = this.#shown[row] ?? ''
    })
    let changes = ''
    lines.forEach((line, row) => {
      if (line !== this.#shown[row]) changes += `${ESC}${row + 1};1H${line}${ESC}0m${ESC}K`
    })
    if (lines.length < this.#shown.length) changes += `${ESC}${lines.length + 1};1H${ESC}J`
    this.#shown = lines
    if (changes !== '') this.put(`${ESC}?2026h${ESC}?25l${changes}`)
    this.placeCursor()
    if (changes !== '') this.put(`${ESC}?2026l`)
    return true
  }

  override placeCursor(): void {
    const { cursor } = this
    this.put(cursor === undefined ? `${ESC}?25l` : `${ESC}${cursor.y + 1};${cursor.x + 1}H${ESC}?25h`)
  }

  override repaint(columns: number, rows: number): void {
    this.columns = columns
    this.rows = rows
    this.#shown = []
    this.put(`${ESC}H${ESC}2J`)
  }
}

/** Frames at the end of what the terminal shows: a block that moves down as lines are printed above it. */
export class InlineOutput extends InkOutput {
  #shown: string[] = []
  /** The row of the block in which the cursor stands. */
  #at = 0

  override write(frame: string): boolean {
    const lines = frame.split('\n')
    if (lines.join('\n') !== this.#shown.join('\n')) this.#paint('', lines)
    return true
  }

  /** Prints lines for good, above the block. */
  print(lines: readonly string[]): void {
    if (lines.length > 0) this.#paint(`${lines.join('\r\n')}\r\n`, this.#shown)
  }

  override placeCursor(): void {
    const { cursor } = this
    if (cursor === undefined) return this.put(`${ESC}?25l`)
    this.put(`${this.#up(this.#at - cursor.y)}\r${cursor.x > 0 ? `${ESC}${cursor.x}C` : ''}${ESC}?25h`)
    this.#at = cursor.y
  }

  /** The block stands where it stood, as far as a terminal that has wrapped its lines anew can tell. */
  override repaint(columns: number, rows: number): void {
    this.columns = columns
    this.rows = rows
    if (this.#shown.length > 0) this.#paint('', this.#shown)
  }

  #paint(above: string, lines: string[]): void {
    const top = `${ESC}?25l${this.#up(this.#at)}\r${ESC}J`
    this.put(top + above + lines.map(line => `${line}${ESC}0m`).join('\r\n'))
    this.#shown = lines
    this.#at = lines.length - 1
    this.placeCursor()
  }

  #up(rows: number): string {
    if (rows === 0) return ''
    return rows > 0 ? `${ESC}${rows}A` : `${ESC}${-rows}B`
  }
}
