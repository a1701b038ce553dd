/** Completion of emoji by their short names: Tab after `:smi` inserts 😄. */
import type { Key } from '../../../terminal/key-decoder.ts'
import type { Model } from '../model.ts'

/** Most emoji that a short name completes to. */
const MAX_CANDIDATES = 50
/** A short name that has been started, at the end of a text: not a time such as 10:30, and not a part of a URL. */
const SHORT_NAME = /(?:^|[\s(])(:[a-z0-9_+-]{2,40}:?)$/u

/** Where the short name of an emoji before the cursor starts; undefined: there is none. */
export function emojiWordStart(textBefore: string): number | undefined {
  const [, word] = SHORT_NAME.exec(textBefore) ?? []
  return word === undefined ? undefined : textBefore.length - word.length
}

/** The emoji whose short name is the word, else those whose name starts with it, else those whose name contains it. */
export function emojiCandidates(names: ReadonlyMap<string, string>, word: string): string[] {
  const wanted = word.slice(1).replace(/:$/, '')
  const exact = names.get(wanted)
  if (word.endsWith(':')) return exact === undefined ? [] : [exact]
  const matching = [...names].filter(([name]) => name.includes(wanted))
  const rank = (name: string) => (name === wanted ? 0 : name.startsWith(wanted) ? 1 : 2)
  // Sorting is stable: the order of Unicode remains.
  matching.sort(([one], [other]) => rank(one) - rank(other) || one.length - other.length)
  return [...new Set(matching.map(([, emoji]) => emoji))].slice(0, MAX_CANDIDATES)
}

/**
 * The short names have been loaded. Returns whether the input line is still the one in which Tab was pressed, and the keys
 * that were pressed since then.
 */
export function addEmojiNames(model: Model, names: ReadonlyMap<string, string>): { isSameInput: boolean; keys: Key[] } {
  const { text, cursor } = model.focusedEditor
  const asked = model.emojiAsked
  model.emojiNames = names
  model.emojiAsked = undefined
  return { isSameInput: asked?.text === text && asked.cursor === cursor, keys: asked?.keys ?? [] }
}
