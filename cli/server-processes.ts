import { type ChildProcess, spawn } from 'node:child_process'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { Config, ConfiguredServer } from '../src/programs/config.ts'
import { packageFile } from '../src/programs/package.ts'

/** How long a server may take to start listening, ms. */
const START_TIMEOUT_MS = 10_000

/** Runs the servers of a config as child processes, which end when this process ends, even by SIGKILL. */
export class ServerProcesses {
  readonly #children: ChildProcess[] = []
  #stopping = false

  /**
   * @param onLine called with each line of a server's log
   * @param onExit called with the exit code of a server that exits on its own
   */
  constructor(config: Config, onLine: (id: string, text: string) => void, onExit: (id: string, code: number) => void) {
    for (const { id } of config.servers) {
      const options = ['--id', id, '--config', config.file, '--log-format', 'text', '--exit-with-stdin']
      // Detached: Ctrl+C signals the whole process group, but only this process should stop the servers. The pipe to a
      // server's stdin closes when this process ends, whatever ends it.
      const child = spawn(process.execPath, [packageFile('dist/daemon/main.js'), ...options], { detached: true })
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', text => onLine(id, text))
      }
      child.on('exit', code => {
        if (!this.#stopping) onExit(id, code ?? 1)
      })
      this.#children.push(child)
    }
    process.on('exit', () => this.stop())
  }

  stop(): void {
    this.#stopping = true
    for (const child of this.#children) if (child.exitCode === null) child.kill('SIGTERM')
  }
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
