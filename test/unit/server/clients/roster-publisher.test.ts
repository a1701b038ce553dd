/** When and to whom the roster and connection counts are published. */
import { expect, test } from 'vitest'
import { Replica } from '../../../../src/presence/replica.ts'
import type { Connection } from '../../../../src/server/clients/connection.ts'
import { RosterPublisher } from '../../../../src/server/clients/roster-publisher.ts'
import { addConnection, createContext, takeEffects } from '../../../support/harness/server-context.ts'

/** `MIN_WINDOW_MS` of the publish schedule, for a few clients. */
const WINDOW_MS = 50

function setUp() {
  const context = createContext()
  const connections = new Map<number, Connection>()
  const publisher = new RosterPublisher(context, connections)
  const join = (id: number, user: string, protocol: 1 | 2 = 2, wantsCounts = false) => {
    const connection = addConnection(context, connections, id, user, protocol, { connections: wantsCounts })
    publisher.handleConnected(connection)
    publisher.markChanged(user)
    return connection
  }
  const leave = (connection: Connection) => {
    connections.delete(connection.id)
    context.directory.removeConnection(connection)
    publisher.handleDisconnected(connection)
    publisher.markChanged(connection.user)
  }
  /** Lets the deadline pass. Returns what is emitted, as [receivers, event, payload]. */
  const publish = () => {
    context.now = publisher.deadline
    publisher.tick()
    return takeEffects(context).map(effect => {
      if (effect.type !== 'emit') throw new Error(`unexpected effect: ${effect.type}`)
      return [effect.to, effect.message.event, effect.message.payload]
    })
  }
  return { context, publisher, join, leave, publish }
}

test('nothing is due until something changes, and again after a publish', () => {
  const { context, publisher, join, publish } = setUp()
  expect(publisher.deadline).toBe(Number.POSITIVE_INFINITY)
  join(1, 'Anna')
  expect(publisher.deadline).toBeGreaterThanOrEqual(context.now + WINDOW_MS)
  publish()
  expect(publisher.deadline).toBe(Number.POSITIVE_INFINITY)
})

test('a tick before the deadline publishes nothing', () => {
  const { context, publisher, join } = setUp()
  join(1, 'Anna')
  context.now = publisher.deadline - 1
  publisher.tick()
  expect(takeEffects(context)).toEqual([])
})

test('changes before the deadline share one version, and do not delay it', () => {
  const { context, publisher, join, publish } = setUp()
  join(1, 'Anna')
  const { deadline } = publisher
  context.now += WINDOW_MS / 2
  join(2, 'Billy')
  expect(publisher.deadline).toBe(deadline)
  expect(publish()).toEqual([[[1, 2], 'roster', { version: 1, joined: ['Anna', 'Billy'], left: [] }]])
})

test('original clients get the whole list, others the delta', () => {
  const { join, leave, publish } = setUp()
  const anna = join(1, 'Anna')
  join(2, 'Billy', 1)
  join(3, 'Carla')
  publish()
  leave(anna)
  expect(publish()).toEqual([
    [[3], 'roster', { version: 2, joined: [], left: ['Anna'] }],
    [[2], 'update_client', { list: ['Billy', 'Carla'] }],
  ])
})

test('an original client that identifies gets the list even if nothing changed, and only once', () => {
  const { publisher, join, publish } = setUp()
  join(1, 'Anna', 1)
  join(2, 'Billy', 1)
  publish()
  publisher.requestList(1)
  expect(publish()).toEqual([[[1], 'update_client', { list: ['Anna', 'Billy'] }]])
  publisher.markChanged('Anna')
  expect(publish()).toEqual([])
})

test('a client that disconnects before the publish gets no list', () => {
  const { publisher, join, publish } = setUp()
  const anna = join(1, 'Anna', 1)
  publish()
  publisher.requestList(1)
  publisher.handleDisconnected(anna)
  expect(publish()).toEqual([])
})

test('a join and a leave before the deadline publish nothing', () => {
  const { join, leave, publish } = setUp()
  join(1, 'Anna')
  publish()
  leave(join(2, 'Billy'))
  expect(publish()).toEqual([])
})

test('changed connection counts go to subscribers only', () => {
  const { publisher, join, leave, publish } = setUp()
  join(1, 'Anna', 2, true)
  join(2, 'Billy')
  publish()
  const second = join(3, 'Billy')
  expect(publish()).toEqual([[[1], 'connections', [['Billy', 2]]]])
  expect(publisher.connectionCounts).toEqual([['Billy', 2]])
  leave(second)
  expect(publish()).toEqual([[[1], 'connections', [['Billy', 1]]]])
  expect(publisher.connectionCounts).toEqual([])
})

test('with no clients, a version is made but not sent', () => {
  const { context, join, leave, publish } = setUp()
  const anna = join(1, 'Anna')
  publish()
  leave(anna)
  expect(publish()).toEqual([])
  expect(context.roster.size).toBe(0)
})

test('of many changes each version has a part, and original clients get the list with the last', () => {
  const { context, publisher, join, publish } = setUp()
  join(1, 'Anna')
  join(2, 'Billy', 1)
  publish()
  const users = Array.from({ length: 2_500 }, (_, n): [string, number] => [`user-${n}`, 1])
  const replica = new Replica()
  context.directory.addReplica('two', replica)
  context.directory.apply('two', { type: 'snapshot', incarnation: 'x', seq: 1, users, more: false })
  for (const [name] of users) publisher.markChanged(name)
  const { deadline } = publisher
  const [first, second, third] = [publish(), publish(), publish()]
  expect(context.now).toBe(deadline)
  const joined = [first, second, third].map(([delta]) => delta?.[2] as { joined: string[] } | undefined)
  expect(joined.map(delta => delta?.joined.length)).toEqual([1_000, 1_000, 500])
  expect([first, second, third].map(emitted => emitted.map(([to, event]) => [to, event]))).toEqual([
    [[[1], 'roster']],
    [[[1], 'roster']],
    [
      [[1], 'roster'],
      [[2], 'update_client'],
    ],
  ])
  expect(publisher.deadline).toBe(Number.POSITIVE_INFINITY)
})
