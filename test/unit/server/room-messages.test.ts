/** Messages to rooms: who gets them, who has them, and frames between members. */
import { describe, expect, test } from 'vitest'
import { formatAuthorProof } from '../../../src/protocol/proofs/room-proof.ts'
import type { Connection } from '../../../src/server/clients/connection.ts'
import { roomSettings } from '../../support/harness/rooms-harness.ts'
import { createRouter } from '../../support/harness/router-harness.ts'
import { advance, takeEffects } from '../../support/harness/server-context.ts'
import { keyNamed } from '../../support/simulation/plain-identity.ts'

const NEVER = Number.POSITIVE_INFINITY
const answer = (payload: unknown) => ({ type: 'answer', connection: 1, call: 7, payload })

/** A router with connections 1, 2, … of these users in the room #ops. */
function inRoom(users: readonly string[], ...options: Parameters<typeof createRouter>) {
  const parts = createRouter(...options)
  const members = users.map((user, at) => {
    const connection = parts.join(at + 1, user)
    parts.enter(connection, '#ops')
    return connection
  })
  const member = (id: number): Connection => {
    const found = members[id - 1]
    if (found === undefined) throw new Error(`${id} is not a connection`)
    return found
  }
  const receipts = (after = 0) => {
    advance(parts.context, after)
    parts.router.tick()
    parts.router.flush()
    return takeEffects(parts.context).flatMap(effect =>
      effect.type === 'emit' && effect.message.event === 'receipts'
        ? [{ to: effect.to, rows: effect.message.payload }]
        : [],
    )
  }
  return { ...parts, member, receipts }
}

describe('a message of a client to a room', () => {
  test('goes once to each connection in it, those of the sender too, and to nobody else', () => {
    const { context, join, im } = inRoom(['Anna', 'Billy', 'Anna', 'Billy', 'Cleo'])
    join(6, 'Anna')
    join(7, 'Dora')
    im(1, '#OPS')
    const payload = { id: 'm', from: 'Anna', to: '#ops', text: 'hi', at: context.wall, forwarded: false }
    expect(takeEffects(context)).toEqual([{ type: 'emit', to: [1, 2, 3, 4, 5], message: { event: 'im', payload } }])
    expect(context.messageCounts).toMatchObject({ accepted: 1, roomAccepted: 1, delivered: 5, refused: 0 })
  })

  test('is forwarded once to each peer with a member, and to no other', () => {
    const { context, peers, usersOnPeer, membersOnPeer, im } = inRoom(['Anna'])
    membersOnPeer('server-2', '#ops', 'Billy', 'Cleo')
    membersOnPeer('server-3', '#ops', 'Dora')
    membersOnPeer('server-4', '#dev', 'Dora')
    usersOnPeer('server-5', 'Anna')
    im(1, '#ops')
    expect(peers.roomForwards.map(({ peers, message }) => [peers, message])).toEqual([
      [['server-2', 'server-3'], { id: 'm', at: context.wall, from: 'Anna', to: '#ops', text: 'hi' }],
    ])
    expect(peers.forwards).toEqual([])
  })

  test('is refused as the room says', () => {
    const rooms = [roomSettings('#ops', { slowSeconds: 30 })]
    const { context, join, im } = inRoom(['Anna'], {}, { rooms })
    join(2, 'Billy')
    im(2, '#ops')
    im(2, '#')
    im(1, '#ops')
    im(1, '#ops')
    expect(takeEffects(context)).toMatchObject([
      { connection: 2, payload: { ok: false, code: 'not-in-room', message: 'you are not in #ops; join it first' } },
      { connection: 2, payload: { ok: false, code: 'bad-room' } },
      { type: 'emit', to: [1] },
      { connection: 1, payload: { ok: true, delivered: 0, of: 0 } },
      { connection: 1, payload: { ok: false, code: 'slow-mode', retryAfter: 30_000 } },
    ])
    expect(context.messageCounts).toMatchObject({ accepted: 1, refused: 3 })
  })

  test('is one to a user with an invalid name for a client that does not know rooms', () => {
    const { context, connections, im, join } = createRouter()
    const anna = join(1, 'Anna')
    connections.set(1, Object.assign(Object.create(anna), { knowsRooms: false }))
    im(1, '#ops')
    expect(takeEffects(context)).toMatchObject([{ payload: { code: 'bad-name' } }])
  })

  test('that is refused for its time does not start the wait of the slow mode', () => {
    const rooms = [roomSettings('#ops', { slowSeconds: 30 })]
    const { context, im } = inRoom(['Anna'], {}, { rooms })
    im(1, '#ops', { at: context.wall + 3_600_000 })
    im(1, '#ops')
    expect(takeEffects(context)).toMatchObject([
      { payload: { code: 'clock-ahead' } },
      { type: 'emit', to: [1] },
      { payload: { ok: true } },
    ])
  })
})

describe('the delivery result of a message to a room', () => {
  test('is 0 of 0 at once if nobody else is in the room; own copies do not count', () => {
    const { context, im } = inRoom(['Anna', 'Anna'])
    im(1, '#ops')
    expect(takeEffects(context)).toContainEqual(answer({ ok: true, delivered: 0, of: 0 }))
  })

  test('comes with the first confirmation, and counts members, not connections', () => {
    const { context, im, confirm, member, receipts } = inRoom(['Anna', 'Billy', 'Billy', 'Cleo'])
    im(1, '#ops')
    takeEffects(context)
    confirm(member(2), 1)
    expect(takeEffects(context)).toEqual([answer({ ok: true, delivered: 1, of: 2, names: ['Billy'] })])
    confirm(member(3), 1)
    confirm(member(1), 1)
    expect(receipts()).toEqual([])
    confirm(member(4), 1)
    expect(receipts()).toEqual([{ to: [1], rows: [['m', context.wall, '#ops', 2, 2, ['Billy', 'Cleo']]] }])
  })

  test('comes after 5 s if nobody confirms, as unconfirmed; later confirmations make receipts', () => {
    const { context, router, im, confirm, member, receipts } = inRoom(['Anna', 'Billy'])
    im(1, '#ops')
    takeEffects(context)
    advance(context, 5_000)
    router.tick()
    expect(takeEffects(context)).toEqual([answer({ ok: true, delivered: 0, unconfirmed: true, of: 1 })])
    confirm(member(2), 1)
    expect(receipts()).toMatchObject([{ rows: [['m', expect.any(Number), '#ops', 1, 1, ['Billy']]] }])
    expect(router.deadline).toBe(NEVER)
  })

  test('is the first one of all servers', () => {
    const { context, peers, membersOnPeer, im } = inRoom(['Anna', 'Billy'])
    membersOnPeer('server-2', '#ops', 'Cleo')
    im(1, '#ops')
    takeEffects(context)
    peers.roomForwards[0]?.delivery.recordAnswer(1, false)
    expect(takeEffects(context)).toEqual([answer({ ok: true, delivered: 1, of: 2 })])
  })

  test('is unconfirmed if the only server with a member is unreachable', () => {
    const { context, peers, membersOnPeer, im } = inRoom(['Anna'])
    membersOnPeer('server-2', '#ops', 'Billy')
    peers.reachable = false
    im(1, '#ops')
    expect(takeEffects(context)).toContainEqual(answer({ ok: true, delivered: 0, unconfirmed: true, of: 1 }))
  })

  test('is unconfirmed if the only other member disconnects before confirming', () => {
    const { context, router, im, member } = inRoom(['Anna', 'Billy'])
    im(1, '#ops')
    takeEffects(context)
    router.handleDisconnected(member(2))
    expect(takeEffects(context)).toEqual([answer({ ok: true, delivered: 0, unconfirmed: true, of: 1 })])
  })
})

describe('receipts of a message to a room', () => {
  const names = (count: number) => Array.from({ length: count }, (_, at) => `user ${at}`)

  test('go to all connections of the sender that know rooms, here and on peers, with the first confirmation too', () => {
    const { context, peers, join, usersOnPeer, im, confirm, member, receipts } = inRoom(['Anna', 'Billy', 'Cleo'])
    join(9, 'Anna')
    join(10, 'Anna', 1)
    usersOnPeer('server-3', 'Anna')
    im(1, '#ops')
    takeEffects(context)
    confirm(member(2), 1)
    const rows = [['m', context.wall, '#ops', 1, 2, ['Billy']]]
    expect(receipts()).toEqual([{ to: expect.arrayContaining([1, 9]), rows }])
    expect(peers.receipts).toEqual([{ peer: 'server-3', user: 'Anna', receipts: rows }])
  })

  test('are not needed for the first confirmation: the result names who has it', () => {
    const { context, im, confirm, member, receipts } = inRoom(['Anna', 'Billy', 'Cleo'])
    im(1, '#ops')
    takeEffects(context)
    confirm(member(2), 1)
    expect(takeEffects(context)).toMatchObject([{ payload: { delivered: 1, of: 2, names: ['Billy'] } }])
    expect(receipts()).toEqual([])
  })

  test('have the names of all in a room with 32 others, and only a number in a larger one', () => {
    const rowsOf = (others: number) => {
      const { im, confirm, member, receipts } = inRoom(['Anna', ...names(others)])
      im(1, '#ops')
      for (let id = 2; id <= others + 1; id++) confirm(member(id), 1)
      return receipts(250).flatMap(({ rows }) => rows)
    }
    expect(rowsOf(32)).toEqual([['m', expect.any(Number), '#ops', 32, 32, names(32)]])
    expect(rowsOf(33)).toEqual([['m', expect.any(Number), '#ops', 33, 33, []]])
  })

  test('in a large room count those who are in several places once', () => {
    const { context, im, confirm, member, membersOnPeer, peers, receipts } = inRoom(['Anna', ...names(40), 'user 3'])
    membersOnPeer('server-2', '#ops', 'user 5', 'Far')
    im(1, '#ops')
    takeEffects(context)
    for (let id = 2; id <= 42; id++) confirm(member(id), 1)
    peers.roomForwards[0]?.delivery.recordMore(1, ['user 5'])
    const { wall } = context
    const rows = receipts(250).flatMap(({ rows }) => rows)
    expect(rows).toEqual([['m', wall, '#ops', 41, 41, []]])
  })

  test('in a large room are told every 250 ms, to the sender and to the peer of the sender', () => {
    const { context, router, peers, im, confirm, member, receipts, membersOnPeer } = inRoom(['Anna', ...names(40)])
    membersOnPeer('server-2', '#ops', 'Far')
    const { wall } = context
    im(1, '#ops')
    router.handleRoomForwarded('server-2', 'far-1', [[1, 'far', wall, 'Far', '#ops', 'hi', '']])
    confirm(member(2), 2)
    expect(receipts()).toEqual([])
    peers.confirmations.length = 0
    for (const id of [3, 4]) confirm(member(id), 2)
    expect([receipts(), peers.confirmations]).toEqual([[], []])
    expect(router.deadline).toBe(context.now + 250)
    expect(receipts(249)).toEqual([])
    confirm(member(5), 2)
    expect(receipts(1)).toEqual([{ to: [1], rows: [['m', wall, '#ops', 4, 41, []]] }])
    expect(peers.confirmations).toHaveLength(1)
    expect(receipts(1_000)).toEqual([])
  })

  test('D15: in a larger room are gathered for 1 ms for each other member, at most 1 s', () => {
    const delayIn = (others: number) => {
      const { context, router, im, confirm, member } = inRoom(['Anna', ...names(others)])
      im(1, '#ops')
      confirm(member(2), 1)
      confirm(member(3), 1)
      return router.deadline - context.now
    }
    expect([33, 250, 600, 1_000, 1_500].map(delayIn)).toEqual([250, 250, 600, 1_000, 1_000])
  })

  test('in a large room count a member once whose other connection has left in between', () => {
    const { context, router, rooms, im, confirm, member, receipts } = inRoom(['Anna', ...names(40), 'Billy', 'Billy'])
    im(1, '#ops')
    takeEffects(context)
    confirm(member(42), 1)
    rooms.part({ type: 'part', connection: 42, room: '#ops', call: 9 })
    router.flush()
    takeEffects(context)
    confirm(member(43), 1)
    expect(receipts()).toEqual([])
  })

  test('of a peer go to the clients here that know rooms', () => {
    const { context, router, join } = createRouter()
    join(1, 'Anna')
    join(2, 'Anna', 1)
    join(3, 'Billy')
    router.deliverReceipts({ user: 'Anna', receipts: [['m', context.wall, '#ops', 1, 2, []]] })
    router.deliverReceipts({ user: 'Zoe', receipts: [['m', context.wall, '#ops', 1, 2, []]] })
    const effects = takeEffects(context)
    expect(effects).toHaveLength(1)
    expect(effects).toMatchObject([{ type: 'emit', message: { event: 'receipts' } }])
  })
})

describe('a message that a peer forwards to a room', () => {
  test('goes to the members here, is confirmed to the peer, and never forwarded again', () => {
    const { context, peers, membersOnPeer, roomForwarded, confirm, member } = inRoom(['Billy', 'Cleo'])
    membersOnPeer('server-2', '#ops', 'Anna')
    membersOnPeer('server-3', '#ops', 'Dora')
    roomForwarded(4, 'Anna', '#ops', { proof: 'p' })
    const payload = { id: 'm4', at: context.wall, from: 'Anna', to: '#ops', text: 'hi', proof: 'p', forwarded: true }
    expect(takeEffects(context)).toEqual([{ type: 'emit', to: [1, 2], message: { event: 'im', payload } }])
    confirm(member(1), 1)
    confirm(member(2), 1)
    expect(peers.confirmations).toEqual([
      ['server-2', 4, 1, true],
      ['server-2', 4, 2, false],
    ])
    expect(peers.results).toEqual([['server-2', 'server-2#1', 4, 1, false]])
    expect([peers.roomForwards, context.messageCounts.forwarded]).toEqual([[], 1])
  })

  test('goes to own connections of its author, who do not count', () => {
    const { context, peers, membersOnPeer, roomForwarded, router } = inRoom(['Anna'])
    membersOnPeer('server-2', '#ops', 'Anna')
    roomForwarded(1, 'Anna', '#ops')
    expect(takeEffects(context)).toMatchObject([{ type: 'emit', to: [1] }])
    expect([peers.results, router.deadline]).toEqual([[['server-2', 'server-2#1', 1, 0, false]], NEVER])
  })

  test('to a room that nobody here is in is answered with 0 at once', () => {
    const { context, peers, roomForwarded } = createRouter()
    roomForwarded(1, 'Anna', '#ops')
    expect([takeEffects(context), peers.results]).toEqual([[], [['server-2', 'server-2#1', 1, 0, false]]])
  })

  test('with an impossible time is answered as unconfirmed, and the rest of its batch is delivered', () => {
    const { context, peers, roomForwarded } = inRoom(['Billy'])
    for (const at of [-1, 1e300, context.wall + 360_001]) roomForwarded(1, 'Anna', '#ops', { at })
    roomForwarded(2, 'Anna', '#ops', { at: context.wall + 360_000 })
    expect(peers.results).toEqual(Array(3).fill(['server-2', 'server-2#1', 1, 0, true]))
    expect(takeEffects(context)).toMatchObject([{ type: 'emit', message: { payload: { id: 'm2' } } }])
  })

  test('that nobody confirms is answered as unconfirmed after 3 s', () => {
    const { context, router, peers, roomForwarded } = inRoom(['Billy'])
    roomForwarded(1, 'Anna', '#ops')
    advance(context, 2_999)
    router.tick()
    expect(peers.results).toEqual([])
    advance(context, 1)
    router.tick()
    expect(peers.results).toEqual([['server-2', 'server-2#1', 1, 0, true]])
  })
})

describe('a message that some members may have missed', () => {
  test('is told to nobody: members compare by themselves', () => {
    const { context, router, peers, toldToCompare, membersOnPeer, im, confirm, member } = inRoom(['Anna', 'Billy'])
    membersOnPeer('server-2', '#ops', 'Cleo')
    im(1, '#ops')
    confirm(member(2), 1)
    peers.roomForwards[0]?.delivery.recordAnswer(0, true)
    expect(router.deadline).toBe(NEVER)
    advance(context, 60_000)
    router.tick()
    expect([toldToCompare, peers.missed]).toEqual([[], []])
  })
})

describe('in key mode', () => {
  const ANNA = keyNamed('Anna')
  const signature = 's'.repeat(86)
  const inKeyMode = () => {
    const parts = inRoom(['Anna', 'Billy'], {}, { auth: 'key' })
    parts.context.directory.setClaim('Anna', { key: ANNA, at: 1 })
    return parts
  }

  test('a text that is signed with the key of the sender goes to the room with its proof', () => {
    const { context, im } = inKeyMode()
    const proof = formatAuthorProof(ANNA, signature)
    im(1, '#ops', { proof })
    expect(takeEffects(context)).toMatchObject([
      { type: 'emit', to: [1, 2], message: { payload: { text: 'hi', proof } } },
    ])
  })

  test.each([
    ['without a proof', undefined],
    ['with an empty proof', ''],
    ['with the key of another user', formatAuthorProof(keyNamed('Billy'), signature)],
    ['with a signature that is too short', formatAuthorProof(ANNA, 's')],
    ['with more than a key and a signature', `${formatAuthorProof(ANNA, signature)}.x`],
  ])('a text %s is refused', (_, proof) => {
    const { context, im, peers } = inKeyMode()
    im(1, '#ops', proof === undefined ? {} : { proof })
    const message = 'this mesh requires signed texts in rooms; sign the text with your key'
    expect(takeEffects(context)).toEqual([answer({ ok: false, code: 'not-sealed', message })])
    expect(peers.roomForwards).toEqual([])
  })

  test('a message without id and time, which cannot be signed, is refused', () => {
    const { context, router } = inKeyMode()
    router.handleIm({ type: 'im', connection: 1, message: { to: '#ops', text: 'hi' }, call: 7 })
    expect(takeEffects(context)).toMatchObject([{ payload: { ok: false, code: 'bad-payload' } }])
  })

  test('a sealed text to a user is not asked for a proof, and goes out without one', () => {
    const { context, im } = inRoom(['Anna', 'Billy'])
    im(1, 'Billy', { proof: 'p' })
    const [effect] = takeEffects(context)
    expect(effect).toMatchObject({ message: { payload: { to: 'Billy' } } })
    expect(JSON.stringify(effect)).not.toContain('proof')
  })
})

describe('in token mode', () => {
  test('this server signs what the sender said, whatever proof came with it', () => {
    const signed: unknown[] = []
    const signRoomMessage = (message: object) => `signature ${signed.push(message)}`
    const { context, im, peers, membersOnPeer } = inRoom(['Anna'], {}, { auth: 'token', signRoomMessage })
    membersOnPeer('server-2', '#ops', 'Billy')
    im(1, '#Ops', { proof: 'forged', from: 'Olga' })
    expect(signed).toEqual([{ id: 'm', at: context.wall, from: 'Anna', to: '#ops', text: 'hi' }])
    expect(takeEffects(context)).toMatchObject([{ message: { payload: { proof: 'signature 1' } } }])
    expect(peers.roomForwards[0]?.message.proof).toBe('signature 1')
  })

  test('a mesh without a key signs nothing, and passes on no proof of the sender', () => {
    const { context, im } = inRoom(['Anna'], {}, { auth: 'token', signRoomMessage: () => undefined })
    im(1, '#ops', { proof: 'forged' })
    expect(JSON.stringify(takeEffects(context))).not.toContain('proof')
  })
})

test('in open mode a proof of the sender is not passed on', () => {
  const { context, im } = inRoom(['Anna'])
  im(1, '#ops', { proof: 'p' })
  expect(JSON.stringify(takeEffects(context))).not.toContain('proof')
})

describe('a frame for a member of a room', () => {
  const relay = (connection: number, to?: string, room = '#ops') => ({
    type: 'relay' as const,
    connection,
    to,
    room,
    body: 'x',
  })
  const random = { value: 0 }
  const options = { random: () => random.value }

  test('goes to each other connection, here or on a peer, at random, and never to the sender', () => {
    const { context, router, peers, membersOnPeer } = inRoom(['Anna', 'Billy', 'Anna'], {}, options)
    membersOnPeer('server-2', '#ops', 'Cleo', 'Dora')
    membersOnPeer('server-3', '#ops', 'Erik')
    const receivers: string[] = []
    // Two connections here, two users on one peer, and one on the other: five places.
    for (const value of [0, 0.199, 0.2, 0.399, 0.4, 0.799, 0.8, 0.999]) {
      random.value = value
      router.handleRelay(relay(2))
      for (const effect of takeEffects(context)) {
        if (effect.type === 'emit') receivers.push(effect.to.join())
      }
      for (const { peer } of peers.roomRelays.splice(0)) receivers.push(peer)
    }
    expect(receivers).toEqual(['1', '1', '1', '1', 'server-2', 'server-2', 'server-3', 'server-3'])
  })

  test('here goes to any of the other connections in the room', () => {
    const { context, router } = inRoom(['Anna', 'Billy', 'Cleo'], {}, options)
    const receivers = [0, 0.49, 0.5, 0.99].flatMap(value => {
      random.value = value
      router.handleRelay(relay(1))
      return takeEffects(context)
    })
    expect(receivers).toMatchObject([{ to: [2] }, { to: [2] }, { to: [3] }, { to: [3] }])
    const payload = { room: '#ops', user: 'Anna', from: 'server-1:1', body: 'x' }
    expect(receivers[0]).toMatchObject({ message: { event: 'relay', payload } })
  })

  test('goes nowhere if nobody else is in the room', () => {
    const { context, router, peers, join } = inRoom(['Anna'], {}, options)
    join(2, 'Billy')
    for (const value of [0, 0.5, 0.999]) {
      random.value = value
      router.handleRelay(relay(1))
    }
    expect([takeEffects(context), peers.roomRelays]).toEqual([[], []])
  })

  test('is dropped if the sender is not in the room, with this connection', () => {
    const { context, router, peers, join, membersOnPeer } = inRoom(['Anna', 'Billy'], {}, options)
    join(3, 'Anna')
    membersOnPeer('server-2', '#dev', 'Cleo')
    for (const frame of [
      relay(3),
      relay(3, 'server-1:2'),
      relay(1, undefined, '#dev'),
      relay(1, 'server-2:1', '#dev'),
    ]) {
      router.handleRelay(frame)
    }
    expect([takeEffects(context), peers.roomRelays]).toEqual([[], []])
  })

  test('with an address goes to that connection, if it is in the room', () => {
    const { context, router, peers, join, membersOnPeer } = inRoom(['Anna', 'Billy', 'Cleo'], {}, options)
    join(4, 'Dora')
    membersOnPeer('server-2', '#ops', 'Erik')
    router.handleRelay(relay(1, 'server-1:3'))
    expect(takeEffects(context)).toMatchObject([{ to: [3], message: { payload: { to: 'server-1:3' } } }])
    router.handleRelay(relay(1, 'server-2:9'))
    expect(peers.roomRelays.splice(0)).toMatchObject([{ peer: 'server-2', relay: { to: 'server-2:9', user: 'Anna' } }])
    for (const to of ['server-1:1', 'server-1:4', 'server-1:99', 'server-3:1', 'server-1', '', ':', 'nowhere'])
      router.handleRelay(relay(1, to))
    expect([takeEffects(context), peers.roomRelays]).toEqual([[], []])
  })

  test('of a peer goes to one connection in the room, or to the one that it names', () => {
    const { context, router } = inRoom(['Anna', 'Billy'], {}, options)
    const frame = { room: '#ops', user: 'Cleo', from: 'server-2:1', body: 'x' }
    random.value = 0.5
    router.deliverRoomRelay(frame)
    router.deliverRoomRelay({ ...frame, to: 'server-1:1' })
    router.deliverRoomRelay({ ...frame, to: 'server-1:9' })
    router.deliverRoomRelay({ ...frame, room: '#dev' })
    expect(takeEffects(context)).toMatchObject([{ to: [2] }, { to: [1] }])
  })

  test('counts as a message for the rate', () => {
    const { context, router } = inRoom(['Anna', 'Billy'], { messagesPerSecond: 1, burst: 2 }, options)
    for (let n = 0; n < 3; n++) router.handleRelay(relay(1))
    expect(takeEffects(context)).toHaveLength(1)
  })
})
