/** Key actions that open another thread. */
import { compareNames } from '../../../../src/protocol/names.ts'
import type { Model, ScreenRequest } from '../model.ts'

export function openThread(model: Model, name: string): ScreenRequest[] {
  model.openThread(name)
  return [{ type: 'save' }]
}

/** Opens the thread with a number. */
export function openNumberedThread(model: Model, number: number): ScreenRequest[] {
  const thread = model.listedThreads().find(({ name }) => model.threadNumber(name) === number)
  return thread === undefined ? [] : openThread(model, thread.name)
}

/** Opens the next thread with unread messages: first one with mentions. */
export function openUnreadThread(model: Model): ScreenRequest[] {
  const threads = model.listedThreads()
  const unread = threads.find(thread => thread.mentionCount > 0) ?? threads.find(thread => thread.unreadCount > 0)
  if (unread !== undefined) return openThread(model, unread.name)
  model.showNotice('no unread messages')
  return []
}

/** Opens the next or previous thread: first the rooms and the threads with entries or a draft, then the other online users. */
export function switchThread(model: Model, by: 1 | -1): ScreenRequest[] {
  const activeThreads = model
    .listedThreads()
    .filter(thread => thread.isRoom || thread.entries.length > 0 || thread.editor.text !== '')
  const names = activeThreads.map(thread => thread.name)
  const listed = new Set(names).add(model.user)
  const others = [...model.online].filter(name => !listed.has(name))
  const current = model.current?.name
  if (current !== undefined && !names.includes(current) && !others.includes(current)) others.push(current)
  names.push(...others.sort(compareNames))
  if (names.length === 0) return []
  const at = current === undefined ? (by > 0 ? -1 : 0) : names.indexOf(current)
  return openThread(model, names[(at + by + names.length) % names.length] ?? '')
}
