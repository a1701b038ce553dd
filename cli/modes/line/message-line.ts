/** Names and texts of messages as lines for people. */
import type { ConfusableNames } from '../../../src/common/confusables.ts'
import { sanitizeLine, sanitizeText } from '../../../src/protocol/text.ts'
import { wrap } from '../../terminal/width.ts'

/** Columns before the second and further lines of a text: no text can look like the start of another message. */
const INDENT = 6
/** Names that could look like a name and a text, like a note about a name, or like the start of another kind of line. */
const AMBIGUOUS_NAME = /[:→,;("*]|^to /

/** A name; in quotes if it could be taken for more than a name, and with a note if it looks like another one. */
export function nameText(name: string, confusables: Pick<ConfusableNames, 'find'>): string {
  const similarName = confusables.find(name)
  return similarName === undefined ? quoted(name) : `${quoted(name)} (looks like ${quoted(similarName)})`
}

function quoted(name: string): string {
  return AMBIGUOUS_NAME.test(name) ? JSON.stringify(name) : name
}

/**
 * A message as one line, or several of which all but the first are indented.
 * @param head what comes before the text
 * @param columns width of the terminal, which would break longer lines without an indent; undefined: no terminal
 */
export function messageLine(head: string, text: string, columns?: number): string {
  return indented(`${sanitizeLine(head)}: ${sanitizeText(text)}`, columns)
}

/** The same for an action, such as `* Anna waves`. @param head the time, and who acts */
export function actionLine(head: string, action: string, columns?: number): string {
  return indented(`${sanitizeLine(head)} ${sanitizeText(action)}`, columns)
}

function indented(message: string, columns: number | undefined): string {
  const room = columns === undefined ? Number.POSITIVE_INFINITY : Math.max(1, columns - INDENT)
  return wrap(message, room)
    .map(row => row.text)
    .join(`\n${' '.repeat(INDENT)}`)
}
