/** Most units of a name that are taken from the one before: what one digit of base 36 says. */
const MAX_SHARED_UNITS = 35

/**
 * Sorted names, each without what it shares with the one before: how many UTF-16 units that is, as a digit of base 36,
 * and the rest. Other orders do no harm, and gain nothing.
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

/** The names that were coded. What no coder makes gives some names or other, or throws. */
export function frontDecode(coded: readonly string[]): string[] {
  let previous = ''
  return coded.map(one => {
    const shared = Number.parseInt(one.charAt(0), 36)
    if (Number.isNaN(shared) || shared > previous.length) throw new Error('no front coding')
    previous = previous.slice(0, shared) + one.slice(1)
    return previous
  })
}
