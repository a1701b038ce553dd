import { describe, expect, test } from 'vitest'
import type { Context } from '../../../../src/client/context.ts'
import { NO_ARCHIVE } from '../../../../src/client/history/message-log.ts'
import { MessageStore } from '../../../../src/client/history/message-store.ts'
import { compareFrame, type SiblingFrame } from '../../../../src/client/history/reconciliation.ts'
import { Siblings } from '../../../../src/client/history/siblings.ts'
import { KnownKeys } from '../../../../src/client/keys/known-keys.ts'
import { MeshTrust } from '../../../../src/client/mesh-trust.ts'
import { ReceiptLog } from '../../../../src/client/messages/receipts.ts'
import type { RoomEntry } from '../../../../src/client/rooms/room-list.ts'
import { Rooms } from '../../../../src/client/rooms/rooms.ts'
import {
  clientContext,
  EPOCH_MS,
  effectsOf,
  eventsOf,
  MESH_KEY,
  messageOf,
  SessionHarness,
  takeEffects,
} from '../../../support/harness/session-harness.ts'
import { keyNamed, PlainIdentity } from '../../../support/simulation/plain-identity.ts'

const NEVER = Number.POSITIVE_INFINITY

function build(): { context: Context; store: MessageStore; keys: KnownKeys; siblings: Siblings } {
  // At random() = 0.5, a delay within 500 ms is 375 ms.
  const context = clientContext()
  const store = new MessageStore(
    context,
    NO_ARCHIVE,
    () => NO_ARCHIVE,
    () => false,
  )
  const trust = new MeshTrust(context)
  const hooks = { onJoined: () => {}, onMembersJoined: () => {}, onMissed: () => {}, onParted: () => {} }
  const rooms = new Rooms(context, [], { ...hooks, onListChanged: () => {} })
  const keys = new KnownKeys(context, new Map(), trust)
  return { context, store, keys, siblings: new Siblings(context, store, keys, trust, new ReceiptLog(context), rooms) }
}
function frameOf(frame: SiblingFrame, more: { mesh?: string; sealed?: boolean } = {}) {
  return { from: 'server-1:2', frame, sealed: false, ...more }
}
function tick({ context, siblings }: ReturnType<typeof build>, now: number) {
  context.now = now
  siblings.tick()
  return effectsOf(takeEffects(context), 'relay').map(({ to, frame }) => ({ to, frame }))
}

test('S3: a single client has nothing to compare', () => {
  const { siblings } = build()
  siblings.setConnections(1)
  expect(siblings.deadline).toBe(NEVER)
})

test('S3: with another client, a comparison starts within 500 ms and is repeated every 60 s', () => {
  const parts = build()
  parts.siblings.setConnections(2)
  expect(parts.siblings.deadline).toBe(375)
  expect(tick(parts, 374)).toEqual([])
  const frames = [
    { to: undefined, frame: compareFrame(parts.store.log) },
    { to: undefined, frame: { type: 'compare-receipts', hash: '0'.repeat(16) } },
  ]
  expect(tick(parts, 375)).toEqual(frames)
  expect(parts.siblings.deadline).toBe(60_375)
  expect(tick(parts, 60_375)).toEqual(frames)
})

test('S3: comparisons end when the other client is gone', () => {
  const parts = build()
  parts.siblings.setConnections(2)
  tick(parts, 375)
  parts.siblings.setConnections(1)
  tick(parts, 60_375)
  expect(parts.siblings.deadline).toBe(NEVER)
})

test('S3: a disconnect cancels the comparison', () => {
  const { siblings } = build()
  siblings.setConnections(2)
  siblings.onDisconnected()
  expect(siblings.deadline).toBe(NEVER)
})

test('S9: messages of other users are dropped', () => {
  const { context, siblings, store } = build()
  const foreign = messageOf({ id: '1', from: 'Billy', to: 'Carla' })
  siblings.handleFrame(frameOf({ type: 'tell', messages: [foreign] }))
  expect(store.log.size).toBe(0)
  expect(takeEffects(context)).toEqual([])
  expect(siblings.deadline).toBe(NEVER)
})

test('S10: after messages arrived, a comparison checks the result within 2 s', () => {
  const { context, siblings } = build()
  const message = messageOf()
  siblings.handleFrame(frameOf({ type: 'tell', messages: [message] }))
  expect(takeEffects(context)).toEqual([
    { type: 'store', message },
    { type: 'event', event: { type: 'message', message, origin: 'history' } },
  ])
  expect(siblings.deadline).toBe(1_500)
})

test('S10: known messages do not start another comparison', () => {
  const { context, siblings, store } = build()
  store.add(messageOf(), 'live')
  takeEffects(context)
  siblings.handleFrame(frameOf({ type: 'tell', messages: [messageOf()] }))
  expect(siblings.deadline).toBe(NEVER)
})

test('answers go to the sibling that asked', () => {
  const { context, siblings, store } = build()
  store.add(messageOf(), 'live')
  takeEffects(context)
  siblings.handleFrame(frameOf({ type: 'have', from: 0, messages: [] }))
  expect(takeEffects(context)).toEqual([
    {
      type: 'relay',
      dial: 1,
      to: 'server-1:2',
      frame: { type: 'tell', messages: [messageOf()] },
      mesh: undefined,
      sealed: false,
    },
  ])
})

test('S11: a read mark is sent to all siblings after 300 ms', () => {
  const parts = build()
  parts.siblings.setConnections(2)
  parts.siblings.markRead('Billy', 5)
  expect(parts.siblings.deadline).toBe(300)
  expect(tick(parts, 300)).toEqual([{ to: undefined, frame: { type: 'read', marks: [['Billy', 5]] } }])
})

test('S11: a read mark without siblings is sent when one connects', () => {
  const parts = build()
  parts.siblings.setConnections(1)
  parts.siblings.markRead('Billy', 5)
  expect(parts.siblings.deadline).toBe(NEVER)
  parts.context.now = 10_000
  parts.siblings.setConnections(2)
  expect(tick(parts, 10_300)).toEqual([{ to: undefined, frame: { type: 'read', marks: [['Billy', 5]] } }])
})

test('S11: a read mark that was sent before is sent again when another sibling connects', () => {
  const parts = build()
  parts.siblings.setConnections(2)
  parts.siblings.markRead('Billy', 5)
  tick(parts, 400)
  parts.siblings.setConnections(3)
  expect(tick(parts, 700)).toEqual([{ to: undefined, frame: { type: 'read', marks: [['Billy', 5]] } }])
})

test("S12: a sibling's read mark is emitted once, if it advances", () => {
  const { context, siblings } = build()
  const read = (at: number) => {
    siblings.handleFrame(frameOf({ type: 'read', marks: [['Billy', at]] }))
    return eventsOf(takeEffects(context))
  }
  expect(read(EPOCH_MS)).toEqual([{ type: 'read', thread: 'Billy', at: EPOCH_MS }])
  expect(read(EPOCH_MS)).toEqual([])
  expect(read(EPOCH_MS - 1)).toEqual([])
})

test.each([-1, 0, 253_402_300_800_000, EPOCH_MS + 2 * 24 * 3_600_000])(
  'S15: messages and read marks of a sibling with the impossible time %d are dropped',
  at => {
    const { context, siblings, store } = build()
    siblings.handleFrame(frameOf({ type: 'read', marks: [['Billy', at]] }))
    siblings.handleFrame(frameOf({ type: 'tell', messages: [messageOf({ id: 'bad', at }), messageOf()] }))
    expect(store.log.between({ from: 0 })).toEqual([messageOf()])
    expect(eventsOf(takeEffects(context)).map(({ type }) => type)).toEqual(['message'])
  },
)

test('S10: comparisons that bring no message become rare, until one does', () => {
  const parts = build()
  parts.siblings.setConnections(2)
  parts.store.add(messageOf(), 'live')
  /** A sibling that claims messages and does not send them. */
  const claim = { type: 'compare', ranges: [{ from: 0, count: 5, hash: 'x' }] } as const
  const delays: number[] = []
  for (let n = 0; n < 8; n++) {
    parts.siblings.handleFrame(frameOf({ ...claim, ranges: [...claim.ranges] }))
    delays.push(parts.siblings.deadline - parts.context.now)
    tick(parts, parts.siblings.deadline)
  }
  expect(delays).toEqual([375, 3_000, 6_000, 12_000, 24_000, 45_000, 45_000, 45_000])
  parts.siblings.handleFrame(frameOf({ type: 'tell', messages: [messageOf({ id: 'new' })] }))
  expect(parts.siblings.deadline - parts.context.now).toBe(1_500)
})

test('S19: a sibling that sends too much is ignored until its budget is refilled, and others are not', () => {
  const parts = build()
  const { context, siblings, store } = parts
  siblings.setConnections(3)
  for (let n = 0; n < 50; n++) store.log.add(messageOf({ id: `${n}`, at: EPOCH_MS - n }))
  const range = { from: 0, count: 1, hash: 'x' }
  const compare: SiblingFrame = { type: 'compare', byHash: true, ranges: Array.from({ length: 64 }, () => range) }
  const isAnswered = (from: string) => {
    siblings.handleFrame({ ...frameOf(compare), from })
    return effectsOf(takeEffects(context), 'relay').length > 0
  }
  let answered = 0
  while (answered < 1_000 && isAnswered('server-1:2')) answered++
  // Each reads 64 times 50 messages, from a budget of 50,000.
  expect(answered).toBe(16)
  expect(isAnswered('server-1:2')).toBe(false)
  expect(isAnswered('server-1:3')).toBe(true)
  context.now = 1_000
  expect(isAnswered('server-1:2')).toBe(true)
})

test('S19: siblings together cannot cost more than a total, however many there are', () => {
  const { context, siblings, store } = build()
  let count = 0
  for (let n = 0; n < 1_000; n++) {
    const messages = Array.from({ length: 500 }, () => messageOf({ id: `${++count}` }))
    siblings.handleFrame({ ...frameOf({ type: 'tell', messages }), from: `server-1:${n}` })
  }
  expect(store.log.size).toBeLessThanOrEqual(75_000)
  expect(store.log.size).toBeGreaterThan(70_000)
  takeEffects(context)
})

test('S19: two clients with 18,000 different long messages have the same ones in the end, although frames are dropped', () => {
  const [one, other] = [build(), build()]
  const both = [one, other]
  const text = 'x'.repeat(1_800)
  for (let n = 0; n < 18_000; n++) both[n % 2]?.store.log.add(messageOf({ id: `${n}`, at: EPOCH_MS - n, text }))
  for (const { siblings } of both) siblings.setConnections(2)
  let now = 0
  for (; now < 600_000 && one.store.log.size + other.store.log.size < 36_000; now += 250) {
    const frames = both.map(parts => tick(parts, now).map(({ frame }) => frame))
    while (frames.flat().length > 0) {
      for (const [at, parts] of [other, one].entries()) {
        for (const frame of frames[at]?.splice(0) ?? []) parts.siblings.handleFrame(frameOf(frame))
        frames[1 - at]?.push(...effectsOf(takeEffects(parts.context), 'relay').map(({ frame }) => frame))
      }
    }
  }
  expect([one.store.log.size, other.store.log.size]).toEqual([18_000, 18_000])
  expect(now).toBeGreaterThan(2_000)
}, 120_000)

test('a frame that arrives while offline is dropped', () => {
  const { context, siblings, store } = build()
  context.onlineConnection = undefined
  siblings.handleFrame(frameOf({ type: 'tell', messages: [messageOf()] }))
  expect(store.log.size).toBe(0)
})

describe('in key mode', () => {
  const anna = new PlainIdentity('Anna')
  const billy = new PlainIdentity('Billy')
  const challenge = { server: 'server-1', connection: 'server-1:1', nonce: 'n' }
  const message = messageOf()
  const sealed = billy.seal(message, anna.key)
  const mesh = keyNamed('mesh')

  function buildWithKey() {
    const parts = build()
    parts.keys.signChallenge(anna, challenge, undefined)
    takeEffects(parts.context)
    return parts
  }
  const tell = (text: string, more: { mesh?: string; sealed?: boolean }) =>
    frameOf({ type: 'tell', messages: [{ ...message, text }] }, { mesh, ...more })
  const answersTo = ({ context, siblings }: ReturnType<typeof build>, more: { mesh?: string; sealed: boolean }) => {
    siblings.handleFrame(frameOf({ type: 'have', from: 0, messages: [] }, more))
    return effectsOf(takeEffects(context), 'relay').flatMap(({ frame }) => ('messages' in frame ? frame.messages : []))
  }

  test('a message is passed on in the form that its sender sealed', () => {
    const parts = buildWithKey()
    parts.store.add({ ...message, sealed }, 'live')
    takeEffects(parts.context)
    expect(answersTo(parts, { mesh, sealed: true })).toEqual([{ ...message, text: sealed }])
  })

  test('a sibling of 0.1, which does not open texts, gets the plain text in the sealed frame', () => {
    const parts = buildWithKey()
    parts.store.add({ ...message, sealed }, 'live')
    takeEffects(parts.context)
    expect(answersTo(parts, { sealed: true })).toEqual([message])
  })

  test('a message that is passed on is opened, and its sealed form is kept', () => {
    const { context, siblings } = buildWithKey()
    siblings.handleFrame(tell(sealed, { sealed: true }))
    expect(effectsOf(takeEffects(context), 'store')).toEqual([{ type: 'store', message, sealed }])
  })

  test('a message that was not sealed by its sender is dropped and reported', () => {
    const { context, siblings, store } = buildWithKey()
    const other = billy.seal({ ...message, id: 'b.2' }, anna.key)
    siblings.handleFrame(tell(other, { sealed: true }))
    expect(eventsOf(takeEffects(context))).toEqual([{ type: 'forged', from: 'Billy' }])
    expect(store.log.size).toBe(0)
  })

  test('a message signed with another key than the known one is marked', () => {
    const { context, siblings, keys } = buildWithKey()
    keys.observeKey('Billy', new PlainIdentity('Billy 2').key)
    takeEffects(context)
    siblings.handleFrame(tell(sealed, { sealed: true }))
    const [stored] = effectsOf(takeEffects(context), 'store')
    expect(stored?.message.text).toBe('[signed with another key than before] Hi')
  })

  test('a frame that is not sealed with the own key is dropped, whatever it contains', () => {
    const { context, siblings, store } = buildWithKey()
    siblings.handleFrame(tell('plain', { sealed: false }))
    siblings.handleFrame(tell(sealed, { sealed: false }))
    siblings.handleFrame(frameOf({ type: 'read', marks: [['Billy', 5]] }, { mesh }))
    expect(takeEffects(context)).toEqual([])
    expect(store.log.size).toBe(0)
  })

  test('a comparison is sealed', () => {
    const parts = buildWithKey()
    parts.siblings.setConnections(2)
    parts.context.now = 375
    parts.siblings.tick()
    expect(effectsOf(takeEffects(parts.context), 'relay')).toMatchObject([{ sealed: true }, { sealed: true }])
  })
})

describe('without keys', () => {
  test('a message that was sealed in a mesh with keys leaves sealed', () => {
    const { context, siblings, store } = build()
    store.add({ ...messageOf(), sealed: 'sealed1.x' }, 'live')
    store.add({ ...messageOf({ id: 'not sealed yet' }), sealed: '' }, 'live')
    takeEffects(context)
    siblings.handleFrame(frameOf({ type: 'have', from: 0, messages: [] }))
    expect(effectsOf(takeEffects(context), 'relay')).toMatchObject([
      { frame: { type: 'tell', messages: [{ id: 'b.1', text: 'sealed1.x' }] } },
    ])
  })

  test('a frame of another mesh is dropped', () => {
    const harness = new SessionHarness()
    harness.step({ type: 'start' })
    harness.goOnline()
    const tell = (mesh: string | undefined, id: string) =>
      harness.step({ type: 'relay', dial: 1, ...frameOf({ type: 'tell', messages: [messageOf({ id })] }), mesh })
    expect(tell(keyNamed('another mesh'), 'replayed')).toEqual([])
    tell(MESH_KEY, 'own')
    tell(undefined, 'of 0.1')
    expect(harness.session.messages.map(({ id }) => id)).toEqual(['of 0.1', 'own'])
  })

  test('each frame names the mesh', () => {
    const harness = new SessionHarness()
    harness.step({ type: 'start' })
    harness.goOnline()
    harness.step({ type: 'siblings', dial: 1, connections: 2 })
    const named = { mesh: MESH_KEY, sealed: false }
    expect(effectsOf(harness.advance(500), 'relay')).toMatchObject([named, named])
  })
})

test('S10: two clients that differ for ever compare at most once a minute in the end', () => {
  const [one, other] = [build(), build()]
  const message = messageOf({ id: 'a.1', from: 'Anna', to: 'Billy' })
  // Composed in key mode before the key was loaded: it does not leave in another mode.
  one.store.log.add({ ...message, sealed: '' })
  for (const { siblings } of [one, other]) siblings.setConnections(2)
  const compares: number[] = []
  for (let now = 0; now < 1_200_000; now += 125) {
    const sent = [one, other].map(parts => tick(parts, now).map(({ frame }) => frame))
    if (now >= 600_000) compares.push(...sent.flat().flatMap(({ type }) => (type === 'compare' ? [now] : [])))
    for (let round = 0; sent.flat().length > 0; round++) {
      if (round > 10) throw new Error('the exchange does not end')
      for (const [at, receiver] of [other, one].entries()) {
        for (const frame of sent[at]?.splice(0) ?? []) {
          receiver.siblings.handleFrame(frameOf(frame))
          sent[1 - at]?.push(...effectsOf(takeEffects(receiver.context), 'relay').map(({ frame }) => frame))
        }
      }
    }
  }
  expect(other.store.log.size).toBe(0)
  // In 10 minutes, with a random delay of half of the limit.
  expect(compares.length).toBeLessThanOrEqual(2 * 14)
})

test('K12: what a sibling sends in plain text in key mode does not leave in another mode', () => {
  const harness = new SessionHarness()
  harness.step({ type: 'start' })
  harness.goOnlineWithKey(new PlainIdentity('Anna'))
  const frame = { type: 'tell' as const, messages: [messageOf()] }
  const effects = harness.step({ type: 'relay', dial: 1, from: 's:2', frame, mesh: MESH_KEY, sealed: true })
  expect(effectsOf(effects, 'store')).toMatchObject([{ message: { text: 'Hi' }, sealed: '' }])
})

describe('rooms', () => {
  const entry: RoomEntry = ['#ops', true, EPOCH_MS]
  function session(rooms: readonly RoomEntry[] = []): SessionHarness {
    const harness = new SessionHarness({}, { rooms })
    harness.step({ type: 'start' })
    harness.goOnline(['Anna'], { rooms: true })
    return harness
  }
  const relay = (harness: SessionHarness, frame: SiblingFrame, sealed = false) =>
    harness.step({ type: 'relay', dial: harness.dial, from: 'server-1:2', frame, sealed })
  const told = (effects: ReturnType<SessionHarness['step']>) =>
    effectsOf(effects, 'relay').flatMap(({ frame, to }) => (frame.type === 'rooms' ? [[to, frame.rooms]] : []))

  test('that the user joins or leaves are told to the other clients at once, if there are any', () => {
    const harness = session()
    expect(told(harness.ask({ type: 'join', room: '#dev' }))).toEqual([])
    harness.step({ type: 'siblings', dial: harness.dial, connections: 2 })
    expect(told(harness.ask({ type: 'join', room: '#ops' }))).toEqual([
      [undefined, [['#ops', true, EPOCH_MS + 1 / 1024]]],
    ])
    expect(told(harness.ask({ type: 'part', room: '#ops' }))).toEqual([
      [undefined, [['#ops', false, EPOCH_MS + 2 / 1024]]],
    ])
  })

  test('are all told with each comparison, those that were left too', () => {
    const left: RoomEntry = ['#left', false, EPOCH_MS - 1]
    const harness = session([left, entry])
    harness.step({ type: 'siblings', dial: harness.dial, connections: 2 })
    expect(told(harness.advance(60_375))).toEqual([
      [undefined, [left, entry]],
      [undefined, [left, entry]],
    ])
  })

  test('that another client has joined are joined, and not told back', () => {
    const harness = session()
    harness.step({ type: 'siblings', dial: harness.dial, connections: 2 })
    const effects = relay(harness, { type: 'rooms', rooms: [entry] })
    expect([effectsOf(effects, 'join').length, told(effects)]).toEqual([1, []])
    expect(relay(harness, { type: 'rooms', rooms: [entry] })).toEqual([])
  })

  test('of a frame that should be sealed and is not are ignored, receipts too', () => {
    const harness = new SessionHarness()
    harness.step({ type: 'start' })
    harness.goOnlineWithKey(new PlainIdentity('Anna'))
    expect(relay(harness, { type: 'rooms', rooms: [entry] })).toEqual([])
    expect(relay(harness, { type: 'receipts', receipts: [['m', EPOCH_MS, 'Billy', 1]] })).toEqual([])
    expect(relay(harness, { type: 'rooms', rooms: [entry] }, true).length).toBeGreaterThan(0)
  })

  test('messages of rooms are not compared with the other clients of the user, and none is taken from them', () => {
    const { context, siblings, store } = build()
    const message = messageOf({ to: '#ops' })
    siblings.handleFrame(frameOf({ type: 'tell', messages: [message] }))
    expect([takeEffects(context), store.logOf('#ops').size]).toEqual([[], 0])
    const harness = session([entry])
    harness.receive(message)
    expect(effectsOf(relay(harness, { type: 'have', from: 0, messages: [] }), 'relay')).toEqual([])
  })

  // A room's messages go only through the members of the room, with a proof; these come with none.
  test('a message to a room of the user from another client of the user is not taken without a proof', () => {
    const harness = new SessionHarness({ auth: 'token' }, { rooms: [entry] })
    harness.step({ type: 'start' })
    harness.goOnline(['Anna'], { rooms: true, auth: 'token' })
    const effects = relay(harness, { type: 'tell', messages: [messageOf({ to: '#ops' })] })
    expect(effectsOf(effects, 'store')).toEqual([])
  })
})
