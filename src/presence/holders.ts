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
    return this.#peersOf(name, this.#single.get(name))
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
    const number = this.#numberOf(peer) + FIRST_PEER
    // Nearly all users are connected to one server, and this is all there is to do.
    const before = this.#single.set(name, number)
    if (before === number) return
    this.#cache.delete(name)
    if (before === 0) return
    const others = this.#peersOf(name, before)
    this.#several.set(name, others.includes(peer) ? others : [...others, peer])
    this.#single.set(name, SEVERAL)
  }

  delete(name: string, peer: string): void {
    const found = this.#single.get(name)
    const peers = this.#peersOf(name, found)
    if (!peers.includes(peer)) return
    this.#cache.delete(name)
    const others = peers.filter(one => one !== peer)
    const [first] = others
    if (others.length > 1) {
      this.#several.set(name, others)
      return
    }
    this.#several.delete(name)
    this.#single.set(name, first === undefined ? 0 : this.#numberOf(first) + FIRST_PEER)
  }

  /** Frees the number of a peer that no user is connected to. */
  forget(peer: string): void {
    const number = this.#numbers.get(peer)
    if (number === undefined) return
    this.#numbers.delete(peer)
    this.#peers[number] = undefined
  }

  /** @param found what `#single` has for the name */
  #peersOf(name: string, found: number): readonly string[] {
    if (found === 0) return NONE
    if (found === SEVERAL) return this.#several.get(name) ?? NONE
    const peer = this.#peers[found - FIRST_PEER]
    return peer === undefined ? NONE : [peer]
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
