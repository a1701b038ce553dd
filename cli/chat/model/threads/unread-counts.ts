/** Numbers of unread messages as text. A mention is counted as a mention only, not a second time among the others. */

export interface UnreadCounts {
  /** All unread messages, mentions among them. */
  readonly unreadCount: number
  readonly mentionCount: number
}

/** The mentions, such as `@2`, and the number of the other unread messages; each is empty if there are none. */
export function unreadParts({ unreadCount, mentionCount }: UnreadCounts): { mentions: string; others: string } {
  const others = unreadCount - mentionCount
  return {
    mentions: mentionCount > 0 ? `@${shortCount(mentionCount)}` : '',
    others: others > 0 ? shortCount(others) : '',
  }
}

/** Both in one text: `@2`, `3`, or `@2 3`; empty: nothing is unread. */
export function unreadText(counts: UnreadCounts): string {
  const { mentions, others } = unreadParts(counts)
  return [mentions, others].filter(part => part !== '').join(' ')
}

function shortCount(count: number): string {
  return count > 999 ? '999+' : `${count}`
}
