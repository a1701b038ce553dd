/** Rooms in the library: servers and clients inside this program. */
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { type ChatClient, type ListedRoom, type RoomChange, RoomError } from '../../../cli/session/chat-client.ts'
import { type ConnectOptions, connect } from '../../../cli/session/library.ts'
import { type ChatServer, type CreateServerOptions, createServer } from '../../../daemon/library.ts'
import { stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'

const servers: ChatServer[] = []
const clients: ChatClient[] = []
const before = process.env.XDG_STATE_HOME

beforeEach(() => {
  process.env.XDG_STATE_HOME = temporaryFolder()
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  await Promise.all(servers.splice(0).map(server => server.close()))
})

afterAll(() => {
  if (before === undefined) delete process.env.XDG_STATE_HOME
  else process.env.XDG_STATE_HOME = before
  stopAll()
})

async function start(options: CreateServerOptions): Promise<ChatServer> {
  const server = await createServer(options)
  servers.push(server)
  return server
}

async function enter(user: string, { url }: ChatServer, more: Partial<ConnectOptions> = {}): Promise<ChatClient> {
  const client = await connect({ user, servers: url, ...more })
  clients.push(client)
  return client
}

async function startTwo(more: Partial<CreateServerOptions> = {}): Promise<[ChatServer, ChatServer]> {
  const one = await start({ id: 'one', ...more })
  return [one, await start({ id: 'two', join: [one.url], ...more })]
}

test('members on two servers talk: each message is reported once, with how many of how many have it', async () => {
  const [one, two] = await startTwo()
  const [anna, billy, carla] = [await enter('Anna', one), await enter('Billy', two), await enter('Carla', one)]
  const changes: RoomChange[] = []
  anna.on('room', change => changes.push(change))
  expect(await anna.join('#Ops')).toEqual(['Anna'])
  expect(await anna.join('#ops')).toEqual(['Anna'])
  await billy.join('#ops')
  await carla.join('#ops')
  await until('Anna knows all members', () => anna.rooms.get('#ops')?.length === 3)
  expect(anna.rooms).toEqual(new Map([['#ops', ['Anna', 'Billy', 'Carla']]]))
  expect(changes).toContainEqual({ room: '#ops', state: 'joined', joined: ['Anna'], left: [] })
  const heard: string[] = []
  for (const client of [billy, carla]) {
    client.on('message', ({ from, to, text }) => heard.push(`${client.user}: ${from} to ${to}: ${text}`))
  }
  const last: { connections?: number } = {}
  anna.on('progress', progress => Object.assign(last, progress))
  const fate = await anna.send('#ops', 'Hi')
  expect(fate).toMatchObject({ state: 'delivered', of: 2 })
  await until('both have it', () => heard.length === 2)
  expect(heard.sort()).toEqual(['Billy: Anna to #ops: Hi', 'Carla: Anna to #ops: Hi'])
  await until(
    'both have confirmed it',
    () => last.connections === 2 || ('connections' in fate && fate.connections === 2),
  )
  billy.part('#ops')
  await until('Billy is gone', () => anna.rooms.get('#ops')?.length === 2)
  expect(billy.rooms).toEqual(new Map())
  expect(changes.at(-1)).toMatchObject({ room: '#ops', left: ['Billy'] })
  expect(await billy.send('#ops', 'Hi')).toMatchObject({ state: 'refused', code: 'not-in-room' })
})

test('a room that may not be joined is an error with a code, and the list of rooms leaves hidden ones out', async () => {
  const rooms = [
    { name: '#team', topic: 'For the team', members: ['Anna'] },
    { name: '#secret', hidden: true },
  ]
  const server = await start({ id: 'one', rooms })
  const [anna, billy] = [await enter('Anna', server), await enter('Billy', server)]
  const changes: RoomChange[] = []
  anna.on('room', change => changes.push(change))
  await anna.join('#team')
  await anna.join('#secret')
  expect(changes[1]).toMatchObject({ room: '#team', state: 'joined', topic: 'For the team' })
  const error = await billy.join('#team').catch((error: unknown) => error)
  expect(error).toBeInstanceOf(RoomError)
  expect(error).toMatchObject({ code: 'room-forbidden', message: expect.stringContaining('#team') })
  expect(billy.rooms.size).toBe(0)
  expect(await billy.listRooms()).toEqual<ListedRoom[]>([{ room: '#team', members: 1, topic: 'For the team' }])
  await expect(billy.join('team')).rejects.toThrow(RangeError)
  expect(() => billy.part('#')).toThrow(RangeError)
})

test('a full room is left, so that the client is not in it later', async () => {
  const server = await start({ id: 'one', limits: { membersPerRoom: 1 } })
  const [anna, billy] = [await enter('Anna', server), await enter('Billy', server)]
  await anna.join('#one')
  await expect(billy.join('#one')).rejects.toMatchObject({ code: 'room-full' })
  expect(billy.rooms.size).toBe(0)
})

test('alone in a room: the message waits, and is delivered when someone joins', async () => {
  const server = await start({ id: 'one' })
  const [anna, billy] = [await enter('Anna', server), await enter('Billy', server)]
  await anna.join('#late')
  expect(await anna.send('#late', 'Hi')).toMatchObject({ state: 'waiting', reason: 'recipient-offline' })
  let isDelivered = false
  anna.on('progress', ({ state }) => {
    isDelivered ||= state === 'delivered'
  })
  await billy.join('#late')
  await until('it is delivered', () => isDelivered)
})

test('a client that moves to another server is in its rooms there', async () => {
  const [one, two] = await startTwo()
  const billy = await enter('Billy', two)
  const anna = await connect({ user: 'Anna', servers: [one.url, two.url] })
  clients.push(anna)
  await anna.join('#ops')
  await billy.join('#ops')
  servers.splice(servers.indexOf(one), 1)
  await one.close()
  await until(
    'both are there',
    () =>
      anna.connection.phase === 'online' &&
      anna.connection.server === 'two' &&
      [anna, billy].every(({ rooms }) => rooms.get('#ops')?.join() === 'Anna,Billy'),
  )
  expect(await billy.send('#ops', 'Hi')).toMatchObject({ state: 'delivered', connections: 1, of: 1 })
})

test('with a history the rooms, their messages and receipts survive a restart; without, they do not', async () => {
  const server = await start({ id: 'one' })
  const billy = await enter('Billy', server)
  await billy.join('#ops')
  for (const history of [true, false]) {
    const anna = await enter('Anna', server, { history })
    await anna.join('#ops')
    expect(await anna.send('#ops', 'Hi')).toMatchObject({ state: 'delivered' })
    anna.close()
    await until('Anna has left', () => billy.rooms.get('#ops')?.join() === 'Billy')
    if (!history) process.env.XDG_STATE_HOME = temporaryFolder()
    const again = await enter('Anna', server, { history })
    if (history) await until('Anna is back', () => again.rooms.get('#ops')?.length === 2)
    else expect(again.rooms.size).toBe(0)
    again.close()
  }
})

test('join and listRooms reject when the client ends', async () => {
  const server = await start({ id: 'one' })
  const anna = await enter('Anna', server)
  const waiting = [anna.join('#ops'), anna.listRooms()]
  anna.close()
  for (const promise of waiting) await expect(promise).rejects.toThrow('this client has ended')
  await expect(anna.join('#ops')).rejects.toThrow('this client has ended')
  await expect(anna.listRooms()).rejects.toThrow('this client has ended')
})
