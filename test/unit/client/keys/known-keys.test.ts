import { expect, test } from 'vitest'
import { KnownKeys } from '../../../../src/client/keys/known-keys.ts'
import { MeshTrust } from '../../../../src/client/mesh-trust.ts'
import { identificationText } from '../../../../src/protocol/proofs/credentials.ts'
import { clientContext, eventsOf, messageOf, takeEffects } from '../../../support/harness/session-harness.ts'
import { PlainIdentity } from '../../../support/simulation/plain-identity.ts'

const anna = new PlainIdentity('Anna')
const billy = new PlainIdentity('Billy')
const other = new PlainIdentity('Billy 2')
const challenge = { server: 'server-1', connection: 'server-1:1', nonce: 'n' }

function build(stored: Record<string, string> = {}) {
  const context = clientContext()
  const keys = new KnownKeys(context, new Map(Object.entries(stored)), new MeshTrust(context))
  return { context, keys }
}
function buildEnabled(stored: Record<string, string> = {}) {
  const parts = build(stored)
  parts.keys.signChallenge(anna, challenge, undefined)
  takeEffects(parts.context)
  return parts
}

test('before a server asks for a key, texts are sent and received as they are', () => {
  const { context, keys } = build({ Billy: billy.key })
  expect(keys.isEnabled).toBe(false)
  expect(keys.seal(messageOf())).toEqual({ text: 'Hi' })
  expect(keys.open(messageOf())).toEqual({ state: 'plain' })
  expect(keys.startRequest('Billy')).toBe(false)
  expect(keys.observeKey('Billy', other.key)).toBe(false)
  expect(keys.trust('Billy', other.key)).toBe(false)
  expect(takeEffects(context)).toEqual([])
})

test('the first challenge enables keys and emits the own key, once', () => {
  const { context, keys } = build({ Billy: billy.key })
  const proof = anna.sign(identificationText('Anna', challenge))
  expect(keys.signChallenge(anna, challenge, undefined)).toEqual({ key: anna.key, proof })
  expect(keys.isEnabled).toBe(true)
  const known = new Map([['Billy', billy.key]])
  expect(eventsOf(takeEffects(context))).toEqual([
    { type: 'key', user: 'Anna', key: anna.key, state: 'own', own: anna.key, known },
  ])
  keys.signChallenge(anna, challenge, undefined)
  expect(takeEffects(context)).toEqual([])
})

test('a challenge of a new connection forgets the requests of the previous one', () => {
  const { keys } = buildEnabled()
  expect(keys.startRequest('Billy')).toBe(true)
  expect(keys.startRequest('Billy')).toBe(false)
  keys.signChallenge(anna, challenge, undefined)
  expect(keys.startRequest('Billy')).toBe(true)
})

test('K8: the first key of a user is pinned, and waiting messages can be sent', () => {
  const { context, keys } = buildEnabled()
  expect(keys.observeKey('Billy', billy.key)).toBe(true)
  const effects = takeEffects(context)
  expect(effects[0]).toEqual({ type: 'pin', user: 'Billy', key: billy.key })
  expect(eventsOf(effects)).toMatchObject([{ type: 'key', user: 'Billy', state: 'new' }])
  expect(keys.observeKey('Billy', billy.key)).toBe(false)
  expect(takeEffects(context)).toEqual([])
})

test('K8: a changed key is reported once, and is not pinned', () => {
  const { context, keys } = buildEnabled({ Billy: billy.key })
  expect(keys.observeKey('Billy', other.key)).toBe(false)
  expect(takeEffects(context)).toMatchObject([{ type: 'event', event: { type: 'key', state: 'changed' } }])
  expect(keys.observeKey('Billy', other.key)).toBe(false)
  expect(takeEffects(context)).toEqual([])
})

test('K8: a changed key that is trusted is pinned, and waiting messages can be sent', () => {
  const { context, keys } = buildEnabled({ Billy: billy.key })
  keys.observeKey('Billy', other.key)
  takeEffects(context)
  expect(keys.trust('Billy', billy.key)).toBe(false)
  expect(keys.trust('Billy', anna.key)).toBe(false)
  expect(takeEffects(context)).toEqual([])
  expect(keys.trust('Billy', other.key)).toBe(true)
  expect(takeEffects(context)).toMatchObject([
    { type: 'pin', user: 'Billy', key: other.key },
    { type: 'event', event: { type: 'key', user: 'Billy', key: other.key, state: 'trusted' } },
  ])
  expect(keys.trust('Billy', other.key)).toBe(false)
})

test('when the known key is seen again, waiting messages can be sent', () => {
  const { context, keys } = buildEnabled({ Billy: billy.key })
  keys.observeKey('Billy', other.key)
  takeEffects(context)
  expect(keys.observeKey('Billy', billy.key)).toBe(true)
  expect(takeEffects(context)).toMatchObject([{ type: 'event', event: { type: 'key', state: 'trusted' } }])
})
