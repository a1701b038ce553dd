import type { SessionEvent } from '../../src/client/events.ts'
import type { Message } from '../../src/protocol/messages.ts'
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
      if (model.rosterKnown) {
        for (const name of event.joined) model.threads.get(name)?.note(`${name} is online`, wall)
        for (const name of event.left) model.threads.get(name)?.note(`${name} went offline`, wall)
      }
      model.rosterKnown = true
      return []
    }
    case 'message':
      return message(model, event.message, event.origin)
    case 'progress':
      model.threads.get(event.to)?.progress(event.id, event.progress)
      return []
    case 'servers':
      return []
  }
}

function message(model: Model, message: Message, origin: 'composed' | 'live' | 'history'): ScreenRequest[] {
  const own = message.from === model.user
  const thread = model.thread(own ? message.to : message.from)
  thread.add(message)
  if (origin === 'composed') thread.anchor = undefined
  if (thread.anchor !== undefined && origin !== 'history') thread.below++
  if (own || origin !== 'live') return []
  if (thread !== model.current) thread.unread++
  return [{ type: 'bell' }]
}
