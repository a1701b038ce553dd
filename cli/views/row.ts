/** A part of a row in one style. The colours are the terminal's own sixteen, so that they suit its background. */
export interface Segment {
  text: string
  color?: 'cyan' | 'green' | 'yellow' | 'blue' | 'magenta' | 'red'
  bold?: true
  dim?: true
  inverse?: true
}

/** One row of the screen. */
export type Row = readonly Segment[]

export function rowText(row: Row): string {
  return row.map(segment => segment.text).join('')
}

const SENDER_COLORS = ['green', 'yellow', 'blue', 'magenta'] as const

/** The colour of a name: the same everywhere, every time. */
export function nameColor(name: string): (typeof SENDER_COLORS)[number] {
  let hash = 0
  for (const character of name) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) | 0
  return SENDER_COLORS[Math.abs(hash) % SENDER_COLORS.length] ?? 'green'
}
