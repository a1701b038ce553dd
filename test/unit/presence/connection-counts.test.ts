/** Connection counts for the clients that subscribed to them. */
import { expect, test } from 'vitest'
import { ConnectionCounts } from '../../../src/presence/connection-counts.ts'

class Counts {
  readonly counts = new ConnectionCounts()
  readonly now = new Map<string, number>()

  set(name: string, count: number): void {
    this.now.set(name, count)
    this.counts.markChanged(name)
  }

  publish(): [string, number][] {
    return this.counts.publish(name => this.now.get(name) ?? 0)
  }
}

test('a first and a last connection are not published: 1 is the default', () => {
  const all = new Counts()
  all.set('Anna', 1)
  expect(all.publish()).toEqual([])
  all.set('Anna', 0)
  expect(all.publish()).toEqual([])
  expect(all.counts.snapshot()).toEqual([])
})

test('a second connection is published, and its end again', () => {
  const all = new Counts()
  all.set('Anna', 2)
  expect(all.publish()).toEqual([['Anna', 2]])
  expect(all.counts.snapshot()).toEqual([['Anna', 2]])
  all.set('Anna', 1)
  expect(all.publish()).toEqual([['Anna', 1]])
  expect(all.counts.snapshot()).toEqual([])
})

test('a user who leaves with several connections is published with 0, and forgotten', () => {
  const all = new Counts()
  all.set('Anna', 3)
  all.publish()
  all.set('Anna', 0)
  expect(all.publish()).toEqual([['Anna', 0]])
  expect(all.counts.snapshot()).toEqual([])
  all.set('Anna', 0)
  expect(all.publish()).toEqual([])
})

test('changes between two publishes cancel out', () => {
  const all = new Counts()
  all.set('Anna', 2)
  all.set('Anna', 1)
  expect(all.publish()).toEqual([])
})

test('only marked users are read', () => {
  const all = new Counts()
  all.set('Anna', 2)
  all.publish()
  expect(all.counts.publish(() => expect.fail('nothing is marked'))).toEqual([])
})
