import { writeSync } from 'node:fs'

/** Bracketed paste; for the whole screen also the alternate one, clean and at home. */
const ENTER_SEQUENCES = { screen: '\u001b[?1049h\u001b[?2004h\u001b[2J\u001b[H', inline: '\u001b[?2004h' }
/** Everything that this program changed, put back; harmless when it was not. */
const LEAVE_SEQUENCES = {
  screen: '\u001b[?2026l\u001b[?2004l\u001b[0m\u001b[?25h\u001b[?1049l',
  inline: '\u001b[?2004l\u001b[0m\u001b[?25h\r\n',
}

const SIGNAL_EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** Takes the terminal, whole or its end only, and gives it back whatever ends the program: exit, signal, crash, ^Z. */
export class TerminalGuard {
  readonly #mode: 'screen' | 'inline'
  #isActive = false

  /** @param beforeExit called before the program ends by a signal, for a last word to the network */
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
      process.exit(70)
    }
    process.on('uncaughtException', crash)
    process.on('unhandledRejection', crash)
    // The terminal is gone: there is nothing to restore and nobody to tell.
    process.stdout.on('error', () => process.exit(SIGNAL_EXIT_CODES.SIGHUP))
    process.stdin.on('error', () => process.exit(SIGNAL_EXIT_CODES.SIGHUP))
  }

  /** Writes to the screen; what comes when the terminal was given back, as Ink's farewell does, goes nowhere. */
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

  /** Stops the program as ^Z does elsewhere; calls `resumed` when the shell brings it back. */
  suspend(onResume: () => void): void {
    this.leave()
    process.once('SIGCONT', () => {
      this.enter()
      onResume()
    })
    process.kill(0, 'SIGTSTP')
  }
}
