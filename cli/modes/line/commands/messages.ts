/** The commands of the line mode that send messages, and change or show those that were sent. */
import type { ChangeContent, QuotedTarget } from '../../../../src/protocol/message-kinds.ts'
import { parseChoice } from '../../../common/message-choice.ts'
import { parseNameArgument } from '../../../common/name-argument.ts'
import { reactionFault, shortNameOf, unknownEmoji } from '../../../common/reaction.ts'
import { type LineState, NO_RECIPIENT, type Send } from '../line-state.ts'
import type { LineCommand } from './command.ts'

export function messageCommands(state: LineState): readonly LineCommand[] {
  const sendTo = new SendTo(state)
  return [
    {
      name: 'msg',
      usage: 'NAME TEXT',
      help: 'send TEXT to NAME or #ROOM',
      run: (args, send) => sendTo.run(args, send),
    },
    {
      name: 'reply',
      usage: '[-N|@NAME] TEXT',
      help: 'reply to the last message to you alone, or to this one',
      run: (args, send) => reply(state, args, send),
    },
    {
      name: 'me',
      usage: 'TEXT',
      help: 'say what you do: /me waves',
      run: (args, send) => state.composeToRecipient(`/me ${args}`, send),
    },
    {
      name: 'edit',
      usage: '[-N] TEXT',
      help: 'replace the text of your last message',
      run: (args, send) => changeLatest(state, 'edit', args, send),
    },
    {
      name: 'delete',
      usage: '[-N]',
      help: 'delete your last message for everyone',
      run: (args, send) => changeLatest(state, 'delete', args, send),
    },
    {
      name: 'react',
      usage: '[-N|@NAME] EMOJI',
      help: 'react to the last message of others',
      run: (args, send) => changeLatest(state, 'react', args, send),
    },
    {
      name: 'raw',
      usage: '[-N|@NAME]',
      help: 'print the source of a message of others',
      run: args => printSource(state, args),
    },
    {
      name: 'cancel',
      usage: '[all]',
      help: 'take back the last waiting message, or all',
      run: (args, send) => cancel(state, args, send),
    },
  ]
}

/** `/msg NAME TEXT`, where names may have spaces. */
class SendTo {
  readonly #state: LineState
  /** The pairs of recipients that were asked about. */
  readonly #askedPairs = new Set<string>()

  constructor(state: LineState) {
    this.#state = state
  }

  run(args: string, send: Send): void {
    const state = this.#state
    const parsed = parseNameArgument(args, name => state.seen.has(name))
    if (!parsed.ok) return state.print(parsed.reason)
    const { name, rest, alternative } = parsed.value
    if (rest === '') return state.print('usage: /msg NAME TEXT; put a name with spaces in quotes')
    if (alternative !== undefined && this.#asksWhichName(name, alternative.name))
      state.question = { to: name, text: rest }
    else state.compose(name, rest, send)
  }

  /** Asks which of two known names is meant, once for each two; without a person at the terminal, only says so. */
  #asksWhichName(name: string, other: string): boolean {
    const state = this.#state
    const { asks } = state.services
    const key = `${name}\n${other}`
    if (other === state.user || (asks && this.#askedPairs.has(key))) return false
    this.#askedPairs.add(key)
    const way = `for ${other} write /msg "${other}" …`
    const question = `* to "${name}", or to ${other}? An empty line sends to "${name}"; ${way}`
    state.print(asks ? question : `* sent to "${name}"; ${way}`)
    return asks
  }
}

/** The message that arguments name; undefined: none. */
function choose(state: LineState, args: string, by: 'self' | 'others') {
  return parseChoice(args, by, name => state.seen.has(name))
}

/** Edits or deletes the latest own message to the recipient, or reacts to the latest one of others. */
function changeLatest(state: LineState, kind: 'edit' | 'delete' | 'react', args: string, send: Send): void {
  const to = state.recipient
  if (to === undefined) return state.print(NO_RECIPIENT)
  const by = kind === 'react' ? 'others' : 'self'
  const { choice, rest } = choose(state, args, by) ?? { choice: { by, nth: 1 }, rest: args }
  const fault = kind === 'react' ? reactionFault(rest) : undefined
  if (fault !== undefined) return state.print(fault)
  if (kind === 'edit' && rest === '') return state.print('usage: /edit [-N] TEXT')
  if (kind === 'delete' && rest !== '') return state.print('usage: /delete [-N]')
  const target = state.lookup.latest(to, choice)
  if (target === undefined)
    return state.print(kind === 'react' ? '* no message to react to yet' : '* you have sent no message here yet')
  if (kind === 'delete' && state.waiting.has(target.id)) return send({ type: 'cancel', id: target.id })
  if (kind === 'react') return react(state, to, target, rest, send)
  const change: ChangeContent = kind === 'edit' ? { kind, target, text: rest } : { kind, target }
  send({ type: 'change', to, change })
}

function react(state: LineState, to: string, target: QuotedTarget, typed: string, send: Send): void {
  const sendReaction = (emoji: string) => send({ type: 'change', to, change: { kind: 'react', target, emoji } })
  const name = shortNameOf(typed)
  if (name === undefined) return sendReaction(typed)
  const loaded = import('../../../common/emoji-names.ts').then(({ EMOJI_NAMES }) => {
    const emoji = EMOJI_NAMES.get(name)
    if (emoji === undefined) state.print(unknownEmoji(name))
    else sendReaction(emoji)
  })
  state.reactions = Promise.all([state.reactions, loaded])
}

/** Replies to the message that the arguments name, in the thread of the recipient, else to the last one to this user alone. */
function reply(state: LineState, args: string, send: Send): void {
  const chosen = choose(state, args, 'others')
  if (chosen === undefined) return replyToLastSender(state, args, send)
  const { choice, rest } = chosen
  if (rest === '') return state.print('usage: /reply [-N|@NAME] TEXT')
  const to = state.recipient
  const target = to === undefined ? undefined : state.lookup.latest(to, choice)
  if (to !== undefined && target !== undefined) return state.compose(to, rest, send, target)
  if (typeof choice.by !== 'object') return state.print(to === undefined ? NO_RECIPIENT : '* no such message here')
  const { name } = choice.by
  const direct = state.lookup.latest(name, choice)
  if (direct === undefined) return state.print(`* no message of ${name} here`)
  state.recipient = name
  state.compose(name, rest, send, direct)
}

function replyToLastSender(state: LineState, text: string, send: Send): void {
  const name = state.lastSender
  if (name === undefined) return state.print('no messages received yet')
  state.recipient = name
  state.compose(name, text, send, state.lookup.latest(name, { by: { name }, nth: 1 }))
}

/** Prints the source of a message in the thread of the recipient, or else of the last sender. */
function printSource(state: LineState, args: string): void {
  const { choice, rest } = choose(state, args, 'others') ?? {
    choice: { by: 'others' as const, nth: 1 },
    rest: args,
  }
  if (rest !== '') return state.print('usage: /raw [-N|@NAME]')
  const thread = state.recipient ?? state.lastSender
  if (thread === undefined) return state.print(NO_RECIPIENT)
  const target = state.lookup.latest(thread, choice)
  const lines = target && state.sources.lines(thread, target)
  if (target === undefined || lines === undefined) return state.print('* no such message here')
  state.print(`* ${state.shown(target.from)} wrote:`)
  for (const line of lines) state.print(line)
}

/** Takes back the last message to the recipient that waits, or all of them. */
function cancel(state: LineState, args: string, send: Send): void {
  if (args !== '' && args !== 'all') return state.print('usage: /cancel [all]')
  const to = state.recipient
  if (to === undefined) return state.print(NO_RECIPIENT)
  const last = state.waiting.lastTo(to)
  if (last === undefined) return state.print(`no message to ${state.shown(to)} waits`)
  for (const id of args === 'all' ? state.waiting.idsTo(to) : [last]) send({ type: 'cancel', id })
}
