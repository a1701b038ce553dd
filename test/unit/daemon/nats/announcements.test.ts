/** Announcements on the backbone: what a server proves now is learned, not what was recorded. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Announcements } from '../../../../daemon/links/nats/announcements.ts'
import type { PeerIdentity } from '../../../../src/protocol/frames.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** @param servers the servers that answer, and their URLs */
function announcementsWith(servers: Record<string, string>) {
  const learned: string[] = []
  const probed: string[] = []
  let running = 0
  let mostRunning = 0
  const announcements = new Announcements({
    limits: { peers: 20 },
    probe: async (id): Promise<PeerIdentity | undefined> => {
      probed.push(id)
      mostRunning = Math.max(mostRunning, ++running)
      await new Promise(resolve => setTimeout(resolve, 10))
      running--
      const url = servers[id]
      if (url === undefined) throw new Error('no such server')
      return { id, incarnation: 'now', protocol: 2, url }
    },
    learn: ({ id, url }) => void learned.push(`${id} ${url}`),
  })
  return { announcements, learned, probed, mostRunning: () => mostRunning }
}

test('a server is learned with the address that it proves now', async () => {
  const { announcements, learned } = announcementsWith({ 'server-2': 'http://now:1' })
  announcements.handle('server-2', 'an old incarnation', 1)
  await vi.runAllTimersAsync()
  expect(learned).toEqual(['server-2 http://now:1'])
  expect(announcements.pending).toBe(0)
})

test('a recorded announcement of a server that is gone is not believed', async () => {
  const { announcements, learned, probed } = announcementsWith({})
  announcements.handle('server-2', 'i', 1)
  await vi.runAllTimersAsync()
  expect(learned).toEqual([])
  expect(probed).toHaveLength(3)
  expect(announcements.pending).toBe(0)
})

test('a repeated announcement costs nothing', async () => {
  const { announcements, probed } = announcementsWith({ 'server-2': 'http://x:1' })
  for (let round = 0; round < 50; round++) {
    for (const n of [2, 1, 2]) announcements.handle('server-2', 'i', n)
    await vi.runAllTimersAsync()
  }
  expect(probed).toHaveLength(1)
  announcements.handle('server-2', 'i', 3)
  await vi.runAllTimersAsync()
  expect(probed).toHaveLength(2)
})

test('any number of announcements asks few servers at once, and the counts return to 0', async () => {
  const servers = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`server-${n}`, `http://x:${n}`]))
  const { announcements, learned, mostRunning } = announcementsWith(servers)
  for (let n = 0; n < 10_000; n++) announcements.handle(`server-${n % 100}`, `i${n}`, 1)
  expect(announcements.pending).toBeLessThanOrEqual(24)
  await vi.runAllTimersAsync()
  expect(mostRunning()).toBe(4)
  expect(learned.length).toBeLessThanOrEqual(24)
  expect(announcements.pending).toBe(0)
})

test('after close nothing is asked or learned', async () => {
  const { announcements, learned, probed } = announcementsWith({ 'server-2': 'http://x:1' })
  for (const id of ['server-2', 'gone']) announcements.handle(id, id, 1)
  await vi.advanceTimersByTimeAsync(5)
  announcements.close()
  await vi.runAllTimersAsync()
  expect(learned).toEqual([])
  expect(probed).toHaveLength(2)
  expect(announcements.pending).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})
