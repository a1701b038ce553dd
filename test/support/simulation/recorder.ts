import type { SessionEvent } from '../../../src/client/events.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { SIMULATION_EPOCH_MS } from './sim-process.ts'
import type { Timeline } from './timeline.ts'

/** One line of a transcript: when, who, what. */
export interface TranscriptLine {
  at: number
  who: string
  what: string
}

/** A user's program, as far as the truth cares. */
interface RecordedClient {
  readonly user: string
  readonly history: ReadonlyMap<string, Message>
}

/** Server clocks are this far apart at most where an answer must sort behind its question, ms. */
export const MAX_SANE_SKEW_MS = 10_000
/** … and then no message this far ahead of the truth is taken for a broken clock's, ms. */
const MAX_MERGED_AHEAD_MS = 35_000

/** What really happened in a mesh, and what should not have. */
export class Recorder {
  readonly #timeline: Timeline
  /** Lines of a transcript, if one is wanted. */
  lines: TranscriptLine[] | undefined
  readonly problems: string[] = []
  /** Every message composed, with the true time at which it was. */
  readonly composed = new Map<string, { message: Message; at: number }>()
  /** How often each message was given to a server by a client. */
  readonly sendCounts = new Map<string, number>()
  readonly clients: RecordedClient[] = []
  /** Whether the servers' clocks are near enough for an answer to sort behind its question. */
  areClocksSane = true
  /** Whether nothing happens that anybody should notice. */
  expectsNoDisruption = false
  /** The most that a server's clock was behind the truth, ms, negative. */
  minServerSkew = 0

  constructor(timeline: Timeline) {
    this.#timeline = timeline
  }

  log(who: string, what: string): void {
    this.lines?.push({ at: this.#timeline.now, who, what })
  }

  addProblem(what: string): void {
    if (this.problems.length < 20) this.problems.push(what)
    this.log('PROBLEM', what)
  }

  recordSend(id: string): void {
    this.sendCounts.set(id, (this.sendCounts.get(id) ?? 0) + 1)
  }

  /** A server writes a message to a connection, `times` by now: never more often than it was sent. */
  checkWrite(who: string, message: Message, times: number): void {
    if (times > (this.sendCounts.get(message.id) ?? 0)) {
      this.addProblem(`${who} writes ${describeMessage(message)} more often to one connection than it was sent`)
    }
  }

  /** A sender is told that a message was confirmed: then a client of its recipient has it on disk. */
  checkDelivered(who: string, id: string): void {
    const to = this.composed.get(id)?.message.to
    if (!this.clients.some(({ user, history }) => user === to && history.has(id))) {
      this.addProblem(`${who} is told that ${id} was delivered, and no client of ${to} has it`)
    }
  }

  /** Whether a message seen now must be followed by what its reader composes later. */
  repliesMustSortAfter(message: Message): boolean {
    return this.areClocksSane && message.at <= SIMULATION_EPOCH_MS + this.#timeline.now + MAX_MERGED_AHEAD_MS
  }

  /** Whether a server may have refused the message as ahead of its clock: its sender then holds it for long. */
  mayBeRefusedAsAhead(id: string): boolean {
    const known = this.composed.get(id)
    return known !== undefined && known.message.at > SIMULATION_EPOCH_MS + known.at + this.minServerSkew + 55_000
  }
}

export function describeMessage(message: Message): string {
  return `${message.id} from ${message.from} to ${message.to}`
}

/** What a screen shows of an event, for a transcript; undefined for what says nothing new. */
export function describeEvent(event: SessionEvent): string | undefined {
  switch (event.type) {
    case 'connection': {
      const { state } = event
      if (state.phase === 'waiting') return `waits: ${state.reason}`
      if (state.phase === 'connecting') return `dials ${state.server}`
      return state.phase === 'online' ? `is online at ${state.server}` : state.phase
    }
    case 'roster':
      return `roster: ${[...event.users].join(', ')}`
    case 'message':
      return event.origin === 'composed' ? undefined : `shows ${describeMessage(event.message)} (${event.origin})`
    case 'progress': {
      const { progress, id } = event
      if (progress.state === 'sent') return undefined
      return `${id} ${Object.values(progress).join(' ')}`
    }
    default:
      return undefined
  }
}
