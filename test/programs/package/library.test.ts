/** The package as a library: servers and clients inside this program. */
import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect as connectTcp, createServer as createTcpServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import { afterEach, describe, expect, test } from 'vitest'
import type { ChatClient, Fate } from '../../../cli/session/chat-client.ts'
import { type ConnectOptions, connect } from '../../../cli/session/library.ts'
import { makeToken, parseTokenKey } from '../../../daemon/auth/tokens.ts'
import { type ChatServer, type CreateServerOptions, createServer, type LogLine } from '../../../daemon/library.ts'
import { freePorts, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'

const servers: ChatServer[] = []
const clients: ChatClient[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  await Promise.all(servers.splice(0).map(server => server.close()))
  stopAll()
})

async function start(options: CreateServerOptions): Promise<ChatServer> {
  const server = await createServer(options)
  servers.push(server)
  return server
}

async function enter(
  user: string,
  servers: string | string[],
  more: Partial<ConnectOptions> = {},
): Promise<ChatClient> {
  const client = await connect({ user, servers, ...more })
  clients.push(client)
  return client
}

const pem = () => generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
const online = (client: ChatClient, user: string) => until(`${user} is online`, () => client.isOnline(user))

describe('createServer and connect', () => {
  test('users on two servers in one program exchange messages with delivery results', async () => {
    const one = await start({ id: 'one' })
    const two = await start({ id: 'two', join: [one.url] })
    expect(one.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    const anna = await enter('Anna', one.url)
    const billy = await enter('Billy', two.url)
    await online(anna, 'Billy')
    expect(anna.users).toEqual(['Anna', 'Billy'])
    expect(one.roster()).toEqual(['Anna', 'Billy'])
    const heard: string[] = []
    billy.on('message', ({ from, to, text }) => heard.push(`${from} to ${to}: ${text}`))
    expect(await anna.send('Billy', 'Hi')).toMatchObject({ state: 'delivered', connections: 1 })
    expect(heard).toEqual(['Anna to Billy: Hi'])
    // Messages from Anna's other client are not reported as incoming.
    const again = await enter('Anna', two.url)
    const own: string[] = []
    anna.on('message', ({ text }) => own.push(text))
    expect(await again.send('Billy', 'Hi again')).toMatchObject({ state: 'delivered' })
    const counts: number[] = []
    billy.on('progress', progress => progress.state === 'delivered' && counts.push(progress.connections))
    // The first confirmation is the delivery result; the second one follows as an event.
    expect(await billy.send('Anna', 'Hi Anna')).toMatchObject({ state: 'delivered', connections: 1 })
    await until('both connections of Anna have confirmed', () => counts.at(-1) === 2)
    expect(counts).toEqual([1, 2])
    expect(own).toEqual(['Hi Anna'])
  })

  test.each(['open', 'key'] as const)(
    'a client with the option typing is told who types, with auth: %s',
    async auth => {
      const one = await start({ id: 'one', auth })
      const two = await start({ id: 'two', auth, join: [one.url] })
      const key = () => (auth === 'key' ? { key: pem() } : {})
      const anna = await enter('Anna', one.url, { typing: true, ...key() })
      const billy = await enter('Billy', two.url, key())
      const heard: unknown[] = []
      for (const client of [anna, billy]) client.on('typing', notice => heard.push(notice))
      await online(anna, 'Billy')
      await online(billy, 'Anna')
      // With auth: key, each learns the other's key.
      for (const [from, to] of [
        [anna, 'Billy'],
        [billy, 'Anna'],
      ] as const)
        expect(await from.send(to, 'Hi')).toMatchObject({ state: 'delivered' })
      for (const client of [anna, billy]) await client.join('#ops')
      await until('both are known', () => [anna, billy].every(({ rooms }) => rooms.get('#ops')?.length === 2))
      anna.typing('Billy')
      anna.typing('#ops')
      billy.typing('Anna')
      billy.typing('#ops')
      await until('the notices have come', () => heard.length === 2)
      expect(heard).toEqual([
        { from: 'Billy', to: 'Anna' },
        { from: 'Billy', to: '#ops' },
      ])
    },
  )

  test('a message to an offline user is held, and its delivery is reported later', async () => {
    const { url } = await start({ id: 'one' })
    const anna = await enter('Anna', url)
    const progress: string[] = []
    anna.on('progress', ({ to, state }) => progress.push(`${to} ${state}`))
    expect(await anna.send('Carla', 'later')).toMatchObject({ state: 'waiting', reason: 'recipient-offline' })
    const joined: string[] = []
    anna.on('roster', change => joined.push(...change.joined))
    const carla = await enter('Carla', url)
    const [first] = await messages(carla, 1)
    expect(first?.text).toBe('later')
    await until('the delivery is reported', () => progress.includes('Carla delivered'))
    await until('Anna is told of Carla', () => joined.includes('Carla'))
  })

  test('a message in the same event-loop turn as the identify response is not missed', async () => {
    const http = createHttpServer()
    const eager = new Server(http)
    eager.on('connection', socket => {
      socket.on('identify', (_, answer) => {
        // Response and message leave in one write, so the client reads them in one turn.
        const raw = (socket.conn.transport as unknown as { socket: { _socket: Socket } }).socket._socket
        raw.cork()
        const roster = { version: 1, users: ['Anna'] }
        answer({ ok: true, server: 'e', incarnation: 'e', connection: 'e:1', roster, time: Date.now(), servers: [] })
        socket.emit('im', { id: '1', at: Date.now(), from: 'Billy', to: 'Anna', text: 'early', forwarded: false })
        setImmediate(() => raw.uncork())
      })
    })
    const [port = 0] = await freePorts(1)
    await new Promise<void>(resolve => http.listen(port, '127.0.0.1', resolve))
    const anna = await enter('Anna', `http://127.0.0.1:${port}`)
    expect(anna.users).toEqual(['Anna'])
    const heard: string[] = []
    anna.on('message', ({ text }) => heard.push(text))
    await until('the message is reported', () => heard.length > 0)
    expect(heard).toEqual(['early'])
    anna.close()
    await eager.close()
  })

  test('a client moves to another server when its server closes, and no message is lost', async () => {
    const one = await start({ id: 'one' })
    const two = await start({ id: 'two', join: [one.url] })
    const anna = await enter('Anna', [one.url, two.url])
    const billy = await enter('Billy', two.url)
    await online(anna, 'Billy')
    await one.close()
    const sent = anna.send('Billy', 'still here')
    expect((await messages(billy, 1))[0]?.text).toBe('still here')
    expect(await sent).toMatchObject({ state: 'delivered' })
    expect(anna.connection).toMatchObject({ phase: 'online', server: 'two' })
  })

  test('close ends the iterator, reports undelivered messages, and makes send reject', async () => {
    const one = await start({ id: 'one' })
    const anna = await enter('Anna', one.url)
    const all = messages(anna, 100)
    await one.close()
    let fate: Fate | undefined
    void anna.send('Billy', 'undeliverable').then(told => {
      fate = told
    })
    anna.close()
    expect(await all).toEqual([])
    expect(fate).toMatchObject({ state: 'waiting', reason: 'offline' })
    await expect(anna.send('Billy', 'x')).rejects.toThrow('has ended')
  })

  test('only with history: true are messages stored, in the files of mesh-chat', async () => {
    const folder = temporaryFolder()
    const before = process.env.XDG_STATE_HOME
    process.env.XDG_STATE_HOME = folder
    try {
      const { url } = await start({ id: 'one' })
      const anna = await enter('Anna', url)
      expect(await anna.send('Anna', 'to myself')).toMatchObject({ state: 'delivered' })
      expect(readdirSync(folder)).toEqual([])
      const billy = await enter('Billy', url, { history: true })
      await billy.send('Anna', 'kept')
      const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      const history = files.find(name => name.endsWith('history.jsonl')) ?? ''
      expect(history).toMatch(/^mesh-chat\/meshes\/.*\/users\/Billy-/)
      expect(readFileSync(join(folder, history), 'utf8')).toContain('"kept"')
    } finally {
      if (before === undefined) delete process.env.XDG_STATE_HOME
      else process.env.XDG_STATE_HOME = before
    }
  })

  test('token and key authentication work, and missing credentials reject', async () => {
    const secret = 'a key of thirty-two characters!!'
    const byToken = await start({ id: 'one', auth: 'token', tokenKey: secret })
    await expect(connect({ user: 'Anna', servers: byToken.url })).rejects.toThrow(/token/)
    const { signKey: sign } = parseTokenKey(secret, 'here')
    if (sign === undefined) throw new Error('a secret signs')
    const token = await makeToken(sign, { algorithm: 'HS256' }, 'Anna', '1h')
    expect((await enter('Anna', byToken.url, { token })).connection).toMatchObject({ server: 'one' })

    const byKey = await start({ id: 'two', auth: 'key' })
    await expect(connect({ user: 'Anna', servers: byKey.url })).rejects.toThrow(/pass the user's private key/)
    const anna = await enter('Anna', byKey.url, { key: pem() })
    const billy = await enter('Billy', byKey.url, { key: pem() })
    await online(anna, 'Billy')
    const heard = messages(billy, 1)
    expect(await anna.send('Billy', 'sealed')).toMatchObject({ state: 'delivered' })
    expect((await heard)[0]?.text).toBe('sealed')
    // A client with a key does not fall back to an open server.
    const open = await start({ id: 'three' })
    await expect(connect({ user: 'Anna', servers: open.url, key: pem() })).rejects.toThrow(
      /does not use keys but Anna has one/,
    )
  })
})

describe('invalid options', () => {
  test('a server reachable from other machines needs a secret and auth', async () => {
    const refused = (options: Partial<CreateServerOptions>) => expect(createServer({ id: 'one', ...options })).rejects
    await refused({ host: '0.0.0.0' }).toThrow(/set the URL at which others reach it with advertise/)
    const host = { host: '0.0.0.0', advertise: 'http://localhost:1' }
    await refused(host).toThrow(/the mesh has no secret; set secret, or insecure: true/)
    await refused({ ...host, secret: 'short' }).toThrow(/16 characters/)
    const secret = 'a secret that is long enough'
    await refused({ ...host, secret }).toThrow(/auth is not set; set auth to key/)
    await refused({ auth: 'token' }).toThrow(/set tokenKey/)
    await start({ id: 'one', ...host, secret, auth: 'open' })
    const lines: LogLine[] = []
    await start({ id: 'two', ...host, insecure: true, log: line => lines.push(line) })
    expect(lines.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      'No secret is set: anyone who can reach this server can join the mesh as a server.',
      'User names are not verified: anyone who can reach this server can use any name.',
    ])
    expect(lines.map(({ message }) => message)).toContain('Attempting to connect to peers...')
  })

  test('invalid options, a port in use, and an invalid name reject', async () => {
    const loose = createServer as unknown as (options: object) => Promise<ChatServer>
    await expect(loose({})).rejects.toThrow(/createServer: id/)
    await expect(loose({ id: 'one', prot: 1 })).rejects.toThrow(/prot/)
    await expect(loose({ id: 'one', port: 70_000 })).rejects.toThrow(/createServer: port/)
    await expect(loose({ id: 'one', limits: { messages: 1 } })).rejects.toThrow(/createServer: limits/)
    await expect(loose({ id: 'one', rooms: [{ name: 'ops' }] })).rejects.toThrow(
      /createServer: rooms\.0\.name: is invalid: a room name has #/,
    )
    const taken = createTcpServer()
    const [port = 0] = await freePorts(1)
    await new Promise<void>(resolve => taken.listen(port, '127.0.0.1', resolve))
    const inUse = await createServer({ id: 'one', port }).catch(error => error)
    expect(inUse).toMatchObject({
      message: `port ${port} is already in use; choose another with port`,
      cause: { code: 'EADDRINUSE' },
    })
    const elsewhere = { host: '192.0.2.1', secret: 'a secret that is long enough', auth: 'open' as const }
    await expect(createServer({ id: 'one', ...elsewhere })).rejects.toThrow(
      '192.0.2.1 is not an address of this machine; choose another with host',
    )
    taken.close()
    await expect(connect({ user: '\u202e', servers: 'http://127.0.0.1:1' })).rejects.toThrow(/connect: user/)
    await expect(connect({ user: 'Anna', servers: [] })).rejects.toThrow(/connect: servers/)
    await expect(connect({ user: 'Anna', servers: 'http://127.0.0.1:1', key: 'x' })).rejects.toThrow(/connect: key/)
    await expect(connect({ user: 'Anna', servers: ['http://127.0.0.1:1', 'http://127.0.0.1:2'] })).rejects.toThrow(
      /no server answers at http:\/\/127\.0\.0\.1:1, http:\/\/127\.0\.0\.1:2/,
    )
    const { url } = await start({ id: 'one' })
    const anna = await enter('Anna', url)
    await expect(anna.send('', 'x')).rejects.toThrow(RangeError)
    await expect(anna.send('Billy', '')).rejects.toThrow(RangeError)
  })
})

describe('closing a server', () => {
  test('close drains, frees the port, can be called twice, and disconnects remaining clients', async () => {
    const signals = process.listenerCount('SIGTERM') + process.listenerCount('SIGINT') + process.listenerCount('SIGHUP')
    const [port = 0] = await freePorts(1)
    const one = await start({ id: 'one', port })
    const lines: string[] = []
    const two = await start({
      id: 'two',
      log: ({ message }) => lines.push(message),
      peers: [
        { id: 'one', url: one.url },
        { id: 'two', url: 'http://127.0.0.1:1' },
      ],
    })
    const billy = await enter('Billy', two.url)
    const stays = io(one.url, { transports: ['websocket'], reconnection: false, forceNew: true })
    await new Promise(resolve => stays.on('connect', () => stays.emit('identify', 'Stays') && resolve(undefined)))
    await online(billy, 'Stays')
    expect(process.listenerCount('SIGTERM') + process.listenerCount('SIGINT') + process.listenerCount('SIGHUP')).toBe(
      signals,
    )
    await Promise.all([one.close(), one.close()])
    await until('the client is disconnected', () => !stays.connected)
    await until('its users leave the roster', () => !billy.isOnline('Stays'))
    // At once: without a grace period.
    const goodbye = lines.indexOf('Peer: one is shutting down.')
    expect(lines[goodbye + 1]).toBe('Removing 1 user of peer: one')
    expect(await one.ended).toBeUndefined()
    const again = await start({ id: 'one', port })
    expect(again.url).toBe(one.url)
  })

  test('a closed server does not keep the program alive, despite a pending dial and a silent client', async () => {
    const mute = createTcpServer()
    const [port = 0] = await freePorts(1)
    await new Promise<void>(resolve => mute.listen(port, '127.0.0.1', resolve))
    const library = pathToFileURL(join(process.cwd(), 'dist/daemon/library.js')).href
    const program = `
      import { createServer } from '${library}'
      const server = await createServer({ id: 'one', join: ['http://127.0.0.1:${port}'] })
      process.send(server.url)
      process.once('message', async () => {
        process.disconnect()
        await server.close()
        console.log('closed')
        // This timer keeps no program alive. What does would do so for at least four seconds.
        setTimeout(() => console.log('still alive', ...process.getActiveResourcesInfo()), 3_000).unref()
      })`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    })
    const url = await new Promise<string>(resolve => child.once('message', resolve))
    // Opens a WebSocket and stays silent; it does not even answer the close frame.
    const raw = connectTcp(Number(new URL(url).port), '127.0.0.1')
    const upgrade = ['Host: x', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13']
    raw.write(`GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n${upgrade.join('\r\n')}\r\n`)
    raw.write(`Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`)
    raw.on('error', () => {})
    await new Promise(resolve => raw.once('data', resolve))
    let out = ''
    child.stdout?.on('data', chunk => {
      out += chunk
    })
    const ended = new Promise<number | null>(resolve => child.once('close', resolve))
    child.send('close')
    expect(await ended).toBe(0)
    expect(out).toBe('closed\n')
    raw.destroy()
    mute.close()
  })

  test('a second server with the same id stops with an error, and the program continues', async () => {
    const [port = 0] = await freePorts(1)
    const hub = await start({ id: 'hub', port })
    await start({ id: 'twin', peers: [{ id: 'hub', url: hub.url }] })
    const watcher = await enter('Watcher', hub.url)
    const second = await start({ id: 'twin', peers: [{ id: 'hub', url: hub.url }] })
    const reason = await second.ended
    expect(reason?.message).toContain('another server with the id twin is in the mesh')
    await second.close()
    expect(watcher.connection.phase).toBe('online')
  })
})

async function messages(client: ChatClient, count: number) {
  const all: { text: string }[] = []
  for await (const message of client) if (all.push(message) === count) break
  return all
}
