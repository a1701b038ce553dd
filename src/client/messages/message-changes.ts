/** Folds the changes of a message, whatever the order of their arrival: what clients show of it. */
import { compareMessages } from '../../common/hybrid-clock.ts'
import { type ChangeContent, parseContent } from '../../protocol/message-kinds.ts'
import type { Message } from '../../protocol/messages.ts'
import { messageKey } from '../history/positions.ts'

/** A message that changes another one of its thread. */
export interface Change {
  readonly id: string
  readonly at: number
  readonly from: string
  readonly content: ChangeContent
}

/** An emoji with which users react to a message. */
export interface Reaction {
  readonly emoji: string
  /** Those who reacted first come first. */
  readonly users: readonly string[]
}

/** What the changes of a message amount to. */
export interface FoldedChanges {
  /** The new text; undefined: it was not edited. */
  readonly text?: string
  readonly isDeleted: boolean
  /** In the order of the first reactions that are left. */
  readonly reactions: readonly Reaction[]
}

/** The change that a message makes; undefined: it is a text. */
export function toChange({ id, at, from, text }: Message): Change | undefined {
  const content = parseContent(text, from)
  return content.kind === 'text' ? undefined : { id, at, from, content }
}

/** Whether the sender of a change may make it. @param isOperator whether a user is an operator of the room */
export function isPermitted(
  { from, content }: Pick<Change, 'from' | 'content'>,
  isOperator: (name: string) => boolean = () => false,
): boolean {
  return content.kind === 'react' || content.target.from === from || (content.kind === 'delete' && isOperator(from))
}

/**
 * Folds the changes of one message. Only its author edits it; the author and operators of its room delete it, for good.
 * The last edit, and of each user and emoji the last reaction, is in effect: by (`at`, `id`), like the order of messages.
 */
export function foldChanges(changes: Iterable<Change>, isOperator?: (name: string) => boolean): FoldedChanges {
  let edit: { change: Change; text: string } | undefined
  let isDeleted = false
  const reactions = new Map<string, { change: Change; emoji: string; isRemoved: boolean }>()
  for (const change of changes) {
    if (!isPermitted(change, isOperator)) continue
    const { from, content } = change
    switch (content.kind) {
      case 'edit':
        if (isLater(change, edit?.change)) edit = { change, text: content.text }
        break
      case 'delete':
        isDeleted = true
        break
      case 'react': {
        const { emoji, isRemoved = false } = content
        // Names contain no line breaks.
        const key = `${from}\n${emoji}`
        if (isLater(change, reactions.get(key)?.change)) reactions.set(key, { change, emoji, isRemoved })
      }
    }
  }
  const current = [...reactions.values()]
    .filter(({ isRemoved }) => !isRemoved)
    .sort((one, next) => compareMessages(one.change, next.change))
  const users = new Map<string, string[]>()
  for (const { change, emoji } of current) {
    const names = users.get(emoji)
    if (names === undefined) users.set(emoji, [change.from])
    else names.push(change.from)
  }
  const folded = { isDeleted, reactions: Array.from(users, ([emoji, names]) => ({ emoji, users: names })) }
  return edit === undefined ? folded : { ...folded, text: edit.text }
}

function isLater(change: Change, other: Change | undefined): boolean {
  return other === undefined || compareMessages(other, change) < 0
}

/** Changes by the message that they change. It need not be known. */
export class ChangeLog {
  readonly #limit: number
  /** By the key of the target, those that were changed last at the end; then by the key of the change. */
  readonly #byTarget = new Map<string, Map<string, Change>>()
  #size = 0

  /** @param limit most changes to keep; beyond it, those of the message that was changed first are forgotten */
  constructor(limit: number) {
    this.#limit = limit
  }

  add(change: Change): void {
    const target = messageKey(change.content.target)
    const changes = this.#byTarget.get(target) ?? new Map<string, Change>()
    this.#byTarget.delete(target)
    this.#byTarget.set(target, changes)
    const key = messageKey(change)
    if (!changes.has(key)) this.#size++
    changes.set(key, change)
    while (this.#size > this.#limit) this.#forgetOne()
  }

  /** The changes of a message, in the order of arrival. */
  of(target: Pick<Message, 'from' | 'id'>): readonly Change[] {
    return [...(this.#byTarget.get(messageKey(target))?.values() ?? [])]
  }

  /** Forgets the changes of a message. */
  forget(target: Pick<Message, 'from' | 'id'>): void {
    const key = messageKey(target)
    this.#size -= this.#byTarget.get(key)?.size ?? 0
    this.#byTarget.delete(key)
  }

  /** The change with this sender and id; undefined: unknown. */
  find(change: Pick<Message, 'from' | 'id'>): Change | undefined {
    const key = messageKey(change)
    for (const changes of this.#byTarget.values()) {
      const found = changes.get(key)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Takes a change back; returns it, or undefined for an unknown one. */
  remove(change: Pick<Message, 'from' | 'id'>): Change | undefined {
    const found = this.find(change)
    if (found === undefined) return undefined
    this.#byTarget.get(messageKey(found.content.target))?.delete(messageKey(found))
    this.#size--
    return found
  }

  clear(): void {
    this.#byTarget.clear()
    this.#size = 0
  }

  #forgetOne(): void {
    const [first] = this.#byTarget
    if (first === undefined) return
    const [target, changes] = first
    // Of a single message with too many changes, the first are forgotten.
    if (this.#byTarget.size > 1) {
      this.#size -= changes.size
      this.#byTarget.delete(target)
    } else {
      const [oldest] = changes.keys()
      if (oldest !== undefined && changes.delete(oldest)) this.#size--
    }
  }
}
