import type { SimProcess } from './sim-process.ts'
import type { Timeline } from './timeline.ts'

/** One side of a socket. */
export interface Endpoint {
  process: SimProcess
  /** Called when the socket closes for any reason other than this side's `hangUp`. */
  onClose: (reason: string) => void
}
/** 0: the side that dialled; 1: the side that accepted. */
export type Side = 0 | 1

/**
 * How the sockets of a killed process end. `orderly`: data already sent still arrives, then the end. `reset`: that data
 * is lost, the other side sees a reset. `silent`: the other side sees nothing, as when a machine loses power.
 */
export type TerminationMode = 'orderly' | 'reset' | 'silent'

/** `frame`: between servers, lost in a lossy network. `data`: anything else. `end`: the close of a socket, never lost. */
type PacketKind = 'frame' | 'data' | 'end'

/** A side closes a socket after this long without traffic from the other, and after twice this at the latest, ms. */
const PING_TIMEOUT_MS = 5_000

const oppositeSide = (side: Side): Side => (side === 0 ? 1 : 0)

/** A TCP connection: ordered and reliable in itself, without order between sockets. */
export class SimSocket {
  readonly endpoints: readonly [Endpoint, Endpoint]
  readonly open: [boolean, boolean] = [true, true]
  /** Minimum one-way delay, and the most that is added at random, ms. */
  latency: number
  jitter: number
  /** When the last packet sent by each side arrives. */
  readonly lastArrivalAt: [number, number] = [0, 0]
  /** Packets held up by a cut or a frozen receiver, by the side that sent them. */
  readonly undelivered: [(() => void)[], (() => void)[]] = [[], []]
  /** Whether the packets that a side sent before it was killed are lost. */
  readonly losesSent: [boolean, boolean] = [false, false]
  /** Whether one side is gone without the other having been notified. */
  hasSilentSide = false
  /** Whether transport pings detect a dead socket; without them, the core's heartbeats must. */
  readonly hasPings: boolean
  /** Number of the current period without traffic; undefined: traffic flows. */
  obstruction: number | undefined

  constructor(endpoints: readonly [Endpoint, Endpoint], hasPings: boolean, latency: number, jitter: number) {
    this.endpoints = endpoints
    this.hasPings = hasPings
    this.latency = latency
    this.jitter = jitter
  }
}

/** All sockets between simulated processes, and the cuts between them. */
export class Network {
  /** Chooses latency and jitter for a new socket, ms. */
  nextLatency: () => [number, number]
  /**
   * Whether frames between servers are lost: all of them in a cut, 5 % at any other time. TCP never loses data
   * like this; it simulates bugs of a transport.
   */
  isLossy = false
  readonly #timeline: Timeline
  readonly #random: () => number
  readonly #sockets = new Set<SimSocket>()
  readonly #cuts = new Set<string>()
  #obstructions = 0

  constructor(timeline: Timeline, random: () => number) {
    this.#timeline = timeline
    this.#random = random
    this.nextLatency = () => [1, 30]
  }

  open(dialler: Endpoint, acceptor: Endpoint, hasPings: boolean): SimSocket {
    const socket = new SimSocket([dialler, acceptor], hasPings, ...this.nextLatency())
    this.#sockets.add(socket)
    this.#updateSocket(socket)
    return socket
  }

  /** @param deliver runs when the packet arrives at the other side */
  send(socket: SimSocket, side: Side, deliver: () => void, kind: PacketKind = 'data'): void {
    if (socket.open[side]) this.#transmit(socket, side, deliver, kind)
  }

  /** A process closes its side; the other side is notified after it has received all packets sent before. */
  hangUp(socket: SimSocket, side: Side, reason: string): void {
    if (!socket.open[side]) return
    socket.open[side] = false
    socket.undelivered[oppositeSide(side)].length = 0
    this.#transmit(socket, side, () => this.#closeSide(socket, oppositeSide(side), reason), 'end')
    this.#removeIfClosed(socket)
  }

  /** Ends all sockets of a killed process. */
  terminate(process: SimProcess, mode: TerminationMode): void {
    for (const socket of [...this.#sockets]) {
      for (const side of [0, 1] as const) {
        if (socket.endpoints[side].process !== process || !socket.open[side]) continue
        if (mode === 'reset') {
          socket.losesSent[side] = true
          socket.undelivered[side].length = 0
        }
        if (mode === 'silent') {
          socket.open[side] = false
          socket.hasSilentSide = true
          this.#updateSocket(socket)
          this.#removeIfClosed(socket)
        } else this.hangUp(socket, side, 'connection reset')
      }
    }
  }

  /** Breaks one socket between two processes: both sides see a reset, and packets on their way are lost. */
  break(dialler: SimProcess, acceptor: SimProcess): void {
    for (const socket of this.#sockets) {
      if (socket.endpoints[0].process !== dialler || socket.endpoints[1].process !== acceptor) continue
      for (const side of [0, 1] as const) {
        socket.losesSent[side] = true
        socket.undelivered[side].length = 0
        this.#transmit(socket, side, () => this.#closeSide(socket, side === 0 ? 1 : 0, 'connection reset'), 'end')
      }
      return
    }
  }

  /**
   * A machine that went silent is up again. It answers packets on its old sockets with a reset; half of the time a
   * gateway in between drops that reset.
   */
  resetStaleSockets(process: SimProcess): void {
    for (const socket of this.#sockets) {
      if (!socket.hasSilentSide || !socket.endpoints.some(end => end.process === process) || this.#random() < 0.5)
        continue
      const side = socket.endpoints[0].process === process ? 0 : 1
      this.#timeline.after(this.#random() * PING_TIMEOUT_MS, () => {
        this.#transmit(socket, side, () => this.#closeSide(socket, oppositeSide(side), 'connection reset'), 'end')
      })
    }
  }

  /** Stops all traffic from one process to another, until `heal`. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`)
    this.#updateSockets()
  }

  heal(): void {
    this.#cuts.clear()
    this.#updateSockets()
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(`${from} ${to}`)
  }

  /** Call this after a process froze. */
  handleFreeze(): void {
    this.#updateSockets()
  }

  /** Call this after a process continued; after a long freeze of `ms`, its own pings may time out before it reads. */
  handleThaw(process: SimProcess, ms: number): void {
    for (const socket of [...this.#sockets]) {
      for (const side of [0, 1] as const) {
        if (socket.endpoints[side].process === process && ms > 2 * PING_TIMEOUT_MS && this.#random() < 0.5)
          this.#timeOut(socket, side)
      }
    }
    this.#updateSockets()
  }

  /** Chooses new latencies for the sockets that `isChosen` accepts. */
  changeLatency(isChosen: (socket: SimSocket) => boolean, nextLatency = this.nextLatency): void {
    for (const socket of this.#sockets) if (isChosen(socket)) [socket.latency, socket.jitter] = nextLatency()
  }

  #transmit(socket: SimSocket, side: Side, deliver: () => void, kind: PacketKind): void {
    const at = this.#timeline.now + socket.latency + this.#random() * socket.jitter
    socket.lastArrivalAt[side] = Math.max(socket.lastArrivalAt[side], at)
    this.#timeline.at(socket.lastArrivalAt[side], () => this.#arrive(socket, side, deliver, kind))
  }

  #arrive(socket: SimSocket, side: Side, deliver: () => void, kind: PacketKind): void {
    const far = oppositeSide(side)
    if (!socket.open[far]) return
    if (socket.losesSent[side] && kind !== 'end') return
    const cut = this.isCut(socket.endpoints[side].process.name, socket.endpoints[far].process.name)
    if (this.isLossy && kind === 'frame' && (cut || this.#random() < 0.05)) return
    if (cut || socket.endpoints[far].process.frozen || socket.undelivered[side].length > 0)
      socket.undelivered[side].push(deliver)
    else deliver()
  }

  #deliverHeldUp(socket: SimSocket, side: Side): void {
    const far = oppositeSide(side)
    const { process } = socket.endpoints[far]
    while (socket.open[far] && !process.frozen && !this.isCut(socket.endpoints[side].process.name, process.name)) {
      const deliver = socket.undelivered[side].shift()
      if (deliver === undefined) return
      deliver()
    }
  }

  #closeSide(socket: SimSocket, side: Side, reason: string): void {
    if (!socket.open[side]) return
    socket.open[side] = false
    this.#removeIfClosed(socket)
    socket.endpoints[side].onClose(reason)
  }

  #timeOut(socket: SimSocket, side: Side): void {
    if (!socket.open[side]) return
    this.hangUp(socket, side, 'ping timeout')
    socket.endpoints[side].onClose('ping timeout')
  }

  #removeIfClosed(socket: SimSocket): void {
    if (!socket.open[0] && !socket.open[1]) this.#sockets.delete(socket)
  }

  #updateSockets(): void {
    for (const socket of this.#sockets) this.#updateSocket(socket)
  }

  /** Starts or stops the ping timeout of a socket, and delivers the packets that are no longer held up. */
  #updateSocket(socket: SimSocket): void {
    const [one, two] = [socket.endpoints[0].process, socket.endpoints[1].process]
    const cut = this.isCut(one.name, two.name) || this.isCut(two.name, one.name)
    for (const side of [0, 1] as const) {
      if (socket.undelivered[side].length > 0)
        this.#timeline.after(this.#random() * 200, () => this.#deliverHeldUp(socket, side))
    }
    if (!cut && !one.frozen && !two.frozen && !socket.hasSilentSide) {
      socket.obstruction = undefined
      return
    }
    if (socket.obstruction !== undefined || !socket.hasPings) return
    const obstruction = ++this.#obstructions
    socket.obstruction = obstruction
    const check = () => {
      if (socket.obstruction !== obstruction) return
      for (const side of [0, 1] as const) if (!socket.endpoints[side].process.frozen) this.#timeOut(socket, side)
      if (socket.open[0] || socket.open[1]) this.#timeline.after(1_000, check)
    }
    this.#timeline.after(PING_TIMEOUT_MS * (1 + this.#random()), check)
  }
}
