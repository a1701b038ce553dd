/** Who one is may go with the first packet: the server answers with an event. */
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Server } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../support/programs/processes.ts'
import { RealClient } from '../support/programs/real-client.ts'

let url = ''
const sockets: Socket[] = []

beforeAll(async () => {
  const [port = 0] = await freePorts(1)
  url = `http://127.0.0.1:${port}`
  const file = join(temporaryFolder(), 'config.json')
  writeFileSync(file, JSON.stringify({ servers: [{ id: 'server-1', ip: '127.0.0.1', port }] }))
  const server = new Program('daemon', ['--id', 'server-1', '--config', file, '--log-format', 'text'])
  await until('it listens', () => server.out.includes('Listening'))
})
afterAll(() => {
  for (const socket of sockets) socket.disconnect()
  stopAll()
})

/** What a connection is told that begins with this; nothing is sent afterwards. */
function begin(auth: object, transport = 'websocket') {
  const told: [event: string, payload: unknown][] = []
  const socket = io(url, { transports: [transport], forceNew: true, reconnection: false, auth })
  sockets.push(socket)
  socket.onAny((event, payload) => told.push([event, payload]))
  return { socket, told }
}

test.each(['websocket', 'polling'])('over %s it is as though `identify` had been called', async transport => {
  const user = `Anna by ${transport}`
  const { socket, told } = begin({ identify: { user, client: 'x/1', protocol: 2 } }, transport)
  await until('it is answered', () => told.some(([event]) => event === 'identified'))
  expect(told[0]).toMatchObject(['identified', { ok: true, server: 'server-1', roster: { users: expect.any(Array) } }])
  await until('it is told that it is online', () =>
    told.some(([event, payload]) => event === 'roster' && (payload as { joined: string[] }).joined.includes(user)),
  )
  // It may speak.
  const im = { id: `${user}.1`, at: Date.now(), to: 'Nobody', text: 'hi' }
  expect(await socket.timeout(5_000).emitWithAck('im', im)).toEqual({ ok: true, delivered: 0 })
  // And identify once more, as it did not.
  const again = await socket.timeout(5_000).emitWithAck('identify', { user, client: 'x/1', protocol: 2 })
  expect(again).toMatchObject({ ok: true })
})

test('what is refused is refused by the same event', async () => {
  const wrong: [hello: unknown, code: string][] = [
    [{ user: 'x'.repeat(65), client: 'x/1', protocol: 2 }, 'bad-name'],
    [{ user: 'Anna', client: 'x/1', protocol: 3 }, 'bad-payload'],
    [null, 'bad-payload'],
    [[], 'bad-payload'],
    [{ __proto__: null, constructor: 5 }, 'bad-payload'],
  ]
  for (const [hello, code] of wrong) {
    const { told } = begin({ identify: hello })
    await until(code, () => told.length > 0)
    expect(told).toEqual([['identified', expect.objectContaining({ ok: false, code })]])
  }
})

test.each([
  ['a server of today', 0],
  ['an older one, which knows the event only', 1],
] as const)('the own client tells %s who it is, by %i events', async (_, events) => {
  const http = createServer()
  const server = new Server(http)
  const answer = (user: string) => {
    const roster = { version: 1, users: [user] }
    return { ok: true, server: 's', incarnation: 'i', connection: 's:1', roster, time: Date.now(), servers: [] }
  }
  let asked = 0
  server.on('connection', socket => {
    const { user } = socket.handshake.auth.identify as { user: string }
    if (events === 0) socket.emit('identified', answer(user))
    socket.on('identify', (hello: { user: string }, reply) => {
      asked++
      reply(answer(hello.user))
    })
    // What the client says once it is online.
    socket.on('im', (_, reply) => reply({ ok: true, delivered: 1 }))
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const client = new RealClient('Billy', [`http://127.0.0.1:${(http.address() as AddressInfo).port}`])
  await until('it is online', () => client.server === 's')
  client.send('Anna', 'hi')
  await until('it is confirmed', () => client.composed.length === 1 && client.held.length === 0)
  expect(asked).toBe(events)
  client.close()
  await server.close()
})
