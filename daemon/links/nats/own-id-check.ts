import { setTimeout as sleep } from 'node:timers/promises'
import type { PeerIdentity } from '../../../src/protocol/frames.ts'

/** How long another server with the same id may need to shut down, ms: it may be the one that this server replaces. */
const SHUTDOWN_MS = 6_000

export interface OwnIdCheckOptions {
  self: PeerIdentity
  /** Asks the other servers with an id for their identity. Undefined or rejects: there is none. */
  probe: (id: string) => Promise<PeerIdentity | undefined>
  onInUse: () => void
}

/**
 * Looks, when a server starts, for another one with the same id on the backbone: both would answer requests to that id. The
 * one that starts later ends. It asks, and does not believe announcements, which may be recorded.
 */
export class OwnIdCheck {
  readonly #options: OwnIdCheckOptions
  readonly #ended = new AbortController()
  #isDone = false

  constructor(options: OwnIdCheckOptions) {
    this.#options = options
  }

  /** Call when the backbone is connected. Does nothing after the first time: the other one has started later then. */
  async run(): Promise<void> {
    if (this.#isDone) return
    this.#isDone = true
    const other = await this.#ask()
    if (other === undefined) return
    await sleep(SHUTDOWN_MS, undefined, { signal: this.#ended.signal, ref: false }).catch(() => {})
    if (!this.#ended.signal.aborted && (await this.#ask()) === other) this.#options.onInUse()
  }

  close(): void {
    this.#ended.abort()
  }

  /** The incarnation of another server with this id. */
  async #ask(): Promise<string | undefined> {
    const { self, probe } = this.#options
    const identity = await probe(self.id).catch(() => undefined)
    return identity?.id === self.id && identity.incarnation !== self.incarnation ? identity.incarnation : undefined
  }
}
