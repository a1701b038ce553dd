import { parseUserName } from '../../src/protocol/names.ts'
import type { Model, ScreenRequest } from './model.ts'

/** A line that begins with a slash. Help, completion and errors are made from this table. */
export interface Command {
  name: string
  /** What follows the name. */
  usage: string
  help: string
  run: (model: Model, rest: string) => ScreenRequest[]
}

const say = (model: Model, text: string, tone: 'info' | 'error' = 'info'): ScreenRequest[] => {
  model.notice = { text, tone }
  return []
}

/** Opens the thread with whoever `rest` begins with; answers with the text behind the name. */
function openNamed(model: Model, rest: string): string | undefined {
  // A name may hold spaces: the longest known name that the line begins with, else the first word.
  const known = [...model.threads.keys(), ...model.online].filter(
    name => rest === name || rest.startsWith(`${name} `) || rest.startsWith(`${name}\n`),
  )
  const longest = known.sort((a, b) => b.length - a.length)[0]
  const [word = ''] = /^\S+/.exec(rest) ?? []
  const name = parseUserName(longest ?? word)
  if (!name.ok) {
    say(model, name.reason, 'error')
    return undefined
  }
  model.open(name.value)
  return rest.slice((longest ?? word).length).trim()
}

export const COMMANDS: readonly Command[] = [
  {
    name: 'msg',
    usage: 'NAME [TEXT]',
    help: 'open the thread with NAME, and send TEXT there',
    run: (model, rest) => {
      const text = openNamed(model, rest)
      return text ? [{ type: 'send', to: model.current?.name ?? '', text }, { type: 'save' }] : [{ type: 'save' }]
    },
  },
  {
    name: 'query',
    usage: 'NAME',
    help: 'open the thread with NAME',
    run: (model, rest) => {
      openNamed(model, rest)
      return [{ type: 'save' }]
    },
  },
  {
    name: 'who',
    usage: '[PART]',
    help: 'tell who is online, or whose name holds PART',
    run: (model, rest) => {
      const part = rest.toLowerCase()
      const found = model.online.filter(name => name.toLowerCase().includes(part))
      return say(model, found.length === 0 ? 'nobody' : `${found.length} online: ${found.join(', ')}`)
    },
  },
  {
    name: 'close',
    usage: '',
    help: 'close this thread; what was said stays in the history',
    run: model => {
      const { current } = model
      if (current === undefined) return say(model, 'no thread is open', 'error')
      model.current = undefined
      model.threads.delete(current.name)
      const next = model.ordered()[0]
      if (next !== undefined) model.open(next.name)
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

/** Runs a line without its slash. */
export function runCommand(model: Model, line: string): ScreenRequest[] {
  const [, name = '', rest = ''] = /^(\S*)\s*([\s\S]*)$/.exec(line) ?? []
  const command = COMMANDS.find(one => one.name === name) ?? unique(name)
  if (command === undefined)
    return say(model, `there is no command /${name}; /help shows them, // sends a slash`, 'error')
  if (rest === '' && command.usage !== '' && !command.usage.startsWith('[')) {
    return say(model, `usage: /${command.name} ${command.usage}`, 'error')
  }
  return command.run(model, rest.trim())
}

/** The one command that begins so. */
function unique(start: string): Command | undefined {
  const found = COMMANDS.filter(one => start !== '' && one.name.startsWith(start))
  return found.length === 1 ? found[0] : undefined
}
