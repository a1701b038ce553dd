/** The texts that an entry shows of a message that was edited, deleted or reacted to, and of a reply. */
import { actionOf, type QuotedTarget } from '../../../../src/protocol/message-kinds.ts'
import { sanitizeLine } from '../../../../src/protocol/text.ts'
import type { ReadonlyEntry, ReadonlyThread } from '../readonly-model.ts'
import type { FormattedLine } from './formatting.ts'

/** After the text of a message that was edited. */
const EDITED_MARK = ' (edited)'
const DELETED_TEXT = 'message deleted'
/** Most names with a reaction. */
const MAX_REACTING_NAMES = 5
/** Most different reactions. */
const MAX_REACTIONS = 20

/** Adds what a message is to the lines of its text: an action of its sender, edited, or deleted. */
export function addMarks(
  { from, isAction, isEdited, isDeleted }: ReadonlyEntry,
  lines: FormattedLine[],
): FormattedLine[] {
  if (isDeleted) return [markLine(DELETED_TEXT)]
  const marked = [...lines]
  const [first] = marked
  if (isAction && first !== undefined) marked[0] = withPrefix(`${from} `, first)
  const last = marked.at(-1)
  if (isEdited && last?.isCode) marked.push(markLine(EDITED_MARK.trimStart()))
  else if (isEdited && last !== undefined) {
    const text = last.text + EDITED_MARK
    const mark = { start: last.text.length, end: text.length, format: { dim: true } as const }
    marked[marked.length - 1] = { ...last, text, ranges: [...last.ranges, mark] }
  }
  return marked
}

function markLine(text: string): FormattedLine {
  return { text, isCode: false, ranges: [{ start: 0, end: text.length, format: { dim: true } }] }
}

function withPrefix(prefix: string, { text, isCode, ranges }: FormattedLine): FormattedLine {
  const { length } = prefix
  const moved = ranges.map(({ start, end, format }) => ({ start: start + length, end: end + length, format }))
  return { text: prefix + text, isCode, ranges: moved }
}

/**
 * The reactions to a message, such as `👍 2 Anna, Billy  🎉 1 Carla`; empty: there are none.
 * @param shown the text of a name, with its mark
 */
export function reactionsText({ reactions = [] }: ReadonlyEntry, shown: (name: string) => string): string {
  const texts = reactions.slice(0, MAX_REACTIONS).map(({ emoji, users }) => {
    const names = users.slice(0, MAX_REACTING_NAMES).map(shown).join(', ')
    const others = users.length > MAX_REACTING_NAMES ? ', …' : ''
    return sanitizeLine(`${emoji} ${users.length} ${names}${others}`)
  })
  return texts.join('  ')
}

/**
 * What a reply answers, such as `│ Billy: start of the text`; the bar marks it as a quote.
 * @param isConfusable whether the name of that author looks like another one
 */
export function replyText(thread: ReadonlyThread, reply: QuotedTarget, isConfusable = false): string {
  const quote = thread.currentQuote(reply) ?? DELETED_TEXT
  return sanitizeLine(`│ ${quotedMessage(`${reply.from}${isConfusable ? ' ≈' : ''}`, quote)}`)
}

/** A message in a few words: `Billy: start of the text`, or `* Billy waves`. @param sender the name, with its mark */
export function quotedMessage(sender: string, quote: string): string {
  const action = actionOf(quote)
  return action === undefined ? `${sender}: ${quote}` : `* ${sender} ${action}`
}
