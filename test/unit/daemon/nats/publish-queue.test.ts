/** Publications in order, spread over several turns of the event loop when there are many. */
import { expect, test } from 'vitest'
import type { Outgoing } from '../../../../daemon/links/nats/envelopes/outbound-batch.ts'
import { PublishQueue } from '../../../../daemon/links/nats/envelopes/publish-queue.ts'
import { NatsLink } from '../../../../daemon/links/nats/nats-link.ts'

const link = new NatsLink(1, 'link-1', { id: 'server-2', incarnation: 'i' }, 'acceptor', true)
const missed = (name: string): Outgoing => ({ to: 'link', link, frame: { event: 'missed', payload: [name] } })
const presence = (seq: number): Outgoing => ({
  to: 'link',
  link,
  frame: { event: 'presence', payload: { type: 'delta', incarnation: 'i', seq, changes: [] } },
})

/** @param parts how many parts the preparation of a presence frame has, each longer than a turn may be */
function collect(parts = 3) {
  const log: string[] = []
  const queue = new PublishQueue({
    publisher: {
      publish: out => {
        if (out.to !== 'link') throw new Error(out.to)
        log.push(out.frame.event === 'missed' ? (out.frame.payload[0] ?? '') : out.frame.event)
      },
      flush: () => void log.push('flush'),
    },
    *prepare() {
      for (let part = 1; part <= parts; part++) {
        log.push(`part ${part}`)
        for (const until = performance.now() + 9; performance.now() < until; );
        if (part < parts) yield
      }
    },
  })
  return { queue, log }
}

const settled = async ({ queue }: ReturnType<typeof collect>) => {
  let turns = 0
  for (; queue.size > 0; turns++) await new Promise(setImmediate)
  return turns
}

test('publications leave at once', () => {
  const { queue, log } = collect()
  queue.add([missed('Anna'), missed('Billy')])
  expect(log).toEqual(['Anna', 'Billy', 'flush'])
  expect(queue.size).toBe(0)
})

test('a presence frame is published when all of its preparation is done, over several turns; later ones wait', async () => {
  const collected = collect()
  const { queue, log } = collected
  queue.add([missed('before'), presence(1), missed('after')])
  queue.add([missed('later')])
  expect(log).toEqual(['before', 'part 1', 'flush'])
  expect(await settled(collected)).toBeGreaterThanOrEqual(2)
  expect(log.filter(entry => entry !== 'flush')).toEqual([
    'before',
    'part 1',
    'part 2',
    'part 3',
    'presence',
    'after',
    'later',
  ])
})

test('nothing is published after a disconnect, and a new frame is prepared from its start', async () => {
  const collected = collect()
  const { queue, log } = collected
  queue.add([presence(1), missed('lost')])
  queue.clear()
  await new Promise(setImmediate)
  expect(log).toEqual(['part 1', 'flush'])
  queue.add([presence(2)])
  await settled(collected)
  expect(log.filter(entry => entry !== 'flush').slice(1)).toEqual(['part 1', 'part 2', 'part 3', 'presence'])
})

test('all that waits is published in one turn when the server shuts down', () => {
  const { queue, log } = collect()
  queue.add([presence(1), missed('after')])
  queue.finish()
  expect(queue.size).toBe(0)
  expect(log.slice(-3)).toEqual(['presence', 'after', 'flush'])
})

test('the queue makes no pause while too many publications wait', () => {
  const { queue } = collect(2)
  queue.add([presence(1)])
  queue.add(Array.from({ length: 20_000 }, (_, n) => missed(`${n}`)))
  expect(queue.size).toBeLessThanOrEqual(10_000)
})
