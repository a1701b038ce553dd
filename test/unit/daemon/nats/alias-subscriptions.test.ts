/** Subscriptions to the names of many users, a part in each turn of the event loop. */
import { expect, test } from 'vitest'
import { AliasSubscriptions } from '../../../../daemon/links/nats/subscriptions/alias-subscriptions.ts'

const nextTurn = () => new Promise(setImmediate)
const names = (count: number, prefix = 'user') => Array.from({ length: count }, (_, n) => `${prefix} ${n}`)

/** Collects the names that are subscribed to. */
function subscriber() {
  const subscribed: string[] = []
  const subscribe = (name: string) => {
    subscribed.push(name)
    return { unsubscribe: () => void subscribed.splice(subscribed.indexOf(name), 1) }
  }
  return { subscribed, subscribe }
}

function run(steps: Iterable<void>): number {
  return [...steps].length
}

test('the names known before the backbone is connected are subscribed to a part in each turn', async () => {
  const subscriptions = new AliasSubscriptions()
  run(subscriptions.addAll(names(3_000)))
  const { subscribed, subscribe } = subscriber()
  const done = subscriptions.attach(subscribe)
  const counts = [subscribed.length]
  while (subscribed.length < 3_000) {
    await nextTurn()
    counts.push(subscribed.length)
  }
  await done
  expect(Math.max(...counts.map((count, at) => count - (counts[at - 1] ?? 0)))).toBeLessThanOrEqual(250)
  expect(subscribed).toEqual(names(3_000))
})

test('a name that is added while the others are subscribed to is subscribed to at once, and once', async () => {
  const subscriptions = new AliasSubscriptions()
  run(subscriptions.addAll(names(2_000)))
  const { subscribed, subscribe } = subscriber()
  const done = subscriptions.attach(subscribe)
  subscriptions.add('Anna')
  expect(subscribed).toContain('Anna')
  await done
  expect(subscribed).toHaveLength(2_001)
})

test('a second kind of subscription does not disturb the first, which is under way', async () => {
  const subscriptions = new AliasSubscriptions()
  run(subscriptions.addAll(names(2_000)))
  const [one, other] = [subscriber(), subscriber()]
  await Promise.all([subscriptions.attach(one.subscribe), subscriptions.attach(other.subscribe)])
  expect([...one.subscribed].sort()).toEqual(names(2_000).sort())
  expect([...other.subscribed].sort()).toEqual(names(2_000).sort())
})

test('subscribing ends when the backbone is disconnected, and starts again with all names', async () => {
  const subscriptions = new AliasSubscriptions()
  run(subscriptions.addAll(names(3_000)))
  const [one, other] = [subscriber(), subscriber()]
  const first = subscriptions.attach(one.subscribe)
  subscriptions.detach()
  await first
  expect(one.subscribed.length).toBeLessThan(3_000)
  await subscriptions.attach(other.subscribe)
  expect(other.subscribed).toEqual(names(3_000))
})

test('many new names are subscribed to in several parts, and known ones take none', async () => {
  const subscriptions = new AliasSubscriptions()
  const { subscribed, subscribe } = subscriber()
  await subscriptions.attach(subscribe)
  expect(run(subscriptions.addAll(names(2_000)))).toBe(8)
  expect(run(subscriptions.addAll(names(2_000)))).toBe(0)
  expect(subscribed).toHaveLength(2_000)
})
