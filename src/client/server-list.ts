import type { ServerAddress } from '../protocol/messages.ts'
import { toOrigin } from '../protocol/proofs/mesh-identity.ts'

/** Most announced servers kept, the latest ones: a server could announce any number. */
export const MAX_ANNOUNCED_SERVERS = 64

/** The servers to dial: the URLs that the user configured, and the origins that servers announced. */
export class ServerList {
  readonly #configured: readonly string[]
  readonly #configuredOrigins: ReadonlySet<string | undefined>
  readonly #random: () => number
  #announced: readonly string[] = []

  constructor(configured: readonly string[], random: () => number) {
    this.#configured = [...new Set(configured)]
    this.#configuredOrigins = new Set(configured.map(toOrigin))
    this.#random = random
  }

  get first(): string | undefined {
    return this.#configured[0]
  }

  /** Whether the user configured this server. */
  isConfigured(url: string): boolean {
    return this.#configuredOrigins.has(toOrigin(url))
  }

  /**
   * Keeps the origins of announced servers: path, query and user of a URL are dropped.
   * @param mayDial whether the client may dial an origin that is not configured
   * @returns what is kept of the announcement
   */
  announce(servers: readonly ServerAddress[], mayDial: (origin: string) => boolean): ServerAddress[] {
    const known = servers.slice(0, MAX_ANNOUNCED_SERVERS).flatMap(({ id, url }) => {
      const origin = toOrigin(url)
      return origin === undefined ? [] : [{ id, url: origin }]
    })
    // A server must not be able to downgrade a client whose configured servers are all encrypted.
    const isEncrypted = this.#configured.every(url => url.startsWith('https:'))
    const dialled = known
      .map(({ url }) => url)
      .filter(url => !this.#configuredOrigins.has(url) && (!isEncrypted || url.startsWith('https:')) && mayDial(url))
    this.#announced = [...new Set([...dialled, ...this.#announced])].slice(0, MAX_ANNOUNCED_SERVERS)
    return known
  }

  /** Forgets an announced server; a configured one stays. */
  forget(url: string): void {
    this.#announced = this.#announced.filter(announced => announced !== url)
  }

  /** A random server other than `url`, so that the clients of a dead server spread. */
  pickOther(url: string): string {
    const others = [...this.#configured, ...this.#announced].filter(other => other !== url)
    return others[Math.floor(this.#random() * others.length)] ?? url
  }
}
