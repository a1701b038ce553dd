import { EventEmitter } from 'node:events'

const ESC = '\u001b['

/**
 * The stdout that Ink is given. Ink, told to debug, writes each frame whole; this one puts the rows that differ from
 * the last frame onto the terminal, each at its own place, and the cursor where it belongs. So Ink's ways of finding
 * its frame again (which lose a row, or wipe the terminal's scrollback when the window shrinks) are never used.
 */
export class InkOutput extends EventEmitter {
  readonly isTTY = true
  columns: number
  rows: number
  /** Where the cursor belongs after the next frame; absent, it is hidden. */
  cursor: { x: number; y: number } | undefined
  readonly #write: (text: string) => void
  #shown: string[] = []

  constructor(columns: number, rows: number, write: (text: string) => void) {
    super()
    this.columns = columns
    this.rows = rows
    this.#write = write
  }

  /** Takes a whole frame. */
  write(frame: string): boolean {
    const lines = frame.split('\n').slice(0, this.rows)
    let changes = ''
    lines.forEach((line, row) => {
      if (line !== this.#shown[row]) changes += `${ESC}${row + 1};1H${line}${ESC}0m${ESC}K`
    })
    if (lines.length < this.#shown.length) changes += `${ESC}${lines.length + 1};1H${ESC}J`
    this.#shown = lines
    if (changes !== '') this.#write(`${ESC}?2026h${ESC}?25l${changes}`)
    this.placeCursor()
    if (changes !== '') this.#write(`${ESC}?2026l`)
    return true
  }

  placeCursor(): void {
    const { cursor } = this
    this.#write(cursor === undefined ? `${ESC}?25l` : `${ESC}${cursor.y + 1};${cursor.x + 1}H${ESC}?25h`)
  }

  /** The terminal shows something else by now, or has another size: clears it and shows the last frame anew. */
  repaint(columns: number, rows: number): void {
    this.columns = columns
    this.rows = rows
    const frame = this.#shown.join('\n')
    this.#shown = []
    this.#write(`${ESC}H${ESC}2J`)
    this.write(frame)
  }

  /** What Ink's typings ask of a stdout, and Ink never uses. */
  asStream(): NodeJS.WriteStream {
    return this as unknown as NodeJS.WriteStream
  }
}
