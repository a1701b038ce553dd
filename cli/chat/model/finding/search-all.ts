/** The search in all threads: a list of messages, newest first, that is found while the user types. */
import type { Message } from '../../../../src/protocol/messages.ts'
import { Editor } from '../editing/editor.ts'
import type { Action } from '../keymap.ts'
import type { Model, ScreenRequest } from '../model.ts'

/** Most messages listed; typing more narrows them down. */
export const MAX_FOUND_MESSAGES = 200

/** A message that was found, and the thread that it is in. */
export interface FoundMessage {
  readonly thread: string
  readonly message: Pick<Message, 'id' | 'at' | 'from' | 'text'>
}

export interface SearchAll {
  editor: Editor
  state: 'idle' | 'searching' | 'done'
  /** At most `MAX_FOUND_MESSAGES`, newest first. */
  found: FoundMessage[]
  selectedIndex: number
}

/** Opens the search. With a text, it starts at once. */
export function openSearchAll(model: Model, text: string): ScreenRequest[] {
  const search: SearchAll = { editor: new Editor(), state: 'idle', found: [], selectedIndex: 0 }
  search.editor.insert(text)
  model.searchAll = search
  return restartSearchAll(search)
}

/** The text has changed: searches again. */
export function restartSearchAll(search: SearchAll): ScreenRequest[] {
  const { text } = search.editor
  search.found = []
  search.selectedIndex = 0
  search.state = text === '' ? 'idle' : 'searching'
  return [{ type: 'search-all', text }]
}

/** Adds a message that was found. Returns whether the list takes more. */
export function addFoundMessage(search: SearchAll, found: FoundMessage): boolean {
  search.found.push(found)
  return search.found.length < MAX_FOUND_MESSAGES
}

/** Applies an action while the search is open. */
export function handleSearchAllAction(model: Model, search: SearchAll, action: Action): ScreenRequest[] {
  const { text } = search.editor
  const { length } = search.found
  const select = (index: number) => {
    search.selectedIndex = Math.max(0, Math.min(index, length - 1))
    return []
  }
  switch (action) {
    case 'previous-input':
    case 'previous-thread':
      return select(search.selectedIndex - 1)
    case 'next-input':
    case 'next-thread':
    case 'search-all':
      return select(search.selectedIndex + 1)
    case 'page-up':
      return select(search.selectedIndex - PAGE)
    case 'page-down':
      return select(search.selectedIndex + PAGE)
    case 'send': {
      const selected = search.found[search.selectedIndex]
      if (selected === undefined) return []
      model.searchAll = undefined
      return [{ type: 'go-to-message', thread: selected.thread, message: selected.message, text }, { type: 'save' }]
    }
    case 'dismiss':
    case 'clear-or-quit':
      model.searchAll = undefined
      return []
    case 'redraw':
    case 'suspend':
      return [{ type: action }]
    default:
      return search.editor.applyToField(action) ? restartSearchAll(search) : []
  }
}

/** Messages that PageUp and PageDown move by. */
const PAGE = 10
