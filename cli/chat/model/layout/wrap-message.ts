/** Wraps the text of a message so that no link is broken by the indentation. */
import { type WrappedRow, width, wrap } from '../../../terminal/width.ts'
import { findLinks, type Link } from '../threads/links.ts'

/** A part of a link in a row, in UTF-16 units of the row. Parts of one link have the same `id`. */
export interface LinkPart extends Link {
  id: string
}

export interface MessageRow extends WrappedRow {
  /** Whether the row starts at the left margin: a part of a link that does not fit beside the indentation. */
  isFlush: boolean
  links: readonly LinkPart[]
}

/**
 * Wraps a text into rows of at most `columns`. A link that is longer starts at the left margin and is wrapped at
 * `linkColumns`, so that terminals find it and it can be copied.
 * @param id the message's, which makes the ids of its links
 */
export function wrapMessage(text: string, id: string, columns: number, linkColumns: number): MessageRow[] {
  const links = findLinks(text)
  if (links.length === 0) return wrap(text, columns).map(row => ({ ...row, isFlush: false, links: [] }))
  const rows: (WrappedRow & { isFlush: boolean })[] = []
  const addRows = (start: number, end: number, isFlush: boolean) => {
    for (const row of wrap(text.slice(start, end), isFlush ? linkColumns : columns))
      rows.push({ start: start + row.start, text: row.text, isFlush })
  }
  let from = 0
  for (const { start, end } of links) {
    if (width(text.slice(start, end)) <= columns) continue
    // The line break or space before and after the link is where its row begins and ends.
    const before = /[\n ]$/.test(text.slice(from, start)) ? start - 1 : start
    // The first row has the time and the name.
    if (before > from || rows.length === 0) addRows(from, before, false)
    addRows(start, end, true)
    from = end + (/^[\n ]/.test(text.slice(end, end + 1)) ? 1 : 0)
  }
  if (from < text.length) addRows(from, text.length, false)
  return rows.map(({ start, text: rowText, isFlush }) => ({
    start,
    text: rowText,
    isFlush,
    links: linkParts(links, start, rowText.length, id),
  }))
}

function linkParts(links: readonly Link[], rowStart: number, length: number, id: string): LinkPart[] {
  return links
    .filter(({ start, end }) => start < rowStart + length && end > rowStart)
    .map(({ start, end, url }) => ({
      start: Math.max(0, start - rowStart),
      end: Math.min(length, end - rowStart),
      url,
      id: linkId(id, start),
    }))
}

/** An id for the hyperlinks of a terminal. Ids of messages come from outside, and may have any character. */
function linkId(id: string, start: number): string {
  let hash = 0
  for (let at = 0; at < id.length; at++) hash = (Math.imul(hash, 31) + id.charCodeAt(at)) | 0
  return `${(hash >>> 0).toString(36)}-${start}`
}
