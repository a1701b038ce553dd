/** The messages that the search in all threads has found. */
import { actionOf } from '../../../src/protocol/message-kinds.ts'
import { sanitizeText } from '../../../src/protocol/text.ts'
import { findAll, searchForm } from '../../common/search-form.ts'
import { localDateTime } from '../../terminal/local-time.ts'
import { fitToColumns } from '../../terminal/width.ts'
import { type FoundMessage, MAX_FOUND_MESSAGES } from '../model/finding/search-all.ts'
import { type FormattedLine, parseFormatting, sourceLines } from '../model/layout/formatting.ts'
import type { ReadonlyModel, ReadonlySearchAll } from '../model/readonly-model.ts'
import { highlight } from './messages.ts'
import { type Row, type Segment, truncateRow } from './row.ts'

/** Widest columns of the thread and of the sender. */
const MAX_NAME_COLUMNS = 12
/** Characters of the text before the match. */
const MAX_CONTEXT = 24
/** Characters of the text that a row can show. */
const MAX_TEXT = 400
/** Longest text that is formatted. */
const MAX_FORMATTED = 4_000

export function searchResultRows(
  model: ReadonlyModel,
  { found, state, editor, selectedIndex }: ReadonlySearchAll,
  columns: number,
  height: number,
): Row[] {
  const top = Math.max(0, Math.min(selectedIndex - (height >> 1), found.length - height))
  const needle = searchForm(editor.text)
  const rows = found.slice(top, top + height).map((one, at): Row => {
    const row = truncateRow(resultRow(model, one, needle, columns), columns)
    return top + at === selectedIndex ? row.map(segment => ({ ...segment, inverse: true })) : row
  })
  if (found.length === 0 && height > 0) rows.push([{ text: EMPTY_TEXTS[state], dim: true }])
  while (rows.length < height) rows.push([])
  return rows
}

const EMPTY_TEXTS = { idle: 'type to search all threads', searching: 'searching…', done: 'nothing found' }

export function searchResultsTitle({ found, state }: ReadonlySearchAll): string {
  const title = 'Search in all threads'
  if (found.length === 0) return title
  if (found.length === MAX_FOUND_MESSAGES) return `${title}: the newest ${found.length}`
  return `${title}: ${found.length}${state === 'searching' ? '…' : ''}`
}

/** Time, thread, sender, and the part of the text around the match. */
function resultRow(model: ReadonlyModel, { thread, message }: FoundMessage, needle: string, columns: number): Row {
  const { at, from, text } = message
  const nameColumns = Math.max(3, Math.min(MAX_NAME_COLUMNS, columns >> 3))
  const column = (name: string) =>
    model.similarName(name) === undefined
      ? `${fitToColumns(name, nameColumns)} `
      : `${fitToColumns(
          fitToColumns(name, nameColumns - 2)
            .trimEnd()
            .concat(' ≈'),
          nameColumns,
        )} `
  const sender: Segment =
    from === model.user ? { text: column(from), bold: true } : { text: column(from), tone: 'name', user: from }
  return [
    { text: `${columns >= 60 ? localDateTime(at) : localDateTime(at).slice(0, 10)} `, dim: true },
    { text: column(thread), tone: 'accent' },
    sender,
    ...textPart(from, text, needle, model.preferences.formatting),
  ]
}

/** The text in one line, from a little before the match: formatted as in its thread, if the match is still there. */
function textPart(sender: string, source: string, needle: string, isFormatted: boolean): Segment[] {
  const action = actionOf(source)
  const text = sanitizeText(action === undefined ? source : `${sender} ${action}`).replaceAll('\t', ' ')
  const formatted = oneLine(isFormatted && text.length <= MAX_FORMATTED ? parseFormatting(text) : sourceLines(text))
  const line = findAll(formatted.text, needle).length > 0 ? formatted : oneLine(sourceLines(text))
  const [first] = findAll(line.text, needle)
  const from = first !== undefined && first.start > MAX_CONTEXT ? startOfContext(line.text, first.start) : 0
  const end = (first?.end ?? 0) + MAX_TEXT
  const ranges = line.ranges.flatMap(({ start, end, format }) =>
    end > from ? [{ start: Math.max(0, start - from), end: end - from, format }] : [],
  )
  const part = { text: line.text.slice(from, end), isCode: false, isFlush: false, links: [], ranges }
  return [
    { text: from > 0 ? '…' : '' },
    // The row of the selected message is inverse.
    ...highlight(part, needle, []).map(
      ({ inverse, ...segment }): Segment => (inverse ? { ...segment, tone: 'accent', bold: true } : segment),
    ),
  ]
}

/** The start of a word a little before the match, if there is one. */
function startOfContext(text: string, match: number): number {
  const word = text.indexOf(' ', match - MAX_CONTEXT) + 1
  return word > 0 && word <= match ? word : match - MAX_CONTEXT
}

/** The lines of a text in one line, with their formatting. */
function oneLine(lines: readonly FormattedLine[]): Pick<FormattedLine, 'text' | 'ranges'> {
  let text = ''
  const ranges: FormattedLine['ranges'][number][] = []
  for (const [at, line] of lines.entries()) {
    if (at > 0) text += ' ⏎ '
    const base = text.length
    text += line.text
    if (line.isCode) ranges.push({ start: base, end: text.length, format: { code: true } })
    for (const { start, end, format } of line.ranges) ranges.push({ start: base + start, end: base + end, format })
  }
  return { text, ranges }
}
