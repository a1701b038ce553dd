/** Which handshake gives way when there are too many. */
import { expect, test } from 'vitest'
import { PendingHandshakes } from '../../../daemon/links/pending-handshakes.ts'

function handshakesOf(limit: number, random = () => 0) {
  const handshakes = new PendingHandshakes(limit, random)
  const aborted: string[] = []
  const aborts = new Map<string, () => void>()
  const add = (address: string, name: string) => {
    const abort = () => {
      aborted.push(name)
      handshakes.remove(address, abort)
    }
    aborts.set(name, () => handshakes.remove(address, abort))
    handshakes.add(address, abort)
  }
  return { handshakes, aborted, add, finish: (name: string) => aborts.get(name)?.() }
}

test('the address with the most loses its oldest', () => {
  const { handshakes, aborted, add } = handshakesOf(3)
  add('peer', 'p1')
  add('stranger', 's1')
  add('stranger', 's2')
  add('stranger', 's3')
  add('stranger', 's4')
  expect(aborted).toEqual(['s1', 's2'])
  expect(handshakes.size).toBe(3)
  add('other', 'o1')
  expect(aborted).toEqual(['s1', 's2', 's3'])
})

test('of addresses with equally many, a random one loses its oldest: a peer among strangers is not always first', () => {
  let draw = 0
  const { aborted, add } = handshakesOf(3, () => draw)
  add('peer', 'p1')
  add('stranger 1', 's1')
  add('stranger 2', 's2')
  for (const [at, random] of [0.3, 0.6, 0.99].entries()) {
    draw = random
    add(`stranger ${at + 3}`, `s${at + 3}`)
  }
  expect(aborted).toEqual(['s1', 's3', 's5'])
  draw = 0
  add('stranger 6', 's6')
  expect(aborted.at(-1)).toBe('p1')
})

test('finished ones make room, and the number returns to 0', () => {
  const { handshakes, aborted, add, finish } = handshakesOf(2)
  for (let n = 0; n < 10; n++) {
    add(`address ${n}`, `${n}`)
    finish(`${n}`)
    finish(`${n}`)
  }
  expect(aborted).toEqual([])
  expect(handshakes.size).toBe(0)
})

test('a limit of 0 is off', () => {
  const { handshakes, add } = handshakesOf(0)
  for (let n = 0; n < 1_000; n++) add('one', `${n}`)
  expect(handshakes.size).toBe(1_000)
})
