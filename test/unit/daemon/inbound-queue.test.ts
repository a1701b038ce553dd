/** Frames that arrive on links: large ones are read one in each turn of the event loop, in the order of their link. */
import { beforeEach, expect, test } from 'vitest'
import { InboundQueue } from '../../../daemon/links/inbound-queue.ts'

const nextTurn = () => new Promise(setImmediate)
const chunk = (part: number) => ({ type: 'snapshot', part, users: [], more: true })

let read: string[] = []
let queue = new InboundQueue<string>(() => {})

beforeEach(() => {
  read = []
  queue = new InboundQueue<string>((link, event, payload) => {
    const { part = '' } = payload as { part?: number }
    read.push(`${link} ${event} ${part}`.trim())
  })
})

/** What is read in each of the next turns. */
async function readInTurns(turns: number): Promise<string[][]> {
  const all: string[][] = [read.splice(0)]
  for (let turn = 1; turn < turns; turn++) {
    await nextTurn()
    all.push(read.splice(0))
  }
  return all
}

test('small frames are read at once', async () => {
  for (const event of ['beat', 'forward', 'presence']) queue.add('one', event, {})
  expect(await readInTurns(2)).toEqual([['one beat', 'one forward', 'one presence'], []])
  expect(queue.size).toBe(0)
})

test('one chunk of a snapshot is read in each turn, and what follows on the link waits', async () => {
  queue.add('one', 'beat', {})
  for (const part of [0, 1, 2]) queue.add('one', 'presence', chunk(part))
  queue.add('one', 'forward', {})
  queue.add('two', 'forward', {})
  expect(queue.size).toBe(1)
  expect(await readInTurns(4)).toEqual([
    ['one beat', 'one presence 0', 'two forward'],
    ['one presence 1'],
    ['one presence 2', 'one forward'],
    [],
  ])
  expect(queue.size).toBe(0)
})

test('the chunks of several links take turns', async () => {
  for (const link of ['one', 'two']) for (const part of [0, 1]) queue.add(link, 'presence', chunk(part))
  expect(await readInTurns(5)).toEqual([
    ['one presence 0'],
    ['one presence 1'],
    ['two presence 0'],
    ['two presence 1'],
    [],
  ])
  for (const link of ['one', 'two']) for (const part of [0, 1, 2]) queue.add(link, 'presence', chunk(part))
  expect((await readInTurns(7)).flat()).toEqual([
    'one presence 0',
    'one presence 1',
    'two presence 0',
    'one presence 2',
    'two presence 1',
    'two presence 2',
  ])
})

test.each([
  ['users', 'presence', { users: Array(501).fill(['Anna', 1]) }],
  ['packed names', 'presence', { users: [], packed: '02Al'.repeat(501) }],
  ['changes', 'presence', { changes: Array(501).fill(['Anna', 1]) }],
  ['claims', 'claims', Array(501).fill(['Anna', 'key', 1, 1])],
])('a frame with many %s is large', async (_, event, payload) => {
  for (let n = 0; n < 2; n++) queue.add('one', event, payload)
  expect(await readInTurns(3)).toEqual([[`one ${event}`], [`one ${event}`], []])
})

test.each([[null], ['text'], [42], [{ users: { length: 1_000 } }]])('a payload of %j is small', async payload => {
  const seen: unknown[] = []
  queue = new InboundQueue<string>((_, __, payload) => void seen.push(payload))
  for (const event of ['presence', 'claims']) for (let n = 0; n < 2; n++) queue.add('one', event, payload)
  expect(seen).toEqual(Array(4).fill(payload))
})

test('the end of a link comes after the frames that arrived before it', async () => {
  queue.end('one', () => read.push('one ends'))
  for (const part of [0, 1]) queue.add('two', 'presence', chunk(part))
  queue.add('two', 'goodbye', {})
  queue.end('two', () => read.push('two ends'))
  expect(await readInTurns(3)).toEqual([
    ['one ends', 'two presence 0'],
    ['two presence 1', 'two goodbye', 'two ends'],
    [],
  ])
  expect(queue.size).toBe(0)
})

test('what waits on a link that this server closes is dropped, also while it is read', async () => {
  for (const link of ['one', 'two']) for (const part of [0, 1]) queue.add(link, 'presence', chunk(part))
  queue.drop('two')
  expect(await readInTurns(3)).toEqual([['one presence 0'], ['one presence 1'], []])
  queue = new InboundQueue<string>((link, event) => {
    read.push(event)
    if (event === 'forward') queue.drop(link)
  })
  for (const part of [0, 1]) queue.add('one', 'presence', chunk(part))
  for (const event of ['forward', 'beat']) queue.add('one', event, {})
  expect(await readInTurns(3)).toEqual([['presence'], ['presence', 'forward'], []])
  expect(queue.size).toBe(0)
})

test('a limited number of frames waits: beyond it the oldest is read at once', async () => {
  for (let part = 0; part < 1_100; part++) queue.add('one', 'presence', chunk(part))
  const [now = []] = await readInTurns(1)
  expect(now).toEqual(Array.from({ length: 1_100 - 1_024 }, (_, part) => `one presence ${part}`))
  while (queue.size > 0) await nextTurn()
  expect(read).toEqual(Array.from({ length: 1_024 }, (_, n) => `one presence ${n + 76}`))
})

test('nothing is read after the queue is cleared', async () => {
  for (const part of [0, 1]) queue.add('one', 'presence', chunk(part))
  queue.clear()
  expect(await readInTurns(2)).toEqual([['one presence 0'], []])
  queue.add('one', 'presence', chunk(2))
  expect(read).toEqual(['one presence 2'])
})
