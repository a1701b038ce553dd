import { randomBytes } from 'node:crypto'
import { RawClient } from './raw-client.ts'

/**
 * Connects a user of mesh-chat. Like the product's own client, identifies with the first packet, has the server prove its
 * mesh, and takes a view of a long roster.
 * @param onBytes see `RawClient.onBytes`
 */
export async function connectIdleUser(
  port: number,
  user: string,
  onBytes: (bytes: Buffer) => boolean = () => true,
): Promise<RawClient> {
  const proof = { nonce: randomBytes(16).toString('base64url'), origin: `http://127.0.0.1:${port}` }
  const identify = { user, client: 'bench/1', protocol: 2, rooms: true, packed: true, views: true, ...proof }
  const answer = '2["identified"'
  let onIdentified: () => void = () => {}
  const identified = new Promise<void>(resolve => {
    onIdentified = resolve
  })
  const client = await RawClient.open(port, JSON.stringify({ identify }), packet => {
    if (packet.subarray(0, answer.length).toString() === answer) onIdentified()
    return onBytes(packet)
  })
  await identified
  return client
}
