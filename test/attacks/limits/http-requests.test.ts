/** HTTP requests and TCP connections outside of the chat: what they hold is bounded, and other users do not wait for them. */
import { readFileSync } from 'node:fs'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { selfTest } from '../../../daemon/transport/self-test.ts'
import { SocketServer } from '../../../daemon/transport/socket-server.ts'
import { DEFAULT_LIMITS, type Limits } from '../../../src/protocol/limits.ts'
import { clientFrame, RawWebSocket } from '../../support/attacks/raw-web-socket.ts'
import { startInProcess } from '../../support/in-process-server.ts'
import { until } from '../../support/programs/processes.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

const KB = 1024
const MB = 1024 * KB
const pem = (name: string) => readFileSync(new URL(`../../support/tls/${name}.pem`, import.meta.url), 'utf8')
const TLS = { cert: pem('one'), key: pem('one-key'), ca: pem('ca') }

async function startSocketServer(limits: Partial<Limits> = {}, tls: typeof TLS | undefined = undefined) {
  const { features } = await selfTest()
  const server = new SocketServer({
    tls,
    pages: { hostNames: [], origins: [] },
    limits: { ...DEFAULT_LIMITS, ...limits },
    log: { write: () => {}, note: () => {} },
    features,
    cutOffCounts: { client: 0, peer: 0 },
    isExempt: () => false,
  })
  const port = await server.listen({ port: 0, host: '127.0.0.1' })
  cleanups.push(() => server.close())
  return { server, port }
}

class RawHttp {
  readonly socket: Socket
  text = ''
  isOpen = true

  constructor(port: number, socket: Socket = connectTcp(port, '127.0.0.1')) {
    this.socket = socket
    cleanups.push(() => socket.destroy())
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isOpen = false
    })
    socket.on('data', (chunk: Buffer) => {
      this.text = (this.text + chunk.toString('latin1')).slice(-10_000)
    })
  }

  send(...lines: string[]): void {
    for (const line of lines) this.socket.write(line)
  }

  /** Resolves when `count` answers have begun to arrive, or the connection is closed. */
  async answered(count = 1): Promise<void> {
    await until(`answer ${count}`, () => this.text.split('HTTP/1.1 ').length > count || !this.isOpen)
  }
}

const request = (method: string, query: string, body = '', more = '') =>
  `${method} /socket.io/?EIO=4&transport=polling${query} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}${
    body === '' ? '' : `Content-Length: ${Buffer.byteLength(body)}\r\n`
  }\r\n${body}`

/** Starts a session of long polling over a connection. */
async function startSession(http: RawHttp): Promise<string> {
  http.text = ''
  http.send(request('GET', ''))
  await until('the session has started', () => http.text.includes('"sid"'))
  return `&sid=${/"sid":"([^"]+)"/.exec(http.text)?.[1]}`
}

describe('requests', () => {
  test('a connection that sends a request before its last one is answered is closed', async () => {
    const { server, port } = await startSocketServer()
    let requests = 0
    server.http.prependListener('request', () => requests++)
    const http = new RawHttp(port)
    http.send('GET /x HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(100))
    await until('it is closed', () => !http.isOpen)
    const polling = new RawHttp(port)
    const sid = await startSession(polling)
    polling.send(request('GET', sid), request('GET', sid))
    await until('it is closed', () => !polling.isOpen)
    await until('the session has ended', () => server.counts.engine === 0)
  })

  test('a connection may send any number of requests one after another', async () => {
    const { port } = await startSocketServer()
    const http = new RawHttp(port)
    for (let n = 1; n <= 20; n++) {
      http.send('GET /x HTTP/1.1\r\nHost: x\r\n\r\n')
      await http.answered(n)
    }
    expect(http.isOpen).toBe(true)
  })

  test.each([
    ['an unknown path', 'POST /x HTTP/1.1\r\nHost: x\r\n'],
    ['an unknown session', 'POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\n'],
    ['no session', 'POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n'],
    ['a body of GET', 'GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n'],
  ])('a body for %s is not read to its end', async (_, head) => {
    const { port } = await startSocketServer()
    for (const length of ['Content-Length: 99999999999\r\n\r\n', 'Transfer-Encoding: chunked\r\n\r\n']) {
      const http = new RawHttp(port)
      http.send(`${head}${length}`)
      await until('it is closed', () => !http.isOpen)
      expect(http.text).toMatch(/^HTTP\/1\.1 [24]/)
    }
  })

  test('a body in very small pieces counts what each of them costs', async () => {
    const { server, port } = await startSocketServer()
    const http = new RawHttp(port)
    const sid = await startSession(http)
    http.send(request('POST', sid, '', 'Transfer-Encoding: chunked\r\n'), '1\r\nx\r\n'.repeat(2_000))
    await until('the session has ended', () => server.counts.engine === 0)
    await until('nothing is held', () => server.counts.heldBytes === 0)
  })

  test('a body on the side does not hide what a WebSocket of the same session holds', async () => {
    const server = await startInProcess('server-1')
    cleanups.push(() => server.close())
    const port = Number(new URL(server.url).port)
    const http = new RawHttp(port)
    const sid = await startSession(http)
    const client = new RawHttp(port)
    client.send(
      `GET /socket.io/?EIO=4&transport=websocket${sid} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    await client.answered()
    client.socket.write(clientFrame('2probe'))
    await until('it may upgrade', () => client.text.includes('3probe'))
    client.socket.write(clientFrame('5'))
    client.socket.write(clientFrame('x'.repeat(30 * KB), { final: false }))
    await until('it is counted', () => server.counts().heldBytes > 30 * KB)
    const before = server.counts().heldBytes
    const side = new RawHttp(port)
    side.send(request('POST', sid, 'x'.repeat(100)))
    await side.answered()
    await until('the request is complete', () => !side.isOpen || side.text.includes('"code"'))
    expect(server.counts().heldBytes).toBe(before)
  })
})

describe('answers that are not read', () => {
  const LARGE = `2${JSON.stringify(['im', 'x'.repeat(12 * MB)])}`

  /** Sessions of long polling whose answer is not read; each is larger than what the kernel takes on loopback. */
  async function unreadSession(server: SocketServer, port: number) {
    const http = new RawHttp(port)
    const connected = new Promise<{ write(text: string): unknown; close(discard: boolean): unknown }>(resolve =>
      server.io.engine.once('connection', resolve),
    )
    const sid = await startSession(http)
    const engine = await connected
    http.socket.pause()
    http.send(request('GET', sid))
    return { http, engine }
  }

  test('count as held until they are read, and the surplus is closed', async () => {
    const { server, port } = await startSocketServer({ heldBytes: 20 * MB, bufferedBytes: 0 })
    const sessions: RawHttp[] = []
    let most = 0
    for (let n = 0; n < 4; n++) {
      const { http, engine } = await unreadSession(server, port)
      sessions.push(http)
      await until('it polls', () => (engine as { transport?: { writable: boolean } }).transport?.writable === true)
      engine.write(LARGE)
      most = Math.max(most, server.counts.heldBytes)
      await until('it waits, or one was closed', () => server.counts.heldBytes > 4 * MB)
    }
    expect(most).toBeGreaterThan(4 * MB)
    expect(most).toBeLessThanOrEqual(20 * MB)
    for (const { socket } of sessions) socket.resume()
    await until('what is left has been read', () => server.counts.heldBytes === 0)
  })

  test('count when their session has ended, too, and are cut off', async () => {
    const { server, port } = await startSocketServer({ bufferedBytes: 0 })
    const { http, engine } = await unreadSession(server, port)
    await until('it polls', () => (engine as { transport?: { writable: boolean } }).transport?.writable === true)
    engine.write(LARGE)
    expect(server.counts.heldBytes).toBeGreaterThan(4 * MB)
    engine.close(true)
    expect(server.counts.engine).toBe(0)
    expect(server.counts.heldBytes).toBeGreaterThan(4 * MB)
    await until('nothing is held', () => server.counts.heldBytes === 0 && server.counts.tcp === 0)
    http.socket.resume()
    await until('it is closed', () => !http.isOpen)
  })

  test('count for bufferedBytes: a session with more is closed', async () => {
    const { server, port } = await startSocketServer({ bufferedBytes: 2 * MB })
    const { engine } = await unreadSession(server, port)
    await until('it polls', () => (engine as { transport?: { writable: boolean } }).transport?.writable === true)
    const packet = `2${JSON.stringify(['im', 'x'.repeat(1.9 * MB)])}`
    for (let n = 0; n < 20 && server.counts.engine > 0; n++) {
      engine.write(packet)
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(server.counts.engine).toBe(0)
  })
})

describe('TCP connections of all addresses', () => {
  /** A ClientHello, which starts a handshake that is never finished. */
  async function clientHello(): Promise<Buffer> {
    return new Promise(resolve => {
      const listening = createServer(socket => {
        socket.once('data', data => {
          resolve(data)
          socket.destroy()
          listening.close()
        })
      })
      listening.listen(0, '127.0.0.1', () => {
        const address = listening.address()
        const port = typeof address === 'object' ? (address?.port ?? 0) : 0
        connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }).on('error', () => {})
      })
    })
  }

  test('above the limit the oldest without a session gives way, and never one with a session', async () => {
    const { server, port } = await startSocketServer({ connections: 4 })
    const client = await RawWebSocket.open(port)
    cleanups.push(() => client.close())
    const polling = new RawHttp(port)
    await startSession(polling)
    const idle: RawHttp[] = []
    for (let n = 0; n < 20; n++) {
      const connection = new RawHttp(port)
      idle.push(connection)
      await until('it is connected', () => !connection.socket.connecting)
    }
    await until('the oldest are closed', () => idle.filter(({ isOpen }) => isOpen).length <= 6)
    await until('eight are open', () => server.counts.tcp === 8)
    expect(idle.slice(14).every(({ isOpen }) => isOpen)).toBe(true)
    expect([client.isOpen, polling.isOpen]).toEqual([true, true])
    const late = await RawWebSocket.open(port)
    expect(late.isOpen).toBe(true)
    late.close()
  })

  test('handshakes of TLS under way give way to others, and are counted down', async () => {
    const { server, port } = await startSocketServer({ connections: 4 }, TLS)
    const hello = await clientHello()
    const pending = Array.from({ length: 20 }, () => {
      const http = new RawHttp(port)
      http.socket.write(hello)
      return http
    })
    await until('the surplus is closed', () => pending.filter(({ isOpen }) => isOpen).length <= 8)
    const user = new RawHttp(port, connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }))
    await startSession(user)
    // The connection of the user is not one that gives way.
    for (let n = 0; n < 20; n++) new RawHttp(port)
    await until('eight are open', () => server.counts.tcp === 8)
    user.text = ''
    user.send('GET /x HTTP/1.1\r\nHost: x\r\n\r\n')
    await user.answered()
    expect(user.isOpen).toBe(true)
    for (const clean of cleanups.splice(1)) clean()
    await until('all are counted down', () => server.counts.tcp === 0)
  })
})
