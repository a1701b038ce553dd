/** The links of a small mesh: who dials (the row) whom (the column). */
import type { Tone } from '../../chat/model/theme.ts'
import { cut, type Row, type Segment } from '../../chat/views/row.ts'
import { fitted } from '../../terminal/width.ts'
import type { Link, LinkState } from '../mesh.ts'
import type { TopModel } from '../model.ts'
import { count, millis } from './format.ts'
import type { MatrixForm, TopLayout } from './layout.ts'

const SIGNS: Record<LinkState, { sign: string; word: string; tone: Tone }> = {
  open: { sign: '●', word: 'open', tone: 'good' },
  dialling: { sign: '◐', word: 'dialling', tone: 'warn' },
  waiting: { sign: '○', word: 'waiting', tone: 'bad' },
  half: { sign: '◑', word: 'one end', tone: 'warn' },
  unknown: { sign: '?', word: 'unknown', tone: 'warn' },
}

export function matrixRows(model: TopModel, at: TopLayout, form: MatrixForm): Row[] {
  const servers = model.ordered()
  const legend = Object.entries(SIGNS).flatMap(([state, { sign, word, tone }]): Segment[] => [
    { text: `  ${sign}`, tone },
    { text: ` ${word}${form.rtt && state === 'open' ? ', ms' : ''}`, dim: true },
  ])
  const numbers = (n: number) => (form.ids ? '' : `${n + 1}`.padStart(2).padEnd(3))
  const heads = servers.map(({ id }, n) => `  ${form.ids ? id : n + 1}`.slice(0, form.cell).padEnd(form.cell))
  const rows: Row[] = [
    [{ text: 'row dials column', bold: true }, ...legend],
    [{ text: ' '.repeat(at.ids + numbers(0).length) }, { text: heads.join(''), dim: true }],
    ...servers.map(
      ({ id: from }, n): Row => [
        { text: numbers(n), dim: true },
        { text: fitted(from, at.ids), bold: true },
        ...servers.flatMap(({ id: to }) =>
          from === to ? [{ text: '  ·'.padEnd(form.cell), dim: true } as const] : cell(model.mesh.link(from, to), form),
        ),
      ],
    ),
  ]
  return rows.map(row => cut(row, at.columns))
}

/** The state, and where there is room the round trip of an open link, or how many messages another holds. */
function cell({ state, rtt, held }: Link, form: MatrixForm): Segment[] {
  const { sign, tone } = SIGNS[state]
  const more = !form.rtt
    ? ''
    : state === 'open'
      ? rtt === undefined
        ? ''
        : millis(rtt)
      : held > 0
        ? `+${count(held)}`
        : ''
  return [{ text: `  ${sign}`, tone }, { text: `${more === '' ? '' : ` ${more}`}`.padEnd(form.cell - 3) }]
}
