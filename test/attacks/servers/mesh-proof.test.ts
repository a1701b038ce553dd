/** A server proves its mesh to each client, and another server cannot use the proof; nor a user's proof. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { io, type Socket } from 'socket.io-client'
import { afterEach, describe, expect, test } from 'vitest'
import { deriveMeshKey } from '../../../daemon/auth/mesh-key.ts'
import { makeToken, parseTokenKey } from '../../../daemon/auth/tokens.ts'
import type { RuntimeOptions } from '../../../daemon/runtime.ts'
import { isSigned } from '../../../src/programs/signed-batch.ts'
import { type AuthMode, type Challenge, identificationText } from '../../../src/protocol/proofs/credentials.ts'
import {
  boundIdentificationText,
  type MeshIdentity,
  meshIdentitySchema,
  PUBLIC_MESH_KEY,
  serverProofText,
} from '../../../src/protocol/proofs/mesh-identity.ts'
import { startInProcess } from '../../support/in-process-server.ts'

const SECRET = 'a secret of sixteen or more'
const PREVIOUS = 'the secret before the rotation'
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Answer {
  ok: boolean
  code?: string
  message?: string
  challenge?: Challenge
  mesh?: MeshIdentity
  server?: string
  incarnation?: string
}

async function start(options: Partial<RuntimeOptions> = {}): Promise<string> {
  const { auth = 'open' } = options
  const tokenKey = auth === 'token' ? parseTokenKey(SECRET.repeat(2), 'test') : undefined
  const server = await startInProcess('server-1', { secret: SECRET, tokenKey, ...options })
  cleanups.push(() => server.close())
  return server.url
}

/** A connection whose identifications are numbered by their nonce. */
function connect(url: string) {
  const socket: Socket = io(url, { transports: ['websocket'], forceNew: true, reconnection: false })
  cleanups.push(() => socket.disconnect())
  const nonce = randomBytes(16).toString('base64url')
  const identify = (more: object = {}): Promise<Answer> =>
    socket
      .timeout(60_000)
      .emitWithAck('identify', { user: 'Anna', client: 'x/1', protocol: 2, nonce, origin: url, ...more })
  return { socket, nonce, identify }
}

/** Whether an answer proves the mesh of a secret to the client that dialled this origin. */
function proves(answer: Answer, secret: string, nonce: string, origin: string, auth: AuthMode): boolean {
  const parsed = meshIdentitySchema.safeParse(answer.mesh)
  if (!parsed.success || parsed.data.key !== deriveMeshKey(secret).publicKey || parsed.data.auth !== auth) return false
  const { key, proof, server, incarnation, batch } = parsed.data
  return isSigned(key, serverProofText({ nonce, origin, auth, server, incarnation }, key), proof, batch)
}

class User {
  readonly #privateKey: KeyObject
  readonly key: string

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    this.#privateKey = privateKey
    this.key = publicKey.export({ format: 'jwk' }).x ?? ''
  }

  sign(text: string): { key: string; proof: string } {
    return { key: this.key, proof: sign(null, Buffer.from(text), this.#privateKey).toString('base64url') }
  }
}

const challengeOf = (answer: Answer): Challenge => {
  if (answer.challenge === undefined) throw new Error('no challenge')
  return answer.challenge
}

describe('the proof of the mesh', () => {
  test('is part of the answer in open mode, for the server and the incarnation of the answer', async () => {
    const url = await start()
    const { nonce, identify } = connect(url)
    const answer = await identify()
    expect(answer.ok).toBe(true)
    expect(proves(answer, SECRET, nonce, url, 'open')).toBe(true)
    expect(answer.mesh).toMatchObject({ server: answer.server, incarnation: answer.incarnation, auth: 'open' })
    expect(answer.mesh?.previous).toBeUndefined()
  })

  test('comes with the challenge in key mode, and before the token in token mode', async () => {
    for (const [auth, code] of [
      ['key', 'prove-key'],
      ['token', 'prove-token'],
    ] as const) {
      const url = await start({ auth })
      const { nonce, identify } = connect(url)
      const answer = await identify()
      expect(answer).toMatchObject({ ok: false, code })
      expect(proves(answer, SECRET, nonce, url, auth)).toBe(true)
    }
  })

  test('is not in answers to clients of 0.1, which are served as before', async () => {
    const legacy = { nonce: undefined, origin: undefined }
    const open = await connect(await start()).identify(legacy)
    expect([open.ok, open.mesh]).toEqual([true, undefined])
    const token = connect(await start({ auth: 'token' }))
    expect(await token.identify(legacy)).toMatchObject({ ok: false, code: 'unauthorized' })
    const tokenKey = parseTokenKey(SECRET.repeat(2), 'test')
    const { signKey } = tokenKey
    if (signKey === undefined) throw new Error('no key')
    const tokenForAnna = await makeToken(signKey, tokenKey, 'Anna', '1h')
    expect(await token.identify({ ...legacy, token: tokenForAnna })).toMatchObject({ ok: true })
    const user = new User()
    const keyed = connect(await start({ auth: 'key' }))
    const challenge = challengeOf(await keyed.identify(legacy))
    expect(await keyed.identify({ ...legacy, ...user.sign(identificationText('Anna', challenge)) })).toMatchObject({
      ok: true,
    })
  })

  test('is only for an origin of the server: other servers get none to pass on', async () => {
    const url = await start({ names: ['https://chat.example.com'] })
    const { port } = new URL(url)
    const own = [url, `http://localhost:${port}`, `http://[::1]:${port}`, 'https://chat.example.com']
    for (const origin of own) {
      const { nonce, identify } = connect(url)
      const answer = await identify({ origin })
      expect(proves(answer, SECRET, nonce, origin, 'open'), origin).toBe(true)
    }
    for (const origin of ['http://evil.example', `https://127.0.0.1:${port}`, `http://127.0.0.1:${Number(port) - 1}`]) {
      for (const auth of ['open', 'key', 'token'] as const) {
        const answer = await connect(auth === 'open' ? url : await start({ auth })).identify({ origin })
        expect(answer).toMatchObject({ ok: false, code: 'wrong-origin' })
        expect(answer.message).toContain(
          `this server is not known as ${origin}; its operator can list it under "names"`,
        )
        expect(answer.mesh).toBeUndefined()
      }
    }
  })

  test('of a mesh without a secret is for any origin, with the well-known key', async () => {
    const { identify, nonce } = connect(await start({ secret: '' }))
    const answer = await identify({ origin: 'http://any.example' })
    expect(answer.mesh?.key).toBe(PUBLIC_MESH_KEY)
    expect(proves(answer, '', nonce, 'http://any.example', 'open')).toBe(true)
  })

  test('is made for both secrets while the secret is rotated', async () => {
    const url = await start({ previousSecret: PREVIOUS })
    const { nonce, identify } = connect(url)
    const answer = await identify()
    expect(proves(answer, SECRET, nonce, url, 'open')).toBe(true)
    const previous = { ...answer, mesh: { ...answer.mesh, ...answer.mesh?.previous } as MeshIdentity }
    expect(proves(previous, PREVIOUS, nonce, url, 'open')).toBe(true)
  })

  test('is signed at once for the connections of a turn that accept it, and alone for those that do not', async () => {
    const url = await start()
    let isShared = false
    for (let round = 0; round < 20 && !isShared; round++) {
      const connections = Array.from({ length: 30 }, () => connect(url))
      await Promise.all(connections.map(({ identify }, n) => identify({ user: '', batched: n % 3 > 0 })))
      const answers = await Promise.all(connections.map(({ identify }) => identify()))
      for (const [n, answer] of answers.entries()) {
        expect(proves(answer, SECRET, connections[n]?.nonce ?? '', url, 'open')).toBe(true)
        expect(proves(answer, SECRET, connections[n ^ 1]?.nonce ?? '', url, 'open')).toBe(false)
        if (n % 3 === 0) expect(answer.mesh?.batch).toBeUndefined()
      }
      isShared = answers.some(({ mesh }) => mesh?.batch !== undefined)
      for (const { socket } of connections) socket.disconnect()
    }
    expect(isShared).toBe(true)
  })

  test('is made once for a connection: another nonce or origin is a malformed request', async () => {
    const url = await start({ auth: 'key' })
    const { identify } = connect(url)
    const first = await identify()
    expect((await identify()).mesh).toEqual(first.mesh)
    const nonce = randomBytes(16).toString('base64url')
    const origin = url.replace('127.0.0.1', 'localhost')
    for (const more of [{ nonce }, { origin }, { nonce: undefined }, { origin: undefined }]) {
      expect(await identify(more), JSON.stringify(more)).toMatchObject({ ok: false, code: 'bad-payload' })
    }
    for (const more of [{ nonce: 'short' }, { origin: `${url}/` }, { origin: 'ftp://x' }, { origin: 'x' }]) {
      expect(await connect(url).identify(more), JSON.stringify(more)).toMatchObject({ code: 'bad-payload' })
    }
  })
})

describe("a user's proof", () => {
  const setUp = async () => {
    const url = await start({ auth: 'key' })
    const user = new User()
    const connection = connect(url)
    const answer = await connection.identify()
    const bound = (origin: string, meshKey: string) => ({
      proofVersion: 2,
      ...user.sign(boundIdentificationText('Anna', challengeOf(answer), { origin, meshKey, channel: undefined })),
    })
    return { url, user, answer, bound, meshKey: answer.mesh?.key ?? '', ...connection }
  }

  test('is valid for the origin and the mesh that it names', async () => {
    const { url, identify, bound, meshKey } = await setUp()
    const answer = await identify(bound(url, meshKey))
    expect(answer).toMatchObject({ ok: true, mesh: { key: meshKey } })
  })

  test('for another origin or mesh is rejected: a server cannot pass it on', async () => {
    for (const change of ['origin', 'mesh'] as const) {
      const { url, identify, bound, meshKey } = await setUp()
      const proof = change === 'origin' ? bound('http://evil.example', meshKey) : bound(url, PUBLIC_MESH_KEY)
      expect(await identify(proof), change).toMatchObject({ ok: false, code: 'unauthorized' })
    }
  })

  test('answers a challenge once: after a wrong proof, the next attempt needs another challenge', async () => {
    const { url, identify, bound, meshKey } = await setUp()
    expect(await identify(bound(url, PUBLIC_MESH_KEY))).toMatchObject({ ok: false, code: 'unauthorized' })
    expect(await identify(bound(url, meshKey))).toMatchObject({ ok: false, code: 'unauthorized' })
  })

  test('of version 0.1 is rejected once the connection has asked for the mesh, whatever the second request says', async () => {
    for (const more of [{}, { nonce: undefined, origin: undefined }]) {
      const { identify, user, answer } = await setUp()
      const proof = user.sign(identificationText('Anna', challengeOf(answer)))
      expect(await identify({ ...proof, ...more })).toMatchObject({ ok: false })
    }
  })

  test('of version 2 is rejected on a connection without a nonce', async () => {
    const url = await start({ auth: 'key' })
    const user = new User()
    const { identify } = connect(url)
    const legacy = { nonce: undefined, origin: undefined }
    const challenge = challengeOf(await identify(legacy))
    const binding = { origin: url, meshKey: deriveMeshKey(SECRET).publicKey, channel: undefined }
    const proof = user.sign(boundIdentificationText('Anna', challenge, binding))
    expect(await identify({ ...legacy, proofVersion: 2, ...proof })).toMatchObject({ code: 'unauthorized' })
  })
})
