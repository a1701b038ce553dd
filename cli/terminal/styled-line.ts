/** A style (SGR) or the start or end of a hyperlink (OSC 8). */
const STYLE_OR_LINK = /\u001b(?:\[[0-9;:]*m|\]8;[^\u001b]*\u001b\\)/y

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
      STYLE_OR_LINK.lastIndex = this.#index
      const sequence = STYLE_OR_LINK.exec(this.#line)
      if (sequence !== null) this.#index += sequence[0].length
      else {
        this.#index++
        this.position++
      }
    }
    return this.#line.slice(start, this.#index)
  }

  takeRest(): string {
    return this.takeTo(Number.POSITIVE_INFINITY)
  }
}
