/** The rooms of the config: who may join, who may write, and what SIGHUP changes. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { createServer } from '../../../daemon/library.ts'
import type { ConfiguredRoom } from '../../../src/programs/configured-rooms.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RawClient } from '../../support/programs/raw-client.ts'

const ROOMS: ConfiguredRoom[] = [
  { name: '#Ops', topic: 'on call: Olga', operators: ['Olga'], members: ['Anna', 'Billy'], history: 30 },
  { name: '#news', operators: ['Olga'], write: 'operators' },
  { name: '#slow', operators: ['Olga'], slow: 3_600 },
  { name: '#secret', hidden: true },
]

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const end of cleanups.splice(0).reverse()) await end()
})
afterAll(stopAll)

async function connect(url: string, user: string): Promise<RawClient> {
  const client = await RawClient.connect(url, user)
  cleanups.push(() => client.close())
  return client
}

/** A server process, with a function that changes its rooms with SIGHUP. */
async function start(rooms: unknown) {
  const [port = 0] = await freePorts(1)
  const config = join(temporaryFolder(), 'config.json')
  const write = (rooms: unknown) =>
    writeFileSync(config, JSON.stringify({ servers: [{ id: 'server-1', ip: '127.0.0.1', port }], rooms }))
  write(rooms)
  const program = new Program('daemon', ['--id', 'server-1', '--config', config, '--log-format', 'text'])
  cleanups.push(() => program.child.kill('SIGKILL'))
  await until('it listens', () => program.out.includes('Listening for'))
  const reload = async (rooms: unknown, line = 'Config reloaded') => {
    const before = program.count(line)
    write(rooms)
    program.child.kill('SIGHUP')
    await until(line, () => program.count(line) > before)
  }
  return { url: `http://127.0.0.1:${port}`, reload }
}

describe('a server with rooms in its config', () => {
  test('lets members and operators in, and refuses others', async () => {
    const { url } = await start(ROOMS)
    const [anna, olga, carla] = [await connect(url, 'Anna'), await connect(url, 'Olga'), await connect(url, 'Carla')]
    const info = { topic: 'on call: Olga', operators: ['Olga'], historyDays: 30 }
    expect(await anna.join('#ops')).toMatchObject({ ok: true, room: '#ops', info, members: ['Anna'] })
    expect(await olga.join('#ops')).toMatchObject({ ok: true })
    expect(await carla.join('#OPS')).toMatchObject({ ok: false, code: 'room-forbidden' })
    expect(await carla.send('#ops', 'let me in')).toMatchObject({ ok: false, code: 'not-in-room' })
    expect(await olga.send('#ops', 'hello')).toMatchObject({ ok: true, delivered: 1 })
    expect(carla.messages).toEqual([])
    // A room without a list is open to all, as is one that is not in the config.
    for (const room of ['#news', '#lunch']) expect(await carla.join(room)).toMatchObject({ ok: true })
  })

  test('lets only operators write where the config says so', async () => {
    const { url } = await start(ROOMS)
    const [anna, olga] = [await connect(url, 'Anna'), await connect(url, 'Olga')]
    expect(await anna.join('#news')).toMatchObject({ ok: true, info: { write: 'operators', operators: ['Olga'] } })
    await olga.join('#news')
    expect(await anna.send('#news', 'first!')).toMatchObject({ ok: false, code: 'read-only' })
    expect(await olga.send('#news', 'release 1')).toMatchObject({ ok: true, delivered: 1 })
    expect(anna.messages.map(({ text }) => text)).toEqual(['release 1'])
    expect(olga.messages.map(({ text }) => text)).toEqual(['release 1'])
  })

  test('limits how often a user writes in slow mode, on all connections, operators excepted', async () => {
    const { url } = await start(ROOMS)
    const [anna, again, billy, olga] = [
      await connect(url, 'Anna'),
      await connect(url, 'Anna'),
      await connect(url, 'Billy'),
      await connect(url, 'Olga'),
    ]
    for (const client of [anna, again, billy, olga]) await client.join('#slow')
    expect(await anna.send('#slow', 'one')).toMatchObject({ ok: true })
    for (const client of [anna, again]) {
      const refused = await client.send('#slow', 'two')
      expect(refused).toMatchObject({ ok: false, code: 'slow-mode' })
      expect(refused.ok ? 0 : refused.retryAfter).toBeGreaterThan(3_500_000)
    }
    expect(await billy.send('#slow', 'of Billy')).toMatchObject({ ok: true })
    for (let n = 0; n < 3; n++) expect(await olga.send('#slow', 'of Olga')).toMatchObject({ ok: true })
  })

  test('leaves a hidden room out of the list, and lets users join it by name', async () => {
    const { url } = await start(ROOMS)
    const anna = await connect(url, 'Anna')
    for (const room of ['#secret', '#ops', '#lunch']) expect(await anna.join(room)).toMatchObject({ ok: true })
    const list = await anna.listRooms()
    expect(list).toMatchObject({
      ok: true,
      rooms: [
        { room: '#lunch', members: 1 },
        { room: '#ops', members: 1, topic: 'on call: Olga' },
      ],
    })
    expect(JSON.stringify(list)).not.toContain('#secret')
  })
})

test('SIGHUP takes removed members out of a room, and tells them and the others', async () => {
  const { url, reload } = await start(ROOMS)
  const [anna, billy, again] = [await connect(url, 'Anna'), await connect(url, 'Billy'), await connect(url, 'Billy')]
  for (const client of [anna, billy, again]) for (const room of ['#ops', '#news']) await client.join(room)
  const ofOps = () => anna.roomEvents.filter(({ room }) => room === '#ops')
  await until('Anna knows of Billy', () => ofOps().some(event => 'joined' in event && event.joined.includes('Billy')))
  const [ops = { name: '' }, news, ...others] = ROOMS
  await reload([{ ...ops, topic: 'on call: Anna', members: ['Anna'] }, news, ...others])
  const refusal = { ok: false, code: 'room-forbidden', message: expect.stringContaining('#ops') }
  for (const client of [billy, again]) {
    await until('Billy is told', () => client.roomEvents.some(event => 'refusal' in event))
    expect(client.roomEvents.filter(event => 'refusal' in event)).toEqual([{ room: '#ops', refusal }])
    expect(await client.send('#ops', 'I am still here')).toMatchObject({ ok: false, code: 'not-in-room' })
    expect(await client.join('#ops')).toMatchObject({ ok: false, code: 'room-forbidden' })
    // The other room is not affected.
    expect(await client.send('#news', 'hi')).toMatchObject({ code: 'read-only' })
  }
  await until('Anna is told', () => ofOps().some(event => 'left' in event && event.left.includes('Billy')))
  expect(ofOps()).toContainEqual({ room: '#ops', info: expect.objectContaining({ topic: 'on call: Anna' }) })
  expect(await anna.send('#ops', 'in private')).toMatchObject({ ok: true, delivered: 0 })
  expect([...billy.messages, ...again.messages].filter(({ to }) => to === '#ops')).toEqual([])

  // An invalid config changes nothing; a valid one lets Billy in again.
  await reload([{ ...ops, members: ['Anna'], write: 'nobody' }], 'Could not reload the config')
  expect(await billy.join('#ops')).toMatchObject({ ok: false, code: 'room-forbidden' })
  await reload(ROOMS)
  expect(await billy.join('#ops')).toMatchObject({ ok: true })
  // Without settings the room is open to all.
  await reload([])
  expect(await (await connect(url, 'Carla')).join('#ops')).toMatchObject({ ok: true, info: {} })
})

test('createServer takes rooms as the config does', async () => {
  const server = await createServer({ id: 'one', port: 0, rooms: ROOMS })
  cleanups.push(() => server.close())
  expect(await (await connect(server.url, 'Anna')).join('#ops')).toMatchObject({ ok: true })
  expect(await (await connect(server.url, 'Carla')).join('#ops')).toMatchObject({ ok: false, code: 'room-forbidden' })
  await expect(createServer({ id: 'one', rooms: [{ name: '#ops', write: 'operators' }] })).rejects.toThrow(
    'createServer: rooms.0.write: is operators, but the room has none',
  )
})
