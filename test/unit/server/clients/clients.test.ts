/** Connections of clients: limits, identification, and notifications. Every count returns to 0. */
import { describe, expect, test } from 'vitest'
import type { Limits } from '../../../../src/protocol/limits.ts'
import { Clients } from '../../../../src/server/clients/clients.ts'
import type { ServerOptions } from '../../../../src/server/types.ts'
import { advance, createContext, takeEffects } from '../../../support/harness/server-context.ts'

function setUp(limits: Partial<Limits> = {}, options: Partial<ServerOptions> = {}) {
  const context = createContext(limits, options)
  const servers = [
    { id: 'server-1', url: 'http://one:1' },
    { id: 'two', url: 'http://two:1' },
  ]
  const clients = new Clients(context, () => servers)
  let lastNumber = 0
  const connect = (address?: string) => {
    clients.handleConnected(++lastNumber, address)
    return lastNumber
  }
  const identify = (connection: number, user: string, protocol: 1 | 2 = 2) =>
    clients.handleIdentify({ type: 'identify', connection, user, protocol, call: 7 })
  const join = (user: string, protocol: 1 | 2 = 2) => {
    const connection = connect()
    identify(connection, user, protocol)
    return connection
  }
  /** The connections that were closed since the last call. */
  const closed = () => takeEffects(context).flatMap(one => (one.type === 'close' ? [one.connection] : []))
  /** The answers since the last call. */
  const answers = () => takeEffects(context).flatMap(one => (one.type === 'answer' ? [one.payload] : []))
  return { context, clients, connect, identify, join, closed, answers }
}

describe('every count returns to 0', () => {
  test('of all connections, unidentified ones included', () => {
    const { clients, connect, join, closed } = setUp({ connections: 3 })
    for (let round = 0; round < 5; round++) {
      const open = [connect(), join('Anna'), connect()]
      expect(closed()).toEqual([])
      const extra = connect()
      expect(closed()).toEqual([extra])
      for (const id of [...open, extra]) clients.handleDisconnected(id)
    }
    expect([clients.connections.size, clients.deadline > 1e9]).toEqual([0, false])
  })

  test('of connections from one address', () => {
    const { clients, connect, closed } = setUp({ connectionsPerAddress: 2 })
    for (let round = 0; round < 5; round++) {
      const open = [connect('192.0.2.1'), connect('192.0.2.1')]
      expect(closed()).toEqual([])
      const extra = connect('192.0.2.1')
      expect(closed()).toEqual([extra])
      for (const id of [extra, ...open]) clients.handleDisconnected(id)
    }
  })

  test('of connections of one user', () => {
    const { context, clients, join, answers } = setUp({ connectionsPerUser: 2 })
    for (let round = 0; round < 5; round++) {
      const open = [join('Anna'), join('Anna'), join('Anna')]
      expect(answers()).toMatchObject([{ ok: true }, { ok: true }, { ok: false, code: 'too-many-connections' }])
      for (const id of open) clients.handleDisconnected(id)
      expect([context.directory.userCount, context.directory.connectionCount('Anna')]).toEqual([0, 0])
    }
  })
})

describe('an unidentified connection', () => {
  test('is closed when its time is up, and not after it has identified', () => {
    const { context, clients, connect, identify, closed } = setUp({ identifyMs: 1_000 })
    const [one, two] = [connect(), connect()]
    expect(clients.deadline).toBe(context.now + 1_000)
    identify(one, 'Anna')
    advance(context, 999)
    clients.tick()
    expect(closed()).toEqual([])
    advance(context, 1)
    clients.tick()
    expect(closed()).toEqual([two])
  })

  test('is closed after ten refusals', () => {
    const { connect, identify, closed } = setUp()
    const stranger = connect()
    for (let n = 0; n < 9; n++) identify(stranger, ' ')
    expect(closed()).toEqual([])
    identify(stranger, ' ')
    expect(closed()).toEqual([stranger])
  })

  test('may ask for the roster once', () => {
    const { clients, connect, answers } = setUp()
    const stranger = connect()
    for (const call of [1, 2]) clients.requests.sendRoster(stranger, call)
    expect(answers()).toMatchObject([{ users: [] }, { code: 'not-identified' }])
  })

  test('may not ask for the roster where names need a proof', () => {
    const { clients, connect, answers } = setUp({}, { auth: 'key' })
    clients.requests.sendRoster(connect(), 1)
    expect(answers()).toMatchObject([{ code: 'unauthorized' }])
  })

  test('may read the cluster status with auth: open, or from this machine', () => {
    const open = setUp()
    expect(open.clients.requests.checkStatusAccess(open.connect('192.0.2.1'))).toBeUndefined()
    expect(open.clients.requests.checkStatusAccess(99)?.code).toBe('not-identified')
    const keyed = setUp({}, { auth: 'key' })
    expect(keyed.clients.requests.checkStatusAccess(keyed.connect('192.0.2.1'))?.code).toBe('unauthorized')
    expect(keyed.clients.requests.checkStatusAccess(keyed.connect('::ffff:127.0.0.1'))).toBeUndefined()
  })
})

describe('identification', () => {
  test('is answered with the roster and the servers', () => {
    const { context, connect, identify, answers } = setUp()
    identify(connect(), 'Anna')
    expect(answers()).toEqual([
      {
        ok: true,
        server: 'server-1',
        incarnation: 'server-1#1',
        connection: 'server-1:1',
        roster: { version: 0, users: [] },
        time: context.wall,
        textBytes: 16_384,
        servers: [
          { id: 'server-1', url: 'http://one:1' },
          { id: 'two', url: 'http://two:1' },
        ],
      },
    ])
  })

  test('again as the same user is answered and counts once, as another user is refused', () => {
    const { context, identify, join, answers } = setUp()
    const anna = join('Anna')
    identify(anna, 'Anna')
    identify(anna, 'Billy')
    expect(answers()).toMatchObject([{ ok: true }, { ok: true }, { code: 'already-identified' }])
    expect([context.directory.connectionCount('Anna'), context.directory.isOnline('Billy')]).toEqual([1, false])
  })

  test('is refused while this server drains', () => {
    const { context, connect, identify, answers } = setUp()
    const stranger = connect()
    context.draining = true
    identify(stranger, 'Anna')
    expect(answers()).toMatchObject([{ code: 'draining' }])
  })

  test('of a connection that is already closed is ignored', () => {
    const { context, identify } = setUp()
    identify(99, 'Anna')
    expect(context.effects).toEqual([])
  })
})

describe('siblings', () => {
  /** Flushes. Returns the notifications, as [receivers, connections]. */
  function notified({ context, clients }: ReturnType<typeof setUp>) {
    takeEffects(context)
    clients.flush()
    return takeEffects(context).flatMap(one =>
      one.type === 'emit' && one.message.event === 'siblings' ? [[one.to, one.message.payload.connections]] : [],
    )
  }

  test('are notified once per turn when one connects or disconnects', () => {
    const all = setUp()
    const one = all.join('Anna')
    expect(notified(all)).toEqual([])
    const two = all.join('Anna')
    const three = all.join('Anna')
    expect(notified(all)).toEqual([[[one, two, three], 3]])
    expect(notified(all)).toEqual([])
    all.clients.handleDisconnected(two)
    expect(notified(all)).toEqual([[[one, three], 2]])
  })

  test('that are original clients are not notified', () => {
    const all = setUp()
    all.join('Anna', 1)
    const two = all.join('Anna')
    expect(notified(all)).toEqual([[[two], 2]])
  })

  test('are notified of news from peers, which ask for a flush', () => {
    const all = setUp()
    const one = all.join('Anna')
    notified(all)
    all.context.needsFlush = false
    all.clients.notifySiblings('Anna')
    all.clients.notifySiblings('Billy')
    expect(all.context.needsFlush).toBe(true)
    expect(notified(all)).toEqual([[[one], 1]])
  })
})

test('draining asks protocol 2 clients to move to another server, and closes unidentified connections', () => {
  const { context, clients, connect, join } = setUp()
  const anna = join('Anna')
  join('Billy', 1)
  const stranger = connect()
  takeEffects(context)
  clients.askToMove()
  const payload = { servers: [{ id: 'two', url: 'http://two:1' }] }
  expect(takeEffects(context)).toEqual([
    { type: 'emit', to: [anna], message: { event: 'move', payload } },
    { type: 'close', connection: stranger, reason: 'draining' },
  ])
})
