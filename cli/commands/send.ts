import type { Progress, RoomState } from '../../src/client/events.ts'
import { timerDelay } from '../../src/common/time.ts'
import { EXIT, fail } from '../../src/programs/command-line/fail.ts'
import { didYouMean } from '../../src/programs/command-line/suggestion.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { isRoom } from '../../src/protocol/rooms.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import { SeenUsers } from '../common/seen-users.ts'
import { readInput } from '../io/stdin.ts'
import { fingerprint } from '../keys/fingerprint.ts'
import { connectionTarget, parseThreadOption, type ServerArguments } from '../options.ts'
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
    const isAnswered = ['recipient-offline', 'clock-ahead', 'not-joined'].includes(progress.reason)
    if (this.#isInFlight && !isAnswered) this.#isUnknown = true
    this.#isInFlight = false
  }
}

/**
 * Sends one message and exits with its delivery result. A message that is not delivered in time is dropped, so that a
 * script can retry; it would send it twice only after exit code 4: the message may have arrived. With `--keep` the user's
 * next client sends it.
 *
 * For a message to a room the user is in the room meanwhile, unknown to the user's other clients; with `--keep`, for good, so
 * that the next client can send it. Delivered: another member has confirmed it.
 */
export async function send(textArgument: string, args: SendArguments): Promise<void> {
  const timeout = Number(args.timeout)
  if (!(timeout > 0)) fail(EXIT.usage, `--timeout ${args.timeout} is not a duration; give a number of seconds above 0`)
  const to = parseThreadOption('--to', args.to)
  const room = isRoom(to) ? to : undefined
  const text = textArgument === '-' ? await readText() : textArgument
  if (text === '') fail(EXIT.usage, 'the text is empty; give the text to send')
  const settings = new SettingsFile()
  reportSettings(settings)
  const target = connectionTarget(args, settings)
  let message: Message | undefined
  let online = false
  const arrival = new Arrival()
  let seen: SeenUsers | undefined
  const warn = (warning: string) => console.error(`mesh-chat: ${warning}`)
  /** Whether the server rejects the time of the message. */
  let isAhead = false
  /** Why servers reject the user. */
  let rejection: string | undefined
  let isJoined = false
  /** Why the server does not let the user into the room for now. */
  let roomProblem = ''
  /** Whether nobody else is in the room. */
  let isAlone = false
  /** The other rooms of the mesh, once they are known. */
  let otherRooms: readonly string[] | undefined
  const end = (code: number, line?: string): never => {
    if (code !== 0 && message !== undefined && args.keep && !session.keep(message.id)) {
      fail(code, `${line ?? ''}; the message could not be kept: the outbox cannot be used`)
    }
    // The receipt of the message is written now.
    session.closeFiles()
    if (line !== undefined) fail(code, line)
    process.exit(code)
  }
  const handleRoom = (state: RoomState) => {
    isJoined = state.state === 'joined'
    if (state.state !== 'refused' && state.state !== 'rejected') return
    roomProblem = `: ${sanitizeLine(state.message)}`
    // Nothing changes that before the timeout.
    if (state.code === 'rate-limited') return
    session.closeFiles()
    fail(EXIT.general, `cannot join ${to}${roomProblem}; the message is not sent`)
  }
  const session = goOnline(
    target,
    // Leave the other held messages, and the other rooms, to the user's next client.
    { history: true, ownOutbox: true, ownRooms: room === undefined || !args.keep, views: true, roomHistoryDays: 0 },
    event => {
      if (event.type === 'notice') {
        // A message that is not on the disk is not sent: waiting until the time-out would not change that.
        if (event.code === 'not-stored' && !arrival.isPossible) {
          end(EXIT.general, `${sanitizeLine(event.text)}; the message is not sent: make it possible, then try again`)
        }
        console.error(sanitizeLine(`mesh-chat: ${event.text}`))
      }
      for (const warning of seen?.handleEvent(event) ?? []) warn(warning)
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
      if (event.type === 'room' && event.room === room) handleRoom(event.state)
      if (event.type === 'room-list') otherRooms = event.rooms.map(({ room }) => room).filter(name => name !== room)
      if (event.type !== 'progress') return
      // A message that is refused before it is composed has no other event.
      if (message === undefined ? event.progress.state !== 'refused' || event.to !== to : event.id !== message.id)
        return
      const { progress } = event
      arrival.observe(progress)
      isAhead = progress.state === 'waiting' && progress.reason === 'clock-ahead'
      isAlone = room !== undefined && progress.state === 'waiting' && progress.reason === 'recipient-offline'
      // For a suggestion, if the name of the room is wrong.
      if (isAlone && otherRooms === undefined) session.request({ type: 'list-rooms' })
      if (progress.state === 'delivered') end(0)
      if (progress.state === 'refused') end(EXIT.general, `message rejected: ${sanitizeLine(progress.message)}`)
    },
    end,
  )
  seen = new SeenUsers(target.user, session.history?.threads().map(({ name }) => name) ?? [])
  const warning = seen.check(to)
  if (warning !== undefined) warn(warning)
  session.start()
  if (room !== undefined) session.request({ type: 'join', room })
  session.request({ type: 'compose', to, text })
  setTimeout(
    () => {
      const mayHaveArrived = online && arrival.isPossible
      const retry = mayHaveArrived ? 'with --keep your next client would confirm it' : 'try again, or add --keep'
      const outcome = args.keep ? 'the message is kept; your next client sends it' : `the message is dropped; ${retry}`
      if (!online && rejection !== undefined) end(EXIT.general, `${sanitizeLine(rejection)}; ${outcome}`)
      if (!online) end(EXIT.unavailable, `no server was reachable within ${timeout} s; ${outcome}`)
      if (mayHaveArrived) {
        const by = room === undefined ? to : `anyone in ${room}`
        end(EXIT.unconfirmed, `not confirmed by ${by} within ${timeout} s: it may have arrived; ${outcome}`)
      }
      if (room !== undefined && !isJoined) {
        end(EXIT.offline, `not in ${room} within ${timeout} s${roomProblem}; ${outcome}`)
      }
      if (isAlone) end(EXIT.offline, `nobody else is in ${room}${didYouMean(to, otherRooms ?? [])}; ${outcome}`)
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
