/** A peer that has the mesh's secret and lies: it can only act for its own users. */
import { expect, test } from 'vitest'
import type { DiallerFrame, ForwardedMessage } from '../../../src/protocol/frames.ts'
import { ServerHarness } from '../../support/harness/server-harness.ts'

const INCARNATION = 'server-2#1'

/** A server with Billy and Carla, and a link dialled by server-2, on which Anna is connected. */
function setUp() {
  const harness = new ServerHarness({})
  const billy = harness.join('Billy')
  harness.join('Carla')
  const link = harness.acceptLink('server-2')
  const send = (frame: DiallerFrame) => void harness.step({ type: 'frame', link, frame })
  let seq = 1
  let number = 0
  const users: [string, number][] = [['Anna', 1]]
  send({ event: 'presence', payload: { type: 'snapshot', incarnation: INCARNATION, seq, users, more: false } })
  return {
    harness,
    link,
    leaves: (user: string) => {
      const payload = {
        type: 'delta' as const,
        incarnation: INCARNATION,
        seq: ++seq,
        changes: [[user, 0]] as [string, number][],
      }
      send({ event: 'presence', payload })
    },
    /** Lets time pass with heartbeats on the link. */
    pass: (ms: number) => {
      for (let passed = 0; passed < ms; passed += 1_000) {
        harness.advance(1_000)
        send({ event: 'beat', payload: { incarnation: INCARNATION, seq } })
      }
    },
    /** The peer forwards a message to Billy. Returns the connections that receive it, and its delivery result. */
    forwards: (from: string) => {
      harness.effects.length = 0
      send({
        event: 'forward',
        payload: [[++number, `forged-${number}`, harness.wallOffset + harness.now, from, 'Billy', 'hi']],
      })
      const recipients = harness.effects.flatMap(one =>
        one.type === 'emit' && one.message.event === 'im' ? [...one.to] : [],
      )
      harness.step({ type: 'got', connection: billy, count: 100 })
      const fates = harness.effects.flatMap(one =>
        one.type === 'send' && one.frame.event === 'fates' ? one.frame.payload : [],
      )
      return { recipients, fates: fates.map(([, delivered, unconfirmed]) => ({ delivered, unconfirmed })) }
    },
    relays: (user: string, from = 'server-2:1') => {
      harness.effects.length = 0
      send({ event: 'relay', payload: { user, from, body: '"read everything"' } })
      return harness.effects.some(one => one.type === 'emit' && one.message.event === 'relay')
    },
    logged: () => harness.effects.flatMap(one => (one.type === 'log' ? [one.entry.event] : [])),
    billy,
  }
}

test("a message from the peer's own user is delivered; one from any other name is rejected and logged", () => {
  const { forwards, logged, pass, billy } = setUp()
  expect(forwards('Anna')).toEqual({ recipients: [billy], fates: [{ delivered: 1, unconfirmed: false }] })
  for (const victim of ['Carla', 'Nobody', '__proto__']) {
    expect(forwards(victim)).toEqual({ recipients: [], fates: [{ delivered: 0, unconfirmed: true }] })
  }
  pass(1_000)
  expect(logged().filter(event => event === 'foreign-sender')).toHaveLength(1)
  expect(forwards('Anna').recipients).toEqual([billy])
})

test('messages of a user that has just left are still accepted for ten seconds', () => {
  const { forwards, leaves, pass, billy } = setUp()
  leaves('Anna')
  expect(forwards('Anna').recipients).toEqual([billy])
  pass(9_000)
  expect(forwards('Anna').recipients).toEqual([billy])
  pass(2_000)
  expect(forwards('Anna').recipients).toEqual([])
})

test('a message is accepted from a user that joined and left before the peer announced either', () => {
  const { forwards, leaves, billy } = setUp()
  leaves('Dora')
  expect(forwards('Dora').recipients).toEqual([billy])
})

test("a peer cannot relay a sibling's frame in the name of a connection that is not its own user's", () => {
  const { harness, relays } = setUp()
  harness.join('Anna')
  expect(relays('Carla')).toBe(false)
  expect(relays('Anna')).toBe(true)
  for (const from of ['server-1:1', 'server-3:1', 'server-2', '']) expect(relays('Anna', from)).toBe(false)
})

test('a peer cannot change the address of a server that is linked or in the config', () => {
  const harness = new ServerHarness({})
  const announced = () => {
    const answer = harness.identify(harness.connect(), 'Anna')
    return answer.ok ? answer.servers.filter(({ id }) => id !== 'server-1') : []
  }
  const introduction = { id: 'server-3', incarnation: 'server-3#1', protocol: 2, url: 'http://three:1' }
  harness.step({ type: 'accepted', link: 1_000, introduction })
  const link = harness.acceptLink('server-4')
  const members = (id: string, url: string, clients?: string) => {
    const payload = [{ id, url, ...(clients === undefined ? {} : { clients }) }]
    harness.step({ type: 'frame', link, frame: { event: 'members', payload } })
  }
  const before = announced()
  for (const id of ['server-2', 'server-3']) {
    members(id, 'http://evil:1')
    members(id, 'http://evil:1', 'http://evil:2')
  }
  expect(announced()).toEqual(before)
  // Clients are not told of a server that others announce, nor of one that dials in, until it answers a dial of its URL.
  members('server-5', 'http://evil:1', 'http://evil:2')
  const five = { id: 'server-5', incarnation: 'server-5#1', protocol: 2, url: 'http://five:1' }
  harness.step({ type: 'accepted', link: 1_001, introduction: five })
  expect(announced()).toEqual(before)
  harness.effects.length = 0
  harness.advance(1_000)
  const dials = harness.effects.flatMap(one => (one.type === 'dial' && one.peer === 'server-5' ? [one.url] : []))
  expect(dials).toEqual(['http://five:1'])
  harness.step({ type: 'dialled', peer: 'server-5', link: 1_002, introduction: five, holds: { seq: 0 } })
  expect(announced()).toContainEqual({ id: 'server-5', url: 'http://five:1' })
})

test('a peer cannot make a server of an encrypted mesh dial without encryption', () => {
  const harness = new ServerHarness({}, { url: 'https://one:1', peers: [] })
  const dialled = () => harness.effects.flatMap(one => (one.type === 'dial' ? [one.url] : []))
  const introduce = (id: string, url: string, link: number) =>
    harness.step({ type: 'accepted', link, introduction: { id, incarnation: `${id}#1`, protocol: 2, url } })
  introduce('server-2', 'http://two:1', 1_000)
  expect(harness.effects).toContainEqual(expect.objectContaining({ type: 'refuse', code: 'bad-handshake' }))
  introduce('server-3', 'https://three:1', 1_001)
  const payload = [
    { id: 'server-4', url: 'http://four:1' },
    { id: 'server-5', url: 'https://five:1' },
  ]
  harness.step({ type: 'frame', link: 1_001, frame: { event: 'members', payload } })
  harness.advance(20_000)
  expect(new Set(dialled())).toEqual(new Set(['https://three:1', 'https://five:1']))
})

test('the servers that a peer announces are limited in number, and each is dialled at a limited rate', () => {
  const harness = new ServerHarness({ peers: 50 }, { peers: [] })
  const link = harness.acceptLink('server-4')
  for (let from = 0; from < 5_000; from += 1_000) {
    const payload = Array.from({ length: 1_000 }, (_, at) => ({
      id: `x${from + at}`,
      url: `http://host-${from + at}:1`,
    }))
    harness.step({ type: 'frame', link, frame: { event: 'members', payload } })
  }
  const dials = new Map<string, number>()
  for (let second = 0; second < 60; second++) {
    for (const one of harness.effects.splice(0)) {
      if (one.type !== 'dial') continue
      dials.set(one.url, (dials.get(one.url) ?? 0) + 1)
      harness.step({ type: 'dial-failed', peer: one.peer, reason: 'unreachable' })
    }
    harness.advance(1_000)
    harness.step({ type: 'frame', link, frame: { event: 'beat', payload: { incarnation: 'server-4#1', seq: 0 } } })
  }
  expect(dials.size).toBeGreaterThan(0)
  expect(dials.size).toBeLessThanOrEqual(32)
  expect(Math.max(...dials.values())).toBeLessThan(40)
})

test('a frame of 1,000 announced servers makes a bounded number of dials, to origins only, and no client hears of them', () => {
  const harness = new ServerHarness({}, { peers: [] })
  const link = harness.acceptLink('server-4')
  const payload = Array.from({ length: 1_000 }, (_, at) => ({
    id: `x${at}`,
    url: at % 2 === 0 ? `http://victim:${at + 1}` : `http://victim:${at + 1}/?attack=${at}`,
  }))
  harness.step({ type: 'frame', link, frame: { event: 'members', payload } })
  const urls: string[] = []
  let most = 0
  for (let second = 0; second < 120; second++) {
    const before = urls.length
    for (const one of harness.effects.splice(0)) {
      if (one.type !== 'dial') continue
      urls.push(one.url)
      harness.step({ type: 'dial-failed', peer: one.peer, reason: 'unreachable' })
    }
    most = Math.max(most, urls.length - before)
    harness.advance(1_000)
    harness.step({ type: 'frame', link, frame: { event: 'beat', payload: { incarnation: 'server-4#1', seq: 0 } } })
  }
  expect(urls.filter(url => !/^http:\/\/victim:\d+$/.test(url))).toEqual([])
  expect(most).toBeLessThanOrEqual(32)
  expect(urls.length).toBeGreaterThan(100)
  const answer = harness.identify(harness.connect(), 'Anna')
  expect(answer.ok && answer.servers.map(({ id }) => id)).toEqual(['server-1'])
})

test('a forward with a number near 2^53 silences no user, and it is answered', () => {
  const { harness, forwards, link, billy } = setUp()
  const answers = (number: number, from = 'Anna') => {
    harness.effects.length = 0
    const payload: ForwardedMessage[] = [[number, `m${number}`, harness.wallOffset + harness.now, from, 'Billy', 'hi']]
    harness.step({ type: 'frame', link, frame: { event: 'forward', payload } })
    return harness.effects.flatMap(one => (one.type === 'send' && one.frame.event === 'fates' ? one.frame.payload : []))
  }
  expect(forwards('Anna').recipients).toEqual([billy])
  expect(answers(Number.MAX_SAFE_INTEGER)).toEqual([[Number.MAX_SAFE_INTEGER, 0, true]])
  expect(forwards('Anna').recipients).toEqual([billy])
  // A repeated number whose result was sent is answered again, not delivered again.
  expect(answers(1)).toEqual([[1, 0, true]])
})

test('a peer of an encrypted mesh cannot have clients told an address without encryption', () => {
  const harness = new ServerHarness({}, { url: 'https://one:1', peers: [] })
  const introduction = { id: 'server-2', incarnation: 'server-2#1', protocol: 2, url: 'https://two:1' }
  harness.step({ type: 'accepted', link: 1_000, introduction: { ...introduction, clients: 'http://two:2' } })
  expect(harness.effects).toContainEqual(expect.objectContaining({ type: 'refuse', code: 'bad-handshake' }))
  harness.step({ type: 'accepted', link: 1_001, introduction: { ...introduction, clients: 'https://two:2' } })
  const payload = [{ id: 'server-3', url: 'https://three:1', clients: 'http://three:2' }]
  harness.step({ type: 'frame', link: 1_001, frame: { event: 'members', payload } })
  harness.advance(20_000)
  const dialled = new Set(harness.effects.flatMap(one => (one.type === 'dial' ? [one.url] : [])))
  expect(dialled).toEqual(new Set(['https://two:1']))
})

test('a connected peer cannot be replaced by a server that knows its incarnation', () => {
  const { harness, forwards, billy } = setUp()
  harness.effects.length = 0
  const introduction = { id: 'server-2', incarnation: INCARNATION, protocol: 2, url: 'http://evil:1' }
  harness.step({ type: 'accepted', link: 1_000, introduction })
  expect(harness.effects).toContainEqual(expect.objectContaining({ type: 'refuse', link: 1_000, code: 'id-held' }))
  expect(forwards('Anna').recipients).toEqual([billy])
})

test('presence frames with another incarnation than the one of the handshake are ignored', () => {
  const { harness } = setUp()
  const link = harness.acceptLink('server-3')
  const users: [string, number][] = [['Ghost', 1]]
  for (const incarnation of ['server-2#1', 'first', 'another']) {
    const payload = { type: 'snapshot' as const, incarnation, seq: 9, users, more: false }
    harness.step({ type: 'frame', link, frame: { event: 'presence', payload } })
  }
  harness.advance(2_000)
  expect(harness.server.roster).toEqual(['Anna', 'Billy', 'Carla'])
})

test('a peer with the id of the server that it dials is refused', () => {
  const harness = new ServerHarness({})
  const refusals = () => harness.effects.splice(0).flatMap(one => (one.type === 'refuse' ? [one.code] : []))
  const introduce = (incarnation: string, link: number) =>
    harness.step({ type: 'accepted', link, introduction: { id: 'server-1', incarnation, protocol: 2 } })
  introduce('first', 1_000)
  expect(refusals()).toEqual(['own-id'])
  introduce('another', 1_001)
  expect(refusals()).toEqual(['id-held'])
})
