import type { SessionEvent } from '../../../src/client/events.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { fingerprint } from '../../keys/fingerprint.ts'
import type { Model, ScreenRequest } from './model.ts'

/**
 * Brings what the session tells into the model.
 * @param wall ms since 1970
 */
export function update(model: Model, event: SessionEvent, wall: number): ScreenRequest[] {
  switch (event.type) {
    case 'connection':
      model.connection = event.state
      if (event.state.phase !== 'online') model.hasRoster = false
      return []
    case 'roster': {
      model.online = event.users
      model.confusables.update(event.joined, event.left)
      if (model.current !== undefined && event.joined.length > 0) model.warnIfConfusable(model.current)
      if (model.hasRoster && model.preferences.notes) {
        for (const name of event.joined) model.threads.get(name)?.addNote(`${name} is online`, wall)
        for (const name of event.left) model.threads.get(name)?.addNote(`${name} went offline`, wall)
      }
      model.hasRoster = true
      return []
    }
    case 'connections':
      model.connectionCounts = event.connections
      return []
    case 'message':
      return handleMessage(model, event.message, event.origin)
    case 'read':
      model.threads.get(event.thread)?.markRead(event.at)
      return []
    case 'progress': {
      const thread = model.threads.get(event.to)
      const known = thread !== undefined
      thread?.setProgress(event.id, event.progress)
      // Refused before it was a message: there is no place in a thread to say so.
      if (!known && event.progress.state === 'refused') model.notice = { text: event.progress.message, tone: 'error' }
      return []
    }
    case 'key':
      return handleUserKey(model, event, wall)
    case 'forged':
      model.notice = { text: `a message that nobody can have written as ${event.from} was dropped`, tone: 'error' }
      return []
    case 'servers':
      return []
  }
}

/** Whose key is whose: a change is said loudly, for somebody else may have the name. */
function handleUserKey(
  model: Model,
  { user, key, state, own, known }: Extract<SessionEvent, { type: 'key' }>,
  wall: number,
): ScreenRequest[] {
  model.userKeys = known
  model.ownKey = own
  model.changedKeys.delete(user)
  if (state !== 'changed') return []
  model.changedKeys.set(user, key)
  const thread = model.ensureThread(user)
  thread.addWarning(`WARNING: ${user} has another key than before: ${fingerprint(key)}.`, wall)
  thread.addWarning(
    `Somebody else may have the name. Ask ${user} in another way; /trust ${user} takes the new key.`,
    wall,
  )
  model.notice = { text: `WARNING: ${user} has another key than before`, tone: 'error' }
  return [{ type: 'bell', thread: user }]
}

function handleMessage(model: Model, message: Message, origin: 'composed' | 'live' | 'history'): ScreenRequest[] {
  const own = message.from === model.user
  const name = own ? message.to : message.from
  const { ignored, muted } = model.preferences
  if (!own && ignored.includes(name)) return []
  const thread = model.ensureThread(name)
  if (!own) model.warnIfConfusable(thread)
  thread.addMessage(message)
  if (origin === 'composed') {
    thread.anchor = undefined
    // Written while one looked at what was said long ago: back to the end.
    if (!thread.hasEnd && thread === model.current) return [{ type: 'page', part: 'latest' }]
  }
  if (thread.anchor !== undefined && origin !== 'history') thread.newBelow++
  if (own || origin !== 'live') return markOpenThreadRead(model)
  model.lastSender = name
  // Another client of this user may have read it before it came here.
  if (message.at > thread.readAt) thread.unreadCount++
  const requests = markOpenThreadRead(model)
  if (thread.unreadCount > 0 && !muted.includes(name)) requests.push({ type: 'bell', thread: name })
  return requests
}

/** What the open thread has on disk is read when it is first looked at. */
export function pagesNeeded(model: Model): ScreenRequest[] {
  return model.current?.isLoaded === false ? [{ type: 'page', part: 'latest' }] : []
}

/** The open thread, its end in view, is read as it comes: the user's other clients are to know. */
export function markOpenThreadRead(model: Model): ScreenRequest[] {
  const thread = model.current
  if (thread === undefined || thread.anchor !== undefined) return []
  const known = thread.readAt
  thread.markRead(thread.lastReceivedAt)
  return thread.readAt > known ? [{ type: 'read', thread: thread.name, at: thread.readAt }] : []
}
