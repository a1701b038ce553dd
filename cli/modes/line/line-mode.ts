import type { SessionEvent, SessionRequest } from '../../../src/client/events.ts'
import { toChange } from '../../../src/client/message-changes.ts'
import { ConfusableNames } from '../../../src/common/confusables.ts'
import { type NameList, SortedNames } from '../../../src/common/sorted-names.ts'
import { didYouMean } from '../../../src/programs/suggestion.ts'
import type { ChangeContent, QuotedTarget } from '../../../src/protocol/message-kinds.ts'
import { MAX_FOUND_NAMES, type Message } from '../../../src/protocol/messages.ts'
import { isRoom, parseRoomName } from '../../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../../src/protocol/text.ts'
import { DEFAULT_PREFERENCES } from '../../chat/model/preferences.ts'
import { invitationText } from '../../chat/model/rooms/invitations.ts'
import type { ClientEvent } from '../../common/client-events.ts'
import { CHOICE_HELP, parseChoice } from '../../common/message-choice.ts'
import { parseInvitation, parseNameArgument, parseSoleName } from '../../common/name-argument.ts'
import { reactionFault, shortNameOf, unknownEmoji } from '../../common/reaction.ts'
import { isNewTopic, TOPIC_ORIGIN } from '../../common/room-topic.ts'
import { searchForm } from '../../common/search-form.ts'
import { SeenUsers } from '../../common/seen-users.ts'
import { threadName } from '../../common/thread-name.ts'
import { quitOutcome, WaitingMessages } from '../../common/waiting-messages.ts'
import { type HelpItem, isAbout, noHelpText } from '../../help-topic.ts'
import type { History } from '../../history/history.ts'
import { LineReader } from '../../io/stdin.ts'
import { fingerprint } from '../../keys/fingerprint.ts'
import { decideTrust } from '../../keys/trust.ts'
import { MessageLookup } from '../../session/message-lookup.ts'
import { PendingMessages } from '../../session/pending-messages.ts'
import { type End, endAfterDelivery } from '../end-of-input.ts'
import { LineAlerts, type LineTerminal } from './alerts.ts'
import { type LineCommand, type Send, usageOf } from './command.ts'
import { formatEvent, namesText, rosterChange } from './format.ts'
import { LineLinks, type OpenLink } from './links.ts'
import { nameText } from './message-line.ts'
import { type PreferenceStore, preferenceCommands } from './preferences.ts'
import { ReceiptLines } from './receipt-lines.ts'
import { RoomLines } from './room-lines.ts'
import { printSearch } from './search.ts'
import { LineSources } from './sources.ts'

/** How long to wait for further messages of a room before their number is printed, ms. */
const EARLIER_DELAY_MS = 2_000

const NO_RECIPIENT = 'no recipient; choose one with /to NAME or /join #ROOM'

/** Columns of commands in the help. */
const HELP_LABEL_COLUMNS = 24

const NOT_CONNECTED =
  '* not connected: it is not known who is online; the client tries again by itself, and /to NAME works meanwhile'

/** Clears the terminal, and keeps its scrollback. */
const CLEAR = '\u001b[H\u001b[2J'

/** What the commands need besides the session. */
export interface LineServices extends PreferenceStore {
  /** The history on disk; undefined with --no-history. */
  readonly history: () => History | undefined
  /** Whether a user is an operator of a room. */
  readonly isOperator: (room: string, name: string) => boolean
  /** Whether a person at a terminal can answer questions. */
  readonly asks: boolean
  readonly openLink: OpenLink
  /** For the bell and notifications; undefined: there is none. */
  readonly terminal: LineTerminal | undefined
}

/** Services of a line mode that reads no lines. */
export const NO_SERVICES: LineServices = {
  history: () => undefined,
  preferences: () => DEFAULT_PREFERENCES,
  savePreferences: () => {},
  isOperator: () => false,
  asks: false,
  openLink: () => {},
  terminal: undefined,
}

/**
 * Chat line by line, for pipes, screen readers and simple terminals: messages on stdout, all else on stderr. A line of stdin
 * that starts with `/` is a command, any other one is a message to the recipient. Messages from the history on disk are not
 * printed.
 */
export class LineMode {
  readonly #user: string
  readonly #output: Pick<Console, 'log' | 'error'>
  readonly #columns: () => number | undefined
  readonly #lookup: MessageLookup
  readonly #pending = new PendingMessages()
  readonly #confusables = new ConfusableNames()
  readonly #rooms: RoomLines
  readonly #seen: SeenUsers
  readonly #waiting = new WaitingMessages()
  /** To whom lines are sent: a user, or a room. */
  #recipient: string | undefined
  #hasQuit = false
  #isOnline = false
  /** How many waiting messages the user was told of when quitting. */
  #warnedWaitingCount = 0
  /** A message that waits for an answer: which of two recipients is meant. */
  #question: { readonly to: string; readonly text: string } | undefined
  /** The pairs of recipients that were asked about. */
  readonly #askedPairs = new Set<string>()
  /** Number of messages by room that were not printed, and not reported. */
  readonly #earlier = new Map<string, number>()
  /** Why the last attempt to connect failed, as printed. */
  #lastFailure: string | undefined
  #earlierTimer: NodeJS.Timeout | undefined
  /** Set by the first `connection` event: messages before it come from the history on disk. */
  #started = false
  /** The new key of each user whose key has changed and is not trusted yet. */
  readonly #changedKeys = new Map<string, string>()
  /** The last key event, which has all known keys. */
  #lastKeyEvent: Extract<SessionEvent, { type: 'key' }> | undefined

  readonly #links: LineLinks
  readonly #sources: LineSources
  readonly #alerts: LineAlerts | undefined
  readonly #services: LineServices
  readonly #receipts: ReceiptLines
  /** All users online. */
  #online: NameList = new SortedNames()
  /** Whether the client knows only some of the users online. */
  #isPartial = false
  /** False until the first roster of a connection, which is printed in full. */
  #hasRoster = false
  /** Settles when the reactions with short names of emoji are sent. */
  #reactions: Promise<unknown> = Promise.resolve()
  /** The user who wrote last to this user alone. */
  #lastSender: string | undefined

  readonly #commands: readonly LineCommand[] = [
    { name: 'to', usage: 'NAME', help: 'send lines to NAME or #ROOM', run: args => this.#setRecipient(args) },
    { name: 'query', usage: 'NAME', help: 'the same', run: args => this.#setRecipient(args) },
    { name: 'close', usage: '', help: 'forget the recipient', run: () => this.#close() },
    {
      name: 'msg',
      usage: 'NAME TEXT',
      help: 'send TEXT to NAME or #ROOM',
      run: (args, send) => this.#sendTo(args, send),
    },
    {
      name: 'reply',
      usage: '[-N|@NAME] TEXT',
      help: 'reply to the last message to you alone, or to this one',
      run: (args, send) => this.#reply(args, send),
    },
    {
      name: 'join',
      usage: '#ROOM',
      help: 'join a room, and send lines to it',
      run: (args, send) => this.#join(args, send),
    },
    { name: 'part', usage: '[#ROOM]', help: 'leave a room', run: (args, send) => this.#part(args, send) },
    {
      name: 'rooms',
      usage: '[PART]',
      help: 'list rooms whose name or topic contains PART',
      run: (args, send) => {
        this.#rooms.listedPart = args
        this.#request({ type: 'list-rooms' }, send)
      },
    },
    {
      name: 'names',
      usage: '[#ROOM]',
      help: 'list the members of a room',
      run: args => this.#withRoom(args, room => this.#print(this.#rooms.names(room))),
    },
    {
      name: 'topic',
      usage: '[#ROOM]',
      help: 'show the topic of a room',
      run: args => {
        if (isNewTopic(args, () => false)) this.#print(TOPIC_ORIGIN)
        else this.#withRoom(args, room => this.#print(this.#rooms.topic(room)))
      },
    },
    {
      name: 'invite',
      usage: 'NAME [#ROOM]',
      help: 'send NAME an invitation to a room',
      run: (args, send) => this.#invite(args, send),
    },
    {
      name: 'who',
      usage: '[PART]',
      help: 'list online users whose name contains PART',
      run: (args, send) => this.#who(args, send),
    },
    {
      name: 'search',
      usage: 'TEXT',
      help: 'search the messages of the recipient',
      run: args => this.#search(args, this.#recipient),
    },
    {
      name: 'search-all',
      usage: 'TEXT',
      help: 'search all messages',
      run: args => void this.#printSearch(args, undefined),
    },
    {
      name: 'open',
      usage: '[N]',
      help: 'list the links of the recipient, or open link N',
      run: args => {
        const print = (line: string) => this.#print(sanitizeLine(`* ${line}`))
        this.#links.open(this.#recipient ?? '', args, print, this.#services.openLink)
      },
    },
    ...preferenceCommands(
      {
        preferences: () => this.#services.preferences(),
        savePreferences: changed => this.#services.savePreferences(changed),
      },
      line => this.#print(sanitizeLine(line)),
      () => this.#recipient,
    ),
    {
      name: 'me',
      usage: 'TEXT',
      help: 'say what you do: /me waves',
      run: (args, send) => this.#composeToRecipient(`/me ${args}`, send),
    },
    {
      name: 'edit',
      usage: '[-N] TEXT',
      help: 'replace the text of your last message',
      run: (args, send) => this.#changeLatest('edit', args, send),
    },
    {
      name: 'delete',
      usage: '[-N]',
      help: 'delete your last message for everyone',
      run: (args, send) => this.#changeLatest('delete', args, send),
    },
    {
      name: 'react',
      usage: '[-N|@NAME] EMOJI',
      help: 'react to the last message of others',
      run: (args, send) => this.#changeLatest('react', args, send),
    },
    {
      name: 'raw',
      usage: '[-N|@NAME]',
      help: 'print the source of a message of others',
      run: args => this.#printSource(args),
    },
    {
      name: 'cancel',
      usage: '[all]',
      help: 'take back the last waiting message, or all',
      run: (args, send) => this.#cancel(args, send),
    },
    {
      name: 'key',
      usage: '[NAME]',
      help: 'show the key fingerprint of NAME or you',
      run: args => this.#showKeyOf(args),
    },
    {
      name: 'trust',
      usage: 'NAME WORDS',
      help: 'accept the new key of NAME, if it has these WORDS',
      run: (args, send) => this.#trust(args, send),
    },
    { name: 'clear', usage: '', help: 'clear the terminal', run: () => this.#clear() },
    { name: 'help', usage: '[NAME]', help: 'list the commands, or show one; also ?', run: args => this.#help(args) },
    { name: 'quit', usage: '', help: 'quit', run: () => this.#quit() },
  ]

  /**
   * @param correspondents users in the history: names that look like theirs are marked, also while they are offline
   * @param columns width of the terminal; undefined if stdout is not a terminal
   * @param now ms since 1970
   */
  constructor(
    user: string,
    correspondents: Iterable<string>,
    output: Pick<Console, 'log' | 'error'>,
    columns = () => (process.stdout.isTTY ? process.stdout.columns : undefined),
    now = Date.now,
    services = NO_SERVICES,
  ) {
    this.#user = user
    this.#output = output
    this.#lookup = new MessageLookup(user, services.history)
    this.#columns = columns
    this.#links = new LineLinks(user)
    const names = [...correspondents]
    this.#confusables.keep([user, ...names])
    this.#sources = new LineSources(user, services.history)
    this.#rooms = new RoomLines(user, this.#confusables, now, () => services.preferences().joins)
    this.#seen = new SeenUsers(user, names)
    this.#services = services
    this.#receipts = new ReceiptLines(
      line => this.#print(sanitizeLine(`* ${line}`)),
      name => this.#shown(name),
    )
    const { terminal, preferences } = services
    const onError = (text: string) => this.#print(sanitizeLine(`* ${text}`))
    if (terminal !== undefined) this.#alerts = new LineAlerts(user, preferences, terminal, onError)
  }

  handleEvent(event: ClientEvent): void {
    this.#pending.handleEvent(event)
    this.#waiting.handleEvent(event)
    for (const warning of this.#seen.handleEvent(event)) this.#print(`* ${warning}`)
    if (event.type === 'message') this.#lookup.observe(event.message)
    if (event.type === 'message') this.#sources.observe(event.message)
    this.#alerts?.handleEvent(event)
    this.#receipts.handleEvent(event)
    if (event.type === 'connection') {
      this.#started = true
      this.#isOnline = event.state.phase === 'online'
      if (event.state.phase !== 'online') this.#hasRoster = false
    }
    if (event.type === 'message' && this.#isIgnored(event.message)) return
    if (event.type === 'message' && event.origin === 'live') this.#noteSender(event.message)
    if (event.type === 'message' && (!this.#started || this.#isDeletionOfUnknown(event.message))) return
    if (event.type === 'room') return this.#printAll(this.#rooms.handleEvent(event))
    if (event.type === 'room-list') return this.#printAll(this.#rooms.list(event))
    // A newcomer to a room gets its messages of many days; `mesh-chat history` has them in order.
    if (event.type === 'message' && event.origin === 'history' && this.#rooms.isEarlier(event.message))
      return this.#countEarlier(event.message.to)
    if (event.type === 'key') this.#handleKey(event)
    if (event.type === 'roster') return this.#handleRoster(event)
    const line = this.#format(event)
    if (line === undefined || this.#isRepeated(event, line)) return
    if (event.type === 'message') this.#links.observe(event.message)
    if (event.type === 'message') this.#output.log(line)
    else this.#print(line)
  }

  /** Whether a further attempt to connect has failed for the same reason as the last one. */
  #isRepeated(event: ClientEvent, line: string): boolean {
    if (event.type !== 'connection' || event.state.phase === 'connecting') return false
    const isRepeated = event.state.phase === 'waiting' && line === this.#lastFailure
    this.#lastFailure = event.state.phase === 'waiting' ? line : undefined
    return isRepeated
  }

  #format(event: ClientEvent): string | undefined {
    if (event.type === 'progress' && event.progress.state === 'waiting' && event.progress.reason === 'not-joined')
      return this.#rooms.waitingLine(event.to)
    const { highlights } = this.#services.preferences()
    return formatEvent(event, this.#user, this.#confusables, this.#columns(), highlights)
  }

  /** Notes who is online, without output. */
  observeRoster({ users, joined, left, total }: Extract<SessionEvent, { type: 'roster' }>): void {
    this.#online = users
    this.#isPartial = total !== undefined
    this.#confusables.update(joined, left)
  }

  /** Prints who is online when the client connects, and then who comes and goes. */
  #handleRoster(event: Extract<SessionEvent, { type: 'roster' }>): void {
    const isNew = !this.#hasRoster || this.#isPartial !== (event.total !== undefined)
    this.observeRoster(event)
    const isOther = (name: string) => name !== this.#user
    const others = { joined: event.joined.filter(isOther), left: event.left.filter(isOther) }
    const line = !isNew
      ? rosterChange(others, name => this.#shown(name))
      : formatEvent(event, this.#user, this.#confusables)
    this.#hasRoster = true
    if (line !== undefined && (isNew || this.#services.preferences().notes)) this.#print(line)
  }

  /** Such as the deletion of a message that was taken back before this client got it. */
  #isDeletionOfUnknown(message: Message): boolean {
    const content = toChange(message)?.content
    return content?.kind === 'delete' && !this.#lookup.knows(threadName(message, this.#user), content.target)
  }

  #isIgnored({ from }: Pick<Message, 'from'>): boolean {
    return from !== this.#user && this.#services.preferences().ignored.includes(from)
  }

  #noteSender({ from, to }: Pick<Message, 'from' | 'to'>): void {
    if (!isRoom(to) && from !== this.#user) this.#lastSender = from
  }

  #shown(name: string): string {
    return nameText(name, this.#confusables)
  }

  /**
   * Reads stdin to its end; then waits for the delivery results of the messages sent, and calls `end`.
   * @param to the first recipient
   */
  readStdin(to: string | undefined, send: Send, end: End): void {
    this.#recipient = to
    const input = new LineReader({
      onLine: text => {
        if (this.handleLine(text, send) === 'quit') input.close()
      },
      onLongLine: () => this.#print('the line is too long; it is skipped'),
      onEnd: error => void this.#end(end, error),
    })
  }

  async #end(endProgram: End, error: string | undefined): Promise<void> {
    await this.#reactions
    const end: End = (code, message) => {
      this.#receipts.flush()
      endProgram(code, message)
    }
    const report = () => {
      const { count } = this.#waiting
      if (count === 0) return
      const messages = count === 1 ? '1 message is' : `${count} messages are`
      this.#print(
        `* ${messages} not confirmed yet, for ${this.#waiting.recipients()}; sent again when ${this.#user} is online the next time`,
      )
    }
    // A user who quits while no server is reachable does not wait for one.
    if (this.#hasQuit && !this.#isOnline) {
      report()
      return end(0)
    }
    if (this.#hasQuit && (await this.#pending.waitUntilSettled(0)) === 0) return end(0)
    await endAfterDelivery(this.#pending, end, report, error)
  }

  /** Handles a line of input. Returns `quit` if the program is to end. */
  handleLine(text: string, send: Send): 'quit' | undefined {
    const question = this.#question
    this.#question = undefined
    if (question !== undefined && text.trim() === '') {
      this.#compose(question.to, question.text, send)
      return undefined
    }
    if (question !== undefined) this.#print(sanitizeLine(`* not sent: ${question.text}`))
    if (text.trim() === '?') this.#help('')
    else if (text.startsWith('/') && !text.startsWith('//')) this.#runCommand(text.slice(1), send)
    else this.#composeToRecipient(text.replace(/^\/\//, '/'), send)
    return this.#hasQuit ? 'quit' : undefined
  }

  #composeToRecipient(text: string, send: Send): void {
    if (this.#recipient === undefined) this.#print(NO_RECIPIENT)
    else if (text !== '') this.#compose(this.#recipient, text, send)
  }

  /** Edits or deletes the latest own message to the recipient, or reacts to the latest one of others. */
  #changeLatest(kind: 'edit' | 'delete' | 'react', args: string, send: Send): void {
    const to = this.#recipient
    if (to === undefined) return this.#print(NO_RECIPIENT)
    const by = kind === 'react' ? 'others' : 'self'
    const { choice, rest } = this.#choose(args, by) ?? { choice: { by, nth: 1 }, rest: args }
    const fault = kind === 'react' ? reactionFault(rest) : undefined
    if (fault !== undefined) return this.#print(sanitizeLine(fault))
    if (kind === 'edit' && rest === '') return this.#print('usage: /edit [-N] TEXT')
    if (kind === 'delete' && rest !== '') return this.#print('usage: /delete [-N]')
    const target = this.#lookup.latest(to, choice)
    if (target === undefined)
      return this.#print(kind === 'react' ? '* no message to react to yet' : '* you have sent no message here yet')
    if (kind === 'delete' && this.#waiting.has(target.id)) return send({ type: 'cancel', id: target.id })
    if (kind === 'react') return this.#react(to, target, rest, send)
    const change: ChangeContent = kind === 'edit' ? { kind, target, text: rest } : { kind, target }
    send({ type: 'change', to, change })
  }

  #react(to: string, target: QuotedTarget, typed: string, send: Send): void {
    const sendReaction = (emoji: string) => send({ type: 'change', to, change: { kind: 'react', target, emoji } })
    const name = shortNameOf(typed)
    if (name === undefined) return sendReaction(typed)
    const loaded = import('../../common/emoji-names.ts').then(({ EMOJI_NAMES }) => {
      const emoji = EMOJI_NAMES.get(name)
      if (emoji === undefined) this.#print(unknownEmoji(name))
      else sendReaction(emoji)
    })
    this.#reactions = Promise.all([this.#reactions, loaded])
  }

  /** The message that arguments name; undefined: none. */
  #choose(args: string, by: 'self' | 'others') {
    return parseChoice(args, by, name => this.#seen.has(name))
  }

  #runCommand(line: string, send: Send): void {
    const [, name = '', args = ''] = /^(\S*)\s*(.*)$/s.exec(line) ?? []
    const command = this.#commands.find(one => one.name === name)
    if (command === undefined) {
      const names = this.#commands.map(one => `/${one.name}`)
      const suggestion = didYouMean(`/${name}`, names)
      const problem = sanitizeLine(`unknown command /${name}${suggestion}`)
      return this.#print(`${problem}${suggestion === '' ? '; ' : ' '}/help lists the commands`)
    }
    const needsArguments = command.usage !== '' && !command.usage.startsWith('[')
    if (needsArguments && args.trim() === '') this.#print(`usage: ${usageOf(command)}`)
    else command.run(args.trim(), send)
  }

  /** Quits; with messages that wait only after the user was told how many there are. */
  #quit(): void {
    // What is on its way is waited for.
    const waits = (id: string) => !this.#isOnline || !this.#pending.isUnsettled(id)
    const { length } = this.#waiting.ids.filter(waits)
    this.#hasQuit = length <= this.#warnedWaitingCount
    if (this.#hasQuit) return
    this.#warnedWaitingCount = length
    const outcome = quitOutcome(this.#services.history() !== undefined)
    this.#print(`* ${this.#waiting.summary()}; ${outcome}. /quit again to leave`)
  }

  /** Lists the commands, or those that a name is about. */
  #help(topic: string): void {
    const items: HelpItem[] = [
      ...this.#commands.map(command => ({ label: usageOf(command), text: command.help })),
      { label: '//TEXT', text: 'send a message that starts with a slash' },
      { label: '-N, @NAME', text: CHOICE_HELP },
    ]
    const exact = items.filter(item => isAbout(item, topic, true))
    const listed = topic === '' || exact.length > 0 ? exact : items.filter(item => isAbout(item, topic, false))
    const names = this.#commands.map(({ name }) => name)
    if (topic !== '' && listed.length === 0) return this.#print(sanitizeLine(noHelpText(topic, names)))
    for (const { label, text } of topic === '' ? items : listed)
      this.#print(`  ${label.padEnd(HELP_LABEL_COLUMNS)} ${text}`)
  }

  #setRecipient(args: string): void {
    const name = parseSoleName(args)
    if (!name.ok) return this.#print(sanitizeLine(name.reason))
    this.#recipient = name.value
    this.#print(sanitizeLine(`* lines go to ${this.#shown(name.value)}`))
    this.#warnOfUnseen(name.value)
  }

  #warnOfUnseen(to: string): void {
    const warning = this.#seen.check(to)
    if (warning !== undefined) this.#print(`* ${warning}`)
  }

  #close(): void {
    const name = this.#recipient
    if (name === undefined) return this.#print(NO_RECIPIENT)
    this.#recipient = undefined
    this.#print(sanitizeLine(`* ${this.#shown(name)} is no longer the recipient; choose one with /to NAME`))
  }

  #clear(): void {
    const { terminal } = this.#services
    if (terminal?.hasEscapes) terminal.write(CLEAR)
  }

  /** Prints the source of a message in the thread of the recipient, or else of the last sender. */
  #printSource(args: string): void {
    const { choice, rest } = this.#choose(args, 'others') ?? { choice: { by: 'others' as const, nth: 1 }, rest: args }
    if (rest !== '') return this.#print('usage: /raw [-N|@NAME]')
    const thread = this.#recipient ?? this.#lastSender
    if (thread === undefined) return this.#print(NO_RECIPIENT)
    const target = this.#lookup.latest(thread, choice)
    const lines = target && this.#sources.lines(thread, target)
    if (target === undefined || lines === undefined) return this.#print('* no such message here')
    this.#print(sanitizeLine(`* ${this.#shown(target.from)} wrote:`))
    this.#printAll(lines)
  }

  /** Replies to the message that the arguments name, in the thread of the recipient, else to the last one to this user alone. */
  #reply(args: string, send: Send): void {
    const chosen = this.#choose(args, 'others')
    if (chosen === undefined) return this.#replyToLastSender(args, send)
    const { choice, rest } = chosen
    if (rest === '') return this.#print('usage: /reply [-N|@NAME] TEXT')
    const to = this.#recipient
    const reply = to === undefined ? undefined : this.#lookup.latest(to, choice)
    if (to !== undefined && reply !== undefined) return this.#compose(to, rest, send, reply)
    if (typeof choice.by !== 'object') return this.#print(to === undefined ? NO_RECIPIENT : '* no such message here')
    const { name } = choice.by
    const direct = this.#lookup.latest(name, choice)
    if (direct === undefined) return this.#print(sanitizeLine(`* no message of ${name} here`))
    this.#recipient = name
    this.#compose(name, rest, send, direct)
  }

  #replyToLastSender(text: string, send: Send): void {
    const name = this.#lastSender
    if (name === undefined) return this.#print('no messages received yet')
    this.#recipient = name
    this.#compose(name, text, send, this.#lookup.latest(name, { by: { name }, nth: 1 }))
  }

  #invite(args: string, send: Send): void {
    const invitation = parseInvitation(args)
    if (!invitation.ok) return this.#print(sanitizeLine(invitation.reason))
    const { user } = invitation.value
    this.#withRoom(invitation.value.room, room => {
      this.#compose(user, invitationText(room), send)
      this.#print(sanitizeLine(`* invited ${this.#shown(user)} to ${room}`))
    })
  }

  #who(part: string, send: Send): void {
    if (!this.#isOnline) return this.#print(NOT_CONNECTED)
    if (this.#isPartial) {
      if (part === '') send({ type: 'list-names', after: '', count: MAX_FOUND_NAMES })
      else send({ type: 'find-names', text: part, count: MAX_FOUND_NAMES })
      return
    }
    const needle = searchForm(part)
    const matching: string[] = []
    for (const name of this.#online) if (searchForm(name).includes(needle)) matching.push(name)
    if (matching.length > 0 || part === '')
      return this.#print(sanitizeLine(`* online: ${namesText(matching, matching.length, this.#confusables)}`))
    this.#print(sanitizeLine(`* no user online matches ${part}${didYouMean(part, [...this.#online])}`))
  }

  #search(text: string, thread: string | undefined): void {
    if (thread === undefined) this.#print('no recipient; choose one with /to NAME, or use /search-all')
    else void this.#printSearch(text, thread)
  }

  #printSearch(text: string, thread: string | undefined): Promise<void> {
    const { history, isOperator } = this.#services
    return printSearch(history(), text, thread, {
      user: this.#user,
      isOperator,
      shown: name => this.#shown(name),
      print: line => this.#print(line),
    })
  }

  #sendTo(args: string, send: Send): void {
    const parsed = parseNameArgument(args, name => this.#seen.has(name))
    if (!parsed.ok) return this.#print(sanitizeLine(parsed.reason))
    const { name, rest, alternative } = parsed.value
    if (rest === '') return this.#print('usage: /msg NAME TEXT; put a name with spaces in quotes')
    if (alternative !== undefined && this.#asksWhichName(name, alternative.name)) {
      this.#question = { to: name, text: rest }
      return
    }
    this.#compose(name, rest, send)
  }

  /** Asks which of two known names is meant, once for each two; without a person at the terminal, only says so. */
  #asksWhichName(name: string, other: string): boolean {
    const key = `${name}\n${other}`
    if (other === this.#user || (this.#services.asks && this.#askedPairs.has(key))) return false
    this.#askedPairs.add(key)
    const way = `for ${other} write /msg "${other}" …`
    this.#print(
      sanitizeLine(
        this.#services.asks
          ? `* to "${name}", or to ${other}? An empty line sends to "${name}"; ${way}`
          : `* sent to "${name}"; ${way}`,
      ),
    )
    return this.#services.asks
  }

  #compose(to: string, text: string, send: Send, reply?: QuotedTarget): void {
    this.#warnOfUnseen(to)
    send(reply === undefined ? { type: 'compose', to, text } : { type: 'compose', to, text, reply })
  }

  /** Takes back the last message to the recipient that waits, or all of them. */
  #cancel(args: string, send: Send): void {
    if (args !== '' && args !== 'all') return this.#print('usage: /cancel [all]')
    const to = this.#recipient
    if (to === undefined) return this.#print(NO_RECIPIENT)
    const ids = this.#waiting.idsTo(to)
    if (ids.length === 0) return this.#print(sanitizeLine(`no message to ${this.#shown(to)} waits`))
    for (const id of args === 'all' ? ids : ids.slice(-1)) send({ type: 'cancel', id })
  }

  #join(name: string, send: Send): void {
    this.#withRoom(name.startsWith('#') ? name : `#${name}`, room => {
      this.#recipient = room
      this.#request({ type: 'join', room }, send)
    })
  }

  #part(name: string, send: Send): void {
    this.#withRoom(name, room => {
      if (this.#recipient === room) this.#recipient = undefined
      this.#request({ type: 'part', room }, send)
    })
  }

  #request(request: SessionRequest, send: Send): void {
    this.#pending.handleRequest(request)
    send(request)
  }

  /** Runs a function with the room that is named, or else with the room that lines are sent to. */
  #withRoom(name: string, run: (room: string) => void): void {
    const given = name || (isRoom(this.#recipient ?? '') ? this.#recipient : undefined)
    if (given === undefined) return this.#print('no room; name one, such as #ops')
    const room = parseRoomName(given)
    if (room.ok) run(room.value)
    else this.#print(sanitizeLine(room.reason))
  }

  /** Counts the messages of a room that are not printed, and says how many when no more come. */
  #countEarlier(room: string): void {
    this.#earlier.set(room, (this.#earlier.get(room) ?? 0) + 1)
    clearTimeout(this.#earlierTimer)
    this.#earlierTimer = setTimeout(() => this.#reportEarlier(), EARLIER_DELAY_MS).unref()
  }

  #reportEarlier(): void {
    for (const [room, count] of this.#earlier) this.#print(this.#rooms.earlierLine(room, count))
    this.#earlier.clear()
  }

  #handleKey(event: Extract<SessionEvent, { type: 'key' }>): void {
    this.#lastKeyEvent = event
    if (event.state === 'changed') this.#changedKeys.set(event.user, event.key)
    else this.#changedKeys.delete(event.user)
  }

  #trust(args: string, send: Send): void {
    const decision = decideTrust(args, this.#changedKeys)
    if ('request' in decision) send(decision.request)
    else this.#print(sanitizeLine(`* ${decision.reason}`))
  }

  #showKeyOf(args: string): void {
    const name = args === '' ? { ok: true as const, value: this.#user } : parseSoleName(args)
    if (name.ok) this.#showKey(name.value)
    else this.#print(sanitizeLine(name.reason))
  }

  #showKey(name: string): void {
    if (this.#lastKeyEvent === undefined) return this.#print('* this mesh does not use user keys')
    const key = name === this.#user ? this.#lastKeyEvent.own : this.#lastKeyEvent.known.get(name)
    this.#print(sanitizeLine(`* the key of ${name}: ${key === undefined ? 'not known yet' : fingerprint(key)}`))
  }

  #printAll(lines: readonly string[]): void {
    for (const line of lines) this.#print(line)
  }

  #print(line: string): void {
    this.#output.error(line)
  }
}
