import type { SessionEvent, SessionRequest } from '../../src/client/events.ts'
import { ConfusableNames } from '../../src/common/confusables.ts'
import { isRoom, parseRoomName } from '../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import type { ClientEvent } from '../client-events.ts'
import { LineReader } from '../io/stdin.ts'
import { fingerprint } from '../keys/fingerprint.ts'
import { decideTrust } from '../keys/trust.ts'
import { PendingMessages } from '../session/pending-messages.ts'
import { type End, endAfterDelivery } from './end-of-input.ts'
import { formatEvent } from './line-format.ts'
import { RoomLines } from './room-lines.ts'

/** How long to wait for further messages of a room before their number is printed, ms. */
const EARLIER_DELAY_MS = 2_000

type Send = (request: SessionRequest) => void

interface Command {
  readonly name: string
  /** The arguments; those in brackets are optional. */
  readonly usage: string
  /** `args` is the trimmed text after the name. */
  readonly run: (args: string, send: Send) => void
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
  readonly #pending = new PendingMessages()
  readonly #confusables = new ConfusableNames()
  readonly #rooms: RoomLines
  /** To whom lines are sent: a user, or a room. */
  #recipient: string | undefined
  #hasQuit = false
  /** Number of messages by room that were not printed, and not reported. */
  readonly #earlier = new Map<string, number>()
  #earlierTimer: NodeJS.Timeout | undefined
  /** Set by the first `connection` event: messages before it come from the history on disk. */
  #started = false
  /** The new key of each user whose key has changed and is not trusted yet. */
  readonly #changedKeys = new Map<string, string>()
  /** The last key event, which has all known keys. */
  #lastKeyEvent: Extract<SessionEvent, { type: 'key' }> | undefined

  readonly #commands: readonly Command[] = [
    { name: 'to', usage: 'NAME', run: args => this.#setRecipient(args) },
    { name: 'msg', usage: 'NAME TEXT', run: (args, send) => this.#sendTo(args, send) },
    { name: 'join', usage: '#ROOM', run: (args, send) => this.#join(args, send) },
    { name: 'part', usage: '[#ROOM]', run: (args, send) => this.#part(args, send) },
    { name: 'rooms', usage: '', run: (_, send) => this.#request({ type: 'list-rooms' }, send) },
    {
      name: 'names',
      usage: '[#ROOM]',
      run: args => this.#withRoom(args, room => this.#print(this.#rooms.names(room))),
    },
    {
      name: 'topic',
      usage: '[#ROOM]',
      run: args => this.#withRoom(args, room => this.#print(this.#rooms.topic(room))),
    },
    { name: 'key', usage: '[NAME]', run: args => this.#showKey(args || this.#user) },
    { name: 'trust', usage: 'NAME WORDS', run: (args, send) => this.#trust(args, send) },
    { name: 'quit', usage: '', run: () => this.#quit() },
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
  ) {
    this.#user = user
    this.#output = output
    this.#columns = columns
    this.#confusables.keep([user, ...correspondents])
    this.#rooms = new RoomLines(user, this.#confusables, now)
  }

  handleEvent(event: ClientEvent): void {
    this.#pending.handleEvent(event)
    if (event.type === 'connection') this.#started = true
    if (event.type === 'message' && !this.#started) return
    if (event.type === 'room') return this.#printAll(this.#rooms.handleEvent(event))
    if (event.type === 'room-list') return this.#printAll(this.#rooms.list(event))
    // A newcomer to a room gets its messages of many days; `mesh-chat history` has them in order.
    if (event.type === 'message' && event.origin === 'history' && this.#rooms.isEarlier(event.message))
      return this.#countEarlier(event.message.to)
    if (event.type === 'key') this.#handleKey(event)
    if (event.type === 'roster') this.observeRoster(event)
    const line = this.#format(event)
    if (line === undefined) return
    if (event.type === 'message') this.#output.log(line)
    else this.#print(line)
  }

  #format(event: ClientEvent): string | undefined {
    if (event.type === 'progress' && event.progress.state === 'waiting' && event.progress.reason === 'not-joined')
      return this.#rooms.waitingLine(event.to)
    return formatEvent(event, this.#user, this.#confusables, this.#columns())
  }

  /** Notes who is online, without output. */
  observeRoster({ joined, left }: Extract<SessionEvent, { type: 'roster' }>): void {
    this.#confusables.update(joined, left)
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

  async #end(end: End, error: string | undefined): Promise<void> {
    const report = (left: number) => {
      const messages = left === 1 ? '1 message is' : `${left} messages are`
      this.#print(`* ${messages} not confirmed yet; sent again when ${this.#user} is online the next time`)
    }
    // A user who quits while no server is reachable does not wait for one.
    if (this.#hasQuit && (await this.#pending.waitUntilSettled(0)) === 0) return end(0)
    await endAfterDelivery(this.#pending, end, report, error)
  }

  /** Handles a line of input. Returns `quit` if the program is to end. */
  handleLine(text: string, send: Send): 'quit' | undefined {
    if (text.startsWith('/') && !text.startsWith('//')) this.#runCommand(text.slice(1), send)
    else if (this.#recipient === undefined) this.#print('no recipient; choose one with /to NAME or /join #ROOM')
    else if (text !== '') send({ type: 'compose', to: this.#recipient, text: text.replace(/^\/\//, '/') })
    return this.#hasQuit ? 'quit' : undefined
  }

  #runCommand(line: string, send: Send): void {
    const [, name = '', args = ''] = /^(\S*)\s*(.*)$/s.exec(line) ?? []
    const command = this.#commands.find(one => one.name === name)
    if (command === undefined) {
      const commands = this.#commands.map(usageOf).join(', ')
      return this.#print(`unknown command; commands: ${commands}; // starts a message with a slash`)
    }
    const needsArguments = command.usage !== '' && !command.usage.startsWith('[')
    if (needsArguments && args.trim() === '') this.#print(`usage: ${usageOf(command)}`)
    else command.run(args.trim(), send)
  }

  #quit(): void {
    this.#hasQuit = true
  }

  #setRecipient(name: string): void {
    if (!isRoom(name)) this.#recipient = name
    else {
      this.#withRoom(name, room => {
        this.#recipient = room
      })
    }
  }

  #sendTo(args: string, send: Send): void {
    const [, quoted, word, text = ''] = /^(?:"((?:[^"\\]|\\.)*)"|(\S+))\s*(.*)$/s.exec(args) ?? []
    const to = quoted === undefined ? word : quoted.replace(/\\(.)/g, '$1')
    if (to === undefined || text === '') return this.#print('usage: /msg NAME TEXT; put a name with spaces in quotes')
    send({ type: 'compose', to, text })
  }

  #join(name: string, send: Send): void {
    this.#withRoom(name, room => {
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

function usageOf({ name, usage }: Command): string {
  return usage === '' ? `/${name}` : `/${name} ${usage}`
}
