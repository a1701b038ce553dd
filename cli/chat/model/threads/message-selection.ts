/** A selected message of the open thread, and what is done with it: reply, edit, delete, react. */

import { type ChangeContent, type QuotedTarget, quoteOf } from '../../../../src/protocol/message-kinds.ts'
import type { MessageChoice } from '../../../common/message-choice.ts'
import { reactionFault, shortNameOf, unknownEmoji } from '../../../common/reaction.ts'
import type { Key } from '../../../terminal/key-decoder.ts'
import { Editor } from '../editing/editor.ts'
import type { Action } from '../keymap.ts'
import type { Model, ScreenRequest } from '../model.ts'
import { isOperator } from '../rooms/room.ts'
import { revealEntry } from './scroll.ts'
import type { Entry, Thread } from './thread.ts'

/** Reactions that a digit picks. Each is as wide on all terminals. */
export const QUICK_REACTIONS = ['👍', '🎉', '😂', '👀', '✅', '🙏'] as const

export interface MessageSelection {
  readonly id: string
  readonly from: string
  /** `menu`: letters choose what to do. `confirm-delete`: the next key confirms. `command`: a command is being typed. */
  readonly step: 'menu' | 'confirm-delete' | 'command'
}

/** Asks for the emoji of a reaction. */
export interface ReactionPrompt {
  readonly target: QuotedTarget
  readonly editor: Editor
}

/** What the keys do with a selected message; the help and the status row list them. */
export const SELECTION_KEYS: readonly [key: string, help: string][] = [
  ['r', 'reply'],
  ['e', 'edit'],
  ['d', 'delete'],
  ['+', 'react'],
]

/** Selects the match of a search; else, the next older (-1) or newer message; after the newest one, none. */
export function moveMessageSelection(model: Model, by: 1 | -1): ScreenRequest[] {
  const thread = model.current
  if (thread === undefined) return fail(model, 'no thread is open')
  const { entries, selection, anchor } = thread
  const current = selection && thread.messageOf(selection)
  const match = thread.entryById(thread.searchMatch?.id ?? '')
  if (current === undefined && by === -1 && match !== undefined && isSelectable(match)) {
    thread.selection = { id: match.id, from: match.from, step: 'menu' }
    return revealEntry(model, thread, match)
  }
  const last = anchor === undefined ? entries.length : thread.indexOf(anchor.entry) + 1
  let index = current === undefined ? last : thread.indexOf(current)
  if (current === undefined && by === 1) return fail(model, 'no message is selected')
  do index += by
  while (index >= 0 && index < entries.length && !isSelectable(entries[index]))
  const entry = entries[index]
  if (entry === undefined) {
    if (by === 1) thread.selection = undefined
    else if (current === undefined) return fail(model, 'no message here')
    return thread.hasStart || by === 1 ? [] : [{ type: 'page', part: 'before' }]
  }
  thread.selection = { id: entry.id, from: entry.from, step: 'menu' }
  return revealEntry(model, thread, entry)
}

function isSelectable(entry: Entry | undefined): boolean {
  return entry?.kind === 'message' && entry.isChange === undefined && entry.isDeleted === undefined
}

/** Handles a typed character, or a paste, while a message is selected; undefined: it goes into the input line. */
export function handleSelectionText(model: Model, type: Key['type'], text: string): ScreenRequest[] | undefined {
  const thread = model.current
  const selection = thread?.selection
  if (thread === undefined || selection === undefined || selection.step === 'command') return undefined
  if (selection.step === 'confirm-delete') {
    const isText = type === 'text'
    const requests = confirmDeletion(model, thread, isText && text === 'd')
    // Without its slash, a command would be sent as a message.
    return isText && text.startsWith('/') ? undefined : requests
  }
  if (type === 'text') {
    if (text === 'r') return startReply(model, thread)
    if (text === 'e') return startEdit(model, thread)
    if (text === 'd') return askToDelete(model)
    if (text === '+') return openReactionPrompt(model, thread)
    if (text.startsWith('/') && thread.editor.text === '') {
      thread.selection = { ...selection, step: 'command' }
      return undefined
    }
  }
  thread.selection = undefined
  return undefined
}

/** Applies an action while a message is selected; undefined: it does what it always does. */
export function handleSelectionAction(model: Model, action: Action): ScreenRequest[] | undefined {
  const thread = model.current
  const selection = thread?.selection
  if (thread === undefined || selection === undefined) return undefined
  if (selection.step === 'confirm-delete') return confirmDeletion(model, thread, action === 'send')
  switch (action) {
    case 'dismiss':
    case 'clear-or-quit':
      thread.selection = undefined
      return []
    case 'previous-input':
      return selection.step === 'menu' ? moveMessageSelection(model, -1) : undefined
    case 'next-input':
      return selection.step === 'menu' ? moveMessageSelection(model, 1) : undefined
    case 'send':
      if (selection.step === 'command') return undefined
      if (thread.editor.text === '') return startReply(model, thread)
      thread.selection = undefined
      return undefined
    default:
      return undefined
  }
}

/** The next text is a reply to the selected message. */
function startReply(model: Model, thread: Thread): ScreenRequest[] {
  const entry = selectedEntry(thread)
  if (entry === undefined) return fail(model, 'the message is gone')
  if (isRejected(entry)) return fail(model, NOT_SENT)
  thread.selection = undefined
  cancelDraftTarget(thread)
  thread.draftTarget = { kind: 'reply', target: toTarget(entry), previousDraft: '' }
  return []
}

/** Puts the text of the chosen message, or else of the selected or last own one, into the input line. */
export function startEdit(model: Model, thread: Thread, choice?: MessageChoice): ScreenRequest[] {
  const entry = ownMessage(model, thread, choice)
  if (typeof entry === 'string') return fail(model, entry)
  thread.selection = undefined
  cancelDraftTarget(thread)
  thread.draftTarget = { kind: 'edit', target: toTarget(entry), previousDraft: thread.editor.text }
  thread.editor.set(entry.currentText ?? '')
  return []
}

/** Replaces the text of the chosen message, or else of the selected or last own one. */
export function editMessage(model: Model, thread: Thread, text: string, choice?: MessageChoice): ScreenRequest[] {
  const entry = ownMessage(model, thread, choice)
  if (typeof entry === 'string') return fail(model, entry)
  return [{ type: 'change', to: thread.name, change: { kind: 'edit', target: toTarget(entry), text } }]
}

/** The line becomes an ordinary message again; the draft from before an edit comes back. Returns whether it was none. */
export function cancelDraftTarget(thread: Thread): boolean {
  const { draftTarget } = thread
  if (draftTarget === undefined) return false
  thread.draftTarget = undefined
  if (draftTarget.kind === 'edit') thread.editor.set(draftTarget.previousDraft)
  return true
}

/** Sends a text to a thread: as a reply, or as the new text of a message, if the user has chosen that. */
export function sendText(thread: Thread, text: string): ScreenRequest[] {
  const { name: to, draftTarget } = thread
  cancelDraftTarget(thread)
  if (draftTarget === undefined) return [{ type: 'send', to, text }]
  const { kind, target } = draftTarget
  if (kind === 'reply') return [{ type: 'send', to, text, reply: target }]
  if (thread.messageOf(target)?.currentText === text) return []
  return [{ type: 'change', to, change: { kind: 'edit', target, text } }]
}

/** Asks once before the chosen message, or else the selected or last own one, is deleted. */
export function askToDelete(model: Model, choice?: MessageChoice): ScreenRequest[] {
  const thread = model.current
  if (thread === undefined) return fail(model, 'no thread is open')
  const entry = deletableMessage(model, thread, choice)
  if (typeof entry === 'string') return fail(model, entry)
  thread.selection = { id: entry.id, from: entry.from, step: 'confirm-delete' }
  return revealEntry(model, thread, entry)
}

function confirmDeletion(model: Model, thread: Thread, isConfirmed: boolean): ScreenRequest[] {
  const entry = selectedEntry(thread)
  thread.selection = undefined
  if (!isConfirmed || entry === undefined) {
    model.showNotice('not deleted')
    return []
  }
  const { id, from } = entry
  if (model.waiting.has(id)) {
    model.discarded.add(id)
    return [{ type: 'cancel', id }]
  }
  return [{ type: 'change', to: thread.name, change: { kind: 'delete', target: { id, from } } }]
}

function openReactionPrompt(model: Model, thread: Thread): ScreenRequest[] {
  const entry = selectedEntry(thread)
  if (entry === undefined) return fail(model, 'the message is gone')
  if (isRejected(entry)) return fail(model, NOT_SENT)
  model.reactionPrompt = { target: toTarget(entry), editor: new Editor() }
  return []
}

/** Handles typed text while the emoji of a reaction is asked for. */
export function handleReactionText(model: Model, prompt: ReactionPrompt, text: string): ScreenRequest[] {
  const quick = /^[1-9]$/.test(text) && prompt.editor.text === '' ? QUICK_REACTIONS[Number(text) - 1] : undefined
  if (quick !== undefined) return submitReaction(model, prompt.target, quick)
  prompt.editor.insert(text)
  return []
}

/** Applies an action while the emoji of a reaction is asked for; undefined: it does what it always does. */
export function handleReactionAction(
  model: Model,
  prompt: ReactionPrompt,
  action: Action,
): ScreenRequest[] | undefined {
  switch (action) {
    case 'send':
      return submitReaction(model, prompt.target, prompt.editor.text.trim())
    case 'dismiss':
    case 'clear-or-quit':
      model.reactionPrompt = undefined
      return []
    case 'redraw':
    case 'suspend':
    case 'complete':
    case 'complete-previous':
      return undefined
    default:
      prompt.editor.applyToField(action)
      return []
  }
}

function submitReaction(model: Model, target: QuotedTarget, emoji: string): ScreenRequest[] {
  const thread = model.current
  if (thread === undefined) return fail(model, 'no thread is open')
  const requests = react(model, thread.name, target, emoji)
  if (requests === undefined) return []
  model.reactionPrompt = undefined
  thread.selection = undefined
  return requests
}

/** Reacts to the chosen message, or else to the selected one or the last one of others; the same reaction again takes it back. */
export function reactToMessage(
  model: Model,
  thread: Thread,
  emoji: string,
  choice: MessageChoice | undefined,
): ScreenRequest[] {
  const fault = reactionFault(emoji)
  if (fault !== undefined) return fail(model, fault)
  const entry =
    choice !== undefined || thread.selection === undefined
      ? chosenEntry(model, thread, choice ?? { by: 'others', nth: 1 })
      : selectedEntry(thread)
  if (entry === undefined) return fail(model, choice === undefined ? 'no message to react to' : NO_SUCH_MESSAGE)
  if (isRejected(entry)) return fail(model, NOT_SENT)
  return react(model, thread.name, toTarget(entry), emoji) ?? []
}

/** Reacts with an emoji or its short name; undefined: that is not possible, and the notice says why. */
export function react(model: Model, to: string, target: QuotedTarget, typed: string): ScreenRequest[] | undefined {
  const name = shortNameOf(typed)
  if (name !== undefined && model.emojiNames === undefined)
    return [{ type: 'load-emoji', reaction: { to, target, typed } }]
  const emoji = name === undefined ? typed : model.emojiNames?.get(name)
  const fault = emoji === undefined ? unknownEmoji(name ?? typed) : reactionFault(emoji)
  const thread = model.threads.get(to)
  if (emoji !== undefined && fault === undefined && thread !== undefined)
    return [toggleReaction(model, thread, target, emoji)]
  if (fault !== undefined) fail(model, fault)
  return undefined
}

function toggleReaction(model: Model, thread: Thread, target: QuotedTarget, emoji: string): ScreenRequest {
  const { reactions = [] } = thread.messageOf(target) ?? {}
  const isRemoved = reactions.some(one => one.emoji === emoji && one.users.includes(model.user))
  const change: ChangeContent = isRemoved
    ? { kind: 'react', target, emoji, isRemoved }
    : { kind: 'react', target, emoji }
  return { type: 'change', to: thread.name, change }
}

/** The message that a reply command answers; undefined: none is selected. */
export function selectedTarget(thread: Thread | undefined): QuotedTarget | undefined {
  const entry = thread && selectedEntry(thread)
  return entry === undefined || isRejected(entry) ? undefined : toTarget(entry)
}

/** The loaded message of a thread that a command chooses; undefined: there is none. */
export function chosenTarget(model: Model, thread: Thread, choice: MessageChoice): QuotedTarget | undefined {
  const entry = chosenEntry(model, thread, choice)
  return entry && toTarget(entry)
}

function chosenEntry({ user }: Model, thread: Thread, { by, nth }: MessageChoice): Entry | undefined {
  const isBy = (from: string) => (typeof by === 'object' ? from === by.name : (from === user) === (by === 'self'))
  return thread.entries.filter(one => isSelectable(one) && isBy(one.from) && !isRejected(one)).at(-nth)
}

function selectedEntry(thread: Thread): Entry | undefined {
  return thread.selection && thread.messageOf(thread.selection)
}

export const NO_SUCH_MESSAGE = 'no such message here'
const NOT_SENT = 'the message was rejected, so no one else has it'

/** The selected message, or else the last own one; or why there is none that this user may edit. */
function ownMessage(model: Model, thread: Thread, choice: MessageChoice | undefined): Entry | string {
  const entry = ownOrSelected(model, thread, choice)
  if (typeof entry === 'string') return entry
  if (entry.from !== model.user) return `the message is by ${entry.from}; you can edit only your own messages`
  return isRejected(entry) ? NOT_SENT : entry
}

function deletableMessage(model: Model, thread: Thread, choice: MessageChoice | undefined): Entry | string {
  const entry = ownOrSelected(model, thread, choice)
  if (typeof entry === 'string') return entry
  if (entry.from !== model.user && !isOperator(model.rooms.get(thread.name), model.user))
    return `the message is by ${entry.from}; you can delete only your own messages`
  return isRejected(entry) ? NOT_SENT : entry
}

function ownOrSelected(model: Model, thread: Thread, choice: MessageChoice | undefined): Entry | string {
  const chosen = choice && chosenEntry(model, thread, choice)
  if (choice !== undefined) return chosen ?? NO_SUCH_MESSAGE
  return selectedEntry(thread) ?? chosenEntry(model, thread, { by: 'self', nth: 1 }) ?? 'no message of yours here'
}

function isRejected({ progress }: Entry): boolean {
  return progress?.state === 'refused'
}

function toTarget({ id, from, currentText = '' }: Entry): QuotedTarget {
  return { id, from, quote: quoteOf(currentText) }
}

function fail(model: Model, text: string): ScreenRequest[] {
  model.showNotice(text, 'error')
  return []
}
