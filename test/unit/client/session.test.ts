import { describe, expect, test } from 'vitest'
import type { OnlineInput } from '../../../src/client/types.ts'
import type { RosterSnapshot } from '../../../src/protocol/messages.ts'
import { EPOCH_MS, effectsOf, eventsOf, messageOf, SessionHarness } from '../../support/harness/session-harness.ts'
import { keyNamed, PlainIdentity } from '../../support/simulation/plain-identity.ts'

test('nothing happens before the start', () => {
  const harness = new SessionHarness({}, { history: [messageOf()] })
  expect(harness.session.deadline).toBe(Number.POSITIVE_INFINITY)
  expect(harness.session.messages).toEqual([])
})

test('the start replays the history, then the outbox, then connects', () => {
  const history = [messageOf({ id: 'b.1', at: 1 })]
  const outbox = [messageOf({ id: 'a.1', at: 2, from: 'Anna', to: 'Billy' })]
  const harness = new SessionHarness({}, { history, outbox })
  expect(eventsOf(harness.step({ type: 'start' })).map(({ type }) => type)).toEqual([
    'message',
    'message',
    'progress',
    'connection',
  ])
  expect(harness.session.messages.map(({ id }) => id)).toEqual(['b.1', 'a.1'])
  expect(harness.session.pendingMessages.map(({ id }) => id)).toEqual(['a.1'])
})

test('connection counts are kept as the server sends them', () => {
  const harness = new SessionHarness()
  harness.step({ type: 'start' })
  harness.goOnline(['Anna', 'Billy'], { connections: [['Anna', 2]] })
  harness.step({ type: 'connections', dial: 1, changes: [['Billy', 3]] })
  expect([...harness.session.connectionCounts]).toEqual([
    ['Anna', 2],
    ['Billy', 3],
  ])
})

test('S3, S11: siblings exchange messages and read marks through the session', () => {
  const harness = new SessionHarness()
  harness.step({ type: 'start' })
  harness.goOnline()
  harness.receive(messageOf())
  harness.step({ type: 'siblings', dial: 1, connections: 2 })
  harness.ask({ type: 'read', thread: 'Billy', at: EPOCH_MS })
  const relays = harness.advance(500).flatMap(effect => (effect.type === 'relay' ? [effect.frame.type] : []))
  expect(relays).toEqual(['read', 'compare', 'compare-receipts'])
  const messages = [messageOf({ id: 'b.2', at: EPOCH_MS + 1 })]
  harness.step({ type: 'relay', dial: 1, from: 'server-1:2', frame: { type: 'tell', messages }, sealed: false })
  expect(harness.session.messages.map(({ id }) => id)).toEqual(['b.1', 'b.2'])
})

test('the deadline while online is the earliest of confirmation, message and catch-up', () => {
  const harness = new SessionHarness()
  harness.step({ type: 'start' })
  harness.goOnline(['Anna', 'Billy'])
  expect(harness.session.deadline).toBe(Number.POSITIVE_INFINITY)
  harness.compose('Billy')
  expect(harness.session.deadline).toBe(8_000)
  harness.receive(messageOf({ from: 'Anna', to: 'Billy', id: 'x' }))
  expect(harness.session.deadline).toBe(1_000)
  harness.step({ type: 'siblings', dial: 1, connections: 2 })
  expect(harness.session.deadline).toBe(375)
})

describe('a packed roster', () => {
  const build = () => {
    const harness = new SessionHarness()
    harness.step({ type: 'start' })
    harness.step({ type: 'opened', dial: 1 })
    return harness
  }
  const accept = (harness: SessionHarness, roster: () => RosterSnapshot | undefined, mesh = harness.proveMesh()) => {
    const common = { server: 'server-1', incarnation: 'i', connection: 'server-1:1', time: EPOCH_MS, servers: [] }
    return harness.step({ type: 'identified', dial: 1, answer: { ok: true, ...common, roster, mesh } })
  }

  test('C24: is unpacked once the mesh is proven and accepted', () => {
    const harness = build()
    harness.acceptsMesh = false
    let unpacked = 0
    accept(harness, () => {
      unpacked++
      return { version: 3, users: ['Anna', 'Billy'] }
    })
    expect(unpacked).toBe(0)
    expect(harness.session.isLetIn).toBe(true)
    harness.step({ type: 'mesh-accepted', dial: 1 })
    expect(unpacked).toBe(1)
    expect(harness.session.roster).toEqual(['Anna', 'Billy'])
  })

  test('C24: of a server whose proof is invalid is not unpacked', () => {
    const harness = build()
    const unpack = () => {
      throw new Error('it is unpacked')
    }
    const effects = accept(harness, unpack, { ...harness.proveMesh(), proof: 'x'.repeat(86) })
    expect(effectsOf(effects, 'hang-up')).toHaveLength(1)
    expect(harness.session.isLetIn).toBe(false)
  })

  test('C13: a server with an invalid one is left', () => {
    const harness = build()
    expect(
      effectsOf(
        accept(harness, () => undefined),
        'hang-up',
      ),
    ).toHaveLength(1)
    expect(harness.session.isLetIn).toBe(false)
    expect(harness.session.roster).toEqual([])
  })
})

describe('before a client is online', () => {
  const message = { ...messageOf(), forwarded: false }
  const servers = [{ id: 'evil', url: 'http://evil' }]
  const inputs: OnlineInput[] = [
    { type: 'key', dial: 1, user: 'Billy', key: keyNamed('Eve') },
    { type: 'im', dial: 1, message },
    { type: 'fate', dial: 1, id: 'run.1.x', fate: { ok: true, delivered: 1 } },
    { type: 'roster', dial: 1, delta: { version: 1, joined: ['Eve'], left: [] } },
    { type: 'roster-snapshot', dial: 1, snapshot: { version: 9, users: ['Eve'] } },
    { type: 'connections', dial: 1, changes: [['Billy', 3]] },
    { type: 'siblings', dial: 1, connections: 9 },
    { type: 'relay', dial: 1, from: 's:1', frame: { type: 'tell', messages: [messageOf()] }, sealed: false },
    { type: 'relay', dial: 1, from: 's:1', frame: { type: 'read', marks: [['Billy', 7]] }, sealed: true },
    { type: 'move', dial: 1, servers },
  ]

  test.each(inputs.map(input => [input.type, input] as const))('C15: %s does nothing', (_, input) => {
    const harness = new SessionHarness()
    harness.step({ type: 'start' })
    harness.compose('Billy')
    const { deadline } = harness.session
    expect(harness.step(input)).toEqual([])
    harness.step({ type: 'opened', dial: 1 })
    expect(harness.step(input)).toEqual([])
    expect(harness.session.deadline).toBe(deadline)
    expect(harness.session.messages).toEqual([])
    expect(harness.session.pendingMessages).toHaveLength(1)
    expect(harness.session.roster).toEqual([])
    expect(harness.session.connectionCounts.size).toBe(0)
  })

  test.each(inputs.map(input => [input.type, input] as const))(
    'C15: %s does nothing while a key is asked for',
    (_, input) => {
      const harness = new SessionHarness()
      harness.step({ type: 'start' })
      harness.askForKey()
      expect(harness.step(input)).toEqual([])
      harness.proveKey(new PlainIdentity('Anna'))
      expect(harness.step(input)).toEqual([])
      expect(harness.session.messages).toEqual([])
    },
  )

  test('what a server sends after it let the client in is handled once its mesh is accepted', () => {
    const harness = new SessionHarness()
    harness.acceptsMesh = false
    harness.step({ type: 'start' })
    harness.goOnline()
    expect(harness.receive(messageOf())).toEqual([])
    const effects = harness.step({ type: 'mesh-accepted', dial: 1 })
    expect(effectsOf(effects, 'store')).toHaveLength(1)
    expect(harness.step({ type: 'flush' })).toEqual([{ type: 'got', dial: 1, count: 1 }])
  })

  test('a server that sends more than 1,000 messages before its mesh is accepted is left', () => {
    const harness = new SessionHarness()
    harness.acceptsMesh = false
    harness.step({ type: 'start' })
    harness.goOnline()
    for (let n = 0; n < 1_000; n++) expect(harness.receive(messageOf({ id: `${n}` }))).toEqual([])
    expect(effectsOf(harness.receive(messageOf()), 'hang-up')).toHaveLength(1)
    expect(harness.session.messages).toEqual([])
  })
})
