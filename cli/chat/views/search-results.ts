/** The messages that the search in all threads has found. */
import { sanitizeLine } from '../../../src/protocol/text.ts'
import { findAll, searchForm } from '../../search-form.ts'
import { localDateTime } from '../../terminal/local-time.ts'
import { fitToColumns } from '../../terminal/width.ts'
import type { ReadonlyModel, ReadonlySearchAll } from '../model/readonly-model.ts'
import { type FoundMessage, MAX_FOUND_MESSAGES } from '../model/search-all.ts'
import { type Row, type Segment, truncateRow } from './row.ts'

/** Widest columns of the thread and of the sender. */
const MAX_NAME_COLUMNS = 12
/** Characters of the text before the match. */
const MAX_CONTEXT = 24
/** Characters of the text that a row can show. */
const MAX_TEXT = 400

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
    ...textPart(text, needle),
  ]
}

/** The text in one line, from a little before the match. */
function textPart(text: string, needle: string): Segment[] {
  const line = sanitizeLine(text.replaceAll('\n', ' ⏎ ').replaceAll('\t', ' '))
  const [first] = findAll(line, needle)
  if (first === undefined) return [{ text: line.slice(0, MAX_TEXT) }]
  const from = first.start > MAX_CONTEXT ? line.indexOf(' ', first.start - MAX_CONTEXT) + 1 : 0
  const start = from > 0 && from <= first.start ? from : Math.max(0, first.start - MAX_CONTEXT)
  return [
    { text: `${start > 0 ? '…' : ''}${line.slice(start, first.start)}` },
    { text: line.slice(first.start, first.end), tone: 'accent', bold: true },
    { text: line.slice(first.end, first.end + MAX_TEXT) },
  ]
}
