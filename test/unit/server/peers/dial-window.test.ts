import { expect, test } from 'vitest'
import { DialWindow } from '../../../../src/server/peers/dial-window.ts'
import { RecordedPeers } from '../../../support/harness/recorded-peers.ts'
import { peerIdentity } from '../../../support/harness/server-context.ts'

/** Ends this number of dials, each of which took this time, ms. */
function end(window: DialWindow, dials: number, tookMs: number, isLinked: boolean): void {
  for (let n = 0; n < dials; n++) {
    window.begin('one', 0)
    window.end('one', isLinked, tookMs)
  }
}

test('quick handshakes allow more dials at once, slow ones and time-outs fewer, within limits', () => {
  const window = new DialWindow(2)
  expect(window.room).toBe(4)
  end(window, 3, 1_500, true)
  expect(window.room).toBe(4)
  end(window, 6, 10, true)
  expect(window.room).toBe(10)
  end(window, 3, 3_000, true)
  expect(window.room).toBe(7)
  end(window, 3, 4_000, false)
  expect(window.room).toBe(4)
  end(window, 100, 4_000, false)
  expect(window.room).toBe(2)
  end(window, 100, 10, true)
  expect(window.room).toBe(64)
})

test('a dial that fails quickly frees its place, and says nothing about the time of handshakes', () => {
  const window = new DialWindow(2)
  for (let n = 0; n < 20; n++) {
    window.begin('one', 0)
    window.begin('two', 0)
    expect(window.room).toBe(2)
    window.end('one', false, 1)
    window.end('one', false, 4_000)
    window.end('two', false, 1)
  }
  expect(window.room).toBe(4)
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
  expect(first.length).toBe(4)
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

test('addresses that are hearsay do not delay other peers', () => {
  const mesh = new RecordedPeers()
  mesh.frame(mesh.acceptLink('two'), { event: 'members', payload: addresses })
  mesh.advance(0)
  const hearsay = dialled(mesh).filter(id => id !== 'two')
  expect(hearsay.length).toBe(4)
  mesh.membership.learn({ id: 'three', url: 'http://three:1' })
  mesh.advance(0)
  expect(dialled(mesh)).toEqual(['three'])
})

test('addresses that are hearsay are dialled 20 times at once and 10 times per second, however quickly they refuse', () => {
  const mesh = new RecordedPeers()
  const many = Array.from({ length: 30 }, (_, n) => ({ id: `rumour-${n}`, url: `http://rumour-${n}:1` }))
  mesh.frame(mesh.acceptLink('two'), { event: 'members', payload: many })
  let dials = 0
  const dialDuring = (ms: number) => {
    for (let passed = 0; passed < ms; passed += 10) {
      mesh.advance(10)
      const isHearsay = (id: string) => id.startsWith('rumour')
      for (let due = dialled(mesh).filter(isHearsay); due.length > 0; due = dialled(mesh).filter(isHearsay)) {
        dials += due.length
        for (const peer of due)
          mesh.peers.outboundLinks.handleDialFailed({ type: 'dial-failed', peer, reason: 'refused' })
      }
    }
  }
  dialDuring(10)
  expect(dials).toBe(20)
  dialDuring(10_000)
  expect(dials).toBeGreaterThan(40)
  expect(dials).toBeLessThanOrEqual(120)
})

test('a server that shuts down and must hand over its claims dials all peers at once', () => {
  const mesh = new RecordedPeers({}, { auth: 'key' })
  mesh.peers.configure(addresses)
  expect(dialled(mesh).length).toBe(4)
  mesh.context.draining = true
  mesh.peers.outboundLinks.dialNow()
  expect(dialled(mesh).length).toBe(16)
})
