/** The inline mode: what is said is printed for good, and only status and composer are drawn again. */
import { styleText } from 'node:util'
import type { SessionEvent } from '../../../src/client/events.ts'
import { sanitizeLine } from '../../../src/protocol/text.ts'
import { wrap } from '../../terminal/width.ts'
import type { Model } from '../model/model.ts'
import { type ThemeName, toneColor } from '../model/theme.ts'
import type { Entry, Thread } from '../model/thread.ts'
import { formatTime } from './messages.ts'
import type { Row, Segment } from './row.ts'

/** Entries printed of a thread that is opened. */
const MAX_OPENED_ENTRIES = 10

/** What of an event is to be printed; it is in the model already. */
export function eventRows(model: Model, event: SessionEvent): Row[] {
  if (event.type === 'message' && event.origin !== 'history') {
    const { from, to, id } = event.message
    const entry = model.threads.get(from === model.user ? to : from)?.entryById(id)
    return entry === undefined ? [] : inlineEntryRows(model, entry, to)
  }
  if (event.type === 'progress' && event.progress.state === 'refused') {
    return [[{ text: `not sent to ${event.to}: ${sanitizeLine(event.progress.message)}`, tone: 'bad' }]]
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
export function openedThreadRows(model: Model, thread: Thread): Row[] {
  const entries = thread.entries.filter(entry => entry.kind === 'message').slice(-MAX_OPENED_ENTRIES)
  return [
    [{ text: `── ${thread.name} ──`, tone: 'accent' }],
    ...entries.flatMap(entry => inlineEntryRows(model, entry, entry.from === model.user ? thread.name : model.user)),
  ]
}

function inlineEntryRows(model: Model, entry: Entry, to: string): Row[] {
  const own = entry.from === model.user
  const head = own ? `${entry.from} → ${to}` : entry.from
  const name: Segment = own ? { text: head, bold: true } : { text: head, tone: 'name' }
  return wrap(entry.text, Math.max(10, model.columns - 8)).map(
    ({ text }, row): Row =>
      row === 0
        ? [{ text: `${formatTime(entry.at)} `, dim: true }, name, { text: `  ${text}` }]
        : [{ text: `      ${text}` }],
  )
}

/** A row as a terminal takes it. Without a theme, no colour. */
export function rowToAnsi(row: Row, theme: ThemeName | undefined): string {
  return row.map(segment => segmentToAnsi(segment, theme)).join('')
}

function segmentToAnsi({ text, tone, bold, dim, inverse }: Segment, theme: ThemeName | undefined): string {
  const color = tone === undefined || theme === undefined ? undefined : toneColor(theme, tone, text)
  const formats: Parameters<typeof styleText>[0][] = []
  if (color !== undefined) formats.push(color)
  if (bold) formats.push('bold')
  if (dim) formats.push('dim')
  if (inverse) formats.push('inverse')
  return formats.reduce((styledText, format) => styleText(format, styledText), text)
}
