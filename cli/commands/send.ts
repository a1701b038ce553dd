import type { Progress } from '../../src/client/events.ts'
import { timerDelay } from '../../src/common/time.ts'
import { EXIT, fail } from '../../src/programs/fail.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import { readInput } from '../io/stdin.ts'
import { fingerprint } from '../keys/fingerprint.ts'
import { connectionTarget, parseNameOption, type ServerArguments } from '../options.ts'
import { goOnline } from '../session/go-online.ts'
import { reportSettings, SettingsFile } from '../settings.ts'

interface SendArguments extends ServerArguments {
  user?: string
  to: string
  timeout: string
  keep?: boolean
}

/** What is known of a message that is not confirmed: whether a client of the recipient may have it. */
class Arrival {
  #isInFlight = false
  #isUnknown = false

  /** Whether it may have arrived. */
  get isPossible(): boolean {
    return this.#isInFlight || this.#isUnknown
  }

  observe(progress: Progress): void {
    if (progress.state === 'sent') this.#isInFlight = true
    if (progress.state !== 'waiting') return
    // An attempt without a result stays unknown, whatever comes of later ones.
    const isAnswered = progress.reason === 'recipient-offline' || progress.reason === 'clock-ahead'
    if (this.#isInFlight && !isAnswered) this.#isUnknown = true
    this.#isInFlight = false
  }
}

/**
 * Sends one message and exits with its delivery result. A message that is not delivered in time is dropped, so that a
 * script can retry; it would send it twice only after exit code 4: the message may have arrived. With `--keep` the user's
 * next client sends it.
 */
export async function send(textArgument: string, args: SendArguments): Promise<void> {
  const timeout = Number(args.timeout)
  if (!(timeout > 0)) fail(EXIT.usage, `--timeout ${args.timeout} is not a duration; give a number of seconds above 0`)
  const to = parseNameOption('--to', args.to)
  const text = textArgument === '-' ? await readText() : textArgument
  if (text === '') fail(EXIT.usage, 'the text is empty; give the text to send')
  const settings = new SettingsFile()
  reportSettings(settings)
  const target = connectionTarget(args, settings)
  let message: Message | undefined
  let online = false
  const arrival = new Arrival()
  /** Whether the server rejects the time of the message. */
  let isAhead = false
  /** Why servers reject the user. */
  let rejection: string | undefined
  const end = (code: number, line?: string): never => {
    if (code !== 0 && message !== undefined && args.keep && !session.keep(message.id)) {
      fail(code, `${line ?? ''}; the message could not be kept: the outbox cannot be used`)
    }
    if (line !== undefined) fail(code, line)
    process.exit(code)
  }
  const session = goOnline(
    target,
    // Leave the other held messages to the user's next client.
    { history: true, ownOutbox: true },
    event => {
      if (event.type === 'notice') {
        // A message that is not on the disk is not sent: waiting until the time-out would not change that.
        if (event.code === 'not-stored' && !arrival.isPossible) {
          end(EXIT.general, `${sanitizeLine(event.text)}; the message is not sent: make it possible, then try again`)
        }
        console.error(sanitizeLine(`mesh-chat: ${event.text}`))
      }
      if (event.type === 'connection' && event.state.phase === 'online') online = true
      if (event.type === 'connection' && event.state.phase === 'waiting') {
        rejection = event.state.code === undefined ? undefined : event.state.reason
      }
      if (event.type === 'message' && event.origin === 'composed') message = event.message
      if (event.type === 'key' && event.state === 'changed' && event.user === to) {
        end(
          EXIT.general,
          `the key of ${to} has changed to: ${fingerprint(event.key)}; check it with ${to}, then type /trust ${to} and the words in mesh-chat`,
        )
      }
      if (event.type !== 'progress') return
      // A message that is refused before it is composed has no other event.
      if (message === undefined ? event.progress.state !== 'refused' || event.to !== to : event.id !== message.id)
        return
      const { progress } = event
      arrival.observe(progress)
      isAhead = progress.state === 'waiting' && progress.reason === 'clock-ahead'
      if (progress.state === 'delivered') end(0)
      if (progress.state === 'refused') end(EXIT.general, `message rejected: ${sanitizeLine(progress.message)}`)
    },
    end,
  )
  session.start()
  session.request({ type: 'compose', to, text })
  setTimeout(
    () => {
      const mayHaveArrived = online && arrival.isPossible
      const retry = mayHaveArrived ? 'with --keep your next client would confirm it' : 'try again, or add --keep'
      const outcome = args.keep ? 'the message is kept; your next client sends it' : `the message is dropped; ${retry}`
      if (!online && rejection !== undefined) end(EXIT.general, `${sanitizeLine(rejection)}; ${outcome}`)
      if (!online) end(EXIT.unavailable, `no server was reachable within ${timeout} s; ${outcome}`)
      if (mayHaveArrived) {
        end(EXIT.unconfirmed, `not confirmed by ${to} within ${timeout} s: it may have arrived; ${outcome}`)
      }
      if (isAhead) end(EXIT.offline, `the time of the message is ahead of the clock of the server; ${outcome}`)
      end(EXIT.offline, `not delivered to ${to} within ${timeout} s; ${outcome}`)
    },
    timerDelay(timeout * 1_000),
  )
}

/** The text on stdin, without the line break at its end. */
async function readText(): Promise<string> {
  try {
    return (await readInput()).replace(/\n$/, '')
  } catch (error) {
    return fail(EXIT.usage, `${(error as Error).message}; give the text to send`)
  }
}
