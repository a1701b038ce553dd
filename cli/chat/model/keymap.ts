import type { EditAction } from './editor.ts'

/** What a key can do. The meaning of each is in `actions.ts`. */
export type Action =
  | EditAction
  | 'send'
  | 'new-line'
  | 'earlier'
  | 'later'
  | 'page-up'
  | 'page-down'
  | 'top'
  | 'bottom'
  | 'next-thread'
  | 'last-thread'
  | 'unread-thread'
  | 'find-people'
  | 'find-entered'
  | 'search'
  | 'complete'
  | 'complete-back'
  | 'redraw'
  | 'sidebar'
  | 'suspend'
  | 'help'
  | 'escape'
  | 'cancel'
  | 'delete-or-leave'

interface Binding {
  keys: readonly string[]
  action: Action
  /** For the help; absent for keys that every keyboard explains. */
  help?: string
}

export const KEYMAP: readonly Binding[] = [
  { keys: ['enter'], action: 'send', help: 'send' },
  { keys: ['M-enter'], action: 'new-line', help: 'break the line' },
  { keys: ['tab'], action: 'complete', help: 'complete a name or a command' },
  { keys: ['S-tab'], action: 'complete-back' },
  { keys: ['C-n', 'M-down'], action: 'next-thread', help: 'the next thread, or person' },
  { keys: ['C-p', 'M-up'], action: 'last-thread', help: 'the one before' },
  { keys: ['C-o'], action: 'find-people', help: 'find someone online by typing' },
  { keys: ['C-r'], action: 'find-entered', help: 'find what was entered before' },
  { keys: ['C-s'], action: 'search', help: 'search this thread; again: further back' },
  { keys: ['M-a'], action: 'unread-thread', help: 'the next thread with something unread' },
  { keys: ['pageup', 'M-v'], action: 'page-up', help: 'back in the thread' },
  { keys: ['pagedown', 'C-v'], action: 'page-down', help: 'forward' },
  { keys: ['M-home', 'C-home', 'M-<'], action: 'top', help: 'to its beginning' },
  { keys: ['M-end', 'C-end', 'M->'], action: 'bottom', help: 'to its end' },
  { keys: ['up'], action: 'earlier', help: 'what was entered before' },
  { keys: ['down'], action: 'later' },
  { keys: ['C-a', 'home'], action: 'line-start', help: 'to the beginning of the line' },
  { keys: ['C-e', 'end'], action: 'line-end', help: 'to its end' },
  { keys: ['C-b', 'left'], action: 'left' },
  { keys: ['C-f', 'right'], action: 'right' },
  { keys: ['M-b', 'C-left', 'M-left'], action: 'word-left', help: 'a word back' },
  { keys: ['M-f', 'C-right', 'M-right'], action: 'word-right', help: 'a word on' },
  { keys: ['backspace'], action: 'delete-left' },
  { keys: ['delete'], action: 'delete-right' },
  { keys: ['C-w'], action: 'cut-white-left', help: 'cut the word before the cursor' },
  { keys: ['M-backspace'], action: 'cut-word-left' },
  { keys: ['M-d'], action: 'cut-word-right', help: 'cut the word behind it' },
  { keys: ['C-u'], action: 'cut-line-left', help: 'cut all before it' },
  { keys: ['C-k'], action: 'cut-line-right', help: 'cut all behind it' },
  { keys: ['C-y'], action: 'paste-cut', help: 'put back what was cut last' },
  { keys: ['C-t'], action: 'transpose' },
  { keys: ['C-_'], action: 'undo', help: 'undo' },
  { keys: ['f7'], action: 'sidebar', help: 'show or hide threads and roster' },
  { keys: ['C-l'], action: 'redraw', help: 'draw the screen anew' },
  { keys: ['C-z'], action: 'suspend', help: 'suspend; fg brings it back' },
  { keys: ['f1'], action: 'help', help: 'this help; so does ? on an empty line' },
  { keys: ['escape', 'C-g'], action: 'escape' },
  { keys: ['C-c'], action: 'cancel', help: 'clear the line; twice on an empty one leaves' },
  { keys: ['C-d'], action: 'delete-or-leave', help: 'leave, on an empty line' },
]

/** What each key does: the table, and over it a person's own bindings (key → action), but for unknown actions. */
export function resolveBindings(overrides: Readonly<Record<string, string>>): {
  bindings: Map<string, Action>
  unknown: string[]
} {
  const bindings = new Map(KEYMAP.flatMap(({ keys, action }) => keys.map((key): [string, Action] => [key, action])))
  const actions = new Set<string>(KEYMAP.map(({ action }) => action))
  const unknown: string[] = []
  for (const [key, action] of Object.entries(overrides)) {
    if (actions.has(action)) bindings.set(key, action as Action)
    else unknown.push(action)
  }
  return { bindings, unknown }
}
