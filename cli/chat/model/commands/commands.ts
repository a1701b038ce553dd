/** The slash commands. Help, completion and usage errors come from this table. */
import { parseUserName } from '../../../../src/protocol/names.ts'
import { parseRoomName } from '../../../../src/protocol/rooms.ts'
import { fingerprint } from '../../../keys/fingerprint.ts'
import { decideTrust } from '../../../keys/trust.ts'
import { openFinder } from '../finder.ts'
import type { Model, ScreenRequest } from '../model.ts'
import { type Preferences, SETTINGS, settingValue, withSetting } from '../preferences.ts'
import { writeFault } from '../rooms/room.ts'
import { openSearch } from '../search.ts'
import { type Command, notify } from './command.ts'
import { ROOM_COMMANDS } from './room-commands.ts'

export const COMMANDS: readonly Command[] = [
  {
    name: 'msg',
    usage: 'NAME [TEXT]',
    help: 'open the thread with NAME or #ROOM, and send TEXT',
    run: (model, args) => {
      const text = openThreadFromArgs(model, args)
      const { current } = model
      if (!text || current === undefined) return [{ type: 'save' }]
      const fault = current.isRoom ? writeFault(current.name, model.rooms.get(current.name), model.user) : undefined
      if (fault === undefined) return [{ type: 'send', to: current.name, text }, { type: 'save' }]
      // The text is not lost: it becomes the draft.
      current.editor.set(text)
      model.showNotice(fault, 'error')
      return [{ type: 'save' }]
    },
  },
  {
    name: 'query',
    usage: 'NAME',
    help: 'open the thread with NAME or #ROOM',
    run: (model, args) => {
      openThreadFromArgs(model, args)
      return [{ type: 'save' }]
    },
  },
  {
    name: 'reply',
    usage: 'TEXT',
    help: 'reply to the user who wrote to you last',
    run: (model, args) => {
      if (model.lastSender === undefined) return notify(model, 'no messages received yet', 'error')
      model.openThread(model.lastSender)
      return [{ type: 'send', to: model.lastSender, text: args }, { type: 'save' }]
    },
  },
  ...ROOM_COMMANDS,
  {
    name: 'who',
    usage: '[PART]',
    help: 'list online users whose name contains PART',
    run: (model, args) => {
      openFinder(model, 'users', args)
      return []
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
  {
    name: 'close',
    usage: '',
    help: 'close this thread; its history is kept',
    run: model => {
      const { current } = model
      if (current === undefined) return notify(model, 'no thread is open', 'error')
      if (model.rooms.has(current.name)) return notify(model, `you are in ${current.name}; /part leaves it`, 'error')
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
    name: 'mute',
    usage: '[NAME]',
    help: 'turn the bell off or on for NAME or this thread',
    run: (model, args) => {
      const room = args.startsWith('#') ? parseRoomName(args) : undefined
      if (room?.ok === false) return notify(model, room.reason, 'error')
      const name = room?.value ?? (args || model.current?.name)
      if (name === undefined) return notify(model, 'usage: /mute NAME', 'error')
      const { muted } = model.preferences
      const isMuted = muted.includes(name)
      changePreferences(model, { muted: isMuted ? muted.filter(one => one !== name) : [...muted, name] })
      notify(model, isMuted ? `${name} is no longer muted` : `${name} is muted; /mute ${name} again to undo`)
      return [{ type: 'save' }]
    },
  },
  {
    name: 'ignore',
    usage: 'NAME',
    help: 'hide new messages from NAME; the history keeps them',
    run: (model, args) => {
      if (args.startsWith('#')) return notify(model, 'only users can be ignored; /mute a room, or /part it', 'error')
      const { ignored } = model.preferences
      changePreferences(model, { ignored: [...ignored.filter(one => one !== args), args] })
      notify(model, `${args} is ignored; /unignore ${args} to undo`)
      return [{ type: 'save' }]
    },
  },
  {
    name: 'unignore',
    usage: '[NAME]',
    help: 'stop ignoring NAME, or list ignored users',
    run: (model, args) => {
      const { ignored } = model.preferences
      if (args === '')
        return notify(model, ignored.length === 0 ? 'no users are ignored' : `ignored: ${ignored.join(', ')}`)
      if (!ignored.includes(args)) return notify(model, `${args} is not ignored`, 'error')
      changePreferences(model, { ignored: ignored.filter(one => one !== args) })
      notify(model, `${args} is no longer ignored`)
      return [{ type: 'save' }]
    },
  },
  {
    name: 'key',
    usage: '[NAME]',
    help: 'show the key fingerprints of NAME and you',
    run: (model, args) => {
      const name = args || (model.current?.isRoom ? undefined : model.current?.name)
      if (model.ownKey === undefined) return notify(model, 'this mesh does not use user keys', 'error')
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
    run: (model, args) => {
      const decision = decideTrust(args, model.changedKeys)
      if ('request' in decision) return [decision.request]
      // The words do not fit into the status row.
      if (model.current === undefined) return notify(model, decision.reason, 'error')
      model.current.addWarning(decision.reason, 0)
      return []
    },
  },
  { name: 'set', usage: '[NAME [VALUE]]', help: 'show or change a setting', run: runSetCommand },
  {
    name: 'help',
    usage: '',
    help: 'show this help',
    run: model => {
      model.overlay = 'help'
      model.overlayTop = 0
      return []
    },
  },
  { name: 'quit', usage: '', help: 'quit', run: () => [{ type: 'quit' }] },
]

function changePreferences(model: Model, change: Partial<Preferences>): void {
  model.preferences = { ...model.preferences, ...change }
}

/**
 * Opens the thread with the user or the room that `args` starts with; returns the text after the name, or undefined for an
 * invalid name.
 */
function openThreadFromArgs(model: Model, args: string): string | undefined {
  // Names may contain spaces: prefer the longest known name that `args` starts with, else take the first word.
  const known = [...model.threads.keys(), ...model.online].filter(
    name => args === name || args.startsWith(`${name} `) || args.startsWith(`${name}\n`),
  )
  const longest = known.sort((a, b) => b.length - a.length)[0]
  const [word = ''] = /^\S+/.exec(args) ?? []
  const name = word.startsWith('#') ? parseRoomName(word) : parseUserName(longest ?? word)
  if (!name.ok) {
    model.showNotice(name.reason, 'error')
    return undefined
  }
  model.openThread(name.value)
  return args.slice((word.startsWith('#') ? word : (longest ?? word)).length).trim()
}

function runSetCommand(model: Model, args: string): ScreenRequest[] {
  const [name = '', value = ''] = args.split(/\s+/)
  const shown = (one: (typeof SETTINGS)[number]) => `${one.name} ${settingValue(model.preferences, one.name)}`
  if (name === '') return notify(model, SETTINGS.map(shown).join(', '))
  const setting = SETTINGS.find(one => one.name === name)
  if (setting === undefined) return notify(model, `unknown setting ${name}; /set lists the settings`, 'error')
  const values = setting.values.join(', ')
  if (value === '') return notify(model, `${shown(setting)} (${values}): ${setting.help}`)
  const changed = withSetting(model.preferences, setting, value)
  if (changed === undefined) return notify(model, `${name} must be one of: ${values}`, 'error')
  model.preferences = changed
  notify(model, shown(setting))
  return [{ type: 'save' }]
}
