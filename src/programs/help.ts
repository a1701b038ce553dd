/** What stands below the options in a program's `--help`: titled lists of a term and what it means. */
export type HelpSections = Readonly<Record<string, readonly (readonly [term: string, means: string])[]>>

/** A longer term, in characters, does not make its column wider, but has a line of its own. */
const MAX_TERM_WIDTH = 34

/** The sections as text, the second column of each in line. */
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
