/** Joining and leaving rooms, who may do that and who may write, what members are told, and the list of rooms. */
import { describe, expect, test } from 'vitest'
import type { PresenceEntry } from '../../../../src/protocol/frames.ts'
import { createRooms, roomSettings } from '../../../support/harness/rooms-harness.ts'
import { addConnection, advance } from '../../../support/harness/server-context.ts'
import { Random } from '../../../support/random.ts'

const refused = (code: string, message: string, retryAfter?: number) => ({
  ok: false,
  code,
  message,
  ...(retryAfter === undefined ? {} : { retryAfter }),
})
const entry = (name: string, connections: number): PresenceEntry => [name, connections]
const NEVER = Number.POSITIVE_INFINITY

describe('joining', () => {
  test('is answered with the canonical name, and the members at a version', () => {
    const { connect, join, changeOnPeer } = createRooms()
    connect(1, 'Anna')
    changeOnPeer('two', '#ops', true, 'Billy')
    expect(join(1, ' #Ops ')).toEqual({ ok: true, room: '#ops', info: {}, version: 1, members: ['Anna', 'Billy'] })
  })

  test('again changes nothing, and is answered in the same way', () => {
    const { context, connect, join, pass, rooms } = createRooms()
    connect(1, 'Anna')
    const first = join(1, '#ops')
    pass(5_000)
    context.stream.takeDeltas(entry)
    expect([join(1, '#ops'), join(1, '#OPS')]).toEqual([first, first])
    expect([context.rooms.get('#ops')?.memberCount, rooms.deadline, pass(5_000)]).toEqual([1, NEVER, []])
    expect(context.stream.takeDeltas(entry)).toEqual([])
  })

  test('with a second connection of the user makes no second member, and is not told to others', () => {
    const { context, connect, join, pass } = createRooms()
    for (const id of [1, 2]) connect(id, 'Anna')
    join(1, '#ops')
    context.stream.takeDeltas(entry)
    expect(join(2, '#ops')).toMatchObject({ members: ['Anna'] })
    expect([pass(5_000), context.stream.takeDeltas(entry)]).toEqual([[], []])
    expect(context.rooms.get('#ops')?.connections.size).toBe(2)
  })

  test('is told to peers with the first connection, and leaving with the last one', () => {
    const { context, connect, join, part } = createRooms()
    for (const id of [1, 2]) connect(id, 'Anna')
    const deltas = () => context.stream.takeDeltas(entry).map(({ rooms }) => rooms)
    join(1, '#ops')
    join(2, '#ops')
    expect([deltas(), context.needsFlush]).toEqual([[[['#ops', ['Anna'], []]]], true])
    part(1, '#ops')
    expect(deltas()).toEqual([])
    part(2, '#ops')
    expect(deltas()).toEqual([[['#ops', [], ['Anna']]]])
  })

  test('is answered with what the config says of the room', () => {
    const settings = { topic: 'News', operators: ['Anna'], write: 'operators', historyDays: 7 } as const
    const { connect, join } = createRooms({}, [roomSettings('#news', { ...settings, hidden: true, slowSeconds: 9 })])
    connect(1, 'Anna')
    expect(join(1, '#news')).toMatchObject({ ok: true, info: settings })
  })
})

describe('leaving', () => {
  test('is answered with the canonical name, whether the connection was in the room or not', () => {
    const { context, connect, join, part } = createRooms()
    connect(1, 'Anna')
    join(1, '#ops')
    for (let n = 0; n < 2; n++) expect(part(1, '#Ops')).toEqual({ ok: true, room: '#ops' })
    expect(part(1, '#never')).toEqual({ ok: true, room: '#never' })
    expect(context.rooms.size).toBe(0)
  })

  test('takes out one connection: another one of the user stays in the room', () => {
    const { context, connect, join, part } = createRooms()
    for (const id of [1, 2]) {
      connect(id, 'Anna')
      join(id, '#ops')
    }
    part(1, '#ops')
    expect([...(context.rooms.get('#ops')?.connections ?? [])].map(({ id }) => id)).toEqual([2])
  })

  test('happens to a connection that closes, in all its rooms', () => {
    const { context, connect, join, close } = createRooms()
    const anna = connect(1, 'Anna')
    for (const room of ['#a', '#b', '#c']) join(1, room)
    close(anna)
    expect([context.rooms.size, anna.rooms.size]).toEqual([0, 0])
  })
})

describe('refusals of join and part', () => {
  test('not-identified: the connection has not identified', () => {
    const { join, part, list } = createRooms()
    const answer = refused('not-identified', 'identify first')
    expect([join(9, '#ops'), part(9, '#ops'), list(9)]).toEqual([answer, answer, answer])
  })

  test('bad-payload: the client has not said that it knows rooms', () => {
    const { context, connections, join } = createRooms()
    addConnection(context, connections, 1, 'Anna', 2, {})
    expect(join(1, '#ops')).toEqual(refused('bad-payload', 'identify with rooms: true first'))
    expect(context.rooms.size).toBe(0)
  })

  test.each([
    [undefined, 'a room name must be a string'],
    [7, 'a room name must be a string'],
    [{ room: '#ops' }, 'a room name must be a string'],
    ['ops', 'a room name has # and then 1 to 63 letters, digits or any of - _ .'],
    ['#', 'a room name has # and then 1 to 63 letters, digits or any of - _ .'],
  ])('bad-room: %j is not a room name', (raw, reason) => {
    const { context, connect, join, part } = createRooms()
    connect(1, 'Anna')
    expect([join(1, raw), part(1, raw)]).toEqual([refused('bad-room', reason), refused('bad-room', reason)])
    expect([context.rooms.size, context.needsFlush]).toEqual([0, false])
  })

  test('room-forbidden: the config lists other members; operators may join too', () => {
    const { connect, join, context } = createRooms({}, [
      roomSettings('#vip', { operators: ['Olga'], members: ['Anna'] }),
    ])
    for (const [id, user] of ['Anna', 'Olga', 'Billy', 'anna'].entries()) connect(id, user)
    const answer = refused('room-forbidden', 'you may not join #vip: its operator has not listed you as a member')
    expect([join(0, '#vip'), join(1, '#vip')]).toMatchObject([{ ok: true }, { ok: true }])
    expect([join(2, '#vip'), join(3, '#VIP')]).toEqual([answer, answer])
    expect([...(context.rooms.get('#vip')?.members ?? [])]).toEqual(['Anna', 'Olga'])
  })

  test('room-forbidden: the token lists other rooms', () => {
    const { connect, join } = createRooms({}, [roomSettings('#vip', { operators: ['Anna'] })])
    connect(1, 'Anna', ['#ops'])
    connect(2, 'Billy', [])
    expect(join(1, '#ops')).toMatchObject({ ok: true })
    const answer = (room: string) => refused('room-forbidden', `you may not join ${room}: your token does not list it`)
    expect([join(1, '#vip'), join(2, '#ops')]).toEqual([answer('#vip'), answer('#ops')])
  })

  test('too-many-rooms: a connection is in as many as it may be; leaving one makes room for another', () => {
    const { connect, join, part } = createRooms({ roomsPerUser: 2 })
    for (const id of [1, 2]) connect(id, 'Anna')
    for (const room of ['#a', '#b']) join(1, room)
    const message = 'you are in 2 rooms, the most that this mesh allows; leave one first'
    expect(join(1, '#c')).toEqual(refused('too-many-rooms', message))
    expect([join(1, '#a'), join(2, '#c')]).toMatchObject([{ ok: true }, { ok: true }])
    part(1, '#a')
    expect(join(1, '#c')).toMatchObject({ ok: true })
  })

  test('room-full: members of the whole mesh count, each once; another connection of a member may join', () => {
    const { connect, join, part, changeOnPeer } = createRooms({ membersPerRoom: 3 })
    changeOnPeer('two', '#ops', true, 'Billy')
    changeOnPeer('three', '#ops', true, 'Billy', 'Cleo')
    for (const [id, user] of ['Anna', 'Anna', 'Cleo', 'Dora'].entries()) connect(id, user)
    expect([join(0, '#ops'), join(1, '#ops'), join(2, '#ops')]).toMatchObject([
      { ok: true },
      { ok: true },
      { ok: true },
    ])
    expect(join(3, '#ops')).toEqual(refused('room-full', '#ops is full: it has 3 members'))
    for (const id of [0, 1]) part(id, '#ops')
    expect(join(3, '#ops')).toMatchObject({ ok: true, members: expect.arrayContaining(['Billy', 'Cleo']) })
  })

  test('a limit of 0 is off', () => {
    const { connect, join } = createRooms({ roomsPerUser: 0, membersPerRoom: 0, roomMessagesPerSecond: 0 })
    const anna = connect(1, 'Anna')
    for (let n = 0; n < 150; n++) join(1, `#room-${n}`)
    expect(anna.rooms.size).toBe(150)
  })

  test('rate-limited: requests count as messages, and a refused one changes nothing', () => {
    const { context, connect, join, part, list } = createRooms({ messagesPerSecond: 1, burst: 2 })
    connect(1, 'Anna')
    join(1, '#ops')
    part(1, '#ops')
    const answer = refused('rate-limited', 'too many requests; retry in 1000 ms', 1_000)
    expect([join(1, '#ops'), part(1, '#ops'), list(1)]).toEqual([answer, answer, answer])
    expect(context.rooms.size).toBe(0)
    advance(context, 1_000)
    expect(join(1, '#ops')).toMatchObject({ ok: true })
  })
})

describe('writing', () => {
  test('not-in-room: only a connection in the room may, not another one of the user', () => {
    const { connect, join, part, check, changeOnPeer } = createRooms()
    const [anna, other, billy] = [connect(1, 'Anna'), connect(2, 'Anna'), connect(3, 'Billy')]
    join(1, '#ops')
    changeOnPeer('two', '#far', true, 'Anna')
    const answer = (room: string) => refused('not-in-room', `you are not in ${room}; join it first`)
    expect(check(anna, '#ops')).toBeUndefined()
    for (const one of [other, billy]) expect(check(one, '#ops')).toEqual(answer('#ops'))
    for (const room of ['#far', '#nowhere']) expect(check(anna, room)).toEqual(answer(room))
    part(1, '#ops')
    expect(check(anna, '#ops')).toEqual(answer('#ops'))
  })

  test('read-only: only operators may where the config says so', () => {
    const { connect, join, check } = createRooms({}, [
      roomSettings('#news', { operators: ['Olga'], write: 'operators' }),
    ])
    const [anna, olga] = [connect(1, 'Anna'), connect(2, 'Olga')]
    for (const id of [1, 2]) join(id, '#news')
    expect(check(anna, '#news')).toEqual(refused('read-only', 'only operators may write in #news'))
    expect(check(olga, '#news')).toBeUndefined()
  })

  test('slow-mode: a user writes from time to time only, with all connections together; operators at any time', () => {
    const { context, connect, join, check } = createRooms({}, [
      roomSettings('#slow', { operators: ['Olga'], slowSeconds: 30 }),
      roomSettings('#also', { slowSeconds: 30 }),
    ])
    const [anna, again, billy, olga] = ['Anna', 'Anna', 'Billy', 'Olga'].map((user, id) => connect(id, user))
    if (anna === undefined || again === undefined || billy === undefined || olga === undefined) throw new Error('none')
    for (const { id } of [anna, again, billy, olga]) for (const room of ['#slow', '#also']) join(id, room)
    expect(check(anna, '#slow')).toBeUndefined()
    advance(context, 10_500.5)
    const answer = refused('slow-mode', '#slow is in slow mode; retry in 20 s', 19_500)
    expect([check(anna, '#slow'), check(again, '#slow')]).toEqual([answer, answer])
    expect([check(billy, '#slow'), check(anna, '#also')]).toEqual([undefined, undefined])
    for (let n = 0; n < 3; n++) expect(check(olga, '#slow')).toBeUndefined()
    advance(context, 19_499.5)
    expect(check(again, '#slow')).toBeUndefined()
    expect(check(anna, '#slow')).toMatchObject({ retryAfter: 30_000 })
  })

  test('slow-mode: a user who leaves and joins again waits as long, if others are in the room', () => {
    const { context, connect, join, part, check } = createRooms({}, [roomSettings('#slow', { slowSeconds: 30 })])
    const [anna] = [connect(1, 'Anna'), connect(2, 'Billy')]
    for (const id of [1, 2]) join(id, '#slow')
    check(anna, '#slow')
    advance(context, 1_000)
    part(1, '#slow')
    join(1, '#slow')
    expect(check(anna, '#slow')).toMatchObject({ code: 'slow-mode', retryAfter: 29_000 })
  })

  test('slow-mode: a user who leaves and joins again waits as long, if all others are on peers', () => {
    const { connect, join, part, check, changeOnPeer } = createRooms({}, [roomSettings('#slow', { slowSeconds: 30 })])
    const anna = connect(1, 'Anna')
    changeOnPeer('two', '#slow', true, 'Billy', 'Cleo')
    join(1, '#slow')
    check(anna, '#slow')
    part(1, '#slow')
    join(1, '#slow')
    expect(check(anna, '#slow')).toMatchObject({ code: 'slow-mode' })
  })

  test('slow-mode: all users of this server together write at most at the rate of a room, operators too', () => {
    const { context, connect, join, check } = createRooms({ roomMessagesPerSecond: 2 }, [
      roomSettings('#ops', { operators: ['Olga'] }),
    ])
    const [anna, olga] = [connect(1, 'Anna'), connect(2, 'Olga')]
    for (const id of [1, 2]) for (const room of ['#ops', '#dev']) join(id, room)
    for (let n = 0; n < 10; n++) expect(check(n % 2 === 0 ? anna : olga, '#ops')).toBeUndefined()
    const answer = refused('slow-mode', 'too many messages in #ops; retry in 500 ms', 500)
    expect([check(anna, '#ops'), check(olga, '#ops')]).toEqual([answer, answer])
    expect(check(anna, '#dev')).toBeUndefined()
    advance(context, 500)
    expect([check(anna, '#ops'), check(anna, '#ops')]).toMatchObject([undefined, { retryAfter: 500 }])
  })

  test('a message that is above the rate of the room does not start the wait of the slow mode', () => {
    const settings = [roomSettings('#slow', { slowSeconds: 30 })]
    const { context, connect, join, check } = createRooms({ roomMessagesPerSecond: 1 }, settings)
    const users = Array.from({ length: 6 }, (_, id) => connect(id, `user ${id}`))
    for (const { id } of users) join(id, '#slow')
    expect(users.map(user => check(user, '#slow')?.retryAfter)).toEqual([...Array(5).fill(undefined), 1_000])
    advance(context, 1_000)
    expect(users.map(user => check(user, '#slow')?.retryAfter)).toEqual([...Array(5).fill(29_000), undefined])
  })
})

describe('members are told', () => {
  test('joins and leaves, gathered in one version; who is not in the room hears nothing', () => {
    const { connect, join, part, pass, changeOnPeer } = createRooms()
    for (const [id, user] of ['Anna', 'Billy', 'Cleo', 'Dora'].entries()) connect(id, user)
    expect(join(0, '#ops')).toMatchObject({ version: 1, members: ['Anna'] })
    join(1, '#ops')
    join(2, '#ops')
    part(2, '#ops')
    join(3, '#other')
    changeOnPeer('two', '#ops', true, 'Erik')
    const event = { room: '#ops', version: 2, joined: ['Billy', 'Erik'], left: [] }
    expect(pass(5_000)).toEqual([{ to: [0, 1], event }])
    expect(join(1, '#ops')).toMatchObject({ version: 2, members: ['Anna', 'Billy', 'Erik'] })
  })

  test('nothing of a user who joins and leaves within one version, and versions have no gaps', () => {
    const { connect, join, part, pass } = createRooms()
    for (const [id, user] of ['Anna', 'Billy'].entries()) connect(id, user)
    join(0, '#ops')
    join(1, '#ops')
    part(1, '#ops')
    expect(pass(5_000)).toEqual([])
    join(1, '#ops')
    expect(pass(5_000)).toMatchObject([{ event: { version: 2, joined: ['Billy'] } }])
    part(1, '#ops')
    expect(pass(5_000)).toEqual([{ to: [0], event: { room: '#ops', version: 3, joined: [], left: ['Billy'] } }])
  })

  test('leaves of a user only when the last place is empty, here or on a peer', () => {
    const { connect, join, part, pass, changeOnPeer } = createRooms()
    for (const [id, user] of ['Anna', 'Billy'].entries()) connect(id, user)
    for (const id of [0, 1]) join(id, '#ops')
    changeOnPeer('two', '#ops', true, 'Billy')
    pass(5_000)
    part(1, '#ops')
    expect(pass(5_000)).toEqual([])
    changeOnPeer('two', '#ops', false, 'Billy')
    expect(pass(5_000)).toMatchObject([{ event: { left: ['Billy'] } }])
  })

  test('a large room less often: 1,000 connections get one or two versions per second under constant change', () => {
    const { connect, join, pass, changeOnPeer, told } = createRooms({ membersPerRoom: 0 })
    for (let id = 0; id < 1_000; id++) {
      connect(id, `user ${id}`)
      join(id, '#ops')
    }
    pass(60_000)
    let versions = 0
    for (let n = 0; n < 200; n++) {
      changeOnPeer('two', '#ops', true, `far ${n}`)
      versions += pass(100).length
    }
    expect(told()).toEqual([])
    expect(versions).toBeGreaterThanOrEqual(18)
    expect(versions).toBeLessThanOrEqual(40)
  })

  test('that they may have missed a message, once per turn, only where clients are in the room', () => {
    const { context, rooms, connect, join, told, changeOnPeer } = createRooms()
    connect(1, 'Anna')
    join(1, '#ops')
    changeOnPeer('two', '#far', true, 'Billy')
    context.needsFlush = false
    for (const room of ['#far', '#nowhere']) rooms.notifyMissed(room)
    expect(context.needsFlush).toBe(false)
    for (let n = 0; n < 3; n++) rooms.notifyMissed('#ops')
    expect([context.needsFlush, told()]).toEqual([true, []])
    rooms.flush()
    expect(told()).toEqual([{ to: [1], event: { room: '#ops', missed: true } }])
    rooms.flush()
    expect(told()).toEqual([])
  })

  test('a client that applies the versions to the answer has the members, after 1,000 random changes', () => {
    const random = new Random(9)
    const { context, connect, join, part, pass, changeOnPeer } = createRooms({ messagesPerSecond: 0 })
    const ids = [0, 1, 2, 3]
    for (const id of ids) connect(id, `user ${id % 3}`)
    const copies = new Map<number, { version: number; members: Set<string> }>()
    for (let n = 0; n < 1_000; n++) {
      const id = random.pick(ids)
      const step = random.below(6)
      if (step < 2) {
        const { version, members } = join(id, '#ops') as { version: number; members: string[] }
        copies.set(id, { version, members: new Set(members) })
      } else if (step === 2) {
        part(id, '#ops')
        copies.delete(id)
      } else changeOnPeer(random.pick(['two', 'three']), '#ops', step < 5, `user ${random.below(5)}`)
      for (const { to, event } of pass(random.pick([0, 10, 100, 1_000]))) {
        if (!('joined' in event)) throw new Error('only members change')
        expect([...to].sort()).toEqual([...copies.keys()].sort())
        for (const receiver of to) {
          const copy = copies.get(receiver)
          if (copy === undefined) throw new Error(`${receiver} is not in the room`)
          expect(event.version).toBe(++copy.version)
          for (const name of event.joined)
            expect([name, copy.members.size]).toEqual([name, copy.members.add(name).size - 1])
          for (const name of event.left) expect([name, copy.members.delete(name)]).toEqual([name, true])
        }
      }
      if (n % 10 > 0) continue
      pass(2_000).forEach(({ to, event }) => {
        if (!('joined' in event)) throw new Error('only members change')
        for (const receiver of to) {
          const copy = copies.get(receiver)
          for (const name of event.joined) copy?.members.add(name)
          for (const name of event.left) copy?.members.delete(name)
          if (copy !== undefined) copy.version++
        }
      })
      const truth = [...(context.rooms.get('#ops')?.members ?? [])].sort()
      for (const { members } of copies.values()) expect([...members].sort()).toEqual(truth)
    }
  })
})

describe('a changed config', () => {
  test('evicts users who may not be in the room any more, and tells them why and the others that they have left', () => {
    const { context, rooms, connect, join, told, pass } = createRooms()
    for (const [id, user] of ['Anna', 'Billy', 'Billy', 'Olga'].entries()) {
      connect(id, user)
      join(id, '#ops')
    }
    pass(5_000)
    context.stream.takeDeltas(entry)
    rooms.configure([roomSettings('#ops', { operators: ['Olga'], members: ['Anna'] })])
    const refusal = refused('room-forbidden', 'you may not join #ops: its operator has not listed you as a member')
    expect(told()).toEqual([
      { to: [1], event: { room: '#ops', refusal } },
      { to: [2], event: { room: '#ops', refusal } },
      { to: [0, 3], event: { room: '#ops', info: { operators: ['Olga'] } } },
    ])
    expect(pass(5_000)).toEqual([{ to: [0, 3], event: { room: '#ops', version: 3, joined: [], left: ['Billy'] } }])
    expect(context.stream.takeDeltas(entry)).toMatchObject([{ rooms: [['#ops', [], ['Billy']]] }])
    expect(join(1, '#ops')).toEqual(refusal)
  })

  test('tells the members a new topic, and nothing if what they know is the same', () => {
    const { rooms, connect, join, told } = createRooms({}, [roomSettings('#ops', { topic: 'old' })])
    connect(1, 'Anna')
    join(1, '#ops')
    rooms.configure([roomSettings('#ops', { topic: 'new' })])
    expect(told()).toEqual([{ to: [1], event: { room: '#ops', info: { topic: 'new' } } }])
    rooms.configure([roomSettings('#ops', { topic: 'new', slowSeconds: 9 }), roomSettings('#empty', { topic: 'x' })])
    expect(told()).toEqual([])
    rooms.configure([])
    expect(told()).toEqual([{ to: [1], event: { room: '#ops', info: {} } }])
  })

  test('leaves no state of a room whose last member it evicts', () => {
    const { context, rooms, connect, join, told } = createRooms()
    connect(1, 'Anna')
    join(1, '#ops')
    rooms.configure([roomSettings('#ops', { members: ['Billy'] })])
    expect(told()).toMatchObject([{ to: [1], event: { refusal: { code: 'room-forbidden' } } }])
    expect([context.rooms.size, rooms.localCount]).toEqual([0, 0])
  })

  test('applies to writing and to the list at once', () => {
    const { rooms, connect, join, list, check } = createRooms()
    const anna = connect(1, 'Anna')
    join(1, '#ops')
    expect(list(1)).toMatchObject({ rooms: [{ room: '#ops' }] })
    rooms.configure([roomSettings('#ops', { operators: ['Olga'], write: 'operators', hidden: true })])
    expect(list(1)).toMatchObject({ rooms: [] })
    expect(check(anna, '#ops')).toMatchObject({ code: 'read-only' })
  })
})

describe('the list of rooms', () => {
  test('has those with the most members first, then by name, with their topics, and none that are hidden', () => {
    const settings = [roomSettings('#ops', { topic: 'Operations' }), roomSettings('#vip', { hidden: true })]
    const { connect, join, changeOnPeer, list } = createRooms({}, settings)
    connect(1, 'Anna')
    for (const room of ['#dev', '#ops', '#vip']) join(1, room)
    changeOnPeer('two', '#far', true, 'Billy', 'Cleo')
    changeOnPeer('two', '#vip', true, 'Billy', 'Cleo', 'Dora')
    expect(list(1)).toMatchObject({
      ok: true,
      rooms: [
        { room: '#far', members: 2 },
        { room: '#dev', members: 1 },
        { room: '#ops', members: 1, topic: 'Operations' },
      ],
    })
  })

  test('does not count hidden rooms', () => {
    const { connect, join, list } = createRooms({}, [roomSettings('#vip', { hidden: true })])
    connect(1, 'Anna')
    for (const room of ['#dev', '#vip']) join(1, room)
    expect(list(1)).toMatchObject({ rooms: [{ room: '#dev' }], total: 1 })
  })

  test('has at most 1,000 rooms, and says how many there are', () => {
    const { connect, changeOnPeer, list } = createRooms()
    connect(1, 'Anna')
    for (let n = 0; n < 1_001; n++) changeOnPeer('two', `#room-${n}`, true, 'Billy')
    const { rooms, total } = list(1) as { rooms: unknown[]; total: number }
    expect([rooms.length, total]).toEqual([1_000, 1_001])
  })

  test('is made at most once per second', () => {
    const { context, connect, join, list } = createRooms()
    connect(1, 'Anna')
    expect(list(1)).toMatchObject({ rooms: [] })
    join(1, '#ops')
    advance(context, 999)
    expect(list(1)).toMatchObject({ rooms: [] })
    advance(context, 1)
    expect(list(1)).toMatchObject({ rooms: [{ room: '#ops' }] })
  })
})

describe('when all have left', () => {
  test('nothing is left of rooms here and on peers, and no deadline', () => {
    const { context, rooms, connect, join, close, changeOnPeer, pass } = createRooms({}, [
      roomSettings('#slow', { slowSeconds: 30 }),
    ])
    const all = Array.from({ length: 20 }, (_, id) => connect(id, `user ${id % 7}`))
    for (const { id } of all) for (const room of ['#ops', '#dev', '#slow']) join(id, room)
    for (const peer of ['two', 'three']) changeOnPeer(peer, '#ops', true, 'Billy', 'user 1')
    for (const one of all) rooms.checkMessage(one, '#slow')
    pass(100)
    for (const one of all) close(one)
    expect([rooms.localCount, context.rooms.size]).toEqual([0, 1])
    for (const peer of ['two', 'three']) changeOnPeer(peer, '#ops', false, 'Billy', 'user 1')
    expect(pass(5_000)).toEqual([])
    expect([rooms.localCount, context.rooms.size, rooms.deadline, context.directory.userCount]).toEqual([
      0,
      0,
      NEVER,
      0,
    ])
  })

  test('a room that opens again starts with its members of now', () => {
    const { connect, join, part, changeOnPeer } = createRooms()
    connect(1, 'Anna')
    join(1, '#ops')
    changeOnPeer('two', '#ops', true, 'Billy')
    part(1, '#ops')
    changeOnPeer('two', '#ops', false, 'Billy')
    changeOnPeer('two', '#ops', true, 'Cleo')
    expect(join(1, '#ops')).toEqual({ ok: true, room: '#ops', info: {}, version: 1, members: ['Anna', 'Cleo'] })
  })

  test('users of a peer join and leave a room without clients here, and a change of an unknown room is ignored', () => {
    const { context, rooms, changeOnPeer } = createRooms()
    changeOnPeer('two', '#ops', false, 'Billy')
    changeOnPeer('two', '#ops', true, 'Billy')
    expect([context.rooms.size, rooms.localCount, rooms.deadline]).toEqual([1, 0, NEVER])
    changeOnPeer('two', '#ops', false, 'Billy')
    expect(context.rooms.size).toBe(0)
  })
})
