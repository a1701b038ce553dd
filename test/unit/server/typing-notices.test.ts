/** Typing notices on a server: which clients get them, and which ones are dropped. */
import { describe, expect, test } from 'vitest'
import { MAX_TYPING_AUDIENCE, type TypingRequest } from '../../../src/protocol/messages.ts'
import { formatSealedText } from '../../../src/protocol/proofs/credentials.ts'
import { formatAuthorProof } from '../../../src/protocol/proofs/room-proof.ts'
import type { ServerOptions } from '../../../src/server/types.ts'
import { roomSettings } from '../../support/harness/rooms-harness.ts'
import { createRouter } from '../../support/harness/router-harness.ts'
import { addConnection, advance, takeEffects } from '../../support/harness/server-context.ts'
import { ServerHarness } from '../../support/harness/server-harness.ts'
import { keyNamed } from '../../support/simulation/plain-identity.ts'

/** A router whose connections 1, 2, … are of these users, and want typing notices. */
function build(users: readonly string[], options: Partial<ServerOptions> = {}) {
  const parts = createRouter({}, options)
  const { context, connections, router, peers } = parts
  const add = (user: string, features: { rooms?: boolean; typing?: boolean } = { rooms: true, typing: true }) =>
    addConnection(context, connections, connections.size + 1, user, 2, features)
  const all = users.map(user => add(user))
  const type = (connection: number, to: string, more: Partial<TypingRequest> = {}) =>
    router.handleTyping({ type: 'typing', connection, notice: { to, ...more } })
  /** The receivers and payloads of the notices so far, here and on peers. */
  const told = () => [
    takeEffects(context).map(effect =>
      effect.type === 'emit' && effect.message.event === 'typing' ? [effect.to, effect.message.payload] : effect,
    ),
    peers.typing.splice(0).flatMap(({ peers, notice }) => peers.map(peer => [peer, notice])),
  ]
  return { ...parts, add, all, type, told }
}
const NOTHING = [[], []]

describe('a typing notice to a user', () => {
  test('goes to the connections of the recipient that want it, and to the peers that hold the recipient', () => {
    const { add, type, told, usersOnPeer } = build(['Anna', 'Billy', 'Anna', 'Cleo'])
    add('Billy', { rooms: true })
    add('Billy', { rooms: true, typing: false })
    add('Billy')
    usersOnPeer('server-2', 'Billy')
    usersOnPeer('server-3', 'Anna', 'Cleo')
    type(1, ' Billy ')
    const notice = { from: 'Anna', to: 'Billy' }
    expect(told()).toEqual([[[[2, 7], notice]], [['server-2', notice]]])
  })

  test('counts as no message, is not answered, and nothing is kept of it', () => {
    const { context, router, type, usersOnPeer } = build(['Anna', 'Billy'])
    usersOnPeer('server-2', 'Billy')
    const before = structuredClone(context.messageCounts)
    type(1, 'Billy')
    expect(takeEffects(context)).toHaveLength(1)
    expect([context.messageCounts, context.needsFlush, router.deadline]).toEqual([
      before,
      false,
      Number.POSITIVE_INFINITY,
    ])
  })

  test.each(['Anna', '', 'Nobody', '\u0000', 'x'.repeat(100_000)])('to %j is dropped', to => {
    const { type, told } = build(['Anna', 'Billy', 'Anna'])
    type(1, to)
    type(99, 'Billy')
    expect(told()).toEqual(NOTHING)
  })

  test('that comes too often is dropped without an answer, and the connection stays', () => {
    const { context, type, told } = build(['Anna', 'Billy'])
    for (let n = 0; n < 1_000; n++) type(1, 'Billy')
    expect(told()[0]).toHaveLength(5)
    advance(context, 999)
    type(1, 'Billy')
    expect(told()).toEqual(NOTHING)
    advance(context, 1)
    for (let n = 0; n < 10; n++) type(1, 'Billy')
    expect(told()[0]).toHaveLength(1)
  })

  test('takes nothing of what the connection may send', () => {
    const { context, type, im } = build(['Anna', 'Billy'])
    for (let n = 0; n < 1_000; n++) type(1, 'Billy')
    takeEffects(context)
    im(1, 'Billy')
    expect(takeEffects(context)).toMatchObject([{ type: 'emit', message: { event: 'im' } }])
  })

  test('of a peer goes to the local connections, and never further', () => {
    const { router, usersOnPeer, told } = build(['Billy', 'Anna'])
    usersOnPeer('server-3', 'Billy')
    const notice = { from: 'Anna', to: 'Billy' }
    router.deliverTyping(notice)
    router.deliverTyping({ from: 'Anna', to: 'Anna' })
    expect(told()).toEqual([[[[1], notice]], []])
  })
})

describe('a typing notice to a room', () => {
  test('goes to the other members that want it, not to the user’s own clients, and once to each peer with a member', () => {
    const { add, all, enter, type, told, membersOnPeer } = build(['Anna', 'Billy', 'Anna', 'Cleo', 'Dora'])
    for (const connection of [...all.slice(0, 4), add('Erik', { rooms: true })]) enter(connection, '#ops')
    membersOnPeer('server-2', '#ops', 'Fay', 'Gus')
    membersOnPeer('server-3', '#dev', 'Fay')
    type(1, '#OPS')
    const notice = { from: 'Anna', to: '#ops' }
    expect(told()).toEqual([[[[2, 4], notice]], [['server-2', notice]]])
  })

  test('that the user is not in, or may not write in, is dropped', () => {
    const rooms = [roomSettings('#news', { write: 'operators', operators: ['Olga'] })]
    const { all, enter, type, told } = build(['Anna', 'Billy', 'Olga'], { rooms })
    for (const connection of all) enter(connection, '#news')
    for (const connection of all.slice(1)) enter(connection, '#ops')
    for (const room of ['#ops', '#news', '#nowhere', '#']) type(1, room)
    expect(told()).toEqual(NOTHING)
    type(3, '#news')
    expect(told()[0]).toHaveLength(1)
  })

  test('with more than 32 other members is dropped, also if a peer sends it', () => {
    const names = Array.from({ length: MAX_TYPING_AUDIENCE + 1 }, (_, at) => `user ${at}`)
    const { all, enter, type, told, membersOnPeer, router } = build(names)
    for (const connection of all) enter(connection, '#ops')
    type(1, '#ops')
    expect(told()).toMatchObject([[[{ length: MAX_TYPING_AUDIENCE }, {}]], []])
    membersOnPeer('server-2', '#ops', 'Zoe')
    type(1, '#ops')
    router.deliverTyping({ from: 'Zoe', to: '#ops' })
    expect(told()).toEqual(NOTHING)
  })
})

describe('in key mode a typing notice', () => {
  const [ANNA, BILLY] = [keyNamed('Anna'), keyNamed('Billy')]
  const inKeyMode = () => {
    const parts = build(['Anna', 'Billy'], { auth: 'key' })
    parts.context.directory.setClaim('Anna', { key: ANNA, at: 1 })
    parts.context.directory.setClaim('Billy', { key: BILLY, at: 1 })
    for (const connection of parts.all) parts.enter(connection, '#ops')
    return { ...parts, at: parts.context.wall }
  }
  const signed = (key: string) => formatAuthorProof(key, 's'.repeat(86))

  test('is passed on with the proof of its sender', () => {
    const { type, told, at } = inKeyMode()
    const [sealed, proof] = [formatSealedText(ANNA, BILLY, 'x'), signed(ANNA)]
    type(1, 'Billy', { at, proof: sealed })
    type(1, '#ops', { at, proof })
    expect(told()[0]).toEqual([
      [[2], { from: 'Anna', to: 'Billy', at, proof: sealed }],
      [[2], { from: 'Anna', to: '#ops', at, proof }],
    ])
  })

  test('without the proof of its sender, without a time, or sealed for another key is dropped', () => {
    const { context, type, told, at } = inKeyMode()
    const drop = (to: string, more: Partial<TypingRequest>) => {
      advance(context, 10_000)
      type(1, to, more)
    }
    drop('Billy', {})
    drop('Billy', { proof: formatSealedText(ANNA, BILLY, 'x') })
    drop('Billy', { at, proof: '' })
    drop('Billy', { at, proof: formatSealedText(BILLY, BILLY, 'x') })
    drop('Billy', { at, proof: formatSealedText(ANNA, ANNA, 'x') })
    drop('Billy', { at, proof: signed(ANNA) })
    drop('#ops', { at })
    drop('#ops', { at, proof: signed(BILLY) })
    drop('#ops', { at, proof: formatSealedText(ANNA, BILLY, 'x') })
    expect(told()).toEqual(NOTHING)
  })

  test('of other modes has no proof', () => {
    const { type, told } = build(['Anna', 'Billy'])
    type(1, 'Billy', { at: 1e12, proof: 'p' })
    expect(told()[0]).toEqual([[[2], { from: 'Anna', to: 'Billy' }]])
  })
})

test('the answer to identify says that notices are passed on, to clients that know them', () => {
  const server = new ServerHarness({})
  const identify = (typing?: boolean) => {
    const connection = server.connect()
    const call = 1_000 + connection
    server.step({ type: 'identify', connection, user: 'Anna', protocol: 2, typing, call })
    return (server.answers.get(call) as { typing?: true }).typing
  }
  expect([identify(), identify(false), identify(true)]).toEqual([undefined, true, true])
})
