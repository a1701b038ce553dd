/** The line about users who joined and left a room. */

/** Rooms with more members announce joins and leaves only if the user has asked for it. */
export const MAX_ANNOUNCED_MEMBERS = 20
/** Most names that a line lists. */
const MAX_LISTED_NAMES = 4

/** Who joined and left since the last message of a room. */
export interface MembershipChanges {
  readonly joined: readonly string[]
  readonly left: readonly string[]
}

/** Whether the thread of a room shows who joins and leaves. */
export function announcesMembers(setting: 'auto' | 'on' | 'off', memberCount: number): boolean {
  return setting === 'auto' ? memberCount <= MAX_ANNOUNCED_MEMBERS : setting === 'on'
}

/** Adds later changes. A user who left and came back, or came and left, has not changed. */
export function foldChanges(earlier: MembershipChanges | undefined, later: MembershipChanges): MembershipChanges {
  if (earlier === undefined) return later
  const without = (names: readonly string[], others: readonly string[]) => {
    const excluded = new Set(others)
    return names.filter(name => !excluded.has(name))
  }
  return {
    joined: [...without(earlier.joined, later.left), ...without(later.joined, earlier.left)],
    left: [...without(earlier.left, later.joined), ...without(later.left, earlier.joined)],
  }
}

/**
 * The changes as text, such as `Billy and Carla joined, Emil left`; empty if there are none.
 * @param shown the text of a name, with its mark
 */
export function changesText({ joined, left }: MembershipChanges, shown: (name: string) => string): string {
  const parts: string[] = []
  if (joined.length > 0) parts.push(`${listNames(joined, shown)} joined`)
  if (left.length > 0) parts.push(`${listNames(left, shown)} left`)
  return parts.join(', ')
}

/** Names as an enumeration: the first few, and the number of the others. */
function listNames(names: readonly string[], shown: (name: string) => string): string {
  if (names.length > MAX_LISTED_NAMES) {
    const listed = names.slice(0, MAX_LISTED_NAMES - 1)
    return `${listed.map(shown).join(', ')} and ${names.length - listed.length} others`
  }
  const marked = names.map(shown)
  const last = marked.at(-1) ?? ''
  return marked.length < 2 ? last : `${marked.slice(0, -1).join(', ')} and ${last}`
}
