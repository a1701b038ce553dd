import { describe, expect, test } from 'vitest'
import { KeyDecoder } from '../../../../cli/terminal/key-decoder.ts'

/** The decoded keys as a line: text and pastes in quotes, keys by name. */
function decode(...chunks: string[]): string {
  const decoder = new KeyDecoder()
  const keys = [...chunks.flatMap(chunk => decoder.feed(chunk)), ...decoder.flush()]
  return keys
    .map(key => (key.type === 'key' ? key.name : `${key.type === 'paste' ? 'paste ' : ''}"${key.text}"`))
    .join(' ')
}

describe('KeyDecoder decodes', () => {
  const table: [what: string, chunks: string[], keys: string][] = [
    ['text and Enter in one chunk', ['hello\r'], '"hello" enter'],
    ['Enter typed before raw mode was set', ['hi\n'], '"hi" enter'],
    ['Backspace is not Delete', ['\u007f\u001b[3~'], 'backspace delete'],
    ['Ctrl with a letter', ['\u0001\u0005\u0017\u001a\u001f'], 'C-a C-e C-w C-z C-_'],
    ['arrows, also in application mode', ['\u001b[A\u001bOB'], 'up down'],
    ['arrows with modifiers', ['\u001b[1;5C\u001b[1;3A\u001b[1;2D'], 'C-right M-up S-left'],
    [
      'PageUp, PageDown, Home and function keys',
      ['\u001b[5~\u001b[6~\u001b[1;3H\u001b[18~\u001bOP'],
      'pageup pagedown M-home f7 f1',
    ],
    ['Alt with a key', ['\u001bb\u001b\r\u001b1\u001b\u007f'], 'M-b M-enter M-1 M-backspace'],
    ['Alt with an arrow as two Escapes', ['\u001b\u001b[A'], 'M-up'],
    ['Escape alone', ['\u001b'], 'escape'],
    ['Shift+Tab', ['\t\u001b[Z'], 'tab S-tab'],
    ['keys of the kitty protocol', ['\u001b[13;3u\u001b[97;5u'], 'M-enter C-a'],
    ['a sequence in three chunks', ['\u001b', '[1;', '5D'], 'C-left'],
    ['a bracketed paste in several chunks', ['\u001b[200~two\r', 'lines\u001b[20', '1~\r'], 'paste "two\rlines" enter'],
    ['letters outside of ASCII', ['Grüße 👩‍👩‍👧\r'], '"Grüße 👩‍👩‍👧" enter'],
    ['an unknown sequence does nothing', ['\u001b[99;99Xa'], '"a"'],
  ]
  test.each(table)('%s', (_, chunks, keys) => {
    expect(decode(...chunks)).toBe(keys)
  })

  test('a long input gives the same keys wherever it is split into chunks', () => {
    const input = 'hello\r\u001b[1;5C\u001b[200~a\u001b[b\u001b[201~\u001bOA\u001b[3~x'
    for (let cut = 1; cut < input.length; cut++) {
      const keys = decode(input.slice(0, cut), input.slice(cut)).replaceAll('" "', '')
      expect(keys).toBe(decode(input))
    }
  })
})
