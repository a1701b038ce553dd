/** A program in a new pseudo-terminal, made by `script` of util-linux. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { sleep } from './servers.ts'

const TICK_MS = 10

export class Terminal {
  readonly #script: ChildProcess
  #onOutput: ((chunk: string) => void) | undefined
  /** Bytes written so far. */
  written = 0
  #recentOutput = ''

  constructor(args: readonly string[], columns: number, rows: number, env: NodeJS.ProcessEnv) {
    const command = [process.execPath, ...args].map(word => `'${word}'`).join(' ')
    const line = `stty cols ${columns} rows ${rows}; exec ${command}`
    this.#script = spawn('script', ['-qfec', line, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, ...env, TERM: 'xterm-256color', CI: undefined },
    })
    this.#script.stdout?.on('data', (chunk: Buffer) => {
      this.written += chunk.length
      const output = chunk.toString()
      this.#recentOutput = (this.#recentOutput + output).slice(-20_000)
      this.#onOutput?.(output)
    })
  }

  /** Waits until the program has written this text. */
  async waitForText(text: string): Promise<void> {
    const until = performance.now() + 20_000
    while (!this.#recentOutput.includes(text)) {
      if (performance.now() > until) {
        const shown = JSON.stringify(this.#recentOutput.slice(-2_000))
        throw new Error(`timed out, waiting for the terminal to show ${text}; it ends in ${shown}`)
      }
      await sleep(1)
    }
  }

  /** Time from a key press to the output that contains a text, by default the next output, ms. */
  async keyLatency(key: string, text = ''): Promise<number> {
    const since = performance.now()
    let output = ''
    const heard = new Promise<void>(resolve => {
      this.#onOutput = chunk => {
        output += chunk
        if (output.includes(text)) resolve()
      }
    })
    this.#script.stdin?.write(key)
    await heard
    this.#onOutput = undefined
    return performance.now() - since
  }

  type(text: string): void {
    this.#script.stdin?.write(text)
  }

  get hasEnded(): boolean {
    return this.#script.exitCode !== null || this.#script.signalCode !== null
  }

  /** CPU time so far, ms, and resident memory, bytes, of the program in the terminal. */
  usage(): { cpu: number; rss: number } {
    const { pid } = this.#script
    const [child = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')
    const stat = readFileSync(`/proc/${child}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child}/status`, 'utf8'))?.[1]
    return { cpu: (Number(fields[11]) + Number(fields[12])) * TICK_MS, rss: Number(rss) * 1024 }
  }

  stop(): void {
    this.#script.kill('SIGKILL')
  }
}
