/** The library's client: its events, its promises, and how it ends. The session is a fake. */
import { beforeEach, describe, expect, test } from 'vitest'
import { ChatClient } from '../../../../cli/session/chat-client.ts'
import type {
  ConnectionState,
  Progress,
  RoomState,
  SessionEvent,
  SessionRequest,
} from '../../../../src/client/events.ts'
import { SortedNames } from '../../../../src/common/sorted-names.ts'
import { formatContent } from '../../../../src/protocol/message-kinds.ts'

const ONLINE: ConnectionState = { phase: 'online', server: 'server-1', url: 'http://127.0.0.1:3001' }
const REFUSED: ConnectionState = { phase: 'refused', code: 'name-taken', message: 'taken\u001b[2J' }
const DELIVERED: Progress = { state: 'delivered', connections: 2 }

let client: ChatClient
let emit: (event: SessionEvent) => void
let requests: SessionRequest[]
let composed = 0

beforeEach(() => {
  requests = []
  composed = 0
  client = new ChatClient('Anna', listener => {
    emit = listener
    return request => {
      requests.push(request)
      if (request.type !== 'compose' && request.type !== 'change') return
      const id = `id-${++composed}`
      const text = request.type === 'compose' ? request.text : formatContent(request.change, 'Anna')
      const message = { id, at: 1, from: 'Anna', to: request.to, text }
      listener({ type: 'message', message, origin: 'composed' })
      progress(id, { state: 'waiting', reason: 'offline' })
    }
  })
})

const connection = (state: ConnectionState) => emit({ type: 'connection', state })
const progress = (id: string, state: Progress) => emit({ type: 'progress', id, to: 'Billy', progress: state })
const receive = (text: string, from = 'Billy', origin: 'live' | 'history' = 'live') =>
  emit({ type: 'message', message: { id: text, at: 1, from, to: 'Anna', text }, origin })

/** The value of a promise if it has settled; undefined while it is pending. */
async function settled<T>(promise: Promise<T>): Promise<T | undefined> {
  return Promise.race([promise, new Promise<undefined>(resolve => setImmediate(() => resolve(undefined)))])
}

describe('send', () => {
  beforeEach(() => connection(ONLINE))

  test.each<[string, Exclude<Progress, { state: 'sent' }>]>([
    ['delivered', { state: 'delivered', connections: 2 }],
    ['refused', { state: 'refused', code: 'text-too-long', message: 'too long' }],
    ['held for an offline recipient', { state: 'waiting', reason: 'recipient-offline' }],
    ['held because of a changed key', { state: 'waiting', reason: 'key-changed' }],
  ])('resolves when the message is %s', async (_, state) => {
    const sent = client.send('Billy', 'hi')
    expect(requests).toEqual([{ type: 'compose', to: 'Billy', text: 'hi' }])
    progress('id-1', state)
    expect(await settled(sent)).toEqual({ id: 'id-1', ...state })
  })

  test.each<[string, Progress]>([
    ['is sent', { state: 'sent' }],
    ['waits for a server', { state: 'waiting', reason: 'offline' }],
    ['waits for a confirmation', { state: 'waiting', reason: 'unconfirmed' }],
  ])('stays pending while the message %s', async (_, state) => {
    const sent = client.send('Billy', 'hi')
    progress('id-1', state)
    expect(await settled(sent)).toBeUndefined()
  })

  test('resolves each promise with the result of its own message, once', async () => {
    const one = client.send('Billy', 'one')
    const two = client.send('Billy', 'two')
    progress('id-2', DELIVERED)
    expect(await settled(one)).toBeUndefined()
    expect(await settled(two)).toMatchObject({ id: 'id-2' })
    progress('id-1', { state: 'waiting', reason: 'recipient-offline' })
    progress('id-1', DELIVERED)
    expect(await settled(one)).toEqual({ id: 'id-1', state: 'waiting', reason: 'recipient-offline' })
  })

  test('normalizes the name, and rejects invalid names and empty texts', async () => {
    void client.send('  Billy ', 'hi')
    expect(requests).toEqual([{ type: 'compose', to: 'Billy', text: 'hi' }])
    await expect(client.send('', 'hi')).rejects.toThrow(RangeError)
    await expect(client.send('Billy', '')).rejects.toThrow('text: must not be empty')
    expect(requests).toHaveLength(1)
  })

  test('is rejected after the client has ended', async () => {
    connection({ phase: 'closed' })
    await expect(client.send('Billy', 'hi')).rejects.toThrow('this client has ended')
  })

  test('resolves pending messages when the client ends', async () => {
    const closed = client.send('Billy', 'hi')
    connection({ phase: 'closed' })
    expect(await closed).toEqual({ id: 'id-1', state: 'waiting', reason: 'offline' })
  })

  test('resolves pending messages as refused when the server refuses the user', async () => {
    const refused = client.send('Billy', 'hi')
    connection(REFUSED)
    expect(await refused).toEqual({ id: 'id-1', state: 'refused', code: 'name-taken', message: 'taken\u001b[2J' })
  })
})

test('typing is told to the session, and comes as an event', () => {
  const heard: unknown[] = []
  client.on('typing', notice => heard.push(notice))
  emit({ type: 'typing', from: 'Billy', to: '#ops' })
  client.typing(' Billy ')
  expect(() => client.typing('# ops')).toThrow(RangeError)
  expect([heard, requests]).toEqual([[{ from: 'Billy', to: '#ops' }], [{ type: 'typing', to: 'Billy' }]])
})

describe('cancel', () => {
  const message = { id: 'id-1', at: 1, from: 'Anna', to: 'Billy', text: 'hi' }
  beforeEach(() => connection(ONLINE))

  test('resolves with true when the message is taken back, and so does its send', async () => {
    const sent = client.send('Billy', 'hi')
    const cancelled = client.cancel('id-1')
    expect(requests.at(-1)).toEqual({ type: 'cancel', id: 'id-1' })
    expect(await settled(cancelled)).toBeUndefined()
    emit({ type: 'cancelled', message })
    expect([await settled(cancelled), await settled(sent)]).toEqual([true, { id: 'id-1', state: 'cancelled' }])
  })

  test('resolves with false when it is refused, or when the client ends', async () => {
    const refused = client.cancel('id-1')
    emit({ type: 'not-cancelled', id: 'id-1', reason: 'may-be-delivered' })
    expect(await settled(refused)).toBe(false)
    const ended = client.cancel('id-1')
    connection({ phase: 'closed' })
    expect([await settled(ended), await settled(client.cancel('id-1'))]).toEqual([false, false])
  })
})

describe('rooms', () => {
  const members = new SortedNames()
  const room = (state: RoomState, name = '#ops') =>
    emit({ type: 'room', room: name, state, members, info: { topic: 'On call' }, joined: ['Anna'], left: [] })

  beforeEach(() => {
    members.reset(['Anna', 'Billy'])
    connection(ONLINE)
  })

  test('join resolves with the members when the server lets the user in, and at once if the user is in', async () => {
    const joined = client.join('#Ops')
    room({ state: 'waiting' })
    expect(await settled(joined)).toBeUndefined()
    room({ state: 'joined' })
    expect(await joined).toEqual(['Anna', 'Billy'])
    expect(await client.join('#ops')).toEqual(['Anna', 'Billy'])
    expect(requests).toEqual([{ type: 'join', room: '#ops' }])
  })

  test('join waits while the server is busy, and rejects and leaves the room if it is full', async () => {
    const joined = client.join('#ops')
    room({ state: 'rejected', code: 'rate-limited', message: 'too many requests' })
    expect(await settled(joined)).toBeUndefined()
    room({ state: 'rejected', code: 'room-full', message: 'full\u001b[2J' })
    await expect(joined).rejects.toMatchObject({ name: 'RoomError', code: 'room-full', message: 'full\\u{1b}[2J' })
    expect(requests.at(-1)).toEqual({ type: 'part', room: '#ops' })
  })

  test('a room of another client of the user that is full is not left', () => {
    room({ state: 'waiting' })
    room({ state: 'rejected', code: 'room-full', message: 'full' })
    expect(requests).toEqual([])
    expect(client.rooms.has('#ops')).toBe(true)
  })

  test('join rejects with the reason of a refusal, also if the room counts as left before', async () => {
    const joined = client.join('#ops')
    room({ state: 'parted' })
    room({ state: 'refused', code: 'room-forbidden', message: 'you may not' })
    await expect(joined).rejects.toMatchObject({ code: 'room-forbidden' })
    const left = client.join('#ops')
    room({ state: 'parted' })
    await expect(left).rejects.toMatchObject({ code: 'parted' })
  })

  test('rooms has a copy of the members, and changes are events', () => {
    const changes: unknown[] = []
    client.on('room', change => changes.push(change))
    room({ state: 'joined' })
    const copy = client.rooms
    members.add('Carla')
    expect(copy).toEqual(new Map([['#ops', ['Anna', 'Billy']]]))
    expect(client.rooms.get('#ops')).toEqual(['Anna', 'Billy', 'Carla'])
    room({ state: 'parted' })
    expect(client.rooms.size).toBe(0)
    const common = { room: '#ops', joined: ['Anna'], left: [], topic: 'On call' }
    expect(changes).toEqual([
      { ...common, state: 'joined' },
      { ...common, state: 'parted' },
    ])
  })
})

describe('events', () => {
  test('messages are buffered until flushBuffered, then emitted directly', () => {
    const received: string[] = []
    client.on('message', ({ text }) => received.push(text))
    receive('one')
    receive('two')
    expect(received).toEqual([])
    client.flushBuffered()
    client.flushBuffered()
    expect(received).toEqual(['one', 'two'])
    receive('three')
    expect(received).toEqual(['one', 'two', 'three'])
  })

  test('own messages and messages of the history are not emitted', () => {
    const received: string[] = []
    client.flushBuffered()
    client.on('message', ({ text }) => received.push(text))
    receive('own', 'Anna')
    receive('old', 'Billy', 'history')
    expect(received).toEqual([])
  })

  test('the roster is copied, and only changes are emitted', () => {
    const changes: unknown[] = []
    client.on('roster', change => changes.push(change))
    const users = new SortedNames()
    users.add('Billy')
    emit({ type: 'roster', users, joined: [], left: [] })
    expect(changes).toEqual([])
    const copy = client.users
    users.add('Anna')
    emit({ type: 'roster', users, joined: ['Anna'], left: [] })
    expect(changes).toEqual([{ joined: ['Anna'], left: [] }])
    expect(copy).toEqual(['Billy'])
    expect(client.users).toEqual(['Anna', 'Billy'])
    expect([client.isOnline('Billy'), client.isOnline('Carla')]).toEqual([true, false])
  })

  test('before the first roster no user is online', () => {
    expect(client.users).toEqual([])
    expect(client.isOnline('Billy')).toBe(false)
  })

  test('progress, connection and key events are passed on', () => {
    const events: unknown[] = []
    client.on('progress', event => events.push(event))
    client.on('connection', event => events.push(event))
    client.on('key', event => events.push(event))
    connection(ONLINE)
    progress('id-9', DELIVERED)
    emit({ type: 'key', user: 'Billy', key: 'k', state: 'changed', own: 'o', known: new Map() })
    expect(events).toEqual([
      ONLINE,
      { id: 'id-9', to: 'Billy', state: 'delivered', connections: 2 },
      { user: 'Billy', key: 'k', state: 'changed' },
    ])
    expect(client.connection).toBe(ONLINE)
  })

  test('trust and close are requests to the session', () => {
    expect(client.trust('Billy', 'k')).toBe(false)
    client.close()
    expect(requests).toEqual([{ type: 'trust', user: 'Billy', key: 'k' }, { type: 'close' }])
  })

  test('close is emitted once the client has ended, not on a reconnect', () => {
    let closed = 0
    client.on('close', () => closed++)
    connection({ phase: 'waiting', reason: 'connection closed', retryAt: 1, attempt: 1 })
    expect(closed).toBe(0)
    connection({ phase: 'closed' })
    expect(closed).toBe(1)
  })
})

describe('iteration', () => {
  beforeEach(() => {
    connection(ONLINE)
    client.flushBuffered()
  })

  test('yields messages until the client is closed', async () => {
    const messages = client[Symbol.asyncIterator]()
    const first = messages.next()
    receive('one')
    expect((await first).value).toMatchObject({ text: 'one' })
    const second = messages.next()
    connection({ phase: 'closed' })
    expect((await second).done).toBe(true)
    expect(client.listenerCount('message')).toBe(0)
  })

  test('throws if the server refuses the user, with control characters escaped', async () => {
    const next = client[Symbol.asyncIterator]().next()
    connection(REFUSED)
    await expect(next).rejects.toThrow('taken\\u{1b}[2J')
  })

  test('ends at once if the client has ended already', async () => {
    connection({ phase: 'closed' })
    expect((await client[Symbol.asyncIterator]().next()).done).toBe(true)
  })
})

describe('replies, edits, deletions and reactions', () => {
  beforeEach(() => {
    connection(ONLINE)
    client.flushBuffered()
    receive('Lunch now?')
  })

  test('resolve with the delivery result', async () => {
    const target = { id: 'Lunch now?', from: 'Billy', quote: 'Lunch now?' }
    const results = [
      client.send('Billy', 'mee', { reply: 'Lunch now?' }),
      client.edit('Billy', 'id-1', 'me'),
      client.react('Billy', 'Lunch now?', '👍'),
      client.react('Billy', 'Lunch now?', '👍', { remove: true }),
      client.delete('Billy', 'id-1'),
    ]
    for (const n of [1, 2, 3, 4, 5]) progress(`id-${n}`, DELIVERED)
    expect((await Promise.all(results)).map(({ state }) => state)).toEqual(Array(5).fill('delivered'))
    const own = { id: 'id-1', from: 'Anna' }
    const change = (content: object) => ({ type: 'change', to: 'Billy', change: content })
    expect(requests).toEqual([
      { type: 'compose', to: 'Billy', text: 'mee', reply: target },
      change({ kind: 'edit', target: own, text: 'me' }),
      change({ kind: 'react', target, emoji: '👍' }),
      change({ kind: 'react', target, emoji: '👍', isRemoved: true }),
      change({ kind: 'delete', target: own }),
    ])
  })

  test('reject with a RangeError what is not possible', async () => {
    await expect(client.edit('Billy', 'Lunch now?', 'x')).rejects.toThrow(RangeError)
    await expect(client.delete('Billy', 'Lunch now?')).rejects.toThrow('only its author')
    await expect(client.edit('Billy', 'id-1', '')).rejects.toThrow('text: must not be empty')
    await expect(client.react('Billy', 'Lunch now?', 'two words')).rejects.toThrow('emoji')
    await expect(client.react('#ops', 'unknown', '👍')).rejects.toThrow('name its author')
    await expect(client.send('Billy', 'x', { reply: 'unknown' })).rejects.toThrow('name its author')
    expect(requests).toEqual([])
  })

  test('are events: a reply is a message, the others are changes; edits and deletions only by those who may', () => {
    const events: object[] = []
    client.on('message', event => events.push(event))
    client.on('change', event => events.push(event))
    const say = (text: string, from = 'Billy', to = 'Anna') =>
      emit({ type: 'message', message: { id: 'new', at: 1, from, to, text }, origin: 'live' })
    say('> Hi?\nyes\n⟦reply m Anna⟧')
    say('(edited) Ho\n⟦edit m⟧')
    say('(edited) forged\n⟦edit m Anna⟧')
    say('(deleted a message)\n⟦delete m⟧')
    say('(deleted a message)\n⟦delete m Anna⟧')
    say('👍 to "x"\n⟦react m Anna⟧')
    say('removed 👍 from "x"\n⟦unreact m Anna⟧')
    const common = { id: 'new', at: 1, from: 'Billy', to: 'Anna' }
    expect(events).toEqual([
      { ...common, text: 'yes', reply: 'm', author: 'Anna' },
      { ...common, kind: 'edit', target: 'm', author: 'Billy', text: 'Ho' },
      { ...common, kind: 'delete', target: 'm', author: 'Billy' },
      { ...common, kind: 'react', target: 'm', author: 'Anna', emoji: '👍' },
      { ...common, kind: 'react', target: 'm', author: 'Anna', emoji: '👍', removed: true },
    ])
    const members = new SortedNames()
    const info = { operators: ['Billy'] }
    emit({ type: 'room', room: '#ops', state: { state: 'joined' }, members, info, joined: [], left: [] })
    say('(deleted a message)\n⟦delete m Anna⟧', 'Billy', '#ops')
    expect(events.at(-1)).toMatchObject({ kind: 'delete', to: '#ops' })
  })
})
