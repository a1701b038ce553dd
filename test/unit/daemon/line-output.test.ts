/** Log lines never block and never fail: what cannot be written is lost and counted. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LineOutput } from '../../../daemon/log/line-output.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** An output whose descriptor takes up to `room` bytes, and fails with `fault` then. */
function open() {
  const state = { written: '', room: Number.POSITIVE_INFINITY, fault: 'EAGAIN', now: 0, reports: [] as string[] }
  const output = new LineOutput({
    write: bytes => {
      if (state.room <= 0) throw Object.assign(new Error(`failed: ${state.fault}`), { code: state.fault })
      const part = bytes.subarray(0, Math.min(bytes.length, state.room))
      state.written += Buffer.from(part).toString()
      state.room -= part.length
      return part.length
    },
    now: () => state.now,
    onRecovered: (lost, reason) => {
      state.reports.push(`${lost}: ${reason}`)
      output.write('report\n')
    },
  })
  return { output, state }
}

test('lines are lost and counted while the disk is full, and reported once when it has space again', () => {
  const { output, state } = open()
  output.write('one\n')
  Object.assign(state, { room: 0, fault: 'ENOSPC' })
  for (let n = 0; n < 5; n++) output.write('lost\n')
  expect(output.lost).toBe(5)
  state.room = Number.POSITIVE_INFINITY
  output.write('two\n')
  output.write('three\n')
  expect(state.written).toBe('one\ntwo\nreport\nthree\n')
  expect(state.reports).toEqual(['5: the disk is full'])
})

test('a line that is written in part is lost, and the next one starts on a new line', () => {
  const { output, state } = open()
  Object.assign(state, { room: 2, fault: 'ENOSPC' })
  output.write('torn\n')
  expect(output.lost).toBe(1)
  output.write('lost\n')
  state.room = Number.POSITIVE_INFINITY
  output.write('next\n')
  expect(state.written).toBe('to\nnext\nreport\n')
})

test('lines wait for a slow reader, up to a limit, and keep their order', () => {
  const { output, state } = open()
  state.room = 10
  const line = `${'x'.repeat(1023)}\n`
  for (let n = 0; n < 2_000; n++) output.write(line)
  // 1 MiB waits.
  expect(output.lost).toBe(2_000 - 1024)
  expect(state.written).toBe('x'.repeat(10))
  state.room = 5 * 1024
  vi.advanceTimersByTime(20)
  // What was read makes room for as much.
  for (let n = 0; n < 10; n++) output.write(line)
  expect(output.lost).toBe(2_000 - 1024 + 5)
  state.room = Number.POSITIVE_INFINITY
  vi.advanceTimersByTime(20)
  expect(state.written).toBe(`${line.repeat(1024 + 5)}report\n`)
  expect(state.reports).toEqual(['981: the reader is too slow'])
  expect(vi.getTimerCount()).toBe(0)
})

test('a disk that is full again and again is reported every 10 seconds at most', () => {
  const { output, state } = open()
  for (let n = 0; n < 100; n++) {
    Object.assign(state, { room: 0, fault: 'ENOSPC', now: n * 1_000 })
    output.write('lost\n')
    state.room = Number.POSITIVE_INFINITY
    output.write('line\n')
  }
  expect(output.lost).toBe(100)
  expect(state.reports).toHaveLength(10)
})

test('a reader that has gone costs lines only', () => {
  const { output, state } = open()
  Object.assign(state, { room: 0, fault: 'EPIPE' })
  output.write('lost\n')
  expect(output.lost).toBe(1)
  state.room = Number.POSITIVE_INFINITY
  output.write('next\n')
  expect(state.reports).toEqual(['1: the reader was gone'])
})
