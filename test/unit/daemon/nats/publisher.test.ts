/** What is published on the backbone for a frame, within the maximum payload of NATS. */
import { expect, test } from 'vitest'
import { EnvelopeMac } from '../../../../daemon/links/nats/envelopes/envelope-mac.ts'
import { isLegacySubject, LEGACY_SUBJECTS, SUBJECTS } from '../../../../daemon/links/nats/envelopes/envelopes.ts'
import type { Outgoing } from '../../../../daemon/links/nats/envelopes/outbound-batch.ts'
import { Publisher } from '../../../../daemon/links/nats/envelopes/publisher.ts'
import { NatsLink } from '../../../../daemon/links/nats/nats-link.ts'
import type { ForwardedMessage, RoomForwarded } from '../../../../src/protocol/frames.ts'

const MAX_PAYLOAD = 16 * 1024
const SELF = { id: 'server-1', incarnation: 'i' }
const mac = new EnvelopeMac('a secret')
const message = (text: string): ForwardedMessage => [1, 'm1', 1, 'Anna', 'Billy', text]
const roomMessage = (text: string): RoomForwarded => [1, 'm1', 1, 'Anna', '#ops', text, '']

/**
 * A publisher that collects what it publishes, verified.
 * @param users the users, and the rooms, of each peer
 */
function collect(users: Record<string, string[]> = {}, maxPayload = MAX_PAYLOAD) {
  const published: { subject: string; bytes: number; payload: Record<string, unknown> }[] = []
  const nats = {
    maxPayload,
    publish: (subject: string, data: Uint8Array) =>
      void published.push({ subject, bytes: data.length, payload: JSON.parse(mac.verify(subject, data) ?? '') }),
  }
  const holds = (peer: string, name: string) => users[peer]?.includes(name) === true
  const publisher = new Publisher(nats, mac, SELF, { holds, holdsRoom: holds })
  return { publisher, published }
}

function publishAll(publisher: Publisher, all: readonly Outgoing[]): void {
  for (const out of all) publisher.publish(out)
  publisher.flush()
}

/** @param legacy numbers of the links whose peer is of version 0.1 */
const links = (count: number, ...legacy: number[]) =>
  Array.from({ length: count }, (_, n) => {
    return new NatsLink(n, `link-${n}`, { id: `p${n}`, incarnation: 'i' }, 'acceptor', !legacy.includes(n))
  })

test('a frame for one link is one numbered envelope on the subject of the peer', () => {
  const { publisher, published } = collect()
  const [link] = links(1)
  if (link === undefined) throw new Error('a link')
  for (const name of ['Anna', 'Billy'])
    publishAll(publisher, [{ to: 'link', link, frame: { event: 'missed', payload: [name] } }])
  expect(published.map(({ subject, payload }) => [subject, payload])).toEqual([
    [SUBJECTS.link('p0', SELF.id), { link: 'link-0', n: 1, event: 'missed', payload: ['Anna'] }],
    [SUBJECTS.link('p0', SELF.id), { link: 'link-0', n: 2, event: 'missed', payload: ['Billy'] }],
  ])
})

test('a frame for all links is one broadcast, and for a single link an envelope', () => {
  const { publisher, published } = collect()
  const frame = { event: 'missed' as const, payload: ['Anna'] }
  publishAll(publisher, [{ to: 'all', links: links(3), frame }])
  publishAll(publisher, [{ to: 'all', links: links(1), frame }])
  expect(published.map(({ subject }) => subject)).toEqual([SUBJECTS.broadcast(SELF.id), SUBJECTS.link('p0', SELF.id)])
  expect(published[0]?.payload).toMatchObject({ incarnation: 'i', n: 1, event: 'missed' })
})

test('the first envelope of a link has the number of the last broadcast', () => {
  const { publisher, published } = collect()
  const [link] = links(1)
  if (link === undefined) throw new Error('a link')
  const broadcast = { to: 'all' as const, links: links(2), frame: { event: 'missed' as const, payload: ['Anna'] } }
  publishAll(publisher, [broadcast, broadcast, { to: 'opened', link }, broadcast, { to: 'closed', link }])
  const own = published.filter(({ payload }) => payload.link === link.name)
  expect(own.map(({ payload: { n, event, payload } }) => [n, event, payload])).toEqual([
    [1, 'opened', { said: 2 }],
    [2, 'closed', null],
  ])
})

test('a frame that is too long for a broadcast goes to each link in parts that fit', () => {
  const { publisher, published } = collect()
  const payload = ['✓'.repeat(20_000)]
  publishAll(publisher, [{ to: 'all', links: links(2), frame: { event: 'missed', payload } }])
  expect(published.map(({ subject }) => subject)).not.toContain(SUBJECTS.broadcast(SELF.id))
  expect(Math.max(...published.map(({ bytes }) => bytes))).toBeLessThanOrEqual(MAX_PAYLOAD)
  for (const id of ['p0', 'p1']) {
    const parts = published
      .filter(({ subject }) => subject === SUBJECTS.link(id, SELF.id))
      .map(({ payload }) => payload)
    expect(parts.map(({ n }) => n)).toEqual(parts.map((_, at) => at + 1))
    const texts = parts.map(part => part.payload as { text: string; more: boolean })
    expect(texts.map(({ more }) => more)).toEqual(texts.map((_, at) => at < texts.length - 1))
    expect(JSON.parse(texts.map(({ text }) => text).join(''))).toEqual({ event: 'missed', payload })
  }
})

test('a message goes once to the peers of the recipient, once to those of the sender, and to others on their link', () => {
  const { publisher, published } = collect({
    p0: ['Billy'],
    p1: ['Anna', 'Billy'],
    p2: ['Anna'],
    p3: ['Anna'],
  })
  publishAll(publisher, [{ to: 'users', message: message('hi'), links: links(5) }])
  expect(published.map(({ subject, payload }) => [subject, payload.links ?? payload.link])).toEqual([
    [
      SUBJECTS.user(mac.alias('Billy'), SELF.id),
      [
        ['link-0', 1],
        ['link-1', 1],
      ],
    ],
    [
      SUBJECTS.user(mac.alias('Anna'), SELF.id),
      [
        ['link-2', 1],
        ['link-3', 1],
      ],
    ],
    [SUBJECTS.link('p4', SELF.id), 'link-4'],
  ])
})

test('messages of a step that a single peer gets are one envelope of its link', () => {
  const { publisher, published } = collect({ p0: ['Billy'], p1: ['Anna'], p2: ['#ops'] })
  const all = links(3)
  const [first, second, third] = all
  if (first === undefined || second === undefined || third === undefined) throw new Error('three links')
  const numbered = (n: number): ForwardedMessage => [n, `m${n}`, 1, 'Anna', 'Billy', `text ${n}`]
  publishAll(publisher, [
    { to: 'users', message: numbered(1), links: [first, second] },
    { to: 'users', message: numbered(2), links: [first] },
    { to: 'room', message: roomMessage('hi'), links: [third] },
    { to: 'users', message: numbered(3), links: [first] },
    { to: 'link', link: first, frame: { event: 'goodbye', payload: null } },
  ])
  expect(published.map(({ payload: { link, n, event, payload } }) => [link, n, event, payload])).toEqual([
    ['link-0', 1, 'forward', [numbered(1), numbered(2), numbered(3)]],
    ['link-0', 2, 'goodbye', null],
    ['link-1', 1, 'forward', [numbered(1)]],
    ['link-2', 1, 'room-forward', [roomMessage('hi')]],
  ])
})

test('the messages of a link keep their order when one of them goes to several peers, or to a room', () => {
  const { publisher, published } = collect({ p0: ['Billy'], p1: ['Billy'] })
  const [first, second] = links(2)
  if (first === undefined || second === undefined) throw new Error('two links')
  const numbered = (n: number): ForwardedMessage => [n, `m${n}`, 1, 'Anna', 'Billy', `text ${n}`]
  const toRoom: RoomForwarded = [3, 'm3', 1, 'Anna', '#ops', 'text 3', '']
  publishAll(publisher, [
    { to: 'users', message: numbered(1), links: [first] },
    { to: 'users', message: numbered(2), links: [first, second] },
    { to: 'room', message: toRoom, links: [first] },
    { to: 'users', message: numbered(4), links: [first] },
  ])
  const received = published.flatMap(({ payload }) => {
    const { links = [], message, link, n, payload: frame } = payload
    const number = link === 'link-0' ? n : (links as [string, number][]).find(([name]) => name === 'link-0')?.[1]
    return number === undefined ? [] : [[number, message ?? (frame as unknown[])[0]]]
  })
  expect(received).toEqual([
    [1, numbered(1)],
    [2, numbered(2)],
    [3, toRoom],
    [4, numbered(4)],
  ])
})

test('a frame of several messages keeps the limit of messages per frame, and fits an envelope', () => {
  const { publisher, published } = collect({ p0: ['Billy'] })
  const [link] = links(1)
  if (link === undefined) throw new Error('a link')
  const sent = (count: number, text: string) =>
    Array.from({ length: count }, (_, n): ForwardedMessage => [n + 1, `m${n}`, 1, 'Anna', 'Billy', text])
  const sizes = () => published.splice(0).map(({ payload }) => (payload.payload as unknown[]).length)
  const publish = (messages: readonly ForwardedMessage[]) =>
    publishAll(
      publisher,
      messages.map(message => ({ to: 'users', message, links: [link] })),
    )
  // The longest text for this NATS server has 5,120 characters.
  publish(sent(20, 'x'.repeat(1_000)))
  expect(sizes()).toEqual([4, 4, 4, 4, 4])
  publishAll(
    publisher,
    [...sent(1, 'a'), ...sent(1, 'x'.repeat(5_200)), ...sent(1, 'b')].map(message => ({
      to: 'users',
      message,
      links: [link],
    })),
  )
  expect(published.map(({ payload }) => payload.event)).toEqual(['forward', 'part', 'part', 'forward'])
  const large = collect({}, 1024 * 1024)
  publishAll(
    large.publisher,
    sent(300, '').map(message => ({ to: 'users', message, links: [link] })),
  )
  expect(large.published.map(({ payload }) => (payload.payload as unknown[]).length)).toEqual([256, 44])
})

test('a message for many links is split into publications that fit', () => {
  const count = 500
  const users = Object.fromEntries(Array.from({ length: count }, (_, n) => [`p${n}`, ['Billy']]))
  const { publisher, published } = collect(users)
  publishAll(publisher, [{ to: 'users', message: message('✓'.repeat(4_000)), links: links(count) }])
  expect(published.length).toBeGreaterThan(1)
  expect(Math.max(...published.map(({ bytes }) => bytes))).toBeLessThanOrEqual(MAX_PAYLOAD)
  const names = published.flatMap(({ payload }) => (payload.links as [string, number][]).map(([name]) => name))
  expect(new Set(names).size).toBe(count)
  expect(names).toHaveLength(count)
})

test('a message to a room is published once for all peers with a member', () => {
  const users = { p0: ['#ops'], p1: ['#ops'], p2: ['#ops', 'Anna'], p3: ['Anna', '#dev'] }
  const { publisher, published } = collect(users)
  publishAll(publisher, [{ to: 'room', message: roomMessage('hi'), links: links(4) }])
  expect(published.map(({ subject, payload }) => [subject, payload])).toEqual([
    [
      SUBJECTS.user(mac.roomAlias('#ops'), SELF.id),
      {
        message: roomMessage('hi'),
        links: [
          ['link-0', 1],
          ['link-1', 1],
          ['link-2', 1],
        ],
      },
    ],
    // It has no member any more, and does not subscribe to the room.
    [SUBJECTS.link('p3', SELF.id), { link: 'link-3', n: 1, event: 'room-forward', payload: [roomMessage('hi')] }],
  ])
})

test('a message to a room that is too long for one envelope goes to each link in parts', () => {
  const { publisher, published } = collect({ p0: ['#ops'], p1: ['#ops'] })
  const message = roomMessage('✓'.repeat(20_000))
  publishAll(publisher, [{ to: 'room', message, links: links(2) }])
  const subjects = ['p0', 'p1'].map(id => SUBJECTS.link(id, SELF.id))
  expect(new Set(published.map(({ subject }) => subject))).toEqual(new Set(subjects))
  for (const subject of subjects) {
    const parts = published.filter(one => one.subject === subject).map(({ payload }) => payload.payload)
    const whole = (parts as { text: string }[]).map(({ text }) => text).join('')
    expect(JSON.parse(whole)).toEqual({ event: 'room-forward', payload: [message] })
  }
})

test('a message to a room for many links is split into publications that fit', () => {
  const count = 500
  const { publisher, published } = collect(
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`p${n}`, ['#ops']])),
  )
  publishAll(publisher, [{ to: 'room', message: roomMessage('✓'.repeat(4_000)), links: links(count) }])
  expect(Math.max(...published.map(({ bytes }) => bytes))).toBeLessThanOrEqual(MAX_PAYLOAD)
  const names = published.flatMap(({ payload }) => (payload.links as [string, number][]).map(([name]) => name))
  expect(new Set(names).size).toBe(count)
  expect(names).toHaveLength(count)
})

test('peers that have only the previous secret get a message to a room on their link', () => {
  const sent: { subject: string; bytes: Uint8Array }[] = []
  const nats = {
    maxPayload: MAX_PAYLOAD,
    publish: (subject: string, bytes: Uint8Array) => void sent.push({ subject, bytes }),
  }
  const previous = new EnvelopeMac('the secret before')
  const publisher = new Publisher(nats, mac, SELF, { holds: () => true, holdsRoom: () => true })
  const old = new NatsLink(9, 'link-9', { id: 'p9', incarnation: 'i' }, 'acceptor', true, previous)
  publishAll(publisher, [{ to: 'room', message: roomMessage('hi'), links: [...links(2), old] }])
  expect(sent.map(({ subject }) => subject)).toEqual([
    SUBJECTS.user(mac.roomAlias('#ops'), SELF.id),
    SUBJECTS.link('p9', SELF.id),
  ])
  const [shared, own] = sent
  expect(mac.verify(shared?.subject ?? '', shared?.bytes ?? new Uint8Array())).toContain('#ops')
  expect(previous.verify(own?.subject ?? '', own?.bytes ?? new Uint8Array())).toContain('#ops')
})

test('peers of version 0.1 get everything on the subjects without a sender, with the same numbers', () => {
  const { publisher, published } = collect({ p0: ['Billy'], p1: ['Billy'] })
  const both = links(2, 1)
  const frame = { event: 'missed' as const, payload: ['Anna'] }
  publishAll(publisher, [{ to: 'all', links: both, frame }])
  publishAll(publisher, [{ to: 'users', message: message('hi'), links: both }])
  for (const link of both) publishAll(publisher, [{ to: 'link', link, frame }])
  expect(published.map(({ subject, payload }) => [subject, payload.links ?? payload.n])).toEqual([
    [SUBJECTS.broadcast(SELF.id), 1],
    [LEGACY_SUBJECTS.broadcast, 1],
    [SUBJECTS.user(mac.alias('Billy'), SELF.id), [['link-0', 1]]],
    [LEGACY_SUBJECTS.user(mac.alias('Billy')), [['link-1', 1]]],
    [SUBJECTS.link('p0', SELF.id), 2],
    [LEGACY_SUBJECTS.link('p1'), 2],
  ])
})

test('servers without a link are announced to in both forms, until NATS denies the form of version 0.1', () => {
  const { publisher, published } = collect()
  publisher.broadcast('here', {})
  publisher.denyLegacy()
  publisher.broadcast('here', {})
  const subject = SUBJECTS.broadcast(SELF.id)
  expect(published.map(({ subject }) => subject)).toEqual([subject, LEGACY_SUBJECTS.broadcast, subject])
})

test('only subjects without a sender are legacy subjects', () => {
  const legacy = [LEGACY_SUBJECTS.broadcast, LEGACY_SUBJECTS.link('a'), LEGACY_SUBJECTS.handshake('a')]
  expect(legacy.map(isLegacySubject)).toEqual([true, true, true])
  const current = [SUBJECTS.broadcast('a'), SUBJECTS.link('a', 'b'), SUBJECTS.handshake('a', 'b'), SUBJECTS.inbox('a')]
  expect(current.map(isLegacySubject)).toEqual([false, false, false, false])
})
