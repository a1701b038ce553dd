/** Forwards, held until the peer answers, and answers to the forwards of peers. */
import { expect, test } from 'vitest'
import {
  type ForwardedMessage,
  MAX_FATES_PER_FRAME,
  MAX_MESSAGES_PER_FRAME,
  MAX_TEXT_PER_FRAME,
  type RoomForwarded,
} from '../../../../src/protocol/frames.ts'
import type { Message } from '../../../../src/protocol/messages.ts'
import { unobservedDelivery } from '../../../support/harness/deliveries.ts'
import { RecordedPeers } from '../../../support/harness/recorded-peers.ts'

const delivery = unobservedDelivery
const message = (id: string, text = ''): Message => ({ id, at: 1, from: 'Anna', to: 'Billy', text })

/** The ids of the messages that are sent on a link, frame by frame. */
function forwards(mesh: RecordedPeers, link: number): string[][] {
  mesh.peers.flush()
  return mesh
    .takeSent(link)
    .flatMap(([event, payload]) => (event === 'forward' ? [(payload as ForwardedMessage[]).map(([, id]) => id)] : []))
}

test('the messages of a turn leave in one frame, once', () => {
  const mesh = new RecordedPeers()
  const link = mesh.dialLink('two')
  mesh.context.needsFlush = false
  for (const id of ['a', 'b']) expect(mesh.outboundMessages.forward(['two'], message(id), delivery())).toBe(true)
  expect(mesh.context.needsFlush).toBe(true)
  expect(forwards(mesh, link)).toEqual([['a', 'b']])
  expect(forwards(mesh, link)).toEqual([])
})

test('peers get the same frame with the same number', () => {
  const mesh = new RecordedPeers()
  mesh.dialLink('two')
  mesh.dialLink('three')
  mesh.outboundMessages.forward(['two', 'three'], message('a'), delivery())
  const [one, other] = ['two', 'three'].map(id => mesh.peer(id).pendingForwards[0])
  expect(one).toBeDefined()
  expect(other).toBe(one)
})

test('long batches are split by number of messages and by length of text', () => {
  const mesh = new RecordedPeers()
  const link = mesh.dialLink('two')
  for (let n = 0; n <= MAX_MESSAGES_PER_FRAME; n++) mesh.outboundMessages.forward(['two'], message('a'), delivery())
  expect(forwards(mesh, link).map(({ length }) => length)).toEqual([MAX_MESSAGES_PER_FRAME, 1])
  const half = 'x'.repeat(MAX_TEXT_PER_FRAME / 2)
  for (const id of ['a', 'b', 'c']) mesh.outboundMessages.forward(['two'], message(id, half), delivery())
  expect(forwards(mesh, link)).toEqual([['a', 'b'], ['c']])
})

test('messages to users and to rooms leave in the order of their numbers', () => {
  const mesh = new RecordedPeers()
  const link = mesh.dialLink('two')
  const toRoom = (id: string) => ({ ...message(id), to: '#ops' })
  mesh.outboundMessages.forwardToRoom(['two'], toRoom('a'), delivery())
  mesh.outboundMessages.forward(['two'], message('b'), delivery())
  for (const id of ['c', 'd']) mesh.outboundMessages.forwardToRoom(['two'], toRoom(id), delivery())
  mesh.takeEffects()
  mesh.peers.flush()
  const sent = mesh.takeSent(link).map(([event, payload]) => [event, (payload as RoomForwarded[]).map(([n]) => n)])
  expect(sent).toEqual([
    ['room-forward', [1]],
    ['forward', [2]],
    ['room-forward', [3, 4]],
  ])
})

test('held messages are released by the answer of the peer, and their number returns to 0', () => {
  const mesh = new RecordedPeers()
  const link = mesh.dialLink('two')
  const [one, two] = [delivery(), delivery()]
  mesh.outboundMessages.forward(['two'], message('a'), one)
  mesh.outboundMessages.forward(['two'], message('b'), two)
  expect(mesh.peer('two').held.size).toBe(2)
  mesh.frame(link, {
    event: 'fates',
    payload: [
      [1, 3, false],
      [2, 0, true],
      [9, 1, false],
    ],
  })
  expect(mesh.peer('two').held.size).toBe(0)
  expect(one.result).toEqual({ ok: true, delivered: 3 })
  expect(two.result).toEqual({ ok: true, delivered: 0, unconfirmed: true })
  mesh.frame(link, { event: 'fates', payload: [[1, 3, false]] })
  expect(one.result).toEqual({ ok: true, delivered: 3 })
})

test('messages for a disconnected peer are held, and sent again when it reconnects', () => {
  const mesh = new RecordedPeers()
  let link = mesh.dialLink('two')
  mesh.outboundMessages.forward(['two'], message('a'), delivery())
  expect(forwards(mesh, link)).toEqual([['a']])
  mesh.links.handleClosed(link, 'cut')
  expect(mesh.outboundMessages.forward(['two'], message('b'), delivery())).toBe(true)
  expect(forwards(mesh, link)).toEqual([])
  link = mesh.dialLink('two')
  expect(forwards(mesh, link)).toEqual([['a', 'b']])
})

test('a held message whose deadline has passed is sent once more, and then released', () => {
  const mesh = new RecordedPeers()
  let link = mesh.dialLink('two')
  const one = delivery(0)
  mesh.outboundMessages.forward(['two'], message('a'), one)
  mesh.links.handleClosed(link, 'cut')
  one.settle()
  link = mesh.dialLink('two')
  expect([forwards(mesh, link), mesh.peer('two').held.size]).toEqual([[['a']], 0])
})

test('more messages than the limit are not held; their users have missed one', () => {
  const mesh = new RecordedPeers({ heldPerPeer: 2 })
  mesh.dialLink('two')
  const sent = ['a', 'b', 'c'].map(id => mesh.outboundMessages.forward(['two'], message(id), delivery()))
  expect(sent).toEqual([true, true, false])
  expect([mesh.peer('two').held.size, [...mesh.peer('two').missedUsers]]).toEqual([2, ['Anna', 'Billy']])
})

test('a peer is unreachable after the grace period, and learns who missed a message when it reconnects', () => {
  const mesh = new RecordedPeers()
  mesh.links.handleClosed(mesh.dialLink('two'), 'cut')
  mesh.context.now += 5_000
  expect(mesh.outboundMessages.forward(['two'], message('a'), delivery())).toBe(false)
  mesh.takeEffects()
  const link = mesh.dialLink('two')
  expect(mesh.takeSent(link)).toContainEqual(['missed', ['Anna', 'Billy']])
  expect(mesh.peer('two').missedUsers.size).toBe(0)
})

test('a peer that is not known is unreachable', () => {
  const mesh = new RecordedPeers()
  expect(mesh.outboundMessages.forward(['nine'], message('a'), delivery())).toBe(false)
})

test('removing a peer settles what is held for it', () => {
  const mesh = new RecordedPeers()
  mesh.peers.configure([{ id: 'two', url: 'http://two:1' }])
  mesh.dialLink('two')
  const one = delivery()
  mesh.outboundMessages.forward(['two'], message('a'), one)
  mesh.peers.configure([])
  expect([one.isSettled, one.result]).toEqual([true, { ok: true, delivered: 0, unconfirmed: true }])
})

test('answers of a turn leave in frames on the link that the peer dialled', () => {
  const mesh = new RecordedPeers()
  const link = mesh.acceptLink('two')
  mesh.takeEffects()
  for (let n = 1; n <= MAX_FATES_PER_FRAME + 1; n++) mesh.outboundMessages.sendFate('two', 'two#1', n, 1, false)
  mesh.peers.flush()
  expect(mesh.takeSent(link).map(([event, payload]) => [event, (payload as unknown[]).length])).toEqual([
    ['fates', MAX_FATES_PER_FRAME],
    ['fates', 1],
  ])
  expect(mesh.peer('two').pendingFates).toEqual([])
})

test('answers for another incarnation of a peer, or a closed link, are dropped', () => {
  const mesh = new RecordedPeers()
  const link = mesh.acceptLink('two', 'two#2')
  mesh.outboundMessages.sendFate('two', 'two#1', 1, 1, false)
  expect(mesh.peer('two').pendingFates).toEqual([])
  mesh.outboundMessages.sendFate('two', 'two#2', 1, 1, false)
  mesh.links.handleClosed(link, 'cut')
  expect(mesh.peer('two').pendingFates).toEqual([])
})

test('a relay goes to an open link only', () => {
  const mesh = new RecordedPeers()
  const relay = { user: 'Anna', from: 'server-1:1', body: 'x' }
  const link = mesh.dialLink('two')
  mesh.takeEffects()
  mesh.outboundMessages.relay('two', relay)
  expect(mesh.takeSent(link)).toEqual([['relay', relay]])
  mesh.links.handleClosed(link, 'cut')
  mesh.outboundMessages.relay('two', relay)
  expect(mesh.takeSent(link)).toEqual([])
})
