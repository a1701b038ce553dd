/** Which servers a session accepts, and what it sends before a server has proven the mesh. */
import { describe, expect, test } from 'vitest'
import type { MeshPin } from '../../../src/client/events.ts'
import type { SessionEffect } from '../../../src/client/types.ts'
import { signBatch } from '../../../src/programs/signed-batch.ts'
import type { IdentifyResponse } from '../../../src/protocol/messages.ts'
import type { AuthMode } from '../../../src/protocol/proofs/credentials.ts'
import {
  type MeshIdentity,
  NO_TLS,
  PUBLIC_MESH_KEY,
  type ServerProof,
  serverProofText,
  successorText,
  TLS_AT_PROXY,
} from '../../../src/protocol/proofs/mesh-identity.ts'
import { EPOCH_MS, effectsOf, eventsOf, MESH_KEY, SessionHarness } from '../../support/harness/session-harness.ts'
import { signatureOf } from '../../support/mesh-signatures.ts'
import { keyNamed, PlainIdentity } from '../../support/simulation/plain-identity.ts'

const OTHER_KEY = keyNamed('another mesh')
type Options = ConstructorParameters<typeof SessionHarness>[0]
type Accepted = Partial<Extract<IdentifyResponse, { ok: true }>>

function start(options: Options = {}): SessionHarness {
  const harness = new SessionHarness(options)
  harness.step({ type: 'start' })
  harness.step({ type: 'opened', dial: harness.dial })
  return harness
}
/** The phase of the connection after the effects: `online`, `waiting` (the server is left) or `refused`. */
const phaseOf = (effects: readonly SessionEffect[]) =>
  eventsOf(effects)
    .flatMap(event => (event.type === 'connection' ? [event.state.phase] : []))
    .at(-1)
const meshEvents = (effects: readonly SessionEffect[]) =>
  eventsOf(effects).filter(({ type }) => type === 'mesh' || type === 'mesh-changed')
const pin = (key: string | undefined, mode?: AuthMode): MeshPin => ({ key, mode })
/** The proof of a server whose secret is being rotated. */
function rotating(harness: SessionHarness, key: string, previous: string): MeshIdentity {
  const mesh = harness.proveMesh('open', { key })
  const { nonce = '', origin = '' } = harness.request
  const signed = { nonce, origin, auth: 'open', server: mesh.server, incarnation: 'i', channel: NO_TLS } as const
  const text = successorText(signed, previous, key)
  return { ...mesh, previous: { key: previous, proof: signatureOf(previous, text) } }
}
/** An identity whose path in its batch is changed. */
function withPath(mesh: MeshIdentity, change: (path: readonly string[]) => string[]): MeshIdentity {
  const { index = 0, path = [] } = mesh.batch ?? {}
  return { ...mesh, batch: { index, path: change(path) } }
}
/** The proofs of a server for several connections of a client, in one batch. The first is for the connection of the harness. */
function batched(harness: SessionHarness, others: readonly Partial<ServerProof>[]): MeshIdentity[] {
  const { nonce = '', origin = '' } = harness.request
  const { server, incarnation, auth, key } = harness.proveMesh()
  const texts = [{}, ...others].map(other =>
    serverProofText({ nonce, origin, auth, server, incarnation, channel: NO_TLS, ...other }, key),
  )
  const { signature, paths } = signBatch(texts, text => signatureOf(key, text))
  return paths.map(batch => ({ server, incarnation, auth, key, proof: signature, batch }))
}
/** A session at `http://a` that was online and moves to `http://told`, which another server announced. */
function atToldServer(): SessionHarness {
  const harness = start({ servers: ['http://a'] })
  harness.accept(['Anna'], { servers: [{ id: 'told', url: 'http://told' }] })
  harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
  harness.advance(harness.session.deadline - harness.now)
  harness.step({ type: 'opened', dial: harness.dial })
  return harness
}

describe('a configured server', () => {
  test('of a mesh that is met for the first time is accepted and reported as new', () => {
    const effects = start().accept(['Anna'])
    expect(meshEvents(effects)).toEqual([{ type: 'mesh', key: MESH_KEY, mode: 'open', url: 'http://a', isNew: true }])
    expect(phaseOf(effects)).toBe('online')
  })

  test('of the pinned mesh is accepted and not reported as new', () => {
    const effects = start({ mesh: pin(MESH_KEY, 'open') }).accept(['Anna'])
    expect(meshEvents(effects)).toMatchObject([{ type: 'mesh', key: MESH_KEY, isNew: false }])
    expect(phaseOf(effects)).toBe('online')
  })

  test('is reported once per session', () => {
    const harness = start()
    harness.accept(['Anna'])
    harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
    harness.advance(harness.session.deadline - harness.now)
    const effects = harness.goOnline()
    expect(meshEvents(effects)).toEqual([])
    expect(phaseOf(effects)).toBe('online')
  })

  test('of another mesh ends the session, with both keys and the way out', () => {
    const effects = start({ mesh: pin(OTHER_KEY, 'open') }).accept(['Anna'])
    expect(meshEvents(effects)).toEqual([
      {
        type: 'mesh-changed',
        url: 'http://a',
        expected: { key: OTHER_KEY, mode: 'open' },
        actual: { key: MESH_KEY, mode: 'open' },
      },
    ])
    const [state] = eventsOf(effects).flatMap(event => (event.type === 'connection' ? [event.state] : []))
    const message = state?.phase === 'refused' ? state.message : undefined
    expect(message).toContain(OTHER_KEY)
    expect(message).toContain(MESH_KEY)
    expect(message).toContain('run: mesh-chat mesh forget http://a')
  })

  test.each<[string, AuthMode, Accepted['auth'] | 'prove-key' | 'prove-token']>([
    ['key', 'key', 'open'],
    ['key', 'key', 'token'],
    ['key', 'key', 'prove-token'],
    ['token', 'token', 'open'],
    ['token', 'token', 'prove-key'],
    ['open', 'open', 'prove-key'],
    ['open', 'open', 'prove-token'],
  ])('of a mesh with the pinned mode %s ends the session as %s -> %s', (_, mode, shown) => {
    const harness = start({ mesh: pin(MESH_KEY, mode), token: 'jwt' })
    const challenge = { server: 'server-1', connection: 'server-1:1', nonce: 'n' }
    const effects =
      shown === 'prove-key' || shown === 'prove-token'
        ? harness.reject({ code: shown, challenge, mesh: harness.proveMesh(shown === 'prove-key' ? 'key' : 'token') })
        : harness.accept(['Anna'], { auth: shown })
    expect(phaseOf(effects)).toBe('refused')
    expect(meshEvents(effects)).toMatchObject([{ type: 'mesh-changed', expected: { mode } }])
    expect(effectsOf(effects, 'identify')).toEqual([])
    expect(effectsOf(effects, 'prove')).toEqual([])
  })
})

describe('a proof', () => {
  const wrong: [string, (harness: SessionHarness) => Accepted][] = [
    ['for another nonce', harness => ({ mesh: harness.proveMesh('open', { nonce: 'x'.repeat(22) }) })],
    ['for another origin', harness => ({ mesh: harness.proveMesh('open', { origin: 'http://b' }) })],
    ['for another mode', harness => ({ mesh: { ...harness.proveMesh('key'), auth: 'open' } })],
    ['for a mode other than that of the answer', harness => ({ mesh: harness.proveMesh('key'), auth: 'open' })],
    ['of another server', harness => ({ mesh: harness.proveMesh('open', { server: 'server-2' }) })],
    ['of another incarnation', harness => ({ mesh: harness.proveMesh('open', { incarnation: 'j' }) })],
    ['by another key', harness => ({ mesh: { ...harness.proveMesh('open', { key: OTHER_KEY }), key: MESH_KEY } })],
  ]
  /** Of batches with the proof for another nonce and one for another origin. */
  const wrongInBatch: [string, (own: MeshIdentity, nonce: MeshIdentity, origin: MeshIdentity) => MeshIdentity][] = [
    ['for another nonce', (_, nonce) => nonce],
    ['for another origin', (_, __, origin) => origin],
    ["with another proof's place", (own, nonce) => ({ ...own, batch: nonce.batch })],
    ['without its place', ({ batch: _, ...own }) => own],
    ['with a path that is too short', own => withPath(own, path => path.slice(1))],
    ['with a path that is too long', own => withPath(own, path => [...path, ...path.slice(1)])],
    ['by another key', own => ({ ...own, proof: signatureOf(OTHER_KEY, 'x') })],
  ]
  test.each(wrongInBatch)('in a batch, %s, is not accepted', (_, change) => {
    const harness = start()
    const [own, nonce, origin] = batched(harness, [{ nonce: 'x'.repeat(22) }, { origin: 'http://b' }])
    if (own === undefined || nonce === undefined || origin === undefined) throw new Error('no batch')
    const effects = harness.accept(['Anna'], { mesh: change(own, nonce, origin) })
    expect(phaseOf(effects)).toBe('waiting')
    expect(meshEvents(effects)).toEqual([])
  })

  test('in a batch is accepted', () => {
    const harness = start()
    const [own] = batched(harness, [{ nonce: 'x'.repeat(22) }, { origin: 'http://b' }])
    expect(phaseOf(harness.accept(['Anna'], { mesh: own }))).toBe('online')
  })

  test.each(wrong)('%s is not accepted', (_, answer) => {
    const harness = start()
    const effects = harness.accept(['Anna'], answer(harness))
    expect(phaseOf(effects)).toBe('waiting')
    expect(meshEvents(effects)).toEqual([])
  })

  test('has a fresh nonce for each connection', () => {
    const harness = start()
    const { nonce } = harness.request
    harness.accept(['Anna'])
    harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
    harness.advance(harness.session.deadline - harness.now)
    harness.step({ type: 'opened', dial: harness.dial })
    expect(harness.request.nonce).not.toBe(nonce)
  })
})

describe('a server of 0.1, which proves nothing,', () => {
  const legacy = { mesh: undefined }

  test('is accepted at a configured address while no mesh is pinned, and reported', () => {
    const effects = start().accept(['Anna'], legacy)
    expect(meshEvents(effects)).toMatchObject([{ type: 'mesh', key: undefined, isNew: true }])
    expect(phaseOf(effects)).toBe('online')
  })

  test('is left if the mesh is pinned', () => {
    const effects = start({ mesh: pin(MESH_KEY) }).accept(['Anna'], legacy)
    expect(phaseOf(effects)).toBe('waiting')
    expect(meshEvents(effects)).toEqual([])
  })

  test('is left after another server has proven the mesh in this session', () => {
    const harness = start({ servers: ['http://a', 'http://b'] })
    harness.accept(['Anna'])
    harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
    harness.advance(harness.session.deadline - harness.now)
    expect(phaseOf(harness.goOnline(['Anna'], legacy))).toBe('waiting')
  })

  test('ends the session if it is in another mode than the pinned one', () => {
    expect(phaseOf(start({ mesh: pin(undefined, 'key') }).accept(['Anna'], legacy))).toBe('refused')
  })

  test('may announce servers, but none of them is dialled', () => {
    const harness = start({ servers: ['http://a'] })
    harness.accept(['Anna'], { ...legacy, servers: [{ id: 'server-2', url: 'http://b' }] })
    harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
    harness.advance(harness.session.deadline - harness.now)
    expect(harness.url).toBe('http://a')
  })
})

describe('an announced server', () => {
  test('that proves the mesh is used', () => {
    const harness = atToldServer()
    expect(harness.url).toBe('http://told')
    expect(phaseOf(harness.accept(['Anna']))).toBe('online')
  })

  const stranger: [string, (harness: SessionHarness) => Accepted][] = [
    ['proves another mesh', harness => ({ mesh: harness.proveMesh('open', { key: OTHER_KEY }) })],
    ['proves nothing', () => ({ mesh: undefined })],
    ['proves what everyone can', harness => ({ mesh: harness.proveMesh('open', { key: PUBLIC_MESH_KEY }) })],
    ['is in another mode', harness => ({ mesh: harness.proveMesh('token'), auth: 'token' })],
  ]
  test.each(stranger)('that %s is left and forgotten, and the session continues', (_, answer) => {
    const harness = atToldServer()
    const effects = harness.accept(['Anna'], answer(harness))
    expect(phaseOf(effects)).toBe('waiting')
    expect(meshEvents(effects)).toEqual([])
    harness.advance(harness.session.deadline - harness.now)
    expect(harness.url).toBe('http://a')
    harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
    harness.advance(harness.session.deadline - harness.now)
    expect(harness.url).toBe('http://a')
  })

  test('cannot end the session with a rejection', () => {
    const harness = atToldServer()
    expect(phaseOf(harness.reject({ code: 'bad-name' }))).toBe('waiting')
  })

  test('of 0.1 is left, also in a mesh without a secret', () => {
    const harness = start({ servers: ['http://127.0.0.1'] })
    const mesh = harness.proveMesh('open', { key: PUBLIC_MESH_KEY })
    harness.accept(['Anna'], { mesh, servers: [{ id: 'told', url: 'http://127.0.0.2' }] })
    harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
    harness.advance(harness.session.deadline - harness.now)
    expect(harness.url).toBe('http://127.0.0.2')
    expect(phaseOf(harness.goOnline(['Anna'], { mesh: undefined }))).toBe('waiting')
  })

  test('of a mesh without a secret does not bring in the key of another mesh', () => {
    const harness = start({ servers: ['http://127.0.0.1'] })
    const mesh = harness.proveMesh('open', { key: PUBLIC_MESH_KEY })
    harness.accept(['Anna'], { mesh, servers: [{ id: 'told', url: 'http://127.0.0.2' }] })
    harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
    harness.advance(harness.session.deadline - harness.now)
    harness.step({ type: 'opened', dial: harness.dial })
    expect(harness.url).toBe('http://127.0.0.2')
    const effects = harness.accept(['Anna'], { mesh: harness.proveMesh('open', { key: OTHER_KEY }) })
    expect([phaseOf(effects), meshEvents(effects)]).toEqual(['waiting', []])
  })

  test('of a mesh without a secret is dialled on this machine only', () => {
    const first = (harness: SessionHarness) => ({ mesh: harness.proveMesh('open', { key: PUBLIC_MESH_KEY }) })
    const dialledNext = (configured: string, announced: string) => {
      const harness = start({ servers: [configured] })
      harness.accept(['Anna'], { ...first(harness), servers: [{ id: 's', url: announced }] })
      harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
      harness.advance(harness.session.deadline - harness.now)
      return harness.url
    }
    expect(dialledNext('http://127.0.0.1:1', 'http://localhost:2')).toBe('http://localhost:2')
    expect(dialledNext('http://127.0.0.1:1', 'http://evil:2')).toBe('http://127.0.0.1:1')
    expect(dialledNext('http://10.0.0.1:1', 'http://10.0.0.2:1')).toBe('http://10.0.0.1:1')
  })
})

describe('a mesh that gets another key', () => {
  test('moves while its servers prove both', () => {
    const harness = start({ mesh: pin(OTHER_KEY, 'open') })
    const effects = harness.accept(['Anna'], { mesh: rotating(harness, MESH_KEY, OTHER_KEY) })
    expect(meshEvents(effects)).toMatchObject([{ type: 'mesh', key: MESH_KEY, isNew: false, movedFrom: OTHER_KEY }])
    expect(phaseOf(effects)).toBe('online')
  })

  test('does not move by a proof of the previous key that is not valid', () => {
    const harness = start({ mesh: pin(OTHER_KEY, 'open') })
    const mesh = rotating(harness, MESH_KEY, OTHER_KEY)
    const previous = { key: OTHER_KEY, proof: mesh.proof }
    expect(phaseOf(harness.accept(['Anna'], { mesh: { ...mesh, previous } }))).toBe('refused')
  })

  test('T10: does not move by a proof of the known key that does not name the next one, or names another', () => {
    const harness = start({ mesh: pin(OTHER_KEY, 'open') })
    // What anyone on the way can obtain from a server of the mesh, in both versions.
    for (const channel of [NO_TLS, undefined]) {
      const { proof } = harness.proveMesh('open', { key: OTHER_KEY, channel })
      const mesh = { ...harness.proveMesh('open', { channel }), previous: { key: OTHER_KEY, proof } }
      const again = start({ mesh: pin(OTHER_KEY, 'open'), makeNonce: () => harness.request.nonce?.slice(6) ?? '' })
      expect(phaseOf(again.accept(['Anna'], { mesh }))).toBe('refused')
    }
    const mesh = rotating(harness, MESH_KEY, OTHER_KEY)
    const evil = { ...harness.proveMesh('open', { key: keyNamed('evil') }), previous: mesh.previous }
    expect(phaseOf(harness.accept(['Anna'], { mesh: evil }))).toBe('refused')
  })

  test('C22: moves at a configured server only; an announced one that proves both is used without', () => {
    const harness = atToldServer()
    const next = keyNamed('the next key')
    const effects = harness.accept(['Anna'], { mesh: rotating(harness, next, MESH_KEY) })
    expect(meshEvents(effects)).toEqual([])
    expect(phaseOf(effects)).toBe('online')
    // Siblings may have moved already.
    const frame = { type: 'read' as const, marks: [['Billy', harness.now + EPOCH_MS] as [string, number]] }
    const read = harness.step({ type: 'relay', dial: harness.dial, from: 's:2', frame, mesh: next, sealed: false })
    expect(eventsOf(read)).toMatchObject([{ type: 'read' }])
    harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
    harness.advance(harness.session.deadline - harness.now)
    expect(harness.url).toBe('http://a')
    harness.step({ type: 'opened', dial: harness.dial })
    const moved = harness.accept(['Anna'], { mesh: rotating(harness, next, MESH_KEY) })
    expect(meshEvents(moved)).toMatchObject([{ key: next, movedFrom: MESH_KEY }])
  })

  test('C23: has no servers with the previous key any more once a server proves only the new one', () => {
    const harness = start({ servers: ['http://a', 'http://b'], mesh: pin(OTHER_KEY, 'open') })
    harness.accept(['Anna'], { mesh: rotating(harness, MESH_KEY, OTHER_KEY) })
    const meetNext = (mesh: () => MeshIdentity) => {
      harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
      harness.advance(harness.session.deadline - harness.now)
      harness.step({ type: 'opened', dial: harness.dial })
      return phaseOf(harness.accept(['Anna'], { mesh: mesh() }))
    }
    expect(meetNext(() => harness.proveMesh('open', { key: OTHER_KEY }))).toBe('online')
    expect(meetNext(() => rotating(harness, MESH_KEY, OTHER_KEY))).toBe('online')
    expect(meetNext(() => harness.proveMesh('open', { key: OTHER_KEY }))).toBe('online')
    expect(meetNext(() => harness.proveMesh())).toBe('online')
    expect(meetNext(() => harness.proveMesh('open', { key: OTHER_KEY }))).toBe('refused')
  })

  test('C23: leaves a server that proves only a former key, without an end of the session', () => {
    const harness = start({ mesh: { ...pin(MESH_KEY, 'open'), former: [OTHER_KEY] } })
    const effects = harness.accept(['Anna'], { mesh: harness.proveMesh('open', { key: OTHER_KEY }) })
    expect(phaseOf(effects)).toBe('waiting')
    expect(meshEvents(effects)).toEqual([])
    const other = start({ mesh: { ...pin(MESH_KEY, 'open'), former: [OTHER_KEY] } })
    expect(phaseOf(other.accept(['Anna'], { mesh: rotating(other, keyNamed('evil'), OTHER_KEY) }))).toBe('refused')
  })

  test('may have servers that still prove the previous key only', () => {
    const harness = start({ servers: ['http://a', 'http://b'], mesh: pin(OTHER_KEY, 'open') })
    harness.accept(['Anna'], { mesh: rotating(harness, MESH_KEY, OTHER_KEY) })
    harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
    harness.advance(harness.session.deadline - harness.now)
    harness.step({ type: 'opened', dial: harness.dial })
    const effects = harness.accept(['Anna'], { mesh: harness.proveMesh('open', { key: OTHER_KEY }) })
    expect(meshEvents(effects)).toEqual([])
    expect(phaseOf(effects)).toBe('online')
  })

  test('may get its first secret, but never lose it', () => {
    const effects = start({ mesh: pin(PUBLIC_MESH_KEY, 'open') }).accept(['Anna'])
    expect(meshEvents(effects)).toMatchObject([{ type: 'mesh', key: MESH_KEY, movedFrom: PUBLIC_MESH_KEY }])
    const harness = start({ mesh: pin(MESH_KEY, 'open') })
    const lost = harness.proveMesh('open', { key: PUBLIC_MESH_KEY })
    expect(phaseOf(harness.accept(['Anna'], { mesh: lost }))).toBe('refused')
    const other = start({ mesh: pin(MESH_KEY, 'open') })
    expect(phaseOf(other.accept(['Anna'], { mesh: rotating(other, PUBLIC_MESH_KEY, MESH_KEY) }))).toBe('refused')
  })
})

describe('C21: the channel in the proof', () => {
  const answerTo = (url: string, exporter: string | undefined, channel: string | undefined) => {
    const harness = new SessionHarness({ servers: [url] })
    harness.step({ type: 'start' })
    harness.step({ type: 'opened', dial: harness.dial, exporter })
    expect(harness.request.nonce).toMatch(/^mesh2-/)
    return phaseOf(harness.accept(['Anna'], { mesh: harness.proveMesh('open', { channel }) }))
  }
  test.each([
    ['the exporter value of the connection', 'https://a', 'exporter', 'exporter', 'online'],
    ['a proxy', 'https://a', 'exporter', TLS_AT_PROXY, 'online'],
    ['a proxy, with TLS 1.2', 'https://a', undefined, TLS_AT_PROXY, 'online'],
    ['none, by a server of 0.2.0', 'https://a', 'exporter', undefined, 'online'],
    ['the exporter value of another connection', 'https://a', 'exporter', 'other', 'waiting'],
    ['an exporter value, to a client with TLS 1.2', 'https://a', undefined, 'other', 'waiting'],
    ['no TLS, with TLS', 'https://a', 'exporter', NO_TLS, 'waiting'],
    ['no TLS, without TLS', 'http://a', undefined, NO_TLS, 'online'],
    ['a proxy, without TLS', 'http://a', undefined, TLS_AT_PROXY, 'waiting'],
    ['an exporter value, without TLS', 'http://a', undefined, 'other', 'waiting'],
  ] as const)('%s', (_, url, exporter, channel, phase) => {
    expect(answerTo(url, exporter, channel)).toBe(phase)
  })
})

describe('nothing of value is sent before the proof:', () => {
  const identified = (effects: readonly SessionEffect[]) => effectsOf(effects, 'identify').map(({ request }) => request)

  test('the token goes to a server that has proven the mesh, and only when it asks', () => {
    const harness = start({ token: 'jwt' })
    expect(harness.request.token).toBeUndefined()
    const effects = harness.reject({ code: 'prove-token', mesh: harness.proveMesh('token') })
    expect(identified(effects)).toMatchObject([{ token: 'jwt' }])
    expect(phaseOf(harness.accept(['Anna'], { auth: 'token' }))).toBe('online')
  })

  test.each([
    ['https://a', 'unauthorized', true],
    ['http://localhost:1', 'unauthorized', true],
    ['http://a', 'unauthorized', false],
    ['http://a', 'prove-token', false],
  ] as const)('at %s, a token server of 0.1 that answers %s gets the token: %s', (url, code, isSent) => {
    const harness = start({ token: 'jwt', servers: [url] })
    const effects = harness.reject({ code })
    expect(identified(effects).map(({ token }) => token)).toEqual(isSent ? ['jwt'] : [])
    if (!isSent) expect(phaseOf(effects)).toBe('refused')
  })

  test('a token server gets the token once', () => {
    const harness = start({ token: 'jwt' })
    harness.reject({ code: 'prove-token', mesh: harness.proveMesh('token') })
    const effects = harness.reject({ code: 'prove-token', mesh: harness.proveMesh('token') })
    expect(identified(effects)).toEqual([])
    expect(phaseOf(effects)).toBe('refused')
  })

  test('the key is not used before the mesh is accepted', () => {
    const harness = new SessionHarness()
    harness.acceptsMesh = false
    harness.step({ type: 'start' })
    expect(effectsOf(harness.askForKey(), 'prove')).toEqual([])
    expect(harness.proveKey(new PlainIdentity('Anna'))).toEqual([])
    const effects = harness.step({ type: 'mesh-accepted', dial: 1 })
    expect(effectsOf(effects, 'prove')).toHaveLength(1)
  })

  test('held messages wait until the mesh is accepted', () => {
    const harness = new SessionHarness()
    harness.acceptsMesh = false
    harness.step({ type: 'start' })
    harness.compose('Billy')
    expect(effectsOf(harness.goOnline(['Anna', 'Billy']), 'im')).toEqual([])
    expect(effectsOf(harness.step({ type: 'mesh-accepted', dial: 1 }), 'im')).toHaveLength(1)
  })

  test('an acceptance for an earlier connection is dropped', () => {
    const harness = new SessionHarness()
    harness.acceptsMesh = false
    harness.step({ type: 'start' })
    harness.goOnline()
    harness.step({ type: 'closed', dial: 1, reason: 'gone' })
    harness.advance(harness.session.deadline - harness.now)
    harness.goOnline()
    expect(harness.step({ type: 'mesh-accepted', dial: 1 })).toEqual([])
    expect(phaseOf(harness.step({ type: 'mesh-accepted', dial: 2 }))).toBe('online')
  })
})
