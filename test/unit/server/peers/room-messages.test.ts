/** Messages to rooms, confirmations, receipts and memberships on the links between servers. */
import { describe, expect, test } from 'vitest'
import {
  type ForwardConfirmation,
  type ForwardedMessage,
  MAX_CONFIRMATIONS_PER_FRAME,
  MAX_MESSAGES_PER_FRAME,
  type RoomForwarded,
} from '../../../../src/protocol/frames.ts'
import type { Message } from '../../../../src/protocol/messages.ts'
import { Audience, Delivery, type DeliveryOrigin } from '../../../../src/server/delivery.ts'
import { unobservedDelivery } from '../../../support/harness/deliveries.ts'
import { RecordedPeers } from '../../../support/harness/recorded-peers.ts'
import { addConnection } from '../../../support/harness/server-context.ts'

const toUser = (id: string): Message => ({ id, at: 1, from: 'Anna', to: 'Billy', text: '' })
const toRoom = (id: string, text = ''): Message => ({ id, at: 1, from: 'Anna', to: '#ops', text })
const names = (count: number) => Array.from({ length: count }, (_, at) => `user ${at}`)

/** A delivery to a room of which `named` members are known by name. */
function roomDelivery(of: number, named: readonly string[] = [], origin?: DeliveryOrigin) {
  const late: unknown[] = []
  const observer = {
    onSettled: ({ result }: Delivery) => void late.push(result),
    onLateAnswer: ({ delivered }: Delivery, isNew: boolean) => void late.push([delivered, isNew]),
    onMissed: () => void late.push('missed'),
  }
  const client: DeliveryOrigin = { kind: 'client', connection: 1, call: 1, message: toRoom('m') }
  const audience = new Audience(of, user => named.includes(user))
  return { delivery: new Delivery(origin ?? client, 60_000, observer, audience), late }
}

function flushed(mesh: RecordedPeers, link: number): [string, unknown][] {
  mesh.peers.flush()
  return mesh.takeSent(link).filter(([event]) => event !== 'presence')
}

describe('forwards to a room', () => {
  test('leave in frames of their own, with the proof of the author, empty if there is none', () => {
    const mesh = new RecordedPeers()
    const link = mesh.dialLink('two')
    mesh.takeEffects()
    mesh.outboundMessages.forwardToRoom(['two'], toRoom('a'), unobservedDelivery())
    mesh.outboundMessages.forwardToRoom(['two'], { ...toRoom('b'), proof: 'p' }, unobservedDelivery())
    const payload = [
      [1, 'a', 1, 'Anna', '#ops', '', ''],
      [2, 'b', 1, 'Anna', '#ops', '', 'p'],
    ]
    expect([flushed(mesh, link), flushed(mesh, link)]).toEqual([[['room-forward', payload]], []])
  })

  test('are split into frames like others', () => {
    const mesh = new RecordedPeers()
    const link = mesh.dialLink('two')
    mesh.takeEffects()
    for (let n = 0; n <= MAX_MESSAGES_PER_FRAME; n++)
      mesh.outboundMessages.forwardToRoom(['two'], toRoom('a'), unobservedDelivery())
    expect(flushed(mesh, link).map(([event, payload]) => [event, (payload as unknown[]).length])).toEqual([
      ['room-forward', MAX_MESSAGES_PER_FRAME],
      ['room-forward', 1],
    ])
  })

  // Numbers grow within one count for both kinds of forwards: in another order, one would look repeated.
  test.each([
    ['in one turn', false],
    ['after the link was cut', true],
  ])('and forwards to users %s all arrive', (_, isCut) => {
    const mesh = new RecordedPeers()
    let link = mesh.dialLink('two')
    const send = () => {
      mesh.outboundMessages.forwardToRoom(['two'], toRoom('a'), unobservedDelivery())
      mesh.outboundMessages.forward(['two'], toUser('b'), unobservedDelivery())
    }
    if (isCut) mesh.links.handleClosed(link, 'cut')
    send()
    if (isCut) link = mesh.dialLink('two')
    const two = new RecordedPeers()
    const inbound = two.acceptLink('one', 'one#1', { rooms: true })
    two.snapshot(inbound, 1, [['Anna', 1]], 'one#1')
    mesh.takeEffects()
    for (const [event, payload] of flushed(mesh, link)) {
      if (event === 'forward') two.frame(inbound, { event, payload: payload as ForwardedMessage[] })
      if (event === 'room-forward') two.frame(inbound, { event, payload: payload as RoomForwarded[] })
    }
    expect([two.forwarded, two.roomForwarded].map(all => all.map(([, id]) => id))).toEqual([['b'], ['a']])
    expect(two.peer('one').pendingFates).toEqual([])
  })

  test('that a peer does not get in time are told to the room and to the sender when it is back', () => {
    const mesh = new RecordedPeers()
    mesh.links.handleClosed(mesh.dialLink('two'), 'cut')
    mesh.context.now += 5_000
    expect(mesh.outboundMessages.forwardToRoom(['two'], toRoom('a'), unobservedDelivery())).toBe(false)
    mesh.takeEffects()
    expect(mesh.takeSent(mesh.dialLink('two'))).toContainEqual(['missed', ['Anna', '#ops']])
  })

  test('reach the router if their sender is a user of the peer, each once', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two', 'two#1', { rooms: true })
    mesh.snapshot(link, 1, [['Anna', 1]])
    const payload: RoomForwarded[] = [
      [1, 'a', 1, 'Anna', '#ops', '', ''],
      [2, 'b', 1, 'Zoe', '#ops', '', ''],
    ]
    for (let n = 0; n < 2; n++) mesh.frame(link, { event: 'room-forward', payload })
    expect(mesh.roomForwarded).toEqual([payload[0]])
    expect(mesh.peer('two').pendingFates).toEqual([
      [2, 0, true],
      [2, 0, true],
    ])
  })
})

describe('confirmations from a peer', () => {
  function setUp(delivery: Delivery) {
    const mesh = new RecordedPeers()
    const link = mesh.dialLink('two')
    mesh.outboundMessages.forwardToRoom(['two'], toRoom('m'), delivery)
    const confirmed = (...payload: ForwardConfirmation[]) => mesh.frame(link, { event: 'confirmed', payload })
    const fate = (delivered: number, unconfirmed = false) =>
      mesh.frame(link, { event: 'fates', payload: [[1, delivered, unconfirmed]] })
    return { mesh, link, confirmed, fate, two: mesh.peer('two') }
  }

  test('come before the result, which has their count, and later ones make receipts', () => {
    const { delivery, late } = roomDelivery(9)
    const { confirmed, fate, two } = setUp(delivery)
    confirmed([1, 1, true, ['Cleo']])
    expect(late).toEqual([])
    fate(1)
    expect(late.splice(0)).toEqual([{ ok: true, delivered: 2, of: 9, names: ['Cleo'] }])
    confirmed([1, 3, true, ['Cleo', 'Dora']])
    expect(late.splice(0)).toEqual([[5, true]])
    confirmed([1, 3, false, []])
    expect([late, two.awaitedCount, two.held.size]).toEqual([[], 0, 0])
    confirmed([1, 9, true, ['Erik']])
    expect([late, delivery.delivered]).toEqual([[], 5])
  })

  test('after a result that none came before are not awaited', () => {
    const { delivery } = roomDelivery(9)
    const { confirmed, fate } = setUp(delivery)
    fate(1)
    confirmed([1, 5, true, []])
    expect(delivery.delivered).toBe(0)
  })

  test('to a message to a user count from the result on', () => {
    const mesh = new RecordedPeers()
    const link = mesh.dialLink('two')
    const delivery = unobservedDelivery()
    mesh.outboundMessages.forward(['two'], toUser('m'), delivery)
    mesh.frame(link, { event: 'confirmed', payload: [[1, 1, true, []]] })
    expect(delivery.delivered).toBe(0)
    mesh.frame(link, { event: 'fates', payload: [[1, 1, false]] })
    mesh.frame(link, { event: 'confirmed', payload: [[1, 2, true, []]] })
    mesh.frame(link, { event: 'confirmed', payload: [[1, 1, true, []]] })
    expect(delivery.delivered).toBe(2)
    mesh.frame(link, { event: 'confirmed', payload: [[1, Number.MAX_SAFE_INTEGER, false, []]] })
    expect([delivery.delivered, mesh.peer('two').awaitedCount]).toEqual([1_000_000, 0])
  })

  test('of an unknown forward change nothing', () => {
    const { delivery, late } = roomDelivery(9)
    const { confirmed, two } = setUp(delivery)
    confirmed([7, 1, true, ['Cleo']])
    expect([late, delivery.delivered, two.awaitedCount]).toEqual([[], 0, 0])
  })

  test('are awaited for the latest 10,000 forwards', () => {
    const mesh = new RecordedPeers({ heldPerPeer: 0 })
    const link = mesh.dialLink('two')
    const first = unobservedDelivery()
    for (let n = 1; n <= 10_001; n++) {
      mesh.outboundMessages.forward(['two'], toUser('m'), n === 1 ? first : unobservedDelivery())
      mesh.frame(link, { event: 'confirmed', payload: [[n, 1, true, []]] })
      mesh.frame(link, { event: 'fates', payload: [[n, 1, false]] })
    }
    expect(mesh.peer('two').awaitedCount).toBe(10_000)
    mesh.frame(link, { event: 'confirmed', payload: [[1, 2, true, []]] })
    expect(first.delivered).toBe(1)
  })

  test('are not awaited any more when the peer is given up', () => {
    const { delivery } = roomDelivery(9)
    const { mesh, confirmed, two } = setUp(delivery)
    confirmed([1, 1, true, []])
    expect(two.awaitedCount).toBe(1)
    mesh.outboundMessages.abandonHeld(two)
    expect([two.awaitedCount, two.held.size]).toEqual([0, 0])
  })

  test('that are repeated before the result count once', () => {
    const { delivery } = roomDelivery(9)
    const { confirmed } = setUp(delivery)
    for (let n = 0; n < 3; n++) confirmed([1, 2, false, []])
    expect(delivery.delivered).toBe(2)
  })

  test('never make more receivers than there were members', () => {
    const { delivery, late } = roomDelivery(2)
    const { confirmed, fate } = setUp(delivery)
    confirmed([1, 1_000, true, []])
    fate(1)
    expect(late).toEqual([{ ok: true, delivered: 2, of: 2 }])
  })
})

describe('confirmations for a peer', () => {
  const origin: DeliveryOrigin = { kind: 'peer', peer: 'two', incarnation: 'two#1', number: 7, waitsForAll: false }
  const confirm = (mesh: RecordedPeers, delivery: Delivery, number = 7) =>
    mesh.outboundMessages.sendConfirmation('two', 'two#1', number, delivery)

  test('leave before the results of the turn, once for each forward, with the new names', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two', 'two#1', { rooms: true })
    const { delivery } = roomDelivery(90, ['Billy'], origin)
    for (let n = 0; n < 3; n++) delivery.expectAnswer()
    mesh.takeEffects()
    delivery.recordConfirmation('Billy')
    confirm(mesh, delivery)
    mesh.outboundMessages.sendFate('two', 'two#1', 7, 1, false)
    delivery.recordConfirmation('Cleo')
    confirm(mesh, delivery)
    expect(flushed(mesh, link)).toEqual([
      ['confirmed', [[7, 1, true, ['Billy']]]],
      ['fates', [[7, 1, false]]],
    ])
    delivery.recordAnswer(0)
    confirm(mesh, delivery)
    expect(flushed(mesh, link)).toEqual([['confirmed', [[7, 1, false, []]]]])
  })

  test('have at most 32 names in a row, and only the last row says that no more follow', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two', 'two#1', { rooms: true })
    const { delivery } = roomDelivery(200, [], origin)
    delivery.recordMore(3, names(70))
    mesh.takeEffects()
    confirm(mesh, delivery)
    expect(flushed(mesh, link)).toEqual([
      [
        'confirmed',
        [
          [7, 3, true, names(32)],
          [7, 3, true, names(64).slice(32)],
          [7, 3, false, names(70).slice(64)],
        ],
      ],
    ])
  })

  test('are split into frames', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two', 'two#1', { rooms: true })
    mesh.takeEffects()
    for (let n = 0; n <= MAX_CONFIRMATIONS_PER_FRAME; n++) confirm(mesh, unobservedDelivery(), n + 1)
    expect(flushed(mesh, link).map(([, payload]) => (payload as unknown[]).length)).toEqual([
      MAX_CONFIRMATIONS_PER_FRAME,
      1,
    ])
  })

  test('are not sent to a peer of 0.2, nor to another incarnation, nor on a link that was cut', () => {
    const mesh = new RecordedPeers()
    const { delivery } = roomDelivery(9, [], origin)
    const old = mesh.acceptLink('two')
    confirm(mesh, delivery)
    mesh.takeEffects()
    expect(flushed(mesh, old)).toEqual([])
    mesh.links.handleClosed(old, 'cut')
    const link = mesh.acceptLink('two', 'two#1', { rooms: true })
    mesh.outboundMessages.sendConfirmation('two', 'two#2', 7, delivery)
    mesh.takeEffects()
    expect(flushed(mesh, link)).toEqual([])
    confirm(mesh, delivery)
    mesh.links.handleClosed(link, 'cut')
    expect(mesh.peer('two').pendingConfirmations.size).toBe(0)
  })
})

describe('memberships of a peer', () => {
  const rooms = (mesh: RecordedPeers) =>
    mesh.memberships.splice(0).map(({ peer, room, name, isMember }) => `${peer} ${isMember ? '+' : '-'}${room} ${name}`)

  test('are reported: those of snapshots, deltas, a resync after a gap, and the end of all', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two')
    const base = { incarnation: 'two#1' } as const
    const users: [string, number][] = [['Anna', 1]]
    const send = (payload: Parameters<RecordedPeers['peers']['inboundFrames']['handle']>[1] & { event: 'presence' }) =>
      mesh.frame(link, payload)
    send({
      event: 'presence',
      payload: { type: 'snapshot', ...base, seq: 1, users, rooms: [['#ops', ['Anna']]], more: false },
    })
    expect(rooms(mesh)).toEqual(['two +#ops Anna'])
    send({
      event: 'presence',
      payload: { type: 'delta', ...base, seq: 2, changes: [], rooms: [['#dev', ['Anna'], []]] },
    })
    expect(rooms(mesh)).toEqual(['two +#dev Anna'])
    mesh.takeEffects()
    send({ event: 'presence', payload: { type: 'delta', ...base, seq: 4, changes: [], rooms: [['#x', ['Anna'], []]] } })
    expect([rooms(mesh), mesh.takeSent(link)]).toEqual([[], [['resync', null]]])
    const resynced = [['#x', ['Anna']] as [string, string[]]]
    send({ event: 'presence', payload: { type: 'snapshot', ...base, seq: 4, users, rooms: resynced, more: false } })
    expect(rooms(mesh)).toEqual(['two +#x Anna', 'two -#ops Anna', 'two -#dev Anna'])
    mesh.frame(link, { event: 'goodbye', payload: null })
    expect([rooms(mesh), mesh.peer('two').replica.membershipCount]).toEqual([['two -#x Anna'], 0])
  })

  test('of more than the limit close the link and leave none, also while a snapshot is incomplete', () => {
    for (const more of [false, true]) {
      const mesh = new RecordedPeers({ membershipsPerPeer: 2 })
      const link = mesh.acceptLink('two')
      const rooms: [string, string[]][] = [['#ops', ['Anna', 'Billy', 'Cleo']]]
      mesh.takeEffects()
      mesh.frame(link, {
        event: 'presence',
        payload: { type: 'snapshot', incarnation: 'two#1', seq: 1, users: [['Anna', 1]], rooms, more },
      })
      const reason = 'more memberships than membershipsPerPeer allows'
      expect(mesh.takeEffects()).toMatchObject([{ type: 'hang-up', link, reason }])
      const { replica } = mesh.peer('two')
      expect([replica.membershipCount, replica.size]).toEqual([0, 0])
    }
  })
})

describe('this server tells a peer', () => {
  test('its users and their rooms in one snapshot, in answer to a resync', () => {
    const mesh = new RecordedPeers()
    const connections = new Map()
    const link = mesh.dialLink('two')
    mesh.takeEffects()
    const { rooms } = mesh.context
    const [one, two] = [1, 2].map(id => addConnection(mesh.context, connections, id, 'Anna'))
    for (const connection of [one, two]) if (connection !== undefined) rooms.open('#ops').add(connection)
    rooms.open('#ops').addOnPeer('two', 'Billy')
    rooms.open('#far').addOnPeer('two', 'Billy')
    mesh.frame(link, { event: 'resync', payload: null })
    const sent = mesh.takeSent(link).map(([, payload]) => payload)
    expect(sent).toMatchObject([{ type: 'snapshot', users: [['Anna', 2]], rooms: [['#ops', ['Anna']]], more: false }])
  })
})

describe('frames for a member of a room', () => {
  const frame = { room: '#ops', user: 'Anna', from: 'two:1', body: 'x' }
  function setUp() {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two')
    const rooms: [string, string[]][] = [['#ops', ['Anna']]]
    const users: [string, number][] = [
      ['Anna', 1],
      ['Billy', 1],
    ]
    mesh.frame(link, {
      event: 'presence',
      payload: { type: 'snapshot', incarnation: 'two#1', seq: 1, users, rooms, more: false },
    })
    return {
      mesh,
      send: (parts: Partial<typeof frame>) =>
        mesh.frame(link, { event: 'room-relay', payload: { ...frame, ...parts } }),
    }
  }

  test('are delivered if they come from a member on that peer', () => {
    const { mesh, send } = setUp()
    send({})
    expect(mesh.roomRelays).toEqual([frame])
  })

  test.each([
    ['a user of the peer who is not in the room', { user: 'Billy' }],
    ['a user who is not on the peer', { user: 'Zoe' }],
    ['a room that the user is not in', { room: '#dev' }],
    ['a connection to another server', { from: 'three:1' }],
    ['a server whose id starts like that of the peer', { from: 'two2:1' }],
  ])('are dropped if they name %s', (_, parts) => {
    const { mesh, send } = setUp()
    send(parts)
    expect(mesh.roomRelays).toEqual([])
  })

  test('leave on an open link only', () => {
    const mesh = new RecordedPeers()
    const link = mesh.dialLink('two')
    mesh.takeEffects()
    mesh.outboundMessages.relayToRoom('two', frame)
    expect(mesh.takeSent(link)).toEqual([['room-relay', frame]])
    mesh.links.handleClosed(link, 'cut')
    for (const peer of ['two', 'nobody']) mesh.outboundMessages.relayToRoom(peer, frame)
    expect(mesh.takeSent(link)).toEqual([])
  })
})

describe('receipts', () => {
  const receipts = {
    user: 'Anna',
    receipts: [['m', 1, '#ops', 1, 2, []] as [string, number, string, number, number, string[]]],
  }

  test('reach the router, and leave on an open link only', () => {
    const mesh = new RecordedPeers()
    const inbound = mesh.acceptLink('two')
    mesh.snapshot(inbound, 1, [['Anna', 1]])
    mesh.frame(inbound, { event: 'receipts', payload: receipts })
    expect(mesh.receipts).toEqual([receipts])
    const link = mesh.dialLink('two')
    mesh.takeEffects()
    mesh.outboundMessages.sendReceipts('two', receipts)
    expect(mesh.takeSent(link)).toEqual([['receipts', receipts]])
    mesh.links.handleClosed(link, 'cut')
    mesh.outboundMessages.sendReceipts('two', receipts)
    expect(mesh.takeSent(link)).toEqual([])
  })

  test('of a user who is not on the peer are dropped', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two')
    mesh.snapshot(link, 1, [['Billy', 1]])
    mesh.frame(link, { event: 'receipts', payload: receipts })
    expect(mesh.receipts).toEqual([])
  })
})

describe('typing notices', () => {
  const toUser = { from: 'Anna', to: 'Billy' }
  const toRoom = { from: 'Anna', to: '#ops' }
  const membership = { type: 'snapshot' as const, incarnation: 'two#1', seq: 1, more: false }

  test('of users of the peer reach the router; to a room, of its members', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two')
    const type = () => {
      for (const payload of [toUser, toRoom]) mesh.frame(link, { event: 'typing', payload })
      return mesh.typing.splice(0)
    }
    expect(type()).toEqual([])
    mesh.snapshot(link, 1, [['Anna', 1]])
    expect(type()).toEqual([toUser])
    const rooms: [string, string[]][] = [['#ops', ['Anna']]]
    mesh.frame(link, { event: 'presence', payload: { ...membership, seq: 2, users: [['Anna', 1]], rooms } })
    expect(type()).toEqual([toUser, toRoom])
  })

  test('leave on open links only, at once, and are not sent again', () => {
    const mesh = new RecordedPeers()
    const link = mesh.dialLink('two')
    mesh.takeEffects()
    mesh.outboundMessages.sendTyping(['two', 'nobody'], toUser)
    expect(mesh.takeSent(link)).toEqual([['typing', toUser]])
    mesh.links.handleClosed(link, 'cut')
    mesh.outboundMessages.sendTyping(['two'], toUser)
    expect(flushed(mesh, mesh.dialLink('two')).filter(([event]) => event === 'typing')).toEqual([])
  })
})
