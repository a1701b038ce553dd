/** Renders the model as rows of text. */
import { overlayHeight, screenLayout } from '../model/layout/screen-layout.ts'
import type { ReadonlyModel } from '../model/readonly-model.ts'
import { renderComposer } from './composer.ts'
import { finderRows } from './finder-rows.ts'
import { headerRow } from './header.ts'
import { overlayRows } from './overlays.ts'
import type { Row } from './row.ts'
import { searchResultRows } from './search-results.ts'
import { sidebarRows } from './sidebar.ts'
import { statusRow } from './status-row.ts'
import { threadRows } from './thread.ts'

export interface Frame {
  rows: Row[]
  /** Cursor position; undefined while an overlay is open. */
  cursor: { x: number; y: number } | undefined
}

/**
 * Renders the whole screen.
 * @param wall ms since 1970, for the countdown until the next connection attempt, and for typing notices
 */
export function renderScreen(model: ReadonlyModel, wall: number): Frame {
  const { sidebar, main, header, body, status, composer } = screenLayout(model)
  const left = sidebar > 0 ? sidebarRows(model, sidebar, header + body) : []
  const right = [...(header > 0 ? [headerRow(model, main, wall)] : []), ...mainRows(model, main, body)]
  const rows = right.map((row, at): Row => {
    return sidebar > 0
      ? [...(left[at] ?? []), { text: '│ ', dim: true, column: sidebar }, ...startingAt(sidebar + 2, row)]
      : row
  })
  if (status > 0) rows.push(statusRow(model, wall))
  return withComposer(model, rows, composer)
}

/** A row whose first segment starts at a column. */
function startingAt(column: number, [first, ...rest]: Row): Row {
  return first === undefined ? [] : [{ ...first, column }, ...rest]
}

/** Renders the lower part of the screen for inline mode: an overlay or finder if open, status, input line. */
export function renderInline(model: ReadonlyModel, wall: number): Frame {
  const { composer } = screenLayout(model)
  const overlaid = model.overlay !== undefined || model.finder !== undefined || model.searchAll !== undefined
  const rows = overlaid ? mainRows(model, model.columns, overlayHeight(model)) : []
  return withComposer(model, [...rows, statusRow(model, wall)], composer)
}

/** Adds the input line below the other rows. */
function withComposer(model: ReadonlyModel, above: Row[], height: number): Frame {
  const composer = renderComposer(model, height)
  const cursor = model.overlay === undefined ? { x: composer.x, y: above.length + composer.y } : undefined
  return { rows: [...above, ...composer.rows], cursor }
}

function mainRows(model: ReadonlyModel, columns: number, height: number): Row[] {
  if (model.overlay !== undefined) return overlayRows(model, columns, height)
  if (model.searchAll !== undefined) return searchResultRows(model, model.searchAll, columns, height)
  if (model.finder !== undefined) return finderRows(model, model.finder, columns, height)
  return threadRows(model, columns, height)
}
