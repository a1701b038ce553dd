/** The input line at the bottom of the screen. */
import { fitToColumns, width } from '../../terminal/width.ts'
import { composerRows, PROMPT_COLUMNS, shownInput } from '../model/layout/screen-layout.ts'
import type { ReadonlyModel } from '../model/readonly-model.ts'
import { writeFault } from '../model/rooms/room.ts'
import { QUICK_REACTIONS } from '../model/threads/message-selection.ts'
import type { Row, Segment } from './row.ts'

const PROMPT = '› '

/** The visible rows of the input, and the cursor position in them. */
export function renderComposer(model: ReadonlyModel, height: number): { rows: Row[]; x: number; y: number } {
  const { focusedEditor } = model
  const rows = composerRows(focusedEditor.text, model.columns)
  const text = shownInput(focusedEditor.text)
  const cursor = shownInput(focusedEditor.text.slice(0, focusedEditor.cursor)).length
  let cursorRow = rows.length - 1
  while (cursorRow > 0 && (rows[cursorRow]?.start ?? 0) > cursor) cursorRow--
  const top = Math.max(0, Math.min(cursorRow - height + 1, rows.length - height))
  const prompt = (isFirst: boolean): Segment => ({
    text: isFirst ? PROMPT : ' '.repeat(PROMPT_COLUMNS),
    tone: 'accent',
  })
  const visible = rows.slice(top, top + height).map((row, at): Row => [prompt(top + at === 0), { text: row.text }])
  if (
    text === '' &&
    model.overlay === undefined &&
    model.finder === undefined &&
    model.search === undefined &&
    model.searchAll === undefined
  ) {
    const placeholder = placeholderText(model)
    visible[0] = [
      prompt(true),
      { text: fitToColumns(placeholder, Math.max(1, model.columns - 3)).trimEnd(), dim: true },
    ]
  }
  const x = PROMPT_COLUMNS + width(text.slice(rows[cursorRow]?.start ?? 0, cursor))
  return { rows: visible, x: Math.min(x, model.columns - 1), y: cursorRow - top }
}

function placeholderText({ current, rooms, user, reactionPrompt }: ReadonlyModel): string {
  if (reactionPrompt !== undefined) return `an emoji, or 1 to ${QUICK_REACTIONS.length}`
  if (current === undefined) return 'type a command, for example /msg NAME'
  const fault = current.isRoom ? writeFault(current.name, rooms.get(current.name), user) : undefined
  const { draftTarget } = current
  if (draftTarget !== undefined) return draftTarget.kind === 'reply' ? 'your reply' : 'the new text'
  return fault ?? `message to ${current.name}`
}
