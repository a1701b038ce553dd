import type { SimProcess } from './sim-process.ts'
import type { Timeline } from './timeline.ts'

/** One side of a socket: its program, and what that is told when the socket ends without its doing. */
export interface Endpoint {
  process: SimProcess
  onClose: (reason: string) => void
}
/** The side that dialled, the side that accepted. */
export type Side = 0 | 1

/** How a socket ends when its program does: what was sent still arrives; it is lost; nobody even hears of the end. */
export type TerminationMode = 'orderly' | 'reset' | 'silent'

/** What travels: a frame, that a lossy cut swallows; anything else; the end of the socket, that always arrives. */
type PacketKind = 'frame' | 'data' | 'end'

/** After so long without a sign of life, and at most twice that, either side gives a socket up, ms. */
const PING_TIMEOUT_MS = 5_000

const oppositeSide = (side: Side): Side => (side === 0 ? 1 : 0)

/** Ordered and reliable as TCP is, within itself; different sockets overtake each other. */
export class SimSocket {
  readonly endpoints: readonly [Endpoint, Endpoint]
  readonly open: [boolean, boolean] = [true, true]
  /** Time on the way: at least, and by chance on top, ms. */
  latency: number
  jitter: number
  /** When the last thing sent by each side arrives. */
  readonly lastArrivalAt: [number, number] = [0, 0]
  /** What has come as far as a cut or a frozen program, by the side that sent it. */
  readonly undelivered: [(() => void)[], (() => void)[]] = [[], []]
  /** Whether what a side sent before it died is lost. */
  readonly losesSent: [boolean, boolean] = [false, false]
  /** A side that is gone and nobody told. */
  hasSilentSide = false
  /** Whether the programs' pings find a dead socket; where they don't, the core must. */
  readonly hasPings: boolean
  /** Marks one time without signs of life. */
  obstruction: number | undefined

  constructor(ends: readonly [Endpoint, Endpoint], pings: boolean, latency: number, jitter: number) {
    this.endpoints = ends
    this.hasPings = pings
    this.latency = latency
    this.jitter = jitter
  }
}

/** All sockets, and what stands between the programs. */
export class Network {
  /** Latency and jitter of the next socket, ms. */
  nextLatency: () => [number, number]
  /** Whether frames between servers are lost, all in a cut and some at any time: more than TCP does, less than a bug. */
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

  open(dialler: Endpoint, acceptor: Endpoint, pings: boolean): SimSocket {
    const socket = new SimSocket([dialler, acceptor], pings, ...this.nextLatency())
    this.#sockets.add(socket)
    this.#updateSocket(socket)
    return socket
  }

  /** Sends from a side of a socket. */
  send(socket: SimSocket, side: Side, deliver: () => void, kind: PacketKind = 'data'): void {
    if (socket.open[side]) this.#transmit(socket, side, deliver, kind)
  }

  /** A program closes its side; the other side hears of it in order. */
  hangUp(socket: SimSocket, side: Side, reason: string): void {
    if (!socket.open[side]) return
    socket.open[side] = false
    socket.undelivered[oppositeSide(side)].length = 0
    this.#transmit(socket, side, () => this.#closeSide(socket, oppositeSide(side), reason), 'end')
    this.#removeIfClosed(socket)
  }

  /** A program is no more. */
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

  /** A socket that one dialled to the other breaks; both sides hear of it, and what is on its way is lost. */
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
   * A machine that went silent is up again: it knows nothing of old sockets, and says so to whoever asks; if no
   * gateway in between swallows that.
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

  /** Nothing gets from one program to another any more. */
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

  /** To be called when a program froze. */
  handleFreeze(): void {
    this.#updateSockets()
  }

  /** To be called when a program continues after `ms`; its own pings may find first that too much time has passed. */
  handleThaw(process: SimProcess, ms: number): void {
    for (const socket of [...this.#sockets]) {
      for (const side of [0, 1] as const) {
        if (socket.endpoints[side].process === process && ms > 2 * PING_TIMEOUT_MS && this.#random() < 0.5)
          this.#timeOut(socket, side)
      }
    }
    this.#updateSockets()
  }

  /** Chooses the time on the way anew for every socket with which `chosen` agrees. */
  changeLatency(chosen: (socket: SimSocket) => boolean, nextLatency = this.nextLatency): void {
    for (const socket of this.#sockets) if (chosen(socket)) [socket.latency, socket.jitter] = nextLatency()
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

  #deliverWaiting(socket: SimSocket, side: Side): void {
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

  /** Starts or stops the wait for a sign of life, and lets go of what nothing holds up any more. */
  #updateSocket(socket: SimSocket): void {
    const [one, two] = [socket.endpoints[0].process, socket.endpoints[1].process]
    const cut = this.isCut(one.name, two.name) || this.isCut(two.name, one.name)
    for (const side of [0, 1] as const) {
      if (socket.undelivered[side].length > 0)
        this.#timeline.after(this.#random() * 200, () => this.#deliverWaiting(socket, side))
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
