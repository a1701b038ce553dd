import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Engine } from '../../../daemon/transport/internals.ts'
import { EventReader } from '../../../daemon/transport/packets/event-reader.ts'
import { FirstPackets } from '../../../daemon/transport/packets/first-packets.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Adds this many connections; returns the numbers of those whose packet was handled, in the order of that. */
function addMany(packets: FirstPackets, count: number): number[] {
  const handled: number[] = []
  for (let n = 0; n < count; n++) packets.add({ passFirstPacket: () => handled.push(n) })
  return handled
}

test('a first packet that comes alone does not wait', () => {
  const packets = new FirstPackets()
  expect(addMany(packets, 1)).toEqual([0])
  vi.advanceTimersByTime(6)
  expect(addMany(packets, 1)).toEqual([0])
  expect(packets.size).toBe(0)
})

test('in a rush they are handled together, in order, after 2 ms', () => {
  const packets = new FirstPackets()
  addMany(packets, 1)
  const handled = addMany(packets, 20)
  vi.advanceTimersByTime(1)
  expect([handled, packets.size]).toEqual([[], 20])
  vi.advanceTimersByTime(1)
  expect([handled, packets.size]).toEqual([Array.from({ length: 20 }, (_, n) => n), 0])
})

test('a turn handles 64 at most', () => {
  const packets = new FirstPackets()
  addMany(packets, 1)
  const handled = addMany(packets, 150)
  vi.advanceTimersToNextTimer()
  expect(handled).toHaveLength(64)
  // Those that come meanwhile go last.
  const later = addMany(packets, 1)
  vi.advanceTimersToNextTimer()
  expect([handled.length, later.length]).toEqual([128, 0])
  vi.advanceTimersToNextTimer()
  expect([handled.length, later.length, packets.size]).toEqual([150, 1, 0])
  expect(vi.getTimerCount()).toBe(0)
})

test('one that fails does not keep the others', () => {
  const packets = new FirstPackets()
  addMany(packets, 1)
  const handled = addMany(packets, 63)
  packets.add({
    passFirstPacket: () => {
      throw new Error('for this test')
    },
  })
  const later = addMany(packets, 1)
  expect(() => vi.advanceTimersToNextTimer()).toThrow('for this test')
  vi.advanceTimersToNextTimer()
  expect([handled.length, later.length]).toEqual([63, 1])
})

test('the next packet of a connection neither waits nor overtakes its first one', () => {
  const packets = new FirstPackets()
  const passed: string[] = []
  const webSocket = new EventEmitter().on('message', (data: Buffer) => passed.push(data.toString()))
  const engine = { transport: { socket: webSocket }, readyState: 'open', pingTimeoutTimer: null }
  EventReader.install(engine as unknown as Engine, { countRead: () => {} }, packets)
  addMany(packets, 1)
  webSocket.emit('message', Buffer.from('40'), false)
  expect(passed).toEqual([])
  webSocket.emit('message', Buffer.from('3'), false)
  expect(passed).toEqual(['40', '3'])
  vi.runAllTimers()
  expect(passed).toEqual(['40', '3'])
})
