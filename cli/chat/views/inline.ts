/** Inline mode: messages are printed into the terminal's scrollback; only status and input line are redrawn. */
import { styleText } from 'node:util'
import { parseContent, readableText } from '../../../src/protocol/message-kinds.ts'
import { isRoom } from '../../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../../src/protocol/text.ts'
import type { ClientEvent, Notice } from '../../common/client-events.ts'
import { formatTimeOfDay } from '../../common/format-time.ts'
import { threadName } from '../../common/thread-name.ts'
import { hyperlink } from '../../terminal/hyperlinks.ts'
import { wrap } from '../../terminal/width.ts'
import { entryLines, rejectionText } from '../model/layout/entry-layout.ts'
import { wrapFormatted } from '../model/layout/formatting.ts'
import { reactionsText, replyText } from '../model/layout/message-text.ts'
import { markedName } from '../model/names/marked-name.ts'
import type { ReadonlyEntry, ReadonlyModel, ReadonlyThread } from '../model/readonly-model.ts'
import { changesText } from '../model/rooms/membership.ts'
import { type ThemeName, toneColor } from '../model/theme.ts'
import { highlight } from './messages.ts'
import { markLinks, type Row, type Segment } from './row.ts'

/** Messages printed when a thread is opened. */
const MAX_OPENED_ENTRIES = 10

/** The rows to print for an event that has been applied to the model. */
export function eventRows(model: ReadonlyModel, event: ClientEvent): Row[] {
  if (event.type === 'message' && event.origin !== 'history') {
    const { to, id, from, text } = event.message
    const thread = model.threads.get(threadName(event.message, model.user))
    const entry = thread?.entryById(id)
    if (entry !== undefined) return inlineEntryRows(model, entry, to)
    // What was printed stays: an edit, deletion or reaction is a line.
    const content = parseContent(text, from)
    const isKnown = content.kind !== 'delete' || thread?.messageOf(content.target) !== undefined
    const isChange = thread !== undefined && content.kind !== 'text' && isKnown
    return isChange ? [[{ text: `      ${from}: ${sanitizeLine(readableText(text))}`, dim: true }]] : []
  }
  if (event.type === 'notice') return noticeRows(model, event)
  if (event.type === 'room') return roomRows(model, event)
  if (event.type === 'progress' && event.progress.state === 'refused') {
    return [[{ text: `not sent to ${event.to}: ${sanitizeLine(event.progress.message)}`, tone: 'bad' }]]
  }
  if (event.type === 'cancelled') {
    const { to, text } = event.message
    return [[{ text: sanitizeLine(`cancelled: to ${to}: ${readableText(text)}`), dim: true }]]
  }
  if (event.type === 'key' && event.state === 'changed') {
    // The two warnings that the model has just added.
    const warnings = model.threads.get(event.user)?.entries.filter(entry => entry.kind === 'warning') ?? []
    return warnings.slice(-2).map(({ text }): Row => [{ text, tone: 'bad', bold: true }])
  }
  if (event.type !== 'roster' || !model.preferences.notes) return []
  const hasThread = (name: string) =>
    name !== model.user && model.threads.has(name) && model.connection.phase === 'online'
  return [
    ...event.joined.filter(hasThread).map((name): Row => [{ text: `${name} is online`, dim: true }]),
    ...event.left.filter(hasThread).map((name): Row => [{ text: `${name} went offline`, dim: true }]),
  ]
}

function roomRows(model: ReadonlyModel, { room, state }: Extract<ClientEvent, { type: 'room' }>): Row[] {
  if (state.state === 'refused') return [[{ text: `${room}: ${sanitizeLine(state.message)}`, tone: 'bad' }]]
  const { announced } = model.rooms.get(room) ?? {}
  const text = announced === undefined ? '' : changesText(announced, name => markedName(model, name))
  return text === '' ? [] : [[{ text: `${markedName(model, room)}: ${text}`, dim: true }]]
}

function noticeRows(model: ReadonlyModel, { text, isWarning }: Notice): Row[] {
  return wrap(sanitizeLine(text), Math.max(10, model.columns)).map(
    (line): Row => [isWarning ? { text: line.text, tone: 'bad', bold: true } : { text: line.text, tone: 'accent' }],
  )
}

/**
 * The messages to print when a thread is opened: its newest ones that have not been printed yet, or those around the match of
 * a search, which the user has asked for.
 */
export function openedEntries(thread: ReadonlyThread, isPrinted: (id: string) => boolean): ReadonlyEntry[] {
  const messages = thread.entries.filter(entry => entry.kind === 'message')
  const match = messages.findIndex(({ id }) => id === thread.searchMatch?.id)
  if (match < 0) return messages.slice(-MAX_OPENED_ENTRIES).filter(({ id }) => !isPrinted(id))
  const end = Math.min(messages.length, match + (MAX_OPENED_ENTRIES >> 1))
  return messages.slice(Math.max(0, end - MAX_OPENED_ENTRIES), end)
}

/** The rows to print when a thread is opened. */
export function openedThreadRows(
  model: ReadonlyModel,
  thread: ReadonlyThread,
  entries = openedEntries(thread, () => false),
): Row[] {
  return [
    [{ text: `── ${thread.name} ──`, tone: 'accent' }],
    ...entries.flatMap(entry =>
      inlineEntryRows(model, entry, thread.isRoom || entry.from === model.user ? thread.name : model.user),
    ),
  ]
}

function inlineEntryRows(model: ReadonlyModel, entry: ReadonlyEntry, to: string): Row[] {
  const own = entry.from === model.user
  const mark = own || model.similarName(entry.from) === undefined ? '' : ' ≈'
  const sender = `${entry.isAction ? '*' : entry.from}${mark}`
  const head = own || isRoom(to) ? `${sender} → ${markedName(model, to)}` : sender
  const name: Segment = own ? { text: head, bold: true } : { text: head, tone: 'name', user: entry.from }
  const thread = model.threads.get(threadName({ from: entry.from, to }, model.user))
  const isConfusable = (name: string) => model.similarName(name) !== undefined
  const reply =
    entry.reply === undefined || entry.isDeleted || thread === undefined
      ? undefined
      : replyText(thread, entry.reply, isConfusable(entry.reply.from))
  const lines = entryLines(entry, model.preferences.formatting && thread?.showsSource !== true)
  // The terminal wraps code and long links itself, and finds the links.
  const wrapped = wrapFormatted(lines, entry.id, Math.max(10, model.columns - 8), Number.POSITIVE_INFINITY)
  const start: Row = [{ text: `${formatTimeOfDay(entry.at)} `, dim: true }, name, { text: '  ' }]
  const rows = wrapped.map((line, row): Row => {
    const content = markLinks(highlight(line, '', []), line.links)
    if (row === 0 && reply === undefined) return [...start, ...content]
    return line.isFlush ? content : [{ text: ' '.repeat(6) }, ...content]
  })
  if (reply !== undefined) rows.unshift([...start, { text: reply, dim: true }])
  const reactions = reactionsText(entry, name => markedName(model, name))
  if (reactions !== '') rows.push([{ text: `      ${reactions}`, dim: true }])
  const reason = rejectionText(entry)
  return reason === undefined ? rows : [...rows, [{ text: `      ${reason}`, tone: 'bad' }]]
}

/** A row as text with ANSI escape sequences. Without a theme, it has no colors. */
export function rowToAnsi(row: Row, theme: ThemeName | undefined, hyperlinks = false): string {
  return row
    .map(segment => {
      const text = segmentToAnsi(segment, theme)
      return segment.link !== undefined && hyperlinks ? hyperlink(text, segment.link) : text
    })
    .join('')
}

function segmentToAnsi(
  { text, tone, user, bold, italic, dim, inverse }: Segment,
  theme: ThemeName | undefined,
): string {
  const color = tone === undefined || theme === undefined ? undefined : toneColor(theme, tone, user)
  const formats: Parameters<typeof styleText>[0][] = []
  if (color !== undefined) formats.push(color)
  if (bold) formats.push('bold')
  if (italic) formats.push('italic')
  if (dim || (tone === 'code' && color === undefined)) formats.push('dim')
  if (inverse) formats.push('inverse')
  return formats.reduce((styledText, format) => styleText(format, styledText), text)
}
