/** A server that talks nonsense: its client drops it or moves on, and takes no harm. */
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import { Server, type Socket } from 'socket.io'
import { expect, test } from 'vitest'
import { Sealer } from '../../cli/keys/sealer.ts'
import { NO_STORAGE, openSession } from '../../cli/session/connection.ts'
import { freePorts, until } from '../support/programs/processes.ts'
import { RealClient } from '../support/programs/real-client.ts'

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
    client.send('Billy', 'hello')
    await until('it moves on again', () => online.length === 3, 15_000)
    expect(client.held).toHaveLength(1)
  } finally {
    client.close()
    await io.close()
  }
})

test('a server of keyed users brings a client nothing that its own key did not seal', { timeout: 30_000 }, async () => {
  const [port = 0] = await freePorts(1)
  const http = createServer().listen(port, '127.0.0.1')
  const io = new Server(http)
  const { privateKey } = generateKeyPairSync('ed25519')
  const anna = new Sealer(privateKey)
  const roster = { version: 1, users: ['Anna', 'Billy'] }
  const answer = { ok: true, server: 's', incarnation: 'i', connection: 's:1', roster, time: Date.now(), servers: [] }
  const online: Socket[] = []
  io.on('connection', socket => {
    socket.on('identify', ({ key }, reply) => {
      const challenge = { server: 's', connection: 's:1', nonce: 'n' }
      if (key === undefined) return reply({ ok: false, code: 'prove-key', message: 'sign', challenge })
      reply({ ...answer, auth: 'key' })
      online.push(socket)
    })
  })
  const got: string[] = []
  const forged: string[] = []
  const options = {
    user: 'Anna',
    client: 'x/1',
    instance: 'x',
    servers: [`http://127.0.0.1:${port}`],
    random: Math.random,
  }
  const keys = { load: () => privateKey, knownKeys: () => new Map(), pin: () => {} }
  const request = openSession({ ...options, keys }, NO_STORAGE, event => {
    if (event.type === 'message') got.push(event.message.text)
    if (event.type === 'forged') forged.push(event.from)
  })
  try {
    await until('it is online', () => online.length === 1)
    const tell = (text: string, from = 'Billy') =>
      JSON.stringify({ type: 'tell', messages: [{ id: text, at: 1, from, to: 'Anna', text }] })
    const [socket] = online
    const other = new Sealer(generateKeyPairSync('ed25519').privateKey)
    const plain = { id: 'live', at: 1, from: 'Billy', to: 'Anna', text: 'live and plain' }
    socket?.emit('relay', { from: 's:2', body: tell('plain history') })
    socket?.emit('relay', { from: 's:2', body: other.sealForSiblings(tell('of another key')) })
    socket?.emit('im', { ...plain, forwarded: false })
    // What was sealed for a message of its own opens in no other.
    const sealed = anna.seal({ ...plain, from: 'Anna', to: 'Anna' }, anna.key)
    socket?.emit('im', { ...plain, text: sealed, forwarded: false })
    socket?.emit('relay', { from: 's:2', body: sealed })
    socket?.emit('relay', { from: 's:2', body: anna.sealForSiblings(tell('a true sibling says')) })
    await until('the last has come', () => got.includes('a true sibling says'))
    expect(got).toEqual(['a true sibling says'])
    expect(forged).toEqual(['Billy', 'Billy'])
  } finally {
    request({ type: 'close' })
    await io.close()
  }
})
