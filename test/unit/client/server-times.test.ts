import { expect, test } from 'vitest'
import { ServerTimes } from '../../../src/client/server-times.ts'

const HOUR_MS = 3_600_000
const EPOCH_MS = 1_700_000_000_000
const context = { now: 0, wall: EPOCH_MS, clockOffset: undefined }

test('C20: a time near the clock of this machine is believed', () => {
  const times = new ServerTimes()
  expect(times.judge(EPOCH_MS + 24 * HOUR_MS, context)).toBe('believed')
  expect(times.judge(EPOCH_MS - 24 * HOUR_MS, context)).toBe('believed')
})

test('C20: another time is believed when a second answer has it too', () => {
  const times = new ServerTimes()
  expect(times.judge(EPOCH_MS + 25 * HOUR_MS, context)).toBe('ask-again')
  expect(times.judge(EPOCH_MS + 99 * HOUR_MS, context)).toBe('wrong')
  expect(times.judge(EPOCH_MS + 25 * HOUR_MS + 60_001, context)).toBe('wrong')
  expect(times.judge(EPOCH_MS + 25 * HOUR_MS + 60_000, context)).toBe('believed')
})

test('C20: a time near the known time of the mesh is believed, whatever the clock of this machine', () => {
  const times = new ServerTimes()
  expect(times.judge(EPOCH_MS, { ...context, wall: 0, clockOffset: EPOCH_MS + HOUR_MS })).toBe('believed')
})

test('times that never agree are not believed, and few of them are remembered', () => {
  const times = new ServerTimes()
  const answers = Array.from({ length: 20 }, (_, n) => times.judge(EPOCH_MS + (n + 2) * 24 * HOUR_MS, context))
  expect(answers).toEqual(['ask-again', ...Array.from({ length: 19 }, () => 'wrong')])
  expect(times.judge(EPOCH_MS + 2 * 24 * HOUR_MS, context)).toBe('wrong')
})
