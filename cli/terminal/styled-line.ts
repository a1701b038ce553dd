/** A style (SGR) or the start or end of a hyperlink (OSC 8). */
const STYLE_OR_LINK = /\u001b(?:\[[0-9;:]*m|\]8;[^\u001b]*\u001b\\)/y

const ESCAPE = 0x1b

/** Takes a line with styles and hyperlinks apart at positions of its text, in UTF-16 units without those. */
export class StyledLine {
  readonly #line: string
  #index = 0
  /** The position in the text of what is taken next. */
  position = 0

  constructor(line: string) {
    this.#line = line
  }

  /** Takes the part up to a position, or to the end of the line. Styles and links at that position come after it. */
  takeTo(position: number): string {
    const start = this.#index
    while (this.position < position && this.#index < this.#line.length) {
      const length = this.#sequenceLength()
      this.#index += length || 1
      if (length === 0) this.position++
    }
    return this.#line.slice(start, this.#index)
  }

  /** The length of the style or link that comes next; 0: a character comes next. */
  #sequenceLength(): number {
    if (this.#line.charCodeAt(this.#index) !== ESCAPE) return 0
    STYLE_OR_LINK.lastIndex = this.#index
    return STYLE_OR_LINK.exec(this.#line)?.[0].length ?? 0
  }

  takeRest(): string {
    return this.takeTo(Number.POSITIVE_INFINITY)
  }
}
