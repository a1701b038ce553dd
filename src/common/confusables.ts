import unhomoglyph from 'unhomoglyph'

/** The skeleton of a name: confusable names have the same one (UTS #39, section 4). */
function skeleton(name: string): string {
  return unhomoglyph(name.normalize('NFD')).normalize('NFD')
}

/** Finds confusable names among those that are online. */
export class ConfusableNames {
  /** Names by skeleton; nearly always one. */
  #names = new Map<string, Set<string> | string>()

  update(joined: Iterable<string>, left: Iterable<string>): void {
    for (const name of left) this.#delete(name)
    for (const name of joined) this.#add(name)
  }

  /** Returns another name that is online and confusable with this one, or undefined. */
  find(name: string): string | undefined {
    const confusable = this.#names.get(skeleton(name))
    if (confusable === undefined || typeof confusable === 'string') return confusable === name ? undefined : confusable
    for (const other of confusable) if (other !== name) return other
    return undefined
  }

  #add(name: string): void {
    const key = skeleton(name)
    const names = this.#names.get(key)
    if (names === undefined) this.#names.set(key, name)
    else if (typeof names !== 'string') names.add(name)
    else if (names !== name) this.#names.set(key, new Set([names, name]))
  }

  #delete(name: string): void {
    const key = skeleton(name)
    const names = this.#names.get(key)
    if (names === name) this.#names.delete(key)
    else if (names instanceof Set) {
      names.delete(name)
      const [last] = names
      if (names.size === 1 && last !== undefined) this.#names.set(key, last)
    }
  }
}
