/** The short names of emoji on GitHub: `smile` is 😄. Import this module lazily: it has 45 kB of data. */
import shortNames from 'emojibase-data/en/shortcodes/github.json' with { type: 'json' }

/** Each short name with its emoji, in the order of Unicode. */
export const EMOJI_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(shortNames as Readonly<Record<string, string | readonly string[]>>).flatMap(([codes, names]) => {
    const emoji = emojiOf(codes)
    return [names].flat().map((name): [string, string] => [name, emoji])
  }),
)

/** The emoji with code points such as `2764-200D-1F525`. The data leaves out the selectors that make symbols emoji. */
function emojiOf(codes: string): string {
  const characters = codes.split('-').map(code => String.fromCodePoint(Number.parseInt(code, 16)))
  return characters
    .map((character, at) => {
      const next = characters[at + 1] ?? ''
      const isEmoji = /\p{Emoji_Presentation}|\p{Emoji_Modifier}|\P{Emoji}/u.test(character)
      return isEmoji || next === '\ufe0f' || /\p{Emoji_Modifier}/u.test(next) ? character : `${character}\ufe0f`
    })
    .join('')
}
