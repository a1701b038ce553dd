import unhomoglyph from 'unhomoglyph'

/** Separators and punctuation; several of them, or some at an end of a name, are hard to tell apart. */
const SEPARATORS = /[\p{Z}\p{P}\p{Sk}]+/gu
/** A dot above a letter that has one anyway, or that looks like one that has. */
const HIDDEN_DOT = /(?<=[lj])\u0307/gu
const ASCII = /^[ -~]*$/
/** Small capitals of the phonetic alphabet look like upper case, and Unicode does not count them as that. */
const SMALL_CAPITALS = new Map(
  Array.from(
    'ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ɪi ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ꞯq ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz'.matchAll(/(\S)(\S)/gu),
    pair => [pair[1] ?? '', pair[2] ?? ''],
  ),
)
const SMALL_CAPITAL = new RegExp(`[${[...SMALL_CAPITALS.keys()].join('')}]`, 'gu')

/**
 * The skeletons of a name, one or two: names that a person may take for each other share one. A skeleton is that of UTS
 * #39, section 4 (Cyrillic `А` and Latin `A`), and also the same for upper and lower case, for `i` and `l`, which upper
 * case confuses, and for whatever separates or surrounds words (`Anna.`, `Anna  B`, `Anna_B`).
 *
 * Case and look are compared in both orders: Greek `Ν` looks like `N`, but its lower case `ν` looks like `v`.
 */
export function skeletons(name: string): string[] {
  if (ASCII.test(name)) return [joinWords(foldAscii(name))]
  const byLook = joinWords(fold(prototype(name)))
  const byCase = joinWords(fold(name))
  return byLook === byCase ? [byLook] : [byLook, byCase]
}

function joinWords(text: string): string {
  const words = text.replace(SEPARATORS, ' ').trim()
  // A name of punctuation only is compared unchanged.
  return words === '' ? text : words
}

/** Folds case, then replaces confusable characters. */
function fold(text: string): string {
  // The full case folding of Unicode: `ß` and `ſ` become `ss` and `s`; lower case first, because only that changes `ẞ`.
  const sameCase = text.toLowerCase().toUpperCase().toLowerCase()
  const folded = prototype(
    sameCase.replace(SMALL_CAPITAL, letter => SMALL_CAPITALS.get(letter) ?? letter),
  ).toLowerCase()
  return folded.replaceAll('i', 'l').replace(HIDDEN_DOT, '')
}

/** Replaces each confusable character by the one that represents all that look like it. */
function prototype(text: string): string {
  const replaced = unhomoglyph(text.normalize('NFKD')).normalize('NFKD')
  // The normal form of a replacement may have a replacement itself.
  return replaced === text ? text : unhomoglyph(replaced)
}

/** The folded form of each ASCII character: nearly all names are ASCII, and a roster may have 100,000. */
const FOLDED_ASCII = Array.from({ length: 128 }, (_, code) => fold(prototype(String.fromCharCode(code))))

function foldAscii(text: string): string {
  let folded = ''
  for (let at = 0; at < text.length; at++) folded += FOLDED_ASCII[text.charCodeAt(at)] ?? ''
  return folded
}

/** Finds confusable names among those that are online, and those that are kept. */
export class ConfusableNames {
  /** Names by skeleton; nearly always one. */
  readonly #names = new Map<string, Set<string> | string>()
  /** The skeletons of more than one name. */
  readonly #shared = new Set<string>()
  /** Names that stay when they go offline. */
  readonly #kept = new Set<string>()
  /** Another number after each change of the names: until then, `find` returns the same. */
  revision = 0

  /** Names came online, and went offline. */
  update(joined: Iterable<string>, left: Iterable<string>): void {
    for (const name of left) if (!this.#kept.has(name)) this.#delete(name)
    for (const name of joined) this.#add(name)
  }

  /** Compares with these names, too, whether they are online or not. */
  keep(names: Iterable<string>): void {
    for (const name of names) {
      this.#kept.add(name)
      this.#add(name)
    }
  }

  /** Returns another name that is confusable with this one, or undefined. */
  find(name: string): string | undefined {
    for (const key of skeletons(name)) {
      const confusable = this.#names.get(key)
      if (confusable === undefined || confusable === name) continue
      if (typeof confusable === 'string') return confusable
      for (const other of confusable) if (other !== name) return other
    }
    return undefined
  }

  /** All names that are confusable with another one, each with one of those. Does not visit the other names. */
  pairs(): Map<string, string> {
    const pairs = new Map<string, string>()
    for (const key of this.#shared) {
      for (const name of this.#names.get(key) ?? []) {
        const other = this.find(name)
        if (other !== undefined) pairs.set(name, other)
      }
    }
    return pairs
  }

  #add(name: string): void {
    this.revision++
    for (const key of skeletons(name)) {
      const names = this.#names.get(key)
      if (names === undefined) this.#names.set(key, name)
      else if (typeof names !== 'string') names.add(name)
      else if (names !== name) {
        this.#names.set(key, new Set([names, name]))
        this.#shared.add(key)
      }
    }
  }

  #delete(name: string): void {
    this.revision++
    for (const key of skeletons(name)) {
      const names = this.#names.get(key)
      if (names === name) this.#names.delete(key)
      else if (names instanceof Set) {
        names.delete(name)
        const [last] = names
        if (names.size > 1 || last === undefined) continue
        this.#names.set(key, last)
        this.#shared.delete(key)
      }
    }
  }
}
