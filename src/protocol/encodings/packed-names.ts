import { MAX_NAME_LENGTH } from '../names.ts'

/** Most UTF-16 units that a name shares with the one before it: the largest base-36 digit. */
const MAX_SHARED_UNITS = 35
/** The length of a longer suffix has two digits after this one. */
const LONG = 'z'
const MAX_SHORT_SUFFIX_UNITS = 34
const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz'
/** By UTF-16 unit; hand-written, because a server reads 100,000 of them in one turn of the event loop. */
const DIGIT_VALUES: readonly (number | undefined)[] = Array.from({ length: 128 }, (_, unit) => {
  const value = DIGITS.indexOf(String.fromCharCode(unit))
  return value < 0 ? undefined : value
})

/** Longest packed form of a name, in UTF-16 units. */
export const MAX_PACKED_NAME_LENGTH = MAX_NAME_LENGTH + 4

/**
 * Names as one text, front-coded: for each name the number of UTF-16 units that it shares with the one before, the number of its
 * other units, both in base 36, and these units. Sorted names become short.
 */
export function packNames(names: readonly string[]): string {
  let packed = ''
  let previous = ''
  for (const name of names) {
    const shared = sharedUnits(previous, name)
    const suffix = name.slice(shared)
    const { length } = suffix
    const isShort = length <= MAX_SHORT_SUFFIX_UNITS
    packed += digit(shared)
    packed += isShort ? digit(length) : LONG + digit(Math.floor(length / 36)) + digit(length % 36)
    packed += suffix
    previous = name
  }
  return packed
}

/** The names in a text of `packNames`; undefined if it is invalid, or has more than `max`. */
export function unpackNames(packed: string, max: number): string[] | undefined {
  const names: string[] = []
  let previous = ''
  for (let at = 0; at < packed.length; ) {
    const shared = parseDigits(packed, at, 1)
    const isLong = packed[at + 1] === LONG
    const length = isLong ? parseDigits(packed, at + 2, 2) : parseDigits(packed, at + 1, 1)
    const start = at + (isLong ? 4 : 2)
    at = start + length
    // A comparison with NaN is false.
    if (!(shared <= previous.length && at <= packed.length) || names.length >= max) return undefined
    previous = previous.slice(0, shared) + packed.slice(start, at)
    names.push(previous)
  }
  return names
}

function sharedUnits(one: string, other: string): number {
  const max = Math.min(MAX_SHARED_UNITS, one.length, other.length)
  let shared = 0
  while (shared < max && one.charCodeAt(shared) === other.charCodeAt(shared)) shared++
  // Half of a surrogate pair would be escaped in JSON.
  const isHalf = shared > 0 && (other.charCodeAt(shared - 1) & 0xfc00) === 0xd800
  return isHalf ? shared - 1 : shared
}

function digit(value: number): string {
  return DIGITS[value] ?? ''
}

/** The number that `count` base-36 digits of a text give; NaN if they are not digits. */
function parseDigits(text: string, at: number, count: number): number {
  let value = 0
  for (let n = at; n < at + count; n++) value = value * 36 + (DIGIT_VALUES[text.charCodeAt(n)] ?? Number.NaN)
  return value
}
