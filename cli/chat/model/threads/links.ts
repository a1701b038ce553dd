/** Links in messages: http, https and mailto. */

import type { ReadonlyThread } from '../readonly-model.ts'
import type { Range } from '../rooms/mentions.ts'

/** Longest link, in UTF-16 units: VTE and tmux ignore longer hyperlinks. */
const MAX_LINK_LENGTH = 2_000
/** Most links that are listed of a thread. */
const MAX_LISTED_LINKS = 500

const MAY_HAVE_LINK = /https?:|mailto:/i
/** Ends at a space, a quote, a bracket that no URL has, and punctuation of Chinese and Japanese. */
const LINK = /\b(?:https?:\/\/|mailto:)[^\s<>"`{}|\\^\p{C}\u3000-\u303f\uff01-\uff0f\uff1a-\uff20]+/giu
/** Punctuation at the end belongs to the sentence. */
const TRAILING_PUNCTUATION = /[.,:;!?'*_~]+$/
const CLOSING_BRACKETS: Record<string, string> = { ')': '(', ']': '[' }
const PRINTABLE_ASCII = /^[\x21-\x7e]+$/

/** A link in a text: its range, and its address in printable ASCII. */
export interface Link extends Range {
  url: string
}

/** The links of a text, in order. */
export function findLinks(text: string): Link[] {
  if (!MAY_HAVE_LINK.test(text)) return []
  return [...text.matchAll(LINK)].flatMap(match => {
    const shown = withoutPunctuation(match[0])
    const url = linkAddress(shown)
    return url === undefined ? [] : [{ start: match.index, end: match.index + shown.length, url }]
  })
}

/** The different links of a thread's loaded messages, newest first. */
export function threadLinks({ entries }: Pick<ReadonlyThread, 'entries'>): string[] {
  const urls = new Set<string>()
  for (let at = entries.length - 1; at >= 0 && urls.size < MAX_LISTED_LINKS; at--) {
    const entry = entries[at]
    if (entry?.kind === 'message') for (const { url } of findLinks(entry.text).reverse()) urls.add(url)
  }
  return [...urls].slice(0, MAX_LISTED_LINKS)
}

/** The address as programs get it: international names and characters encoded. Undefined: it is not a link. */
function linkAddress(text: string): string | undefined {
  if (text.length > MAX_LINK_LENGTH || !URL.canParse(text)) return undefined
  const url = new URL(text)
  if (url.protocol === 'mailto:') {
    if (!url.pathname.includes('@')) return undefined
    // Some mail programs attach the files that a link names.
    for (const name of [...url.searchParams.keys()]) if (/^attach/i.test(name)) url.searchParams.delete(name)
  } else if (url.hostname === '') return undefined
  return PRINTABLE_ASCII.test(url.href) && url.href.length <= MAX_LINK_LENGTH ? url.href : undefined
}

/** Without the punctuation and the unmatched closing brackets at the end. */
function withoutPunctuation(text: string): string {
  let link = text
  for (;;) {
    const before = link.length
    link = link.replace(TRAILING_PUNCTUATION, '')
    const last = link.at(-1) ?? ''
    const opening = CLOSING_BRACKETS[last]
    if (opening !== undefined && count(link, last) > count(link, opening)) link = link.slice(0, -1)
    if (link.length === before) return link
  }
}

function count(text: string, character: string): number {
  return text.split(character).length - 1
}
