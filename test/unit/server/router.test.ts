/** Validation, local delivery, forwarding, and delivery results. */
import { describe, expect, test } from 'vitest'
import type { ForwardedMessage } from '../../../src/protocol/frames.ts'
import { formatSealedText } from '../../../src/protocol/proofs/credentials.ts'
import { createRouter } from '../../support/harness/router-harness.ts'
import { advance, takeEffects } from '../../support/harness/server-context.ts'
import { keyNamed } from '../../support/simulation/plain-identity.ts'

const answer = (payload: unknown) => ({ type: 'answer', connection: 1, call: 7, payload })

describe('a message of a client', () => {
  test('goes to all connections of recipient and sender, once to each', () => {
    const { context, join, im } = createRouter()
    join(1, 'Anna')
    join(2, 'Anna')
    join(3, 'Billy')
    join(4, 'Carla')
    im(1, 'Billy')
    const payload = { id: 'm', from: 'Anna', to: 'Billy', text: 'hi', at: context.wall, forwarded: false }
    expect(takeEffects(context)).toEqual([{ type: 'emit', to: [3, 1, 2], message: { event: 'im', payload } }])
    expect(context.messageCounts).toMatchObject({ accepted: 1, delivered: 3, refused: 0 })
  })

  test('to oneself goes once to each connection', () => {
    const { context, join, im } = createRouter()
    join(1, 'Anna')
    join(2, 'Anna')
    im(1, 'Anna')
    expect(takeEffects(context)).toMatchObject([{ to: [1, 2] }])
  })

  test('is answered when the first connection of the recipient has confirmed it; the next one makes a receipt', () => {
    const { context, router, join, im, confirm } = createRouter()
    join(1, 'Anna')
    const [one, two] = [join(2, 'Billy'), join(3, 'Billy')]
    im(1, 'Billy')
    takeEffects(context)
    confirm(one, 1)
    expect(takeEffects(context)).toEqual([answer({ ok: true, delivered: 1 })])
    router.flush()
    expect(takeEffects(context)).toEqual([])
    confirm(two, 1)
    router.flush()
    const receipts = { event: 'receipts', payload: [['m', context.wall, 'Billy', 2]] }
    expect(takeEffects(context)).toEqual([{ type: 'emit', to: [1], message: receipts }])
    expect(router.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  test('to a user who is offline is answered with 0 at once', () => {
    const { context, join, im } = createRouter()
    join(1, 'Anna')
    im(1, 'Billy')
    expect(takeEffects(context)).toContainEqual(answer({ ok: true, delivered: 0 }))
  })

  test('M21: of another kind than a text goes to original clients without its marker', () => {
    const { context, join, im } = createRouter()
    join(1, 'Anna')
    join(2, 'Anna', 1)
    join(3, 'Billy', 1)
    join(4, 'Billy')
    const text = '(edited) hello\n⟦edit run.1⟧'
    im(1, 'Billy', { text })
    const payload = { id: 'm', from: 'Anna', to: 'Billy', text, at: context.wall, forwarded: false }
    expect(takeEffects(context)).toEqual([
      { type: 'emit', to: [4, 1], message: { event: 'im', payload } },
      { type: 'emit', to: [3, 2], message: { event: 'im', payload: { ...payload, text: '(edited) hello' } } },
    ])
  })

  test('counts as delivered when it is written to an original client', () => {
    const { context, join, im } = createRouter()
    join(1, 'Anna')
    join(2, 'Billy', 1)
    im(1, 'Billy')
    expect(takeEffects(context)).toContainEqual(answer({ ok: true, delivered: 1 }))
  })

  test('that is sent again is not written again to an original client', () => {
    const { context, join, im } = createRouter()
    join(1, 'Anna')
    join(2, 'Billy', 1)
    im(1, 'Billy')
    takeEffects(context)
    im(1, 'Billy')
    expect(takeEffects(context)).toMatchObject([{ type: 'emit', to: [1] }, answer({ ok: true, delivered: 1 })])
  })

  test('is unconfirmed if the connection closes before it confirms', () => {
    const { context, router, join, im } = createRouter()
    join(1, 'Anna')
    const billy = join(2, 'Billy')
    im(1, 'Billy')
    takeEffects(context)
    router.handleDisconnected(billy)
    expect(takeEffects(context)).toEqual([answer({ ok: true, delivered: 0, unconfirmed: true })])
    expect(router.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  test('is answered as unconfirmed after 5 s, and a later confirmation changes nothing', () => {
    const { context, router, join, im, confirm } = createRouter()
    join(1, 'Anna')
    const billy = join(2, 'Billy')
    im(1, 'Billy')
    takeEffects(context)
    expect(router.deadline).toBe(context.now + 5_000)
    advance(context, 4_999)
    router.tick()
    expect(takeEffects(context)).toEqual([])
    advance(context, 1)
    router.tick()
    expect(takeEffects(context)).toEqual([answer({ ok: true, delivered: 0, unconfirmed: true })])
    confirm(billy, 1)
    expect(takeEffects(context)).toEqual([])
    expect(router.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  test('goes to the peers of recipient and sender, and is answered after the first that has delivered it', () => {
    const { context, peers, join, usersOnPeer, im } = createRouter()
    join(1, 'Anna')
    usersOnPeer('server-2', 'Billy')
    usersOnPeer('server-3', 'Anna')
    im(1, 'Billy')
    takeEffects(context)
    const [forward] = peers.forwards
    expect(forward?.peers).toEqual(['server-2', 'server-3'])
    expect(forward?.message).toMatchObject({ id: 'm', from: 'Anna', to: 'Billy' })
    forward?.delivery.recordAnswer(0)
    expect(takeEffects(context)).toEqual([])
    forward?.delivery.recordAnswer(2)
    expect(takeEffects(context)).toEqual([answer({ ok: true, delivered: 2 })])
  })

  test('is unconfirmed at once if a peer is unreachable', () => {
    const { context, peers, join, usersOnPeer, im } = createRouter()
    peers.reachable = false
    join(1, 'Anna')
    usersOnPeer('server-2', 'Billy')
    im(1, 'Billy')
    expect(takeEffects(context)).toContainEqual(answer({ ok: true, delivered: 0, unconfirmed: true }))
  })

  test('of an original client gets an id and a time', () => {
    const { context, router, join } = createRouter()
    join(1, 'Anna', 1)
    join(2, 'Billy')
    for (const text of ['one', 'two']) router.handleIm({ type: 'im', connection: 1, message: { to: 'Billy', text } })
    const payloads = takeEffects(context).flatMap(one => (one.type === 'emit' ? [one.message.payload] : []))
    const at = context.wall
    expect(payloads).toMatchObject([
      { id: 'server-1#1.1', at },
      { id: 'server-1#1.2', at: at + 1 / 1024 },
    ])
  })
})

describe('a refused message', () => {
  test('from a connection that has not identified', () => {
    const { context, im } = createRouter()
    im(1, 'Billy')
    expect(takeEffects(context)).toMatchObject([{ connection: 1, payload: { ok: false, code: 'not-identified' } }])
    expect(context.messageCounts).toMatchObject({ accepted: 0, refused: 1 })
  })

  test.each([
    ['an invalid name', { to: ' ' }, 'bad-name'],
    ['a text that is too long', { text: '中中中中' }, 'text-too-long'],
  ])('because of %s is answered with the reason, and goes nowhere', (_, more, code) => {
    const { context, peers, join, im } = createRouter({ textBytes: 10 })
    join(1, 'Anna')
    im(1, 'Billy', more)
    expect(takeEffects(context)).toMatchObject([{ type: 'answer', payload: { ok: false, code } }])
    expect(peers.forwards).toEqual([])
  })

  test('because of the rate tells when to retry', () => {
    const { context, join, im } = createRouter({ messagesPerSecond: 4, burst: 1 })
    join(1, 'Anna')
    im(1, 'Billy')
    takeEffects(context)
    im(1, 'Billy')
    expect(takeEffects(context)).toMatchObject([{ payload: { code: 'rate-limited', retryAfter: 250 } }])
  })

  test('because its time is in the future tells by how much', () => {
    const { context, join, im } = createRouter()
    join(1, 'Anna')
    im(1, 'Billy', { at: context.wall + 60_500 })
    expect(takeEffects(context)).toMatchObject([{ payload: { code: 'clock-ahead', retryAfter: 500 } }])
    im(1, 'Billy', { at: context.wall + 60_000 })
    expect(takeEffects(context)).toContainEqual(answer({ ok: true, delivered: 0 }))
  })

  test('without a call is answered with an event', () => {
    const { context, router } = createRouter()
    router.handleIm({ type: 'im', connection: 1, message: { to: 'Billy', text: 'hi' } })
    expect(takeEffects(context)).toMatchObject([
      { type: 'emit', to: [1], message: { event: 'refused', payload: { event: 'im', code: 'not-identified' } } },
    ])
  })
})

describe('a forwarded message', () => {
  test('goes to local connections, is never forwarded, and its result goes to the peer', () => {
    const { context, peers, join, usersOnPeer, forwarded, confirm } = createRouter()
    const billy = join(1, 'Billy')
    usersOnPeer('server-3', 'Billy')
    forwarded(4, 'Anna', 'Billy')
    expect(takeEffects(context)).toMatchObject([{ type: 'emit', to: [1], message: { payload: { forwarded: true } } }])
    expect([peers.forwards, peers.results]).toEqual([[], []])
    confirm(billy, 1)
    expect(peers.results).toEqual([['server-2', 'server-2#1', 4, 1, false]])
    expect(context.messageCounts).toMatchObject({ forwarded: 1, accepted: 0 })
  })

  test('is answered as unconfirmed after 3 s', () => {
    const { context, peers, router, join, forwarded } = createRouter()
    join(1, 'Billy')
    forwarded(4, 'Anna', 'Billy')
    expect(router.deadline).toBe(context.now + 3_000)
    advance(context, 3_000)
    router.tick()
    expect(peers.results).toEqual([['server-2', 'server-2#1', 4, 0, true]])
    expect(router.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  test('advances the clock', () => {
    const { context, router } = createRouter()
    router.handleForwarded('server-2', 'x', [[1, 'm', context.wall + 500, 'Anna', 'Billy', 'hi']], false)
    expect(context.clock.tick(context.wall)).toBeGreaterThan(context.wall + 500)
  })
})

test('a connection with too many unconfirmed messages is closed', () => {
  const { context, join, im } = createRouter({ unconfirmedMessages: 2 })
  join(1, 'Anna')
  const billy = join(2, 'Billy')
  const closed = () => takeEffects(context).flatMap(one => (one.type === 'close' ? [one.connection] : []))
  for (const id of ['a', 'b']) im(1, 'Billy', { id })
  expect(billy.unconfirmedCount).toBe(2)
  im(1, 'Billy', { id: 'c' })
  expect(closed()).toEqual([2, 1])
})

test.each([
  ['negative', () => -1],
  ['the year 10,000', () => 253_402_300_800_000],
  ['more than 6 minutes ahead', (wall: number) => wall + 360_001],
])(
  'F10: a forwarded message with an impossible time (%s) is answered as unconfirmed, the others are delivered',
  (_, at) => {
    const { context, peers, router, join } = createRouter()
    join(1, 'Billy')
    const batch: ForwardedMessage[] = [
      [1, 'bad', at(context.wall), 'Anna', 'Billy', 'hi'],
      [2, 'ahead', context.wall + 360_000, 'Anna', 'Billy', 'hi'],
    ]
    router.handleForwarded('server-2', 'server-2#1', batch, false)
    expect(takeEffects(context)).toMatchObject([{ type: 'emit', message: { payload: { id: 'ahead' } } }])
    expect(peers.results).toEqual([['server-2', 'server-2#1', 1, 0, true]])
  },
)

describe('with auth: key', () => {
  const [ANNA, BILLY, OTHER] = ['Anna', 'Billy', 'other'].map(keyNamed) as [string, string, string]

  function sealed(from: string, to: string) {
    const all = createRouter({}, { auth: 'key' })
    all.join(1, 'Anna')
    all.join(2, 'Billy')
    all.context.directory.setClaim('Anna', { key: ANNA, at: 1 })
    all.context.directory.setClaim('Billy', { key: BILLY, at: 1 })
    all.im(1, 'Billy', { text: formatSealedText(from, to, 'body') })
    return takeEffects(all.context)
  }

  test('a text sealed with the keys of both goes to both', () => {
    expect(sealed(ANNA, BILLY)).toMatchObject([{ type: 'emit', to: [2, 1] }])
  })

  test('a text sealed for another key than the recipient has now does not reach the recipient', () => {
    expect(sealed(ANNA, OTHER)).toMatchObject([
      { type: 'emit', to: [1] },
      { type: 'answer', payload: { ok: true, delivered: 0 } },
    ])
  })

  test('a text that is not sealed with the key of the sender is refused', () => {
    expect(sealed(OTHER, BILLY)).toMatchObject([{ type: 'answer', payload: { code: 'not-sealed' } }])
  })
})

describe('a relay', () => {
  const relay = (connection: number, to?: string) => ({ type: 'relay' as const, connection, to, body: 'x' })

  test('goes to all siblings, here and on peers', () => {
    const { context, peers, router, join, usersOnPeer } = createRouter()
    for (const id of [1, 2]) join(id, 'Anna')
    join(3, 'Anna', 1)
    join(4, 'Billy')
    usersOnPeer('server-2', 'Anna')
    router.handleRelay(relay(1))
    const payload = { user: 'Anna', from: 'server-1:1', body: 'x' }
    expect(takeEffects(context)).toEqual([{ type: 'emit', to: [2], message: { event: 'relay', payload } }])
    expect(peers.relays).toEqual([{ peer: 'server-2', relay: payload }])
  })

  test('with an address goes to that sibling only', () => {
    const { context, peers, router, join, usersOnPeer } = createRouter()
    for (const id of [1, 2, 3]) join(id, 'Anna')
    usersOnPeer('server-2', 'Anna')
    usersOnPeer('server-3', 'Anna')
    router.handleRelay(relay(1, 'server-1:3'))
    expect(takeEffects(context)).toMatchObject([{ to: [3] }])
    expect(peers.relays).toEqual([])
    router.handleRelay(relay(1, 'server-3:9'))
    expect(takeEffects(context)).toEqual([])
    expect(peers.relays.map(({ peer }) => peer)).toEqual(['server-3'])
  })

  test('to an address of another user goes nowhere', () => {
    const { context, router, join } = createRouter()
    join(1, 'Anna')
    join(2, 'Billy')
    router.handleRelay(relay(1, 'server-1:2'))
    expect(takeEffects(context)).toEqual([])
  })

  test('is dropped above the rate, and from a connection that has not identified', () => {
    const { context, router, join } = createRouter({ messagesPerSecond: 1, burst: 1 })
    for (const id of [1, 2]) join(id, 'Anna')
    router.handleRelay(relay(9))
    router.handleRelay(relay(1))
    router.handleRelay(relay(1))
    expect(takeEffects(context)).toMatchObject([{ to: [2] }])
  })
})
