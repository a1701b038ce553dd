/** Brings parts of the history on disk into the open thread. */
import type { History, MessagePosition } from '../history/history.ts'
import type { Model, ScreenRequest } from './model/model.ts'
import { scroll } from './model/scroll.ts'
import type { Thread } from './model/thread.ts'

/** Messages read at once. */
const PAGE_SIZE = 200

/** Reads the part of the open thread that is asked for. */
export function loadPage(
  model: Model,
  history: History | undefined,
  part: Extract<ScreenRequest, { type: 'page' }>['part'],
): void {
  const thread = model.current
  if (thread === undefined || history === undefined) return
  const messages = thread.entries.filter(entry => entry.kind === 'message')
  const [first, last] = [messages[0], messages.at(-1)]
  if (part === 'latest' || first === undefined || last === undefined) {
    const latest = history.page(thread.name, PAGE_SIZE)
    thread.replaceEntries(latest, latest.length < PAGE_SIZE, true)
  } else if (part === 'first') {
    const page = history.page(thread.name, PAGE_SIZE, { after: { at: -1, id: '' } })
    thread.replaceEntries(page, true, page.length < PAGE_SIZE)
    scroll(model, Number.NEGATIVE_INFINITY)
  } else {
    const point = part === 'before' ? first : last
    const page = history.page(thread.name, PAGE_SIZE, part === 'before' ? { before: point } : { after: point })
    thread.addPage(page, part, page.length < PAGE_SIZE)
  }
}

/** Searches a thread a step at a time, and shows what it finds; ends when it has, or has looked everywhere. */
export function* searchThread(
  model: Model,
  thread: Thread,
  history: History | undefined,
  text: string,
  older: boolean,
): Generator<undefined, void> {
  const marked = older ? thread.entryById(thread.searchMatch?.id ?? '') : undefined
  const before: MessagePosition | undefined = marked && { at: marked.at, id: marked.id }
  let found: MessagePosition | undefined
  for (const message of history?.search(thread.name, text, before) ?? searchInMemory(thread, text, before)) {
    found = message
    if (found === undefined) yield undefined
  }
  if (model.current !== thread || model.search?.editor.text !== text) return
  model.search.state = found === undefined ? 'nothing' : 'found'
  if (found === undefined) return
  if (thread.entryById(found.id) === undefined && history !== undefined) loadPageAround(thread, history, found)
  const index = thread.entries.findIndex(({ id }) => id === found.id)
  // A few messages behind what was found stay in view.
  const lowest = thread.entries[Math.min(thread.entries.length - 1, index + 3)]
  if (lowest !== undefined) thread.anchor = { entry: lowest, row: Number.MAX_SAFE_INTEGER }
  thread.searchMatch = { id: found.id, text: text.toLowerCase() }
}

function* searchInMemory(
  thread: Thread,
  text: string,
  before: MessagePosition | undefined,
): Generator<MessagePosition | undefined> {
  const end = before === undefined ? thread.entries.length : thread.entries.findIndex(({ id }) => id === before.id)
  const found = thread.entries
    .slice(0, end)
    .findLast(entry => entry.kind === 'message' && entry.text.toLowerCase().includes(text.toLowerCase()))
  if (found !== undefined) yield found
}

function loadPageAround(thread: Thread, history: History, { at, id }: MessagePosition): void {
  const before = history.page(thread.name, PAGE_SIZE, { before: { at, id } })
  // The message itself comes behind the last one before it.
  const after = history.page(thread.name, PAGE_SIZE, { after: before.at(-1) ?? { at: -1, id: '' } })
  thread.replaceEntries([...before, ...after], before.length < PAGE_SIZE, after.length < PAGE_SIZE)
}
