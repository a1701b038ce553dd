import type { SortedNameList } from '../common/sorted-names.ts'
import { compareNames } from '../protocol/names.ts'

/** A page with more names is split; one with fewer is merged into the page before it. */
const MAX_PAGE_NAMES = 32
const MIN_PAGE_NAMES = 4

/** A range of the sorted roster: the names after `after`, up to and including `last`; without `last`, to the end. */
export interface NameRange {
  readonly after: string
  readonly last?: string
}

/** Adjacent names of the roster, from `low` up to the page after it, and the connections that follow some of them. */
interface Page {
  readonly low: string
  size: number
  readonly followers: Set<number>
}

/** The changes of a page, for those that follow it. */
export interface PageChange {
  readonly followers: readonly number[]
  readonly joined: string[]
  readonly left: string[]
}

/**
 * Which connections follow which part of the sorted roster. The roster is divided into pages, and a connection follows the
 * pages that its range touches: a change is found by its page, however many connections follow others.
 */
export class RosterPages {
  readonly #names: SortedNameList
  /** Sorted by `low`; the first is ''. */
  readonly #pages: Page[] = [{ low: '', size: 0, followers: new Set() }]
  readonly #ranges = new Map<number, NameRange>()

  /** @param names the roster, which changes with each publish */
  constructor(names: SortedNameList) {
    this.#names = names
    let page: Page | undefined = this.#pages[0]
    for (const name of names) {
      if (page !== undefined && page.size < MAX_PAGE_NAMES / 2) page.size++
      else {
        page = { low: name, size: 1, followers: new Set() }
        this.#pages.push(page)
      }
    }
  }

  /** Connections that follow a range. */
  get followerCount(): number {
    return this.#ranges.size
  }

  get pageCount(): number {
    return this.#pages.length
  }

  /** Has a connection follow a range, instead of the one before. */
  follow(connection: number, range: NameRange): void {
    this.unfollow(connection)
    this.#ranges.set(connection, range)
    for (const page of this.#pagesOf(range)) page.followers.add(connection)
  }

  unfollow(connection: number): void {
    const range = this.#ranges.get(connection)
    if (range === undefined) return
    this.#ranges.delete(connection)
    for (const page of this.#pagesOf(range)) page.followers.delete(connection)
  }

  /** The connections that follow the page of a name. */
  followersOf(name: string): ReadonlySet<number> {
    return this.#pageAt(this.#indexOf(name)).followers
  }

  /** Records changes of the roster, which has them already. Returns those that some connection follows, by page. */
  recordChanges(joined: readonly string[], left: readonly string[]): PageChange[] {
    const changes = new Map<Page, PageChange>()
    const changeOf = (page: Page): PageChange | undefined => {
      if (page.followers.size === 0) return undefined
      const known = changes.get(page)
      if (known !== undefined) return known
      const change = { followers: [...page.followers], joined: [], left: [] }
      changes.set(page, change)
      return change
    }
    const touched = new Set<Page>()
    for (const name of joined) {
      const page = this.#pageAt(this.#indexOf(name))
      page.size++
      touched.add(page)
      changeOf(page)?.joined.push(name)
    }
    for (const name of left) {
      const page = this.#pageAt(this.#indexOf(name))
      page.size--
      touched.add(page)
      changeOf(page)?.left.push(name)
    }
    for (const page of touched) {
      // It may have been split already, after its neighbour was merged into it.
      if (this.#pageAt(this.#indexOf(page.low)) !== page) continue
      if (page.size < MIN_PAGE_NAMES) this.#merge(page)
      else if (page.size > MAX_PAGE_NAMES) this.#split(page)
    }
    return [...changes.values()]
  }

  /** Merges a page into the one before it. */
  #merge(page: Page): void {
    const index = this.#indexOf(page.low)
    if (index === 0) return
    const before = this.#pageAt(index - 1)
    before.size += page.size
    for (const follower of page.followers) before.followers.add(follower)
    this.#pages.splice(index, 1)
    if (before.size > MAX_PAGE_NAMES) this.#split(before)
  }

  /** Splits a page into pages of about half of the most names. */
  #split(page: Page): void {
    const names = this.#names.slice(this.#names.rank(page.low), this.#names.rank(page.low) + page.size)
    const index = this.#indexOf(page.low)
    const parts: Page[] = []
    for (let at = 0; at < names.length; at += MAX_PAGE_NAMES / 2) {
      const size = Math.min(MAX_PAGE_NAMES / 2, names.length - at)
      parts.push({ low: at === 0 ? page.low : (names[at] ?? ''), size, followers: new Set() })
    }
    this.#pages.splice(index, 1, ...parts)
    for (const follower of page.followers) {
      const range = this.#ranges.get(follower)
      if (range === undefined) continue
      for (const [n, part] of parts.entries()) {
        const next = parts[n + 1]
        const startsBefore = range.last === undefined || compareNames(part.low, range.last) <= 0
        const endsAfter = next === undefined || compareNames(range.after, next.low) < 0
        if (startsBefore && endsAfter) part.followers.add(follower)
      }
    }
  }

  /** The pages with names of a range. */
  *#pagesOf({ after, last }: NameRange): Generator<Page> {
    for (let index = this.#indexOf(after); index < this.#pages.length; index++) {
      const page = this.#pageAt(index)
      if (last !== undefined && compareNames(page.low, last) > 0) return
      yield page
    }
  }

  /** Index of the page of a name. */
  #indexOf(name: string): number {
    let low = 0
    let high = this.#pages.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (compareNames(this.#pageAt(middle).low, name) <= 0) low = middle
      else high = middle - 1
    }
    return low
  }

  #pageAt(index: number): Page {
    const page = this.#pages[index]
    if (page === undefined) throw new RangeError(`no page ${index} of ${this.#pages.length}`)
    return page
  }
}
