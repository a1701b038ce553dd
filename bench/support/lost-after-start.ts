/** What becomes of the messages that are sent before the servers of a mesh have found each other. */
import { randomUUID } from 'node:crypto'
import { NO_STORAGE, openSession } from '../../cli/session/connection.ts'
import { startMesh, until } from './servers.ts'

/** Time for the last message to arrive, ms. */
const DELIVERY_TIMEOUT_MS = 10_000

/**
 * Starts two servers, connects so many pairs across them with the product's own client, and sends a message per pair as
 * soon as its sender is connected; answers with how many never arrived.
 */
export async function lostAfterStart(pairs: number): Promise<number> {
  const system = await startMesh(2, 0)
  const [first, second] = system.ports.map(port => `http://127.0.0.1:${port}`)
  const arrived = new Set<string>()
  const clients = Array.from({ length: pairs }, (_, n) => {
    const open = (user: string, url: string, listener: Parameters<typeof openSession>[2]) =>
      openSession(
        { user, client: 'bench/1', instance: randomUUID(), servers: [url], random: Math.random },
        NO_STORAGE,
        listener,
      )
    const recipient = open(`recipient-${n}`, second ?? '', event => {
      if (event.type === 'message') arrived.add(event.message.text)
    })
    let said = false
    const sender = open(`sender-${n}`, first ?? '', event => {
      if (said || event.type !== 'connection' || event.state.phase !== 'online') return
      said = true
      sender({ type: 'compose', to: `recipient-${n}`, text: `message of pair ${n}` })
    })
    return [sender, recipient]
  }).flat()
  // What has not arrived by then is counted as lost.
  await until('all messages', () => arrived.size === pairs, DELIVERY_TIMEOUT_MS).catch(() => {})
  for (const client of clients) client({ type: 'close' })
  system.stop()
  return pairs - arrived.size
}
