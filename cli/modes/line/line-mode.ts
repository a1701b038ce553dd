import type { SessionEvent } from '../../../src/client/events.ts'
import { toChange } from '../../../src/client/messages/message-changes.ts'
import { didYouMean } from '../../../src/programs/command-line/suggestion.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import type { ClientEvent } from '../../common/client-events.ts'
import { CHOICE_HELP } from '../../common/message-choice.ts'
import { threadName } from '../../common/thread-name.ts'
import { quitOutcome } from '../../common/waiting-messages.ts'
import { type HelpItem, isAbout, noHelpText } from '../../help-topic.ts'
import { LineReader } from '../../io/stdin.ts'
import { type End, endAfterDelivery } from '../end-of-input.ts'
import { LineAlerts } from './alerts.ts'
import { type LineCommand, usageOf } from './commands/command.ts'
import { findingCommands } from './commands/finding.ts'
import { messageCommands } from './commands/messages.ts'
import { peopleCommands, recipientCommands } from './commands/people.ts'
import { preferenceCommands } from './commands/preferences.ts'
import { roomCommands } from './commands/rooms.ts'
import { formatEvent, rosterChange } from './format.ts'
import { LineState, type Send } from './line-state.ts'
import { ReceiptLines } from './receipt-lines.ts'
import { NO_SERVICES } from './services.ts'

/** How long to wait for further messages of a room before their number is printed, ms. */
const EARLIER_DELAY_MS = 2_000

/** Columns of commands in the help. */
const HELP_LABEL_COLUMNS = 24

/** Clears the terminal, and keeps its scrollback. */
const CLEAR = '\u001b[H\u001b[2J'

type RosterEvent = Extract<SessionEvent, { type: 'roster' }>

/**
 * Chat line by line, for pipes, screen readers and simple terminals: messages on stdout, all else on stderr. A line of stdin
 * that starts with `/` is a command, any other one is a message to the recipient. Messages from the history on disk are not
 * printed.
 */
export class LineMode {
  readonly #state: LineState
  readonly #output: Pick<Console, 'log' | 'error'>
  readonly #columns: () => number | undefined
  readonly #commands: readonly LineCommand[]
  readonly #alerts: LineAlerts | undefined
  readonly #receipts: ReceiptLines
  #hasQuit = false
  /** How many waiting messages the user was told of when quitting. */
  #warnedWaitingCount = 0
  /** Number of messages by room that were not printed, and not reported. */
  readonly #earlier = new Map<string, number>()
  #earlierTimer: NodeJS.Timeout | undefined
  /** Why the last attempt to connect failed, as printed. */
  #lastFailure: string | undefined
  /** Set by the first `connection` event: messages before it come from the history on disk. */
  #started = false
  /** False until the first roster of a connection, which is printed in full. */
  #hasRoster = false

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
    this.#output = output
    this.#columns = columns
    this.#state = new LineState(user, correspondents, line => output.error(line), now, services)
    const state = this.#state
    this.#commands = [
      ...recipientCommands(state),
      ...messageCommands(state),
      ...roomCommands(state),
      ...peopleCommands(state),
      ...findingCommands(state),
      ...preferenceCommands(state),
      { name: 'clear', usage: '', help: 'clear the terminal', run: () => this.#clear() },
      { name: 'help', usage: '[NAME]', help: 'list the commands, or show one; also ?', run: args => this.#help(args) },
      { name: 'quit', usage: '', help: 'quit', run: () => this.#quit() },
    ]
    const print = (text: string) => state.print(`* ${text}`)
    this.#receipts = new ReceiptLines(print, name => state.shown(name))
    const { terminal, preferences } = services
    if (terminal !== undefined) this.#alerts = new LineAlerts(user, preferences, terminal, print)
  }

  handleEvent(event: ClientEvent): void {
    const state = this.#state
    state.handleEvent(event)
    this.#alerts?.handleEvent(event)
    this.#receipts.handleEvent(event)
    if (event.type === 'connection') {
      this.#started = true
      if (event.state.phase !== 'online') this.#hasRoster = false
    }
    if (event.type === 'message' && !this.#isPrinted(event.message)) return
    if (event.type === 'room') return this.#printAll(state.rooms.handleEvent(event))
    if (event.type === 'room-list') return this.#printAll(state.rooms.list(event))
    // A newcomer to a room gets its messages of many days; `mesh-chat history` has them in order.
    if (event.type === 'message' && event.origin === 'history' && state.rooms.isEarlier(event.message))
      return this.#countEarlier(event.message.to)
    if (event.type === 'roster') return this.#handleRoster(event)
    const line = this.#format(event)
    if (line === undefined || this.#isRepeated(event, line)) return
    if (event.type === 'message') state.links.observe(event.message)
    if (event.type === 'message') this.#output.log(line)
    else state.print(line)
  }

  /** Notes who is online, without output. */
  observeRoster(event: RosterEvent): void {
    this.#state.observeRoster(event)
  }

  #isPrinted(message: Message): boolean {
    return this.#started && !this.#state.isIgnored(message) && !this.#isDeletionOfUnknown(message)
  }

  /** Such as the deletion of a message that was taken back before this client got it. */
  #isDeletionOfUnknown(message: Message): boolean {
    const { lookup, user } = this.#state
    const content = toChange(message)?.content
    return content?.kind === 'delete' && !lookup.knows(threadName(message, user), content.target)
  }

  /** Whether a further attempt to connect has failed for the same reason as the last one. */
  #isRepeated(event: ClientEvent, line: string): boolean {
    if (event.type !== 'connection' || event.state.phase === 'connecting') return false
    const isRepeated = event.state.phase === 'waiting' && line === this.#lastFailure
    this.#lastFailure = event.state.phase === 'waiting' ? line : undefined
    return isRepeated
  }

  #format(event: ClientEvent): string | undefined {
    const { rooms, services, user, confusables } = this.#state
    if (event.type === 'progress' && event.progress.state === 'waiting' && event.progress.reason === 'not-joined')
      return rooms.waitingLine(event.to)
    return formatEvent(event, user, confusables, this.#columns(), services.preferences().highlights)
  }

  /** Prints who is online when the client connects, and then who comes and goes. */
  #handleRoster(event: RosterEvent): void {
    const state = this.#state
    const isNew = !this.#hasRoster || state.isPartial !== (event.total !== undefined)
    state.observeRoster(event)
    const isOther = (name: string) => name !== state.user
    const others = { joined: event.joined.filter(isOther), left: event.left.filter(isOther) }
    const line = !isNew
      ? rosterChange(others, name => state.shown(name))
      : formatEvent(event, state.user, state.confusables)
    this.#hasRoster = true
    if (line !== undefined && (isNew || state.services.preferences().notes)) state.print(line)
  }

  /** Counts the messages of a room that are not printed, and says how many when no more come. */
  #countEarlier(room: string): void {
    this.#earlier.set(room, (this.#earlier.get(room) ?? 0) + 1)
    clearTimeout(this.#earlierTimer)
    this.#earlierTimer = setTimeout(() => this.#reportEarlier(), EARLIER_DELAY_MS).unref()
  }

  #reportEarlier(): void {
    const { rooms } = this.#state
    for (const [room, count] of this.#earlier) this.#state.print(rooms.earlierLine(room, count))
    this.#earlier.clear()
  }

  /**
   * Reads stdin to its end; then waits for the delivery results of the messages sent, and calls `end`.
   * @param to the first recipient
   */
  readStdin(to: string | undefined, send: Send, end: End): void {
    this.#state.recipient = to
    const input = new LineReader({
      onLine: text => {
        if (this.handleLine(text, send) === 'quit') input.close()
      },
      onLongLine: () => this.#state.print('the line is too long; it is skipped'),
      onEnd: error => void this.#end(end, error),
    })
  }

  async #end(endProgram: End, error: string | undefined): Promise<void> {
    const { waiting, pending, user } = this.#state
    await this.#state.reactions
    const end: End = (code, message) => {
      this.#receipts.flush()
      endProgram(code, message)
    }
    const report = () => {
      const { count } = waiting
      if (count === 0) return
      const messages = count === 1 ? '1 message is' : `${count} messages are`
      const rest = `sent again when ${user} is online the next time`
      this.#state.print(`* ${messages} not confirmed yet, for ${waiting.recipients()}; ${rest}`)
    }
    // A user who quits while no server is reachable does not wait for one.
    if (this.#hasQuit && !this.#state.isOnline) {
      report()
      return end(0)
    }
    if (this.#hasQuit && (await pending.waitUntilSettled(0)) === 0) return end(0)
    await endAfterDelivery(pending, end, report, error)
  }

  /** Handles a line of input. Returns `quit` if the program is to end. */
  handleLine(text: string, send: Send): 'quit' | undefined {
    const state = this.#state
    const { question } = state
    state.question = undefined
    if (question !== undefined && text.trim() === '') {
      state.compose(question.to, question.text, send)
      return undefined
    }
    if (question !== undefined) state.print(`* not sent: ${question.text}`)
    if (text.trim() === '?') this.#help('')
    else if (text.startsWith('/') && !text.startsWith('//')) this.#runCommand(text.slice(1), send)
    else state.composeToRecipient(text.replace(/^\/\//, '/'), send)
    return this.#hasQuit ? 'quit' : undefined
  }

  #runCommand(line: string, send: Send): void {
    const [, name = '', args = ''] = /^(\S*)\s*(.*)$/s.exec(line) ?? []
    const command = this.#commands.find(one => one.name === name)
    if (command === undefined) {
      const names = this.#commands.map(one => `/${one.name}`)
      const suggestion = didYouMean(`/${name}`, names)
      const help = `${suggestion === '' ? '; ' : ' '}/help lists the commands`
      return this.#state.print(`unknown command /${name}${suggestion}${help}`)
    }
    const needsArguments = command.usage !== '' && !command.usage.startsWith('[')
    if (needsArguments && args.trim() === '') this.#state.print(`usage: ${usageOf(command)}`)
    else command.run(args.trim(), send)
  }

  /** Quits; with messages that wait only after the user was told how many there are. */
  #quit(): void {
    const { isOnline, pending, waiting, services } = this.#state
    // What is on its way is waited for.
    const waits = (id: string) => !isOnline || !pending.isUnsettled(id)
    const { length } = waiting.ids.filter(waits)
    this.#hasQuit = length <= this.#warnedWaitingCount
    if (this.#hasQuit) return
    this.#warnedWaitingCount = length
    const outcome = quitOutcome(services.history() !== undefined)
    this.#state.print(`* ${waiting.summary()}; ${outcome}. /quit again to leave`)
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
    if (topic !== '' && listed.length === 0) return this.#state.print(noHelpText(topic, names))
    for (const { label, text } of topic === '' ? items : listed)
      this.#state.print(`  ${label.padEnd(HELP_LABEL_COLUMNS)} ${text}`)
  }

  #clear(): void {
    const { terminal } = this.#state.services
    if (terminal?.hasEscapes) terminal.write(CLEAR)
  }

  #printAll(lines: readonly string[]): void {
    for (const line of lines) this.#state.print(line)
  }
}
