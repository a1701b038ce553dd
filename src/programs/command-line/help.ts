/** The sections after the options in a program's `--help`: a title, and rows of a term and its meaning. */
export type HelpSections = Readonly<Record<string, readonly (readonly [term: string, means: string])[]>>

/** A term longer than this, in characters, gets its own line instead of a wider column. */
const MAX_TERM_WIDTH = 34

/** Formats sections as text, with the meanings aligned in each. */
export function helpText(sections: HelpSections): string {
  const texts = Object.entries(sections).map(([title, rows]) => {
    const width = Math.max(...rows.map(([term]) => (term.length > MAX_TERM_WIDTH ? 0 : term.length)))
    const lines = rows.map(([term, means]) => {
      if (term.length > width) return `  ${term}\n${' '.repeat(width + 4)}${means}`
      return `  ${term.padEnd(width)}  ${means}`
    })
    return [`${title}:`, ...lines].join('\n')
  })
  return `\n${texts.join('\n\n')}`
}
