import type { SessionEvent } from '../../../src/client/events.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { isRoom } from '../../../src/protocol/rooms.ts'
import { SIMULATION_EPOCH_MS } from './sim-process.ts'
import type { Timeline } from './timeline.ts'

/** One line of a transcript: the simulated time, ms, the process, and the event. */
export interface TranscriptLine {
  at: number
  who: string
  what: string
}

/** The part of a client that the recorder checks. */
interface RecordedClient {
  readonly user: string
  readonly history: ReadonlyMap<string, Message>
}

/** An answer must sort after its question while its author's idea of the mesh time is wrong by at most this much, ms. */
export const MAX_SANE_SKEW_MS = 10_000
/** Problems kept of one simulation. */
const MAX_PROBLEMS = 20
/** With such clocks, no message up to this far ahead of the true time is rejected as from a broken clock, ms. */
const MAX_MERGED_AHEAD_MS = 35_000

/** Records every composed message, and the problems found while a simulation runs. */
export class Recorder {
  readonly #timeline: Timeline
  /** Lines of the transcript; undefined: none is kept. */
  lines: TranscriptLine[] | undefined
  readonly problems: string[] = []
  /** Every message composed, with the true time of its composition, ms. */
  readonly composed = new Map<string, { message: Message; at: number }>()
  /** Messages whose sender was told that they are taken back. */
  readonly cancelled = new Set<string>()
  /** Messages whose sender was told that they are deleted, because a server may have accepted them. */
  readonly withdrawn = new Set<string>()
  /** Messages that a client was asked to take back, and did not refuse: it may have been killed before its answer. */
  readonly mayBeCancelled = new Set<string>()
  /** How often clients sent each message to a server. */
  readonly sendCounts = new Map<string, number>()
  readonly clients: RecordedClient[] = []
  /** Users with the rooms that they have joined at some time. */
  readonly #joined = new Set<string>()
  /** Pairs of users and the recipients of what they have typed. */
  readonly #typed = new Set<string>()
  /** Whether every fault is too short to be noticed: no user may disappear from a roster. */
  expectsNoDisruption = false
  /** The lowest skew that the clock of a server has had, ms; negative or 0. Wrong clocks of a minority do not count. */
  minServerSkew = 0

  constructor(timeline: Timeline) {
    this.#timeline = timeline
  }

  log(who: string, what: string): void {
    this.lines?.push({ at: this.#timeline.now, who, what })
  }

  addProblem(problem: string): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push(problem)
    this.log('PROBLEM', problem)
  }

  recordJoin(user: string, room: string): void {
    this.#joined.add(`${user} ${room}`)
  }

  /** Checks that a message to a room is shown to users only who have joined it at some time. */
  checkMember(client: string, user: string, message: Message): void {
    if (isRoom(message.to) && !this.#joined.has(`${user} ${message.to}`))
      this.addProblem(`${client} shows ${describeMessage(message)}, and ${user} has never joined that room`)
  }

  recordTyping(user: string, to: string): void {
    this.#typed.add(`${user} ${to}`)
  }

  /** Checks that a typing notice is of a user who has typed that, and goes to its recipients only. */
  checkTyping(writer: string, receiver: string, { from, to }: { from: string; to: string }): void {
    const notice = `${writer} tells that ${from} writes to ${to}`
    if (!this.#typed.has(`${from} ${to}`)) this.addProblem(`${notice}, which is not true`)
    if (receiver === from) this.addProblem(`${notice}, to ${from} themselves`)
    if (isRoom(to) ? !this.#joined.has(`${receiver} ${to}`) : receiver !== to)
      this.addProblem(`${notice}, which does not concern ${receiver}`)
  }

  recordCancelled(id: string): void {
    this.cancelled.add(id)
    this.composed.delete(id)
  }

  recordSend(id: string): void {
    if (this.cancelled.has(id)) this.addProblem(`${id} is sent after it was taken back`)
    this.sendCounts.set(id, (this.sendCounts.get(id) ?? 0) + 1)
  }

  /**
   * Checks that a server writes a message to one connection at most as often as clients sent it.
   * @param times how often it wrote it so far, this time included
   */
  checkWrite(writer: string, message: Message, times: number): void {
    if (times > (this.sendCounts.get(message.id) ?? 0)) {
      this.addProblem(`${writer} writes ${describeMessage(message)} more often to one connection than it was sent`)
    }
  }

  /** Checks that a message reported to its sender as delivered is on the disk of a client of its recipient. */
  checkDelivered(sender: string, id: string): void {
    const message = this.composed.get(id)?.message
    if (message === undefined || !this.clients.some(client => isRecipientWith(message, client))) {
      this.addProblem(`${sender} shows ${id} as delivered, but no client of ${message?.to} has it`)
    }
  }

  /** Whether the messages that a reader of this one composes later must sort after it. */
  repliesMustSortAfter(message: Message): boolean {
    return message.at <= SIMULATION_EPOCH_MS + this.#timeline.now + MAX_MERGED_AHEAD_MS
  }

  /** Whether a client's idea of the mesh time minus the monotonic clock, ms, is right. */
  isTimeRight(offset: number | undefined): boolean {
    return offset !== undefined && Math.abs(offset - SIMULATION_EPOCH_MS) <= MAX_SANE_SKEW_MS
  }

  /**
   * Whether servers may reject a message as ahead of their clocks. If another server may have accepted it before, its sender
   * holds it until that time.
   */
  mayBeRefusedAsAhead(id: string): boolean {
    const known = this.composed.get(id)
    return (
      known !== undefined &&
      known.message.at > SIMULATION_EPOCH_MS + this.#timeline.now + Math.min(0, this.minServerSkew) + 30_000
    )
  }
}

/** Whether a client of the recipient, or of another member of the room, has a message on its disk. */
export function isRecipientWith({ id, from, to }: Message, { user, history }: RecordedClient): boolean {
  return (isRoom(to) ? user !== from : user === to) && history.has(id)
}

export function describeMessage(message: Message): string {
  return `${message.id} from ${message.from} to ${message.to}`
}

/** A session's event as a line of the transcript; undefined: it adds nothing to the lines before. */
export function describeEvent(event: SessionEvent): string | undefined {
  switch (event.type) {
    case 'connection': {
      const { state } = event
      if (state.phase === 'waiting') return `waits to reconnect: ${state.reason}`
      if (state.phase === 'connecting') return `dials ${state.server}`
      return state.phase === 'online' ? `is online at ${state.server}` : state.phase
    }
    case 'roster':
      return `roster: ${[...event.users].join(', ')}`
    case 'message':
      return event.origin === 'composed' ? undefined : `shows ${describeMessage(event.message)} (${event.origin})`
    case 'cancelled':
      return `has taken ${describeMessage(event.message)} back${event.isDeleted ? ', with a deletion' : ''}`
    case 'redated':
      return `dates ${describeMessage(event.message)} again`
    case 'progress': {
      const { progress, id } = event
      if (progress.state === 'sent') return undefined
      return `${id} ${Object.values(progress).join(' ')}`
    }
    default:
      return undefined
  }
}
