/** Loads pages of the history on disk into the open thread, and searches it. These functions change the model. */
import type { History, MessagePosition } from '../history/history.ts'
import { searchForm } from '../search-form.ts'
import type { Model, ScreenRequest } from './model/model.ts'
import { scroll, scrollToEntry } from './model/scroll.ts'
import type { Thread } from './model/thread.ts'

/** Messages per page. */
const PAGE_SIZE = 200

/** Adds the threads that the history on disk has; their messages are loaded when they are opened. */
export function addStoredThreads(model: Model, history: History): void {
  model.hasHistory = true
  for (const { name, lastAt } of history.threads(true)) model.ensureThread(name).markStored(lastAt)
}

/** Carries out a `page` request for the open thread. */
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
    const page = history.page(thread.name, PAGE_SIZE, part === 'before' ? { before: first } : { after: last })
    thread.addPage(page, part, page.length < PAGE_SIZE)
  }
}

/**
 * Carries out a `search` request in steps: yields now and then so that the caller can handle keys in between. Scrolls to
 * the match, unless the user has changed the thread or the text in the meantime.
 */
export function* searchThread(
  model: Model,
  thread: Thread,
  history: History | undefined,
  text: string,
  older: boolean,
): Generator<undefined, void> {
  const current = older ? thread.entryById(thread.searchMatch?.id ?? '') : undefined
  const before: MessagePosition | undefined = current && { at: current.at, id: current.id }
  let match: MessagePosition | undefined
  for (const message of history?.search(thread.name, text, before) ?? searchInMemory(thread, text, before)) {
    match = message
    if (match === undefined) yield undefined
  }
  if (model.current !== thread || model.search?.editor.text !== text) return
  model.search.state = match === undefined ? 'not-found' : 'found'
  if (match === undefined) return
  const { id } = match
  if (thread.entryById(id) === undefined && history !== undefined) loadPageAround(thread, history, match)
  scrollToEntry(model, thread, id)
  thread.searchMatch = { id, text: searchForm(text) }
}

function* searchInMemory(
  thread: Thread,
  text: string,
  before: MessagePosition | undefined,
): Generator<MessagePosition | undefined> {
  const end = before === undefined ? thread.entries.length : thread.entries.findIndex(({ id }) => id === before.id)
  const needle = searchForm(text)
  const match = thread.entries
    .slice(0, end)
    .findLast(entry => entry.kind === 'message' && searchForm(entry.text).includes(needle))
  if (match !== undefined) yield match
}

/** Replaces the entries with a page before and a page after a message, and the message itself. */
function loadPageAround(thread: Thread, history: History, { at, id }: MessagePosition): void {
  const before = history.page(thread.name, PAGE_SIZE, { before: { at, id } })
  // Starts after the last message before it, so that it includes the message itself.
  const after = history.page(thread.name, PAGE_SIZE, { after: before.at(-1) ?? { at: -1, id: '' } })
  thread.replaceEntries([...before, ...after], before.length < PAGE_SIZE, after.length < PAGE_SIZE)
}
