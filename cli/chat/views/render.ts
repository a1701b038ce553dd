/** The whole screen as rows: a pure function of the model. */
import { visibleLine } from '../../../src/protocol/text.ts'
import { fitted, width } from '../../terminal/width.ts'
import { COMMANDS } from '../model/commands.ts'
import { type Finder, matches } from '../model/finder.ts'
import { KEYMAP } from '../model/keymap.ts'
import type { Model } from '../model/model.ts'
import { SETTINGS } from '../model/preferences.ts'
import { bottomPlace } from '../model/scroll.ts'
import { composerRows, layout, PROMPT } from './layout.ts'
import { entryRows } from './messages.ts'
import { cut, type Row, type Segment } from './row.ts'
import { sidebarRows } from './sidebar.ts'

const SEARCH_STATES = {
  idle: 'search: type what to look for',
  looking: 'search: looking…',
  found: 'search: ^S further back, Enter stays, Esc leaves',
  nothing: 'search: nothing found',
}

/** Most rows of a help or a list in the inline mode. */
const INLINE_ROWS = 12

export interface Picture {
  rows: Row[]
  /** Where the cursor stands; absent where nothing can be typed. */
  cursor: { x: number; y: number } | undefined
}

/** @param wall ms since 1970, for times to wait */
export function picture(model: Model, wall: number): Picture {
  const editor = model.search?.editor ?? model.finder?.editor ?? model.current?.editor ?? model.loose
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
export function inlinePicture(model: Model, wall: number): Picture {
  const editor = model.search?.editor ?? model.finder?.editor ?? model.current?.editor ?? model.loose
  const { composer, body } = layout(model, editor.text)
  const overlaid = model.overlay !== undefined || model.finder !== undefined
  const rows = overlaid ? mainRows(model, model.columns, Math.min(body, INLINE_ROWS)) : []
  return withComposer(model, [...rows, statusRow(model, wall)], composer)
}

/** Adds the composer below the other rows. */
function withComposer(model: Model, above: Row[], height: number): Picture {
  const editor = model.search?.editor ?? model.finder?.editor ?? model.current?.editor ?? model.loose
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
  if (model.overlay === 'help') return [{ text: fitted('Help', columns), bold: true }]
  if (model.finder !== undefined) {
    const title = model.finder.kind === 'people' ? 'Who is online' : 'Entered before'
    return [{ text: fitted(title, columns), bold: true }]
  }
  const thread = model.current
  if (thread === undefined) return [{ text: fitted('mesh-chat', columns), bold: true }]
  const online = model.isOnline(thread.name)
  const name = width(thread.name) > columns - 10 ? fitted(thread.name, Math.max(1, columns - 10)) : thread.name
  const known = model.connection.phase === 'online'
  const connections = model.connections.get(thread.name)
  const times = connections === undefined ? '' : ` ×${connections}`
  const state = !known ? '' : online ? `● online${times}` : '○ offline: what you write goes out when they come'
  return [
    { text: name, bold: true },
    { text: '  ' },
    online && known ? { text: state, tone: 'good' } : { text: fitted(state, columns - width(name) - 2), dim: true },
  ]
}

function bodyRows(model: Model, columns: number, height: number): Row[] {
  const thread = model.current
  if (thread === undefined || thread.entries.length === 0) return welcomeRows(model, columns, height)
  const rows: Row[] = []
  const note = thread.anchor !== undefined ? 1 : 0
  const rowsOf = (index: number) => entryRows(thread, index, model.user, columns)
  const bottom = bottomPlace(thread, index => rowsOf(index).length)
  for (let index = bottom.index; index >= 0 && rows.length < height - note; index--) {
    const all = rowsOf(index)
    for (let row = index === bottom.index ? bottom.row : all.length - 1; row >= 0; row--) {
      if (rows.length < height - note) rows.push(all[row] ?? [])
    }
  }
  while (rows.length < height - note) rows.push([])
  rows.reverse()
  if (note > 0) {
    const news = thread.below === 0 ? '' : `${thread.below} new below · `
    rows.push([{ text: fitted(`↓ ${news}M-End or Esc goes there`, columns), tone: 'accent' }])
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
  const rows = lines.slice(0, height).map((line): Row => [{ text: fitted(line, columns), dim: true }])
  while (rows.length < height) rows.unshift([])
  return rows
}

function finderRows(model: Model, finder: Finder, columns: number, height: number): Row[] {
  const found = matches(model, finder)
  const top = Math.max(0, Math.min(finder.index - (height >> 1), found.length - height))
  const rows = found.slice(top, top + height).map((one, at): Row => {
    const connections = finder.kind === 'people' ? model.connections.get(one) : undefined
    const text = visibleLine(one.replaceAll('\n', ' ⏎ ')) + (connections === undefined ? '' : ` ×${connections}`)
    const line = width(text) > columns ? fitted(text, columns) : text
    return [top + at === finder.index ? { text: line, inverse: true } : { text: line }]
  })
  if (found.length === 0 && height > 0) rows.push([{ text: 'nothing matches', dim: true }])
  while (rows.length < height) rows.push([])
  return rows
}

function helpRows(model: Model, columns: number, height: number): Row[] {
  const label = (text: string): Segment => ({ text: fitted(text, Math.min(26, columns)), tone: 'accent' })
  const all: Row[] = [
    ...COMMANDS.map(({ name, usage, help }): Row => [label(`/${name} ${usage}`), { text: help }]),
    [label('//text'), { text: 'send a text that begins with a slash' }],
    [],
    ...KEYMAP.filter(({ help }) => help !== undefined).map(
      ({ keys, help }): Row => [label(keys.map(keyName).join(' ')), { text: help ?? '' }],
    ),
    [label('M-1 … M-9'), { text: 'the thread with that number' }],
    ...Object.entries(model.preferences.keys).map(
      ([key, action]): Row => [label(keyName(key)), { text: `${action} (yours)` }],
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
function keyName(key: string): string {
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
        { text: `not connected (${visibleLine(connection.reason)}), trying again ${soon}` },
      )
      break
    }
    default:
      segments.push({ text: '○ ', tone: 'bad' }, { text: 'not connected' })
  }
  segments.push({ text: `  ${model.user}`, bold: true })
  if (connection.phase === 'online') segments.push({ text: `  ${model.online.size} online`, dim: true })
  if (model.unread > 0) segments.push({ text: `  ${model.unread} unread`, tone: 'accent' })
  if (model.search !== undefined) {
    segments.push({ text: `  ${SEARCH_STATES[model.search.state]}`, tone: 'accent' })
  } else if (notice !== undefined) {
    const text = visibleLine(notice.text)
    segments.push({ text: '  ' }, notice.tone === 'error' ? { text, tone: 'bad' } : { text, tone: 'accent' })
  } else if (model.columns >= 60) segments.push({ text: '  ? help', dim: true })
  return cut(segments, model.columns)
}

function composerView(model: Model, text: string, cursor: number, height: number) {
  const rows = composerRows(text, model.columns)
  let at = rows.length - 1
  while (at > 0 && (rows[at]?.start ?? 0) > cursor) at--
  const top = Math.max(0, Math.min(at - height + 1, rows.length - height))
  const prompt = (first: boolean): Segment => ({ text: first ? PROMPT : '  ', tone: 'accent' })
  const shown = rows.slice(top, top + height).map((row, n): Row => [prompt(top + n === 0), { text: row.text }])
  if (text === '' && model.overlay === undefined && model.finder === undefined && model.search === undefined) {
    const whom = model.current === undefined ? 'a command, such as /msg NAME' : `write to ${model.current.name}`
    shown[0] = [prompt(true), { text: fitted(whom, Math.max(1, model.columns - 3)).trimEnd(), dim: true }]
  }
  const row = rows[at]
  const x = PROMPT.length + width(text.slice(row?.start ?? 0, cursor))
  return { rows: shown, x: Math.min(x, model.columns - 1), y: at - top }
}
