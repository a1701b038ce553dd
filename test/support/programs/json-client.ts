/** A client process that speaks JSON lines. */
import { Program } from './processes.ts'

export class JsonClient extends Program {
  readonly #events: Record<string, unknown>[] = []
  /** Characters of the output that are parsed. */
  #parsed = 0

  /** @param home the folder for its state and its config, and for those of other clients with the same one */
  constructor(user: string, server: string, home: string, more: readonly string[] = [], clock: NodeJS.ProcessEnv = {}) {
    const env = { ...clock, XDG_STATE_HOME: `${home}/state`, XDG_CONFIG_HOME: `${home}/config`, HOME: home }
    super('cli', ['--user', user, '--json', '--server', server, ...more], env)
  }

  get isOnline(): boolean {
    return this.events('connection').some(({ state }) => state === 'online')
  }

  /** Whether it was told that a user is online, and not that the user left. */
  override isToldOnline(user: string): boolean {
    const users = this.events('roster').at(-1)?.users
    return Array.isArray(users) && users.includes(user)
  }

  /** Messages from others. */
  get received(): Record<string, unknown>[] {
    return this.events('message').filter(({ origin }) => origin === 'live')
  }

  /** Reports that an own message is delivered. */
  get delivered(): Record<string, unknown>[] {
    return this.events('progress').filter(({ state }) => state === 'delivered')
  }

  /** The events of one type that it has printed. */
  events(type: string): Record<string, unknown>[] {
    for (let end = this.out.indexOf('\n', this.#parsed); end >= 0; end = this.out.indexOf('\n', this.#parsed)) {
      const line = this.out.slice(this.#parsed, end)
      if (line.startsWith('{')) this.#events.push(JSON.parse(line) as Record<string, unknown>)
      this.#parsed = end + 1
    }
    return this.#events.filter(event => event.type === type)
  }

  send(to: string, text: string): void {
    this.child.stdin?.write(`${JSON.stringify({ to, text })}\n`)
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.waitForExit()
  }
}
