/** Relays: programs at an address of a server of the mesh that pass connections on, decrypted or as they are. */
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { io } from 'socket.io-client'
import { afterEach, describe, expect, test } from 'vitest'
import { NO_STORAGE, type OpenOptions, openSession } from '../../../cli/session/connection.ts'
import { deriveMeshKey } from '../../../daemon/auth/mesh-key.ts'
import { makeToken, parseTokenKey } from '../../../daemon/auth/tokens.ts'
import type { RuntimeOptions } from '../../../daemon/runtime.ts'
import type { SessionEvent } from '../../../src/client/events.ts'
import { NO_TLS, serverProofText } from '../../../src/protocol/proofs/mesh-identity.ts'
import { HostileServer, MeshKey } from '../../support/attacks/hostile-server.ts'
import { type InProcessServer, startInProcess } from '../../support/in-process-server.ts'
import { until } from '../../support/programs/processes.ts'

const SECRET = 'a secret of thirty-two characters'
const tokenKey = parseTokenKey(SECRET, 'test')
const pem = (name: string) => readFileSync(new URL(`../../support/tls/${name}.pem`, import.meta.url), 'utf8')
const TLS = { cert: pem('one'), key: pem('one-key'), ca: pem('ca') }
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A program with a certificate that clients trust: it decrypts what it passes on. */
async function startRelay(versions: { toClient?: 'TLSv1.2'; toServer?: 'TLSv1.2' } = {}) {
  let target = 0
  const passed: string[] = []
  const sockets: TLSSocket[] = []
  const options = { cert: pem('two'), key: pem('two-key'), maxVersion: versions.toClient }
  const relay = createTlsServer(options, client => {
    const server = connectTls({ port: target, host: '127.0.0.1', ca: TLS.ca, maxVersion: versions.toServer })
    sockets.push(client, server)
    client.on('data', chunk => passed.push(chunk.toString('latin1')))
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => {})
      one.on('close', () => other.destroy())
      one.pipe(other)
    }
  })
  await new Promise<void>(resolve => relay.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    relay.close()
  })
  const { port } = relay.address() as AddressInfo
  return {
    url: `https://127.0.0.1:${port}`,
    passed,
    passTo: (port: number) => {
      target = port
    },
  }
}

async function start(options: Partial<RuntimeOptions>): Promise<InProcessServer> {
  const { auth = 'open' } = options
  const more = { secret: SECRET, tokenKey: auth === 'token' ? tokenKey : undefined, ...options }
  const server = await startInProcess('server-1', more)
  cleanups.push(() => server.close())
  return server
}

/** Opens a session of Anna; returns the states of its connection so far. */
async function open(options: Partial<OpenOptions> & { servers: string[] }) {
  const { privateKey } = generateKeyPairSync('ed25519')
  const noClaim = { claim: () => undefined, keepClaim: () => {} }
  const keys = { load: () => privateKey, knownKeys: () => new Map(), pin: () => {}, ...noClaim }
  const { signKey = tokenKey.verifyKey } = tokenKey
  const token = await makeToken(signKey, tokenKey, 'Anna', '1h')
  const events: SessionEvent[] = []
  const common = { user: 'Anna', client: 'x/1', instance: 'x', random: Math.random, ca: TLS.ca, token, keys }
  const request = openSession({ ...common, ...options }, NO_STORAGE, event => events.push(event))
  cleanups.push(() => request({ type: 'close' }))
  const states = () => events.flatMap(event => (event.type === 'connection' ? [event.state] : []))
  return { token, events, states, phases: () => states().map(({ phase }) => phase) }
}

/** The port of a server; with `advertise`, its URL has another one. */
function listeningPort({ lines }: InProcessServer): number {
  return Number(lines.flatMap(line => /Listening for connections on port: (\d+)/.exec(line)?.[1] ?? [])[0])
}

describe('a relay with a valid certificate for an address of a server', () => {
  test.each(['open', 'token', 'key'] as const)(
    'T8, A13: gets nothing in %s mode; without it users come in',
    async auth => {
      const relay = await startRelay()
      const server = await start({ auth, tls: TLS, advertise: relay.url })
      const port = listeningPort(server)
      relay.passTo(port)
      const relayed = await open({ servers: [relay.url] })
      await until('the client has left', () => relayed.states().some(({ phase }) => phase === 'waiting'))
      expect(relayed.states().find(({ phase }) => phase === 'waiting')).toMatchObject({
        reason: expect.stringContaining('gave no valid proof of its mesh'),
      })
      expect(relayed.phases()).not.toContain('online')
      expect(relay.passed.join('')).toContain('GET /socket.io/')
      expect(relay.passed.join('')).not.toContain(relayed.token)

      const direct = await open({ servers: [`https://127.0.0.1:${port}`] })
      await until('the client is online', () => direct.phases().includes('online'))
      await until('the user is in the roster', () => server.roster().includes('Anna'))
    },
  )

  test.each([{ toClient: 'TLSv1.2' }, { toServer: 'TLSv1.2' }, { toClient: 'TLSv1.2', toServer: 'TLSv1.2' }] as const)(
    'T9: gets nothing with an earlier version of TLS: %o',
    async versions => {
      const relay = await startRelay(versions)
      const server = await start({ auth: 'token', tls: TLS, advertise: relay.url })
      relay.passTo(listeningPort(server))
      const { phases, token } = await open({ servers: [relay.url] })
      await until('the client has left', () => phases().some(phase => phase === 'waiting' || phase === 'refused'))
      expect(phases()).not.toContain('online')
      expect(relay.passed.join('')).not.toContain(token)
    },
  )

  test('T9: cannot ask for the proof by long polling, which has no channel', async () => {
    const server = await start({ tls: TLS })
    const socket = io(server.url, { transports: ['polling'], forceNew: true, reconnection: false, ca: TLS.ca })
    cleanups.push(() => socket.disconnect())
    const request = { user: 'Anna', client: 'x/1', protocol: 2, nonce: `mesh2-${'n'.repeat(32)}`, origin: server.url }
    const answer = await socket.timeout(60_000).emitWithAck('identify', request)
    expect(answer).toMatchObject({ ok: false, code: 'bad-payload' })
    expect(answer.message).toContain('connect by WebSocket with TLS 1.3')
    expect(answer.mesh).toBeUndefined()
  })
})

describe('a proxy of the operator that decrypts connections', () => {
  test.each(['token', 'key'] as const)('works in %s mode if its origin is in `names`', async auth => {
    const relay = await startRelay()
    const server = await start({ auth, tls: TLS, names: [relay.url] })
    relay.passTo(listeningPort(server))
    const { phases } = await open({ servers: [relay.url] })
    await until('the client is online', () => phases().includes('online'))
  })
})

test('T10: a relay without TLS cannot move the pin to its own key with the proof of a real server', async () => {
  const relay = await HostileServer.start()
  cleanups.push(() => relay.close())
  const evil = new MeshKey()
  const server = await start({ names: [relay.url] })
  const real = io(server.url, { transports: ['websocket'], forceNew: true, reconnection: false })
  cleanups.push(() => real.disconnect())
  let count = 0
  relay.onIdentify = async (request, client) => {
    const answer = await real.timeout(60_000).emitWithAck('identify', { ...request, user: `Anna ${++count}` })
    const { server, incarnation, auth, key, proof } = answer.mesh ?? {}
    const { nonce = '', origin = '' } = request
    const signed = { nonce, origin, auth, server, incarnation, channel: NO_TLS }
    const own = { key: evil.key, proof: evil.sign(serverProofText(signed, evil.key)) }
    client.answer({ ...answer, mesh: { server, incarnation, auth, ...own, previous: { key, proof } } })
  }
  const pin = { key: deriveMeshKey(SECRET).publicKey, mode: 'open' } as const
  const { events, phases } = await open({ servers: [relay.url], mesh: pin })
  await until('the client has refused', () => phases().includes('refused'))
  expect(phases()).not.toContain('online')
  expect(events.filter(({ type }) => type === 'mesh')).toEqual([])
})
