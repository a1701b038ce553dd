import { type ChildProcess, spawn } from 'node:child_process'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { Config, ConfiguredServer } from '../src/programs/config.ts'
import { packageFile } from '../src/programs/package.ts'
import { sanitizeLine } from '../src/protocol/text.ts'

/** How long a server may take to start listening, ms. */
const START_TIMEOUT_MS = 10_000

/** How a server ended that this process has not stopped. */
export interface ServerEnd {
  id: string
  /** A sentence without the full stop, such as `server-2 was killed (SIGKILL)`. */
  reason: string
  /** Its exit code, or 1. */
  code: number
}

/** Runs the servers of a config as child processes, which end when this process ends, even by SIGKILL. */
export class ServerProcesses {
  readonly #children: ChildProcess[] = []
  /** The servers that ended on their own, in that order. */
  readonly #ends: ServerEnd[] = []
  #stopping = false

  /**
   * @param onLine called with each line of a server's log
   * @param onEnd called when a server ends on its own; the others keep running
   */
  constructor(config: Config, onLine: (id: string, text: string) => void, onEnd: (end: ServerEnd) => void) {
    for (const { id } of config.servers) {
      const options = ['--id', id, '--config', config.file, '--log-format', 'text', '--exit-with-stdin']
      // Detached: Ctrl+C signals the whole process group, but only this process should stop the servers. The pipe to a
      // server's stdin closes when this process ends, whatever ends it.
      const child = spawn(process.execPath, [packageFile('dist/daemon/main.js'), ...options], { detached: true })
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', text => onLine(id, text))
      }
      let error: string | undefined
      createInterface({ input: child.stderr }).on('line', text => {
        if (isErrorLine(text)) error = text
      })
      // Not `exit`: the last lines of stderr may arrive after it.
      child.on('close', (code, signal) => {
        if (this.#stopping) return
        const end = { id, reason: endReason(id, code, signal, error), code: code || 1 }
        this.#ends.push(end)
        onEnd(end)
      })
      this.#children.push(child)
    }
    process.on('exit', () => this.stop())
  }

  /** Number of servers that have not ended on their own. */
  get running(): number {
    return this.#children.length - this.#ends.length
  }

  /** What happened to all servers, when none is left. */
  get endReasons(): string {
    return `all servers have ended: ${this.#ends.map(({ reason }) => reason).join('; ')}`
  }

  stop(): void {
    this.#stopping = true
    for (const child of this.#children) if (child.exitCode === null) child.kill('SIGTERM')
  }
}

/** Whether a line of stderr may be an error: not a part of a stack trace, or the version that Node prints below it. */
function isErrorLine(text: string): boolean {
  return /^\w/.test(text) && !text.startsWith('Node.js v')
}

function endReason(id: string, code: number | null, signal: string | null, error: string | undefined): string {
  if (signal !== null) return `${id} was killed (${signal})`
  const cause = error === undefined ? '' : `: ${error.replace(/^mesh-chatd: /, '')}`
  return sanitizeLine(`${id} exited with code ${code}${cause}`)
}

/** Waits until all servers accept connections; throws if one does not in time. */
export async function waitUntilListening(servers: readonly ConfiguredServer[]): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS
  for (const server of servers) {
    while (!(await isListening(server))) {
      if (performance.now() > deadline)
        throw new Error(`${server.id} does not listen on ${server.ip}:${server.port}; see its log`)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
}

/** Whether a program accepts connections on the server's port. */
export function isListening({ ip, port }: ConfiguredServer): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, ip)
    const end = (answer: boolean) => () => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', end(true))
    socket.once('error', end(false))
    socket.setTimeout(1_000, end(false))
  })
}
