/** The visible part of the open thread. */
import { sanitizeLine } from '../../../src/protocol/text.ts'
import { fitToColumns, wrap } from '../../terminal/width.ts'
import { bottomPosition, MIN_ROWS_FOR_DAY, movePosition, rowCounter } from '../model/layout/viewport.ts'
import type { ReadonlyModel } from '../model/readonly-model.ts'
import { dayRow, entryRows, withSender } from './messages.ts'
import type { Row } from './row.ts'

export function threadRows(model: ReadonlyModel, columns: number, height: number): Row[] {
  const thread = model.current
  if (thread === undefined || thread.entries.length === 0) return emptyRows(model, columns, height)
  const isScrolledUp = thread.anchor !== undefined
  const wanted = height - (isScrolledUp ? 1 : 0)
  const bottom = bottomPosition(thread, rowCounter(thread, model, columns))
  const isConfusable = (name: string) => name !== model.user && model.similarName(name) !== undefined
  // From the lowest visible row up.
  const rows: Row[] = []
  let top = { index: bottom.index, row: 0 }
  for (let index = bottom.index; index >= 0 && rows.length < wanted; index--) {
    const all = entryRows(thread, index, model, columns, isConfusable)
    for (let row = index === bottom.index ? bottom.row : all.length - 1; row >= 0; row--) {
      if (rows.length >= wanted) break
      rows.push(all[row] ?? [])
      top = { index, row }
    }
  }
  const free = wanted - rows.length
  rows.push(...Array.from({ length: free }, (): Row => []))
  rows.reverse()
  const topEntry = thread.entries[top.index]
  const hasDay = isScrolledUp && topEntry !== undefined && rows.length >= MIN_ROWS_FOR_DAY
  if (hasDay) rows[0] = dayRow(topEntry.at, columns)
  if (free === 0) {
    const covered = Number(hasDay)
    const first = movePosition(top, covered, thread, rowCounter(thread, model, columns))
    rows.splice(covered, wanted, ...withSender(rows.slice(covered), first, thread, model, columns, isConfusable))
  }
  if (isScrolledUp) {
    const arrived = thread.newBelow === 0 ? '' : `${thread.newBelow} new below · `
    rows.push([{ text: fitToColumns(`↓ ${arrived}Esc to go to the end`, columns), tone: 'accent' }])
  }
  return rows
}

function emptyRows(model: ReadonlyModel, columns: number, height: number): Row[] {
  const lines =
    model.current === undefined
      ? [
          'No thread is open.',
          '',
          '/msg NAME   open a thread',
          '/rooms      list the rooms to join',
          'Ctrl+N      go to the next online user',
          '?           list all commands and keys',
        ]
      : [`No messages ${model.current.isRoom ? 'in' : 'with'} ${model.current.name} yet.`]
  const rows = lines.slice(0, height).map((line): Row => [{ text: fitToColumns(line, columns), dim: true }])
  if (model.current === undefined && model.startNotices.length > 0) rows.unshift(...noticeRows(model, columns), [])
  while (rows.length < height) rows.unshift([])
  return rows.slice(rows.length - height)
}

function noticeRows({ startNotices }: ReadonlyModel, columns: number): Row[] {
  return startNotices.flatMap(({ text, tone }) =>
    wrap(sanitizeLine(text), columns).map(
      (line): Row => [{ text: line.text, tone: tone === 'error' ? 'bad' : 'accent' }],
    ),
  )
}
