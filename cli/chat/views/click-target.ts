import { width } from '../../terminal/width.ts'
import type { ClickTarget } from '../model/mouse.ts'
import type { Row } from './row.ts'

/**
 * What a click at a column of a row opens; undefined: nothing. Next to a link, it is the first link of the row.
 * @param mainColumn the first column after the sidebar
 */
export function clickTarget(row: Row, column: number, mainColumn: number): ClickTarget | undefined {
  let end = 0
  for (const { text, opens, link } of row) {
    end += width(text)
    if (column >= end) continue
    if (opens !== undefined) return { type: 'thread', name: opens }
    if (link !== undefined) return { type: 'link', url: link.url }
    break
  }
  const link = column < mainColumn ? undefined : row.find(segment => segment.link !== undefined)?.link
  return link && { type: 'link', url: link.url }
}
