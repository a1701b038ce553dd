import { Editor, isEditAction } from './editing/editor.ts'
import type { Action } from './keymap.ts'
import type { Model, ScreenRequest } from './model.ts'
import type { ReadonlyFinder, ReadonlyModel } from './readonly-model.ts'
import { joinRoom } from './rooms/join-room.ts'
import { membersAndSpeakers } from './rooms/members.ts'
import { openThread } from './switch-thread.ts'

/** Most matches listed; typing more narrows them down. */
const MAX_MATCHES = 500

/**
 * A list that typing narrows down: online users or the members of a room to open a thread with, rooms to join, or earlier
 * input to enter again.
 */
export interface Finder {
  kind: 'users' | 'members' | 'rooms' | 'input'
  /** The room whose members are listed. */
  room: string | undefined
  editor: Editor
  selectedIndex: number
}

export function openFinder(model: Model, kind: Finder['kind'], text = '', room?: string): void {
  const editor = new Editor()
  editor.insert(text)
  model.finder = { kind, room, editor, selectedIndex: 0 }
}

/** The items that contain the typed text, whatever the case: users by name, rooms by size, input newest first. */
export function finderMatches(model: ReadonlyModel, finder: ReadonlyFinder): string[] {
  const needle = finder.editor.text.toLowerCase()
  const matches: string[] = []
  for (const { item, text = item } of finderItems(model, finder)) {
    if (text.toLowerCase().includes(needle)) matches.push(item)
    if (matches.length === MAX_MATCHES) break
  }
  return matches
}

/** All items, and the texts that are searched, where they are more than the item. */
function* finderItems(
  model: ReadonlyModel,
  { kind, room = '' }: ReadonlyFinder,
): Generator<{ item: string; text?: string }> {
  switch (kind) {
    case 'users':
      for (const item of model.online) yield { item }
      return
    case 'members':
      for (const item of membersAndSpeakers(model, room)) yield { item }
      return
    case 'rooms': {
      const { rooms = [] } = model.roomList ?? {}
      for (const { room: item, topic = '' } of rooms) yield { item, text: `${item} ${topic}` }
      // The list may leave out some of the user's own rooms.
      const listed = new Set(rooms.map(({ room: name }) => name))
      for (const item of model.rooms.keys()) if (!listed.has(item)) yield { item }
      return
    }
    case 'input':
      for (const item of new Set(model.inputHistory.toReversed())) yield { item }
  }
}

/** Moves the selection; wraps around at both ends. */
function moveSelection(model: Model, finder: Finder, by: number): void {
  const { length } = finderMatches(model, finder)
  finder.selectedIndex = length === 0 ? 0 : (finder.selectedIndex + by + length) % length
}

/** Applies an action while the finder is open. */
export function handleFinderAction(model: Model, finder: Finder, action: Action): ScreenRequest[] {
  switch (action) {
    case 'previous-input':
    case 'previous-thread':
    case 'complete-previous':
      moveSelection(model, finder, -1)
      return []
    case 'next-input':
    case 'next-thread':
    case 'complete':
    case 'find-user':
    case 'find-input':
    case 'members':
      moveSelection(model, finder, 1)
      return []
    case 'send': {
      const selected = finderMatches(model, finder)[finder.selectedIndex]
      model.finder = undefined
      if (selected === undefined) return []
      if (finder.kind === 'rooms') return joinRoom(model, selected)
      if (finder.kind === 'members' && selected === model.user) return []
      if (finder.kind !== 'input') return openThread(model, selected)
      model.focusedEditor.set(selected)
      return []
    }
    case 'dismiss':
    case 'clear-or-quit':
      model.finder = undefined
      return []
    case 'redraw':
    case 'suspend':
      return [{ type: action }]
    default:
      if (isEditAction(action)) finder.editor.apply(action)
      finder.selectedIndex = 0
      return []
  }
}
