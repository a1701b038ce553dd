/** Inline mode: messages are printed into the terminal's scrollback; only status and input line are redrawn. */
import { styleText } from 'node:util'
import { isRoom } from '../../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../../src/protocol/text.ts'
import type { ClientEvent, Notice } from '../../client-events.ts'
import { formatTimeOfDay } from '../../format-time.ts'
import { wrap } from '../../terminal/width.ts'
import { rejectionText } from '../model/layout/entry-layout.ts'
import type { ReadonlyEntry, ReadonlyModel, ReadonlyThread } from '../model/readonly-model.ts'
import { changesText } from '../model/rooms/membership.ts'
import { threadName } from '../model/rooms/room.ts'
import { type ThemeName, toneColor } from '../model/theme.ts'
import type { Row, Segment } from './row.ts'

/** Messages printed when a thread is opened. */
const MAX_OPENED_ENTRIES = 10

/** The rows to print for an event that has been applied to the model. */
export function eventRows(model: ReadonlyModel, event: ClientEvent): Row[] {
  if (event.type === 'message' && event.origin !== 'history') {
    const { to, id } = event.message
    const entry = model.threads.get(threadName(event.message, model.user))?.entryById(id)
    return entry === undefined ? [] : inlineEntryRows(model, entry, to)
  }
  if (event.type === 'notice') return noticeRows(model, event)
  if (event.type === 'room') return roomRows(model, event)
  if (event.type === 'progress' && event.progress.state === 'refused') {
    return [[{ text: `not sent to ${event.to}: ${sanitizeLine(event.progress.message)}`, tone: 'bad' }]]
  }
  if (event.type === 'key' && event.state === 'changed') {
    // The two warnings that the model has just added.
    const warnings = model.threads.get(event.user)?.entries.filter(entry => entry.kind === 'warning') ?? []
    return warnings.slice(-2).map(({ text }): Row => [{ text, tone: 'bad', bold: true }])
  }
  if (event.type !== 'roster' || !model.preferences.notes) return []
  const hasThread = (name: string) => model.threads.has(name) && model.connection.phase === 'online'
  return [
    ...event.joined.filter(hasThread).map((name): Row => [{ text: `${name} is online`, dim: true }]),
    ...event.left.filter(hasThread).map((name): Row => [{ text: `${name} went offline`, dim: true }]),
  ]
}

function roomRows(model: ReadonlyModel, { room, state }: Extract<ClientEvent, { type: 'room' }>): Row[] {
  if (state.state === 'refused') return [[{ text: `${room}: ${sanitizeLine(state.message)}`, tone: 'bad' }]]
  const { announced } = model.rooms.get(room) ?? {}
  const text = announced === undefined ? '' : changesText(announced)
  return text === '' ? [] : [[{ text: `${room}: ${text}`, dim: true }]]
}

function noticeRows(model: ReadonlyModel, { text, isWarning }: Notice): Row[] {
  return wrap(sanitizeLine(text), Math.max(10, model.columns)).map(
    (line): Row => [isWarning ? { text: line.text, tone: 'bad', bold: true } : { text: line.text, tone: 'accent' }],
  )
}

/** The newest messages of a thread, to print when it is opened. */
export function openedThreadRows(model: ReadonlyModel, thread: ReadonlyThread): Row[] {
  const entries = thread.entries.filter(entry => entry.kind === 'message').slice(-MAX_OPENED_ENTRIES)
  return [
    [{ text: `── ${thread.name} ──`, tone: 'accent' }],
    ...entries.flatMap(entry =>
      inlineEntryRows(model, entry, thread.isRoom || entry.from === model.user ? thread.name : model.user),
    ),
  ]
}

function inlineEntryRows(model: ReadonlyModel, entry: ReadonlyEntry, to: string): Row[] {
  const own = entry.from === model.user
  const mark = model.similarName(own ? to : entry.from) === undefined ? '' : ' ≈'
  const head = `${own || isRoom(to) ? `${entry.from} → ${to}` : entry.from}${mark}`
  const name: Segment = own ? { text: head, bold: true } : { text: head, tone: 'name', user: entry.from }
  const rows = wrap(entry.text, Math.max(10, model.columns - 8)).map(
    ({ text }, row): Row =>
      row === 0
        ? [{ text: `${formatTimeOfDay(entry.at)} `, dim: true }, name, { text: `  ${text}` }]
        : [{ text: `      ${text}` }],
  )
  const reason = rejectionText(entry)
  return reason === undefined ? rows : [...rows, [{ text: `      ${reason}`, tone: 'bad' }]]
}

/** A row as text with ANSI escape sequences. Without a theme, it has no colors. */
export function rowToAnsi(row: Row, theme: ThemeName | undefined): string {
  return row.map(segment => segmentToAnsi(segment, theme)).join('')
}

function segmentToAnsi({ text, tone, user, bold, dim, inverse }: Segment, theme: ThemeName | undefined): string {
  const color = tone === undefined || theme === undefined ? undefined : toneColor(theme, tone, user)
  const formats: Parameters<typeof styleText>[0][] = []
  if (color !== undefined) formats.push(color)
  if (bold) formats.push('bold')
  if (dim) formats.push('dim')
  if (inverse) formats.push('inverse')
  return formats.reduce((styledText, format) => styleText(format, styledText), text)
}
