/**
 * A process that keeps 100,000 names with their counts in one of several ways, and prints what it costs:
 * `node --expose-gc name-stores.js compact|map|array NAMES SEED`.
 */
import { CompactNames } from '../../src/presence/compact-names.ts'

/** Bytes held, of heap and outside it, and µs for each operation. */
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

/** As the original: an array of objects, looked through from its start. */
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

  /** What `set` would do for new names, without looking for each. */
  fill(names: Iterable<string>): void {
    for (const user of names) this.#users.push({ user, count: 1 })
  }
}

const [, , kind, size = '0', seed = '1'] = process.argv
const names = Number(size)
/** Distinct names of 9 characters in no order: multiples of a prime, modulo a prime. */
const name = (n: number) => `u${(((n + 1) * 7_368_787 * Number(seed)) % 99_999_989).toString().padStart(8, '0')}`

const store = kind === 'compact' ? new CompactNames() : kind === 'map' ? new MapStore() : new ArrayStore()
/** The array takes ms an operation: so few of them tell. */
const tries = kind === 'array' ? 300 : names

function heapBytes(): number {
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** µs for one of `tries` operations on names spread over all. */
function timePerOperation(operation: (name: string) => void): number {
  const some = Array.from({ length: tries }, (_, n) => name(Math.floor((n * names) / tries)))
  const since = performance.now()
  for (const one of some) operation(one)
  return ((performance.now() - since) / tries) * 1_000
}

function* allNames(): Generator<string> {
  // Made anew, as a frame from the wire makes them: nobody else holds them.
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
