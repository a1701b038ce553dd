/** Names: of users (free text, made safe) and of servers (an identifier). */

/** A value that was checked, or the reason why it was not taken, as a sentence for a person. */
export type ParseResult<T> = { ok: true; value: T } | { ok: false; reason: string }

/** The longest user name, in characters (Unicode code points, after NFC). */
const MAX_NAME_CHARACTERS = 64

/**
 * What may not stand in a name because it is not seen, or moves what is seen: controls (Cc), formats such as bidi
 * overrides and zero-width characters (Cf), lone surrogates (Cs), line and paragraph separators (Zl, Zp), fillers and
 * selectors (default ignorable), any blank but the plain one, and a mark that would sit on what stands before the name.
 */
const HIDDEN_CHARACTER = /^\p{M}|[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|[^\S ]/u
/** What this version of Unicode does not know (Cn), or nobody does (Co): no new name may hold it. */
const UNASSIGNED_CHARACTER = /[\p{Cn}\p{Co}]/u
/** They only choose between two pictures of the character before. */
const VARIATION_SELECTORS = /[\ufe0e\ufe0f]/g
/** Longest name on the wire, in UTF-16 units. */
export const MAX_NAME_LENGTH = 200

/** Names that are in that form as they stand: of visible ASCII, blanks inside. Nearly all are. */
const ASCII_NAME = /^[!-~](?:[ -~]{0,62}[!-~])?$/

/**
 * Whether a name that another program passes on may be one. It is not judged by what Unicode this program knows: names
 * of a newer one are taken.
 */
export function isUserName(name: unknown): name is string {
  return (
    typeof name === 'string' &&
    (ASCII_NAME.test(name) || (name !== '' && name.length <= MAX_NAME_LENGTH && !HIDDEN_CHARACTER.test(name)))
  )
}

/**
 * The one form in which a user name is known: Unicode NFC, without white space at its ends.
 * Two spellings that look alike because they are canonically equal (UAX #15) are the same name.
 */
export function parseUserName(raw: unknown): ParseResult<string> {
  if (typeof raw !== 'string') return { ok: false, reason: 'a user name is a text' }
  if (ASCII_NAME.test(raw)) return { ok: true, value: raw }
  // Measured before normalising, so that a huge text costs nothing.
  if (raw.length > MAX_NAME_CHARACTERS * 12) return { ok: false, reason: NAME_TOO_LONG }
  const name = raw.replace(VARIATION_SELECTORS, '').normalize('NFC').trim()
  if (name === '') return { ok: false, reason: 'a user name cannot be empty' }
  if (HIDDEN_CHARACTER.test(name) || UNASSIGNED_CHARACTER.test(name)) {
    return { ok: false, reason: 'a user name cannot hold control or invisible characters' }
  }
  if ([...name].length > MAX_NAME_CHARACTERS) return { ok: false, reason: NAME_TOO_LONG }
  return { ok: true, value: name }
}

const NAME_TOO_LONG = `a user name has at most ${MAX_NAME_CHARACTERS} characters`

const SERVER_ID = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$/

/** A server's id: letters, digits, `.`, `_`, `-`, `/`; starts with a letter or digit; at most 64 characters. */
export function parseServerId(raw: unknown): ParseResult<string> {
  return typeof raw === 'string' && SERVER_ID.test(raw)
    ? { ok: true, value: raw }
    : {
        ok: false,
        reason: 'a server id has 1 to 64 letters, digits or any of . _ - / and starts with a letter or digit',
      }
}

/** The order of every roster: by UTF-16 code units, as `Array.prototype.sort` has it. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
