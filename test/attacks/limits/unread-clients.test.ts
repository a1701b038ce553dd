/** Clients that do not read what they get: what waits for all of them together is bounded, and the others notice nothing. */
import { afterEach, expect, test } from 'vitest'
import { RawWebSocket } from '../../support/attacks/raw-web-socket.ts'
import { type InProcessServer, startInProcess } from '../../support/in-process-server.ts'
import { until } from '../../support/programs/processes.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

const MB = 1024 * 1024
const LIMIT = 8 * MB

async function start() {
  const limits = { unreadBytes: LIMIT, bufferedBytes: 0, messagesPerSecond: 0, unconfirmedMessages: 0, textBytes: 0 }
  const server = await startInProcess('server-1', { limits })
  cleanups.push(() => server.close())
  return { server, port: Number(new URL(server.url).port) }
}

const isZero = ({ counts }: InProcessServer) => Object.values(counts()).every(count => count === 0)

async function join(port: number, user: string): Promise<RawWebSocket> {
  const client = await RawWebSocket.join(port, user)
  cleanups.push(() => client.close())
  return client
}

let lastId = 0
const messageTo = (to: string) =>
  `42${JSON.stringify(['im', { id: `m${++lastId}`, at: Date.now(), to, text: 'x'.repeat(200_000) }])}`

test('E18: the client with the most unsent data is closed, and the counter returns to 0', async () => {
  const { server, port } = await start()
  const [sender, reader] = [await join(port, 'Sender'), await join(port, 'Reader')]
  const slow: RawWebSocket[] = []
  for (let n = 0; n < 6; n++) {
    const client = await join(port, 'Slow')
    client.pause()
    slow.push(client)
  }
  let most = 0
  // The kernel keeps some megabytes for each of them, and the rest waits in the server.
  for (let round = 0; round < 100 && server.cutOff().client < 3; round++) {
    const before = sender.receivedBytes
    sender.send(messageTo('Slow'))
    await until('the sender has its echo', () => sender.receivedBytes - before > 200_000)
    most = Math.max(most, server.counts().unreadBytes)
  }
  expect(server.cutOff().client).toBeGreaterThanOrEqual(3)
  expect(most).toBeGreaterThan(LIMIT / 2)
  expect(most).toBeLessThanOrEqual(LIMIT)
  expect(server.lines).toContain('Disconnected a slow client: too many unsent bytes of all clients.')
  expect([sender.isOpen, reader.isOpen]).toEqual([true, true])
  const before = reader.receivedBytes
  sender.send(messageTo('Reader'))
  await until('the reader has it', () => reader.receivedBytes - before > 200_000)
  for (const client of [...slow, sender, reader]) client.close()
  await until('all counters are 0', () => isZero(server))
})

test('E18: data for clients of long polling that do not ask for it counts, too', async () => {
  const { server, port } = await start()
  const sender = await join(port, 'Sender')
  const endpoint = `${server.url}/socket.io/?EIO=4&transport=polling`
  const open = await (await fetch(endpoint)).text()
  const session = `${endpoint}&sid=${/"sid":"([^"]+)"/.exec(open)?.[1]}`
  const post = (body: string) => fetch(session, { method: 'POST', body }).then(answer => answer.text())
  await post('40')
  await post(`42${JSON.stringify(['identify', { user: 'Slow', client: 'x/1', protocol: 2 }])}`)
  await until('it is identified', () => server.roster().includes('Slow'))
  let most = 0
  for (let n = 0; n < 60 && server.cutOff().client === 0; n++) {
    const before = sender.receivedBytes
    sender.send(messageTo('Slow'))
    await until('the sender has its echo', () => sender.receivedBytes - before > 200_000)
    most = Math.max(most, server.counts().unreadBytes)
  }
  expect(server.cutOff().client).toBe(1)
  expect(most).toBeGreaterThan(LIMIT - MB)
  expect(most).toBeLessThanOrEqual(LIMIT)
  sender.close()
  await until('all counters are 0', () => isZero(server))
})
