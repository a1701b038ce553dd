/** `auth: token`: the server of the author signs each message to a room, so that nobody can change it later. */
import { createHmac } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { deriveMeshKey, isSignature } from '../../../daemon/auth/mesh-key.ts'
import { parseTokenKey } from '../../../daemon/auth/tokens.ts'
import type { DeliveredMessage } from '../../../src/protocol/messages.ts'
import type { AuthMode } from '../../../src/protocol/proofs/credentials.ts'
import { roomMessageText } from '../../../src/protocol/proofs/room-proof.ts'
import { type InProcessServer, startInProcess } from '../../support/in-process-server.ts'
import { until } from '../../support/programs/processes.ts'
import { RawClient } from '../../support/programs/raw-client.ts'

const SECRET = 'a secret of sixteen or more'
const TOKEN_SECRET = 'the secret that the operator signs tokens with'
const MESH_KEY = deriveMeshKey(SECRET).publicKey

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const end of cleanups.splice(0).reverse()) await end()
})

function tokenFor(user: string): string {
  const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${base64url({ alg: 'HS256' })}.${base64url({ sub: user, exp: Math.floor(Date.now() / 1_000) + 600 })}`
  return `${signed}.${createHmac('sha256', TOKEN_SECRET).update(signed).digest('base64url')}`
}

async function start(
  id: string,
  auth: AuthMode,
  secret: string,
  ...peers: InProcessServer[]
): Promise<InProcessServer> {
  const tokenKey = auth === 'token' ? parseTokenKey(TOKEN_SECRET, 'the test') : undefined
  const seeds = peers.map(({ url }) => url)
  const server = await startInProcess(id, { auth, secret, seeds, tokenKey })
  cleanups.push(() => server.close())
  return server
}

async function connect({ url }: InProcessServer, user: string): Promise<RawClient> {
  const client = await RawClient.connect(url, user, { token: tokenFor(user) })
  cleanups.push(() => client.close())
  return client
}

/** Anna and Billy are in a room, each on a server of its own; both get what Anna says. */
async function sayInRoom(auth: AuthMode, secret: string, more: object = {}): Promise<DeliveredMessage[]> {
  const one = await start('server-1', auth, secret)
  const two = await start('server-2', auth, secret, one)
  const [anna, billy] = [await connect(one, 'Anna'), await connect(two, 'Billy')]
  for (const client of [anna, billy]) expect(await client.join('#ops')).toMatchObject({ ok: true })
  await until('Anna knows of Billy', () =>
    anna.roomEvents.some(event => 'joined' in event && event.joined.includes('Billy')),
  )
  expect(await anna.send('#ops', 'restart the database', more)).toMatchObject({ ok: true })
  await until('both have it', () => [anna, billy].every(({ messages }) => messages.length === 1))
  return [...anna.messages, ...billy.messages]
}

test('the proof verifies with the key of the mesh, and not for another message', async () => {
  for (const message of await sayInRoom('token', SECRET, { proof: 'a proof of the client, which does not count' })) {
    const isProven = (changed: object) =>
      isSignature(roomMessageText({ ...message, ...changed }, MESH_KEY), MESH_KEY, message.proof)
    expect(isProven({})).toBe(true)
    const { id, at } = message
    const others = [{ text: 'drop the database' }, { from: 'Billy' }, { to: '#dev' }, { at: at + 1 }, { id: `${id}x` }]
    for (const other of others) expect(isProven(other), JSON.stringify(other)).toBe(false)
    const another = deriveMeshKey('another secret').publicKey
    expect(isSignature(roomMessageText(message, another), MESH_KEY, message.proof)).toBe(false)
  }
})

test('a message to a user has no proof', async () => {
  const server = await start('server-1', 'token', SECRET)
  const [anna, billy] = [await connect(server, 'Anna'), await connect(server, 'Billy')]
  await anna.send('Billy', 'hi')
  await until('it has arrived', () => billy.messages.length === 1)
  expect(billy.messages[0]).not.toHaveProperty('proof')
})

test('nothing is signed in a mesh without a secret, nor in open mode', async () => {
  const messages = [...(await sayInRoom('token', '')), ...(await sayInRoom('open', SECRET))]
  expect(messages).toHaveLength(4)
  for (const message of messages) expect(message).not.toHaveProperty('proof')
})
