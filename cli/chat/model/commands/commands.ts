/** The slash commands. Help, completion and usage errors come from this table. */

import type { MessageChoice } from '../../../common/message-choice.ts'
import { parseSoleName, quoteName } from '../../../common/name-argument.ts'
import { fingerprint } from '../../../keys/fingerprint.ts'
import { decideTrust, NO_KEYS } from '../../../keys/trust.ts'
import { cancelWaiting } from '../cancelling.ts'
import { keepClosedDraft } from '../editing/drafts.ts'
import { finderMatches, openFinder } from '../finding/finder.ts'
import { openSearch } from '../finding/search.ts'
import { openSearchAll } from '../finding/search-all.ts'
import { actionLabel } from '../keymap.ts'
import type { Model, ScreenRequest } from '../model.ts'
import { isKnownName } from '../names/known-names.ts'
import { nearestName } from '../names/nearest-name.ts'
import { SETTINGS } from '../preferences.ts'
import { quit } from '../quitting.ts'
import { chosenTarget, NO_SUCH_MESSAGE, selectedTarget } from '../threads/message-selection.ts'
import { openThread } from '../threads/switch-thread.ts'
import { applyChange, applyToName, type Command, notify } from './command.ts'
import { choose, MESSAGE_COMMANDS } from './message-commands.ts'
import { OPEN_COMMAND } from './open-command.ts'
import {
  changeSetting,
  ignoredText,
  ignoreUser,
  toggleHighlight,
  toggleMuted,
  unignoreUser,
} from './preference-changes.ts'
import { ROOM_COMMANDS } from './room-commands.ts'
import { sendMessage, sendOrKeep, withName } from './send-message.ts'

export const COMMANDS: readonly Command[] = [
  {
    name: 'msg',
    usage: 'NAME [TEXT]',
    help: 'open the thread with NAME or #ROOM, and send TEXT',
    takesName: 'first',
    run: sendMessage,
  },
  {
    name: 'query',
    usage: 'NAME',
    help: 'open the thread with NAME or #ROOM',
    takesName: 'only',
    run: (model, args) => withName(model, args, name => openThread(model, name)),
  },
  {
    name: 'reply',
    usage: '[-N|@NAME] TEXT',
    help: 'reply to the selected message, or the last sender',
    takesMessage: true,
    run: (model, args) => {
      const { choice, rest } = choose(model, args, 'others')
      if (choice !== undefined) return replyToChosen(model, choice, rest)
      const reply = selectedTarget(model.current)
      if (model.current !== undefined && reply !== undefined)
        return [{ type: 'send', to: model.current.name, text: args, reply }]
      if (model.lastSender === undefined) return notify(model, 'no messages received yet', 'error')
      model.openThread(model.lastSender)
      return sendOrKeep(model, args)
    },
  },
  {
    name: 'cancel',
    usage: '[all]',
    help: 'take back your last message that waits here, or all',
    nextArguments: before => (before.length === 0 ? ['all'] : []),
    run: cancelWaiting,
  },
  ...MESSAGE_COMMANDS,
  ...ROOM_COMMANDS,
  {
    name: 'who',
    usage: '[PART]',
    help: 'list online users whose name matches PART',
    run: (model, args) => {
      if (!model.knowsOnline) return notify(model, unknownOnlineText(model), 'error')
      openFinder(model, 'users', args)
      const { finder } = model
      const mayBeFound = model.rosterView.isPartial || args === ''
      if (finder === undefined || mayBeFound || finderMatches(model, finder).length > 0) return []
      model.finder = undefined
      const nearest = nearestName(model, args)
      const suggestion = nearest === undefined ? '' : `; did you mean ${nearest}?`
      return notify(model, `no user online matches ${args}${suggestion}`, 'error')
    },
  },
  {
    name: 'search',
    usage: 'TEXT',
    help: 'search this thread for TEXT, newest messages first',
    run: (model, args) => {
      if (model.current === undefined) return notify(model, 'no thread is open', 'error')
      return openSearch(model, args)
    },
  },
  OPEN_COMMAND,
  {
    name: 'search-all',
    usage: '[TEXT]',
    help: 'search all threads; Enter goes to a message',
    run: (model, args) => openSearchAll(model, args),
  },
  {
    name: 'close',
    usage: '',
    help: 'close this thread; its history is kept',
    run: model => {
      const { current } = model
      if (current === undefined) return notify(model, 'no thread is open', 'error')
      if (model.rooms.has(current.name)) return notify(model, `you are in ${current.name}; /part leaves it`, 'error')
      if (keepClosedDraft(model, current.name))
        notify(model, `the draft is kept; /query ${quoteName(current.name)} shows it`)
      model.current = undefined
      model.threads.delete(current.name)
      const next = model.threadsByActivity()[0]
      if (next !== undefined) model.openThread(next.name)
      return [{ type: 'save' }]
    },
  },
  {
    name: 'clear',
    usage: '',
    help: 'clear the view of this thread; its history is kept',
    run: model => {
      model.current?.clear()
      return []
    },
  },
  {
    name: 'raw',
    usage: '',
    help: 'show texts as they were written; again: formatted',
    run: model => {
      const { current } = model
      if (current === undefined) return notify(model, 'no thread is open', 'error')
      if (!model.preferences.formatting) return notify(model, 'formatting is off; /set formatting on')
      current.showsSource = !current.showsSource
      return notify(
        model,
        current.showsSource ? 'texts as they were written; /raw to format them' : 'texts are formatted',
      )
    },
  },
  {
    name: 'mute',
    usage: '[NAME]',
    help: 'turn the bell off or on for NAME or this thread',
    takesName: 'only',
    run: (model, args) => {
      if (args === '' && model.current === undefined) return notify(model, 'usage: /mute NAME', 'error')
      return withName(model, args || quoteName(model.current?.name ?? ''), name =>
        applyToName(model, name, toggleMuted(model.preferences, name)),
      )
    },
  },
  {
    name: 'highlight',
    usage: '[WORD]',
    help: 'treat WORD in rooms like your name; again: undo',
    run: (model, args) => applyChange(model, toggleHighlight(model.preferences, args)),
  },
  {
    name: 'ignore',
    usage: 'NAME',
    help: 'hide new messages from NAME; the history keeps them',
    takesName: 'only',
    run: (model, args) => {
      if (args.startsWith('#')) return notify(model, 'only users can be ignored; /mute a room, or /part it', 'error')
      return withName(model, args, name => applyToName(model, name, ignoreUser(model.preferences, name)))
    },
  },
  {
    name: 'unignore',
    usage: '[NAME]',
    help: 'stop ignoring NAME, or list ignored users',
    takesName: 'only',
    run: (model, args) => {
      if (args === '') return notify(model, ignoredText(model.preferences))
      return withName(model, args, name => applyChange(model, unignoreUser(model.preferences, name)))
    },
  },
  {
    name: 'key',
    usage: '[NAME]',
    help: 'show the key fingerprints of NAME and you',
    takesName: 'only',
    run: (model, args) => {
      const parsed = args === '' ? undefined : parseSoleName(args)
      if (parsed?.ok === false) return notify(model, parsed.reason, 'error')
      const name = parsed?.value ?? (model.current?.isRoom ? undefined : model.current?.name)
      if (model.ownKey === undefined) return notify(model, NO_KEYS, 'error')
      const own = `your key: ${fingerprint(model.ownKey)}`
      if (name === undefined || name === model.user) return notify(model, own)
      const theirs = model.userKeys.get(name)
      const changed = model.changedKeys.get(name)
      model.openThread(name)
      model.current?.addNote(own, 0)
      model.current?.addNote(`key of ${name}: ${theirs === undefined ? 'not known yet' : fingerprint(theirs)}`, 0)
      if (changed !== undefined) model.current?.addWarning(`new key, not trusted: ${fingerprint(changed)}`, 0)
      return []
    },
  },
  {
    name: 'trust',
    usage: 'NAME [WORDS]',
    help: 'accept the new key of NAME, if it has these WORDS',
    takesName: 'first',
    run: (model, args) => {
      if (model.ownKey === undefined) return notify(model, NO_KEYS, 'error')
      const decision = decideTrust(args, model.changedKeys, name => isKnownName(model, name))
      if ('request' in decision) return [decision.request]
      // The words do not fit into the status row.
      if (model.current === undefined) return notify(model, decision.reason, 'error')
      model.current.addWarning(decision.reason, 0)
      return []
    },
  },
  {
    name: 'set',
    usage: '[NAME [VALUE]]',
    help: 'show or change a setting',
    nextArguments: ([name, ...more]) => {
      if (name === undefined) return SETTINGS.map(setting => setting.name)
      return more.length === 0 ? (SETTINGS.find(setting => setting.name === name)?.values ?? []) : []
    },
    run: (model, args) => {
      if (args !== '') {
        const change = changeSetting(model.preferences, args, () => true)
        return applyChange(model, change)
      }
      model.overlay = 'settings'
      model.overlayTop = 0
      return []
    },
  },
  {
    name: 'help',
    usage: '[NAME]',
    help: 'show this help, or that of a command or key',
    nextArguments: before => (before.length === 0 ? helpTopics() : []),
    run: (model, args) => {
      model.helpTopic = args
      model.overlay = 'help'
      model.overlayTop = 0
      return []
    },
  },
  { name: 'quit', usage: '', help: 'quit', run: quit },
]

/** What the help may be asked about: the names of commands and settings. */
export function helpTopics(): string[] {
  return [...new Set([...COMMANDS, ...SETTINGS].map(({ name }) => name))]
}

/** Without a connection, the roster is the one of the last connection. */
function unknownOnlineText({ bindings }: Model): string {
  const key = actionLabel(bindings, 'find-thread')
  const way = key === undefined ? '' : `; ${key} lists all users you know`
  return `not connected: who is online is not known${way}`
}

/** Replies to a message of the open thread, or else to the last one of a user in the thread with them. */
function replyToChosen(model: Model, choice: MessageChoice, text: string): ScreenRequest[] {
  if (text === '') return notify(model, 'usage: /reply [-N|@NAME] TEXT', 'error')
  const direct = typeof choice.by === 'object' ? model.threads.get(choice.by.name) : undefined
  for (const thread of [model.current, direct]) {
    const reply = thread && chosenTarget(model, thread, choice)
    if (thread === undefined || reply === undefined) continue
    model.openThread(thread.name)
    return [{ type: 'send', to: thread.name, text, reply }]
  }
  return notify(model, NO_SUCH_MESSAGE, 'error')
}
