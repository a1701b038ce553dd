import { width } from '../terminal/width.ts'
import type { ReadonlyTopModel } from './model.ts'

/** Columns of the longest server id that is shown in full. */
const MAX_ID_COLUMNS = 20
/** Columns of a matrix cell with the round trip, and with the state only. */
const CELL_COLUMNS = 7
const NARROW_CELL_COLUMNS = 3

/** Layout of the link matrix. */
export interface MatrixLayout {
  /** Columns of a cell. */
  cellColumns: number
  /** Whether the columns are titled with server ids; otherwise with numbers. */
  ids: boolean
  /** Whether cells show the round trip. */
  rtt: boolean
}

/** Layout of the whole screen. */
export interface TopLayout {
  /** The width without the last column: clearing the rest of a full row would erase its last character. */
  columns: number
  /** Columns of the servers' ids. */
  idColumns: number
  /** Rows of the summary above the list, and of the list of servers or rooms. */
  summaryRows: number
  listRows: number
  /** Undefined if the matrix does not fit: each server's row lists its unreachable peers instead. */
  matrix: MatrixLayout | undefined
  footerRows: number
}

export function computeLayout(model: ReadonlyTopModel): TopLayout {
  const columns = Math.max(1, model.columns - 1)
  const count = model.mesh.servers.size
  let widest = 6
  for (const id of model.mesh.servers.keys()) widest = Math.max(widest, width(id))
  const idColumns = Math.min(widest, MAX_ID_COLUMNS, Math.max(4, columns >> 1))
  const footerRows = model.rows >= 3 ? 1 : 0
  // On a small screen servers come first: show the summary only if some servers fit below it.
  const summaryRows = model.rows >= 8 ? 5 : model.rows >= 5 ? 2 : 1
  const availableRows = Math.max(0, model.rows - summaryRows - footerRows)
  // The matrix needs a blank row, the legend and the column titles above its rows.
  const fits = !model.isRoomsOpen && count > 1 && count * 2 + 3 <= availableRows && summaryRows === 5
  const matrix = fits ? matrixLayout(columns - 2 - idColumns, count, widest) : undefined
  return {
    columns,
    idColumns,
    summaryRows,
    listRows: matrix === undefined ? availableRows : count,
    matrix,
    footerRows,
  }
}

function matrixLayout(columns: number, count: number, widestId: number): MatrixLayout | undefined {
  const cellWithId = Math.max(CELL_COLUMNS, widestId) + 2
  if (widestId <= MAX_ID_COLUMNS && cellWithId * count <= columns) {
    return { cellColumns: cellWithId, ids: true, rtt: true }
  }
  // The rows are numbered, too.
  const left = columns - 3
  if ((CELL_COLUMNS + 1) * count <= left) return { cellColumns: CELL_COLUMNS + 1, ids: false, rtt: true }
  return NARROW_CELL_COLUMNS * count <= left ? { cellColumns: NARROW_CELL_COLUMNS, ids: false, rtt: false } : undefined
}
