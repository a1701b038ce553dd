/** Renders the model as rows of text. */
import { fitToColumns, width } from '../../terminal/width.ts'
import { overlayHeight, screenLayout } from '../model/layout/screen-layout.ts'
import type { ReadonlyModel } from '../model/readonly-model.ts'
import { renderComposer } from './composer.ts'
import { finderRows, helpRows } from './overlays.ts'
import type { Row } from './row.ts'
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
 * @param wall ms since 1970, for the countdown until the next connection attempt
 */
export function renderScreen(model: ReadonlyModel, wall: number): Frame {
  const { sidebar, main, header, body, status, composer } = screenLayout(model)
  const left = sidebar > 0 ? sidebarRows(model, sidebar, header + body) : []
  const right = [...(header > 0 ? [headerRow(model, main)] : []), ...mainRows(model, main, body)]
  const rows = right.map((row, at): Row => {
    return sidebar > 0 ? [...(left[at] ?? []), { text: '│ ', dim: true }, ...row] : row
  })
  if (status > 0) rows.push(statusRow(model, wall))
  return withComposer(model, rows, composer)
}

/** Renders the lower part of the screen for inline mode: an overlay or finder if open, status, input line. */
export function renderInline(model: ReadonlyModel, wall: number): Frame {
  const { composer } = screenLayout(model)
  const overlaid = model.overlay !== undefined || model.finder !== undefined
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
  if (model.overlay === 'help') return helpRows(model, columns, height)
  if (model.finder !== undefined) return finderRows(model, model.finder, columns, height)
  return threadRows(model, columns, height)
}

function headerRow(model: ReadonlyModel, columns: number): Row {
  const title = (text: string): Row => [{ text: fitToColumns(text, columns), bold: true }]
  if (model.overlay === 'help') return title('Help')
  if (model.finder !== undefined) return title(model.finder.kind === 'users' ? 'Online users' : 'Earlier input')
  const thread = model.current
  if (thread === undefined) return title('mesh-chat')
  const name = width(thread.name) > columns - 12 ? fitToColumns(thread.name, Math.max(1, columns - 12)) : thread.name
  const connections = model.connectionCounts.get(thread.name)
  const rosterKnown = model.connection.phase === 'online'
  const online = rosterKnown && model.isOnline(thread.name)
  const mark = model.confusables.find(thread.name) === undefined ? '' : ' ≈'
  const times = connections === undefined ? '' : ` ×${connections}`
  const state = !rosterKnown ? '' : online ? `● online${times}` : '○ offline: messages are delivered when they connect'
  return [
    { text: name, bold: true },
    { text: `${mark}  `, tone: 'accent' },
    online
      ? { text: state, tone: 'good' }
      : { text: fitToColumns(state, Math.max(0, columns - width(name) - width(mark) - 2)), dim: true },
  ]
}
