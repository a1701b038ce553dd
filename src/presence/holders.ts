import { CompactNames } from './compact-names.ts'

/** In `#single`: several peers have the user. Other numbers are that of the only peer, and `FIRST_PEER`. */
const SEVERAL = 1
const FIRST_PEER = 2
const NONE: readonly never[] = []
/** Users whose peers are cached. */
const MAX_CACHED_NAMES = 10_000

/**
 * The peers that each user is connected to. A look-up costs the same with 3 peers as with 200, and the memory is that of the
 * names: nearly all users are connected to one server.
 */
export class Holders {
  /** By number; undefined: the number is free. */
  readonly #peers: (string | undefined)[] = []
  readonly #numbers = new Map<string, number>()
  /** By user. */
  readonly #single = new CompactNames()
  /** By user with several peers. */
  readonly #several = new Map<string, readonly string[]>()
  readonly #cache = new Map<string, readonly string[]>()

  /** The peers that a user is connected to. */
  of(name: string): readonly string[] {
    const found = this.#single.get(name)
    if (found === 0) return NONE
    if (found === SEVERAL) return this.#several.get(name) ?? NONE
    const peer = this.#peers[found - FIRST_PEER]
    return peer === undefined ? NONE : [peer]
  }

  /** Like `of`, with a cache: it is read for each message. */
  ofCached(name: string): readonly string[] {
    const cached = this.#cache.get(name)
    if (cached !== undefined) return cached
    const peers = this.of(name)
    if (this.#cache.size >= MAX_CACHED_NAMES) this.#cache.clear()
    this.#cache.set(name, peers)
    return peers
  }

  /** Whether a user is connected to any peer. */
  has(name: string): boolean {
    return this.#single.get(name) > 0
  }

  add(name: string, peer: string): void {
    const peers = this.of(name)
    if (!peers.includes(peer)) this.#set(name, [...peers, peer])
  }

  delete(name: string, peer: string): void {
    const peers = this.of(name)
    if (!peers.includes(peer)) return
    const others = peers.filter(one => one !== peer)
    this.#set(name, others)
  }

  /** Frees the number of a peer that no user is connected to. */
  forget(peer: string): void {
    const number = this.#numbers.get(peer)
    if (number === undefined) return
    this.#numbers.delete(peer)
    this.#peers[number] = undefined
  }

  #set(name: string, peers: readonly string[]): void {
    this.#cache.delete(name)
    if (peers.length > 1) this.#several.set(name, peers)
    else this.#several.delete(name)
    const [first] = peers
    const isSeveral = peers.length > 1
    this.#single.set(name, first === undefined ? 0 : isSeveral ? SEVERAL : this.#numberOf(first) + FIRST_PEER)
  }

  #numberOf(peer: string): number {
    const known = this.#numbers.get(peer)
    if (known !== undefined) return known
    const free = this.#peers.indexOf(undefined)
    const number = free < 0 ? this.#peers.length : free
    this.#peers[number] = peer
    this.#numbers.set(peer, number)
    return number
  }
}
