import { PassThrough, Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { Stdout } from '../../../../cli/io/stdout.ts'

function failure(code: string): Error {
  return Object.assign(new Error(code), { code })
}

/** A stream that fails at its first write. */
const failing = (error: Error) => new Writable({ write: (_, __, done) => done(error) })

test('flush waits for a slow reader', async () => {
  const reader = new PassThrough({ highWaterMark: 1 })
  const stdout = new Stdout(() => {}, reader, undefined)
  for (let n = 0; n < 100; n++) stdout.write(`${n}\n`)
  let isFlushed = false
  const flushed = stdout.flush().then(() => {
    isFlushed = true
  })
  await new Promise(setImmediate)
  expect(isFlushed).toBe(false)
  let text = ''
  reader.on('data', chunk => {
    text += chunk
  })
  await flushed
  expect(text.trim().split('\n')).toHaveLength(100)
})

test.each([
  ['EPIPE', [0]],
  ['ENOSPC', [1, 'cannot write the output: no space is left; what was printed is incomplete']],
])('%s ends the program once', async (code, end) => {
  const ends: unknown[][] = []
  const stdout = new Stdout((...args) => ends.push(args), failing(failure(code)), undefined)
  stdout.write('a')
  await new Promise(setImmediate)
  stdout.write('b')
  expect(await stdout.flush()).toBeUndefined()
  expect(ends).toEqual([end])
})

test('flush gives the error that the last writes meet', async () => {
  const error = failure('ENOSPC')
  const stdout = new Stdout(() => {}, failing(error), undefined)
  stdout.write('a')
  expect(await stdout.flush()).toBe(error)
})

test('a reader that does not read costs at most 64 MiB, then the program ends with an error', () => {
  const ends: unknown[][] = []
  const stdout = new Stdout((...args) => ends.push(args), new Writable({ write: () => {} }), undefined)
  const part = 'x'.repeat(1 << 20)
  for (let n = 0; n < 64; n++) stdout.write(part)
  expect(ends).toEqual([])
  for (let n = 0; n < 10; n++) stdout.write(part)
  expect(ends).toEqual([[1, expect.stringContaining('its reader is too slow: 64 MiB wait')]])
})
