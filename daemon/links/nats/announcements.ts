import type { PeerIdentity } from '../../../src/protocol/frames.ts'
import { exceeds, type Limits } from '../../../src/protocol/limits.ts'
import type { ServerAddress } from '../../../src/protocol/messages.ts'

/** Maximum number of incarnations whose announcements are remembered; a repeat of a forgotten one costs a probe. */
const MAX_REMEMBERED = 4_096
const MAX_CONCURRENT_PROBES = 4
/** A server that has just started may be too busy to answer the first probe. */
const MAX_ATTEMPTS = 3
const RETRY_DELAY_MS = 1_000

export interface AnnouncementsOptions {
  limits: Pick<Limits, 'peers'>
  /** Asks a server for its identity, with fresh nonces. Undefined or rejects: no such server. */
  probe: (id: string) => Promise<PeerIdentity | undefined>
  learn: (member: ServerAddress) => void
}

/**
 * Announcements (`here`) of servers that have connected to the backbone. Anyone who listens on NATS can record one and send
 * it again, when the server is gone or has moved. So an announcement is a hint only: the server is asked, and what it
 * proves now is learned. This needs no synchronized clocks, and holds after a restart of the receiver.
 */
export class Announcements {
  readonly #options: AnnouncementsOptions
  /** The number of the last announcement by incarnation, oldest first. */
  readonly #heard = new Map<string, number>()
  /** Ids of servers to ask. */
  readonly #waiting = new Set<string>()
  /** Ids of servers that are being asked. */
  readonly #asking = new Set<string>()
  /** Ends each delay. */
  readonly #delays = new Set<() => void>()
  #isClosed = false

  constructor(options: AnnouncementsOptions) {
    this.#options = options
  }

  /** The number of servers that wait or are being asked. */
  get pending(): number {
    return this.#waiting.size + this.#asking.size
  }

  /** @param n the number of the broadcast, which increases within an incarnation */
  handle(id: string, incarnation: string, n: number): void {
    if (n <= (this.#heard.get(incarnation) ?? 0)) return
    this.#heard.delete(incarnation)
    this.#heard.set(incarnation, n)
    const [oldest] = this.#heard.keys()
    if (oldest !== undefined && this.#heard.size > MAX_REMEMBERED) this.#heard.delete(oldest)
    if (this.#asking.has(id) || exceeds(this.#waiting.size + 1, this.#options.limits.peers)) return
    this.#waiting.add(id)
    this.#askNext()
  }

  close(): void {
    this.#isClosed = true
    this.#waiting.clear()
    for (const end of this.#delays) end()
  }

  #askNext(): void {
    const [id] = this.#waiting
    if (id === undefined || this.#asking.size >= MAX_CONCURRENT_PROBES) return
    this.#waiting.delete(id)
    this.#asking.add(id)
    void this.#ask(id).finally(() => {
      this.#asking.delete(id)
      this.#askNext()
    })
  }

  async #ask(id: string): Promise<void> {
    for (let attempt = 1; !this.#isClosed; attempt++) {
      const identity = await this.#options.probe(id).catch(() => undefined)
      if (this.#isClosed) return
      if (identity?.url !== undefined) {
        const { url, clients } = identity
        return this.#options.learn({ id: identity.id, url, ...(clients === undefined ? {} : { clients }) })
      }
      if (identity !== undefined || attempt === MAX_ATTEMPTS) return
      await this.#delay()
    }
  }

  #delay(): Promise<void> {
    return new Promise(resolve => {
      const end = () => {
        clearTimeout(timer)
        this.#delays.delete(end)
        resolve()
      }
      const timer = setTimeout(end, RETRY_DELAY_MS).unref()
      this.#delays.add(end)
    })
  }
}
