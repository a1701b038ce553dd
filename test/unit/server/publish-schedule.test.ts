/** How often a crowd is told who is online. */
import { expect, test } from 'vitest'
import { PublishSchedule } from '../../../src/server/clients/publish-schedule.ts'

/** When versions go out, ms, if something changes every so often for so long. */
function versions(clients: number, everyMs: number, forMs: number): number[] {
  const pace = new PublishSchedule()
  const went: number[] = []
  let due: number | undefined
  for (let now = 10_000; now < 10_000 + forMs; now += everyMs) {
    if (due !== undefined && due <= now) {
      pace.recordPublish(due, clients)
      went.push(due)
      due = undefined
    }
    due ??= pace.nextPublishAt(now, clients)
  }
  return went
}

const gaps = (times: readonly number[]) => times.slice(1).map((time, at) => time - (times[at] ?? 0))

test('few are told within 50 ms, whatever comes', () => {
  const went = versions(3, 10, 5_000)
  expect(Math.max(...gaps(went))).toBeLessThan(80)
})

test('a change after quiet is told soon to any crowd, and so is a short storm', () => {
  for (const clients of [1_000, 5_000, 10_000]) {
    const storm = gaps(versions(clients, 5, 3_000)).slice(0, 5)
    expect(Math.max(...storm), `${clients}`).toBeLessThan(50 + clients / 200 + 10)
  }
})

test.each([
  [1_000, 1_000],
  [5_000, 1_000],
  [10_000, 2_000],
  [50_000, 10_000],
])('%i who are told of changes without end are told every %i ms', (clients, everyMs) => {
  const late = gaps(versions(clients, 20, 200_000)).slice(-3)
  for (const gap of late) expect(Math.abs(gap - everyMs)).toBeLessThan(50)
})

test('a trickle is no storm each time: three changes a second cost a crowd no more than a stream of them', () => {
  const went = versions(10_000, 333, 60_000)
  // 10,000 writes each; 20 µs for one of them.
  expect(went.length * 10_000 * 20e-6).toBeLessThan(60 / 5)
})

test('after calm all is as in the beginning', () => {
  const pace = new PublishSchedule()
  let now = 0
  for (let version = 0; version < 50; version++) {
    now = pace.nextPublishAt(now, 5_000)
    pace.recordPublish(now, 5_000)
  }
  expect(pace.nextPublishAt(now, 5_000) - now).toBe(1_000)
  expect(pace.nextPublishAt(now + 750, 5_000) - now - 750).toBe(75)
})
