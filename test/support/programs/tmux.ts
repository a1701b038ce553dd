/** A real terminal for a program under test: tmux, on a socket of its own. */
import { execFileSync } from 'node:child_process'
import { vi } from 'vitest'

export class Tmux {
  readonly socket: string

  constructor(socket = `mesh-chat-test-${process.pid}-${Math.random().toString(36).slice(2)}`) {
    this.socket = socket
  }

  run(...args: string[]): string {
    const env = { ...process.env, TMUX: '', TERM: 'xterm-256color' }
    return execFileSync('tmux', ['-L', this.socket, '-f', '/dev/null', ...args], { encoding: 'utf8', env })
  }

  /** Runs a command in a window of its own; answers with the window's name. */
  open(name: string, command: string, columns = 100, rows = 30): Window {
    const size = ['-x', `${columns}`, '-y', `${rows}`]
    this.run('new-session', '-d', '-s', name, ...size, command)
    return new Window(this, name)
  }

  /** A window, or a pane of one, that is there already. */
  window(name: string): Window {
    return new Window(this, name)
  }

  kill(): void {
    try {
      this.run('kill-server')
    } catch {
      // No window was left, so there was no server.
    }
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

  /** Pastes as a person does, in brackets where the program asked for them. */
  paste(text: string): void {
    this.#tmux.run('set-buffer', text)
    this.#tmux.run('paste-buffer', '-p', '-t', this.#name)
  }

  resize(columns: number, rows: number): void {
    this.#tmux.run('resize-window', '-t', this.#name, '-x', `${columns}`, '-y', `${rows}`)
  }

  /** What stands on the screen, or with the history above it. */
  screen(...more: string[]): string {
    return this.#tmux.run('capture-pane', '-p', '-t', this.#name, ...more)
  }

  /** What tmux knows of the window, such as `alternate_on` or `pane_pid`. */
  query(variable: string): string {
    return this.#tmux.run('display-message', '-p', '-t', this.#name, `#{${variable}}`).trim()
  }

  /** Waits until the screen is as the check wants it. */
  until(check: (screen: string) => void): Promise<void> {
    return vi.waitFor(() => check(this.screen()), { timeout: 20_000, interval: 50 })
  }

  close(): void {
    this.#tmux.run('kill-session', '-t', this.#name)
  }
}
