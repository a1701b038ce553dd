/** Most edits between a word and its suggestion. */
const MAX_EDITS = 2

/** The candidate that a mistyped word most likely means; undefined if none is similar. Ignores case. */
export function closestWord(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  // A short word may differ in fewer letters: every three-letter word is two edits from many others.
  let limit = Math.min(MAX_EDITS, Math.floor(word.length / 2))
  for (const candidate of candidates) {
    // Each missing letter is an edit: most candidates of a long list need no comparison.
    if (Math.abs(candidate.length - word.length) > limit) continue
    const edits = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (edits > limit) continue
    best = candidate
    limit = edits - 1
  }
  return best
}

/** `; did you mean CANDIDATE?`, or nothing if no candidate is similar. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const closest = closestWord(word, candidates)
  return closest === undefined ? '' : `; did you mean ${closest}?`
}

/** Insertions, deletions, substitutions and swaps of neighbours between two words (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, column) => column)]
  const at = (row: number, column: number) => rows[row]?.[column] ?? Number.POSITIVE_INFINITY
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swap = isSwap ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY
      rows[i]?.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, substitution, swap))
    }
  }
  return at(a.length, b.length)
}
