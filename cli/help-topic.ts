/** What `/help NAME` shows of the help, in all modes. */
import { didYouMean } from '../src/programs/command-line/suggestion.ts'

/** A line of the help: commands, keys or a mark, and what they do. */
export interface HelpItem {
  readonly label: string
  readonly text: string
}

/**
 * Whether a line is about a topic: `msg` or `/msg`, `Ctrl+N`, the name of a setting.
 * @param isExact whether the topic must be a word of the label; else it may be a part of label or text
 */
export function isAbout({ label, text }: HelpItem, topic: string, isExact: boolean): boolean {
  const wanted = withoutSlash(topic.trim().toLowerCase())
  const lowerLabel = label.toLowerCase()
  if (!isExact) return lowerLabel.includes(wanted) || text.toLowerCase().includes(wanted)
  return lowerLabel === wanted || lowerLabel.split(/[\s,]+/).some(word => withoutSlash(word) === wanted)
}

/** @param topics what may have been meant */
export function noHelpText(topic: string, topics: readonly string[]): string {
  return `no help about ${topic}${didYouMean(withoutSlash(topic), topics) || '; /help lists everything'}`
}

function withoutSlash(word: string): string {
  return word.length > 1 && word.startsWith('/') ? word.slice(1) : word
}
