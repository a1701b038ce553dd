/** Most UTF-16 units shared with the previous name: the largest base-36 digit. */
const MAX_SHARED_UNITS = 35

/**
 * Front coding of sorted names. Each name becomes the number of UTF-16 units that it shares with the previous name, as a
 * base-36 digit, and its other units. Names in another order are coded correctly, but not shortened.
 */
export function frontEncode(names: readonly string[]): string[] {
  let previous = ''
  return names.map(name => {
    let shared = 0
    while (shared < MAX_SHARED_UNITS && shared < previous.length && name[shared] === previous[shared]) shared++
    previous = name
    return shared.toString(36) + name.slice(shared)
  })
}

/**
 * Decodes front-coded names.
 * @throws Error if a name shares more units than the previous one has
 */
export function frontDecode(coded: readonly string[]): string[] {
  let previous = ''
  return coded.map(one => {
    const shared = Number.parseInt(one.charAt(0), 36)
    if (Number.isNaN(shared) || shared > previous.length) throw new Error('invalid front coding')
    previous = previous.slice(0, shared) + one.slice(1)
    return previous
  })
}
