/** Names of users (free text, normalised) and of servers (identifiers). */

/** A parsed value, or the reason why it is invalid, as a sentence for a person. */
export type ParseResult<T> = { ok: true; value: T } | { ok: false; reason: string }

/** The longest user name, in characters (Unicode code points, after NFC). */
const MAX_NAME_CHARACTERS = 64

/**
 * Characters that are invisible or move other characters: controls (Cc), formats such as bidi overrides and zero-width
 * characters (Cf), lone surrogates (Cs), line and paragraph separators (Zl, Zp), fillers and selectors (default
 * ignorable), any white space but U+0020, and a leading mark, which would combine with the text before the name.
 */
const HIDDEN_CHARACTER = /^\p{M}|[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|[^\S ]/u
/** Characters that this version of Unicode does not assign (Cn), or that are private (Co): not allowed in new names. */
const UNASSIGNED_CHARACTER = /[\p{Cn}\p{Co}]/u
/** They only choose between two presentations of the preceding character. */
const VARIATION_SELECTORS = /[\ufe0e\ufe0f]/g
/** Longest name on the wire, in UTF-16 units. */
export const MAX_NAME_LENGTH = 200

/** Names that need no normalisation, as nearly all: visible ASCII, spaces inside. */
const ASCII_NAME = /^[!-~](?:[ -~]{0,62}[!-~])?$/

/**
 * Whether a name that another program passes on is valid. Unassigned characters are accepted: the other program may know
 * a newer Unicode.
 */
export function isUserName(name: unknown): name is string {
  return (
    typeof name === 'string' &&
    (ASCII_NAME.test(name) || (name !== '' && name.length <= MAX_NAME_LENGTH && !HIDDEN_CHARACTER.test(name)))
  )
}

/** Whether a text has characters that are invisible, or that this version of Unicode does not assign. */
export function hasHiddenCharacters(text: string): boolean {
  return HIDDEN_CHARACTER.test(text) || UNASSIGNED_CHARACTER.test(text)
}

/**
 * Parses a user name into its canonical form: Unicode NFC (UAX #15), trimmed, without variation selectors. Canonically
 * equal spellings are the same name.
 */
export function parseUserName(raw: unknown): ParseResult<string> {
  if (typeof raw !== 'string') return { ok: false, reason: 'a user name must be a string' }
  if (ASCII_NAME.test(raw) && !raw.startsWith('#')) return { ok: true, value: raw }
  // Checked before normalising, so that a huge text costs nothing.
  if (raw.length > MAX_NAME_CHARACTERS * 12) return { ok: false, reason: NAME_TOO_LONG }
  const name = raw.replace(VARIATION_SELECTORS, '').normalize('NFC').trim()
  if (name === '') return { ok: false, reason: 'a user name cannot be empty' }
  if (name.startsWith('#')) return { ok: false, reason: 'a user name cannot start with #, which marks rooms' }
  if (hasHiddenCharacters(name)) {
    return { ok: false, reason: 'a user name cannot contain control or invisible characters' }
  }
  if ([...name].length > MAX_NAME_CHARACTERS) return { ok: false, reason: NAME_TOO_LONG }
  return { ok: true, value: name }
}

const NAME_TOO_LONG = `a user name can have at most ${MAX_NAME_CHARACTERS} characters`

const SERVER_ID = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$/

/** Parses a server id: at most 64 letters, digits, `.`, `_`, `-`, `/`; starts with a letter or digit. */
export function parseServerId(raw: unknown): ParseResult<string> {
  return typeof raw === 'string' && SERVER_ID.test(raw)
    ? { ok: true, value: raw }
    : {
        ok: false,
        reason: 'a server id must have 1 to 64 letters, digits or any of . _ - / and start with a letter or digit',
      }
}

/** The order of names everywhere: by UTF-16 code units, like `Array.prototype.sort`. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
