/** Catch-up between the members of a room: when a client compares, whom it answers, and what it believes. */
import { describe, expect, test } from 'vitest'
import { NO_ARCHIVE } from '../../../../src/client/history/message-log.ts'
import { MessageStore } from '../../../../src/client/history/message-store.ts'
import type { SiblingFrame } from '../../../../src/client/history/reconciliation.ts'
import { KnownKeys } from '../../../../src/client/keys/known-keys.ts'
import { MeshTrust } from '../../../../src/client/mesh-trust.ts'
import { RoomHistory } from '../../../../src/client/rooms/room-history.ts'
import { RoomProofs } from '../../../../src/client/rooms/room-proofs.ts'
import { Rooms } from '../../../../src/client/rooms/rooms.ts'
import type { SessionOptions } from '../../../../src/client/types.ts'
import type { Message, RoomInfo } from '../../../../src/protocol/messages.ts'
import type { AuthMode } from '../../../../src/protocol/proofs/credentials.ts'
import { formatAuthorProof, roomMessageText } from '../../../../src/protocol/proofs/room-proof.ts'
import {
  archiveOf,
  CHALLENGE,
  clientContext,
  EPOCH_MS,
  effectsOf,
  eventsOf,
  MESH_KEY,
  messageOf,
  SessionHarness,
  takeEffects,
} from '../../../support/harness/session-harness.ts'
import { signatureOf } from '../../../support/mesh-signatures.ts'
import { keyNamed, PlainIdentity } from '../../../support/simulation/plain-identity.ts'

const NEVER = Number.POSITIVE_INFINITY
const DAY_MS = 24 * 3_600_000
const anna = new PlainIdentity('Anna')
const billy = new PlainIdentity('Billy')

/** @param members number of members of #ops, in which Anna is */
function build(
  {
    members = 2,
    info = {} as RoomInfo,
    mode = 'open' as AuthMode,
    former = [] as string[],
    archived = [] as Message[],
  } = {},
  more: Partial<SessionOptions> = {},
) {
  // At random() = 0.5, a delay within 1,000 ms is 750 ms.
  const context = clientContext({ mesh: { key: MESH_KEY, mode, former }, ...more })
  const hooks = { onMissed: () => {}, onMembersJoined: () => {}, onParted: () => {}, onListChanged: () => {} }
  const rooms = new Rooms(context, [['#ops', true, EPOCH_MS - 1]], { ...hooks, onJoined: () => {} })
  rooms.onConnected(true)
  const names = Array.from({ length: members }, (_, at) => (at === 0 ? 'Anna' : `user ${at}`))
  rooms.handleJoinAnswer('#ops', { ok: true, room: '#ops', info, version: 1, members: names })
  const store = new MessageStore(
    context,
    NO_ARCHIVE,
    () => archiveOf(archived),
    room => rooms.list.has(room),
  )
  const trust = new MeshTrust(context)
  const keys = new KnownKeys(context, new Map([['Billy', billy.key]]), trust)
  if (mode === 'key') keys.signChallenge(anna, CHALLENGE, undefined)
  const history = new RoomHistory(context, rooms, store, new RoomProofs(context, keys, trust), trust, keys)
  const room = rooms.get('#ops')
  if (room === undefined) throw new Error('not in the room')
  takeEffects(context)
  const relays = () => effectsOf(takeEffects(context), 'room-relay').map(({ room, to, frame }) => ({ room, to, frame }))
  const frame = (frame: SiblingFrame, parts: { user?: string; from?: string; room?: string; mesh?: string } = {}) =>
    history.handleFrame({ room: '#ops', user: 'Billy', from: 'server-1:2', frame, ...parts })
  /** Lets time pass, with a tick at each deadline. Returns when frames were sent, ms. */
  const pass = (ms: number) => {
    const sent: number[] = []
    const until = context.now + ms
    while (history.deadline <= until) {
      context.now = Math.max(context.now, history.deadline)
      history.tick()
      for (const _ of relays()) sent.push(context.now)
    }
    context.now = until
    return sent
  }
  return { context, rooms, room, store, history, relays, frame, pass }
}
const said = (id: string, parts: Partial<Message> = {}): Message => messageOf({ id, to: '#ops', ...parts })
const tell = (...messages: Message[]): SiblingFrame => ({ type: 'tell', messages })
const compare = (from = 0, to?: number): SiblingFrame => ({
  type: 'compare',
  byHash: true,
  ranges: [{ from, ...(to === undefined ? {} : { to }), count: 0, hash: '0'.repeat(9) }],
})
const have = (from = 0, to?: number): SiblingFrame => ({
  type: 'have',
  byHash: true,
  from,
  ...(to === undefined ? {} : { to }),
  messages: [],
})
const idsOf = (frames: readonly { frame: SiblingFrame }[]) =>
  frames.flatMap(({ frame }) => ('messages' in frame ? frame.messages.map(({ id }) => id) : []))

describe('a client compares', () => {
  test('within a second after it has joined, and then after 4 times as long each, up to a minute', () => {
    const { history, room, pass } = build()
    history.onJoined(room)
    expect(history.deadline).toBe(750)
    const times = pass(300_000)
    const gaps = times.map((time, at) => time - (times[at - 1] ?? 0))
    expect(gaps.slice(0, 6)).toEqual([750, 3_000, 12_000, 45_000, 45_000, 45_000])
  })

  test('in a large room more slowly in the end: all of them together as often as in a small one', () => {
    const { history, room, pass } = build({ members: 100 })
    history.onJoined(room)
    const times = pass(3_000_000)
    expect(times.map((time, at) => time - (times[at - 1] ?? 0)).slice(0, 7)).toEqual([
      750, 3_000, 12_000, 48_000, 192_000, 750_000, 750_000,
    ])
  })

  test('with any member, all that it has since the oldest message that it asks for', () => {
    const { history, room, store, context, relays } = build({}, { roomHistoryDays: 2 })
    store.add(said('old', { at: EPOCH_MS - 3 * DAY_MS }), 'history')
    store.add(said('new', { at: EPOCH_MS - 1 * DAY_MS }), 'history')
    takeEffects(context)
    history.onJoined(room)
    context.now = 750
    history.tick()
    const from = EPOCH_MS + 750 - 2 * DAY_MS
    expect(relays()).toEqual([
      {
        room: '#ops',
        to: undefined,
        frame: { type: 'compare', byHash: true, ranges: [expect.objectContaining({ from, count: 1 })] },
      },
    ])
  })

  test.each([
    ['30 days, if it does not say', {}, {}, 30],
    ['as many days as the room shares', { historyDays: 7 }, {}, 7],
    ['as many as it wants, if the room shares more', { historyDays: 90 }, { roomHistoryDays: 1 }, 1],
    ['all its own days in a room that shares none', { historyDays: 0 }, {}, 30],
  ])('the last %s', (_, info, options, days) => {
    const { history, room, context, relays } = build({ info }, options)
    history.onJoined(room)
    context.now = 750
    history.tick()
    expect(relays()).toMatchObject([{ frame: { ranges: [{ from: EPOCH_MS + 750 - days * DAY_MS }] } }])
  })

  test('when others join, later in a larger room, and a few more times after that', () => {
    const { history, room, pass } = build({ members: 100 })
    history.onJoined(room)
    pass(300_000)
    history.onMembersJoined(room)
    expect(history.deadline).toBe(300_000 + 7_500)
    expect(pass(60_000).map(time => time - 300_000)).toEqual([7_500, 10_500, 22_500])
  })

  test('when a message may have been missed, sooner than when others join', () => {
    const { history, room, pass } = build({ members: 100 })
    history.onJoined(room)
    pass(300_000)
    history.onMissed(room)
    expect(history.deadline).toBe(300_000 + 1_500)
    history.onMembersJoined(room)
    expect(history.deadline).toBe(300_000 + 1_500)
  })

  test('not any more in a room that it has left, nor while it is offline', () => {
    const { history, room } = build()
    history.onJoined(room)
    history.onParted('#ops')
    history.onMissed(room)
    expect(history.deadline).toBe(NEVER)
    history.onJoined(room)
    history.onDisconnected()
    expect(history.deadline).toBe(NEVER)
  })
})

describe('a frame of a member', () => {
  test('brings messages that were missed, which are stored and shown, once', () => {
    const { context, frame } = build()
    frame(tell(said('b.1')))
    expect(takeEffects(context)).toEqual([
      { type: 'store', message: said('b.1') },
      { type: 'event', event: { type: 'message', message: said('b.1'), origin: 'history' } },
    ])
    frame(tell(said('b.1')))
    expect(takeEffects(context)).toEqual([])
  })

  test('after which the next comparison follows sooner than it would', () => {
    const { context, history, room, frame, pass } = build()
    history.onJoined(room)
    pass(300_000)
    frame(tell(said('b.1')))
    expect(history.deadline).toBe(300_000 + 1_500)
    takeEffects(context)
  })

  test('is answered to that member', () => {
    const { store, context, frame, relays } = build()
    store.add(said('b.1'), 'live')
    takeEffects(context)
    frame(have(), { from: 'server-9:4' })
    expect(relays()).toEqual([{ room: '#ops', to: 'server-9:4', frame: tell(said('b.1')) }])
  })

  test.each([
    ['of another room', said('x', { to: '#dev' })],
    ['to a user', said('x', { to: 'Anna' })],
    ['more than a day ahead', said('x', { at: EPOCH_MS + DAY_MS + 1 })],
  ])('with a message %s brings nothing', (_, message) => {
    const { context, frame, store } = build()
    frame(tell(message))
    expect([takeEffects(context), store.logOf('#ops').size]).toEqual([[], 0])
  })

  test('of a room that the user is not in is not answered', () => {
    const { store, context, frame, rooms } = build()
    store.add(said('b.1'), 'live')
    frame(have(), { room: '#dev' })
    rooms.part('#ops')
    takeEffects(context)
    frame(have())
    frame(tell(said('b.2')))
    expect(takeEffects(context)).toEqual([])
  })

  test('about read marks, receipts or rooms is one of siblings, and changes nothing here', () => {
    const { context, frame } = build()
    frame({ type: 'read', marks: [['Billy', EPOCH_MS]] })
    frame({ type: 'receipts', receipts: [['m', EPOCH_MS, '#ops', 1, 2, []]] })
    frame({ type: 'rooms', rooms: [['#dev', true, EPOCH_MS]] })
    expect(takeEffects(context)).toEqual([])
  })

  test('while offline is not answered', () => {
    const { store, context, frame } = build()
    store.add(said('b.1'), 'live')
    context.onlineConnection = undefined
    takeEffects(context)
    frame(have())
    expect(takeEffects(context)).toEqual([])
  })
})

describe('a room that shares no history', () => {
  test('a client answers only other clients of its user, and learns from no one else', () => {
    const { store, context, frame, relays } = build({ info: { historyDays: 0 } })
    store.add(said('b.1'), 'live')
    takeEffects(context)
    for (const one of [compare(), have(), tell(said('forged'))]) frame(one, { user: 'Billy' })
    expect([takeEffects(context), store.logOf('#ops').size]).toEqual([[], 1])
    frame(have(), { user: 'Anna' })
    expect(idsOf(relays())).toEqual(['b.1'])
    frame(tell(said('b.2')), { user: 'Anna' })
    expect(store.logOf('#ops').size).toBe(2)
  })
})

describe('a room that shares some days', () => {
  const setUp = () => {
    const parts = build({ info: { historyDays: 7 } })
    for (const [id, days] of [
      ['old', 8],
      ['edge', 6.9],
      ['new', 1],
    ] as const)
      parts.store.add(said(id, { at: EPOCH_MS - days * DAY_MS }), 'live')
    takeEffects(parts.context)
    return parts
  }

  test('tells nothing that is older, whatever range is asked for', () => {
    const ranges: SiblingFrame[] = [
      have(),
      compare(),
      have(EPOCH_MS - 9 * DAY_MS),
      { ...have(EPOCH_MS - 8 * DAY_MS), fromHash: '0'.repeat(16) } as SiblingFrame,
    ]
    for (const range of ranges) {
      const { frame, relays } = setUp()
      frame(range)
      expect(idsOf(relays())).toEqual(['edge', 'new'])
    }
  })

  test('tells nothing of a range that is older as a whole', () => {
    for (const range of [have(0, EPOCH_MS - 7.5 * DAY_MS), compare(0, EPOCH_MS - 7.5 * DAY_MS)]) {
      const { frame, relays } = setUp()
      frame(range)
      expect(idsOf(relays())).toEqual([])
    }
  })

  test('has nothing in a range that is older as a whole, so an empty one equals it', () => {
    const archived = [8, 7.5, 7.2].map((days, at) => said(`${at}`, { at: EPOCH_MS - days * DAY_MS }))
    const { frame, relays } = build({ info: { historyDays: 7 }, archived })
    frame(compare(0, EPOCH_MS - 7.8 * DAY_MS))
    expect(relays()).toEqual([])
  })

  test('tells other clients of the user no more, either', () => {
    const { frame, relays } = setUp()
    frame(have(), { user: 'Anna' })
    expect(idsOf(relays())).toEqual(['edge', 'new'])
  })

  test('takes older messages from others: they were said in the room', () => {
    const { frame, store } = setUp()
    frame(tell(said('older', { at: EPOCH_MS - 20 * DAY_MS })))
    expect(store.logOf('#ops').size).toBe(4)
  })
})

describe('a member that lies or floods', () => {
  test('and always claims messages that it never sends makes the client compare less and less often', () => {
    const { context, history, room, frame, relays } = build()
    history.onJoined(room)
    const times: number[] = []
    for (; context.now < 600_000; context.now += 1_000) {
      frame({ type: 'compare', byHash: true, ranges: [{ from: 0, count: 1_000_000, hash: 'f'.repeat(16) }] })
      relays()
      history.tick()
      if (relays().length > 0) times.push(context.now)
    }
    expect(times.length).toBeLessThan(25)
    expect(
      times
        .slice(-3)
        .map((time, at, all) => time - (all[at - 1] ?? time))
        .slice(1),
    ).toEqual([45_000, 45_000])
  })

  test('costs no more than its share, while others are answered', () => {
    const { context, store, frame, relays } = build()
    for (let n = 0; n < 50; n++) store.add(said(`b.${n}`, { text: 'x'.repeat(3_000), at: EPOCH_MS + n }), 'live')
    takeEffects(context)
    const answersTo = (from: string, frames: number) => {
      let answers = 0
      for (let n = 0; n < frames; n++) {
        frame(compare(), { from })
        answers += relays().length
      }
      return answers
    }
    const flood = answersTo('server-1:2', 1_000)
    expect(flood).toBeGreaterThan(100)
    expect(flood).toBeLessThan(300)
    expect(answersTo('server-1:3', 1)).toBe(1)
    context.now += 1_000
    expect(answersTo('server-1:2', 1_000)).toBeLessThan(60)
  })

  test('together cost no more than a total, however many they are', () => {
    const { context, store, frame, relays } = build()
    for (let n = 0; n < 50; n++) store.add(said(`b.${n}`, { text: 'x'.repeat(3_000), at: EPOCH_MS + n }), 'live')
    takeEffects(context)
    let answers = 0
    for (let n = 0; n < 5_000; n++) {
      frame(compare(), { from: `server-1:${n}` })
      answers += relays().length
    }
    expect(answers).toBeLessThan(500)
  })

  test('with frames of 10,000 messages is dropped after some of them', () => {
    const { frame, store, context } = build()
    for (let n = 0; n < 20; n++) {
      frame(tell(...Array.from({ length: 10_000 }, (_, at) => said(`${n}.${at}`))))
      takeEffects(context)
    }
    expect(store.logOf('#ops').size).toBeLessThanOrEqual(60_000)
  })
})

describe('in token mode', () => {
  const signed = (message: Message, key = MESH_KEY) => ({
    ...message,
    proof: signatureOf(key, roomMessageText(message, key)),
  })

  test('a message that the mesh has signed is taken with its proof, and passed on with it', () => {
    const { context, frame, relays } = build({ mode: 'token' })
    const message = signed(said('b.1'))
    frame(tell(message))
    expect(effectsOf(takeEffects(context), 'store')).toEqual([{ type: 'store', message }])
    frame(have())
    expect(relays()).toMatchObject([{ frame: tell(message) }])
  })

  test('a message that a former key of the mesh has signed is taken', () => {
    const { store, frame } = build({ mode: 'token', former: [keyNamed('former')] })
    frame(tell(signed(said('b.1'), keyNamed('former'))))
    expect(store.logOf('#ops').size).toBe(1)
  })

  const message = signed(said('b.1'))
  test.each<[string, Message]>([
    ['without a proof', said('b.1')],
    ['with another text', { ...message, text: 'No' }],
    ['with another author', { ...message, from: 'Cleo' }],
    ['with another time', { ...message, at: EPOCH_MS - 1 }],
    ['with another id', { ...message, id: 'b.2' }],
    ['that was signed for another room', { ...signed(said('b.1', { to: '#dev' })), to: '#ops' }],
    ['that another mesh has signed', signed(said('b.1'), keyNamed('another mesh'))],
    ['with a proof of key mode', { ...message, proof: formatAuthorProof(MESH_KEY, message.proof) }],
  ])('a message %s is dropped, and said to be forged', (_, forged) => {
    const { context, frame, store } = build({ mode: 'token' })
    frame(tell(forged))
    expect(takeEffects(context)).toEqual([{ type: 'event', event: { type: 'forged', from: forged.from } }])
    expect(store.logOf('#ops').size).toBe(0)
  })

  test('a message in the name of this user is no better', () => {
    const { frame, store } = build({ mode: 'token' })
    frame(tell(said('a.1', { from: 'Anna' })), { user: 'Anna' })
    expect(store.logOf('#ops').size).toBe(0)
  })

  test('a known message is not checked again: it may come without a proof', () => {
    const { context, frame } = build({ mode: 'token' })
    frame(tell(message))
    takeEffects(context)
    frame(tell(said('b.1')))
    expect(takeEffects(context)).toEqual([])
  })
})

describe('in key mode', () => {
  const signed = (message: Message, identity: PlainIdentity, key = identity.key) => ({
    ...message,
    proof: formatAuthorProof(key, identity.sign(roomMessageText(message, MESH_KEY))),
  })

  test('a message that its author has signed is taken', () => {
    const { context, frame } = build({ mode: 'key' })
    const message = signed(said('b.1'), billy)
    frame(tell(message))
    expect(effectsOf(takeEffects(context), 'store')).toEqual([{ type: 'store', message }])
  })

  const mallory = new PlainIdentity('Mallory')
  test.each<[string, Message]>([
    ['without a proof', said('b.1')],
    ['with another text', { ...signed(said('b.1'), billy), text: 'No' }],
    ['signed by another user', signed(said('b.1'), mallory)],
    ['with the key of its author, signed by another one', signed(said('b.1'), mallory, billy.key)],
    ['of this user, signed by another one', signed(said('a.1', { from: 'Anna' }), mallory)],
    [
      'signed for another mesh',
      { ...said('b.1'), proof: formatAuthorProof(billy.key, billy.sign(roomMessageText(said('b.1'), 'another'))) },
    ],
  ])('a message %s is dropped, and said to be forged', (_, forged) => {
    const { context, frame, store } = build({ mode: 'key' })
    frame(tell(forged))
    expect(takeEffects(context)).toEqual([{ type: 'event', event: { type: 'forged', from: forged.from } }])
    expect(store.logOf('#ops').size).toBe(0)
  })

  test('a message of an author whose key is not known does not make the key known', () => {
    const { context, frame } = build({ mode: 'key' })
    frame(tell(signed(said('z.1', { from: 'Zoe' }), mallory)))
    expect(effectsOf(takeEffects(context), 'pin')).toEqual([])
  })
})

describe('a session', () => {
  const inRoom = (mode: AuthMode) => {
    const harness = new SessionHarness({ auth: mode }, { rooms: [['#ops', true, EPOCH_MS - 1]] })
    harness.step({ type: 'start' })
    const goOnline = () => {
      harness.goOnline(['Anna', 'Billy'], { rooms: true, auth: mode })
      const members = ['Anna', 'Billy']
      const answer = { ok: true, room: '#ops', info: {}, version: 1, members } as const
      return harness.step({ type: 'room-joined', dial: harness.dial, room: '#ops', answer })
    }
    goOnline()
    const relay = (frame: SiblingFrame, mesh: string | undefined = MESH_KEY) =>
      harness.step({ type: 'room-relay', dial: harness.dial, room: '#ops', user: 'Billy', from: 's:2', frame, mesh })
    return { harness, goOnline, relay }
  }

  test('takes no frame of another mesh', () => {
    const { relay } = inRoom('open')
    expect(relay(tell(said('b.1')), keyNamed('another mesh'))).toEqual([])
    expect(effectsOf(relay(tell(said('b.1'))), 'store')).toHaveLength(1)
  })

  test('compares its room after it has joined, and names its mesh', () => {
    const { harness } = inRoom('open')
    expect(effectsOf(harness.advance(750), 'room-relay')).toMatchObject([
      { room: '#ops', to: undefined, mesh: MESH_KEY },
    ])
  })

  test('passes on an own message as the mesh has signed it', () => {
    const { harness, relay } = inRoom('token')
    harness.compose('#ops')
    const own = { ...said('run.1.x', { from: 'Anna' }), proof: 'p' }
    harness.receive(own)
    harness.answer('run.1.x', { ok: true, delivered: 0, of: 1 })
    expect(effectsOf(relay(have()), 'room-relay')).toMatchObject([{ frame: tell(own) }])
  })

  test('passes on an own message as the mesh has signed it, also if its first copy was lost', () => {
    const { harness, goOnline, relay } = inRoom('token')
    harness.compose('#ops')
    harness.step({ type: 'closed', dial: harness.dial, reason: 'cut' })
    harness.advance(harness.session.deadline - harness.now)
    goOnline()
    const own = { ...said('run.1.x', { from: 'Anna' }), proof: 'p' }
    harness.receive(own)
    harness.answer('run.1.x', { ok: true, delivered: 0, of: 1 })
    expect(effectsOf(relay(have()), 'room-relay')).toMatchObject([{ frame: tell(own) }])
  })

  test('two of them have the same messages of a room in the end', () => {
    const [one, other] = [inRoom('open'), inRoom('open')]
    for (let n = 0; n < 300; n++) {
      const message = said(`b.${n}`, { at: EPOCH_MS - 1_000 - n, text: 'x'.repeat(n % 7 === 0 ? 5_000 : 5) })
      if (n % 3 !== 0) one.harness.receive(message)
      if (n % 5 !== 0) other.harness.receive(message)
    }
    const frames = (effects: ReturnType<typeof one.relay>) => effectsOf(effects, 'room-relay').map(({ frame }) => frame)
    let rounds = 0
    for (let pending = frames(one.harness.advance(60_000)); pending.length > 0; rounds++) {
      const [receiver, sender] = rounds % 2 === 0 ? [other, one] : [one, other]
      pending = pending.flatMap(frame => frames(receiver.relay(frame)))
      expect(sender.harness.session.messages.length).toBeGreaterThan(0)
    }
    const ids = ({ harness }: typeof one) => harness.session.messages.map(({ id }) => id)
    expect(ids(one)).toEqual(ids(other))
    expect(ids(one)).toHaveLength(280)
  })

  test('tells of a message that a member has made up', () => {
    expect(eventsOf(inRoom('token').relay(tell(said('b.1'))))).toEqual([{ type: 'forged', from: 'Billy' }])
  })
})
