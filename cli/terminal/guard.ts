import { writeSync } from 'node:fs'
import { EXIT } from '../../src/programs/fail.ts'

/** Turn on bracketed paste; full screen: also switch to the alternate screen and clear it. */
const ENTER_SEQUENCES = { screen: '\u001b[?1049h\u001b[?2004h\u001b[2J\u001b[H', inline: '\u001b[?2004h' }
/** Undo all terminal modes that the program may have set; harmless for those that it has not. */
const LEAVE_SEQUENCES = {
  screen: '\u001b[?2026l\u001b[?2004l\u001b[0m\u001b[?25h\u001b[?1049l',
  inline: '\u001b[?2004l\u001b[0m\u001b[?25h\r\n',
}

const SIGNAL_EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** Sets up the terminal and restores it however the program ends: exit, signal, crash, or suspend (Ctrl+Z). */
export class TerminalGuard {
  readonly #mode: 'screen' | 'inline'
  #isActive = false

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

  enter(): void {
    if (this.#isActive) return
    this.#isActive = true
    process.stdin.setRawMode(true)
    writeSync(1, ENTER_SEQUENCES[this.#mode])
  }

  leave(): void {
    if (!this.#isActive) return
    this.#isActive = false
    try {
      writeSync(1, LEAVE_SEQUENCES[this.#mode])
      process.stdin.setRawMode(false)
    } catch {
      // The terminal is gone.
    }
  }

  /** Suspends the process group like Ctrl+Z in other programs; calls `onResume` when the shell resumes it. */
  suspend(onResume: () => void): void {
    this.leave()
    process.once('SIGCONT', () => {
      this.enter()
      onResume()
    })
    process.kill(0, 'SIGTSTP')
  }
}
