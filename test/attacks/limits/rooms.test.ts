/** What users and peers may use of rooms is bounded, and one who uses it all up takes nothing from others. */
import { afterEach, expect, test, vi } from 'vitest'
import { DEFAULT_LIMITS, type Limits } from '../../../src/protocol/limits.ts'
import { FakePeer } from '../../support/attacks/fake-peer.ts'
import { type InProcessServer, startInProcess } from '../../support/in-process-server.ts'
import { freePorts, until } from '../../support/programs/processes.ts'
import { RawClient } from '../../support/programs/raw-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const end of cleanups.splice(0).reverse()) await end()
})

async function start(id: string, limits: Partial<Limits>, ...peers: InProcessServer[]): Promise<InProcessServer> {
  const server = await startInProcess(id, { limits, seeds: peers.map(({ url }) => url) })
  cleanups.push(() => server.close())
  return server
}

async function connect(server: InProcessServer, user: string): Promise<RawClient> {
  const client = await RawClient.connect(server.url, user)
  cleanups.push(() => client.close())
  return client
}

const codeOf = (answer: { ok: boolean; code?: string }) => (answer.ok ? 'ok' : answer.code)
/** Whether a client has been told that a user has joined a room. */
const knows = ({ roomEvents }: RawClient, user: string) =>
  roomEvents.some(event => 'joined' in event && event.joined.includes(user))

test('roomsPerUser: a connection that is in too many rooms is refused further ones, and others are not', async () => {
  const server = await start('server-1', { messagesPerSecond: 0 })
  const [mallory, anna] = [await connect(server, 'Mallory'), await connect(server, 'Anna')]
  const answers = await Promise.all(Array.from({ length: 1_000 }, (_, n) => mallory.join(`#room-${n}`)))
  const { roomsPerUser } = DEFAULT_LIMITS
  expect(answers.map(codeOf)).toEqual(
    Array.from({ length: 1_000 }, (_, n) => (n < roomsPerUser ? 'ok' : 'too-many-rooms')),
  )
  expect(server.status()).toMatchObject({ rooms: roomsPerUser, memberships: roomsPerUser })
  // A room that it is in is joined again, and one that it leaves makes room for another.
  expect(codeOf(await mallory.join('#room-0'))).toBe('ok')
  expect(codeOf(await mallory.part('#room-0'))).toBe('ok')
  expect(codeOf(await mallory.join('#another'))).toBe('ok')
  expect(codeOf(await anna.join('#one-more'))).toBe('ok')
  mallory.close()
  await until('its rooms are gone', () => server.status().rooms === 1)
})

test('membersPerRoom: a full room lets no other user in, on any server of the mesh', async () => {
  const limits = { membersPerRoom: 3 }
  const one = await start('server-1', limits)
  const two = await start('server-2', limits, one)
  const [anna, billy] = [await connect(one, 'Anna'), await connect(two, 'Billy')]
  for (const client of [anna, billy]) expect(codeOf(await client.join('#ops'))).toBe('ok')
  await until('both know', () => knows(anna, 'Billy') || knows(billy, 'Anna'))
  const carla = await connect(one, 'Carla')
  expect(codeOf(await carla.join('#ops'))).toBe('ok')
  await until('the other server knows', () => knows(billy, 'Carla'))
  for (const server of [one, two]) {
    const attackers = await Promise.all(Array.from({ length: 20 }, (_, n) => connect(server, `${server.url} ${n}`)))
    const answers = await Promise.all(attackers.map(client => client.join('#ops')))
    expect(new Set(answers.map(codeOf))).toEqual(new Set(['room-full']))
    // Further connections of a member are let in.
    expect(codeOf(await (await connect(server, 'Anna')).join('#ops'))).toBe('ok')
  }
  carla.close()
  await until('the others know that Carla is gone', () =>
    billy.roomEvents.some(event => 'left' in event && event.left.includes('Carla')),
  )
  expect(codeOf(await (await connect(two, 'Dora')).join('#ops'))).toBe('ok')
})

test('roomMessagesPerSecond: many connections flood one room no faster than one, and other rooms not at all', async () => {
  const limits = { roomMessagesPerSecond: 20, messagesPerSecond: 0 }
  const one = await start('server-1', limits)
  const two = await start('server-2', limits, one)
  const [anna, billy] = [await connect(one, 'Anna'), await connect(two, 'Billy')]
  for (const client of [anna, billy]) for (const room of ['#flooded', '#quiet']) await client.join(room)
  await until('Anna knows of Billy', () => knows(anna, 'Billy'))
  const floods = await Promise.all(Array.from({ length: 20 }, (_, n) => connect(one, `Mallory ${n}`)))
  for (const flood of floods) expect(codeOf(await flood.join('#flooded'))).toBe('ok')
  const since = performance.now()
  const texts = Array.from({ length: 100 }, (_, n) => `spam ${n}`)
  const sent = floods.flatMap(flood => texts.map(text => flood.send('#flooded', text)))
  const quiet = await anna.send('#quiet', 'to the other room')
  const direct = await anna.send('Billy', 'to a user')
  const answers = await Promise.all(sent)
  const seconds = (performance.now() - since) / 1_000
  const accepted = answers.filter(({ ok }) => ok).length
  // A burst of five seconds, and then the rate.
  expect(accepted).toBeGreaterThanOrEqual(100)
  expect(accepted).toBeLessThanOrEqual(100 + Math.ceil(20 * seconds))
  for (const answer of answers.filter(({ ok }) => !ok)) {
    expect(answer).toMatchObject({ code: 'slow-mode', retryAfter: expect.any(Number) })
  }
  expect([codeOf(quiet), codeOf(direct)]).toEqual(['ok', 'ok'])
  const others = () => billy.messages.filter(({ text }) => !text.startsWith('spam')).map(({ text }) => text)
  await until('Billy has both', () => others().length === 2)
  expect(billy.messages.filter(({ to }) => to === '#flooded').length).toBeLessThanOrEqual(accepted)
  // Nobody is disconnected, and the room works again when the flood is over.
  let fate = await anna.send('#flooded', 'after the flood')
  for (let tries = 0; !fate.ok && tries < 50; tries++) {
    await new Promise(resolve => setTimeout(resolve, fate.ok ? 0 : fate.retryAfter))
    fate = await anna.send('#flooded', 'after the flood')
  }
  await until('Billy has it', () => others().includes('after the flood'))
})

// The limits of a room end with its last connection on the server.
test('roomMessagesPerSecond: one who leaves the room and joins again does not get around it', async () => {
  const server = await start('server-1', { roomMessagesPerSecond: 2, messagesPerSecond: 0 })
  const mallory = await connect(server, 'Mallory')
  let accepted = 0
  const since = performance.now()
  for (let n = 0; n < 100; n++) {
    await mallory.join('#ops')
    if ((await mallory.send('#ops', `spam ${n}`)).ok) accepted++
    await mallory.part('#ops')
  }
  expect(accepted).toBeLessThanOrEqual(10 + Math.ceil((2 * (performance.now() - since)) / 1_000))
})

test('membershipsPerPeer: the link of a peer with too many memberships is closed, and its users leave', async () => {
  const [port = 0] = await freePorts(1)
  const server = await startInProcess('server-1', {
    limits: { membershipsPerPeer: 1_000 },
    peers: [{ id: 'far', url: `http://127.0.0.1:${port}` }],
  })
  cleanups.push(() => server.close())
  const honest = await start('server-2', {}, server)
  const [anna, billy] = [await connect(server, 'Anna'), await connect(honest, 'Billy')]
  for (const client of [anna, billy]) await client.join('#ops')
  await until('Anna knows of Billy', () => knows(anna, 'Billy'))
  const far = new FakePeer('far')
  far.onFrame = (event, payload) => {
    if (event === 'beat') far.answer('beat', payload)
  }
  await far.start(port, server.url)
  cleanups.push(() => far.close())
  await until('both links are up', () => far.isLinked)

  const snapshot = { type: 'snapshot', incarnation: 'far#1', users: [['Mallory', 1]], more: false }
  const rooms = Array.from({ length: 999 }, (_, n) => [`#room-${n}`, ['Mallory']])
  far.send('presence', { ...snapshot, seq: 1, rooms: [['#ops', ['Mallory']], ...rooms] })
  await until('Anna knows of Mallory', () => knows(anna, 'Mallory'))
  expect(await anna.listRooms()).toMatchObject({ total: 1_000 })
  expect(far.isDialled).toBe(true)

  far.send('presence', {
    type: 'delta',
    incarnation: 'far#1',
    seq: 2,
    changes: [],
    rooms: [['#more', ['Mallory'], []]],
  })
  await until('the link is closed', () => !far.isDialled)
  await until('Anna knows that Mallory is gone', () =>
    anna.roomEvents.some(event => 'left' in event && event.left.includes('Mallory')),
  )
  // The list of rooms is made again once per second.
  await vi.waitFor(async () => expect(await anna.listRooms()).toMatchObject({ total: 1 }), {
    timeout: 60_000,
    interval: 200,
  })
  // The honest peer's members stay.
  expect(await anna.send('#ops', 'hi')).toMatchObject({ ok: true })
  await until('Billy has it', () => billy.messages.some(({ text }) => text === 'hi'))
  expect(anna.roomEvents.some(event => 'left' in event && event.left.includes('Billy'))).toBe(false)
})
