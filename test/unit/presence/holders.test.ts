/** Which peers each user is connected to. */
import { expect, test } from 'vitest'
import { Holders } from '../../../src/presence/holders.ts'
import { between, pick, seeded } from '../../support/random.ts'

test('random changes give the same peers as a map of sets', () => {
  const random = seeded(7)
  const holders = new Holders()
  const truth = new Map<string, Set<string>>()
  const names = Array.from({ length: 300 }, (_, n) => `user ${n}`)
  for (let step = 0; step < 10_000; step++) {
    const name = pick(random, names)
    const peer = `server-${between(random, 1, step < 5_000 ? 300 : 3)}`
    const peers = truth.get(name) ?? new Set()
    truth.set(name, peers)
    if (random() < 0.4) {
      holders.add(name, peer)
      peers.add(peer)
    } else {
      holders.delete(name, peer)
      peers.delete(peer)
    }
    const [known, cached] = [holders.of(name), holders.ofCached(name)]
    expect([[...known].sort(), [...cached].sort(), holders.has(name)]).toEqual([
      [...peers].sort(),
      [...peers].sort(),
      peers.size > 0,
    ])
  }
})

test('the number of a forgotten peer is given to the next one', () => {
  const holders = new Holders()
  for (const peer of ['two', 'three']) holders.add('Anna', peer)
  holders.delete('Anna', 'two')
  holders.forget('two')
  holders.forget('two')
  holders.add('Billy', 'four')
  expect([holders.of('Anna'), holders.of('Billy'), holders.of('Carla')]).toEqual([['three'], ['four'], []])
})

test('the look-ups that are kept are bounded, and stay right', () => {
  const holders = new Holders()
  for (let n = 0; n < 25_000; n++) holders.add(`user ${n}`, 'two')
  for (let n = 0; n < 25_000; n++) expect(holders.ofCached(`user ${n}`)).toEqual(['two'])
  holders.delete('user 3', 'two')
  expect([holders.ofCached('user 3'), holders.ofCached('user 4')]).toEqual([[], ['two']])
})
