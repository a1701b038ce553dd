import { describe, expect, test } from 'vitest'
import { type Key, KeyDecoder } from '../../../../cli/terminal/key-decoder.ts'

/** The decoded keys as a line: text and pastes in quotes, keys by name. */
function decode(...chunks: string[]): string {
  const decoder = new KeyDecoder()
  const keys = [...chunks.flatMap(chunk => decoder.feed(chunk)), ...decoder.flush()]
  return keys.map(describeKey).join(' ')
}

function describeKey(key: Key): string {
  switch (key.type) {
    case 'key':
      return key.name
    case 'focus':
      return key.isFocused ? 'focus-in' : 'focus-out'
    case 'mouse':
      return `${key.action} ${key.column},${key.row}`
    case 'terminal':
      return `terminal ${key.name}`
    default:
      return `${key.type === 'paste' ? 'paste ' : ''}"${key.text}"`
  }
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
    ['focus reports', ['a\u001b[Ib\u001b[Oc'], '"a" focus-in "b" focus-out "c"'],
    [
      'the wheel and the left button',
      ['\u001b[<64;1;2M\u001b[<65;10;20M\u001b[<0;300;40M'],
      'wheel-up 0,1 wheel-down 9,19 press 299,39',
    ],
    ['a mouse report in three chunks', ['\u001b[<6', '4;1', ';2Mx'], 'wheel-up 0,1 "x"'],
    [
      'no key for releases, other buttons and modifiers',
      ['\u001b[<0;1;1m\u001b[<2;1;1M\u001b[<4;1;1M\u001b[<35;1;1Mx'],
      '"x"',
    ],
    [
      'no key for malformed mouse reports',
      ['\u001b[<0;0;1M\u001b[<0;1M\u001b[<0;1;1;1M\u001b[<;;M\u001b[<0;999999;1M\u001b[<64;1;1~\u001b[<13uxy'],
      '"xy"',
    ],
    ['no key for mouse reports of old terminals', ['\u001b[M !!x\u001b[M', ' !', '!y\u001b[M \r'], '"x" "y" enter'],
    ['letters outside of ASCII', ['Grüße 👩‍👩‍👧\r'], '"Grüße 👩‍👩‍👧" enter'],
    [
      'a reply of the terminal is not typed: OSC',
      ['a\u001b]11;rgb:1111/2222/3333\u0007b\u001b]10;x\u001b\\c'],
      '"a" "b" "c"',
    ],
    ['a reply that ends with an 8-bit terminator', ['\u001b]11;rgb:0/0/0\u009ca'], '"a"'],
    [
      'DCS, APC, PM and SOS',
      ['\u001bP>|xterm(390)\u001b\\a\u001b_Gi=1;OK\u001b\\b\u001b^x\u001b\\c\u001bXx\u001b\\d'],
      'terminal xterm(390) "a" "b" "c" "d"',
    ],
    ['a reply in parts', ['\u001b', ']11;rgb:', '1111/22', '22/3333\u001b', '\\x'], '"x"'],
    ['Enter ends a reply that lacks its end', ['\u001b]11;rgb:\rx'], 'enter "x"'],
    ['Escape ends it, too', ['\u001bP1+r\u001b[Ax'], 'up "x"'],
    ['Alt with a key that can start a reply', ['\u001b]\u001b]\u001bP\u001b_'], 'M-] M-] M-P M-_'],
    ['Alt with such a key, then text', ['\u001b]hello\r', '\u001bPx', 'y'], 'M-] "hello" enter M-P "xy"'],
    ['a long text after it', [`\u001b]${'x'.repeat(5_000)}`], `M-] "${'x'.repeat(5_000)}"`],
    ['a paste that lacks its end, then Ctrl+C', ['\u001b[200~abc', '\u0003', 'x'], 'paste "abc" C-c "x"'],
    ['Escape alone in such a paste', ['\u001b[200~abc', '\u001b'], 'paste "abc" escape'],
    ['a stray end of a paste', ['a\u001b[201~b'], '"a" "b"'],
    ['a paste with control characters', ['\u001b[200~a\u0003\u001b]b\tc\u001b[201~'], 'paste "a\u0003\u001b]b\tc"'],
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

test('a paste has at most 131,072 characters; the rest is dropped up to its end', () => {
  const decoder = new KeyDecoder()
  const part = 'x'.repeat(100_000)
  const keys = ['\u001b[200~', part, part, part, 'y\u001b[20', '1~z'].flatMap(chunk => decoder.feed(chunk))
  expect(keys).toEqual([
    { type: 'paste', text: 'x'.repeat(131_072), isCut: true },
    { type: 'text', text: 'z' },
  ])
})

describe('input whose end does not come', () => {
  test('a paste ends on request, with all of its text, and keys work again', () => {
    const decoder = new KeyDecoder()
    expect(decoder.feed('\u001b[200~abc\r\u001b[20')).toEqual([])
    expect(decoder.isInInput).toBe(true)
    expect(decoder.endInput()).toEqual([{ type: 'paste', text: 'abc\r\u001b[20' }])
    expect(decoder.isInInput).toBe(false)
    expect(decoder.feed('\r')).toEqual([{ type: 'key', name: 'enter' }])
  })

  test('a paste that was cut ends without another key', () => {
    const decoder = new KeyDecoder()
    decoder.feed(`\u001b[200~${'x'.repeat(140_000)}`)
    expect(decoder.endInput()).toEqual([])
    expect(decoder.feed('a')).toEqual([{ type: 'text', text: 'a' }])
  })

  test('a reply ends on request', () => {
    const decoder = new KeyDecoder()
    expect(decoder.feed('\u001b]52;c;')).toEqual([])
    expect([decoder.isInInput, decoder.hasPendingEscape]).toEqual([true, false])
    expect(decoder.feed('QUJD'.repeat(100_000))).toEqual([])
    expect(decoder.endInput()).toEqual([])
    expect(decoder.feed('a')).toEqual([{ type: 'text', text: 'a' }])
  })
})
