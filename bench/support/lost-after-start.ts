/** Counts messages lost when they are sent before the servers of a mesh are linked. */
import { randomUUID } from 'node:crypto'
import { NO_STORAGE, openSession } from '../../cli/session/connection.ts'
import { startMesh, until } from './servers.ts'

/** Messages not delivered after this long count as lost, ms. */
const DELIVERY_TIMEOUT_MS = 10_000

/**
 * Starts two servers, connects pairs of users across them with the product's own client, and sends one message per pair
 * as soon as its sender is connected. Returns the number of messages that were not delivered.
 */
export async function lostAfterStart(pairs: number): Promise<number> {
  const system = await startMesh(2, { waitsForLinks: false })
  const [first, second] = system.ports.map(port => `http://127.0.0.1:${port}`)
  const delivered = new Set<string>()
  const clients = Array.from({ length: pairs }, (_, n) => {
    const open = (user: string, url: string, listener: Parameters<typeof openSession>[2]) =>
      openSession(
        { user, client: 'bench/1', instance: randomUUID(), servers: [url], random: Math.random },
        NO_STORAGE,
        listener,
      )
    const recipient = open(`recipient-${n}`, second ?? '', event => {
      if (event.type === 'message') delivered.add(event.message.text)
    })
    let isSent = false
    const sender = open(`sender-${n}`, first ?? '', event => {
      if (isSent || event.type !== 'connection' || event.state.phase !== 'online') return
      isSent = true
      sender({ type: 'compose', to: `recipient-${n}`, text: `message of pair ${n}` })
    })
    return [sender, recipient]
  }).flat()
  await until('all messages are delivered', () => delivered.size === pairs, DELIVERY_TIMEOUT_MS).catch(() => {})
  for (const client of clients) client({ type: 'close' })
  system.stop()
  return pairs - delivered.size
}
