/**
 * Formatting in the text of a message: `*bold*`, `_italic_`, `` `code` ``, and blocks of code between lines of three
 * backticks. Delimiters count only at the borders of words and within a line, so that `snake_case_name`, `2 * 3 * 4`, URLs
 * and emoticons stay as they are. What is not closed is text.
 */
import { SPACELESS } from '../../../common/search-form.ts'
import { type WrappedRow, wrapAnywhere } from '../../../terminal/width.ts'
import { type LinkPart, wrapMessage } from './wrap-message.ts'

/** How a part of a text looks. */
export interface Format {
  bold?: true
  italic?: true
  code?: true
  /** Not part of the text that was written: a mark. */
  dim?: true
}

/** A formatted part of a text, in UTF-16 units. Parts do not overlap and are in order. */
interface FormatRange {
  start: number
  end: number
  format: Format
}

/** A displayed line, without delimiters. */
export interface FormattedLine {
  text: string
  /** Whether it is a line of a code block. */
  isCode: boolean
  ranges: readonly FormatRange[]
}

/** A row of a wrapped text. */
export interface FormattedRow extends FormattedLine {
  /** Whether it starts at the left margin: code, so that it can be copied, or a link that does not fit next to the indentation. */
  isFlush: boolean
  links: readonly LinkPart[]
}

const FENCE = '```'
/** The name of a language after three backticks. */
const LANGUAGE = /^[\w+#.-]*\s*$/u
/** The border before a delimiter that opens, and after one that closes. */
const OPENS_AFTER = new RegExp(`(?:[\\s([{"'«“‘„—–]|[${SPACELESS}])$`, 'u')
const CLOSES_BEFORE = new RegExp(`^(?:[\\s.,;:!?)\\]}"'»”’…—–]|[${SPACELESS}])`, 'u')
/** What formatted text must have, unlike an emoticon. */
const WORD_CHARACTER = /[\p{L}\p{N}]/u
/** Most backticks around code within a line. */
const MAX_BACKTICKS = 3
const ENDS_WITH_WORD = /[\p{L}\p{N}_]$/u
const STARTS_WITH_WORD = /^[\p{L}\p{N}_]/u
const URL = /\b(?:[a-z][a-z0-9+.-]{0,20}:\/\/|www\.)[^\s`]+/giu

/** Splits a text into lines and finds their formatting. Each line break and each character but delimiters is kept. */
export function parseFormatting(text: string): FormattedLine[] {
  if (!text.includes('*') && !text.includes('_') && !text.includes('`')) return sourceLines(text)
  const lines = text.split('\n')
  const parsed: FormattedLine[] = []
  // The line of the last closing fence: below it, no fence opens a block.
  const lastFence = lines.findLastIndex(line => line.trimEnd().endsWith(FENCE))
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? ''
    const before = at < lastFence ? textBeforeFence(line) : undefined
    const end = before === undefined ? -1 : lines.findIndex((one, n) => n > at && one.trimEnd().endsWith(FENCE))
    if (before === undefined || end < 0) {
      parsed.push(parseLine(line))
      continue
    }
    const code = lines.slice(at + 1, end)
    const last = (lines[end] ?? '').trimEnd().slice(0, -FENCE.length)
    if (last.trim() !== '') code.push(last)
    if (before !== '') parsed.push(parseLine(before))
    // A block without code shows its source.
    if (code.length === 0) parsed.push(...sourceLines(`${FENCE}\n${FENCE}`))
    for (const codeLine of code) parsed.push({ text: codeLine, isCode: true, ranges: [] })
    at = end
  }
  return parsed
}

/** The text before three backticks at the end of a line, with or without a language; undefined: it has none. */
function textBeforeFence(line: string): string | undefined {
  const at = line.indexOf(FENCE)
  if (at < 0 || !LANGUAGE.test(line.slice(at + FENCE.length))) return undefined
  return line.slice(0, at).trimEnd()
}

/** The lines of a text without formatting. */
export function sourceLines(text: string): FormattedLine[] {
  return text.split('\n').map(line => ({ text: line, isCode: false, ranges: [] }))
}

/**
 * Wraps lines into rows. Code is cut at the right edge, so that its spaces stay where they are.
 * @param id of the message, see `wrapMessage`
 * @param flushColumns the width of rows that start at the left margin
 */
export function wrapFormatted(
  lines: readonly FormattedLine[],
  id: string,
  columns: number,
  flushColumns = columns,
): FormattedRow[] {
  return lines.flatMap(({ text, isCode, ranges }, line) => {
    const rows = isCode
      ? wrapAnywhere(text, flushColumns).map(row => ({ ...row, isFlush: true, links: [] }))
      : wrapMessage(text, `${id} ${line}`, columns, flushColumns)
    return rows.map(row => ({
      text: row.text,
      isCode,
      ranges: rangesOfRow(ranges, row),
      isFlush: row.isFlush,
      links: row.links,
    }))
  })
}

function rangesOfRow(ranges: readonly FormatRange[], { start, text }: WrappedRow): FormatRange[] {
  return ranges.flatMap(range => {
    const from = Math.max(range.start - start, 0)
    const to = Math.min(range.end - start, text.length)
    return from < to ? [{ start: from, end: to, format: range.format }] : []
  })
}

/** Builds a line without its delimiters. */
class LineBuilder {
  text = ''
  readonly ranges: FormatRange[] = []

  add(text: string, format: Format): void {
    if (text === '') return
    const start = this.text.length
    this.text += text
    if (Object.keys(format).length > 0) this.ranges.push({ start, end: this.text.length, format })
  }
}

/** A part of a line in which delimiters do not count: a URL, or code, whose backticks are not shown. */
interface Literal {
  start: number
  end: number
  code: string | undefined
}

function parseLine(line: string): FormattedLine {
  const builder = new LineBuilder()
  addInline(line, literalsOf(line), 0, line.length, {}, builder)
  return { text: builder.text, isCode: false, ranges: builder.ranges }
}

/** The literal parts of a line, in order. Code wins over a URL that starts inside it. */
function literalsOf(line: string): Literal[] {
  const codes = line.includes('`') ? codeSpans(line) : []
  const literals: Literal[] = [...codes]
  for (const { 0: url, index } of line.matchAll(URL)) {
    const isInCode = codes.some(({ start, end }) => start <= index && index < end)
    if (!isInCode) literals.push({ start: index, end: index + url.length, code: undefined })
  }
  return literals.sort((one, other) => one.start - other.start)
}

/** Code between the same number of backticks, at the borders of words. */
function codeSpans(line: string): Literal[] {
  const runs = [...line.matchAll(/`+/g)].map(({ 0: { length }, index }) => ({ start: index, length }))
  const spans: Literal[] = []
  const unclosed = new Set<number>()
  for (let at = 0; at < runs.length; at++) {
    const { start, length } = runs[at] ?? { start: 0, length: 0 }
    if (length > MAX_BACKTICKS || unclosed.has(length)) continue
    if (ENDS_WITH_WORD.test(line.slice(Math.max(0, start - 2), start))) continue
    const close = runs.findIndex(
      (run, n) =>
        n > at &&
        run.length === length &&
        !STARTS_WITH_WORD.test(line.slice(run.start + length, run.start + length + 2)),
    )
    const closing = runs[close]
    if (closing === undefined) {
      unclosed.add(length)
      continue
    }
    spans.push({ start, end: closing.start + length, code: line.slice(start + length, closing.start) })
    at = close
  }
  return spans
}

/** Adds the part of a line from `from` to `to`, which has `outer` as its format. */
function addInline(
  line: string,
  literals: readonly Literal[],
  from: number,
  to: number,
  outer: Format,
  builder: LineBuilder,
): void {
  // A delimiter without an end has none for later openings either: this keeps the search linear.
  const unclosed = new Set<string>()
  let next = literals.findIndex(({ end }) => end > from)
  if (next < 0) next = literals.length
  let plainFrom = from
  for (let at = from; at < to; at++) {
    const literal = literals[next]
    if (literal !== undefined && at === literal.start) {
      if (literal.code !== undefined) {
        builder.add(line.slice(plainFrom, at), outer)
        builder.add(literal.code, { ...outer, code: true })
        plainFrom = literal.end
      }
      at = literal.end - 1
      next++
      continue
    }
    const delimiter = line[at]
    if ((delimiter !== '*' && delimiter !== '_') || unclosed.has(delimiter)) continue
    const name = delimiter === '*' ? 'bold' : 'italic'
    if (outer[name] || !opens(line, at, from, to)) continue
    const end = findEnd(line, literals.slice(next), at, to)
    if (end === undefined) {
      unclosed.add(delimiter)
      continue
    }
    if (!WORD_CHARACTER.test(line.slice(at + 1, end))) continue
    builder.add(line.slice(plainFrom, at), outer)
    addInline(line, literals, at + 1, end, { ...outer, [name]: true }, builder)
    plainFrom = end + 1
    at = end
    while (literals[next] !== undefined && (literals[next]?.start ?? 0) < end) next++
  }
  builder.add(line.slice(plainFrom, to), outer)
}

/** Whether the delimiter at `at` opens: after a border and before a character of the text. */
function opens(line: string, at: number, from: number, to: number): boolean {
  const following = line[at + 1]
  if (at + 1 >= to || following === undefined || following === line[at] || /\s/u.test(following)) return false
  return at === from || OPENS_AFTER.test(line.slice(Math.max(from, at - 2), at))
}

/** The delimiter that closes the one at `start`: after a character of the text and before a border. */
function findEnd(line: string, literals: readonly Literal[], start: number, to: number): number | undefined {
  const delimiter = line[start]
  let next = 0
  for (let at = start + 1; at < to; at++) {
    const literal = literals[next]
    if (literal !== undefined && at === literal.start) {
      at = literal.end - 1
      next++
      continue
    }
    if (line[at] !== delimiter || at === start + 1) continue
    const before = line[at - 1] ?? ''
    if (before === delimiter || /\s/u.test(before)) continue
    if (at + 1 >= to || CLOSES_BEFORE.test(line.slice(at + 1, at + 3))) return at
  }
  return undefined
}
