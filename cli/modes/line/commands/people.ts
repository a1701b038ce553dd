/** The commands of the line mode about people: to whom lines go, who is online, and whose keys are known. */
import { didYouMean } from '../../../../src/programs/command-line/suggestion.ts'
import { MAX_FOUND_NAMES } from '../../../../src/protocol/messages.ts'
import { parseSoleName } from '../../../common/name-argument.ts'
import { searchForm } from '../../../common/search-form.ts'
import { fingerprint } from '../../../keys/fingerprint.ts'
import { decideTrust, NO_KEYS } from '../../../keys/trust.ts'
import { namesText } from '../format.ts'
import { type LineState, NO_RECIPIENT, type Send } from '../line-state.ts'
import type { LineCommand } from './command.ts'

const NOT_CONNECTED =
  '* not connected: it is not known who is online; the client tries again by itself, and /to NAME works meanwhile'

/** Who gets the lines. */
export function recipientCommands(state: LineState): readonly LineCommand[] {
  return [
    { name: 'to', usage: 'NAME', help: 'send lines to NAME or #ROOM', run: args => setRecipient(state, args) },
    { name: 'query', usage: 'NAME', help: 'the same', run: args => setRecipient(state, args) },
    { name: 'close', usage: '', help: 'forget the recipient', run: () => close(state) },
  ]
}

export function peopleCommands(state: LineState): readonly LineCommand[] {
  return [
    {
      name: 'who',
      usage: '[PART]',
      help: 'list online users whose name contains PART',
      run: (args, send) => who(state, args, send),
    },
    {
      name: 'key',
      usage: '[NAME]',
      help: 'show the key fingerprint of NAME or you',
      run: args => showKeyOf(state, args),
    },
    {
      name: 'trust',
      usage: 'NAME WORDS',
      help: 'accept the new key of NAME, if it has these WORDS',
      run: (args, send) => {
        const decision = decideTrust(args, state.changedKeys, name => state.seen.has(name))
        if ('request' in decision) send(decision.request)
        else state.print(`* ${decision.reason}`)
      },
    },
  ]
}

function setRecipient(state: LineState, args: string): void {
  const name = parseSoleName(args)
  if (!name.ok) return state.print(name.reason)
  state.recipient = name.value
  state.print(`* lines go to ${state.shown(name.value)}`)
  state.warnOfUnseen(name.value)
}

function close(state: LineState): void {
  const name = state.recipient
  if (name === undefined) return state.print(NO_RECIPIENT)
  state.recipient = undefined
  state.print(`* ${state.shown(name)} is no longer the recipient; choose one with /to NAME`)
}

function who(state: LineState, part: string, send: Send): void {
  if (!state.isOnline) return state.print(NOT_CONNECTED)
  if (state.isPartial) {
    if (part === '') send({ type: 'list-names', after: '', count: MAX_FOUND_NAMES })
    else send({ type: 'find-names', text: part, count: MAX_FOUND_NAMES })
    return
  }
  const needle = searchForm(part)
  const matching: string[] = []
  for (const name of state.online) if (searchForm(name).includes(needle)) matching.push(name)
  if (matching.length > 0 || part === '')
    return state.print(`* online: ${namesText(matching, matching.length, state.confusables)}`)
  state.print(`* no user online matches ${part}${didYouMean(part, [...state.online])}`)
}

function showKeyOf(state: LineState, args: string): void {
  const name = args === '' ? { ok: true as const, value: state.user } : parseSoleName(args)
  if (!name.ok) return state.print(name.reason)
  const { lastKeyEvent: keys, user } = state
  if (keys === undefined) return state.print(`* ${NO_KEYS}`)
  const key = name.value === user ? keys.own : keys.known.get(name.value)
  state.print(`* the key of ${name.value}: ${key === undefined ? 'not known yet' : fingerprint(key)}`)
}
