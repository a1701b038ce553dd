import { width } from '../../terminal/width.ts'
import type { TopModel } from '../model.ts'

/** Widest column of servers' ids. */
const MAX_ID_COLUMNS = 20
/** Columns of a cell with the round trip in it; and with the state alone. */
const CELL_COLUMNS = 7
const NARROW_CELL_COLUMNS = 3

/** How the matrix of links is drawn. */
export interface MatrixLayout {
  /** Columns of a cell. */
  cellColumns: number
  /** Whether the columns are headed by the servers' ids; else by their numbers. */
  ids: boolean
  /** Whether there is room for the round trip. */
  rtt: boolean
}

/** Where everything stands on the screen. */
export interface TopLayout {
  /** One column is left free: what clears the end of a row would take its last character along. */
  columns: number
  /** Columns of the servers' ids. */
  idColumns: number
  /** Rows of the summary above the servers, and of the servers themselves. */
  summaryRows: number
  serverRows: number
  /** Absent: it does not fit, and each server's row says whom it does not reach. */
  matrix: MatrixLayout | undefined
  footerRows: number
}

export function computeLayout(model: TopModel): TopLayout {
  const columns = Math.max(1, model.columns - 1)
  const count = model.mesh.servers.size
  let widest = 6
  for (const id of model.mesh.servers.keys()) widest = Math.max(widest, width(id))
  const ids = Math.min(widest, MAX_ID_COLUMNS, Math.max(4, columns >> 1))
  const foot = model.rows >= 3 ? 1 : 0
  // A small screen is for the servers: a summary only where some of them find room below it.
  const head = model.rows >= 8 ? 5 : model.rows >= 5 ? 2 : 1
  const room = Math.max(0, model.rows - head - foot)
  const form = matrixLayout(columns - 2 - ids, count, widest)
  // A blank row, the legend, the columns' heads.
  const fits = count > 1 && count * 2 + 3 <= room && head === 5
  const matrix = fits ? form : undefined
  return {
    columns,
    idColumns: ids,
    summaryRows: head,
    serverRows: matrix === undefined ? room : count,
    matrix,
    footerRows: foot,
  }
}

function matrixLayout(room: number, count: number, widest: number): MatrixLayout | undefined {
  const cell = Math.max(CELL_COLUMNS, widest) + 2
  if (widest <= MAX_ID_COLUMNS && cell * count <= room) return { cellColumns: cell, ids: true, rtt: true }
  // The numbers stand before the ids of the rows, too.
  const left = room - 3
  if ((CELL_COLUMNS + 1) * count <= left) return { cellColumns: CELL_COLUMNS + 1, ids: false, rtt: true }
  return NARROW_CELL_COLUMNS * count <= left ? { cellColumns: NARROW_CELL_COLUMNS, ids: false, rtt: false } : undefined
}
