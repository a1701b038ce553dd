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
      if (event.state.phase !== 'online') model.rosterKnown = false
      return []
    case 'roster': {
      model.online = event.users
      model.lookAlikes.update(event.joined, event.left)
      if (model.current !== undefined && event.joined.length > 0) model.warnOfLookAlike(model.current)
      if (model.rosterKnown && model.preferences.notes) {
        for (const name of event.joined) model.threads.get(name)?.note(`${name} is online`, wall)
        for (const name of event.left) model.threads.get(name)?.note(`${name} went offline`, wall)
      }
      model.rosterKnown = true
      return []
    }
    case 'connections':
      model.connections = event.connections
      return []
    case 'message':
      return message(model, event.message, event.origin)
    case 'read':
      model.threads.get(event.thread)?.read(event.at)
      return []
    case 'progress': {
      const thread = model.threads.get(event.to)
      const known = thread !== undefined
      thread?.progress(event.id, event.progress)
      // Refused before it was a message: there is no place in a thread to say so.
      if (!known && event.progress.state === 'refused') model.notice = { text: event.progress.message, tone: 'error' }
      return []
    }
    case 'key':
      return key(model, event, wall)
    case 'forged':
      model.notice = { text: `a message that nobody can have written as ${event.from} was dropped`, tone: 'error' }
      return []
    case 'servers':
      return []
  }
}

/** Whose key is whose: a change is said loudly, for somebody else may have the name. */
function key(
  model: Model,
  { user, key, state, own, known }: Extract<SessionEvent, { type: 'key' }>,
  wall: number,
): ScreenRequest[] {
  model.keys = known
  model.ownKey = own
  model.changedKeys.delete(user)
  if (state !== 'changed') return []
  model.changedKeys.set(user, key)
  const thread = model.thread(user)
  thread.warn(`WARNING: ${user} has another key than before: ${fingerprint(key)}.`, wall)
  thread.warn(`Somebody else may have the name. Ask ${user} in another way; /trust ${user} takes the new key.`, wall)
  model.notice = { text: `WARNING: ${user} has another key than before`, tone: 'error' }
  return [{ type: 'bell', thread: user }]
}

function message(model: Model, message: Message, origin: 'composed' | 'live' | 'history'): ScreenRequest[] {
  const own = message.from === model.user
  const name = own ? message.to : message.from
  const { ignored, muted } = model.preferences
  if (!own && ignored.includes(name)) return []
  const thread = model.thread(name)
  if (!own) model.warnOfLookAlike(thread)
  thread.add(message)
  if (origin === 'composed') {
    thread.anchor = undefined
    // Written while one looked at what was said long ago: back to the end.
    if (!thread.end && thread === model.current) return [{ type: 'page', way: 'latest' }]
  }
  if (thread.anchor !== undefined && origin !== 'history') thread.below++
  if (own || origin !== 'live') return whatWasRead(model)
  model.lastFrom = name
  // Another client of this user may have read it before it came here.
  if (message.at > thread.readAt) thread.unread++
  const requests = whatWasRead(model)
  if (thread.unread > 0 && !muted.includes(name)) requests.push({ type: 'bell', thread: name })
  return requests
}

/** What the open thread has on disk is read when it is first looked at. */
export function whatIsNeeded(model: Model): ScreenRequest[] {
  return model.current?.loaded === false ? [{ type: 'page', way: 'latest' }] : []
}

/** The open thread, its end in view, is read as it comes: the user's other clients are to know. */
export function whatWasRead(model: Model): ScreenRequest[] {
  const thread = model.current
  if (thread === undefined || thread.anchor !== undefined) return []
  const known = thread.readAt
  thread.read(thread.heardAt)
  return thread.readAt > known ? [{ type: 'read', thread: thread.name, at: thread.readAt }] : []
}
