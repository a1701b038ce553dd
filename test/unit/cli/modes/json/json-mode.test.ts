/** The JSON mode: events as JSON, requests from JSON lines. */
import { beforeEach, describe, expect, test } from 'vitest'
import { fingerprint } from '../../../../../cli/keys/fingerprint.ts'
import { eventToJson, parseRequest } from '../../../../../cli/modes/json/format.ts'
import { JsonMode } from '../../../../../cli/modes/json/json-mode.ts'
import { MessageLookup } from '../../../../../cli/session/message-lookup.ts'
import type { SessionEvent, SessionRequest } from '../../../../../src/client/events.ts'
import { ConfusableNames } from '../../../../../src/common/confusables.ts'
import { SortedNames } from '../../../../../src/common/sorted-names.ts'
import { keyNamed } from '../../../../support/simulation/plain-identity.ts'

const KEY = keyNamed('Billy')
const OTHER_KEY = keyNamed('another Billy')
const online: SessionEvent = { type: 'connection', state: { phase: 'online', server: 'server-2', url: 'http://x' } }

function roster(users: readonly string[]): SessionEvent {
  const names = new SortedNames()
  names.reset(users)
  return { type: 'roster', users: names, joined: users, left: [] }
}

const message = (from: string, origin: 'composed' | 'live' | 'history', id = 'id'): SessionEvent => ({
  type: 'message',
  message: { id, at: 5, from, to: 'Anna', text: 'Hi' },
  origin,
})

/** A message of Billy with this text, with the marker of its kind. */
const said = (text: string): SessionEvent => ({
  type: 'message',
  message: { id: 'id', at: 5, from: 'Billy', to: 'Anna', text },
  origin: 'live',
})
const common = { origin: 'live', id: 'id', at: 5, from: 'Billy', to: 'Anna' }

describe('the JSON of an event', () => {
  test.each<[event: SessionEvent, json: object | undefined]>([
    [online, { type: 'connection', state: 'online', server: 'server-2', url: 'http://x' }],
    [roster(['Anna', 'Billy']), { type: 'roster', users: ['Anna', 'Billy'], joined: ['Anna', 'Billy'], left: [] }],
    [
      message('Zoe', 'live'),
      { type: 'message', origin: 'live', id: 'id', at: 5, from: 'Zoe', to: 'Anna', kind: 'text', text: 'Hi' },
    ],
    [message('Bi11y', 'history'), expect.objectContaining({ origin: 'history', looksLike: 'Billy' })],
    [
      said('> Hi?\nyes\n⟦reply m1 Anna⟧'),
      { type: 'message', ...common, kind: 'text', text: 'yes', reply: 'm1', author: 'Anna' },
    ],
    [
      said('(edited) Ho\n⟦edit m2⟧'),
      { type: 'change', ...common, kind: 'edit', text: 'Ho', target: 'm2', author: 'Billy' },
    ],
    [
      said('(deleted a message)\n⟦delete m2⟧'),
      { type: 'change', ...common, kind: 'delete', text: '(deleted a message)', target: 'm2', author: 'Billy' },
    ],
    [
      said('removed 👍 from "Hi?"\n⟦unreact m1 Anna⟧'),
      {
        type: 'change',
        ...common,
        kind: 'react',
        text: 'removed 👍 from "Hi?"',
        target: 'm1',
        author: 'Anna',
        emoji: '👍',
        removed: true,
      },
    ],
    [
      { type: 'progress', id: 'id', to: 'Billy', progress: { state: 'delivered', connections: 2 } },
      { type: 'progress', id: 'id', to: 'Billy', state: 'delivered', connections: 2 },
    ],
    [
      { type: 'key', user: 'Billy', key: KEY, state: 'new', own: KEY, known: new Map() },
      { type: 'key', user: 'Billy', key: KEY, words: fingerprint(KEY), state: 'new' },
    ],
    [
      { type: 'forged', from: 'Billy' },
      { type: 'forged', from: 'Billy' },
    ],
    [
      { type: 'typing', from: 'Billy', to: '#ops' },
      { type: 'typing', from: 'Billy', to: '#ops' },
    ],
    [
      { type: 'cancelled', message: { id: 'id', at: 5, from: 'Anna', to: 'Billy', text: 'Hi' } },
      { type: 'cancelled', id: 'id', at: 5, from: 'Anna', to: 'Billy', kind: 'text', text: 'Hi' },
    ],
    [
      { type: 'not-cancelled', id: 'id', reason: 'not-waiting' },
      { type: 'not-cancelled', id: 'id', reason: 'not-waiting' },
    ],
    [{ type: 'text-limit', bytes: 5 }, undefined],
    [{ type: 'read', thread: 'Billy', at: 5 }, undefined],
    [{ type: 'servers', servers: [] }, undefined],
    [{ type: 'connections', connections: new Map() }, undefined],
  ])('%j', (event, json) => {
    const confusables = new ConfusableNames()
    confusables.update(['Billy'], [])
    expect(eventToJson(event, 'Anna', confusables)).toEqual(json)
  })
})

describe('the request of a line', () => {
  test.each([
    ['{"to":"Billy","text":"Hi"}', { to: 'Billy', text: 'Hi' }],
    ['{"to":"Billy","text":"Hi","ref":7}', { to: 'Billy', text: 'Hi', ref: 7 }],
    ['{"to":"Billy","text":"Hi","reply":"m","author":"B"}', { to: 'Billy', text: 'Hi', reply: 'm', author: 'B' }],
    ['{"to":"Billy","edit":"m","text":"Ho"}', { to: 'Billy', edit: 'm', text: 'Ho' }],
    ['{"to":"Billy","delete":"m","ref":1}', { to: 'Billy', delete: 'm', ref: 1 }],
    ['{"to":"Billy","react":"m","emoji":"👍"}', { to: 'Billy', react: 'm', emoji: '👍', remove: false }],
    ['{"to":"Billy","react":"m","emoji":"two words"}', expect.stringContaining('"emoji": EMOJI')],
    ['{"to":"Billy","react":"m","text":"👍"}', expect.stringContaining('"emoji": EMOJI')],
    ['{"to":"Billy","edit":"m"}', expect.stringContaining('"edit": ID')],
    ['{"to":"Billy","edit":5,"text":"Ho"}', expect.stringContaining('"edit": ID')],
    ['{"to":"Billy","edit":"m","delete":"m","text":"Ho"}', expect.stringContaining('"edit": ID')],
    [`{"type":"trust","user":"Billy","key":"${KEY}"}`, { type: 'trust', user: 'Billy', key: KEY }],
    ['{"type":"trust","user":"Billy"}', expect.stringContaining('"key": KEY')],
    ['{"type":"close"}', { type: 'close' }],
    ['{"to":"#Ops","text":"Hi"}', { to: '#Ops', text: 'Hi' }],
    ['{"to":"# ops","text":"Hi"}', expect.stringContaining('invalid request')],
    ['{"type":"join","room":"#Ops"}', { type: 'join', room: '#ops' }],
    ['{"type":"part","room":"#ops"}', { type: 'part', room: '#ops' }],
    ['{"type":"members","room":"#ops"}', { type: 'members', room: '#ops' }],
    ['{"type":"list-rooms"}', { type: 'list-rooms' }],
    ['{"type":"typing","to":"#ops"}', { type: 'typing', to: '#ops' }],
    ['{"type":"typing","to":"# ops"}', expect.stringContaining('{"type": "typing", "to": NAME}')],
    ['{"type":"cancel","id":"1"}', { type: 'cancel', id: '1' }],
    ['{"type":"join","room":"ops"}', expect.stringContaining('"room": ROOM')],
    ['nonsense', 'the line is not JSON'],
    ['{"to":"Billy","text":""}', expect.stringContaining('invalid request')],
    ['{"to":"","text":"Hi"}', expect.stringContaining('invalid request')],
    ['7', expect.stringContaining('invalid request')],
  ])('%s', (line, request) => {
    expect(parseRequest(line)).toEqual(request)
  })
})

describe('JsonMode', () => {
  let written: string[]
  let sent: SessionRequest[]
  let mode: JsonMode

  beforeEach(() => {
    written = []
    sent = []
    mode = new JsonMode('Anna', [], line => written.push(line))
  })

  const lines = () => written.splice(0).map(line => JSON.parse(line))

  test('does not write the history on disk, which comes before the first connection event', () => {
    mode.handleEvent(message('Billy', 'history'))
    mode.handleEvent(online)
    mode.handleEvent(message('Billy', 'history'))
    expect(lines()).toEqual([
      expect.objectContaining({ state: 'online' }),
      expect.objectContaining({ origin: 'history' }),
    ])
  })

  test('writes one line per event, with invisible characters escaped', () => {
    mode.handleEvent(online)
    mode.handleEvent({ ...message('Billy', 'live'), type: 'forged', from: 'a\u202eb\n' })
    expect(written.at(-1)).toMatch(/^\{"type":"forged".*a\\u202eb\\n.*\}\n$/)
  })

  test('returns the ref of a request with all events of its message, also those after the delivery', () => {
    mode.handleEvent(online)
    lines()
    const progress = (state: 'sent' | 'delivered'): SessionEvent => ({
      type: 'progress',
      id: 'id',
      to: 'Billy',
      progress: state === 'sent' ? { state } : { state, connections: 1 },
    })
    mode.handleLine('{"to":"Billy","text":"Hi","ref":"mine"}', request => {
      sent.push(request)
      mode.handleEvent(message('Anna', 'composed'))
      mode.handleEvent(progress('sent'))
    })
    mode.handleEvent(message('Billy', 'live', 'other'))
    mode.handleEvent(progress('delivered'))
    mode.handleEvent(progress('delivered'))
    expect(sent).toEqual([{ type: 'compose', to: 'Billy', text: 'Hi' }])
    expect(lines().map(({ ref }) => ref)).toEqual(['mine', 'mine', undefined, 'mine', 'mine'])
  })

  test('a message that is sent at once is not reported as waiting, one without a connection is', () => {
    const states: string[] = []
    const send = () => {
      mode.handleLine('{"to":"Billy","text":"Hi"}', () => {
        mode.handleEvent(message('Anna', 'composed'))
        mode.handleEvent({ type: 'progress', id: 'id', to: 'Billy', progress: { state: 'waiting', reason: 'offline' } })
      })
      for (const { type, state } of lines()) if (type === 'progress') states.push(state)
    }
    mode.handleEvent(online)
    send()
    mode.handleEvent({ type: 'progress', id: 'id', to: 'Billy', progress: { state: 'sent' } })
    mode.handleEvent({ type: 'progress', id: 'id', to: 'Billy', progress: { state: 'waiting', reason: 'offline' } })
    mode.handleEvent({ type: 'connection', state: { phase: 'waiting', reason: 'refused', retryAt: 0, attempt: 1 } })
    send()
    expect(states).toEqual(['sent', 'waiting', 'waiting'])
  })

  test('answers an invalid line with an error event that quotes it, cut to 200 characters', () => {
    expect(mode.handleLine('x'.repeat(300), request => sent.push(request))).toBeUndefined()
    expect(lines()).toEqual([{ type: 'error', message: 'the line is not JSON', line: 'x'.repeat(200) }])
    expect(sent).toEqual([])
  })

  test('ends on close, and ignores a blank line', () => {
    const enter = (line: string) => mode.handleLine(line, request => sent.push(request))
    expect(enter('  ')).toBeUndefined()
    expect(enter('{"type":"close"}')).toBe('close')
    expect(sent).toEqual([])
    expect(lines()).toEqual([])
  })

  test('trust accepts the key that the request names, and no key that has come since', () => {
    const enter = (key: string) =>
      mode.handleLine(JSON.stringify({ type: 'trust', user: 'Billy', key }), request => sent.push(request))
    const changed = (key: string) =>
      mode.handleEvent({ type: 'key', user: 'Billy', key, state: 'changed', own: KEY, known: new Map() })
    enter(KEY)
    changed(OTHER_KEY)
    changed(KEY)
    lines()
    enter(OTHER_KEY)
    expect(sent).toEqual([])
    expect(lines()).toMatchObject([{ type: 'error', message: expect.stringContaining('changed to another key') }])
    enter(KEY)
    expect(sent).toEqual([{ type: 'trust', user: 'Billy', key: KEY }])
    expect(lines()).toEqual([])
  })

  test('a name that looks like one of the history is marked in every event, online or not', () => {
    mode = new JsonMode('Anna', ['Billy'], line => written.push(line))
    mode.handleEvent(online)
    mode.handleEvent(roster(['Anna', 'BILLY', 'Carla']))
    mode.handleEvent(message('Billy.', 'live'))
    mode.handleEvent({ type: 'progress', id: 'id', to: 'bi11y', progress: { state: 'sent' } })
    mode.handleEvent({ type: 'key', user: 'billy', key: KEY, state: 'new', own: KEY, known: new Map() })
    mode.handleEvent({ type: 'forged', from: 'Billy  ' })
    expect(lines().slice(1)).toMatchObject([
      { type: 'roster', lookAlikes: [['BILLY', 'Billy']] },
      { type: 'message', looksLike: expect.stringMatching(/billy/i) },
      { type: 'progress', looksLike: expect.stringMatching(/billy/i) },
      { type: 'key', looksLike: expect.stringMatching(/billy/i) },
      { type: 'forged', looksLike: expect.stringMatching(/billy/i) },
    ])
  })

  test('all members of a room come once, then changes; all again on request, and after leaving', () => {
    const members = new SortedNames()
    const room = (change: Partial<Extract<SessionEvent, { type: 'room' }>>) =>
      mode.handleEvent({
        type: 'room',
        room: '#ops',
        state: { state: 'joined' },
        members,
        info: { topic: 'On call' },
        joined: [],
        left: [],
        ...change,
      })
    const enter = (line: object) => mode.handleLine(JSON.stringify(line), request => sent.push(request))
    room({ state: { state: 'waiting' } })
    members.reset(['Anna', 'Billy'])
    room({ joined: ['Anna', 'Billy'] })
    members.add('Carla')
    room({ joined: ['Carla'] })
    const common = { type: 'room', room: '#ops', state: 'joined', topic: 'On call' }
    expect(lines()).toEqual([
      { type: 'room', room: '#ops', state: 'waiting' },
      { ...common, members: ['Anna', 'Billy'], joined: ['Anna', 'Billy'], left: [] },
      { ...common, joined: ['Carla'], left: [] },
    ])
    enter({ type: 'members', room: '#OPS' })
    expect(lines()).toEqual([{ ...common, members: ['Anna', 'Billy', 'Carla'], joined: [], left: [] }])
    room({ state: { state: 'parted' }, members: new SortedNames() })
    enter({ type: 'members', room: '#ops' })
    room({ joined: ['Anna'] })
    expect(lines()).toMatchObject([
      { type: 'room', room: '#ops', state: 'parted' },
      { type: 'error', message: expect.stringContaining('not in #ops') },
      { members: ['Anna', 'Billy', 'Carla'] },
    ])
    expect(sent).toEqual([])
  })

  test('requests about rooms go to the session, and its answers are events', () => {
    const requests = [
      { type: 'join', room: '#ops' },
      { type: 'typing', to: '#ops' },
      { type: 'list-rooms' },
      { type: 'part', room: '#ops' },
    ]
    for (const request of requests) mode.handleLine(JSON.stringify(request), one => sent.push(one))
    expect(sent).toEqual(requests)
    const list: SessionEvent = { type: 'room-list', rooms: [{ room: '#ops', members: 2 }], total: 1 }
    mode.handleEvent(list)
    expect(lines()).toEqual([list])
  })

  test('a late message is marked', () => {
    mode.handleEvent(online)
    mode.handleEvent({ ...(message('Billy', 'live') as Extract<SessionEvent, { type: 'message' }>), late: true })
    expect(lines()).toMatchObject([{ state: 'online' }, { type: 'message', late: true }])
  })
})

test('events about the mesh have the key in words too', () => {
  const confusables = new ConfusableNames()
  const mesh: SessionEvent = { type: 'mesh', key: KEY, mode: 'key', url: 'http://x', isNew: true }
  expect(eventToJson(mesh, 'Anna', confusables)).toMatchObject({
    type: 'mesh',
    key: KEY,
    words: fingerprint(KEY),
    mode: 'key',
  })
  expect(eventToJson({ ...mesh, key: undefined }, 'Anna', confusables)).toMatchObject({ words: undefined })
  const changed: SessionEvent = {
    type: 'mesh-changed',
    url: 'http://x',
    expected: { key: KEY, mode: 'key' },
    actual: { key: undefined, mode: 'open' },
  }
  expect(eventToJson(changed, 'Anna', confusables)).toEqual(changed)
  const notice = { type: 'notice', code: 'mesh-new', text: 'First\u202e connection', isWarning: true } as const
  expect(eventToJson(notice, 'Anna', confusables)).toEqual({ type: 'notice', code: 'mesh-new', message: notice.text })
  expect(eventToJson({ type: 'storage' }, 'Anna', confusables)).toBeUndefined()
})

describe('requests that name a message', () => {
  let sent: SessionRequest[]
  let written: { type: string; message?: string; ref?: unknown }[]
  let mode: JsonMode
  const enter = (request: object) => {
    mode.handleLine(JSON.stringify(request), one => sent.push(one))
    return sent.at(-1)
  }
  const say = (from: string, to: string, id: string, text: string) =>
    mode.handleEvent({ type: 'message', message: { id, at: 5, from, to, text }, origin: 'live' })

  beforeEach(() => {
    sent = []
    written = []
    mode = new JsonMode('Anna', [], line => written.push(JSON.parse(line)))
    mode.handleEvent(online)
    say('Billy', 'Anna', 'b1', 'Lunch now?\nTell me')
    say('Anna', 'Billy', 'a1', 'mee')
  })

  test('reply, edit, delete and react', () => {
    const target = { id: 'b1', from: 'Billy', quote: 'Lunch now?' }
    expect(enter({ to: 'Billy', text: 'me', reply: 'b1' })).toEqual({
      type: 'compose',
      to: 'Billy',
      text: 'me',
      reply: target,
    })
    const change = (content: object) => ({ type: 'change', to: 'Billy', change: content })
    const own = { id: 'a1', from: 'Anna' }
    expect(enter({ to: 'Billy', edit: 'a1', text: 'me' })).toEqual(change({ kind: 'edit', target: own, text: 'me' }))
    expect(enter({ to: 'Billy', delete: 'a1' })).toEqual(change({ kind: 'delete', target: own }))
    expect(enter({ to: 'Billy', react: 'b1', emoji: '👍' })).toEqual(change({ kind: 'react', target, emoji: '👍' }))
    expect(enter({ to: 'Billy', react: 'b1', emoji: '👍', remove: true })).toEqual(
      change({ kind: 'react', target, emoji: '👍', isRemoved: true }),
    )
  })

  test('quote the current text of an edited message', () => {
    say('Billy', 'Anna', 'b2', '(edited) Who goes?\n⟦edit b1⟧')
    say('Anna', 'Billy', 'a2', '(edited) forged\n⟦edit b1 Billy⟧')
    expect(enter({ to: 'Billy', text: 'me', reply: 'b1' })).toMatchObject({ reply: { quote: 'Who goes?' } })
  })

  test('of someone else cannot be edited or deleted, except by an operator of the room', () => {
    say('Billy', '#ops', 'o1', 'spam')
    for (const request of [
      { to: 'Billy', edit: 'b1', text: 'x' },
      { to: 'Billy', delete: 'b1' },
      { to: '#ops', delete: 'o1' },
    ]) {
      enter(request)
      expect(written.at(-1)?.message).toContain('the message is by Billy; only its author')
    }
    expect(sent).toEqual([])
    const members = new SortedNames()
    const info = { operators: ['Anna'] }
    mode.handleEvent({ type: 'room', room: '#ops', state: { state: 'joined' }, members, info, joined: [], left: [] })
    expect(enter({ to: '#OPS', delete: 'o1' })).toMatchObject({ change: { target: { id: 'o1', from: 'Billy' } } })
  })

  test('come as events only from those who may make them', () => {
    say('Billy', 'Anna', 'b2', '(edited) forged\n⟦edit a1 Anna⟧')
    say('Billy', 'Anna', 'b3', '(deleted a message)\n⟦delete a1 Anna⟧')
    say('Billy', 'Anna', 'b4', '👍 to "mee"\n⟦react a1 Anna⟧')
    expect(written.filter(({ type }) => type === 'change')).toMatchObject([{ id: 'b4' }])
  })

  test('that is not known need its author', () => {
    enter({ to: '#ops', react: 'zzz', emoji: '👍' })
    expect(written.at(-1)).toMatchObject({ type: 'error', message: expect.stringContaining('name its author too') })
    expect(enter({ to: '#ops', react: 'zzz', emoji: '👍', author: 'Carla' })).toMatchObject({
      change: { target: { id: 'zzz', from: 'Carla', quote: '…' } },
    })
    say('Billy', '#ops', 'same', 'one')
    say('Carla', '#ops', 'same', 'two')
    enter({ to: '#ops', react: 'same', emoji: '👍' })
    expect(written.at(-1)?.message).toContain('several messages')
    expect(enter({ to: '#ops', react: 'same', emoji: '👍', author: 'Carla' })).toMatchObject({
      change: { target: { quote: 'two' } },
    })
  })

  test('are found in the history', () => {
    const stored = { id: 'old', at: 1, from: 'Billy', to: 'Anna', text: 'long ago' }
    const find = (thread: string, { id, from }: { id: string; from: string }) =>
      thread === 'Billy' && id === 'old' && from === 'Billy' ? stored : undefined
    mode = new JsonMode('Anna', [], () => {}, new MessageLookup('Anna', () => ({ find })))
    expect(enter({ to: 'Billy', text: 'yes', reply: 'old' })).toMatchObject({
      reply: { from: 'Billy', quote: 'long ago' },
    })
  })
})
