/** Links in both directions: handshakes, refusals, dials, and the frames that arrive. */
import { describe, expect, test } from 'vitest'
import type { ForwardedMessage } from '../../../../src/protocol/frames.ts'
import { OWN_STATUS, RecordedPeers } from '../../../support/harness/recorded-peers.ts'
import { peerIdentity } from '../../../support/harness/server-context.ts'
import { keyNamed } from '../../../support/simulation/plain-identity.ts'

function refusals(mesh: RecordedPeers): string[] {
  return mesh.takeEffects().flatMap(one => (one.type === 'refuse' ? [one.code] : []))
}

describe('a peer that dials in', () => {
  test('is accepted', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two')
    expect(mesh.takeEffects()).toEqual([{ type: 'accept', link, holds: { seq: 0 } }])
  })

  test('is dialled back within 200 ms, without waiting for the back-off', () => {
    const mesh = new RecordedPeers()
    mesh.membership.learn({ id: 'two', url: 'http://two:1' })
    mesh.peer('two').outbound = { state: 'waiting', retryAt: mesh.context.now + 5_000 }
    mesh.acceptLink('two')
    mesh.takeEffects()
    mesh.advance(200)
    expect(mesh.takeEffects()).toContainEqual({ type: 'dial', peer: 'two', url: 'http://two:1', id: 'two' })
  })

  test('replaces its own older link, if the handshake has proven its process key', () => {
    const mesh = new RecordedPeers()
    const key = keyNamed('two')
    const [old, link] = [mesh.acceptLink('two', key), mesh.acceptLink('two', key)]
    expect(mesh.takeEffects()).toContainEqual(expect.objectContaining({ type: 'hang-up', link: old }))
    expect([mesh.peer('two').inbound?.link, mesh.links.get(old)]).toEqual([link, undefined])
  })

  test('of 0.1 waits until its older link has timed out, and is never told to exit', () => {
    const mesh = new RecordedPeers()
    const old = mesh.acceptLink('two')
    for (let second = 0; second < 10; second++) {
      mesh.advance(1_000)
      mesh.frame(old, { event: 'beat', payload: { incarnation: 'two#1', seq: 0 } })
      mesh.takeEffects()
      mesh.acceptLink('two')
      expect(refusals(mesh)).toEqual(['id-held'])
    }
    expect(mesh.peer('two').inbound?.link).toBe(old)
    for (let second = 0; second < 6; second++) mesh.advance(1_000)
    expect(mesh.peer('two').inbound).toBeUndefined()
    const link = mesh.acceptLink('two')
    expect(mesh.peer('two').inbound?.link).toBe(link)
  })

  test.each([
    ['a path', { url: 'http://two:1/path' }],
    ['a query', { url: 'http://two:1/?x=1' }],
    ['a user', { url: 'http://user@two:1' }],
    ['a path for clients', { clients: 'http://two:1/path' }],
  ])('with %s in its URL is refused', (_, more) => {
    const mesh = new RecordedPeers()
    const introduction = { ...peerIdentity('two'), ...more }
    mesh.peers.inboundLinks.handleAccepted({ type: 'accepted', link: 1, introduction })
    expect(refusals(mesh)).toEqual(['bad-handshake'])
  })

  test.each([
    ['another protocol', { protocol: 9 }, 'bad-handshake'],
    ['another auth mode', { auth: 'key' as const }, 'other-auth'],
    ['the id of this server', { id: 'server-1' }, 'id-held'],
    ['the identity of this server', { id: 'server-1', incarnation: 'server-1#1' }, 'own-id'],
  ])('with %s is refused', (_, more, code) => {
    const mesh = new RecordedPeers()
    const introduction = { ...peerIdentity('two'), ...more }
    mesh.peers.inboundLinks.handleAccepted({ type: 'accepted', link: 1, introduction })
    expect(refusals(mesh)).toEqual([code])
  })

  test('H18: with a common protocol version it is accepted, whatever else it speaks', () => {
    const mesh = new RecordedPeers()
    for (const newestProtocol of [2, 3, 9]) {
      const introduction = { ...peerIdentity(`two-${newestProtocol}`), newestProtocol }
      mesh.peers.inboundLinks.handleAccepted({ type: 'accepted', link: newestProtocol, introduction })
    }
    expect(refusals(mesh)).toEqual([])
    const introduction = { ...peerIdentity('newer'), protocol: 3, newestProtocol: 9 }
    mesh.peers.inboundLinks.handleAccepted({ type: 'accepted', link: 10, introduction })
    expect(refusals(mesh)).toEqual(['bad-handshake'])
  })

  test('H19: a refusal that lasts is logged once with its reason, and others are not', () => {
    const mesh = new RecordedPeers()
    const dial = (more: object) => {
      const introduction = { ...peerIdentity('two'), ...more }
      mesh.peers.inboundLinks.handleAccepted({ type: 'accepted', link: 1, introduction })
    }
    dial({ auth: 'key' })
    dial({ auth: 'key' })
    dial({ protocol: 9 })
    dial({ id: 'server-1' })
    const entries = mesh.context.effects.flatMap(effect =>
      effect.type === 'log' && effect.entry.event === 'link-denied' ? [effect.entry] : [],
    )
    expect(entries.map(({ code, isRepeated }) => `${code} ${isRepeated}`)).toEqual([
      'other-auth false',
      'other-auth true',
      'bad-handshake false',
    ])
    expect(entries[2]?.reason).toBe('this server speaks protocol 2, the other one 9; update this server')
  })

  test('is refused while this server drains, or after its removal', () => {
    const mesh = new RecordedPeers()
    mesh.peers.configure([{ id: 'two', url: 'http://two:1' }])
    mesh.peers.configure([])
    mesh.acceptLink('two')
    mesh.context.draining = true
    mesh.acceptLink('three')
    expect(refusals(mesh)).toEqual(['removed', 'draining'])
  })
})

describe('a server with the id of a connected one', () => {
  test('is refused as held, and accepted when the old link closes', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two')
    mesh.acceptLink('two', 'two#2')
    expect(refusals(mesh)).toEqual(['id-held'])
    mesh.links.handleClosed(link, 'cut')
    mesh.acceptLink('two', 'two#2')
    expect(refusals(mesh)).toEqual([])
    expect(mesh.peer('two').inbound?.incarnation).toBe('two#2')
  })

  test('is refused as in use when the old one sends a frame 6 s later', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two')
    mesh.acceptLink('two', 'two#2')
    mesh.context.now += 5_999
    mesh.frame(link, { event: 'members', payload: [] })
    mesh.acceptLink('two', 'two#2')
    mesh.context.now += 1
    mesh.frame(link, { event: 'members', payload: [] })
    mesh.acceptLink('two', 'two#2')
    expect(refusals(mesh)).toEqual(['id-held', 'id-held', 'id-in-use'])
  })
})

describe('a dial', () => {
  const failed = (peer: string, code?: 'id-in-use' | 'id-held') =>
    ({ type: 'dial-failed', peer, reason: 'refused', ...(code === undefined ? {} : { code }) }) as const

  test('that fails is repeated after a growing delay', () => {
    const mesh = new RecordedPeers()
    const delays: number[] = []
    mesh.peers.configure([{ id: 'two', url: 'http://two:1' }])
    for (let n = 0; n < 3; n++) {
      expect(mesh.takeEffects()).toMatchObject([{ type: 'dial', peer: 'two' }])
      mesh.peers.outboundLinks.handleDialFailed(failed('two'))
      delays.push(mesh.peer('two').deadline - mesh.context.now)
      mesh.advance(delays[n] ?? 0)
    }
    expect(delays).toEqual([175, 300, 550])
  })

  /** Dials and fails with each of the inputs. Returns the log entries about it, in words. */
  function failDials(mesh: RecordedPeers, ...inputs: ReturnType<typeof failed>[]): string[] {
    return inputs.flatMap(input => {
      mesh.advance(10_000)
      mesh.peers.outboundLinks.handleDialFailed(input)
      return mesh.context.effects.splice(0).flatMap(effect => {
        const { event, ...entry } = effect.type === 'log' ? effect.entry : { event: undefined }
        if ('isRetry' in entry) return [entry.isRetry ? 'retry' : 'first dial']
        return 'isRepeated' in entry ? [`${entry.isRepeated ? 'same' : 'new'} ${event}`] : []
      })
    })
  }

  test('that fails again for the same reason is logged as repeated, until a dial succeeds', () => {
    const mesh = new RecordedPeers()
    mesh.peers.configure([{ id: 'two', url: 'http://two:1' }])
    const [offline, held] = [failed('two'), failed('two', 'id-held')]
    expect(failDials(mesh, offline, offline, held, held, offline)).toEqual([
      ...['first dial', 'new dial-failed'],
      ...['retry', 'same dial-failed'],
      ...['retry', 'new link-refused'],
      ...['retry', 'same link-refused'],
      ...['retry', 'new dial-failed'],
    ])
    mesh.links.handleClosed(mesh.dialLink('two'), 'cut')
    expect(failDials(mesh, offline)).toEqual(['first dial', 'new dial-failed'])
  })

  test('of a seed that fails again for the same reason is logged as repeated', () => {
    const mesh = new RecordedPeers()
    mesh.membership.addSeed('http://seed:1')
    const seed = failed('http://seed:1')
    expect(failDials(mesh, seed, seed)).toEqual([
      ...['first dial', 'new dial-failed'],
      ...['retry', 'same dial-failed'],
    ])
  })

  test('refused as held is repeated within a second', () => {
    const mesh = new RecordedPeers()
    mesh.peers.configure([{ id: 'two', url: 'http://two:1' }])
    for (let n = 0; n < 6; n++) {
      mesh.peers.outboundLinks.handleDialFailed(failed('two', 'id-held'))
      const delay = mesh.peer('two').deadline - mesh.context.now
      expect(delay).toBeLessThanOrEqual(1_000)
      mesh.advance(delay)
    }
  })

  test('refused as in use ends this server', () => {
    const mesh = new RecordedPeers()
    mesh.peers.configure([{ id: 'two', url: 'http://two:1' }])
    mesh.peers.outboundLinks.handleDialFailed(failed('two', 'id-in-use'))
    expect(mesh.takeEffects()).toContainEqual({
      type: 'exit',
      code: 1,
      reason: expect.stringContaining('give this server a different id'),
    })
  })

  test('that arrives at another server is closed, and that server is dialled by its id', () => {
    const mesh = new RecordedPeers()
    mesh.membership.addSeed('http://seed:1')
    mesh.peers.tick()
    expect(mesh.takeEffects()).toMatchObject([{ type: 'dial', peer: 'http://seed:1', id: undefined }])
    const input = { type: 'dialled', peer: 'http://seed:1', link: 5, holds: { seq: 0 } } as const
    mesh.peers.outboundLinks.handleDialled({ ...input, introduction: peerIdentity('two') })
    expect(mesh.takeEffects()).toMatchObject([
      { type: 'hang-up', link: 5 },
      { type: 'dial', peer: 'two' },
    ])
  })

  test('G6: of a seed is repeated while the server there is not known, and not while it is, or is this one', () => {
    const mesh = new RecordedPeers()
    mesh.dialLink('two')
    mesh.membership.addSeed('http://seed:1')
    const dials = () => {
      mesh.takeEffects()
      for (const { outbound } of mesh.membership.peers.values())
        if (outbound.state === 'open') outbound.heardAt = mesh.context.now + 5_000
      mesh.advance(5_000)
      return mesh.takeEffects().flatMap(effect => (effect.type === 'dial' ? [effect.peer] : []))
    }
    expect(dials()).toEqual(['http://seed:1'])
    mesh.peers.outboundLinks.handleDialFailed(failed('http://seed:1'))
    expect(dials()).toEqual(['http://seed:1'])
    const input = { type: 'dialled', peer: 'http://seed:1', link: 5, holds: { seq: 0 } } as const
    mesh.peers.outboundLinks.handleDialled({ ...input, introduction: peerIdentity('three') })
    mesh.dialLink('three')
    expect(dials()).toEqual([])
    mesh.membership.forget(mesh.peer('three'))
    expect(dials()).toEqual(['http://seed:1'])
    const refusal = { type: 'dial-failed', peer: 'http://seed:1', reason: 'refused', code: 'own-id' } as const
    mesh.peers.outboundLinks.handleDialFailed(refusal)
    mesh.dialLink('four')
    expect(dials()).toEqual([])
  })

  test('that was cancelled is closed when it succeeds', () => {
    const mesh = new RecordedPeers()
    const link = mesh.dialLink('two')
    mesh.takeEffects()
    const input = { type: 'dialled', peer: 'two', link: link + 1, holds: { seq: 0 } } as const
    mesh.peers.outboundLinks.handleDialled({ ...input, introduction: peerIdentity('two') })
    expect(mesh.takeEffects()).toMatchObject([{ type: 'hang-up', link: link + 1 }])
  })

  test('of a peer without a URL, or while this server drains, is not started', () => {
    const mesh = new RecordedPeers()
    mesh.membership.register({ id: 'two', incarnation: 'x', protocol: 2 })
    mesh.membership.learn({ id: 'three', url: 'http://three:1' })
    mesh.context.draining = true
    mesh.advance(60_000)
    expect(mesh.takeEffects()).toEqual([])
  })

  test('of a seed is not started while this server drains, and is not due all the time', () => {
    const mesh = new RecordedPeers()
    mesh.membership.addSeed('http://seed:1')
    mesh.context.draining = true
    mesh.advance(1_000)
    expect(mesh.takeEffects()).toEqual([])
    expect(mesh.membership.deadline).toBeGreaterThan(mesh.context.now)
  })
})

describe('a frame', () => {
  test('on a link that is closed is ignored', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two')
    mesh.links.handleClosed(link, 'cut')
    mesh.frame(link, { event: 'missed', payload: ['Anna'] })
    expect(mesh.notifiedSiblings).toEqual([])
  })

  test('of an acceptor is ignored on a link that the peer dialled, and the other way round', () => {
    const mesh = new RecordedPeers()
    mesh.frame(mesh.acceptLink('two'), { event: 'status', payload: { number: 1, status: OWN_STATUS } })
    mesh.frame(mesh.dialLink('two'), { event: 'missed', payload: ['Anna'] })
    expect([mesh.statuses, mesh.notifiedSiblings]).toEqual([[], []])
  })

  test('with messages is delivered once per number, for users of the peer only', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two')
    mesh.snapshot(link, 1, [['Anna', 1]])
    mesh.takeEffects()
    const forward = (number: number, from: string): ForwardedMessage => [number, `m${number}`, 1, from, 'Billy', '']
    mesh.frame(link, { event: 'forward', payload: [forward(1, 'Anna'), forward(2, 'Zoe')] })
    mesh.frame(link, { event: 'forward', payload: [forward(1, 'Anna'), forward(3, 'Anna')] })
    expect(mesh.forwarded.map(([number]) => number)).toEqual([1, 3])
    mesh.peers.flush()
    expect(mesh.takeSent(link)).toEqual([['fates', [[2, 0, true]]]])
  })

  test('with a relay is delivered if it comes from a user of the peer', () => {
    const mesh = new RecordedPeers()
    const link = mesh.acceptLink('two')
    mesh.snapshot(link, 1, [['Anna', 1]])
    const relay = (user: string, from: string) => ({ event: 'relay', payload: { user, from, body: 'x' } }) as const
    mesh.frame(link, relay('Anna', 'two:1'))
    mesh.frame(link, relay('Anna', 'three:1'))
    mesh.frame(link, relay('Zoe', 'two:1'))
    expect(mesh.relays).toEqual([{ user: 'Anna', from: 'two:1', body: 'x' }])
  })

  test('with users who missed messages notifies their siblings', () => {
    const mesh = new RecordedPeers()
    mesh.frame(mesh.acceptLink('two'), { event: 'missed', payload: ['Anna', 'Billy'] })
    expect(mesh.notifiedSiblings).toEqual(['Anna', 'Billy'])
  })

  test('with members teaches them', () => {
    const mesh = new RecordedPeers()
    mesh.frame(mesh.acceptLink('two'), { event: 'members', payload: [{ id: 'three', url: 'http://three:1' }] })
    expect([...mesh.membership.peers.keys()]).toEqual(['two', 'three'])
  })

  test('that asks for the status is answered, and an answer is passed on with its incarnation', () => {
    const mesh = new RecordedPeers()
    const inbound = mesh.acceptLink('two')
    const outbound = mesh.dialLink('two')
    mesh.takeEffects()
    mesh.frame(inbound, { event: 'survey', payload: { number: 4 } })
    const answer = { number: 4, status: OWN_STATUS }
    expect(mesh.takeSent(inbound)).toEqual([['status', answer]])
    mesh.frame(outbound, { event: 'status', payload: answer })
    expect(mesh.statuses).toEqual([['two', 'two#1', answer]])
  })
})

test('a link that was stable resets the back-off when it closes', () => {
  const mesh = new RecordedPeers()
  mesh.peers.configure([{ id: 'two', url: 'http://two:1' }])
  const { backoff } = mesh.peer('two')
  for (let n = 0; n < 4; n++) backoff.nextDelay()
  mesh.links.handleClosed(mesh.dialLink('two'), 'cut')
  expect(backoff.failures).toBe(5)
  const link = mesh.dialLink('two')
  mesh.context.now += 10_000
  mesh.links.handleClosed(link, 'cut')
  expect(backoff.failures).toBe(1)
})
