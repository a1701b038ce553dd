import type { SessionEvent, SessionRequest } from '../../src/client/events.ts'
import { ConfusableNames } from '../../src/common/confusables.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import type { ClientEvent } from '../client-events.ts'
import { LineReader } from '../io/stdin.ts'
import { fingerprint } from '../keys/fingerprint.ts'
import { decideTrust } from '../keys/trust.ts'
import { PendingMessages } from '../session/pending-messages.ts'
import { type End, endAfterDelivery } from './end-of-input.ts'
import { formatEvent } from './line-format.ts'

/**
 * Chat line by line, for pipes, screen readers and simple terminals: messages on stdout, all else on stderr. On stdin,
 * `/to NAME` sets the recipient, `/trust NAME WORDS` accepts a changed key, `/key NAME` shows a key, `/quit` or the end of input
 * quits; any other line is a message. Messages from the history on disk are not printed.
 */
export class LineMode {
  readonly #user: string
  readonly #output: Pick<Console, 'log' | 'error'>
  readonly #columns: () => number | undefined
  readonly #pending = new PendingMessages()
  readonly #confusables = new ConfusableNames()
  /** Set by the first `connection` event: messages before it come from the history on disk. */
  #started = false
  /** The new key of each user whose key has changed and is not trusted yet. */
  readonly #changedKeys = new Map<string, string>()
  /** The last key event, which has all known keys. */
  #lastKeyEvent: Extract<SessionEvent, { type: 'key' }> | undefined

  /**
   * @param correspondents users in the history: names that look like theirs are marked, also while they are offline
   * @param columns width of the terminal; undefined if stdout is not a terminal
   */
  constructor(
    user: string,
    correspondents: Iterable<string>,
    output: Pick<Console, 'log' | 'error'>,
    columns = () => (process.stdout.isTTY ? process.stdout.columns : undefined),
  ) {
    this.#user = user
    this.#output = output
    this.#columns = columns
    this.#confusables.keep([user, ...correspondents])
  }

  handleEvent(event: ClientEvent): void {
    this.#pending.handleEvent(event)
    if (event.type === 'connection') this.#started = true
    if (event.type === 'message' && !this.#started) return
    if (event.type === 'key') this.#handleKey(event)
    if (event.type === 'roster') this.observeRoster(event)
    const line = formatEvent(event, this.#user, this.#confusables, this.#columns())
    if (line === undefined) return
    if (event.type === 'message') this.#output.log(line)
    else this.#output.error(line)
  }

  /** Notes who is online, without output. */
  observeRoster({ joined, left }: Extract<SessionEvent, { type: 'roster' }>): void {
    this.#confusables.update(joined, left)
  }

  /** Reads stdin to its end; then waits for the delivery results of the messages sent, and calls `end`. */
  readStdin(to: string | undefined, send: (request: SessionRequest) => void, end: End): void {
    let recipient = to
    let hasQuit = false
    const input = new LineReader({
      onLine: text => {
        if (text === '/quit') {
          hasQuit = true
          input.close()
        } else if (text.startsWith('/to ')) recipient = text.slice(4).trim()
        else this.handleLine(text, recipient, send)
      },
      onLongLine: () => this.#output.error('the line is too long; it is skipped'),
      onEnd: error => void this.#end(end, hasQuit, error),
    })
  }

  async #end(end: End, hasQuit: boolean, error: string | undefined): Promise<void> {
    const report = (left: number) => {
      const messages = left === 1 ? '1 message is' : `${left} messages are`
      this.#output.error(`* ${messages} not confirmed yet; sent again when ${this.#user} is online the next time`)
    }
    // A user who quits while no server is reachable does not wait for one.
    if (hasQuit && (await this.#pending.waitUntilSettled(0)) === 0) return end(0)
    await endAfterDelivery(this.#pending, end, report, error)
  }

  /** Runs a line of input other than `/to` and `/quit`. */
  handleLine(text: string, recipient: string | undefined, send: (request: SessionRequest) => void): void {
    if (text === '/key' || text.startsWith('/key ')) this.#showKey(text.slice(5).trim() || this.#user)
    else if (text.startsWith('/trust ')) this.#trust(text.slice(7).trim(), send)
    else if (text.startsWith('/') && !text.startsWith('//')) {
      this.#output.error(
        'unknown command; commands: /to NAME, /key [NAME], /trust NAME WORDS, /quit; // starts a message with a slash',
      )
    } else if (recipient === undefined) this.#output.error('no recipient; choose one with /to NAME')
    else if (text !== '') send({ type: 'compose', to: recipient, text: text.replace(/^\/\//, '/') })
  }

  #handleKey(event: Extract<SessionEvent, { type: 'key' }>): void {
    this.#lastKeyEvent = event
    if (event.state === 'changed') this.#changedKeys.set(event.user, event.key)
    else this.#changedKeys.delete(event.user)
  }

  #trust(args: string, send: (request: SessionRequest) => void): void {
    const decision = decideTrust(args, this.#changedKeys)
    if ('request' in decision) send(decision.request)
    else this.#output.error(sanitizeLine(`* ${decision.reason}`))
  }

  #showKey(name: string): void {
    if (this.#lastKeyEvent === undefined) return this.#output.error('* this mesh does not use user keys')
    const key = name === this.#user ? this.#lastKeyEvent.own : this.#lastKeyEvent.known.get(name)
    this.#output.error(sanitizeLine(`* the key of ${name}: ${key === undefined ? 'not known yet' : fingerprint(key)}`))
  }
}
