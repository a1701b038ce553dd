/** Plain Ink: redraws as many cells as the client's screen has, with the typed text in the last row. */
import { Box, render, Text } from 'ink'

const { columns = 80, rows = 24 } = process.stdout
const line = 'the quick brown fox jumps over the lazy dog '.repeat(8).slice(0, columns - 1)
let typed = ''

function Screen({ text }: { text: string }) {
  return (
    <Box flexDirection="column">
      {Array.from({ length: rows - 2 }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row is identified by its position.
        <Text key={row}>{line}</Text>
      ))}
      <Text>{text || ' '}</Text>
    </Box>
  )
}

process.stdin.setRawMode(true)
const ink = render(<Screen text={typed} />, { exitOnCtrlC: false, patchConsole: false, maxFps: 60 })
process.stdin.on('data', data => {
  typed = (typed + data.toString()).slice(-20)
  ink.rerender(<Screen text={typed} />)
})
