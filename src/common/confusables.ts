import unhomoglyph from 'unhomoglyph'

/** What a name looks like: names of one skeleton are easily taken for each other (UTS #39, section 4). */
function skeleton(name: string): string {
  return unhomoglyph(name.normalize('NFD')).normalize('NFD')
}

/** Which of the names that are online look like each other. */
export class ConfusableNames {
  /** By their skeleton; nearly always one. */
  #names = new Map<string, Set<string> | string>()

  /** Takes in who came and who went. */
  update(joined: Iterable<string>, left: Iterable<string>): void {
    for (const name of left) this.#delete(name)
    for (const name of joined) this.#add(name)
  }

  /** Another name that looks like this one and is online; undefined: there is none. */
  find(name: string): string | undefined {
    const alike = this.#names.get(skeleton(name))
    if (alike === undefined || typeof alike === 'string') return alike === name ? undefined : alike
    for (const other of alike) if (other !== name) return other
    return undefined
  }

  #add(name: string): void {
    const look = skeleton(name)
    const alike = this.#names.get(look)
    if (alike === undefined) this.#names.set(look, name)
    else if (typeof alike !== 'string') alike.add(name)
    else if (alike !== name) this.#names.set(look, new Set([alike, name]))
  }

  #delete(name: string): void {
    const look = skeleton(name)
    const alike = this.#names.get(look)
    if (alike === name) this.#names.delete(look)
    else if (alike instanceof Set) {
      alike.delete(name)
      const [last] = alike
      if (alike.size === 1 && last !== undefined) this.#names.set(look, last)
    }
  }
}
