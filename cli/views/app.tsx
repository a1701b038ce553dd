import { Box, Text } from 'ink'
import { memo } from 'react'
import type { Row, Segment } from './row.ts'

/** Puts rows on the terminal: one `Text` a row, drawn again only where the row has changed. */
export function App({ rows, colors }: { rows: readonly Row[]; colors: boolean }) {
  return (
    <Box flexDirection="column">
      {rows.map((row, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row is its place on the screen.
        <Line key={at} row={row} colors={colors} />
      ))}
    </Box>
  )
}

const Line = memo(
  ({ row, colors }: { row: Row; colors: boolean }) => (
    <Text wrap="truncate">
      {row.length === 0
        ? ' '
        : row.map((segment, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a segment is its place in the row.
            <Text key={at} {...style(segment, colors)}>
              {segment.text}
            </Text>
          ))}
    </Text>
  ),
  (a, b) => a.colors === b.colors && sameRow(a.row, b.row),
)

function style({ color, bold, dim, inverse }: Segment, colors: boolean) {
  return {
    ...(color !== undefined && colors ? { color } : {}),
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
          segment.color === other.color &&
          segment.bold === other.bold &&
          segment.dim === other.dim &&
          segment.inverse === other.inverse
        )
      }))
  )
}
