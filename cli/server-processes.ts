import { type ChildProcess, spawn } from 'node:child_process'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { Config, ConfiguredServer } from '../src/programs/config.ts'
import { packageFile } from '../src/programs/package.ts'

/** How long a server may take to listen, ms. */
const START_TIMEOUT_MS = 10_000

/** The servers of a config, each a process of its own. */
export class ServerProcesses {
  readonly #children: ChildProcess[] = []
  #stopping = false

  /**
   * @param onLine one line of a server's log
   * @param onExit a server ended by itself, with this code
   */
  constructor(config: Config, onLine: (id: string, text: string) => void, onExit: (id: string, code: number) => void) {
    for (const { id } of config.servers) {
      const args = [packageFile('dist/daemon/main.js'), '--id', id, '--config', config.file, '--log-format', 'text']
      // A ^C reaches the whole process group; each server is to hear of the end from here only.
      const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', text => onLine(id, text))
      }
      child.on('exit', code => {
        if (!this.#stopping) onExit(id, code ?? 1)
      })
      this.#children.push(child)
    }
    // Whatever ends this program takes its servers along.
    process.on('exit', () => this.stop())
  }

  stop(): void {
    this.#stopping = true
    for (const child of this.#children) if (child.exitCode === null) child.kill('SIGTERM')
  }
}

/** Waits until every server accepts connections; throws, naming the one that does not. */
export async function waitUntilListening(servers: readonly ConfiguredServer[]): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS
  for (const server of servers) {
    while (!(await isListening(server))) {
      if (performance.now() > deadline) throw new Error(`${server.id} does not listen on ${server.ip}:${server.port}`)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
}

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
