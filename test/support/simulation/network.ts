import type { Process } from './sim-process.ts'
import type { Timeline } from './timeline.ts'

/** One side of a socket: its program, and what that is told when the socket ends without its doing. */
export interface End {
  process: Process
  closed: (reason: string) => void
}
/** The side that dialled, the side that accepted. */
export type Side = 0 | 1

/** How a socket ends when its program does: what was sent still arrives; it is lost; nobody even hears of the end. */
export type Death = 'orderly' | 'reset' | 'silent'

/** What travels: a frame, that a lossy cut swallows; anything else; the end of the socket, that always arrives. */
type Kind = 'frame' | 'data' | 'end'

/** After so long without a sign of life, and at most twice that, either side gives a socket up, ms. */
const PING_MS = 5_000

const other = (side: Side): Side => (side === 0 ? 1 : 0)

/** Ordered and reliable as TCP is, within itself; different sockets overtake each other. */
export class Socket {
  readonly ends: readonly [End, End]
  readonly open: [boolean, boolean] = [true, true]
  /** Time on the way: at least, and by chance on top, ms. */
  latency: number
  jitter: number
  /** When the last thing sent by each side arrives. */
  readonly arrives: [number, number] = [0, 0]
  /** What has come as far as a cut or a frozen program, by the side that sent it. */
  readonly waiting: [(() => void)[], (() => void)[]] = [[], []]
  /** Whether what a side sent before it died is lost. */
  readonly lost: [boolean, boolean] = [false, false]
  /** A side that is gone and nobody told. */
  silent = false
  /** Whether the programs' pings find a dead socket; where they don't, the core must. */
  readonly pings: boolean
  /** Marks one time without signs of life. */
  obstructed: number | undefined

  constructor(ends: readonly [End, End], pings: boolean, latency: number, jitter: number) {
    this.ends = ends
    this.pings = pings
    this.latency = latency
    this.jitter = jitter
  }
}

/** All sockets, and what stands between the programs. */
export class Network {
  /** Latency and jitter of the next socket, ms. */
  paths: () => [number, number]
  /** Whether frames between servers are lost, all in a cut and some at any time: more than TCP does, less than a bug. */
  lossy = false
  readonly #timeline: Timeline
  readonly #random: () => number
  readonly #sockets = new Set<Socket>()
  readonly #cuts = new Set<string>()
  #obstructions = 0

  constructor(timeline: Timeline, random: () => number) {
    this.#timeline = timeline
    this.#random = random
    this.paths = () => [1, 30]
  }

  open(dialler: End, acceptor: End, pings: boolean): Socket {
    const socket = new Socket([dialler, acceptor], pings, ...this.paths())
    this.#sockets.add(socket)
    this.#review(socket)
    return socket
  }

  /** Sends from a side of a socket. */
  send(socket: Socket, side: Side, deliver: () => void, kind: Kind = 'data'): void {
    if (socket.open[side]) this.#post(socket, side, deliver, kind)
  }

  /** A program closes its side; the other side hears of it in order. */
  hangUp(socket: Socket, side: Side, reason: string): void {
    if (!socket.open[side]) return
    socket.open[side] = false
    socket.waiting[other(side)].length = 0
    this.#post(socket, side, () => this.#ended(socket, other(side), reason), 'end')
    this.#forget(socket)
  }

  /** A program is no more. */
  die(process: Process, death: Death): void {
    for (const socket of [...this.#sockets]) {
      for (const side of [0, 1] as const) {
        if (socket.ends[side].process !== process || !socket.open[side]) continue
        if (death === 'reset') {
          socket.lost[side] = true
          socket.waiting[side].length = 0
        }
        if (death === 'silent') {
          socket.open[side] = false
          socket.silent = true
          this.#review(socket)
          this.#forget(socket)
        } else this.hangUp(socket, side, 'connection reset')
      }
    }
  }

  /** A socket that one dialled to the other breaks; both sides hear of it, and what is on its way is lost. */
  break(dialler: Process, acceptor: Process): void {
    for (const socket of this.#sockets) {
      if (socket.ends[0].process !== dialler || socket.ends[1].process !== acceptor) continue
      for (const side of [0, 1] as const) {
        socket.lost[side] = true
        socket.waiting[side].length = 0
        this.#post(socket, side, () => this.#ended(socket, side === 0 ? 1 : 0, 'connection reset'), 'end')
      }
      return
    }
  }

  /**
   * A machine that went silent is up again: it knows nothing of old sockets, and says so to whoever asks; if no
   * gateway in between swallows that.
   */
  deny(process: Process): void {
    for (const socket of this.#sockets) {
      if (!socket.silent || !socket.ends.some(end => end.process === process) || this.#random() < 0.5) continue
      const side = socket.ends[0].process === process ? 0 : 1
      this.#timeline.after(this.#random() * PING_MS, () => {
        this.#post(socket, side, () => this.#ended(socket, other(side), 'connection reset'), 'end')
      })
    }
  }

  /** Nothing gets from one program to another any more. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`)
    this.#reviewAll()
  }

  heal(): void {
    this.#cuts.clear()
    this.#reviewAll()
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(`${from} ${to}`)
  }

  /** To be called when a program froze. */
  froze(): void {
    this.#reviewAll()
  }

  /** To be called when a program continues after `ms`; its own pings may find first that too much time has passed. */
  thawed(process: Process, ms: number): void {
    for (const socket of [...this.#sockets]) {
      for (const side of [0, 1] as const) {
        if (socket.ends[side].process === process && ms > 2 * PING_MS && this.#random() < 0.5)
          this.#giveUp(socket, side)
      }
    }
    this.#reviewAll()
  }

  /** Chooses the time on the way anew for every socket with which `chosen` agrees. */
  reroute(chosen: (socket: Socket) => boolean, paths = this.paths): void {
    for (const socket of this.#sockets) if (chosen(socket)) [socket.latency, socket.jitter] = paths()
  }

  #post(socket: Socket, side: Side, deliver: () => void, kind: Kind): void {
    const at = this.#timeline.now + socket.latency + this.#random() * socket.jitter
    socket.arrives[side] = Math.max(socket.arrives[side], at)
    this.#timeline.at(socket.arrives[side], () => this.#arrive(socket, side, deliver, kind))
  }

  #arrive(socket: Socket, side: Side, deliver: () => void, kind: Kind): void {
    const far = other(side)
    if (!socket.open[far]) return
    if (socket.lost[side] && kind !== 'end') return
    const cut = this.isCut(socket.ends[side].process.name, socket.ends[far].process.name)
    if (this.lossy && kind === 'frame' && (cut || this.#random() < 0.05)) return
    if (cut || socket.ends[far].process.frozen || socket.waiting[side].length > 0) socket.waiting[side].push(deliver)
    else deliver()
  }

  #release(socket: Socket, side: Side): void {
    const far = other(side)
    const { process } = socket.ends[far]
    while (socket.open[far] && !process.frozen && !this.isCut(socket.ends[side].process.name, process.name)) {
      const deliver = socket.waiting[side].shift()
      if (deliver === undefined) return
      deliver()
    }
  }

  #ended(socket: Socket, side: Side, reason: string): void {
    if (!socket.open[side]) return
    socket.open[side] = false
    this.#forget(socket)
    socket.ends[side].closed(reason)
  }

  #giveUp(socket: Socket, side: Side): void {
    if (!socket.open[side]) return
    this.hangUp(socket, side, 'ping timeout')
    socket.ends[side].closed('ping timeout')
  }

  #forget(socket: Socket): void {
    if (!socket.open[0] && !socket.open[1]) this.#sockets.delete(socket)
  }

  #reviewAll(): void {
    for (const socket of this.#sockets) this.#review(socket)
  }

  /** Starts or stops the wait for a sign of life, and lets go of what nothing holds up any more. */
  #review(socket: Socket): void {
    const [one, two] = [socket.ends[0].process, socket.ends[1].process]
    const cut = this.isCut(one.name, two.name) || this.isCut(two.name, one.name)
    for (const side of [0, 1] as const) {
      if (socket.waiting[side].length > 0) this.#timeline.after(this.#random() * 200, () => this.#release(socket, side))
    }
    if (!cut && !one.frozen && !two.frozen && !socket.silent) {
      socket.obstructed = undefined
      return
    }
    if (socket.obstructed !== undefined || !socket.pings) return
    const obstruction = ++this.#obstructions
    socket.obstructed = obstruction
    const look = () => {
      if (socket.obstructed !== obstruction) return
      for (const side of [0, 1] as const) if (!socket.ends[side].process.frozen) this.#giveUp(socket, side)
      if (socket.open[0] || socket.open[1]) this.#timeline.after(1_000, look)
    }
    this.#timeline.after(PING_MS * (1 + this.#random()), look)
  }
}
