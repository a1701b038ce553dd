import type { Key } from '../terminal/key-decoder.ts'
import { computeLayout } from './layout.ts'
import { SORT_KEYS, type TopModel } from './model.ts'

/** What the program has to do after a key; undefined: draw the changed model. */
export type TopRequest = 'quit' | 'redraw' | 'suspend' | undefined

/** Key bindings, by character or by key name. */
const KEY_BINDINGS: Record<string, (model: TopModel) => TopRequest> = {
  q: () => 'quit',
  'C-c': () => 'quit',
  'C-d': () => 'quit',
  escape: model => {
    if (model.isHelpOpen) model.isHelpOpen = false
    else if (model.isRoomsOpen) KEY_BINDINGS.r?.(model)
    return undefined
  },
  'C-l': () => 'redraw',
  'C-z': () => 'suspend',
  ' ': model => {
    model.isPaused = !model.isPaused
    return undefined
  },
  '?': model => {
    model.isHelpOpen = !model.isHelpOpen
    return undefined
  },
  s: model => {
    model.sortKey = SORT_KEYS[(SORT_KEYS.indexOf(model.sortKey) + 1) % SORT_KEYS.length] ?? 'id'
    model.scrollOffset = 0
    return undefined
  },
  r: model => {
    model.isRoomsOpen = !model.isRoomsOpen
    model.scrollOffset = 0
    return undefined
  },
  up: model => scroll(model, -1),
  k: model => scroll(model, -1),
  down: model => scroll(model, 1),
  j: model => scroll(model, 1),
  pageup: model => scroll(model, -pageRows(model)),
  pagedown: model => scroll(model, pageRows(model)),
  home: model => scroll(model, Number.NEGATIVE_INFINITY),
  end: model => scroll(model, Number.POSITIVE_INFINITY),
}

/** Applies a key to the model. */
export function handleKey(model: TopModel, key: Key): TopRequest {
  if (key.type === 'key') return KEY_BINDINGS[key.name]?.(model)
  if (key.type !== 'text') return undefined
  // Keys typed in quick succession arrive as one text.
  let request: TopRequest
  for (const character of key.text) request = KEY_BINDINGS[character]?.(model) ?? request
  return request
}

function pageRows(model: TopModel): number {
  return Math.max(1, computeLayout(model).listRows - 1)
}

function scroll(model: TopModel, rows: number): undefined {
  const count = model.isRoomsOpen ? model.mesh.rooms().length : model.mesh.servers.size
  const last = Math.max(0, count - computeLayout(model).listRows)
  model.scrollOffset = Math.max(0, Math.min(last, model.scrollOffset + rows))
}
