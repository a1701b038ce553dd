/** Applies events of the session to the model. */

import type { SessionEvent } from '../../../src/client/events.ts'
import { parseContent } from '../../../src/protocol/message-kinds.ts'
import type { ClientEvent, Notice } from '../../common/client-events.ts'
import { quoteName } from '../../common/name-argument.ts'
import { threadName } from '../../common/thread-name.ts'
import { notCancelledText } from '../../common/waiting-messages.ts'
import { fingerprint } from '../../keys/fingerprint.ts'
import { localDateTime } from '../../terminal/local-time.ts'
import { alertFor } from './alerts/alert.ts'
import { deleteDiscarded, handleCancelled } from './cancelling.ts'
import { complete } from './editing/completion.ts'
import { refreshFinder } from './finding/finder.ts'
import { actionLabel } from './keymap.ts'
import type { Model, ScreenRequest } from './model.ts'
import { rosterRequests } from './names/roster-view.ts'
import { checkRecipients } from './names/unseen-recipient.ts'
import { handleRoom } from './rooms/handle-room.ts'
import { invitedRoom } from './rooms/invitations.ts'

/**
 * Applies an event to the model and returns the side effects to carry out.
 * @param wall ms since 1970
 */
export function update(model: Model, event: Exclude<ClientEvent, { type: 'storage' }>, wall: number): ScreenRequest[] {
  model.waiting.handleEvent(event)
  const requests = handleEvent(model, event, wall)
  return [...requests, ...rosterRequests(model)]
}

function handleEvent(model: Model, event: Exclude<ClientEvent, { type: 'storage' }>, wall: number): ScreenRequest[] {
  switch (event.type) {
    case 'connection':
      model.connection = event.state
      if (event.state.phase !== 'online') model.hasRoster = false
      return []
    case 'roster':
      handleRoster(model, event, wall)
      refreshFinder(model)
      return []
    case 'connections':
      model.connectionCounts = event.connections
      return []
    case 'room':
      handleRoom(model, event, wall)
      refreshFinder(model)
      return []
    case 'room-list':
      model.roomList = event
      refreshFinder(model)
      return []
    case 'message':
      return handleMessage(model, event, wall)
    case 'read':
      model.threads.get(event.thread)?.reading.markRead(event.at)
      return []
    case 'progress': {
      const thread = model.threads.get(event.to)
      thread?.setProgress(event.id, event.progress)
      if (event.progress.state === 'waiting' && event.progress.reason === 'clock-ahead')
        model.showNotice(`a message to ${event.to} waits: its time is ahead of the clock of the server`, 'error')
      // A message that is rejected before it is composed has no entry that could show the reason.
      const hasEntry = thread?.entryById(event.id) !== undefined
      if (!hasEntry && event.progress.state === 'refused') model.showNotice(event.progress.message, 'error')
      return []
    }
    case 'key':
      return handleUserKey(model, event, wall)
    case 'forged':
      model.showQuestion(`dropped a forged message in the name of ${event.from}`)
      return []
    case 'notice':
      showClientNotice(model, event, wall)
      return []
    case 'redated':
      model.threads.get(event.message.to)?.moveMessage(event.message)
      return []
    case 'cancelled':
      handleCancelled(model, event.message, event.isDeleted)
      return []
    case 'not-cancelled':
      if (model.discarded.has(event.id)) return deleteDiscarded(model, event.id)
      model.showNotice(notCancelledText(event.reason), 'error')
      return []
    case 'text-limit':
      model.maxTextBytes = event.bytes
      return []
    case 'names-found': {
      const asked = model.rosterView.handleFound(event)
      refreshFinder(model)
      const { text, cursor } = model.focusedEditor
      return asked?.text === text && asked.cursor === cursor ? complete(model, 1) : []
    }
    case 'typing':
      handleTyping(model, event, wall)
      return []
    case 'names-listed':
    case 'clock-wrong':
    case 'servers':
    case 'mesh':
    case 'mesh-changed':
      return []
  }
}

function handleTyping(model: Model, event: Extract<SessionEvent, { type: 'typing' }>, wall: number): void {
  const { ignored, muted, typing } = model.preferences
  const thread = threadName(event, model.user)
  const isHidden = ignored.includes(event.from) || muted.includes(event.from) || muted.includes(thread)
  if (typing && !isHidden) model.typing.add(thread, event.from, wall)
}

/** Shows a notice in the status row, and in the open thread or the screen without one, where it stays and is not cut. */
function showClientNotice(model: Model, { text, isWarning }: Notice, wall: number): void {
  const tone = isWarning ? 'error' : 'info'
  model.notice = { text, tone, isKept: true }
  if (model.current === undefined) model.keepStartNotice({ text, tone })
  else if (isWarning) model.current.addWarning(text, wall)
  else model.current.addNote(text, wall)
}

function handleRoster(
  model: Model,
  { users, joined, left, total }: Extract<SessionEvent, { type: 'roster' }>,
  wall: number,
): void {
  model.online = users
  const wasPartial = model.rosterView.isPartial
  const isFirstAnswer = model.rosterView.handleRoster(total)
  for (const name of left) model.typing.deleteUser(name)
  model.confusables.update(joined, left)
  if (model.current !== undefined && joined.length > 0) model.warnIfConfusable(model.current)
  if (model.hasRoster && model.preferences.notes) {
    const isOther = (name: string) => name !== model.user
    const isNews = (name: string) => isOther(name) && !isFirstAnswer(name)
    for (const name of joined.filter(isNews)) model.threads.get(name)?.addNote(`${name} is online`, wall)
    for (const name of left.filter(isOther)) model.threads.get(name)?.addNote(`${name} went offline`, wall)
  }
  model.hasRoster = true
  // In a view, the answer about recipients comes with the next change.
  if (total === undefined || wasPartial) checkRecipients(model, wall)
}

/** Records the keys. A changed key is a security risk: it adds a warning to the thread, shows a notice and rings. */
function handleUserKey(
  model: Model,
  { user, key, state, own, known }: Extract<SessionEvent, { type: 'key' }>,
  wall: number,
): ScreenRequest[] {
  model.userKeys = known
  model.ownKey = own
  const wasChanged = model.changedKeys.delete(user)
  if (state === 'trusted' && wasChanged) model.showNotice(`the key of ${user} is trusted`)
  if (state !== 'changed') return []
  model.changedKeys.set(user, key)
  const thread = model.ensureThread(user)
  thread.addWarning(`WARNING: the key of ${user} has changed. The new key is: ${fingerprint(key)}.`, wall)
  thread.addWarning(
    `Someone else may be using this name. Verify the new key with ${user} over another channel, ` +
      `then accept it with /trust ${quoteName(user)} and the words that ${user} told you. Until then, your messages to ${user} are held.`,
    wall,
  )
  model.showQuestion(`WARNING: the key of ${user} has changed`)
  return [{ type: 'bell', thread: user }]
}

function handleMessage(
  model: Model,
  { message, origin, late }: Extract<SessionEvent, { type: 'message' }>,
  wall: number,
): ScreenRequest[] {
  const isLate = late === true
  const own = message.from === model.user
  const name = threadName(message, model.user)
  const { ignored, muted } = model.preferences
  if (origin === 'live') model.typing.delete(name, message.from)
  if (!own && ignored.includes(message.from)) return []
  const content = parseContent(message.text, message.from)
  // Such as that of a message that was taken back. If the message comes later, its page of the history has the deletion.
  if (content.kind === 'delete' && !model.threads.has(name)) return []
  const thread = model.ensureThread(name)
  if (!own && (!thread.isRoom || origin === 'live')) model.warnIfConfusable(thread, message.from)
  const isLast = message.at >= thread.lastAt
  thread.addMessage(message, isLate, wall)
  thread.trim(model.hasHistory, thread === model.current)
  // Edits, deletions and reactions are neither unread nor do they ring.
  if (content.kind !== 'text') return markOpenThreadRead(model)
  // A message at the end of the thread is where the user looks for it.
  if (isLate && !isLast)
    thread.addNote(`a message dated ${localDateTime(message.at)} has arrived; it is sorted by its time`, wall)
  if (origin === 'composed') {
    thread.anchor = undefined
    // The end of the thread may not be loaded: the user was reading old messages.
    if (!thread.hasEnd && thread === model.current) return [{ type: 'page', part: 'latest' }]
  }
  if (thread.anchor !== undefined && origin !== 'history') thread.newBelow++
  // Messages of a room that were missed come from other members.
  if (!own && origin === 'history' && thread.isRoom) thread.reading.countCaughtUp(message)
  if (own || origin !== 'live') return markOpenThreadRead(model)
  if (!thread.isRoom) model.lastSender = name
  const invited = invitedRoom(content.text)
  if (invited !== undefined && !model.rooms.has(invited)) {
    const key = thread === model.current ? actionLabel(model.bindings, 'join-invitation') : undefined
    model.showNotice(`${name} invites you to ${invited}; ${key === undefined ? `/join ${invited}` : `${key} to join`}`)
  }
  thread.reading.countUnread(message, isLate)
  const requests = markOpenThreadRead(model)
  if (thread.unreadCount === 0) return requests
  const { rings, isAnnounced } = alertFor(message, name, thread.mentionsUser(message), muted)
  if (rings) requests.push({ type: 'bell', thread: name })
  if (isAnnounced) requests.push({ type: 'notify', thread: name, message })
  return requests
}

/** Requests the newest page of the open thread's history, if it is not loaded yet. */
export function requestInitialPage(model: Model): ScreenRequest[] {
  return model.current?.isLoaded === false ? [{ type: 'page', part: 'latest' }] : []
}

/** Marks the open thread as read while the user sees its end. Advances the read mark that the user's clients share. */
export function markOpenThreadRead(model: Model): ScreenRequest[] {
  const thread = model.current
  if (thread === undefined || thread.anchor !== undefined || !model.hasFocus) return []
  const { reading } = thread
  const previousReadAt = reading.readAt
  reading.markSeen()
  return reading.readAt > previousReadAt ? [{ type: 'read', thread: thread.name, at: reading.readAt }] : []
}
