/** Two servers in one process count their own slow consumers. */
import { io } from 'socket.io-client'
import { afterEach, expect, test } from 'vitest'
import { FloodingClient } from '../../support/attacks/flooding-client.ts'
import { startInProcess } from '../../support/in-process-server.ts'
import { until } from '../../support/programs/processes.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

test('a server counts the slow consumers that it disconnects, and not those of another server in its process', async () => {
  const limits = { bufferedBytes: 500_000, messagesPerSecond: 0, unconfirmedMessages: 0 }
  const [one, other] = [await startInProcess('one', { limits }), await startInProcess('other', { limits })]
  cleanups.push(
    () => one.close(),
    () => other.close(),
  )
  const slow = new FloodingClient(Number(new URL(one.url).port), 'Slow')
  cleanups.push(() => slow.close())
  await until('it is online', () => one.roster().includes('Slow'))
  slow.pause()
  const sender = io(one.url, { transports: ['websocket'], forceNew: true, reconnection: false })
  cleanups.push(() => sender.disconnect())
  await sender.emitWithAck('identify', { user: 'Sender', client: 'x/1', protocol: 2 })
  let echoed = 0
  sender.on('im', () => echoed++)
  for (let n = 0; n < 3_000 && one.cutOff().client === 0; n++) {
    sender.emit('im', { id: `m${n}`, at: Date.now(), to: 'Slow', text: 'x'.repeat(16_000) })
    // The sender reads its echoes, so it is not slow itself.
    if (n % 10 === 0) await until('the sender has read', () => echoed > n - 20)
  }
  expect(one.cutOff()).toEqual({ client: 1, peer: 0 })
  expect(other.cutOff()).toEqual({ client: 0, peer: 0 })
})
