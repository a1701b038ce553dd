import { writeSync } from 'node:fs'
import { EXIT } from '../../src/programs/command-line/fail.ts'

/**
 * Turn on bracketed paste; full screen: also switch to the alternate screen and clear it. There, a text that the terminal
 * draws wider than expected is cut at the right edge (no auto-wrap) and does not spill into the next row.
 */
const ENTER_SEQUENCES = { screen: '\u001b[?1049h\u001b[?7l\u001b[?2004h\u001b[2J\u001b[H', inline: '\u001b[?2004h' }
/** Undo all terminal modes that the program may have set; harmless for those that it has not. */
const LEAVE_SEQUENCES = {
  screen: '\u001b[?2026l\u001b[?7h\u001b[?2004l\u001b[0m\u001b[?25h\u001b[?1049l',
  inline: '\u001b[?2004l\u001b[0m\u001b[?25h\r',
}

/** Time after which a program that was not stopped resumes, ms. Without a shell that could resume it, nothing stops it. */
const STOP_TIMEOUT_MS = 200

/** Time after which Ctrl+C is for this program again, ms, when another one has given the terminal back. */
const INTERRUPT_DELAY_MS = 200

const SIGNAL_EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** What the screen does when the program gives the terminal back, and when it gets it again. */
export interface ScreenState {
  /** Draws everything again. */
  redraw: () => void
  /** What to write after the terminal was set up, before `redraw`. Default: nothing. */
  opening?: () => string
  /** What to write before the terminal is restored. Default: nothing. */
  closing?: () => string
}

/**
 * Sets up the terminal and restores it however the program ends: exit, signal, crash, or suspend (Ctrl+Z, SIGTSTP). After
 * any stop, also by SIGSTOP, it sets the terminal up again and redraws.
 */
export class TerminalGuard {
  readonly #mode: 'screen' | 'inline'
  #isActive = false
  #isSuspended = false
  #screen: ScreenState = { redraw: () => {} }

  /** @param beforeExit called before a signal ends the program, for example to close the history */
  constructor(mode: 'screen' | 'inline', beforeExit: () => void) {
    this.#mode = mode
    process.on('exit', () => this.leave())
    for (const [signal, code] of Object.entries(SIGNAL_EXIT_CODES)) {
      process.on(signal, () => {
        beforeExit()
        this.leave()
        process.exit(code)
      })
    }
    const crash = (error: unknown) => {
      this.leave()
      console.error(error)
      process.exit(EXIT.crash)
    }
    process.on('uncaughtException', crash)
    process.on('unhandledRejection', crash)
    // The terminal is gone: nothing can be restored or reported.
    process.stdout.on('error', () => process.exit(SIGNAL_EXIT_CODES.SIGHUP))
    process.stdin.on('error', () => process.exit(SIGNAL_EXIT_CODES.SIGHUP))
  }

  /** Writes to the terminal. Ignored after `leave`: Ink writes once more when the program exits. */
  write(text: string): void {
    if (this.#isActive) process.stdout.write(text)
  }

  enter(screen: ScreenState): void {
    if (this.#isActive) return
    this.#screen = screen
    process.on('SIGCONT', () => this.#resume())
    process.on('SIGTSTP', this.#handleStop)
    this.#setUp()
  }

  leave(): void {
    this.#isSuspended = false
    this.#restore()
  }

  /** Suspends the process group like Ctrl+Z in other programs. */
  suspend(): void {
    this.#stop(0)
  }

  /** Gives the terminal to another program, until the returned function is called. */
  lend(): () => void {
    this.#restore()
    // The terminal sends Ctrl+C to all programs in its foreground; it is meant for the other one. Libraries listen too.
    const interruptListeners = process.rawListeners('SIGINT') as NodeJS.SignalsListener[]
    const ignoreInterrupt = () => {}
    process.on('SIGINT', ignoreInterrupt)
    for (const listener of interruptListeners) process.off('SIGINT', listener)
    // Both programs stop together, as the shell expects.
    process.off('SIGTSTP', this.#handleStop)
    process.stdin.pause()
    return () => {
      // The signal that ended the other program may reach this one after its end.
      setTimeout(() => {
        for (const listener of interruptListeners) process.on('SIGINT', listener)
        process.off('SIGINT', ignoreInterrupt)
      }, INTERRUPT_DELAY_MS)
      process.on('SIGTSTP', this.#handleStop)
      process.stdin.resume()
      this.#setUp()
      this.#screen.redraw()
    }
  }

  readonly #handleStop = () => this.#stop(process.pid)

  /** @param pid the process to stop; 0: the process group */
  #stop(pid: number): void {
    if (!this.#isActive) return
    this.#restore()
    this.#isSuspended = true
    // Without a listener, the signal stops the process.
    process.off('SIGTSTP', this.#handleStop)
    process.kill(pid, 'SIGTSTP')
    // After a real stop the signal SIGCONT comes first: it is handled between timers and immediates.
    setTimeout(() => setImmediate(() => this.#isSuspended && this.#resume()), STOP_TIMEOUT_MS)
  }

  /** The process runs again. The shell or another program may have changed the terminal meanwhile. */
  #resume(): void {
    if (!this.#isActive && !this.#isSuspended) return
    if (this.#isSuspended) process.on('SIGTSTP', this.#handleStop)
    this.#isSuspended = false
    // Node remembers the mode that it has set, and would not set it again.
    process.stdin.setRawMode(false)
    this.#setUp()
    this.#screen.redraw()
  }

  #setUp(): void {
    this.#isActive = true
    process.stdin.setRawMode(true)
    writeSync(1, ENTER_SEQUENCES[this.#mode] + (this.#screen.opening?.() ?? ''))
  }

  #restore(): void {
    if (!this.#isActive) return
    this.#isActive = false
    try {
      writeSync(1, (this.#screen.closing?.() ?? '') + LEAVE_SEQUENCES[this.#mode])
      process.stdin.setRawMode(false)
    } catch {
      // The terminal is gone.
    }
  }
}
