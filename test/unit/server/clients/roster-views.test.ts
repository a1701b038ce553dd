/** Views of a long roster: which clients hold one, and which changes they are told of. */
import { expect, test } from 'vitest'
import { Roster } from '../../../../src/presence/roster.ts'
import type { Connection } from '../../../../src/server/clients/connection.ts'
import { RosterPublisher } from '../../../../src/server/clients/roster-publisher.ts'
import { addConnection, createContext, takeEffects } from '../../../support/harness/server-context.ts'

/** A server with these users online, each by a client that takes views, and a limit of whole rosters. */
function setUp(users: readonly string[], wholeRoster = 3) {
  const context = createContext({ wholeRoster })
  const connections = new Map<number, Connection>()
  const publisher = new RosterPublisher(context, connections)
  let lastId = 0
  const join = (user: string, features: { views?: boolean; connections?: boolean } = { views: true }) => {
    const connection = addConnection(context, connections, ++lastId, user, 2, features)
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
  /** What is emitted, as [receivers, event, payload], and the answers. */
  const take = () =>
    takeEffects(context).map(effect => {
      if (effect.type === 'answer') return effect.payload
      if (effect.type === 'emit') return [effect.to, effect.message.event, effect.message.payload]
      throw new Error(`unexpected effect: ${effect.type}`)
    })
  const publish = () => {
    context.now = publisher.deadline
    publisher.tick()
    return take()
  }
  const watch = ({ id }: Connection, ...names: string[]) => {
    publisher.views.watch({ type: 'watch', connection: id, names, call: 1 })
    return take()[0]
  }
  const list = ({ id }: Connection, after: string, count: number, follow = true) => {
    publisher.views.list({ type: 'names', connection: id, after, count, follow, call: 1 })
    return take()[0]
  }
  const find = ({ id }: Connection, text: string, count = 10) => {
    publisher.views.find({ type: 'find', connection: id, text, count, call: 1 })
    return take()[0]
  }
  const joined = users.map(user => join(user))
  if (users.length > 0) publish()
  return { context, publisher, join, leave, publish, watch, list, find, joined }
}

const FIVE = ['Anna', 'Billy', 'Carol', 'Dora', 'Emil']

test('up to the limit everyone is told of all; above it those who take a view hold one, and others do not', () => {
  const { join, publish, publisher } = setUp(['Anna', 'Billy'])
  join('Carol', {})
  expect(publish()).toEqual([[[1, 2, 3], 'roster', { version: 2, joined: ['Carol'], left: [] }]])
  join('Dora', {})
  expect(publish()).toEqual([
    [[1, 2], 'view', { total: 4, reset: true }],
    [[3, 4], 'roster', { version: 3, joined: ['Dora'], left: [] }],
  ])
  const emil = join('Emil')
  expect(publisher.holdsWhole(emil.id)).toBe(false)
  expect(publish()).toEqual([[[3, 4], 'roster', { version: 4, joined: ['Emil'], left: [] }]])
  expect(publish()).toEqual([[[1, 2, 5], 'view', { total: 5 }]])
})

test('with a limit of 0 everyone is told of all', () => {
  const { join, publish } = setUp(FIVE, 0)
  join('Franz')
  expect(publish()).toEqual([[[1, 2, 3, 4, 5, 6], 'roster', { version: 2, joined: ['Franz'], left: [] }]])
})

test('a watched name is answered and its changes are told, to those that watch it only', () => {
  const { joined, watch, leave, publish, join } = setUp(FIVE)
  const [anna, , carol] = joined as [Connection, Connection, Connection]
  expect(watch(anna, 'Carol', 'Zoe')).toEqual({ ok: true, total: 5, users: ['Carol'] })
  leave(carol)
  expect(publish()).toContainEqual([[1], 'view', { total: 4, left: ['Carol'] }])
  join('Zoe')
  expect(publish()).toContainEqual([[1], 'view', { total: 5, joined: ['Zoe'] }])
  join('Yves')
  expect(publish().filter(emitted => JSON.stringify(emitted).includes('Yves'))).toEqual([])
})

test('a followed part of the list is answered in order, and its changes are told', () => {
  const { joined, list, leave, publish } = setUp(FIVE)
  const [anna, billy, carol] = joined as [Connection, Connection, Connection]
  expect(list(anna, '', 2)).toEqual({ ok: true, total: 5, first: 0, users: ['Anna', 'Billy'] })
  expect(list(anna, 'Billy', 2)).toEqual({ ok: true, total: 5, first: 2, users: ['Carol', 'Dora'] })
  expect(list(anna, 'Zoe', 2)).toEqual({ ok: true, total: 5, first: 5, users: [] })
  list(anna, 'Billy', 2)
  leave(carol)
  expect(publish()).toContainEqual([[1], 'view', { total: 4, left: ['Carol'] }])
  expect(list(billy, '', 10, false)).toMatchObject({ users: ['Anna', 'Billy', 'Dora', 'Emil'] })
})

test('a small change of the total is told after a while, a larger one soon', () => {
  const users = Array.from({ length: 200 }, (_, n) => `user-${1_000 + n}`)
  const { context, publisher, join, publish } = setUp(users)
  const all = users.map((_, n) => n + 1)
  join('Zoe')
  expect(publish()).toEqual([])
  const start = context.now
  expect(publish()).toEqual([[[...all, 201], 'view', { total: 201 }]])
  expect(context.now - start).toBeGreaterThan(30_000)
  expect(publisher.deadline).toBe(Number.POSITIVE_INFINITY)
  for (let n = 0; n < 6; n++) join(`Zoe ${n}`)
  const changedAt = context.now
  expect(publish()).toEqual([])
  expect(publish()).toHaveLength(1)
  expect(context.now - changedAt).toBeLessThan(1_000)
})

test('connection counts are answered and told like presence', () => {
  const { join, watch, list, publish, context } = setUp(FIVE)
  const viewer = join('Franz', { views: true, connections: true })
  publish()
  join('Billy')
  publish()
  expect(watch(viewer, 'Billy')).toEqual({ ok: true, total: 6, users: ['Billy'], connections: [['Billy', 2]] })
  expect(list(viewer, 'Anna', 1, false)).toMatchObject({ users: ['Billy'], connections: [['Billy', 2]] })
  join('Billy')
  join('Carol')
  expect(publish()).toEqual([[[viewer.id], 'connections', [['Billy', 3]]]])
  expect(context.roster.size).toBe(6)
})

test('a search finds the start of names in any case first, then other names that contain the text', () => {
  const { joined, find } = setUp(['Anna', 'annabel', 'Joanna', 'BILLY', 'Billy'])
  const [anna] = joined as [Connection]
  expect(find(anna, 'ann')).toEqual({ ok: true, total: 5, users: ['annabel', 'Anna', 'Joanna'] })
  expect(find(anna, 'ann', 1)).toMatchObject({ users: ['annabel'] })
  expect(find(anna, 'bil')).toMatchObject({ users: ['Billy', 'BILLY'] })
  expect(find(anna, 'o')).toMatchObject({ users: [] })
  expect(find(anna, '')).toMatchObject({ users: ['Anna', 'BILLY', 'Billy', 'Joanna', 'annabel'] })
})

test('the searches of all clients together are limited: beyond that only the start of names is found', () => {
  const { joined, find } = setUp(FIVE)
  const [anna] = joined as [Connection]
  for (let n = 0; n < 20; n++) expect(find(anna, 'nna')).toMatchObject({ users: ['Anna'] })
  expect(find(anna, 'nna')).toMatchObject({ users: [] })
  expect(find(anna, 'Ann')).toMatchObject({ users: ['Anna'] })
})

test('requests are for identified clients, and are limited like messages', () => {
  const { context, publisher, joined, watch } = setUp(FIVE)
  const [anna] = joined as [Connection]
  publisher.views.watch({ type: 'watch', connection: 99, names: [], call: 1 })
  publisher.views.list({ type: 'names', connection: 99, after: '', count: 1, follow: true, call: 2 })
  publisher.views.find({ type: 'find', connection: 99, text: '', count: 1, call: 3 })
  const answers = takeEffects(context)
  expect(answers).toHaveLength(3)
  for (const answer of answers) expect(answer).toMatchObject({ payload: { ok: false, code: 'not-identified' } })
  let answer: unknown = { ok: true }
  for (let n = 0; n < 1_000 && (answer as { ok: boolean }).ok; n++) answer = watch(anna, 'Billy')
  expect(answer).toMatchObject({ ok: false, code: 'rate-limited' })
})

test('a client that holds the whole roster may ask, and is told nothing twice', () => {
  const { join, publish, publisher, watch, list } = setUp(FIVE)
  const old = join('Old', {})
  publish()
  expect(watch(old, 'Anna')).toMatchObject({ ok: true, users: ['Anna'] })
  expect(list(old, '', 3)).toMatchObject({ ok: true, users: ['Anna', 'Billy', 'Carol'] })
  expect(publisher.views.counts).toMatchObject({ watched: 0, followers: 0 })
})

test('one connection watches a bounded number of names, the latest', () => {
  const { joined, watch, publisher, join, publish } = setUp(FIVE)
  const [anna] = joined as [Connection]
  watch(anna, 'first')
  watch(anna, ...Array.from({ length: 1_000 }, (_, n) => `name-${n}`))
  expect(publisher.views.counts.watched).toBe(1_000)
  join('first')
  join('name-999')
  const told = JSON.stringify(publish())
  expect(told).toContain('name-999')
  expect(told).not.toContain('first')
})

test('when all have left, nothing is kept', () => {
  const { joined, watch, list, leave, publisher, publish } = setUp(FIVE)
  for (const connection of joined) {
    watch(connection, 'Anna', 'Zoe')
    list(connection, '', 2)
  }
  expect(publisher.views.counts).toEqual({ holders: 5, watched: 2, watchedInAll: 10, followers: 5 })
  for (const connection of joined) leave(connection)
  publish()
  expect(publisher.views.counts).toEqual({ holders: 0, watched: 0, watchedInAll: 0, followers: 0 })
})

test('an empty view has the same object until the next version, so that it is encoded once', () => {
  const roster = new Roster()
  roster.markChanged('Anna')
  roster.publish(() => true)
  const view = roster.emptyView()
  expect(view).toEqual({ version: 1, users: [], total: 1 })
  expect(roster.emptyView()).toBe(view)
  roster.markChanged('Billy')
  roster.publish(() => true)
  expect(roster.emptyView()).toEqual({ version: 2, users: [], total: 2 })
})

test('many changes of watched names are told to each client at once', () => {
  const { joined, watch, join, publish } = setUp(FIVE)
  const [anna, billy] = joined as [Connection, Connection]
  const names = Array.from({ length: 10 }, (_, n) => `name-${n}`)
  watch(anna, ...names)
  watch(billy, 'name-3')
  for (const name of names) join(name)
  expect(publish()).toEqual([
    [[1], 'view', { total: 15, joined: names, left: [] }],
    [[2], 'view', { total: 15, joined: ['name-3'], left: [] }],
  ])
})

test('a request for many names counts as several messages', () => {
  const { joined, watch, list } = setUp(FIVE)
  const [anna, billy] = joined as [Connection, Connection]
  const names = Array.from({ length: 1_000 }, (_, n) => `name-${n}`)
  let answers = 0
  while ((watch(anna, ...names) as { ok: boolean }).ok && answers < 1_000) answers++
  expect(answers).toBeLessThan(30)
  answers = 0
  while ((list(billy, '', 500) as { ok: boolean }).ok && answers < 1_000) answers++
  expect(answers).toBeLessThan(60)
})

test('all connections together watch a bounded number of names; a client tries again later', () => {
  const { joined, publisher, context, watch, join } = setUp(FIVE)
  const names = (n: number) => Array.from({ length: 1_000 }, (_, k) => `name-${n}-${k}`)
  let n = 0
  while (publisher.views.counts.watchedInAll < 2_000_000 && n < 3_000) watch(join(`crowd-${n}`), ...names(n++ % 3))
  expect(watch(joined[0] as Connection, 'Billy')).toMatchObject({ code: 'rate-limited', retryAfter: 60_000 })
  expect(context.options.limits.wholeRoster).toBe(3)
})

test('a connection count that changes and changes back before it is published is not told in between', () => {
  const { join, leave, watch, publish } = setUp(FIVE)
  const viewer = join('Franz', { views: true, connections: true })
  const second = join('Billy')
  publish()
  leave(second)
  expect(watch(viewer, 'Billy')).toMatchObject({ connections: [['Billy', 2]] })
  join('Billy')
  expect(JSON.stringify(publish())).not.toContain('Billy')
})

test('the deadline of the total does not move while clients leave: each move would cost a timer', () => {
  const users = Array.from({ length: 500 }, (_, n) => `user-${1_000 + n}`)
  const { publisher, join, publish, leave, joined } = setUp(users)
  for (let n = 0; n < 20; n++) join(`Zoe ${n}`)
  publish()
  const { deadline } = publisher.views
  expect(deadline).toBeLessThan(60_000)
  for (const connection of joined.slice(0, 100)) leave(connection)
  expect(publisher.views.deadline).toBe(deadline)
})
