/** Each limit: the limit itself is allowed, one more is not, and 0 turns the limit off. */
import { describe, expect, test } from 'vitest'
import { Session } from '../../../src/client/session.ts'
import type { PresenceSnapshot, RoomMembers } from '../../../src/protocol/frames.ts'
import { DEFAULT_LIMITS, type Limits } from '../../../src/protocol/limits.ts'
import { ServerHarness } from '../../support/harness/server-harness.ts'
import { storedState } from '../../support/harness/stored-state.ts'
import { meshSignatures } from '../../support/mesh-signatures.ts'

interface Row {
  limit: keyof Limits
  value: number
  others?: Partial<Limits>
  /** Fills the limited resource up to `amount`. Returns whether all of it was allowed. */
  fillTo: (harness: ServerHarness, amount: number) => boolean
}

const times = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at))
const users = (count: number): [string, number][] => times(count, at => [`user ${at}`, 1])

const ROWS: Row[] = [
  {
    limit: 'burst',
    value: 5,
    others: { messagesPerSecond: 1 },
    fillTo: (harness, amount) => {
      const anna = harness.join('Anna')
      return times(amount, () => harness.im(anna, 'Billy')).every(fate => fate?.ok === true)
    },
  },
  {
    limit: 'textBytes',
    value: 9,
    // Characters of three bytes, and of one byte for the rest.
    fillTo: (harness, amount) => {
      const text = '中'.repeat(Math.floor(amount / 3)) + 'x'.repeat(amount % 3)
      return harness.im(harness.join('Anna'), 'Billy', text)?.ok === true
    },
  },
  {
    limit: 'connections',
    value: 3,
    fillTo: (harness, amount) =>
      times(amount, at => (at % 2 ? harness.connect() : harness.join('Anna'))) && harness.closed.size === 0,
  },
  {
    limit: 'connectionsPerUser',
    value: 3,
    fillTo: (harness, amount) => times(amount, () => harness.identify(harness.connect(), 'Anna')).every(({ ok }) => ok),
  },
  {
    limit: 'connectionsPerAddress',
    value: 3,
    // Closed connections, and those from other addresses and from loopback, do not count.
    fillTo: (harness, amount) => {
      harness.step({ type: 'disconnected', connection: harness.connect('192.0.2.1') })
      for (const own of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) times(5, () => harness.connect(own))
      times(2, () => harness.connect('192.0.2.2'))
      return times(amount, () => harness.connect('192.0.2.1')) && harness.closed.size === 0
    },
  },
  {
    limit: 'unconfirmedMessages',
    value: 4,
    others: { messagesPerSecond: 0 },
    fillTo: (harness, amount) => {
      const [anna] = [harness.join('Anna'), harness.join('Billy')]
      for (let n = 0; n < amount; n++) {
        harness.im(anna, 'Billy')
        harness.step({ type: 'got', connection: anna, count: n + 1 })
      }
      return harness.closed.size === 0
    },
  },
  {
    limit: 'heldPerPeer',
    value: 4,
    others: { messagesPerSecond: 0 },
    // The peer of the recipient is unreachable: held messages have no delivery result yet.
    fillTo: (harness, amount) => {
      const link = harness.acceptLink('server-2')
      const payload = { type: 'snapshot', incarnation: 'server-2#1', seq: 1, users: users(1), more: false } as const
      harness.step({ type: 'frame', link, frame: { event: 'presence', payload } })
      const anna = harness.join('Anna')
      return times(amount, () => harness.im(anna, 'user 0')).every(fate => fate === undefined)
    },
  },
  {
    limit: 'identifyMs',
    value: 1_000,
    fillTo: (harness, amount) => {
      const unidentified = harness.connect()
      harness.advance(amount - 1)
      return !harness.closed.has(unidentified)
    },
  },
  {
    limit: 'peers',
    value: 3,
    fillTo: (harness, amount) => {
      for (let at = 0; at < amount; at++) harness.acceptLink(`server-${at + 2}`)
      return !harness.effects.some(effect => effect.type === 'refuse')
    },
  },
  {
    limit: 'usersPerPeer',
    value: 10,
    fillTo: (harness, amount) => {
      const link = harness.acceptLink('server-2')
      const frame = { type: 'snapshot', incarnation: 'server-2#1', seq: 1, more: true } as const
      for (let at = 0; at < amount; at += 5) {
        const some = users(amount).slice(at, at + 5)
        harness.step({ type: 'frame', link, frame: { event: 'presence', payload: { ...frame, users: some } } })
      }
      return !harness.closed.has(link)
    },
  },
  {
    limit: 'roomsPerUser',
    value: 3,
    others: { messagesPerSecond: 0 },
    fillTo: (harness, amount) => {
      const anna = harness.join('Anna')
      return times(amount, at => harness.joinRoom(anna, `#room-${at}`)).every(({ ok }) => ok)
    },
  },
  {
    limit: 'membersPerRoom',
    value: 3,
    // Members on a peer count.
    fillTo: (harness, amount) => {
      const link = harness.acceptLink('server-2')
      const rooms: RoomMembers = [['#ops', ['user 0']]]
      const payload = {
        type: 'snapshot',
        incarnation: 'server-2#1',
        seq: 1,
        users: users(1),
        rooms,
        more: false,
      } as const
      harness.step({ type: 'frame', link, frame: { event: 'presence', payload } })
      return times(amount - 1, at => harness.joinRoom(harness.join(`Anna ${at}`), '#ops')).every(({ ok }) => ok)
    },
  },
  {
    limit: 'roomMessagesPerSecond',
    value: 2,
    others: { messagesPerSecond: 0 },
    // A burst may have five times as many, from all connections together.
    fillTo: (harness, amount) => {
      const members = ['Anna', 'Billy'].map(user => harness.join(user))
      for (const member of members) harness.joinRoom(member, '#ops')
      const [anna = 0, billy = 0] = members
      for (let n = 0; n < 8; n++) harness.im(billy, '#ops')
      return times(amount, () => harness.im(anna, '#ops')).every(fate => fate?.ok !== false)
    },
  },
  {
    limit: 'membershipsPerPeer',
    value: 10,
    fillTo: (harness, amount) => {
      const link = harness.acceptLink('server-2')
      const frame = { type: 'snapshot', incarnation: 'server-2#1', seq: 1 } as const
      const step = (payload: PresenceSnapshot) =>
        harness.step({ type: 'frame', link, frame: { event: 'presence', payload } })
      step({ ...frame, users: users(2), more: true })
      for (let at = 0; at < amount; at++) {
        step({ ...frame, users: [], rooms: [[`#room-${at >> 1}`, [`user ${at % 2}`]]], more: at < amount - 1 })
      }
      return !harness.closed.has(link)
    },
  },
]

describe('each limit', () => {
  test.each(ROWS)('$limit: $value', ({ limit, value, others, fillTo }) => {
    const harness = (bound: number) => new ServerHarness({ ...others, [limit]: bound })
    expect(fillTo(harness(value), value), 'at the limit').toBe(true)
    expect(fillTo(harness(value), value + 1), 'one more').toBe(false)
    expect(fillTo(harness(0), value * 100), 'turned off').toBe(true)
  })

  test('messagesPerSecond: a message above it is refused with the time to retry, and accepted after that time', () => {
    const harness = new ServerHarness({ messagesPerSecond: 4, burst: 2 })
    const [anna, billy] = [harness.join('Anna'), harness.join('Billy')]
    for (let n = 0; n < 2; n++) expect(harness.im(anna, 'Carla')).toEqual({ ok: true, delivered: 0 })
    expect(harness.im(anna, 'Carla')).toMatchObject({ ok: false, code: 'rate-limited', retryAfter: 250 })
    expect(harness.im(billy, 'Carla'), 'another user').toMatchObject({ ok: true })
    harness.advance(125)
    expect(harness.im(anna, 'Carla')).toMatchObject({ ok: false, retryAfter: 125 })
    harness.advance(125)
    expect(harness.im(anna, 'Carla')).toEqual({ ok: true, delivered: 0 })
    const off = new ServerHarness({ messagesPerSecond: 0 })
    const carla = off.join('Carla')
    expect(times(5_000, () => off.im(carla, 'Anna')).every(fate => fate?.ok === true)).toBe(true)
  })

  test('requests for the roster and repeated identifications count as messages', () => {
    const harness = new ServerHarness({ messagesPerSecond: 4, burst: 2 })
    const anna = harness.join('Anna')
    expect(harness.identify(anna, 'Anna')).toMatchObject({ ok: true })
    harness.step({ type: 'roster', connection: anna, call: 1_000 })
    expect(harness.answers.get(1_000)).toMatchObject({ users: [] })
    harness.step({ type: 'roster', connection: anna, call: 1_001 })
    expect(harness.answers.get(1_001)).toMatchObject({ code: 'rate-limited' })
    expect(harness.identify(anna, 'Anna')).toMatchObject({ code: 'rate-limited' })
    // An unidentified connection may ask once.
    const unidentified = harness.connect()
    harness.step({ type: 'roster', connection: unidentified, call: 1_002 })
    expect(harness.answers.get(1_002)).toMatchObject({ users: [] })
    harness.step({ type: 'roster', connection: unidentified, call: 1_003 })
    expect(harness.answers.get(1_003)).toMatchObject({ code: 'not-identified' })
  })

  test('relays and key requests count as messages', () => {
    const harness = new ServerHarness({ messagesPerSecond: 4, burst: 2 })
    const [anna] = [harness.join('Anna'), harness.join('Anna')]
    const relays = () =>
      harness.effects.splice(0).filter(one => one.type === 'emit' && one.message.event === 'relay').length
    relays()
    for (let n = 0; n < 5; n++) harness.step({ type: 'relay', connection: anna, to: undefined, body: '1' })
    expect(relays()).toBe(2)
    const billy = harness.join('Billy')
    for (let n = 0; n < 3; n++) harness.step({ type: 'key', connection: billy, user: 'Anna', call: 2_000 + n })
    expect(harness.answers.get(2_001)).toEqual({ ok: true })
    expect(harness.answers.get(2_002)).toMatchObject({ ok: false, code: 'rate-limited', retryAfter: 250 })
    const unidentified = harness.connect()
    harness.step({ type: 'key', connection: unidentified, user: 'Anna', call: 2_010 })
    expect(harness.answers.get(2_010)).toMatchObject({ code: 'not-identified' })
  })

  test('a server that dials in replaces an unreachable learned peer, and no other', () => {
    const harness = new ServerHarness({ peers: 2 })
    const refusals = () => harness.effects.flatMap(effect => (effect.type === 'refuse' ? [effect.code] : []))
    const link = harness.acceptLink('once-here')
    harness.step({ type: 'link-closed', link, reason: 'gone' })
    harness.acceptLink('newcomer')
    expect(refusals()).toEqual([])
    harness.acceptLink('another')
    expect(refusals()).toEqual(['too-many-peers'])
  })

  test('a client holds 10,000 messages, and says so to whom it composes one more', () => {
    const session = new Session(
      { user: 'Anna', client: 'x/1', instance: 'x', servers: [], random: () => 0, ...meshSignatures },
      storedState(),
    )
    const compose = () => session.step({ type: 'request', request: { type: 'compose', to: 'Billy', text: '' } }, 0, 1)
    for (let n = 0; n < 10_000; n++) expect(compose()[0]).toMatchObject({ type: 'store-pending' })
    const refused = { type: 'progress', progress: { state: 'refused', code: 'outbox-full' } }
    expect(compose()).toMatchObject([{ type: 'event', event: refused }])
  })

  test('the tenth refused identification closes the connection', () => {
    const harness = new ServerHarness({})
    const unidentified = harness.connect()
    for (let n = 0; n < 9; n++) harness.identify(unidentified, ' ')
    expect(harness.closed.has(unidentified)).toBe(false)
    harness.identify(unidentified, ' ')
    expect(harness.closed.has(unidentified)).toBe(true)
  })
})

test('each limit has a test', () => {
  // Tested in test/attacks/limits/, test/programs/daemon/security.test.ts and test/unit/presence/claim-memory.test.ts.
  const bytes = ['bufferedBytes', 'linkBufferedBytes', 'heldBytes', 'unreadBytes']
  const elsewhere = [...bytes, 'handshakes', 'wholeRoster', 'claimMs', 'rememberedClaims']
  const tested = [...ROWS.map(({ limit }) => limit), 'messagesPerSecond', ...elsewhere]
  expect(tested.sort()).toEqual(Object.keys(DEFAULT_LIMITS).sort())
})

describe('the roster under constant change', () => {
  /** Versions per second that this number of clients gets, while a user joins and another leaves every 10 ms. */
  const versions = (clients: number, seconds: number): number[] => {
    const harness = new ServerHarness({ connections: 0 })
    for (let n = 0; n < clients; n++) harness.join(`user ${n}`)
    harness.advance(10_000)
    let visitor = harness.join('visitor')
    return times(seconds, () => {
      harness.effects.length = 0
      for (let n = 0; n < 100; n++) {
        const next = harness.join(`visitor ${harness.now}`)
        harness.step({ type: 'disconnected', connection: visitor })
        visitor = next
        harness.advance(10)
      }
      return harness.effects.filter(effect => effect.type === 'emit' && effect.message.event === 'roster').length
    })
  }

  test('many clients get the first versions soon, then one or two per second', () => {
    const [first = 0, , , last = 0] = versions(1_000, 4)
    expect(first).toBeGreaterThanOrEqual(8)
    expect(last).toBeLessThanOrEqual(2)
    expect(last).toBeGreaterThanOrEqual(1)
  })

  test('few clients get ten or more versions per second', () => {
    const [, , , last = 0] = versions(20, 4)
    expect(last).toBeGreaterThanOrEqual(10)
  })
})
