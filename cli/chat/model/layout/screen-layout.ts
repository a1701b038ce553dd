import { type WrappedRow, wrap } from '../../../terminal/width.ts'
import type { ReadonlyModel } from '../readonly-model.ts'

/** Columns of the sidebar, without the line at its right. */
const SIDEBAR_COLUMNS = 20
/** Below this screen width the sidebar is hidden, unless the user has asked for it. */
const MIN_COLUMNS_FOR_SIDEBAR = 80
/** Below this screen width it is hidden in any case. */
const MIN_COLUMNS_FOR_ANY_SIDEBAR = 40
/** Most rows of the input line; longer text scrolls. */
const MAX_COMPOSER_ROWS = 6
/** Most rows of an overlay or a finder in inline mode. */
const MAX_INLINE_OVERLAY_ROWS = 12
/** Columns of the prompt before the input line. */
export const PROMPT_COLUMNS = 2

/**
 * The size of each part of the screen: `sidebar` and `main` in columns, the others in rows. The last row of the terminal
 * stays free: a frame as high as the terminal makes it scroll.
 */
export interface ScreenLayout {
  sidebar: number
  main: number
  header: number
  body: number
  status: number
  composer: number
}

export function screenLayout(
  model: Pick<ReadonlyModel, 'columns' | 'rows' | 'overlay' | 'preferences' | 'focusedEditor'>,
): ScreenLayout {
  const height = Math.max(1, model.rows - 1)
  // Overlays get the full width.
  const hasSidebar = model.overlay === undefined && showsSidebar(model)
  const sidebar = hasSidebar ? SIDEBAR_COLUMNS : 0
  const main = Math.max(1, model.columns - (sidebar > 0 ? sidebar + 2 : 0))
  const status = height >= 3 ? 1 : 0
  const header = height >= 4 ? 1 : 0
  const wanted = composerRows(model.focusedEditor.text, model.columns).length
  const composer = Math.max(1, Math.min(wanted, MAX_COMPOSER_ROWS, height - status - header - 1))
  return { sidebar, main, header, status, composer, body: Math.max(0, height - header - status - composer) }
}

/** Whether the sidebar is shown while nothing covers it. */
export function showsSidebar({ preferences, columns }: Pick<ReadonlyModel, 'preferences' | 'columns'>): boolean {
  switch (preferences.sidebar) {
    case 'auto':
      return columns >= MIN_COLUMNS_FOR_SIDEBAR
    case 'on':
      return columns >= MIN_COLUMNS_FOR_ANY_SIDEBAR
    case 'off':
      return false
  }
}

/** The setting that hides the sidebar if it is shown, and shows it if it is hidden. */
export function toggledSidebar(model: Pick<ReadonlyModel, 'preferences' | 'columns'>): 'auto' | 'on' | 'off' {
  if (showsSidebar(model)) return 'off'
  return model.columns >= MIN_COLUMNS_FOR_SIDEBAR ? 'auto' : 'on'
}

/** Rows of the help overlay or the finder. */
export function overlayHeight(model: ReadonlyModel): number {
  const { body } = screenLayout(model)
  return model.isInline ? Math.min(body, MAX_INLINE_OVERLAY_ROWS) : body
}

/** The displayed text of the input line: a tab is four spaces, as in messages. */
export function shownInput(text: string): string {
  return text.replaceAll('\t', '    ')
}

/** The displayed text of the input line, wrapped. One column stays free for the cursor after the last character. */
export function composerRows(text: string, columns: number): WrappedRow[] {
  return wrap(shownInput(text), Math.max(1, columns - PROMPT_COLUMNS - 1))
}
