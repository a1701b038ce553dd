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
