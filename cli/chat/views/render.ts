/** The whole screen as rows: a pure function of the model. */
import { sanitizeLine } from '../../../src/protocol/text.ts'
import { fitToColumns, width } from '../../terminal/width.ts'
import { COMMANDS } from '../model/commands.ts'
import { type Finder, finderMatches } from '../model/finder.ts'
import { KEYMAP } from '../model/keymap.ts'
import type { Model } from '../model/model.ts'
import { SETTINGS } from '../model/preferences.ts'
import { bottomPosition } from '../model/scroll.ts'
import { composerRows, layout, PROMPT } from './layout.ts'
import { entryRows } from './messages.ts'
import { type Row, type Segment, truncateRow } from './row.ts'
import { sidebarRows } from './sidebar.ts'

const SEARCH_HINTS = {
  idle: 'search: type what to look for',
  looking: 'search: looking…',
  found: 'search: ^S further back, Enter stays, Esc leaves',
  nothing: 'search: nothing found',
}

/** Most rows of a help or a list in the inline mode. */
const MAX_INLINE_ROWS = 12

export interface Frame {
  rows: Row[]
  /** Where the cursor stands; absent where nothing can be typed. */
  cursor: { x: number; y: number } | undefined
}

/** @param wall ms since 1970, for times to wait */
export function renderScreen(model: Model, wall: number): Frame {
  const editor = model.search?.editor ?? model.finder?.editor ?? model.current?.editor ?? model.commandEditor
  const { sidebar, main, header, body, status, composer } = layout(model, editor.text)
  const rows: Row[] = []
  const left = sidebar > 0 ? sidebarRows(model, sidebar, header + body) : []
  const right = [...(header > 0 ? [headerRow(model, main)] : []), ...mainRows(model, main, body)]
  right.forEach((row, at) => {
    rows.push(sidebar > 0 ? [...(left[at] ?? []), { text: '│ ', dim: true }, ...row] : row)
  })
  if (status > 0) rows.push(statusRow(model, wall))
  return withComposer(model, rows, composer)
}

/** The lowest part alone, for a terminal that is not taken whole: what overlays the messages, status, composer. */
export function renderInline(model: Model, wall: number): Frame {
  const editor = model.search?.editor ?? model.finder?.editor ?? model.current?.editor ?? model.commandEditor
  const { composer, body } = layout(model, editor.text)
  const overlaid = model.overlay !== undefined || model.finder !== undefined
  const rows = overlaid ? mainRows(model, model.columns, Math.min(body, MAX_INLINE_ROWS)) : []
  return withComposer(model, [...rows, statusRow(model, wall)], composer)
}

/** Adds the composer below the other rows. */
function withComposer(model: Model, above: Row[], height: number): Frame {
  const editor = model.search?.editor ?? model.finder?.editor ?? model.current?.editor ?? model.commandEditor
  const typed = composerView(model, editor.text, editor.cursor, height)
  const cursor = model.overlay === undefined ? { x: typed.x, y: above.length + typed.y } : undefined
  return { rows: [...above, ...typed.rows], cursor }
}

function mainRows(model: Model, columns: number, height: number): Row[] {
  if (model.overlay === 'help') return helpRows(model, columns, height)
  return model.finder === undefined
    ? bodyRows(model, columns, height)
    : finderRows(model, model.finder, columns, height)
}

function headerRow(model: Model, columns: number): Row {
  if (model.overlay === 'help') return [{ text: fitToColumns('Help', columns), bold: true }]
  if (model.finder !== undefined) {
    const title = model.finder.kind === 'people' ? 'Who is online' : 'Entered before'
    return [{ text: fitToColumns(title, columns), bold: true }]
  }
  const thread = model.current
  if (thread === undefined) return [{ text: fitToColumns('mesh-chat', columns), bold: true }]
  const online = model.isOnline(thread.name)
  const name = width(thread.name) > columns - 10 ? fitToColumns(thread.name, Math.max(1, columns - 10)) : thread.name
  const known = model.connection.phase === 'online'
  const connections = model.connectionCounts.get(thread.name)
  const times = connections === undefined ? '' : ` ×${connections}`
  const state = !known ? '' : online ? `● online${times}` : '○ offline: what you write goes out when they come'
  return [
    { text: name, bold: true },
    { text: '  ' },
    online && known
      ? { text: state, tone: 'good' }
      : { text: fitToColumns(state, columns - width(name) - 2), dim: true },
  ]
}

function bodyRows(model: Model, columns: number, height: number): Row[] {
  const thread = model.current
  if (thread === undefined || thread.entries.length === 0) return welcomeRows(model, columns, height)
  const rows: Row[] = []
  const note = thread.anchor !== undefined ? 1 : 0
  const rowsOf = (index: number) => entryRows(thread, index, model.user, columns)
  const bottom = bottomPosition(thread, index => rowsOf(index).length)
  for (let index = bottom.index; index >= 0 && rows.length < height - note; index--) {
    const all = rowsOf(index)
    for (let row = index === bottom.index ? bottom.row : all.length - 1; row >= 0; row--) {
      if (rows.length < height - note) rows.push(all[row] ?? [])
    }
  }
  while (rows.length < height - note) rows.push([])
  rows.reverse()
  if (note > 0) {
    const news = thread.newBelow === 0 ? '' : `${thread.newBelow} new below · `
    rows.push([{ text: fitToColumns(`↓ ${news}M-End or Esc goes there`, columns), tone: 'accent' }])
  }
  return rows
}

function welcomeRows(model: Model, columns: number, height: number): Row[] {
  const lines =
    model.current === undefined
      ? [
          'Nobody is chosen yet.',
          '',
          '/msg NAME   opens a thread',
          '^N          goes to the next person online',
          '?           shows all commands and keys',
        ]
      : [`Nothing was said yet between you and ${model.current.name}.`]
  const rows = lines.slice(0, height).map((line): Row => [{ text: fitToColumns(line, columns), dim: true }])
  while (rows.length < height) rows.unshift([])
  return rows
}

function finderRows(model: Model, finder: Finder, columns: number, height: number): Row[] {
  const found = finderMatches(model, finder)
  const top = Math.max(0, Math.min(finder.selectedIndex - (height >> 1), found.length - height))
  const rows = found.slice(top, top + height).map((one, at): Row => {
    const connections = finder.kind === 'people' ? model.connectionCounts.get(one) : undefined
    const text = sanitizeLine(one.replaceAll('\n', ' ⏎ ')) + (connections === undefined ? '' : ` ×${connections}`)
    const line = width(text) > columns ? fitToColumns(text, columns) : text
    return [top + at === finder.selectedIndex ? { text: line, inverse: true } : { text: line }]
  })
  if (found.length === 0 && height > 0) rows.push([{ text: 'nothing matches', dim: true }])
  while (rows.length < height) rows.push([])
  return rows
}

function helpRows(model: Model, columns: number, height: number): Row[] {
  const label = (text: string): Segment => ({ text: fitToColumns(text, Math.min(26, columns)), tone: 'accent' })
  const all: Row[] = [
    ...COMMANDS.map(({ name, usage, help }): Row => [label(`/${name} ${usage}`), { text: help }]),
    [label('//text'), { text: 'send a text that begins with a slash' }],
    [],
    ...KEYMAP.filter(({ help }) => help !== undefined).map(
      ({ keys, help }): Row => [label(keys.map(displayKey).join(' ')), { text: help ?? '' }],
    ),
    [label('M-1 … M-9'), { text: 'the thread with that number' }],
    ...Object.entries(model.preferences.keys).map(
      ([key, action]): Row => [label(displayKey(key)), { text: `${action} (yours)` }],
    ),
    [],
    ...SETTINGS.map(({ name, values, help }): Row => [label(`/set ${name} ${values.join('|')}`), { text: help }]),
    [],
    [{ text: 'M- is Alt or Esc. Any other key closes this help; the arrows and pages move it.', dim: true }],
  ]
  model.overlayTop = Math.max(0, Math.min(model.overlayTop, all.length - height))
  const rows = all.slice(model.overlayTop, model.overlayTop + height)
  while (rows.length < height) rows.push([])
  return rows
}

/** A key as people write it. */
function displayKey(key: string): string {
  const name = key.replace(/^C-(.)$/, (_, letter: string) => `^${letter.toUpperCase()}`)
  return name.replace(
    /(^|-)([a-z]{2,}|f\d+)$/,
    (_, dash: string, word: string) => dash + word[0]?.toUpperCase() + word.slice(1),
  )
}

function statusRow(model: Model, wall: number): Row {
  const { connection, notice } = model
  const segments: Segment[] = []
  switch (connection.phase) {
    case 'online':
      segments.push({ text: '● ', tone: 'good' }, { text: connection.server })
      break
    case 'connecting':
      segments.push({ text: '◌ ', tone: 'warn' }, { text: `connecting to ${connection.server}…` })
      break
    case 'waiting': {
      const seconds = Math.max(0, Math.ceil((connection.retryAt - wall) / 1000))
      const soon = seconds > 1 ? `in ${seconds} s` : 'now'
      segments.push(
        { text: '○ ', tone: 'bad' },
        { text: `not connected (${sanitizeLine(connection.reason)}), trying again ${soon}` },
      )
      break
    }
    default:
      segments.push({ text: '○ ', tone: 'bad' }, { text: 'not connected' })
  }
  segments.push({ text: `  ${model.user}`, bold: true })
  if (connection.phase === 'online') segments.push({ text: `  ${model.online.size} online`, dim: true })
  if (model.unreadCount > 0) segments.push({ text: `  ${model.unreadCount} unread`, tone: 'accent' })
  if (model.search !== undefined) {
    segments.push({ text: `  ${SEARCH_HINTS[model.search.state]}`, tone: 'accent' })
  } else if (notice !== undefined) {
    const text = sanitizeLine(notice.text)
    segments.push({ text: '  ' }, notice.tone === 'error' ? { text, tone: 'bad' } : { text, tone: 'accent' })
  } else if (model.columns >= 60) segments.push({ text: '  ? help', dim: true })
  return truncateRow(segments, model.columns)
}

function composerView(model: Model, text: string, cursor: number, height: number) {
  const rows = composerRows(text, model.columns)
  let at = rows.length - 1
  while (at > 0 && (rows[at]?.start ?? 0) > cursor) at--
  const top = Math.max(0, Math.min(at - height + 1, rows.length - height))
  const prompt = (first: boolean): Segment => ({ text: first ? PROMPT : '  ', tone: 'accent' })
  const shown = rows.slice(top, top + height).map((row, n): Row => [prompt(top + n === 0), { text: row.text }])
  if (text === '' && model.overlay === undefined && model.finder === undefined && model.search === undefined) {
    const placeholder = model.current === undefined ? 'a command, such as /msg NAME' : `write to ${model.current.name}`
    shown[0] = [prompt(true), { text: fitToColumns(placeholder, Math.max(1, model.columns - 3)).trimEnd(), dim: true }]
  }
  const row = rows[at]
  const x = PROMPT.length + width(text.slice(row?.start ?? 0, cursor))
  return { rows: shown, x: Math.min(x, model.columns - 1), y: at - top }
}
