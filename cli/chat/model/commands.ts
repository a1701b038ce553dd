import { parseUserName } from '../../../src/protocol/names.ts'
import { fingerprint } from '../../keys/fingerprint.ts'
import { openFinder } from './finder.ts'
import type { Model, ScreenRequest } from './model.ts'
import { type Preferences, SETTINGS, settingValue, withSetting } from './preferences.ts'
import { openSearch } from './search.ts'

/** A line that begins with a slash. Help, completion and errors are made from this table. */
export interface Command {
  name: string
  /** What follows the name. */
  usage: string
  help: string
  run: (model: Model, rest: string) => ScreenRequest[]
}

const showNotice = (model: Model, text: string, tone: 'info' | 'error' = 'info'): ScreenRequest[] => {
  model.notice = { text, tone }
  return []
}

/** Opens the thread with whoever `rest` begins with; answers with the text behind the name. */
function openThreadFromArgs(model: Model, rest: string): string | undefined {
  // A name may hold spaces: the longest known name that the line begins with, else the first word.
  const known = [...model.threads.keys(), ...model.online].filter(
    name => rest === name || rest.startsWith(`${name} `) || rest.startsWith(`${name}\n`),
  )
  const longest = known.sort((a, b) => b.length - a.length)[0]
  const [word = ''] = /^\S+/.exec(rest) ?? []
  const name = parseUserName(longest ?? word)
  if (!name.ok) {
    showNotice(model, name.reason, 'error')
    return undefined
  }
  model.openThread(name.value)
  return rest.slice((longest ?? word).length).trim()
}

export const COMMANDS: readonly Command[] = [
  {
    name: 'msg',
    usage: 'NAME [TEXT]',
    help: 'open the thread with NAME, and send TEXT there',
    run: (model, rest) => {
      const text = openThreadFromArgs(model, rest)
      return text ? [{ type: 'send', to: model.current?.name ?? '', text }, { type: 'save' }] : [{ type: 'save' }]
    },
  },
  {
    name: 'query',
    usage: 'NAME',
    help: 'open the thread with NAME',
    run: (model, rest) => {
      openThreadFromArgs(model, rest)
      return [{ type: 'save' }]
    },
  },
  {
    name: 'reply',
    usage: 'TEXT',
    help: 'answer whoever wrote last',
    run: (model, rest) => {
      if (model.lastSender === undefined) return showNotice(model, 'nobody has written yet', 'error')
      model.openThread(model.lastSender)
      return [{ type: 'send', to: model.lastSender, text: rest }, { type: 'save' }]
    },
  },
  {
    name: 'who',
    usage: '[PART]',
    help: 'show who is online, or whose name holds PART; Enter opens the thread',
    run: (model, rest) => {
      openFinder(model, 'people', rest)
      return []
    },
  },
  {
    name: 'search',
    usage: 'TEXT',
    help: 'look for TEXT in this thread, from its end back',
    run: (model, rest) => {
      if (model.current === undefined) return showNotice(model, 'no thread is open', 'error')
      return openSearch(model, rest)
    },
  },
  {
    name: 'close',
    usage: '',
    help: 'close this thread; what was said stays in the history',
    run: model => {
      const { current } = model
      if (current === undefined) return showNotice(model, 'no thread is open', 'error')
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
    help: 'empty the view of this thread; what was said stays in the history',
    run: model => {
      model.current?.clear()
      return []
    },
  },
  {
    name: 'mute',
    usage: '[NAME]',
    help: 'no bell for messages of NAME, or of this thread; again: the bell is back',
    run: (model, rest) => {
      const name = rest || model.current?.name
      if (name === undefined) return showNotice(model, 'usage: /mute NAME', 'error')
      const { muted } = model.preferences
      const was = muted.includes(name)
      changePreferences(model, { muted: was ? muted.filter(one => one !== name) : [...muted, name] })
      showNotice(model, was ? `${name} rings again` : `${name} does not ring any more`)
      return [{ type: 'save' }]
    },
  },
  {
    name: 'ignore',
    usage: 'NAME',
    help: 'do not show what NAME writes from now on; it goes into the history only',
    run: (model, rest) => {
      const { ignored } = model.preferences
      changePreferences(model, { ignored: [...ignored.filter(one => one !== rest), rest] })
      showNotice(model, `${rest} is ignored; /unignore ${rest} takes it back`)
      return [{ type: 'save' }]
    },
  },
  {
    name: 'unignore',
    usage: '[NAME]',
    help: 'show again what NAME writes; without a name, tell who is ignored',
    run: (model, rest) => {
      const { ignored } = model.preferences
      if (rest === '')
        return showNotice(model, ignored.length === 0 ? 'nobody is ignored' : `ignored: ${ignored.join(', ')}`)
      if (!ignored.includes(rest)) return showNotice(model, `${rest} is not ignored`, 'error')
      changePreferences(model, { ignored: ignored.filter(one => one !== rest) })
      showNotice(model, `${rest} is not ignored any more`)
      return [{ type: 'save' }]
    },
  },
  {
    name: 'key',
    usage: '[NAME]',
    help: 'show in words whose key NAME has, and yours, to compare them with NAME in another way',
    run: (model, rest) => {
      const name = rest || model.current?.name
      if (model.ownKey === undefined) return showNotice(model, 'this mesh does not know its users by keys', 'error')
      const theirs = name === undefined ? undefined : model.userKeys.get(name)
      const own = `your key: ${fingerprint(model.ownKey)}`
      if (name === undefined || name === model.user) return showNotice(model, own)
      model.openThread(name)
      model.current?.addNote(own, 0)
      const changed = model.changedKeys.get(name)
      model.current?.addNote(`key of ${name}: ${theirs === undefined ? 'not met yet' : fingerprint(theirs)}`, 0)
      if (changed !== undefined) model.current?.addWarning(`not trusted: ${fingerprint(changed)}`, 0)
      return []
    },
  },
  {
    name: 'trust',
    usage: 'NAME',
    help: 'take the other key that NAME has now; what waits for NAME goes out, sealed with it',
    run: (model, rest) => {
      if (!model.changedKeys.has(rest)) return showNotice(model, `the key of ${rest} has not changed`, 'error')
      showNotice(model, `the key of ${rest} is trusted`)
      return [{ type: 'trust', user: rest }]
    },
  },
  {
    name: 'set',
    usage: '[NAME [VALUE]]',
    help: 'show or change a setting',
    run: (model, rest) => runSetCommand(model, rest),
  },
  {
    name: 'help',
    usage: '',
    help: 'show the commands and keys',
    run: model => {
      model.overlay = 'help'
      model.overlayTop = 0
      return []
    },
  },
  { name: 'quit', usage: '', help: 'leave', run: () => [{ type: 'quit' }] },
]

function changePreferences(model: Model, change: Partial<Preferences>): void {
  model.preferences = { ...model.preferences, ...change }
}

function runSetCommand(model: Model, rest: string): ScreenRequest[] {
  const [name = '', value = ''] = rest.split(/\s+/)
  const shown = (one: (typeof SETTINGS)[number]) => `${one.name} ${settingValue(model.preferences, one.name)}`
  if (name === '') return showNotice(model, SETTINGS.map(shown).join(', '))
  const setting = SETTINGS.find(one => one.name === name)
  if (setting === undefined) return showNotice(model, `settings: ${SETTINGS.map(one => one.name).join(', ')}`, 'error')
  if (value === '') return showNotice(model, `${shown(setting)} (${setting.values.join(', ')}): ${setting.help}`)
  const changed = withSetting(model.preferences, setting, value)
  if (changed === undefined) return showNotice(model, `${name} can be ${setting.values.join(', ')}`, 'error')
  model.preferences = changed
  showNotice(model, shown(setting))
  return [{ type: 'save' }]
}

/** Runs a line without its slash. */
export function runCommand(model: Model, line: string): ScreenRequest[] {
  const [, name = '', rest = ''] = /^(\S*)\s*([\s\S]*)$/.exec(line) ?? []
  const command = COMMANDS.find(one => one.name === name) ?? commandByPrefix(name)
  if (command === undefined)
    return showNotice(model, `there is no command /${name}; /help shows them, // sends a slash`, 'error')
  if (rest === '' && command.usage !== '' && !command.usage.startsWith('[')) {
    return showNotice(model, `usage: /${command.name} ${command.usage}`, 'error')
  }
  return command.run(model, rest.trim())
}

/** The one command that begins so. */
function commandByPrefix(start: string): Command | undefined {
  const found = COMMANDS.filter(one => start !== '' && one.name.startsWith(start))
  return found.length === 1 ? found[0] : undefined
}
