/** The links of a small mesh: row dials column. */
import type { Tone } from '../../chat/model/theme.ts'
import { type Row, type Segment, truncateRow } from '../../chat/views/row.ts'
import { fitToColumns } from '../../terminal/width.ts'
import type { MatrixLayout, TopLayout } from '../layout.ts'
import type { Link, LinkState } from '../mesh.ts'
import type { ReadonlyTopModel } from '../model.ts'
import { formatCount, formatMs } from './format.ts'

const SIGNS: Record<LinkState, { sign: string; word: string; tone: Tone }> = {
  open: { sign: '●', word: 'open', tone: 'good' },
  dialling: { sign: '◐', word: 'connecting', tone: 'warn' },
  waiting: { sign: '○', word: 'waiting', tone: 'bad' },
  half: { sign: '◑', word: 'half-open', tone: 'warn' },
  unknown: { sign: '?', word: 'unknown', tone: 'warn' },
}

export function matrixRows(model: ReadonlyTopModel, layout: TopLayout, matrix: MatrixLayout): Row[] {
  const servers = model.sortedServers()
  const legend = Object.entries(SIGNS).flatMap(([state, { sign, word, tone }]): Segment[] => [
    { text: `  ${sign}`, tone },
    { text: ` ${word}${matrix.rtt && state === 'open' ? ', ms' : ''}`, dim: true },
  ])
  const number = (n: number) => (matrix.ids ? '' : `${n + 1}`.padStart(2).padEnd(3))
  const titles = servers.map(({ id }, n) =>
    `  ${matrix.ids ? id : n + 1}`.slice(0, matrix.cellColumns).padEnd(matrix.cellColumns),
  )
  const rows: Row[] = [
    [{ text: 'link row → column', bold: true }, ...legend],
    [{ text: ' '.repeat(layout.idColumns + number(0).length) }, { text: titles.join(''), dim: true }],
    ...servers.map(
      ({ id: from }, n): Row => [
        { text: number(n), dim: true },
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

/** The state of a link and, if it fits, the round trip of an open link or the number of held messages of another. */
function cell(link: Link, matrix: MatrixLayout): Segment[] {
  const { sign, tone } = SIGNS[link.state]
  const detail = matrix.rtt ? linkDetail(link) : ''
  return [{ text: `  ${sign}`, tone }, { text: `${detail === '' ? '' : ` ${detail}`}`.padEnd(matrix.cellColumns - 3) }]
}

function linkDetail({ state, rtt, held }: Link): string {
  if (state === 'open') return rtt === undefined ? '' : formatMs(rtt)
  return held > 0 ? `+${formatCount(held)}` : ''
}
