/** A real terminal for a program under test: a tmux server with its own socket. */
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { vi } from 'vitest'
import { DEADLINE_MS } from './processes.ts'

export class Tmux {
  readonly socket: string

  constructor(socket = `mesh-chat-test-${process.pid}-${Math.random().toString(36).slice(2)}`) {
    this.socket = socket
  }

  run(...args: string[]): string {
    const env = { ...process.env, TMUX: '', TERM: 'xterm-256color' }
    return execFileSync('tmux', ['-L', this.socket, '-f', '/dev/null', ...args], { encoding: 'utf8', env })
  }

  /** Runs a command in a new window. */
  open(name: string, command: string, columns = 100, rows = 30): Window {
    const size = ['-x', `${columns}`, '-y', `${rows}`]
    this.run('new-session', '-d', '-s', name, ...size, command)
    return new Window(this, name)
  }

  /** An existing window or pane, by name. */
  window(name: string): Window {
    return new Window(this, name)
  }

  kill(): void {
    try {
      this.run('kill-server')
    } catch {
      // The tmux server ends with its last window.
    }
    // tmux leaves its socket there.
    rmSync(join(process.env.TMUX_TMPDIR ?? '/tmp', `tmux-${process.getuid?.()}`, this.socket), { force: true })
  }
}

export class Window {
  readonly #tmux: Tmux
  readonly #name: string

  constructor(tmux: Tmux, name: string) {
    this.#tmux = tmux
    this.#name = name
  }

  sendKeys(...keys: string[]): void {
    this.#tmux.run('send-keys', '-t', this.#name, ...keys)
  }

  /** Pastes a text, as a bracketed paste if the program has enabled that. */
  paste(text: string): void {
    this.#tmux.run('set-buffer', text)
    this.#tmux.run('paste-buffer', '-p', '-t', this.#name)
  }

  resize(columns: number, rows: number): void {
    this.#tmux.run('resize-window', '-t', this.#name, '-x', `${columns}`, '-y', `${rows}`)
  }

  /** The text on the screen. @param more options of `capture-pane`, such as `-S -` for the scrollback */
  screen(...more: string[]): string {
    return this.#tmux.run('capture-pane', '-p', '-t', this.#name, ...more)
  }

  /** A tmux variable of the window, such as `alternate_on` or `pane_pid`. */
  query(variable: string): string {
    return this.#tmux.run('display-message', '-p', '-t', this.#name, `#{${variable}}`).trim()
  }

  /** Waits until `check` accepts the screen without throwing. */
  until(check: (screen: string) => void): Promise<void> {
    return vi.waitFor(() => check(this.screen()), { timeout: DEADLINE_MS, interval: 50 })
  }

  close(): void {
    this.#tmux.run('kill-session', '-t', this.#name)
  }
}
