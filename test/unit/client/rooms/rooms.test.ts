/** The rooms of a client: joining and leaving, and their members. */
import { describe, expect, test } from 'vitest'
import type { Context } from '../../../../src/client/context.ts'
import type { RoomEntry } from '../../../../src/client/rooms/room-list.ts'
import { Rooms } from '../../../../src/client/rooms/rooms.ts'
import type { JoinResponse } from '../../../../src/protocol/messages.ts'
import { clientContext, EPOCH_MS, effectsOf, eventsOf, takeEffects } from '../../../support/harness/session-harness.ts'
import { Random } from '../../../support/random.ts'

const NEVER = Number.POSITIVE_INFINITY
const DAY_MS = 24 * 3_600_000

function build(entries: readonly RoomEntry[] = [], isSupported = true) {
  const context = clientContext()
  const calls: unknown[] = []
  const rooms = new Rooms(context, entries, {
    onJoined: ({ name }) => void calls.push(['joined', name]),
    onMembersJoined: ({ name }) => void calls.push(['members joined', name]),
    onMissed: ({ name }) => void calls.push(['missed', name]),
    onParted: name => void calls.push(['parted', name]),
    onListChanged: changed => void calls.push(['changed', ...changed.map(([room, isJoined]) => `${isJoined} ${room}`)]),
  })
  rooms.onConnected(isSupported)
  takeEffects(context)
  return { context, rooms, calls }
}
const requests = (context: Context) =>
  takeEffects(context).flatMap(effect =>
    effect.type === 'join' || effect.type === 'part' ? [`${effect.type} ${effect.room}`] : [],
  )
const told = (context: Context) =>
  eventsOf(takeEffects(context)).flatMap(event =>
    event.type === 'room'
      ? [[event.room, event.state.state, [...event.members], [...event.joined], [...event.left]]]
      : [],
  )
const answer = (members: string[], version = 1): JoinResponse => ({
  ok: true,
  room: '#ops',
  info: {},
  version,
  members,
})
const refusal = (code: Extract<JoinResponse, { ok: false }>['code'], retryAfter?: number): JoinResponse => ({
  ok: false,
  code,
  message: 'no',
  ...(retryAfter === undefined ? {} : { retryAfter }),
})
/** Rooms with #ops, joined. */
function joined(members: string[] = ['Anna', 'Billy'], version = 1) {
  const parts = build([['#ops', true, EPOCH_MS - 1]])
  parts.rooms.handleJoinAnswer('#ops', answer(members, version))
  takeEffects(parts.context)
  parts.calls.length = 0
  return parts
}

describe('joining', () => {
  test('is kept, told to the other clients of the user, and asked of the server', () => {
    const { context, rooms, calls } = build()
    rooms.join(' #Ops ')
    expect(takeEffects(context)).toEqual([
      { type: 'store-rooms', rooms: [['#ops', true, EPOCH_MS]] },
      { type: 'event', event: expect.objectContaining({ room: '#ops', state: { state: 'waiting' } }) },
      { type: 'join', dial: 1, room: '#ops' },
    ])
    expect([calls, rooms.isJoined('#ops'), rooms.list.has('#ops')]).toEqual([[['changed', 'true #ops']], false, true])
  })

  test('a room that the user is in changes nothing', () => {
    const { context, rooms, calls } = joined()
    rooms.join('#OPS')
    expect([takeEffects(context), calls]).toEqual([[], []])
  })

  test('a name that is not one of a room is refused, and not kept', () => {
    const { context, rooms, calls } = build()
    rooms.join('ops')
    const [effect, ...others] = takeEffects(context)
    expect(effect).toMatchObject({ event: { room: 'ops', state: { state: 'refused', code: 'bad-room' } } })
    expect([others, calls, rooms.list.entries]).toEqual([[], [], []])
  })

  test('the answer has the members and the settings of the room', () => {
    const { context, rooms, calls } = build([['#ops', true, EPOCH_MS - 1]])
    rooms.handleJoinAnswer('#ops', { ...answer(['Billy', 'Anna'], 7), info: { topic: 'Hi' } } as JoinResponse)
    expect(eventsOf(takeEffects(context))).toMatchObject([
      { room: '#ops', state: { state: 'joined' }, info: { topic: 'Hi' }, joined: ['Anna', 'Billy'], left: [] },
    ])
    expect([...(rooms.get('#ops')?.members ?? [])]).toEqual(['Anna', 'Billy'])
    expect([calls, rooms.isJoined('#ops'), rooms.hasOthers('#ops')]).toEqual([[['joined', '#ops']], true, true])
  })

  test('a user alone in the room has no others there', () => {
    expect(joined(['Anna']).rooms.hasOthers('#ops')).toBe(false)
  })

  test('while offline is kept, and asked of the next server', () => {
    const { context, rooms } = build()
    context.onlineConnection = undefined
    rooms.onDisconnected()
    rooms.join('#ops')
    expect(requests(context)).toEqual([])
    context.onlineConnection = 2
    rooms.onConnected(true)
    expect(takeEffects(context)).toEqual([{ type: 'join', dial: 2, room: '#ops' }])
  })

  // A change of another client, or of this one before its clock was put right, may have a later time than this machine.
  test('works after another client left the room with a clock that is an hour ahead', () => {
    const { context, rooms } = joined()
    rooms.merge([['#ops', false, EPOCH_MS + 3_600_000]])
    takeEffects(context)
    rooms.join('#ops')
    expect(requests(context)).toEqual(['join #ops'])
  })
})

describe('leaving', () => {
  test('is kept, told to the other clients of the user and to the server', () => {
    const { context, rooms, calls } = joined()
    rooms.part('#Ops')
    const effects = takeEffects(context)
    expect(effectsOf(effects, 'store-rooms')).toMatchObject([{ rooms: [['#ops', false, EPOCH_MS]] }])
    expect(effectsOf(effects, 'part')).toEqual([{ type: 'part', dial: 1, room: '#ops' }])
    expect(eventsOf(effects)).toMatchObject([{ room: '#ops', state: { state: 'parted' } }])
    expect(calls).toEqual([
      ['parted', '#ops'],
      ['changed', 'false #ops'],
    ])
    expect([rooms.get('#ops'), rooms.list.has('#ops')]).toEqual([undefined, false])
  })

  test('a room that the user is not in, or a name that is none, changes nothing', () => {
    const { context, rooms, calls } = joined()
    for (const room of ['#dev', 'ops', '']) rooms.part(room)
    expect([takeEffects(context), calls]).toEqual([[], []])
  })

  test('while offline needs no request: the next server never heard of it', () => {
    const { context, rooms } = joined()
    context.onlineConnection = undefined
    rooms.onDisconnected()
    takeEffects(context)
    rooms.part('#ops')
    expect(requests(context)).toEqual([])
    context.onlineConnection = 2
    rooms.onConnected(true)
    expect(requests(context)).toEqual([])
  })

  test('works after the user joined the room while the clock was an hour ahead', () => {
    const { context, rooms } = build([['#ops', true, EPOCH_MS + 3_600_000]])
    rooms.part('#ops')
    expect([requests(context), rooms.list.has('#ops')]).toEqual([['part #ops'], false])
  })
})

describe('changes of other clients of the user', () => {
  test('are applied and kept if they are later, and not told again', () => {
    const { context, rooms, calls } = joined()
    rooms.merge([
      ['#ops', false, EPOCH_MS - 2],
      ['#dev', true, EPOCH_MS - 2],
      ['#old', false, EPOCH_MS - 2],
    ])
    const effects = takeEffects(context)
    expect(effects.filter(({ type }) => type === 'join' || type === 'part')).toEqual([
      { type: 'join', dial: 1, room: '#dev' },
    ])
    expect(effectsOf(effects, 'store-rooms')).toHaveLength(1)
    expect([rooms.list.joined, calls]).toEqual([['#ops', '#dev'], []])
    rooms.merge([['#ops', false, EPOCH_MS]])
    expect(requests(context)).toEqual(['part #ops'])
    expect(calls).toEqual([['parted', '#ops']])
  })

  test('that are known already change nothing', () => {
    const { context, rooms } = joined()
    rooms.merge(rooms.list.entries)
    rooms.merge([])
    expect(takeEffects(context)).toEqual([])
  })

  test('that are more than a day ahead are dropped: the room could not be left', () => {
    const { context, rooms } = build()
    rooms.merge([['#ops', true, EPOCH_MS + DAY_MS + 1]])
    expect([takeEffects(context), rooms.list.entries]).toEqual([[], []])
  })

  test('for more rooms than are remembered take no room away', () => {
    const { rooms } = joined()
    rooms.merge(Array.from({ length: 1_000 }, (_, n): RoomEntry => [`#room-${n}`, true, EPOCH_MS]))
    for (const { name } of rooms.all) expect([name, rooms.list.has(name)]).toEqual([name, true])
    expect(rooms.list.has('#ops')).toBe(true)
  })
})

describe('a server that refuses', () => {
  test.each(['room-forbidden', 'bad-room'] as const)('for good (%s) ends the membership for all clients', code => {
    const { context, rooms, calls } = build([['#ops', true, EPOCH_MS - 1]])
    rooms.handleJoinAnswer('#ops', refusal(code))
    const effects = takeEffects(context)
    expect(eventsOf(effects).map(event => event.type === 'room' && event.state)).toEqual([
      { state: 'refused', code, message: 'no' },
    ])
    expect(effectsOf(effects, 'store-rooms')).toHaveLength(1)
    expect([rooms.list.has('#ops'), rooms.get('#ops'), rooms.deadline]).toEqual([false, undefined, NEVER])
    expect(calls).toEqual([
      ['parted', '#ops'],
      ['changed', 'false #ops'],
    ])
  })

  test.each([
    ['room-full', undefined, 60_000],
    ['too-many-rooms', undefined, 60_000],
    ['rate-limited', 500, 500],
  ] as const)('for now (%s) is asked again later', (code, retryAfter, wait) => {
    const { context, rooms, calls } = build([['#ops', true, EPOCH_MS - 1]])
    rooms.handleJoinAnswer('#ops', refusal(code, retryAfter))
    expect(eventsOf(takeEffects(context))).toMatchObject([{ state: { state: 'rejected', code, message: 'no' } }])
    expect([rooms.list.has('#ops'), rooms.deadline, calls]).toEqual([true, wait, []])
    context.now = wait - 1
    rooms.tick()
    expect(requests(context)).toEqual([])
    context.now = wait
    rooms.tick()
    expect([requests(context), rooms.deadline]).toEqual([['join #ops'], NEVER])
  })

  test('a member later, because the config has changed, ends the membership', () => {
    const { context, rooms, calls } = joined()
    const forbidden = { ok: false, code: 'room-forbidden', message: 'not listed' } as const
    rooms.handleEvent({ room: '#ops', refusal: forbidden })
    expect(eventsOf(takeEffects(context)).map(event => event.type === 'room' && event.state.state)).toEqual(['refused'])
    expect([rooms.list.has('#ops'), calls.at(-1)]).toEqual([false, ['changed', 'false #ops']])
  })

  test('an answer that nobody waits for is dropped', () => {
    const { context, rooms, calls } = joined()
    rooms.handleJoinAnswer('#dev', answer(['Anna']))
    rooms.handleJoinAnswer('#ops', refusal('room-forbidden'))
    rooms.part('#ops')
    takeEffects(context)
    calls.length = 0
    rooms.handleJoinAnswer('#ops', answer(['Anna']))
    expect([takeEffects(context), calls, rooms.get('#ops')]).toEqual([[], [], undefined])
  })
})

describe('a server that does not know rooms', () => {
  test('is not asked; the rooms are kept for the next one', () => {
    const { context, rooms } = build([['#ops', true, EPOCH_MS - 1]], false)
    rooms.join('#dev')
    const effects = takeEffects(context)
    expect(effects.filter(({ type }) => type === 'join')).toEqual([])
    expect(eventsOf(effects)).toMatchObject([
      { room: '#dev', state: { state: 'waiting' } },
      { room: '#dev', state: { state: 'rejected', code: 'unsupported' } },
    ])
    rooms.part('#dev')
    expect([requests(context), rooms.deadline]).toEqual([[], NEVER])
    rooms.onDisconnected()
    rooms.onConnected(true)
    expect(requests(context)).toEqual(['join #ops'])
  })

  test('is told to the user interface', () => {
    const { context, rooms } = build([['#ops', true, EPOCH_MS - 1]])
    rooms.onConnected(false)
    expect(eventsOf(takeEffects(context))).toMatchObject([{ state: { state: 'rejected', code: 'unsupported' } }])
  })
})

describe('versions of the members', () => {
  const version = (version: number, joined: string[], left: string[] = []) => ({ room: '#ops', version, joined, left })

  test('are applied in order, and told as a difference', () => {
    const { context, rooms, calls } = joined()
    rooms.handleEvent(version(2, ['Cleo', 'Billy'], ['Anna', 'Zoe']))
    expect(told(context)).toEqual([['#ops', 'joined', ['Billy', 'Cleo'], ['Cleo'], ['Anna']]])
    rooms.handleEvent(version(3, [], ['Cleo']))
    expect([told(context), calls]).toEqual([
      [['#ops', 'joined', ['Billy'], [], ['Cleo']]],
      [['members joined', '#ops']],
    ])
  })

  test('that come again change nothing', () => {
    const { context, rooms } = joined(['Anna'], 5)
    for (const old of [1, 5]) rooms.handleEvent(version(old, ['Cleo']))
    expect(takeEffects(context)).toEqual([])
  })

  test('after a missing one make the client join again; the answer tells the difference', () => {
    const { context, rooms, calls } = joined()
    rooms.handleEvent(version(3, ['Cleo']))
    expect([takeEffects(context), rooms.isJoined('#ops')]).toEqual([[{ type: 'join', dial: 1, room: '#ops' }], false])
    for (const late of [2, 3, 4, 9]) rooms.handleEvent(version(late, ['Dora']))
    expect(takeEffects(context)).toEqual([])
    rooms.handleJoinAnswer('#ops', answer(['Anna', 'Cleo'], 4))
    expect(told(context)).toEqual([['#ops', 'joined', ['Anna', 'Cleo'], ['Cleo'], ['Billy']]])
    rooms.handleEvent(version(5, ['Dora']))
    expect(told(context)).toEqual([['#ops', 'joined', ['Anna', 'Cleo', 'Dora'], ['Dora'], []]])
    expect(calls[0]).toEqual(['joined', '#ops'])
  })

  test('of a room that the user is not in, or waits for, are dropped', () => {
    const { context, rooms } = build([['#ops', true, EPOCH_MS - 1]])
    rooms.handleEvent(version(2, ['Cleo']))
    rooms.handleEvent({ ...version(2, ['Cleo']), room: '#dev' })
    expect(takeEffects(context)).toEqual([])
  })

  test('are those of the last answer if the user leaves and joins again at once', () => {
    const { context, rooms } = build()
    rooms.join('#ops')
    rooms.part('#ops')
    rooms.join('#ops')
    rooms.handleJoinAnswer('#ops', answer(['Anna', 'Billy'], 9))
    rooms.handleJoinAnswer('#ops', answer(['Anna'], 1))
    rooms.handleEvent(version(2, ['Cleo']))
    takeEffects(context)
    expect([...(rooms.get('#ops')?.members ?? [])]).toEqual(['Anna', 'Cleo'])
  })

  test('of a hostile server add at most 100,000 members', () => {
    const many = Array.from({ length: 100_001 }, (_, n) => `user ${`${n}`.padStart(6, '0')}`)
    const { rooms } = joined(many)
    expect(rooms.get('#ops')?.members.size).toBe(100_000)
    rooms.handleEvent(version(2, ['one more']))
    expect(rooms.get('#ops')?.members.size).toBe(100_000)
  })

  test('of a server that lists a member twice have the member once', () => {
    const { rooms } = joined(['Anna', 'Billy', 'Billy'])
    rooms.handleEvent(version(2, [], ['Billy']))
    expect([...(rooms.get('#ops')?.members ?? [])]).toEqual(['Anna'])
  })

  test('and answers give the members of the server, after 1,000 random changes with gaps', () => {
    const random = new Random(8)
    const { context, rooms } = joined([], 0)
    const members = new Set(['Anna'])
    let at = 0
    for (let n = 0; n < 1_000; n++) {
      const name = `user ${random.below(12)}`
      const isJoined = !members.has(name)
      if (isJoined) members.add(name)
      else members.delete(name)
      at++
      if (random.chance(0.05)) continue
      rooms.handleEvent(version(at, isJoined ? [name] : [], isJoined ? [] : [name]))
      const asks = requests(context).length > 0
      if (asks) rooms.handleJoinAnswer('#ops', answer([...members].sort(), at))
      if (rooms.get('#ops')?.version === at) {
        expect([...(rooms.get('#ops')?.members ?? [])]).toEqual([...members].sort())
      }
    }
  })
})

describe('other events of a room', () => {
  test('new settings are told, and a message that may be missed is compared for', () => {
    const { context, rooms, calls } = joined()
    rooms.handleEvent({ room: '#ops', info: { topic: 'new' } })
    expect(eventsOf(takeEffects(context))).toMatchObject([
      { room: '#ops', info: { topic: 'new' }, joined: [], left: [] },
    ])
    rooms.handleEvent({ room: '#ops', missed: true })
    expect([takeEffects(context), calls]).toEqual([[], [['missed', '#ops']]])
  })
})

describe('the connection', () => {
  test('that is lost makes the rooms wait; all of them are joined on the next one, with the difference of the members', () => {
    const { context, rooms, calls } = joined()
    rooms.merge([['#dev', true, EPOCH_MS]])
    takeEffects(context)
    rooms.onDisconnected()
    expect(told(context)).toEqual([
      ['#ops', 'waiting', ['Anna', 'Billy'], [], []],
      ['#dev', 'waiting', [], [], []],
    ])
    expect([rooms.isJoined('#ops'), rooms.deadline]).toEqual([false, NEVER])
    rooms.onDisconnected()
    expect(told(context)).toEqual([])
    rooms.onConnected(true)
    expect(requests(context)).toEqual(['join #ops', 'join #dev'])
    rooms.handleJoinAnswer('#ops', answer(['Anna', 'Cleo'], 1))
    expect(told(context)).toEqual([['#ops', 'joined', ['Anna', 'Cleo'], ['Cleo'], ['Billy']]])
    expect(calls).toEqual([['joined', '#ops']])
  })

  test('that is lost ends the wait of a room that was rejected for now', () => {
    const { rooms } = build([['#ops', true, EPOCH_MS - 1]])
    rooms.handleJoinAnswer('#ops', refusal('room-full'))
    rooms.onDisconnected()
    expect(rooms.deadline).toBe(NEVER)
  })

  test('rooms of earlier runs are shown at the start, those that were left are not', () => {
    const { context, rooms } = build([
      ['#ops', true, EPOCH_MS - 1],
      ['#left', false, EPOCH_MS - 1],
    ])
    rooms.start()
    expect(told(context)).toEqual([['#ops', 'waiting', [], [], []]])
  })

  test('a server that says that the client is not in a room is asked again, once', () => {
    const { context, rooms } = joined()
    for (const room of ['#ops', '#ops', '#dev']) rooms.handleNotInRoom(room)
    expect(requests(context)).toEqual(['join #ops'])
  })
})
