/** Typing notices: those of others, which the header shows, and those that this user's keys cause. */
import { isCommand } from '../editing/is-command.ts'
import type { Model, ScreenRequest } from '../model.ts'
import { writeFault } from '../rooms/room.ts'
import type { Thread } from './thread.ts'

/** How long a user is shown as writing after their last notice, ms. */
const SHOWN_MS = 5_000

/** The users who are writing, by thread. Times are ms since 1970. */
export class TypingUsers {
  /** By thread: the users, first ones first, and until when they are shown. */
  readonly #threads = new Map<string, Map<string, number>>()

  add(thread: string, user: string, wall: number): void {
    this.#forgetExpired(wall)
    const users = this.#threads.get(thread) ?? new Map<string, number>()
    users.set(user, wall + SHOWN_MS)
    this.#threads.set(thread, users)
  }

  /** A user's message has arrived. */
  delete(thread: string, user: string): void {
    this.#threads.get(thread)?.delete(user)
  }

  /** A user went offline. */
  deleteUser(user: string): void {
    for (const users of this.#threads.values()) users.delete(user)
  }

  /** The users who are writing in a thread, in the order in which they began. */
  in(thread: string, wall: number): string[] {
    return [...(this.#threads.get(thread) ?? [])].flatMap(([user, until]) => (isShown(until, wall) ? user : []))
  }

  /** When the next user of a thread is not shown any more; undefined: none is shown. */
  nextEnd(thread: string, wall: number): number | undefined {
    const ends = [...(this.#threads.get(thread)?.values() ?? [])].filter(until => isShown(until, wall))
    return ends.length === 0 ? undefined : Math.min(...ends)
  }

  #forgetExpired(wall: number): void {
    for (const [thread, users] of this.#threads) {
      for (const [user, until] of users) if (!isShown(until, wall)) users.delete(user)
      if (users.size === 0) this.#threads.delete(thread)
    }
  }
}

/** The clock may have been set back. */
function isShown(until: number, wall: number): boolean {
  return until > wall && until - wall <= SHOWN_MS
}

/** What a key may change: the open thread, its draft, and the line of the input history that it shows. */
interface Draft {
  thread: Thread | undefined
  text: string | undefined
  historyIndex: number | undefined
}

export function openDraft({ current, inputHistoryIndex }: Model): Draft {
  return { thread: current, text: current?.editor.text, historyIndex: inputHistoryIndex }
}

/** Tells that the user is writing, if a key has changed the draft of a message. */
export function typingRequests(model: Model, before: Draft): ScreenRequest[] {
  const { current, preferences, rooms, user } = model
  const after = openDraft(model)
  if (!preferences.typing || current === undefined || after.thread !== before.thread) return []
  // A line of the input history is not typed.
  if (after.text === before.text || after.historyIndex !== before.historyIndex) return []
  if (current.editor.text.trim() === '' || isCommand(current.editor, current)) return []
  if (current.isRoom && writeFault(current.name, rooms.get(current.name), user) !== undefined) return []
  return [{ type: 'typing', to: current.name }]
}
