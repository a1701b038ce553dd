/** Connections as no client makes them: each ends, or is served as others, and every counter returns to 0. */
import { connect, type Socket as TcpSocket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { clientFrame, RawWebSocket } from '../../support/attacks/raw-web-socket.ts'
import { type InProcessServer, startInProcess } from '../../support/in-process-server.ts'
import { until } from '../../support/programs/processes.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

async function start(options: Parameters<typeof startInProcess>[1] = {}) {
  const server = await startInProcess('server-1', options)
  cleanups.push(() => server.close())
  return { server, port: Number(new URL(server.url).port) }
}

const allAreZero = (server: InProcessServer) =>
  until('all counters are 0', () => Object.values(server.counts()).every(count => count === 0))

/** A TCP connection, with what it received so far. */
function open(port: number, text: string, host = '127.0.0.1') {
  const client = { socket: connect(port, host) as TcpSocket, received: '', isOpen: true }
  client.socket.on('error', () => {})
  client.socket.on('close', () => {
    client.isOpen = false
  })
  client.socket.on('data', chunk => {
    client.received += chunk.toString('latin1')
  })
  client.socket.write(text)
  cleanups.push(() => client.socket.destroy())
  return client
}

const upgrade = (query: string, ...headers: string[]) =>
  [
    `GET /socket.io/?EIO=4&transport=websocket${query} HTTP/1.1`,
    ...['Host: x', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13', ...headers],
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  ].join('\r\n')

async function startPolling(url: string): Promise<string> {
  const endpoint = `${url}/socket.io/?EIO=4&transport=polling`
  return /"sid":"([^"]+)"/.exec(await (await fetch(endpoint)).text())?.[1] ?? ''
}

test('V12: compression is not agreed to, and a compressed frame ends the connection', async () => {
  const { server, port } = await start()
  const offers = open(port, upgrade('', 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'))
  await until('it is open', () => offers.received.includes('0{"sid"'))
  expect(offers.received).not.toMatch(/sec-websocket-extensions/i)
  const client = await RawWebSocket.join(port, 'Anna')
  cleanups.push(() => client.close())
  const frame = clientFrame('42["roster"]')
  frame[0] = 0xc1
  client.write(frame)
  await until('it is closed', () => !client.isOpen)
  offers.socket.destroy()
  await allAreZero(server)
})

test('a compressed body of long polling is not expanded', async () => {
  const { server } = await start()
  const sid = await startPolling(server.url)
  const { gzipSync } = await import('node:zlib')
  const answer = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`, {
    method: 'POST',
    headers: { 'content-encoding': 'gzip', 'content-type': 'text/plain;charset=UTF-8' },
    body: gzipSync('x'.repeat(10_000_000)),
  })
  await answer.text()
  await allAreZero(server)
})

test('a session that many WebSockets upgrade at once has one of them, and the others end', async () => {
  const { server, port } = await start()
  const sid = await startPolling(server.url)
  const clients = Array.from({ length: 20 }, () => open(port, upgrade(`&sid=${sid}`)))
  await until('all are answered', () => clients.every(one => one.received.includes('101 ') || !one.isOpen))
  for (const { socket } of clients) socket.write(clientFrame('2probe'))
  await until('one is probed', () => clients.some(one => one.received.includes('3probe')))
  for (const { socket } of clients)
    socket.write(Buffer.concat([clientFrame('2probe'), clientFrame('5'), clientFrame('5')]))
  await until('the others end', () => clients.filter(one => one.isOpen).length <= 1)
  expect(server.counts().engine).toBeLessThanOrEqual(1)
  for (const { socket } of clients) socket.destroy()
  await allAreZero(server)
})

test('a session may be continued from another address, and a forwarded address in a header is not believed', async () => {
  const { server, port } = await start({ host: '0.0.0.0' })
  const sid = await startPolling(server.url)
  const forwarded = 'X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1'
  const poll = `GET /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: 127.0.0.1\r\n${forwarded}\r\n\r\n`
  const post = `POST /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n40`
  const poller = open(port, poll, '127.0.0.2')
  const poster = open(port, post, '127.0.0.3')
  await until('the poll of one is answered for the post of the other', () => poller.received.includes('40{"sid"'))
  await until('the post is answered', () => poster.received.includes('200 OK'))
  // A second poll at the same time ends the session, as Engine.IO has it.
  const polls = [open(port, poll, '127.0.0.2'), open(port, poll, '127.0.0.4')]
  await until('it has ended', () => server.counts().engine === 0 || polls.some(one => one.received.includes('400')))
  for (const { socket } of [poller, poster, ...polls]) socket.destroy()
  await allAreZero(server)
})

test('huge URLs, headers and numbers of calls are refused or answered, and other users notice nothing', async () => {
  const { server, port } = await start()
  const anna = await RawWebSocket.join(port, 'Anna')
  cleanups.push(() => anna.close())
  const long = 'x'.repeat(100_000)
  const requests = [
    `GET /${long} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET /socket.io/?EIO=4&transport=polling&${'sid=x&'.repeat(2_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: x\r\nX: ${long}\r\n\r\n`,
    `GET http://[::1:x/ HTTP/1.1\r\nHost: x\r\n\r\n`,
  ]
  for (const request of requests) {
    const client = open(port, request)
    await until('it is answered', () => /^HTTP\/1.1 4/.test(client.received) || !client.isOpen)
    client.socket.destroy()
  }
  const calls = ['9'.repeat(15), '9'.repeat(16), '9'.repeat(400), '0'.repeat(400)]
  for (const call of calls) {
    const client = await RawWebSocket.join(port, 'Billy')
    cleanups.push(() => client.close())
    client.send(`42${call}["roster"]`, `43${call}["answer"]`, `43${call}[]`, '4299["roster"]')
    await until('it is answered or closed', () => client.received.includes('4399[') || !client.isOpen)
    client.close()
  }
  anna.send('421["roster"]')
  await until('Anna is served', () => anna.received.includes('431['))
  anna.close()
  await allAreZero(server)
})

test('1,000 connections that are reset at any time leave nothing', async () => {
  const { server, port } = await start()
  const anna = await RawWebSocket.join(port, 'Anna')
  cleanups.push(() => anna.close())
  const identify = JSON.stringify(['identify', { user: 'Billy', client: 'x/1', protocol: 2 }])
  const starts = ['', 'GET ', upgrade(''), upgrade('') + clientFrame('40').toString('latin1')]
  for (let round = 0; round < 10; round++) {
    const clients = Array.from({ length: 100 }, (_, n) => open(port, starts[n % starts.length] ?? ''))
    await until('all are connected', () => clients.every(({ socket }) => !socket.connecting))
    for (const [n, { socket }] of clients.entries()) {
      if (n % 8 === 2) socket.write(Buffer.concat([clientFrame('40'), clientFrame(`420${identify}`)]))
      if (n % 8 === 7) await new Promise(resolve => setImmediate(resolve))
      socket.resetAndDestroy()
    }
  }
  anna.send('421["roster"]')
  await until('Anna is served', () => anna.received.includes('431[{"version"'))
  await until('only Anna is left', () => server.roster().join() === 'Anna' && server.counts().engine === 1)
  anna.close()
  await allAreZero(server)
})
