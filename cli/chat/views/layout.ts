import { wrap } from '../../terminal/width.ts'

/** Columns of threads and roster, and of the line between them and the messages. */
const SIDEBAR_COLUMNS = 20
/** A screen narrower than this has no room for them. */
const MIN_COLUMNS_FOR_SIDEBAR = 60
/** Most rows of the composer; a longer text scrolls in them. */
const MAX_COMPOSER_ROWS = 6

/** What the layout needs to know of the model. */
export interface LayoutInput {
  columns: number
  rows: number
  preferences: { sidebar: boolean }
}

/** Where everything stands on a screen. One row is left free: output as high as the screen would make it scroll. */
export interface Layout {
  sidebar: number
  main: number
  header: number
  body: number
  status: number
  composer: number
}

export const PROMPT = '› '

export function layout(input: LayoutInput, composerText: string): Layout {
  const height = Math.max(1, input.rows - 1)
  const sidebar = input.preferences.sidebar && input.columns >= MIN_COLUMNS_FOR_SIDEBAR ? SIDEBAR_COLUMNS : 0
  const main = Math.max(1, input.columns - (sidebar > 0 ? sidebar + 2 : 0))
  const status = height >= 3 ? 1 : 0
  const header = height >= 4 ? 1 : 0
  const wanted = composerRows(composerText, input.columns).length
  const composer = Math.max(1, Math.min(wanted, MAX_COMPOSER_ROWS, height - status - header - 1))
  return { sidebar, main, header, status, composer, body: Math.max(0, height - header - status - composer) }
}

/** The composer's text in rows; one column stays free for the cursor behind the last character. */
export function composerRows(text: string, columns: number) {
  return wrap(text, Math.max(1, columns - PROMPT.length - 1))
}
