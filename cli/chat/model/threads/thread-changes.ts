/** The edits, deletions and reactions of a thread, and what its entries show of them. */
import {
  type Change,
  ChangeLog,
  type FoldedChanges,
  foldChanges,
  type Reaction,
} from '../../../../src/client/messages/message-changes.ts'
import { actionOf, type MessageTarget, type QuotedTarget } from '../../../../src/protocol/message-kinds.ts'
import { sanitizeText } from '../../../../src/protocol/text.ts'
import type { Entry } from './thread.ts'

/** Most edits, deletions and reactions remembered per thread. */
const MAX_CHANGES = 10_000

/** The original text of a message, and what this program puts before it. */
interface EntrySource {
  readonly prefix: string
  readonly text: string
}

/** The fields of an entry that only messages have. */
export interface FoldedEntryFields {
  /** What was sent; absent: not a text. */
  source?: EntrySource
  /** The message that this one replies to. Not sanitized. */
  reply?: QuotedTarget
  /** The current text, as its author has written it. Not sanitized. */
  currentText?: string
  /** Whether it is an action, such as `/me waves`: the text is what the sender does. */
  isAction?: true
  isEdited?: true
  /** The text is empty then. */
  isDeleted?: true
  reactions?: readonly Reaction[]
}

/** The changes of the loaded messages of a thread, and those whose message is not loaded. */
export class ThreadChanges {
  readonly #log = new ChangeLog(MAX_CHANGES)
  #operators: readonly string[] = []

  /** Sets the operators of the room, who may delete messages. Returns whether they are others. */
  setOperators(operators: readonly string[]): boolean {
    if (operators === this.#operators) return false
    this.#operators = operators
    return true
  }

  add(change: Change): void {
    this.#log.add(change)
  }

  of(message: MessageTarget): readonly Change[] {
    return this.#log.of(message)
  }

  /** The change with this sender and id; undefined: unknown. */
  find(change: MessageTarget): Change | undefined {
    return this.#log.find(change)
  }

  /** Takes a change back. Returns it, or undefined for an unknown one. */
  remove(change: MessageTarget): Change | undefined {
    return this.#log.remove(change)
  }

  forget(message: MessageTarget): void {
    this.#log.forget(message)
  }

  clear(): void {
    this.#log.clear()
  }

  /** The fields of the entry of a message. */
  fieldsOf(message: MessageTarget, source: EntrySource | undefined): ReturnType<typeof foldedFields> {
    return foldedFields(
      source,
      foldChanges(this.#log.of(message), name => this.#operators.includes(name)),
    )
  }

  /** The entry as its changes make it: another one, because layouts of entries are cached. */
  refold(entry: Entry): Entry {
    const { id, at, kind, from, progress, mentionsUser, reply, source } = entry
    const next: Entry = { id, at, kind, from, ...this.fieldsOf(entry, source) }
    if (progress !== undefined) next.progress = progress
    if (mentionsUser !== undefined) next.mentionsUser = mentionsUser
    if (reply !== undefined) next.reply = reply
    return next
  }
}

/** The fields of an entry that its changes determine. */
function foldedFields(
  source: EntrySource | undefined,
  { text, isDeleted, reactions }: FoldedChanges,
): FoldedEntryFields & { text: string } {
  const { prefix, text: original } = source ?? { prefix: '', text: '' }
  const current = text ?? original
  const action = actionOf(current)
  const fields: FoldedEntryFields = source === undefined ? {} : { source }
  if (isDeleted) return { ...fields, text: '', isDeleted: true }
  if (action !== undefined) fields.isAction = true
  if (text !== undefined) fields.isEdited = true
  if (reactions.length > 0) fields.reactions = reactions
  return { ...fields, currentText: current, text: `${prefix}${sanitizeText(action ?? current)}` }
}
