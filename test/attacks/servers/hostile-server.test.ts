/** A server that sends nonsense: the client drops the payload or reconnects elsewhere, and is not harmed. */
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import { Server, type Socket } from 'socket.io'
import { expect, test } from 'vitest'
import { Sealer } from '../../../cli/keys/sealer.ts'
import { NO_STORAGE, openSession } from '../../../cli/session/connection.ts'
import { freePorts, until } from '../../support/programs/processes.ts'
import { RealClient } from '../../support/programs/real-client.ts'

test('a client validates every payload of a server', async () => {
  const [port = 0] = await freePorts(1)
  const http = createServer().listen(port, '127.0.0.1')
  const io = new Server(http)
  const roster = { version: 1, users: ['Anna', 'Billy'] }
  const answer = { ok: true, server: 's', incarnation: 'i', connection: 's:1', roster, time: Date.now(), servers: [] }
  const answers: unknown[] = [5, 'yes', { ok: true }, { ...answer, roster: { version: 1, users: ['b', 'a'] } }, answer]
  let answered = 0
  const online: Socket[] = []
  const confirmed: number[] = []
  io.on('connection', socket => {
    socket.on('identify', (_, reply) => {
      const next = answers[answered++] ?? answer
      reply(next)
      if (next === answer) online.push(socket)
    })
    socket.on('got', count => confirmed.push(count))
    socket.on('im', (_, reply) => reply({ ok: 'perhaps' }))
  })
  const client = new RealClient('Anna', [`http://127.0.0.1:${port}`])
  try {
    await until('the client is online after the valid answer', () => client.server === 's')
    expect(answered).toBe(5)

    // Invalid payloads that are not essential are dropped.
    const nonsense = [null, 5, 'x', [], {}, { version: 'x' }, { connections: -1 }, { servers: 's' }]
    for (const event of ['roster', 'siblings', 'move', 'relay', 'refused', 'error', '__proto__']) {
      for (const payload of nonsense) online[0]?.emit(event, payload)
    }
    online[0]?.emit('relay', { from: 's:2', body: '['.repeat(100_000) })
    online[0]?.emit('roster', { version: 2, joined: ['Carla'], left: ['Billy'] })
    await until('the client applies the next valid delta', () => client.roster.join() === 'Anna,Carla')
    expect(online).toHaveLength(1)

    // An invalid message is not confirmed: the client reconnects.
    online[0]?.emit('im', { id: 'x', at: 'now', from: 'Billy', to: 'Anna', text: 5, forwarded: false })
    await until('the client reconnects', () => online.length === 2)
    online[1]?.emit('im', { id: 'y', at: Date.now(), from: 'Billy', to: 'Anna', text: 'hi', forwarded: false })
    await until('a valid message is confirmed', () => confirmed.length === 1)
    expect(confirmed).toEqual([1])
    expect(client.shown.map(({ id }) => id)).toEqual(['y'])

    // An invalid acknowledgement: the message stays held, and the client reconnects.
    client.send('Billy', 'hello')
    await until('the client reconnects again', () => online.length === 3)
    expect(client.held).toHaveLength(1)
  } finally {
    client.close()
    await io.close()
  }
})

test('with `auth: key`, a server cannot pass anything to a client that is not sealed for it', async () => {
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
  const texts: string[] = []
  const forged: string[] = []
  const options = {
    user: 'Anna',
    client: 'x/1',
    instance: 'x',
    servers: [`http://127.0.0.1:${port}`],
    random: Math.random,
  }
  const keys = {
    load: () => privateKey,
    knownKeys: () => new Map(),
    pin: () => {},
    claim: () => undefined,
    keepClaim: () => {},
  }
  const request = openSession({ ...options, keys }, NO_STORAGE, event => {
    if (event.type === 'message') texts.push(event.message.text)
    if (event.type === 'forged') forged.push(event.from)
  })
  try {
    await until('the client is online', () => online.length === 1)
    const history = (text: string, from = 'Billy') =>
      JSON.stringify({ type: 'tell', messages: [{ id: text, at: Date.now(), from, to: 'Anna', text }] })
    const [socket] = online
    const other = new Sealer(generateKeyPairSync('ed25519').privateKey)
    const plain = { id: 'live', at: Date.now(), from: 'Billy', to: 'Anna', text: 'live and plain' }
    socket?.emit('relay', { from: 's:2', body: history('plain history') })
    socket?.emit('relay', { from: 's:2', body: other.sealForSiblings(history('of another key')) })
    socket?.emit('im', { ...plain, forwarded: false })
    // A text sealed for one message does not open as part of another.
    const sealed = anna.seal({ ...plain, from: 'Anna', to: 'Anna' }, anna.key)
    socket?.emit('im', { ...plain, text: sealed, forwarded: false })
    socket?.emit('relay', { from: 's:2', body: sealed })
    socket?.emit('relay', { from: 's:2', body: anna.sealForSiblings(history('from a real sibling')) })
    await until('the last frame is applied', () => texts.includes('from a real sibling'))
    expect(texts).toEqual(['from a real sibling'])
    expect(forged).toEqual(['Billy', 'Billy'])
  } finally {
    request({ type: 'close' })
    await io.close()
  }
})
