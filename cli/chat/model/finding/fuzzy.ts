/** Fuzzy matching of names, ranked: for lists that typing narrows down. */
import { findAll, searchForm } from '../../../common/search-form.ts'
import type { Range } from '../rooms/mentions.ts'

/** How a name matches, best first. Within a rank, the order of the candidates decides. */
export const MATCH_RANKS = ['exact', 'prefix', 'word-start', 'part', 'subsequence'] as const
export type MatchRank = (typeof MATCH_RANKS)[number]

const WORD_CHARACTER = /[\p{L}\p{N}\p{M}]/u

/**
 * How `form` matches `needle`, both in search form; undefined: not at all. What matches a longer needle also matches its
 * start, so that a search can go on with the matches of the needle before it.
 */
export function matchRank(form: string, needle: string): MatchRank | undefined {
  const at = form.indexOf(needle)
  if (at < 0) return isSubsequence(form, needle) ? 'subsequence' : undefined
  if (at === 0) return form.length === needle.length ? 'exact' : 'prefix'
  for (let start = at; start >= 0; start = form.indexOf(needle, start + 1)) {
    if (isWordStart(form, start)) return 'word-start'
  }
  return 'part'
}

/** The parts of `text` to highlight for a needle in search form: the best occurrence, else the characters one by one. */
export function matchRanges(text: string, needle: string): Range[] {
  const occurrences = findAll(text, needle)
  const best = occurrences.find(({ start }) => isWordStart(text, start)) ?? occurrences[0]
  if (best !== undefined) return [best]
  const ranges: Range[] = []
  let matched = 0
  let at = 0
  for (const character of text) {
    const form = searchForm(character)
    const end = at + character.length
    if (matched < needle.length && needle.startsWith(form, matched)) {
      matched += form.length
      const last = ranges.at(-1)
      if (last?.end === at) last.end = end
      else ranges.push({ start: at, end })
    }
    at = end
  }
  return matched === needle.length ? ranges : []
}

function isSubsequence(form: string, needle: string): boolean {
  let from = 0
  for (let at = 0; at < needle.length; at++) {
    from = form.indexOf(needle[at] ?? '', from) + 1
    if (from === 0) return false
  }
  return true
}

function isWordStart(text: string, at: number): boolean {
  return at === 0 || !WORD_CHARACTER.test(text[at - 1] ?? '')
}
