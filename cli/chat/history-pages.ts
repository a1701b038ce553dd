/** Loads pages of the history on disk into the open thread, and searches it. These functions change the model. */
import type { StoredMessage } from '../../src/client/history/message-log.ts'
import type { Change } from '../../src/client/messages/message-changes.ts'
import { compareMessages } from '../../src/common/hybrid-clock.ts'
import { parseContent } from '../../src/protocol/message-kinds.ts'
import type { Message } from '../../src/protocol/messages.ts'
import type { LateMark, ReadMarks } from '../common/read-marks.ts'
import { searchForm } from '../common/search-form.ts'
import { threadName } from '../common/thread-name.ts'
import type { History, MessagePosition } from '../history/history.ts'
import { addMatch, takeNewerMatch } from './model/finding/search.ts'
import { addFoundMessage } from './model/finding/search-all.ts'
import type { Model, ScreenRequest } from './model/model.ts'
import { isOperator } from './model/rooms/room.ts'
import { scroll, scrollToEntry } from './model/threads/scroll.ts'
import type { Thread } from './model/threads/thread.ts'

/** Messages per page. */
const PAGE_SIZE = 200
/** Most unread messages of an earlier run that are counted in a thread, and in all of them: the screen waits for it. */
const MAX_COUNTED = 1_000
const MAX_COUNTED_IN_ALL = 20_000
/** What is counted in a thread in any case. */
const MIN_COUNTED = 5
/** Sorts after the ids of all messages of one time. */
const MAX_ID = '\u{10ffff}'

/** Adds the threads that the history on disk has; their messages are loaded when they are opened. */
export function addStoredThreads(model: Model, history: History): void {
  model.hasHistory = true
  for (const { name, lastAt } of history.threads(true)) model.ensureThread(name).markStored(lastAt)
}

/** Counts what the user has not read in earlier runs. @param marks undefined: everything was read */
export function restoreUnread(model: Model, history: History, marks: ReadMarks | undefined): void {
  let left = MAX_COUNTED_IN_ALL
  // The latest threads are first.
  for (const { name, lastAt } of history.threads()) {
    const thread = model.threads.get(name)
    if (thread === undefined) continue
    const after = marks === undefined ? lastAt : (marks.threads.get(name) ?? marks.since)
    const limit = lastAt <= after ? 0 : Math.max(MIN_COUNTED, Math.min(MAX_COUNTED, left))
    const late = (marks?.late ?? []).filter(one => one.thread === name)
    const lateMessages = late
      .filter(({ from }) => !model.preferences.ignored.includes(from))
      .flatMap(one => history.findAt(name, one) ?? [])
    const counts = countUnread(model, history, thread, after, limit, new Set(late.map(({ id }) => id)))
    left -= counts.unreadCount
    thread.reading.restore(after, counts, lateMessages)
  }
}

/**
 * @param limit most messages to look at
 * @param late ids of messages that are counted apart
 */
function countUnread(
  model: Model,
  history: History,
  thread: Thread,
  after: number,
  limit: number,
  late: ReadonlySet<string>,
) {
  const { ignored } = model.preferences
  const messages = limit === 0 ? [] : history.page(thread.name, limit, { after: { at: after, id: MAX_ID } })
  const unread = messages.filter(
    message =>
      message.at > after &&
      !late.has(message.id) &&
      thread.isReceived(message) &&
      !ignored.includes(message.from) &&
      parseContent(message.text, message.from).kind === 'text' &&
      // Those that came in this run are counted.
      thread.entryById(message.id) === undefined,
  )
  return {
    unreadCount: unread.length,
    mentionCount: unread.filter(message => thread.mentionsUser(message)).length,
  }
}

/** The read marks of all threads, for the next run. */
export function collectReadMarks(model: Model): ReadMarks {
  const threads = new Map<string, number>()
  let since = 0
  const late: LateMark[] = []
  for (const { name, reading } of model.threads.values()) {
    const { readMark, unseenLate } = reading
    threads.set(name, readMark)
    since = Math.max(since, readMark)
    late.push(...unseenLate)
  }
  return late.length === 0 ? { since, threads } : { since, threads, late }
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
    thread.replaceEntries(latest, latest.length < PAGE_SIZE, true, changesOfPage(history, thread, latest))
  } else if (part === 'first') {
    const page = history.page(thread.name, PAGE_SIZE, { after: { at: -1, id: '' } })
    thread.replaceEntries(page, true, page.length < PAGE_SIZE, changesOfPage(history, thread, page))
    scroll(model, Number.NEGATIVE_INFINITY)
  } else {
    const page = history.page(thread.name, PAGE_SIZE, part === 'before' ? { before: first } : { after: last })
    thread.addPage(page, part, page.length < PAGE_SIZE, changesOfPage(history, thread, page))
  }
}

/** The changes of the messages of a page, and of those that they reply to: a reply shows the start of that text. */
function changesOfPage(history: History, { name }: Thread, messages: readonly StoredMessage[]): Change[] {
  const replies = messages.flatMap(({ text, from }) => {
    const content = parseContent(text, from)
    return content.kind === 'text' && content.reply !== undefined ? [content.reply] : []
  })
  return history.changesOf(name, [...messages, ...replies])
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
  const found = history?.search(thread.name, text, before, operatorsOf(model)) ?? searchInMemory(thread, text, before)
  for (const message of found) {
    match = message
    if (match === undefined) yield undefined
  }
  const unsent = history === undefined ? undefined : findUnsent(thread, text, before)
  if (unsent !== undefined && (match === undefined || compareMessages(match, unsent) < 0)) match = unsent
  if (model.current !== thread || model.search?.editor.text !== text) return
  addMatch(model.search, match)
  if (match !== undefined) showMatch(model, thread, history, match, text)
}

/** Carries out a `newer-match` request. */
export function goToNewerMatch(model: Model, history: History | undefined): void {
  const { search, current } = model
  const match = search && takeNewerMatch(search)
  if (match !== undefined && current !== undefined) showMatch(model, current, history, match, search?.editor.text ?? '')
}

function showMatch(
  model: Model,
  thread: Thread,
  history: History | undefined,
  match: MessagePosition,
  text: string,
): void {
  if (thread.entryById(match.id) === undefined && history !== undefined) loadPageAround(thread, history, match)
  scrollToEntry(model, thread, match.id)
  thread.searchMatch = { id: match.id, text: searchForm(text) }
}

/**
 * Carries out a `search-all` request in steps, like {@link searchThread}: adds the messages to the list as they are found,
 * unless the user has changed the text in the meantime.
 */
export function* searchAllThreads(
  model: Model,
  history: History | undefined,
  text: string,
): Generator<undefined, void> {
  const search = model.searchAll
  const isCurrent = () => model.searchAll === search && search?.editor.text === text
  if (search === undefined || text === '' || !isCurrent()) return
  for (const message of history?.searchAll(text, operatorsOf(model)) ?? searchAllInMemory(model, text)) {
    if (message === undefined) {
      yield undefined
      if (!isCurrent()) return
    } else if (!addFoundMessage(search, { thread: threadName(message, model.user), message })) break
  }
  search.state = 'done'
}

function operatorsOf({ rooms }: Model) {
  return (room: string, name: string) => isOperator(rooms.get(room), name)
}

function searchAllInMemory(
  { threads, user }: Model,
  text: string,
): Pick<Message, 'id' | 'at' | 'from' | 'to' | 'text'>[] {
  const needle = searchForm(text)
  return [...threads.values()]
    .flatMap(({ name, isRoom, entries }) =>
      entries
        .filter(({ kind, isDeleted, text }) => kind === 'message' && !isDeleted && searchForm(text).includes(needle))
        .map(({ id, at, from, text, isAction }) => {
          const to = isRoom || from === user ? name : user
          return { id, at, from, to, text: isAction ? `/me ${text}` : text }
        }),
    )
    .sort((one, other) => compareMessages(other, one))
}

/** Carries out a `go-to-message` request. */
export function goToMessage(
  model: Model,
  history: History | undefined,
  { thread: name, message, text }: Extract<ScreenRequest, { type: 'go-to-message' }>,
): void {
  model.openThread(name)
  const thread = model.current
  if (thread === undefined) return
  const isLoaded = thread.isLoaded && thread.entryById(message.id) !== undefined
  if (!isLoaded && history !== undefined) loadPageAround(thread, history, message)
  scrollToEntry(model, thread, message.id)
  thread.searchMatch = { id: message.id, text: searchForm(text) }
}

/** The newest match among the messages that wait or were rejected: the history does not have them. */
function findUnsent(thread: Thread, text: string, before: MessagePosition | undefined): MessagePosition | undefined {
  const needle = searchForm(text)
  return thread.entries.findLast(
    entry =>
      (entry.progress?.state === 'waiting' || entry.progress?.state === 'refused') &&
      (before === undefined || compareMessages(entry, before) < 0) &&
      searchForm(entry.text).includes(needle),
  )
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
  const messages = [...before, ...after]
  const changes = changesOfPage(history, thread, messages)
  thread.replaceEntries(messages, before.length < PAGE_SIZE, after.length < PAGE_SIZE, changes)
}
