/** The commands of the line mode about the user's preferences. */
import type { ParseResult } from '../../../../src/protocol/names.ts'
import { isRoom } from '../../../../src/protocol/rooms.ts'
import {
  changeSetting,
  ignoredText,
  ignoreUser,
  type PreferenceChange,
  settingsText,
  toggleHighlight,
  toggleMuted,
  unignoreUser,
} from '../../../chat/model/commands/preference-changes.ts'
import type { Preferences, Setting } from '../../../chat/model/preferences.ts'
import { parseSoleName, parseSoleUser } from '../../../common/name-argument.ts'
import type { LineState } from '../line-state.ts'
import type { LineCommand } from './command.ts'

/** The settings that have an effect in line mode. */
const APPLYING: readonly Setting['name'][] = ['bell', 'notify', 'notes', 'joins']

export function preferenceCommands(state: LineState): readonly LineCommand[] {
  const preferences = () => state.services.preferences()
  const print = (line: string) => state.print(line)
  const apply = ({ text, preferences: changed }: PreferenceChange) => {
    if (changed !== undefined) state.services.savePreferences(changed)
    print(`* ${text}`)
  }
  const applyToUser = (args: string, change: (preferences: Preferences, name: string) => PreferenceChange) => {
    const user = parseSoleUser(args)
    if (user.ok) apply(change(preferences(), user.value))
    else print(user.reason)
    warnOfUnseen(user, preferences().ignored)
  }
  /** The name of a user who is ignored or muted from now on may be misspelt. */
  const warnOfUnseen = (name: ParseResult<string>, listed: readonly string[]) => {
    if (name.ok && listed.includes(name.value)) state.warnOfUnseen(name.value)
  }
  return [
    {
      name: 'ignore',
      usage: 'NAME',
      help: 'do not print messages of NAME',
      run: args => {
        if (isRoom(args)) print('only users can be ignored; /mute a room, or /part it')
        else applyToUser(args, ignoreUser)
      },
    },
    {
      name: 'unignore',
      usage: '[NAME]',
      help: 'stop ignoring NAME, or list ignored users',
      run: args => {
        if (args === '') print(`* ${ignoredText(preferences())}`)
        else applyToUser(args, unignoreUser)
      },
    },
    {
      name: 'mute',
      usage: '[NAME]',
      help: 'turn the bell off or on for NAME or the recipient',
      run: args => {
        const name = args === '' ? state.recipient : undefined
        if (name !== undefined) return apply(toggleMuted(preferences(), name))
        if (args === '') return print('usage: /mute NAME')
        const given = parseSoleName(args)
        if (given.ok) apply(toggleMuted(preferences(), given.value))
        else print(given.reason)
        warnOfUnseen(given, preferences().muted)
      },
    },
    {
      name: 'highlight',
      usage: '[WORD]',
      help: 'treat WORD in rooms like your name; again: undo',
      run: args => apply(toggleHighlight(preferences(), args)),
    },
    {
      name: 'set',
      usage: '[NAME [VALUE]]',
      help: 'show or change a setting',
      run: args => {
        const applies = ({ name }: Setting) => APPLYING.includes(name)
        if (args === '') print(`* ${settingsText(preferences(), applies)}`)
        else apply(changeSetting(preferences(), args, applies))
      },
    },
  ]
}
