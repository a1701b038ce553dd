import { randomBytes } from 'node:crypto'
import { RawClient } from './raw-client.ts'

/** The start of the answer to `identifyAuth`. */
export const IDENTIFIED = '2["identified"'

/**
 * The payload of a user's connect packet, as JSON. Like the product's own client, it identifies with the first packet, has the
 * server prove its mesh, and takes a view of a long roster.
 */
export function identifyAuth(port: number, user: string): string {
  const proof = { nonce: randomBytes(16).toString('base64url'), origin: `http://127.0.0.1:${port}` }
  const identify = {
    user,
    client: 'bench/1',
    protocol: 2,
    rooms: true,
    packed: true,
    views: true,
    batched: true,
    ...proof,
  }
  return JSON.stringify({ identify })
}

/**
 * Connects a user of mesh-chat.
 * @param onBytes see `RawClient.onBytes`
 */
export async function connectIdleUser(
  port: number,
  user: string,
  onBytes: (bytes: Buffer) => boolean = () => true,
): Promise<RawClient> {
  let onIdentified: () => void = () => {}
  const identified = new Promise<void>(resolve => {
    onIdentified = resolve
  })
  const client = await RawClient.open(port, identifyAuth(port, user), packet => {
    if (packet.subarray(0, IDENTIFIED.length).toString() === IDENTIFIED) onIdentified()
    return onBytes(packet)
  })
  await identified
  return client
}
