import { isLoopbackAddress } from '../../../src/common/loopback.ts'
import { TokenBucket } from '../../../src/common/token-bucket.ts'
import { exceeds } from '../../../src/protocol/limits.ts'

/** A client that uses long polling has two TCP connections at times. */
export const TCP_CONNECTIONS_PER_CLIENT = 2
/** The clients of one address may all identify at once, and then again after this time: by `connectionsPerAddress`. */
const CREDENTIALS_REFILL_MS = 10_000
/** Strangers of one address may read the roster this often at once, per client of `connectionsPerAddress`. */
const ROSTERS_PER_CLIENT = 0.1
const ROSTERS_REFILL_MS = 10_000
/** An address may start as many sessions at once as it may have TCP connections, and then again after this time. */
const SESSIONS_REFILL_MS = 10_000
/** Where few clients may connect from an address, they may still reconnect this often. */
const MIN_SESSIONS = 100
/** Minimum time between two searches for addresses that need not be remembered, ms. */
const SWEEP_INTERVAL_MS = 1_000

/**
 * What an address is counted by: IPv4 as it is, also where it is mapped to IPv6; of IPv6 the first 64 bits, since one
 * host usually has all addresses below them (RFC 6177).
 * @param address as `socket.remoteAddress` gives it
 */
export function addressKey(address: string): string {
  const [plain = ''] = address.toLowerCase().split('%')
  if (!plain.includes(':') || isLoopbackAddress(plain)) return plain
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)?.[1]
  if (mapped !== undefined) return mapped
  const [start = '', end] = plain.split('::')
  const groups = start === '' ? [] : start.split(':')
  const tail = end === undefined || end === '' ? [] : end.split(':')
  // An IPv4 address at the end is two groups.
  const missing = end === undefined ? 0 : 8 - groups.length - tail.length - (plain.includes('.') ? 1 : 0)
  const all = [...groups, ...Array<string>(Math.max(0, missing)).fill('0'), ...tail]
  return `${all.slice(0, 4).join(':')}::/64`
}

/** What the connections of one network address have together. It outlives them until its buckets are full again. */
export class AddressBudget {
  /** See `addressKey`. */
  readonly key: string
  /** Whether it is not limited: it has 0 clients per address. */
  readonly isExempt: boolean
  /** Open TCP connections. */
  tcpConnections = 0
  /** Open sessions that started by long polling: one TCP connection could start any number. */
  pollingSessions = 0
  readonly #credentials: TokenBucket
  readonly #rosters: TokenBucket
  readonly #sessions: TokenBucket
  /** When all buckets are full again at the latest. */
  #fullAt = 0

  /** @param clients clients that may connect from it; 0: any number */
  constructor(key: string, clients: number, now: number) {
    this.key = key
    this.isExempt = clients === 0
    this.#credentials = new TokenBucket((clients * 1000) / CREDENTIALS_REFILL_MS, clients, now)
    const rosters = clients === 0 ? 0 : Math.max(1, clients * ROSTERS_PER_CLIENT)
    this.#rosters = new TokenBucket((rosters * 1000) / ROSTERS_REFILL_MS, rosters, now)
    const sessions = clients === 0 ? 0 : Math.max(MIN_SESSIONS, clients * TCP_CONNECTIONS_PER_CLIENT)
    this.#sessions = new TokenBucket((sessions * 1000) / SESSIONS_REFILL_MS, sessions, now)
  }

  /** Pays for checking a proof or a token. Returns 0, or the time until it can be paid, ms. */
  takeCredential(now: number): number {
    this.#fullAt = Math.max(this.#fullAt, now + CREDENTIALS_REFILL_MS)
    return this.#credentials.take(now)
  }

  /** Pays for a roster or a cluster status that a connection gets before it identifies. Returns 0, or the time until it can be paid, ms. */
  takeRoster(now: number): number {
    this.#fullAt = Math.max(this.#fullAt, now + ROSTERS_REFILL_MS)
    return this.#rosters.take(now)
  }

  /** Pays for a session that starts. Returns 0, or the time until it can be paid, ms. */
  takeSession(now: number): number {
    this.#fullAt = Math.max(this.#fullAt, now + SESSIONS_REFILL_MS)
    return this.#sessions.take(now)
  }

  /** Whether it need not be remembered. */
  isUnused(now: number): boolean {
    return this.tcpConnections === 0 && this.pollingSessions === 0 && now >= this.#fullAt
  }
}

/** The budgets of all addresses. Those of this machine are not limited: a proxy on it may connect any number of users. */
export class AddressBudgets {
  readonly #clientsPerAddress: number
  readonly #isExempt: (address: string) => boolean
  readonly #budgets = new Map<string, AddressBudget>()
  /** The last one of an address that is not limited: usually all of this machine's connections have the same. */
  #exempt: AddressBudget | undefined
  #exemptAddress: string | undefined
  #sweptAt = Number.NEGATIVE_INFINITY

  /**
   * @param clientsPerAddress clients that may connect from one address; 0: any number
   * @param isExempt addresses that are not limited
   */
  constructor(clientsPerAddress: number, isExempt: (address: string) => boolean = isLoopbackAddress) {
    this.#clientsPerAddress = clientsPerAddress
    this.#isExempt = isExempt
  }

  /** Open TCP connections and sessions, of limited addresses; and the addresses that are remembered. */
  get counts(): { tcp: number; sessions: number; addresses: number } {
    this.#sweep(performance.now(), 0)
    const counts = { tcp: 0, sessions: 0, addresses: this.#budgets.size }
    for (const { tcpConnections, pollingSessions } of this.#budgets.values()) {
      counts.tcp += tcpConnections
      counts.sessions += pollingSessions
    }
    return counts
  }

  of(address: string): AddressBudget {
    if (this.#exempt !== undefined && address === this.#exemptAddress) return this.#exempt
    const now = performance.now()
    const key = addressKey(address)
    if (this.#isExempt(address)) {
      if (this.#exempt?.key !== key) this.#exempt = new AddressBudget(key, 0, now)
      this.#exemptAddress = address
      return this.#exempt
    }
    let budget = this.#budgets.get(key)
    if (budget === undefined) {
      this.#sweep(now, SWEEP_INTERVAL_MS)
      budget = new AddressBudget(key, this.#clientsPerAddress, now)
      this.#budgets.set(key, budget)
    }
    return budget
  }

  /** Counts a TCP connection of a limited address; false, without counting it: its address has too many. */
  openTcp(budget: AddressBudget): boolean {
    if (budget.isExempt) return true
    if (exceeds(budget.tcpConnections + 1, this.#clientsPerAddress * TCP_CONNECTIONS_PER_CLIENT)) return false
    budget.tcpConnections++
    return true
  }

  /** A connection that `openTcp` counted has closed. */
  closeTcp(budget: AddressBudget): void {
    if (!budget.isExempt) budget.tcpConnections--
  }

  /** Pays for a session; false: its address has too many of long polling, or starts them too fast. */
  startSession(budget: AddressBudget): boolean {
    if (budget.isExempt) return true
    if (exceeds(budget.pollingSessions + 1, this.#clientsPerAddress * TCP_CONNECTIONS_PER_CLIENT)) return false
    return budget.takeSession(performance.now()) === 0
  }

  #sweep(now: number, intervalMs: number): void {
    if (now - this.#sweptAt < intervalMs) return
    this.#sweptAt = now
    for (const [key, budget] of this.#budgets) if (budget.isUnused(now)) this.#budgets.delete(key)
  }
}
