import { expect, test } from 'vitest'
import { DialWindow } from '../../../../src/server/peers/dial-window.ts'
import { RecordedPeers } from '../../../support/harness/recorded-peers.ts'
import { peerIdentity } from '../../../support/harness/server-context.ts'

/** Ends this number of dials, each of which took this time, ms. */
function link(window: DialWindow, dials: number, tookMs: number): void {
  for (let n = 0; n < dials; n++) {
    window.begin('one', false, 0)
    window.end('one', true, tookMs)
  }
}

test('quick handshakes allow more dials at once, slow ones fewer, within limits', () => {
  const window = new DialWindow()
  expect(window.room(false)).toBe(8)
  link(window, 3, 1_500)
  expect(window.room(false)).toBe(8)
  link(window, 3, 10)
  expect(window.room(false)).toBe(11)
  link(window, 4, 3_000)
  expect(window.room(false)).toBe(7)
  link(window, 100, 3_000)
  expect(window.room(false)).toBe(4)
  link(window, 100, 10)
  expect(window.room(false)).toBe(64)
})

test('a dial that fails frees its place, and says nothing about the time of handshakes', () => {
  const window = new DialWindow()
  for (let n = 0; n < 20; n++) {
    window.begin('one', false, 0)
    expect(window.room(false)).toBe(7)
    window.end('one', false, 4_000)
    window.end('one', false, 4_000)
  }
  expect([window.room(false), window.room(true)]).toEqual([8, 8])
})

test('peers that are known to be reachable have places of their own', () => {
  const window = new DialWindow()
  for (let n = 0; n < 8; n++) window.begin(`dead ${n}`, false, 0)
  expect([window.room(false), window.room(true)]).toEqual([0, 8])
  window.begin('alive', true, 0)
  expect([window.room(false), window.room(true)]).toEqual([0, 7])
  window.end('alive', false, 0)
  expect([window.room(false), window.room(true)]).toEqual([0, 8])
})

const addresses = Array.from({ length: 20 }, (_, n) => ({ id: `peer-${n}`, url: `http://peer-${n}:1` }))

/** Takes the effects so far. Returns the peers that are dialled. */
function dialled(mesh: RecordedPeers): string[] {
  return mesh.takeEffects().flatMap(effect => (effect.type === 'dial' ? [effect.peer] : []))
}

test('a server dials only some of its peers at once, and the next when one has answered or failed', () => {
  const mesh = new RecordedPeers()
  mesh.peers.configure(addresses)
  const first = dialled(mesh)
  expect(first.length).toBe(8)
  mesh.advance(1)
  expect(dialled(mesh)).toEqual([])
  // Nothing is due meanwhile: no timer runs idle.
  expect(mesh.membership.deadline).toBe(Number.POSITIVE_INFINITY)
  const [one = '', two = ''] = first
  mesh.peers.outboundLinks.handleDialFailed({ type: 'dial-failed', peer: one, reason: 'refused' })
  expect(dialled(mesh).length).toBe(1)
  const introduction = peerIdentity(two)
  mesh.peers.outboundLinks.handleDialled({ type: 'dialled', peer: two, link: 1, introduction, holds: { seq: 0 } })
  // Two: it was quick.
  expect(dialled(mesh).length).toBe(2)
})

test('a peer that dials in is dialled back while dials of others wait for their time-outs', () => {
  const mesh = new RecordedPeers()
  mesh.peers.configure(addresses)
  const first = dialled(mesh)
  const waiting = addresses.map(({ id }) => id).filter(id => !first.includes(id))
  const [reachable = ''] = waiting
  mesh.acceptLink(reachable)
  mesh.advance(200)
  expect(dialled(mesh)).toEqual([reachable])
})

test('a server that shuts down and must hand over its claims dials all peers at once', () => {
  const mesh = new RecordedPeers({}, { auth: 'key' })
  mesh.peers.configure(addresses)
  expect(dialled(mesh).length).toBe(8)
  mesh.context.draining = true
  mesh.peers.outboundLinks.dialNow()
  expect(dialled(mesh).length).toBe(12)
})
