/** A server that talks nonsense: its client drops it or moves on, and takes no harm. */
import { createServer } from 'node:http'
import { Server, type Socket } from 'socket.io'
import { expect, test } from 'vitest'
import { freePorts, until } from './support/processes.ts'
import { RealClient } from './support/real-client.ts'

test('a client parses what a server sends', { timeout: 30_000 }, async () => {
  const [port = 0] = await freePorts(1)
  const http = createServer().listen(port, '127.0.0.1')
  const io = new Server(http)
  const roster = { version: 1, users: ['Anna', 'Billy'] }
  const answer = { ok: true, server: 's', incarnation: 'i', connection: 's:1', roster, time: Date.now(), servers: [] }
  const answers: unknown[] = [5, 'yes', { ok: true }, { ...answer, roster: { version: 1, users: ['b', 'a'] } }, answer]
  let answered = 0
  const online: Socket[] = []
  const got: number[] = []
  io.on('connection', socket => {
    socket.on('identify', (_, reply) => {
      const next = answers[answered++] ?? answer
      reply(next)
      if (next === answer) online.push(socket)
    })
    socket.on('got', count => got.push(count))
    socket.on('im', (_, reply) => reply({ ok: 'perhaps' }))
  })
  const client = new RealClient('Anna', [`http://127.0.0.1:${port}`])
  try {
    await until('it is online in the end', () => client.server === 's')
    expect(answered).toBe(5)

    // What may be passed over is passed over.
    const nonsense = [
      null,
      5,
      'x',
      [],
      {},
      { version: 'x' },
      { connections: -1 },
      { servers: [{ id: 's', url: 'ftp://x' }] },
    ]
    for (const event of ['roster', 'siblings', 'move', 'relay', 'refused', 'error', '__proto__']) {
      for (const payload of nonsense) online[0]?.emit(event, payload)
    }
    online[0]?.emit('relay', { from: 's:2', body: '['.repeat(100_000) })
    online[0]?.emit('roster', { version: 2, joined: ['Carla'], left: ['Billy'] })
    await until('it goes on', () => client.roster.join() === 'Anna,Carla')
    expect(online).toHaveLength(1)

    // A message that cannot be read is not confirmed.
    online[0]?.emit('im', { id: 'x', at: 'now', from: 'Billy', to: 'Anna', text: 5, forwarded: false })
    await until('it moves on', () => online.length === 2, 15_000)
    online[1]?.emit('im', { id: 'y', at: 1, from: 'Billy', to: 'Anna', text: 'hi', forwarded: false })
    await until('a message is confirmed', () => got.length === 1)
    expect(got).toEqual([1])
    expect(client.shown.map(({ id }) => id)).toEqual(['y'])

    // Nor is a fate that cannot be read: it is held.
    client.say('Billy', 'hello')
    await until('it moves on again', () => online.length === 3, 15_000)
    expect(client.held).toHaveLength(1)
  } finally {
    client.close()
    await io.close()
  }
})
