import type { EditAction } from './editing/editor.ts'

/** What a key does. handle-key.ts implements each action. Users bind keys to these names in the settings file. */
export type Action =
  | EditAction
  | 'send'
  | 'new-line'
  | 'previous-input'
  | 'next-input'
  | 'page-up'
  | 'page-down'
  | 'scroll-to-start'
  | 'scroll-to-end'
  | 'next-thread'
  | 'previous-thread'
  | 'unread-thread'
  | 'find-thread'
  | 'find-input'
  | 'members'
  | 'join-invitation'
  | 'message-details'
  | 'cancel-message'
  | 'select-previous'
  | 'select-next'
  | 'search'
  | 'search-all'
  | 'complete'
  | 'complete-previous'
  | 'redraw'
  | 'edit-in-editor'
  | 'toggle-sidebar'
  | 'suspend'
  | 'help'
  | 'dismiss'
  | 'clear-or-quit'
  | 'delete-or-quit'

interface Binding {
  keys: readonly string[]
  action: Action
  /** Description in the help; absent for keys that need none, such as the arrows. */
  help?: string
}

export const KEYMAP: readonly Binding[] = [
  { keys: ['enter'], action: 'send', help: 'send the message' },
  { keys: ['M-enter'], action: 'new-line', help: 'insert a line break' },
  { keys: ['tab'], action: 'complete', help: 'complete a name, room, command or :emoji:' },
  { keys: ['S-tab'], action: 'complete-previous' },
  { keys: ['C-n', 'M-down'], action: 'next-thread', help: 'next thread or online user' },
  { keys: ['C-p', 'M-up'], action: 'previous-thread', help: 'previous thread or online user' },
  { keys: ['M-a'], action: 'unread-thread', help: 'next unread thread' },
  { keys: ['C-o'], action: 'find-thread', help: 'go to a thread, room or user' },
  { keys: ['f8', 'M-m'], action: 'members', help: 'list the members of this room' },
  { keys: ['M-j'], action: 'join-invitation', help: 'join the room that the newest message invites to' },
  { keys: ['M-i'], action: 'message-details', help: 'show who has your last message, and reactions' },
  { keys: ['M-c'], action: 'cancel-message', help: 'take back your last message that waits' },
  {
    keys: ['M-k', 'S-up'],
    action: 'select-previous',
    help: 'select a message; again: the next older one',
  },
  { keys: ['M-l', 'S-down'], action: 'select-next', help: 'select the next newer message' },
  { keys: ['C-r'], action: 'find-input', help: 'find earlier input' },
  { keys: ['C-s'], action: 'search', help: 'search this thread; again: older match' },
  { keys: ['M-s'], action: 'search-all', help: 'search all threads' },
  { keys: ['pageup', 'M-v'], action: 'page-up', help: 'scroll up' },
  { keys: ['pagedown', 'C-v'], action: 'page-down', help: 'scroll down' },
  { keys: ['M-home', 'C-home', 'M-<'], action: 'scroll-to-start', help: 'scroll to the start of the thread' },
  { keys: ['M-end', 'C-end', 'M->'], action: 'scroll-to-end', help: 'scroll to the end of the thread' },
  { keys: ['up'], action: 'previous-input', help: 'previous input' },
  { keys: ['down'], action: 'next-input', help: 'next input' },
  { keys: ['C-a', 'home'], action: 'line-start', help: 'go to the start of the line' },
  { keys: ['C-e', 'end'], action: 'line-end', help: 'go to the end of the line' },
  { keys: ['C-b', 'left'], action: 'left' },
  { keys: ['C-f', 'right'], action: 'right' },
  { keys: ['M-b', 'C-left', 'M-left'], action: 'word-left', help: 'go back one word' },
  { keys: ['M-f', 'C-right', 'M-right'], action: 'word-right', help: 'go forward one word' },
  { keys: ['backspace'], action: 'delete-left' },
  { keys: ['delete'], action: 'delete-right' },
  { keys: ['C-w'], action: 'cut-to-space', help: 'cut back to the previous space' },
  { keys: ['M-backspace'], action: 'cut-word-left', help: 'cut back to the start of the word' },
  { keys: ['M-d'], action: 'cut-word-right', help: 'cut to the end of the word' },
  { keys: ['C-u'], action: 'cut-line-left', help: 'cut to the start of the line' },
  { keys: ['C-k'], action: 'cut-line-right', help: 'cut to the end of the line' },
  { keys: ['C-y'], action: 'paste-cut', help: 'paste the last cut text' },
  { keys: ['C-t'], action: 'transpose', help: 'swap the characters around the cursor' },
  { keys: ['C-_'], action: 'undo', help: 'undo' },
  { keys: ['C-x C-e'], action: 'edit-in-editor', help: 'edit the input with $EDITOR' },
  { keys: ['f7'], action: 'toggle-sidebar', help: 'show or hide the sidebar' },
  { keys: ['C-l'], action: 'redraw', help: 'redraw the screen' },
  { keys: ['C-z'], action: 'suspend', help: 'suspend; fg in the shell resumes' },
  { keys: ['f1'], action: 'help', help: 'show this help; also ? on an empty line' },
  { keys: ['escape', 'C-g'], action: 'dismiss', help: 'close a list or search, or scroll to the end' },
  { keys: ['C-c'], action: 'clear-or-quit', help: 'clear the input; twice on an empty line, quit' },
  { keys: ['C-d'], action: 'delete-or-quit', help: 'delete the next character; on an empty line, quit' },
]

/** Action names of earlier versions, which settings files may still have. */
const OLD_ACTION_NAMES: Readonly<Record<string, Action>> = {
  earlier: 'previous-input',
  later: 'next-input',
  top: 'scroll-to-start',
  bottom: 'scroll-to-end',
  'last-thread': 'previous-thread',
  'find-people': 'find-thread',
  'find-user': 'find-thread',
  'find-entered': 'find-input',
  'complete-back': 'complete-previous',
  sidebar: 'toggle-sidebar',
  escape: 'dismiss',
  cancel: 'clear-or-quit',
  'delete-or-leave': 'delete-or-quit',
  'cut-white-left': 'cut-to-space',
}

const ACTION_NAMES = new Map<string, Action>([
  ...Object.entries(OLD_ACTION_NAMES),
  ...KEYMAP.map(({ action }): [string, Action] => [action, action]),
])

/** The action with a name, also with a name of an earlier version. */
export function actionByName(name: string): Action | undefined {
  return ACTION_NAMES.get(name)
}

/** Merges the user's own bindings (key → action name) into the defaults. `unknown` lists names without an action. */
export function resolveBindings(overrides: Readonly<Record<string, string>>): {
  bindings: Map<string, Action>
  unknown: string[]
} {
  const bindings = new Map(KEYMAP.flatMap(({ keys, action }) => keys.map((key): [string, Action] => [key, action])))
  const unknown: string[] = []
  for (const [key, name] of Object.entries(overrides)) {
    const action = actionByName(name)
    if (action === undefined) unknown.push(name)
    else bindings.set(key, action)
  }
  return { bindings, unknown }
}

/** Whether a key or keys start a longer sequence of keys, such as `C-x C-e`. */
export function startsSequence(bindings: ReadonlyMap<string, Action>, keys: string): boolean {
  for (const bound of bindings.keys()) if (bound.startsWith(`${keys} `)) return true
  return false
}

/** The first key of an action, as the help writes it; undefined: it has none. */
export function actionLabel(bindings: ReadonlyMap<string, Action>, action: Action): string | undefined {
  const binding = [...bindings].find(([, one]) => one === action)
  return binding && keyLabel(binding[0])
}

const KEY_LABELS: Readonly<Record<string, string>> = { escape: 'Esc', pageup: 'PageUp', pagedown: 'PageDown' }

/** A key, or keys in a sequence, as keyboards and manuals write them: `C-n` is `Ctrl+N`. */
export function keyLabel(keys: string): string {
  return keys.split(' ').map(singleKeyLabel).join(' ')
}

function singleKeyLabel(key: string): string {
  const [, modifiers = '', name = key] = /^((?:[CMS]-)*)(.+)$/.exec(key) ?? []
  const prefix = modifiers.replaceAll('C-', 'Ctrl+').replaceAll('M-', 'Alt+').replaceAll('S-', 'Shift+')
  return prefix + (KEY_LABELS[name] ?? (name[0] ?? '').toUpperCase() + name.slice(1))
}
