/** Hyperlinks of terminals: OSC 8. */
import { StyledLine } from './styled-line.ts'

const ESC = '\u001b'
const CLOSE = `${ESC}]8;;${ESC}\\`
const ALL_STYLES = /\u001b\[[0-9;:]*m/g

/** A link of a line, in UTF-16 units of its text. Rows of one link have the same id. */
export interface Hyperlink {
  start: number
  end: number
  /** Printable ASCII. */
  url: string
  id: string
}

export function hyperlink(text: string, { url, id }: Pick<Hyperlink, 'url' | 'id'>): string {
  return `${ESC}]8;id=${id};${url}${ESC}\\${text}${CLOSE}`
}

/**
 * Adds hyperlinks to a line that has style sequences, as Ink writes it.
 * @param text the text of the line, without styles; if the line has another one, no hyperlinks are added
 */
export function addHyperlinks(line: string, text: string, links: readonly Hyperlink[]): string {
  const last = links.at(-1)
  if (last === undefined || !line.replaceAll(ALL_STYLES, '').startsWith(text.slice(0, last.end))) return line
  const styled = new StyledLine(line)
  let result = ''
  for (const link of links) {
    result += styled.takeTo(link.start)
    result += hyperlink(styled.takeTo(link.end), link)
  }
  return result + styled.takeRest()
}
