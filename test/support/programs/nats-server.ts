/** Debian's nats-server, for tests of the backbone. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { connect } from 'node:net'
import { freePorts } from './processes.ts'

/** Why the backbone cannot be tested here; undefined: it can. */
export const natsMissingReason =
  spawnSync('nats-server', ['--version']).status === 0
    ? undefined
    : 'there is no nats-server (apt-get install -y nats-server)'

if (natsMissingReason !== undefined) console.log(`Skipped: the tests of the backbone; ${natsMissingReason}.`)

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

  /** Starts it, once more if it was killed. */
  async start(): Promise<void> {
    this.#child = spawn('nats-server', this.#args, { stdio: 'ignore' })
    for (let tries = 0; tries < 500; tries++) {
      const open = await new Promise<boolean>(resolve => {
        const socket = connect(this.port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
        socket.on('connect', () => socket.destroy())
      })
      if (open) return
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    throw new Error('nats-server does not listen')
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#child?.kill(signal)
  }
}
