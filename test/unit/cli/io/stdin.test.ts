import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { LineReader, readInput } from '../../../../cli/io/stdin.ts'

/** The lines, long lines and the end of an input, in order. */
function readLines(chunks: readonly (string | Buffer)[], closeAt?: string): Promise<string[]> {
  return new Promise(resolve => {
    const seen: string[] = []
    const reader = new LineReader(
      {
        onLine: line => {
          seen.push(line)
          if (line === closeAt) reader.close()
        },
        onLongLine: () => seen.push('LONG'),
        onEnd: error => resolve([...seen, error ?? 'END']),
      },
      Readable.from(
        chunks.map(chunk => Buffer.from(chunk)),
        { objectMode: false },
      ),
    )
  })
}

test.each([
  ['LF and CRLF end lines', ['a\nb\r\n\r\nc'], ['a', 'b', '', 'c']],
  ['other separators do not', ['a\u2028b\u2029c\u0085d\re\n'], ['a\u2028b\u2029c\u0085d\re']],
  ['a CR and its LF may come apart', ['a\r', '\nb\n'], ['a', 'b']],
  ['a character may come in parts', [Buffer.from([0x67, 0xc3]), Buffer.from([0xbc, 0x0a])], ['gü']],
  ['a byte order mark at the start is skipped, others are not', ['\ufeffa\n\ufeffb\n'], ['a', '\ufeffb']],
  ['empty input has no line', [], []],
])('%s', async (_, chunks, lines) => {
  expect(await readLines(chunks)).toEqual([...lines, 'END'])
})

test('a line of more than 4 Mi characters is skipped, with or without an end', async () => {
  const part = 'x'.repeat(1 << 20)
  expect(await readLines(['a\n', part, part, part, part, part, '\nb\n'])).toEqual(['a', 'LONG', 'b', 'END'])
  expect(await readLines([part, part, part, part, part])).toEqual(['LONG', 'END'])
})

test('nothing is read after close', async () => {
  expect(await readLines(['a\nb\nc\n', 'd\n'], 'b')).toEqual(['a', 'b', 'END'])
})

test('an error of the input is its end', async () => {
  const input = new Readable({ read: () => {} })
  const end = new Promise(resolve => {
    new LineReader({ onLine: () => {}, onLongLine: () => {}, onEnd: resolve }, input)
  })
  input.destroy(new Error('EIO: i/o error'))
  expect(await end).toBe('cannot read stdin: EIO: i/o error')
})

test('the whole input: a byte order mark is skipped, CRLF becomes LF, more than 4 MiB are an error', async () => {
  expect(await readInput(Readable.from([Buffer.from('\ufeffa\r'), Buffer.from('\nb\rc\n')]))).toBe('a\nb\rc\n')
  const chunks = Array.from({ length: 5 }, () => Buffer.alloc(1 << 20, 'x'))
  await expect(readInput(Readable.from(chunks))).rejects.toThrow('stdin has more than 4 MiB')
})
