/**
 * Program: keeps names with their connection counts in one of several stores, and prints memory and time as JSON:
 * `node --expose-gc name-stores.js compact|map|array NAMES SEED`.
 */
import { CompactNames } from '../../src/presence/compact-names.ts'

/** Memory on the heap and outside it, bytes, and the time of each operation, µs. */
export interface StoreReading {
  bytes: number
  add: number
  get: number
  count: number
  remove: number
}

interface Store {
  set(name: string, count: number): void
  get(name: string): number
}

class MapStore implements Store {
  readonly #counts = new Map<string, number>()

  set(name: string, count: number): void {
    if (count === 0) this.#counts.delete(name)
    else this.#counts.set(name, count)
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0
  }
}

/** Like the original chat server: an array of objects, searched from its start. */
class ArrayStore implements Store {
  #users: { user: string; count: number }[] = []

  set(name: string, count: number): void {
    const at = this.#users.findIndex(({ user }) => user === name)
    if (count === 0) this.#users.splice(at, 1)
    else if (at >= 0) this.#users[at] = { user: name, count }
    else this.#users.push({ user: name, count })
  }

  get(name: string): number {
    return this.#users.find(({ user }) => user === name)?.count ?? 0
  }

  /** Adds new names without the search that `set` does. */
  fill(names: Iterable<string>): void {
    for (const user of names) this.#users.push({ user, count: 1 })
  }
}

const [, , kind, size = '0', seed = '1'] = process.argv
const names = Number(size)
/** Distinct names of 9 characters in no particular order: multiples of a prime, modulo a prime. */
const name = (n: number) => `u${(((n + 1) * 7_368_787 * Number(seed)) % 99_999_989).toString().padStart(8, '0')}`

const store = kind === 'compact' ? new CompactNames() : kind === 'map' ? new MapStore() : new ArrayStore()
/** An operation on the array takes milliseconds, so a few are enough. */
const tries = kind === 'array' ? 300 : names

function heapBytes(): number {
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Mean time of `tries` operations on names spread over the whole store, µs. */
function timePerOperation(operation: (name: string) => void): number {
  const some = Array.from({ length: tries }, (_, n) => name(Math.floor((n * names) / tries)))
  const since = performance.now()
  for (const one of some) operation(one)
  return ((performance.now() - since) / tries) * 1_000
}

function* allNames(): Generator<string> {
  // New strings, as when a frame is parsed: nothing else references them.
  for (let n = 0; n < names; n++) yield name(n)
}

const before = heapBytes()
const since = performance.now()
if (store instanceof ArrayStore) store.fill(allNames())
else for (const one of allNames()) store.set(one, 1)
const add = ((performance.now() - since) / names) * 1_000
const reading: StoreReading = {
  bytes: heapBytes() - before,
  add,
  get: timePerOperation(one => void store.get(one)),
  count: timePerOperation(one => store.set(one, 2)),
  remove: timePerOperation(one => store.set(one, 0)),
}
console.log(JSON.stringify(reading))
