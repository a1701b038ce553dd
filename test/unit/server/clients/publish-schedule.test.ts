/** How often the roster is published. */
import { expect, test } from 'vitest'
import { PublishSchedule } from '../../../../src/server/clients/publish-schedule.ts'

/** Publish times, ms, with a change every `everyMs` for `forMs`. */
function publishTimes(clients: number, everyMs: number, forMs: number): number[] {
  const schedule = new PublishSchedule()
  const times: number[] = []
  let due: number | undefined
  for (let now = 10_000; now < 10_000 + forMs; now += everyMs) {
    if (due !== undefined && due <= now) {
      schedule.recordPublish(due, clients)
      times.push(due)
      due = undefined
    }
    due ??= schedule.nextPublishAt(now, clients)
  }
  return times
}

const gaps = (times: readonly number[]) => times.slice(1).map((time, at) => time - (times[at] ?? 0))

test('few clients get changes within 50 ms, even under constant change', () => {
  const times = publishTimes(3, 10, 5_000)
  expect(Math.max(...gaps(times))).toBeLessThan(80)
})

test('many clients get the first changes of a burst soon', () => {
  for (const clients of [1_000, 5_000, 10_000]) {
    const burst = gaps(publishTimes(clients, 5, 3_000)).slice(0, 5)
    expect(Math.max(...burst), `${clients}`).toBeLessThan(50 + clients / 200 + 10)
  }
})

test.each([
  [1_000, 1_000],
  [5_000, 4_000],
  [10_000, 8_000],
  [50_000, 40_000],
])('under constant change, %i clients get a version every %i ms', (clients, everyMs) => {
  const late = gaps(publishTimes(clients, 20, 200_000)).slice(-3)
  for (const gap of late) expect(Math.abs(gap - everyMs)).toBeLessThan(50)
})

test('three changes per second cost no more than constant change', () => {
  const times = publishTimes(10_000, 333, 60_000).slice(8)
  // After the burst, one version takes 20 µs of CPU per client, and publishing at most a fortieth of a core.
  expect(times.length * 10_000 * 20e-6).toBeLessThan(60 / 40)
})

test('a quiet period ends the burst', () => {
  const schedule = new PublishSchedule()
  let now = 0
  for (let version = 0; version < 50; version++) {
    now = schedule.nextPublishAt(now, 5_000)
    schedule.recordPublish(now, 5_000)
  }
  expect(schedule.nextPublishAt(now, 5_000) - now).toBe(4_000)
  expect(schedule.nextPublishAt(now + 750, 5_000) - now - 750).toBe(75)
})
