import type { QuotedTarget } from '../../src/protocol/message-kinds.ts'

/** What the text of the input line becomes: a reply to a message, or the new text of an own one. */
export interface DraftTarget {
  readonly kind: 'reply' | 'edit'
  readonly target: QuotedTarget
  /** The draft from before an edit. */
  readonly previousDraft: string
}

/** What a user has written in a thread and not sent. */
export interface Draft {
  readonly text: string
  /** Undefined: it becomes an ordinary message. */
  readonly target?: DraftTarget
}
