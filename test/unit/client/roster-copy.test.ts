import { expect, test } from 'vitest'
import { RosterCopy } from '../../../src/client/roster-copy.ts'
import { clientContext, effectsOf, eventsOf, takeEffects } from '../../support/harness/session-harness.ts'

function build(version = 5, users = ['Anna', 'Billy']) {
  const context = clientContext()
  const roster = new RosterCopy(context)
  roster.onConnected({ version, users }, [])
  takeEffects(context)
  return { context, roster }
}

test('R1: a delta leads to the next version', () => {
  const { context, roster } = build()
  expect(roster.applyDelta({ version: 6, joined: ['Carla'], left: ['Billy'] })).toEqual(['Carla'])
  expect(roster.names).toEqual(['Anna', 'Carla'])
  expect(roster.has('Carla')).toBe(true)
  expect(roster.has('Billy')).toBe(false)
  expect(eventsOf(takeEffects(context))).toMatchObject([{ type: 'roster', joined: ['Carla'], left: ['Billy'] }])
})

test('R2: a delta of an earlier version is ignored', () => {
  const { context, roster } = build()
  expect(roster.applyDelta({ version: 5, joined: ['Carla'], left: [] })).toEqual([])
  expect(roster.names).toEqual(['Anna', 'Billy'])
  expect(takeEffects(context)).toEqual([])
})

test('R3: a delta after a gap requests a snapshot, once', () => {
  const { context, roster } = build()
  expect(roster.applyDelta({ version: 7, joined: ['Carla'], left: [] })).toEqual([])
  expect(takeEffects(context)).toEqual([{ type: 'ask-roster', dial: 1 }])
  roster.applyDelta({ version: 8, joined: ['Dora'], left: [] })
  expect(takeEffects(context)).toEqual([])
  expect(roster.names).toEqual(['Anna', 'Billy'])
})

test('R3: the snapshot replaces the roster, and a later gap requests another one', () => {
  const { context, roster } = build()
  roster.applyDelta({ version: 7, joined: ['Carla'], left: [] })
  takeEffects(context)
  expect(roster.applySnapshot({ version: 8, users: ['Anna', 'Carla', 'Dora'] })).toEqual(['Carla', 'Dora'])
  expect(eventsOf(takeEffects(context))).toMatchObject([{ joined: ['Carla', 'Dora'], left: ['Billy'] }])
  roster.applyDelta({ version: 9, joined: ['Eva'], left: [] })
  expect(roster.names).toEqual(['Anna', 'Carla', 'Dora', 'Eva'])
  takeEffects(context)
  roster.applyDelta({ version: 11, joined: [], left: [] })
  expect(effectsOf(takeEffects(context), 'ask-roster')).toHaveLength(1)
})

test('a new connection starts with its own versions and reports only the difference', () => {
  const { context, roster } = build(5, ['Anna', 'Billy'])
  expect(roster.onConnected({ version: 2, users: ['Anna', 'Carla'] }, [])).toEqual(['Carla'])
  expect(eventsOf(takeEffects(context))[0]).toMatchObject({ joined: ['Carla'], left: ['Billy'] })
  roster.applyDelta({ version: 3, joined: ['Dora'], left: [] })
  expect(roster.names).toEqual(['Anna', 'Carla', 'Dora'])
})

test('a delta reports only actual changes', () => {
  const { context, roster } = build()
  expect(roster.applyDelta({ version: 6, joined: ['Anna'], left: ['Zoe'] })).toEqual([])
  expect(eventsOf(takeEffects(context))).toMatchObject([{ joined: [], left: [] }])
})

test('R6: a count above 1 is kept, a count of 1 or 0 removes it', () => {
  const { context, roster } = build()
  roster.applyConnectionCounts([
    ['Anna', 3],
    ['Billy', 2],
    ['Carla', 1],
  ])
  expect([...roster.connectionCounts]).toEqual([
    ['Anna', 3],
    ['Billy', 2],
  ])
  takeEffects(context)
  roster.applyConnectionCounts([
    ['Anna', 1],
    ['Billy', 0],
  ])
  expect([...roster.connectionCounts]).toEqual([])
  expect(eventsOf(takeEffects(context))).toEqual([{ type: 'connections', connections: roster.connectionCounts }])
})

test('R6: a new connection replaces the counts', () => {
  const { roster } = build()
  roster.applyConnectionCounts([['Anna', 3]])
  roster.onConnected({ version: 1, users: ['Anna', 'Billy'] }, [['Billy', 2]])
  expect([...roster.connectionCounts]).toEqual([['Billy', 2]])
})

test('a delta that arrives while offline is ignored', () => {
  const { context, roster } = build()
  context.onlineConnection = undefined
  roster.applyDelta({ version: 6, joined: ['Carla'], left: [] })
  expect(roster.has('Carla')).toBe(false)
})

/** A view of a roster with this number of users. */
function buildView(total = 9_000) {
  const context = clientContext()
  const roster = new RosterCopy(context)
  const take = () => takeEffects(context)
  const start = (online = total) => roster.onConnected({ version: 1, users: [], total: online }, [])
  start()
  take()
  return { context, roster, take, start }
}

test('a view starts without names, and asks for those that are watched and shown', () => {
  const context = clientContext()
  const roster = new RosterCopy(context)
  roster.watch(['Billy', 'Zoe'])
  roster.show('', 50)
  expect(takeEffects(context)).toEqual([])
  expect(roster.onConnected({ version: 1, users: [], total: 9_000 }, [])).toEqual([])
  expect(roster.isView).toBe(true)
  expect(takeEffects(context)).toMatchObject([
    { type: 'event', event: { type: 'roster', total: 9_000, joined: [], left: [] } },
    { type: 'watch', names: ['Billy', 'Zoe'] },
    { type: 'names', request: { after: '', count: 50, follow: true } },
  ])
})

test('of a watched name the answer counts, then each change', () => {
  const { roster, take } = buildView()
  roster.watch(['Billy', 'Zoe'])
  expect(take()).toMatchObject([{ type: 'watch', names: ['Billy', 'Zoe'] }])
  roster.watch(['Billy'])
  expect(take()).toEqual([])
  expect(roster.applyWatched(['Billy', 'Zoe'], { ok: true, total: 9_001, users: ['Billy'] })).toEqual(['Billy'])
  expect(eventsOf(take())[0]).toMatchObject({ type: 'roster', total: 9_001, joined: ['Billy'], left: [] })
  expect(roster.applyView({ total: 9_002, joined: ['Zoe'], left: ['Billy'] })).toEqual(['Zoe'])
  expect(roster.names).toEqual(['Zoe'])
})

test('a name that is neither watched nor shown is not taken: the client is not told when it goes', () => {
  const { roster } = buildView()
  roster.watch(['Billy'])
  roster.show('', 2)
  roster.applyRange({ after: '', count: 2 }, { ok: true, total: 9_000, first: 0, users: ['Anna', 'Carol'] })
  expect(roster.applyView({ total: 9_000, joined: ['Babs', 'Dora'] })).toEqual(['Babs'])
  expect(roster.names).toEqual(['Anna', 'Babs', 'Carol'])
})

test('another part of the list replaces the one before, but not the watched names', () => {
  const { roster, take } = buildView()
  roster.watch(['Billy'])
  roster.applyWatched(['Billy'], { ok: true, total: 9_000, users: ['Billy'] })
  roster.show('', 3)
  roster.applyRange({ after: '', count: 3 }, { ok: true, total: 9_000, first: 0, users: ['Anna', 'Billy', 'Carol'] })
  expect(roster.names).toEqual(['Anna', 'Billy', 'Carol'])
  take()
  roster.show('Paul', 2)
  expect(take()).toMatchObject([{ type: 'names', request: { after: 'Paul', count: 2 } }])
  roster.applyRange({ after: 'Paul', count: 2 }, { ok: true, total: 9_000, first: 70, users: ['Rita', 'Sam'] })
  expect(roster.names).toEqual(['Billy', 'Rita', 'Sam'])
})

test('one request for a part is under way at a time; a late answer for another part asks again', () => {
  const { roster, take } = buildView()
  roster.show('', 2)
  roster.show('Paul', 2)
  expect(effectsOf(take(), 'names')).toHaveLength(1)
  roster.applyRange({ after: '', count: 2 }, { ok: true, total: 9_000, first: 0, users: ['Anna', 'Carol'] })
  expect(roster.names).toEqual([])
  expect(take()).toMatchObject([{ type: 'names', request: { after: 'Paul' } }])
})

test('a part that has grown or shrunk much is asked for again', () => {
  const { roster, take } = buildView()
  roster.show('', 2)
  roster.applyRange({ after: '', count: 2 }, { ok: true, total: 9_000, first: 0, users: ['Anna', 'Carol'] })
  roster.applyView({ total: 9_003, joined: ['Babs', 'Bert', 'Billy'] })
  expect(effectsOf(take(), 'names')).toHaveLength(2)
  roster.applyRange({ after: '', count: 2 }, { ok: true, total: 9_000, first: 0, users: ['Anna', 'Babs'] })
  expect(roster.names).toEqual(['Anna', 'Babs'])
  take()
  roster.applyView({ total: 9_000, left: ['Anna', 'Babs'] })
  expect(effectsOf(take(), 'names')).toHaveLength(1)
})

test('after a reconnect everything is asked again, and who has left meanwhile goes', () => {
  const { context, roster, take, start } = buildView()
  roster.watch(['Billy', 'Zoe'])
  roster.applyWatched(['Billy', 'Zoe'], { ok: true, total: 9_000, users: ['Billy'] })
  take()
  context.onlineConnection = undefined
  roster.onDisconnected()
  roster.watch(['Paul'])
  expect(take()).toEqual([])
  context.onlineConnection = 2
  start()
  expect(roster.names).toEqual(['Billy'])
  expect(effectsOf(take(), 'watch')).toMatchObject([{ dial: 2, names: ['Billy', 'Zoe', 'Paul'] }])
  expect(roster.applyWatched(['Billy', 'Zoe', 'Paul'], { ok: true, total: 9_000, users: ['Paul'] })).toEqual(['Paul'])
  expect(roster.names).toEqual(['Paul'])
})

test('a whole roster becomes a view when the server says so, and keeps what it watches', () => {
  const { context, roster } = build()
  roster.watch(['Billy'])
  expect(takeEffects(context)).toEqual([])
  expect(roster.applyView({ total: 5_001, reset: true })).toEqual([])
  expect(takeEffects(context)).toMatchObject([
    { type: 'event', event: { type: 'roster', total: 5_001, left: ['Anna'] } },
    { type: 'watch', names: ['Billy'] },
  ])
  expect(roster.applyDelta({ version: 6, joined: ['Carla'], left: [] })).toEqual([])
  expect(roster.names).toEqual(['Billy'])
})

test('a view becomes a whole roster at a server with fewer users', () => {
  const { roster } = buildView()
  roster.watch(['Billy'])
  expect(roster.onConnected({ version: 1, users: ['Anna', 'Billy'] }, [])).toEqual(['Anna', 'Billy'])
  expect(roster.isView).toBe(false)
  expect(roster.applyDelta({ version: 2, joined: ['Carla'], left: [] })).toEqual(['Carla'])
})

test('a rejected request is repeated when the server allows it', () => {
  const { context, roster, take } = buildView()
  roster.watch(['Billy'])
  roster.show('', 5)
  take()
  const refusal = { ok: false as const, code: 'rate-limited' as const, message: 'too many requests', retryAfter: 300 }
  roster.applyWatched(['Billy'], refusal)
  roster.applyRange({ after: '', count: 5 }, refusal)
  expect(roster.deadline).toBe(context.now + 300)
  roster.tick()
  expect(take()).toEqual([])
  context.now += 300
  roster.tick()
  expect(take()).toMatchObject([{ type: 'watch' }, { type: 'names' }])
  expect(roster.deadline).toBe(Number.POSITIVE_INFINITY)
})

test('a bounded number of names is watched, the latest', () => {
  const { roster, take, start } = buildView()
  roster.watch(['first'])
  roster.watch(Array.from({ length: 1_000 }, (_, n) => `name-${n}`))
  take()
  start()
  const [asked] = effectsOf(take(), 'watch')
  expect(asked?.names).toHaveLength(1_000)
  expect(asked?.names).not.toContain('first')
})

test('a lie about names that were not asked for is not taken', () => {
  const { roster } = buildView()
  roster.watch(['Billy'])
  expect(roster.applyWatched(['Billy'], { ok: true, total: 9_000, users: ['Billy', 'Mallory'] })).toEqual(['Billy'])
  expect(roster.applyView({ total: 9_000, joined: ['Mallory'] })).toEqual([])
  expect(roster.names).toEqual(['Billy'])
})

test('connection counts in answers replace those of the same names', () => {
  const { roster } = buildView()
  roster.watch(['Billy', 'Zoe'])
  const names = ['Billy', 'Zoe']
  roster.applyWatched(names, { ok: true, total: 9_000, users: names, connections: [['Billy', 3]] })
  expect([...roster.connectionCounts]).toEqual([['Billy', 3]])
  roster.applyWatched(names, { ok: true, total: 9_000, users: names, connections: [['Zoe', 2]] })
  expect([...roster.connectionCounts]).toEqual([['Zoe', 2]])
})

test('a name that is not watched any more leaves the view', () => {
  const { roster } = buildView()
  roster.watch(['first', 'second'])
  roster.applyWatched(['first', 'second'], { ok: true, total: 9_000, users: ['first', 'second'] })
  roster.show('r', 5)
  roster.applyRange({ after: 'r', count: 5 }, { ok: true, total: 9_000, first: 10, users: ['second', 'third'] })
  roster.watch(Array.from({ length: 1_000 }, (_, n) => `name-${n}`))
  expect(roster.names).toEqual(['second', 'third'])
})

test('an answer for a smaller part with the same start is not taken for the whole one', () => {
  const { roster, take } = buildView()
  roster.show('', 1)
  roster.show('', 4)
  take()
  roster.applyRange({ after: '', count: 1 }, { ok: true, total: 9_000, first: 0, users: ['Anna'] })
  expect(take()).toMatchObject([{ type: 'names', request: { after: '', count: 4 } }])
})
