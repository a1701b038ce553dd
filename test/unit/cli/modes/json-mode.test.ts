/** The JSON mode: events as JSON, requests from JSON lines. */
import { beforeEach, describe, expect, test } from 'vitest'
import { fingerprint } from '../../../../cli/keys/fingerprint.ts'
import { eventToJson, parseRequest } from '../../../../cli/modes/json-format.ts'
import { JsonMode } from '../../../../cli/modes/json-mode.ts'
import type { SessionEvent, SessionRequest } from '../../../../src/client/events.ts'
import { ConfusableNames } from '../../../../src/common/confusables.ts'
import { SortedNames } from '../../../../src/common/sorted-names.ts'
import { keyNamed } from '../../../support/simulation/plain-identity.ts'

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

describe('the JSON of an event', () => {
  test.each<[event: SessionEvent, json: object | undefined]>([
    [online, { type: 'connection', state: 'online', server: 'server-2', url: 'http://x' }],
    [roster(['Anna', 'Billy']), { type: 'roster', users: ['Anna', 'Billy'], joined: ['Anna', 'Billy'], left: [] }],
    [message('Zoe', 'live'), { type: 'message', origin: 'live', id: 'id', at: 5, from: 'Zoe', to: 'Anna', text: 'Hi' }],
    [message('Bi11y', 'history'), expect.objectContaining({ origin: 'history', looksLike: 'Billy' })],
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
    [`{"type":"trust","user":"Billy","key":"${KEY}"}`, { type: 'trust', user: 'Billy', key: KEY }],
    ['{"type":"trust","user":"Billy"}', expect.stringContaining('"key": KEY')],
    ['{"type":"close"}', { type: 'close' }],
    ['{"to":"#Ops","text":"Hi"}', { to: '#Ops', text: 'Hi' }],
    ['{"to":"# ops","text":"Hi"}', expect.stringContaining('invalid request')],
    ['{"type":"join","room":"#Ops"}', { type: 'join', room: '#ops' }],
    ['{"type":"part","room":"#ops"}', { type: 'part', room: '#ops' }],
    ['{"type":"members","room":"#ops"}', { type: 'members', room: '#ops' }],
    ['{"type":"list-rooms"}', { type: 'list-rooms' }],
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
    const requests = [{ type: 'join', room: '#ops' }, { type: 'list-rooms' }, { type: 'part', room: '#ops' }]
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
