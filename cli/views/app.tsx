import { Box, Text } from 'ink'
import { memo } from 'react'
import { type ThemeName, toneColor } from '../model/theme.ts'
import type { Row, Segment } from './row.ts'

/** Puts rows on the terminal: one `Text` a row, drawn again only where the row has changed. Without a theme, no colour. */
export function App({ rows, theme }: { rows: readonly Row[]; theme: ThemeName | undefined }) {
  return (
    <Box flexDirection="column">
      {rows.map((row, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row is its place on the screen.
        <Line key={at} row={row} theme={theme} />
      ))}
    </Box>
  )
}

const Line = memo(
  ({ row, theme }: { row: Row; theme: ThemeName | undefined }) => (
    <Text wrap="truncate">
      {row.length === 0
        ? ' '
        : row.map((segment, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a segment is its place in the row.
            <Text key={at} {...style(segment, theme)}>
              {segment.text}
            </Text>
          ))}
    </Text>
  ),
  (a, b) => a.theme === b.theme && sameRow(a.row, b.row),
)

function style({ text, tone, bold, dim, inverse }: Segment, theme: ThemeName | undefined) {
  const color = tone === undefined || theme === undefined ? undefined : toneColor(theme, tone, text)
  return {
    ...(color !== undefined ? { color } : {}),
    ...(bold ? { bold } : {}),
    ...(dim ? { dimColor: dim } : {}),
    ...(inverse ? { inverse } : {}),
  }
}

function sameRow(a: Row, b: Row): boolean {
  return (
    a === b ||
    (a.length === b.length &&
      a.every((segment, at) => {
        const other = b[at]
        return (
          other !== undefined &&
          segment.text === other.text &&
          segment.tone === other.tone &&
          segment.bold === other.bold &&
          segment.dim === other.dim &&
          segment.inverse === other.inverse
        )
      }))
  )
}
