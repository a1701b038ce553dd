import { clampTime } from '../common/time.ts'
import type { ClockReading } from '../protocol/frames.ts'

/** A server does not follow the mesh further than this from its own clock, ms: clients do not use such a server either. */
export const MAX_CORRECTION_MS = 24 * 3_600_000
/** Measurements of one peer's clock that are compared: the one with the shortest round trip counts. */
const SAMPLES = 8
/** A measurement that differs by less than this from the one that counts is not compared with all others, ms. */
const NOTICED_CHANGE_MS = 1
/** Time between two comparisons of all clocks, although none has changed, ms. */
const MAX_UPDATE_INTERVAL_MS = 60_000
/** A clock that was not measured for this long does not count any more, ms. */
const MEASUREMENT_TTL_MS = 3_600_000
/** The machine's clock was changed if it differs by more than this from the time that has passed, ms. */
const STEP_MS = 20
/** A clock that differs from the mesh time by more than this is reported, ms; and again when it is right by half of it. */
const REPORTED_DIFFERENCE_MS = 5_000

/** One measurement of a peer's clock, relative to this machine's monotonic clock. All in ms. */
interface Sample {
  /** Its machine's wall clock minus `now`. */
  machine: number
  /** Its mesh time minus `now`. */
  mesh: number
  /** When it started; on the monotonic clock of this machine. */
  startedAt: number
  roundTrip: number
  measuredAt: number
}

interface PeerClock {
  machineName: string
  /** The last measurements. */
  samples: readonly Sample[]
  /** The one with the least error, which is at most half of the round trip (RFC 5905, section 10). */
  counted: Sample
}

/**
 * The common time of the mesh: the median of the wall clocks of all servers that this one measures, its own included. A
 * minority of wrong clocks, also one that jumps, does not change it. All offsets are relative to the monotonic clock.
 *
 * With an even number of clocks there are two middle ones: the one nearest to the mesh time of the server that has run
 * longest counts, so that a new server, or one whose clock jumps, does not move the time of the others.
 */
export class MeshClock {
  readonly #server: string
  readonly #peers = new Map<string, PeerClock>()
  /** The servers whose clocks were reported as wrong. */
  readonly #reported = new Set<string>()
  /** The machine's wall clock minus the monotonic clock. */
  #machine = Number.NaN
  #startedAt = 0
  /** The mesh time minus the monotonic clock. */
  #mesh = Number.NaN
  #updatedAt = Number.NEGATIVE_INFINITY

  /** @param server the id of this server */
  constructor(server: string) {
    this.#server = server
  }

  /** The mesh time minus the monotonic clock, ms. */
  get offset(): number {
    return this.#mesh
  }

  /** Reads the clocks of this machine; returns the mesh time, ms since 1970. */
  read(now: number, wall: number): number {
    const machine = wall - now
    if (Number.isNaN(this.#machine)) this.#startedAt = now
    if (!(Math.abs(machine - this.#machine) <= STEP_MS)) {
      this.#machine = machine
      this.#update(now)
    }
    return clampTime(now + this.#mesh)
  }

  /** What this server tells its peers. */
  reading(now: number): ClockReading {
    return { machine: now + this.#machine, mesh: now + this.#mesh, uptime: now - this.#startedAt }
  }

  /** How far this machine's clock is ahead of the mesh time, ms. */
  get ahead(): number {
    return this.#machine - this.#mesh
  }

  /**
   * The servers whose clocks have become wrong or right again since the last call, with the difference to the mesh time in
   * ms: positive if the clock is ahead.
   */
  takeChanges(): { server: string; ahead: number; isWrong: boolean }[] {
    const changes: { server: string; ahead: number; isWrong: boolean }[] = []
    const check = (server: string, machine: number) => {
      const ahead = machine - this.#mesh
      const wasWrong = this.#reported.has(server)
      const isWrong = Math.abs(ahead) > (wasWrong ? REPORTED_DIFFERENCE_MS / 2 : REPORTED_DIFFERENCE_MS)
      if (isWrong === wasWrong) return
      if (isWrong) this.#reported.add(server)
      else this.#reported.delete(server)
      changes.push({ server, ahead, isWrong })
    }
    check(this.#server, this.#machine)
    for (const [peer, { counted }] of this.#peers) check(peer, counted.machine)
    return changes
  }

  /**
   * Notes the clock of a peer.
   * @param sentAt when the heartbeat was sent to which `reading` is the answer
   */
  observe(peer: string, { machine, mesh, uptime }: ClockReading, sentAt: number, now: number): void {
    const middle = (sentAt + now) / 2
    const sample = {
      machine: machine - middle,
      mesh: mesh - middle,
      startedAt: middle - uptime,
      roundTrip: now - sentAt,
      measuredAt: now,
    }
    const known = this.#peers.get(peer)
    const samples = [...(known?.samples ?? []), sample].slice(-SAMPLES)
    const best = samples.reduce((best, sample) => (sample.roundTrip < best.roundTrip ? sample : best))
    const isChanged = known === undefined || differs(known.counted, best)
    const counted = isChanged ? best : { ...known.counted, measuredAt: best.measuredAt }
    this.#peers.set(peer, { machineName: known?.machineName ?? machineOf(peer), samples, counted })
    if (isChanged || now - this.#updatedAt > MAX_UPDATE_INTERVAL_MS) this.#update(now)
  }

  /** Forgets the clock of a peer that is not in the mesh any more. */
  forget(peer: string): void {
    this.#peers.delete(peer)
    this.#reported.delete(peer)
  }

  #update(now: number): void {
    this.#updatedAt = now
    const clocks = new Map([[machineOf(this.#server), this.#machine]])
    let oldest = { startedAt: this.#startedAt, mesh: Number.isNaN(this.#mesh) ? this.#machine : this.#mesh }
    for (const { machineName, counted } of this.#peers.values()) {
      if (now - counted.measuredAt > MEASUREMENT_TTL_MS || clocks.has(machineName)) continue
      clocks.set(machineName, counted.machine)
      if (counted.startedAt < oldest.startedAt) oldest = counted
    }
    const median = medianNear([...clocks.values()], oldest.mesh)
    this.#mesh = Math.min(this.#machine + MAX_CORRECTION_MS, Math.max(this.#machine - MAX_CORRECTION_MS, median))
  }
}

/** The workers of one server share the clock of their machine: it counts once. */
function machineOf(server: string): string {
  return server.split('/', 1)[0] ?? server
}

/** Whether another measurement of a clock changes the common time. */
function differs(one: Sample, other: Sample): boolean {
  const difference = Math.max(Math.abs(one.machine - other.machine), Math.abs(one.mesh - other.mesh))
  return difference > NOTICED_CHANGE_MS || Math.abs(one.startedAt - other.startedAt) > STEP_MS
}

/** The middle value; of two middle values the one nearest to `reference`. */
function medianNear(values: number[], reference: number): number {
  values.sort((a, b) => a - b)
  const upper = values[values.length >> 1] ?? reference
  const lower = values[(values.length - 1) >> 1] ?? reference
  return Math.abs(upper - reference) < Math.abs(lower - reference) ? upper : lower
}
