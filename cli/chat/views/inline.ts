/** The inline mode: what is said is printed for good, and only status and composer are drawn again. */
import { styleText } from 'node:util'
import type { SessionEvent } from '../../../src/client/events.ts'
import { visibleLine } from '../../../src/protocol/text.ts'
import { wrap } from '../../terminal/width.ts'
import type { Model } from '../model/model.ts'
import { type ThemeName, toneColor } from '../model/theme.ts'
import type { Entry, Thread } from '../model/thread.ts'
import { clock } from './messages.ts'
import type { Row, Segment } from './row.ts'

/** Entries printed of a thread that is opened. */
const LAST = 10

/** What of an event is to be printed; it is in the model already. */
export function printedRows(model: Model, event: SessionEvent): Row[] {
  if (event.type === 'message' && event.origin !== 'history') {
    const { from, to, id } = event.message
    const entry = model.threads.get(from === model.user ? to : from)?.find(id)
    return entry === undefined ? [] : entryLines(model, entry, to)
  }
  if (event.type === 'progress' && event.progress.state === 'refused') {
    return [[{ text: `not sent to ${event.to}: ${visibleLine(event.progress.message)}`, tone: 'bad' }]]
  }
  if (event.type === 'key' && event.state === 'changed') {
    const warnings = model.threads.get(event.user)?.entries.filter(entry => entry.kind === 'warning') ?? []
    return warnings.slice(-2).map(({ text }): Row => [{ text, tone: 'bad', bold: true }])
  }
  if (event.type !== 'roster' || !model.preferences.notes) return []
  const known = (name: string) => model.threads.has(name) && model.connection.phase === 'online'
  return [
    ...event.joined.filter(known).map((name): Row => [{ text: `${name} is online`, dim: true }]),
    ...event.left.filter(known).map((name): Row => [{ text: `${name} went offline`, dim: true }]),
  ]
}

/** The end of a thread that was opened. */
export function openedRows(model: Model, thread: Thread): Row[] {
  const entries = thread.entries.filter(entry => entry.kind === 'message').slice(-LAST)
  return [
    [{ text: `── ${thread.name} ──`, tone: 'accent' }],
    ...entries.flatMap(entry => entryLines(model, entry, entry.from === model.user ? thread.name : model.user)),
  ]
}

function entryLines(model: Model, entry: Entry, to: string): Row[] {
  const own = entry.from === model.user
  const head = own ? `${entry.from} → ${to}` : entry.from
  const name: Segment = own ? { text: head, bold: true } : { text: head, tone: 'name' }
  return wrap(entry.text, Math.max(10, model.columns - 8)).map(
    ({ text }, row): Row =>
      row === 0
        ? [{ text: `${clock(entry.at)} `, dim: true }, name, { text: `  ${text}` }]
        : [{ text: `      ${text}` }],
  )
}

/** A row as a terminal takes it. Without a theme, no colour. */
export function rowLine(row: Row, theme: ThemeName | undefined): string {
  return row.map(segment => styled(segment, theme)).join('')
}

function styled({ text, tone, bold, dim, inverse }: Segment, theme: ThemeName | undefined): string {
  const color = tone === undefined || theme === undefined ? undefined : toneColor(theme, tone, text)
  const formats: Parameters<typeof styleText>[0][] = []
  if (color !== undefined) formats.push(color)
  if (bold) formats.push('bold')
  if (dim) formats.push('dim')
  if (inverse) formats.push('inverse')
  return formats.reduce((styledText, format) => styleText(format, styledText), text)
}
