/** The links of a small mesh: who dials (the row) whom (the column). */
import type { Tone } from '../../chat/model/theme.ts'
import { type Row, type Segment, truncateRow } from '../../chat/views/row.ts'
import { fitToColumns } from '../../terminal/width.ts'
import type { Link, LinkState } from '../mesh.ts'
import type { TopModel } from '../model.ts'
import { formatCount, formatMs } from './format.ts'
import type { MatrixLayout, TopLayout } from './layout.ts'

const SIGNS: Record<LinkState, { sign: string; word: string; tone: Tone }> = {
  open: { sign: '●', word: 'open', tone: 'good' },
  dialling: { sign: '◐', word: 'dialling', tone: 'warn' },
  waiting: { sign: '○', word: 'waiting', tone: 'bad' },
  half: { sign: '◑', word: 'one end', tone: 'warn' },
  unknown: { sign: '?', word: 'unknown', tone: 'warn' },
}

export function matrixRows(model: TopModel, layout: TopLayout, matrix: MatrixLayout): Row[] {
  const servers = model.sortedServers()
  const legend = Object.entries(SIGNS).flatMap(([state, { sign, word, tone }]): Segment[] => [
    { text: `  ${sign}`, tone },
    { text: ` ${word}${matrix.rtt && state === 'open' ? ', ms' : ''}`, dim: true },
  ])
  const numbers = (n: number) => (matrix.ids ? '' : `${n + 1}`.padStart(2).padEnd(3))
  const heads = servers.map(({ id }, n) =>
    `  ${matrix.ids ? id : n + 1}`.slice(0, matrix.cellColumns).padEnd(matrix.cellColumns),
  )
  const rows: Row[] = [
    [{ text: 'row dials column', bold: true }, ...legend],
    [{ text: ' '.repeat(layout.idColumns + numbers(0).length) }, { text: heads.join(''), dim: true }],
    ...servers.map(
      ({ id: from }, n): Row => [
        { text: numbers(n), dim: true },
        { text: fitToColumns(from, layout.idColumns), bold: true },
        ...servers.flatMap(({ id: to }) =>
          from === to
            ? [{ text: '  ·'.padEnd(matrix.cellColumns), dim: true } as const]
            : cell(model.mesh.link(from, to), matrix),
        ),
      ],
    ),
  ]
  return rows.map(row => truncateRow(row, layout.columns))
}

/** The state, and where there is room the round trip of an open link, or how many messages another holds. */
function cell({ state, rtt, held }: Link, matrix: MatrixLayout): Segment[] {
  const { sign, tone } = SIGNS[state]
  const more = !matrix.rtt
    ? ''
    : state === 'open'
      ? rtt === undefined
        ? ''
        : formatMs(rtt)
      : held > 0
        ? `+${formatCount(held)}`
        : ''
  return [{ text: `  ${sign}`, tone }, { text: `${more === '' ? '' : ` ${more}`}`.padEnd(matrix.cellColumns - 3) }]
}
