/** The nats-server of the machine, for tests of the NATS backbone. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { connect } from 'node:net'
import { freePorts, until } from './processes.ts'

/** Why the tests of the NATS backbone are skipped; undefined: they run. */
export const natsMissingReason =
  spawnSync('nats-server', ['--version']).status === 0
    ? undefined
    : 'nats-server is not installed; run apt-get install -y nats-server'

if (natsMissingReason !== undefined) console.log(`Skipping the tests of the NATS backbone: ${natsMissingReason}`)

export class NatsServer {
  readonly port: number
  readonly url: string
  readonly #args: readonly string[]
  #child: ChildProcess | undefined

  private constructor(port: number, args: readonly string[]) {
    this.port = port
    this.url = `nats://127.0.0.1:${port}`
    this.#args = ['-a', '127.0.0.1', '-p', `${port}`, ...args]
  }

  static async start(...args: string[]): Promise<NatsServer> {
    const [port = 0] = await freePorts(1)
    const server = new NatsServer(port, args)
    await server.start()
    return server
  }

  /** Starts the process, also after a kill, and waits until its port is open. */
  async start(): Promise<void> {
    this.#child = spawn('nats-server', this.#args, { stdio: 'ignore' })
    const isOpen = () =>
      new Promise<boolean>(resolve => {
        const socket = connect(this.port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
        socket.on('connect', () => socket.destroy())
      })
    await until(`nats-server listens on port ${this.port}`, isOpen)
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#child?.kill(signal)
  }
}
