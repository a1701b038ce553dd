import { Box, Text } from 'ink'
import { memo } from 'react'
import { type ThemeName, toneColor } from '../model/theme.ts'
import { type Row, rowsEqual, type Segment } from './row.ts'

/** A row, and its position on the screen. */
export interface PlacedRow {
  at: number
  row: Row
}

/** Draws one `Text` per row, without gaps between their positions. Without a theme, rows have no colors. */
export function App({ rows, theme }: { rows: readonly PlacedRow[]; theme: ThemeName | undefined }) {
  return (
    <Box flexDirection="column">
      {rows.map(({ at, row }) => (
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
            // biome-ignore lint/suspicious/noArrayIndexKey: a segment is identified by its position in the row.
            <Text key={at} {...style(segment, theme)}>
              {segment.text}
            </Text>
          ))}
    </Text>
  ),
  (a, b) => a.theme === b.theme && rowsEqual(a.row, b.row),
)

function style({ tone, user, bold, italic, dim, inverse }: Segment, theme: ThemeName | undefined) {
  const color = tone === undefined || theme === undefined ? undefined : toneColor(theme, tone, user)
  return {
    ...(color !== undefined ? { color } : {}),
    ...(bold ? { bold } : {}),
    ...(italic ? { italic } : {}),
    // Without colors, code is dim.
    ...(dim || (tone === 'code' && color === undefined) ? { dimColor: true } : {}),
    ...(inverse ? { inverse } : {}),
  }
}
