import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'

/** Most bytes of lines that wait for a slow reader; further lines are lost. */
const MAX_QUEUED_BYTES = 1024 * 1024
/** Time until lines that wait for a slow reader are tried again, ms. */
const RETRY_MS = 20
/** Minimum time between two reports of lost lines, ms. */
const MIN_REPORT_INTERVAL_MS = 10_000
/** How often waiting lines are tried when the process exits, and the time between, ms. */
const EXIT_ATTEMPTS = { count: 10, intervalMs: 20 }

export interface LineOutputOptions {
  /** Writes as much as it can without blocking, and returns the number of bytes; throws as `writeSync` does. */
  write: (bytes: Uint8Array) => number
  /** Monotonic clock, ms. */
  now: () => number
  /** Called when a line was written after others were lost; what it writes follows that line. */
  onRecovered: (lost: number, reason: string) => void
}

/**
 * Writes log lines without ever blocking or failing: a log is not worth a server. Lines that cannot be written are lost
 * and counted: when the disk is full, the reader is gone, or the reader has stopped and the queue is full.
 */
export class LineOutput {
  readonly #options: LineOutputOptions
  #queue: Buffer[] = []
  #queuedBytes = 0
  #timer: NodeJS.Timeout | undefined
  #lost = 0
  #reported = 0
  #reportedAt = Number.NEGATIVE_INFINITY
  /** Why the last line was lost. */
  #reason = ''
  /** Whether the first line of the queue is written in part. */
  #isFirstPartial = false
  /** Whether the output ends with a part of a lost line. */
  #isTorn = false

  constructor(options: LineOutputOptions) {
    this.#options = options
  }

  /** The number of lines lost so far. */
  get lost(): number {
    return this.#lost
  }

  /** @param line with its line break */
  write(line: string): void {
    const bytes = Buffer.from(line)
    if (this.#queuedBytes + bytes.length > MAX_QUEUED_BYTES) return this.#lose('the reader is too slow')
    this.#queue.push(bytes)
    this.#queuedBytes += bytes.length
    if (this.#timer === undefined) this.#flush()
  }

  /** Tries to write what waits, for a moment. For the end of the process: it blocks. */
  flushAtExit(): void {
    for (let attempt = 0; attempt < EXIT_ATTEMPTS.count && this.#queue.length > 0; attempt++) {
      if (attempt > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, EXIT_ATTEMPTS.intervalMs)
      this.#flush()
    }
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    let written = 0
    for (let line = this.#queue[0]; line !== undefined; line = this.#queue[0]) {
      const result = this.#writeLine(line)
      if (result === 'blocked') {
        this.#timer = setTimeout(() => this.#flush(), RETRY_MS).unref()
        return
      }
      this.#queuedBytes -= this.#queue.shift()?.length ?? 0
      if (result === 'written') written++
    }
    if (written > 0) this.#report()
  }

  /** Writes the first line of the queue, or what is left of it. */
  #writeLine(line: Buffer): 'written' | 'blocked' | 'lost' {
    try {
      if (this.#isTorn && this.#options.write(LINE_BREAK) > 0) this.#isTorn = false
      for (let rest = line; ; ) {
        const bytes = this.#options.write(rest)
        if (bytes >= rest.length) break
        if (bytes === 0) return 'blocked'
        rest = rest.subarray(bytes)
        this.#queue[0] = rest
        this.#queuedBytes -= bytes
        this.#isFirstPartial = true
      }
      this.#isFirstPartial = false
      return 'written'
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'EAGAIN') return 'blocked'
      this.#isTorn ||= this.#isFirstPartial
      this.#isFirstPartial = false
      this.#lose(reasonOf(code, message))
      return 'lost'
    }
  }

  #lose(reason: string): void {
    this.#lost++
    this.#reason = reason
  }

  #report(): void {
    const lost = this.#lost - this.#reported
    const now = this.#options.now()
    if (lost === 0 || now - this.#reportedAt < MIN_REPORT_INTERVAL_MS) return
    this.#reported = this.#lost
    this.#reportedAt = now
    this.#options.onRecovered(lost, this.#reason)
  }
}

const LINE_BREAK = Buffer.from('\n')

function reasonOf(code: string | undefined, message: string): string {
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'the disk is full'
  if (code === 'EPIPE') return 'the reader was gone'
  return message
}

/** Lines on stdout. */
export function stdoutLines(onRecovered: LineOutputOptions['onRecovered']): LineOutput {
  const fd = nonBlockingStdout()
  const output = new LineOutput({ write: bytes => writeSync(fd, bytes), now: () => performance.now(), onRecovered })
  process.on('exit', () => output.flushAtExit())
  // Nothing else may end the server because stdout or stderr cannot be written.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  return output
}

/** A descriptor of stdout whose writes do not block, as far as the system has one. */
function nonBlockingStdout(): number {
  if (isatty(1)) {
    // A terminal that is stopped with Ctrl+S blocks. Opened again, it does not change the descriptor of other programs.
    try {
      const fd = openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
      if (isatty(fd) && fstatSync(fd).rdev === fstatSync(1).rdev) return fd
      closeSync(fd)
    } catch {
      // Not on this system.
    }
  }
  // Node sets pipes and sockets to non-blocking when it opens the stream.
  void process.stdout
  return 1
}
