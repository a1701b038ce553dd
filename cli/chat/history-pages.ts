/** Brings parts of the history on disk into the open thread. */
import type { History, Point } from '../history/history.ts'
import type { Model, ScreenRequest } from './model/model.ts'
import { scroll } from './model/scroll.ts'
import type { Thread } from './model/thread.ts'

/** Messages read at once. */
const PAGE = 200

/** Reads the part of the open thread that is asked for. */
export function turnTo(
  model: Model,
  history: History | undefined,
  way: Extract<ScreenRequest, { type: 'page' }>['way'],
): void {
  const thread = model.current
  if (thread === undefined || history === undefined) return
  const messages = thread.entries.filter(entry => entry.kind === 'message')
  const [first, last] = [messages[0], messages.at(-1)]
  if (way === 'latest' || first === undefined || last === undefined) {
    const latest = history.page(thread.name, PAGE)
    thread.show(latest, latest.length < PAGE, true)
  } else if (way === 'first') {
    const page = history.page(thread.name, PAGE, { behind: { at: -1, id: '' } })
    thread.show(page, true, page.length < PAGE)
    scroll(model, Number.NEGATIVE_INFINITY)
  } else {
    const point = way === 'before' ? first : last
    const page = history.page(thread.name, PAGE, way === 'before' ? { before: point } : { behind: point })
    thread.extend(page, way, page.length < PAGE)
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
  const marked = older ? thread.find(thread.marked?.id ?? '') : undefined
  const before: Point | undefined = marked && { at: marked.at, id: marked.id }
  let found: Point | undefined
  for (const message of history?.search(thread.name, text, before) ?? inMemory(thread, text, before)) {
    found = message
    if (found === undefined) yield undefined
  }
  if (model.current !== thread || model.search?.editor.text !== text) return
  model.search.state = found === undefined ? 'nothing' : 'found'
  if (found === undefined) return
  if (thread.find(found.id) === undefined && history !== undefined) showAround(thread, history, found)
  const index = thread.entries.findIndex(({ id }) => id === found.id)
  // A few messages behind what was found stay in view.
  const lowest = thread.entries[Math.min(thread.entries.length - 1, index + 3)]
  if (lowest !== undefined) thread.anchor = { entry: lowest, row: Number.MAX_SAFE_INTEGER }
  thread.marked = { id: found.id, text: text.toLowerCase() }
}

function* inMemory(thread: Thread, text: string, before: Point | undefined): Generator<Point | undefined> {
  const end = before === undefined ? thread.entries.length : thread.entries.findIndex(({ id }) => id === before.id)
  const found = thread.entries
    .slice(0, end)
    .findLast(entry => entry.kind === 'message' && entry.text.toLowerCase().includes(text.toLowerCase()))
  if (found !== undefined) yield found
}

function showAround(thread: Thread, history: History, { at, id }: Point): void {
  const before = history.page(thread.name, PAGE, { before: { at, id } })
  // The message itself comes behind the last one before it.
  const behind = history.page(thread.name, PAGE, { behind: before.at(-1) ?? { at: -1, id: '' } })
  thread.show([...before, ...behind], before.length < PAGE, behind.length < PAGE)
}
