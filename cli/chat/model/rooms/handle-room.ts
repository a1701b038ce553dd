/** Applies events about rooms to the model. */
import type { SessionEvent } from '../../../../src/client/events.ts'
import { sanitizeLine } from '../../../../src/protocol/text.ts'
import type { Model } from '../model.ts'
import { markedName } from '../names/marked-name.ts'
import { announcesMembers } from './membership.ts'

/** @param wall ms since 1970 */
export function handleRoom(
  model: Model,
  { room: name, state, members, info, joined, left }: Extract<SessionEvent, { type: 'room' }>,
  wall: number,
): void {
  const previous = model.rooms.get(name)
  if (state.state === 'parted' || state.state === 'refused') {
    const thread = model.threads.get(name)
    model.rooms.delete(name)
    if (state.state === 'refused') {
      const text = `you are not in ${name}: ${sanitizeLine(state.message)}`
      thread?.addWarning(text, wall)
      model.showNotice(text, 'error')
    } else if (previous?.state.state === 'joined') thread?.addNote(`you left ${name}; /join ${name} to return`, wall)
    return
  }
  model.rooms.set(name, { name, state, members, info })
  const thread = model.ensureThread(name)
  thread.setOperators(info.operators)
  // The client asks again and again: say it once.
  if (state.state === 'rejected' && previous?.state.state !== 'rejected')
    model.showNotice(`cannot join ${name} now: ${sanitizeLine(state.message)}`, 'error')
  // The members of the first list were there before, or came while this client was offline.
  if (state.state !== 'joined' || previous?.state.state !== 'joined') return
  if (!announcesMembers(model.preferences.joins, members.size)) return
  const isOther = (one: string) => one !== model.user
  const announced = { joined: joined.filter(isOther), left: left.filter(isOther) }
  model.rooms.set(name, { name, state, members, info, announced })
  thread.addMembershipChanges(announced, wall, one => markedName(model, one))
}
