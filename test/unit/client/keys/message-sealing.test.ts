import { describe, expect, test } from 'vitest'
import { Keyring } from '../../../../src/client/keys/keyring.ts'
import { identificationText, parseSealedText } from '../../../../src/protocol/proofs/credentials.ts'
import { boundIdentificationText, type ProofBinding } from '../../../../src/protocol/proofs/mesh-identity.ts'
import { messageOf } from '../../../support/harness/session-harness.ts'
import { keyNamed, PlainIdentity } from '../../../support/simulation/plain-identity.ts'

const anna = new PlainIdentity('Anna')
const billy = new PlainIdentity('Billy')
const other = new PlainIdentity('Billy 2')

const keyringOf = (known: Record<string, string> = {}) => new Keyring('Anna', anna, new Map(Object.entries(known)))
/** A message from Billy to Anna, sealed by a key. */
function sealedBy(identity: PlainIdentity, parts: Parameters<typeof messageOf>[0] = {}) {
  const message = messageOf(parts)
  return { ...message, text: identity.seal(message, anna.key) }
}

describe('sealing', () => {
  const message = messageOf({ from: 'Anna', to: 'Billy' })

  test("K2: a text is sealed with the sender's key and the recipient's known key", () => {
    const sealed = keyringOf({ Billy: billy.key }).seal(message)
    expect('text' in sealed ? parseSealedText(sealed.text) : undefined).toMatchObject({ from: anna.key, to: billy.key })
  })

  test("a message to this user is sealed with this user's key", () => {
    const sealed = keyringOf().seal(messageOf({ from: 'Anna', to: 'Anna' }))
    expect('text' in sealed ? parseSealedText(sealed.text)?.to : undefined).toBe(anna.key)
  })

  test('a message waits while the key of its recipient is unknown', () => {
    expect(keyringOf().seal(message)).toEqual({ waits: 'for-key' })
  })

  test('K8: a message waits while the changed key of its recipient is not trusted', () => {
    const keyring = keyringOf({ Billy: billy.key })
    keyring.observeKey('Billy', other.key)
    expect(keyring.seal(message)).toEqual({ waits: 'key-changed' })
    expect(keyring.trust('Billy', other.key)).toBe(true)
    expect(keyring.seal(message)).toHaveProperty('text')
  })
})

describe('opening', () => {
  test('a message of the known key is genuine', () => {
    const opened = keyringOf({ Billy: billy.key }).open(sealedBy(billy))
    expect(opened).toEqual({ state: 'genuine', text: 'Hi', key: billy.key })
  })

  test('a message of an unknown sender is genuine', () => {
    expect(keyringOf().open(sealedBy(billy)).state).toBe('genuine')
  })

  test('a message of another key than the known one is marked as changed', () => {
    const opened = keyringOf({ Billy: billy.key }).open(sealedBy(other))
    expect(opened).toEqual({ state: 'changed', text: 'Hi', key: other.key })
  })

  test('K7: an unsealed message is forged', () => {
    expect(keyringOf().open(messageOf())).toEqual({ state: 'forged' })
  })

  test('K7: an altered message is forged', () => {
    expect(keyringOf().open({ ...sealedBy(billy), id: 'b.2' })).toEqual({ state: 'forged' })
  })

  test('K7: a message from this user, sealed by another key, is forged', () => {
    expect(keyringOf().open(sealedBy(billy, { from: 'Anna', to: 'Anna' }))).toEqual({ state: 'forged' })
    expect(keyringOf().open(sealedBy(anna, { from: 'Anna', to: 'Anna' })).state).toBe('genuine')
  })
})

describe('keys of users', () => {
  test('K8: the first key of a user is remembered', () => {
    const keyring = keyringOf()
    expect(keyring.observeKey('Billy', billy.key)).toBe('new')
    expect(keyring.observeKey('Billy', billy.key)).toBe('known')
    expect([...keyring.known]).toEqual([['Billy', billy.key]])
  })

  test('K8: another key changes nothing until it is trusted, and is reported once', () => {
    const keyring = keyringOf({ Billy: billy.key })
    expect(keyring.observeKey('Billy', other.key)).toBe('changed')
    expect(keyring.observeKey('Billy', other.key)).toBe('changed-before')
    expect(keyring.known.get('Billy')).toBe(billy.key)
  })

  test('when the known key is seen again, the change is over', () => {
    const keyring = keyringOf({ Billy: billy.key })
    keyring.observeKey('Billy', other.key)
    expect(keyring.observeKey('Billy', billy.key)).toBe('back')
    expect(keyring.trust('Billy', other.key)).toBe(false)
  })

  test("the user's own key cannot be replaced", () => {
    const keyring = keyringOf()
    expect(keyring.observeKey('Anna', other.key)).toBe('known')
    expect([...keyring.known]).toEqual([])
  })

  test('a key is requested once per connection, until it is answered', () => {
    const keyring = keyringOf()
    expect(keyring.startRequest('Billy')).toBe(true)
    expect(keyring.startRequest('Billy')).toBe(false)
    keyring.finishRequest('Billy')
    expect(keyring.startRequest('Billy')).toBe(true)
    keyring.clearRequests()
    expect(keyring.startRequest('Billy')).toBe(true)
  })
})

describe('the proof', () => {
  const challenge = { server: 'server-1', connection: 'server-1:7', nonce: 'n' }
  const sign = (binding?: ProofBinding) => {
    const signed: string[] = []
    const identity = Object.assign(new PlainIdentity('Anna'), { sign: (text: string) => `${signed.push(text)}` })
    const credentials = new Keyring('Anna', identity, new Map()).signChallenge(challenge, binding)
    return { credentials, signed }
  }

  test.each([
    [undefined, 2],
    ['exporter', 3],
  ])(
    'A13: signs the user, the challenge, the dialled origin, the mesh key and the channel %s',
    (channel, proofVersion) => {
      const binding = { origin: 'http://a', meshKey: keyNamed('mesh'), channel }
      const { credentials, signed } = sign(binding)
      expect(credentials).toEqual({ key: keyNamed('Anna'), proof: '1', proofVersion })
      expect(signed).toEqual([boundIdentificationText('Anna', challenge, binding)])
    },
  )

  test('A5: signs the user and the challenge for a server of 0.1', () => {
    const { credentials, signed } = sign()
    expect(credentials).toEqual({ key: keyNamed('Anna'), proof: '1' })
    expect(signed).toEqual([identificationText('Anna', challenge)])
  })
})
