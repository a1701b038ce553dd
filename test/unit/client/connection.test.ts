import { describe, expect, test } from 'vitest'
import type { ConnectionState } from '../../../src/client/events.ts'
import type { SessionEffect } from '../../../src/client/types.ts'
import type { IdentifyResponse } from '../../../src/protocol/messages.ts'
import { boundIdentificationText, NO_TLS } from '../../../src/protocol/proofs/mesh-identity.ts'
import {
  CHALLENGE,
  EPOCH_MS,
  effectsOf,
  eventsOf,
  MESH_KEY,
  SessionHarness,
} from '../../support/harness/session-harness.ts'
import { PlainIdentity } from '../../support/simulation/plain-identity.ts'

const SERVERS = ['http://a', 'http://b', 'http://c']

function start(options: ConstructorParameters<typeof SessionHarness>[0] = {}): SessionHarness {
  const harness = new SessionHarness({ servers: SERVERS, ...options })
  harness.step({ type: 'start' })
  return harness
}
const statesOf = (effects: readonly SessionEffect[]): ConnectionState[] =>
  eventsOf(effects).flatMap(event => (event.type === 'connection' ? [event.state] : []))
const lose = (harness: SessionHarness) => harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
const reject = (harness: SessionHarness, answer: Partial<Extract<IdentifyResponse, { ok: false }>>) => {
  harness.step({ type: 'opened', dial: harness.dial })
  return harness.reject(answer)
}

describe('connecting', () => {
  test('the first configured server is dialled first', () => {
    const harness = new SessionHarness({ servers: SERVERS })
    const effects = harness.step({ type: 'start' })
    expect(statesOf(effects)).toEqual([{ phase: 'connecting', server: 'http://a', attempt: 1 }])
    expect(effectsOf(effects, 'dial')).toEqual([{ type: 'dial', dial: 1, url: 'http://a' }])
  })

  test('V4: an opened connection identifies with protocol 2 and asks for connection counts', () => {
    const effects = start({ token: 'jwt', makeNonce: () => 'fresh' }).step({ type: 'opened', dial: 1 })
    const mesh = { nonce: 'mesh2-fresh', origin: 'http://a' }
    const request = {
      user: 'Anna',
      client: 'test/1',
      protocol: 2,
      connections: true,
      rooms: true,
      typing: false,
      ...mesh,
    }
    expect(effects).toEqual([{ type: 'identify', dial: 1, request }])
  })

  test('an accepted identification is online', () => {
    const harness = start()
    const servers = [{ id: 'server-2', url: 'http://b' }]
    const effects = harness.goOnline(['Anna', 'Billy'], { servers })
    expect(statesOf(effects)).toEqual([{ phase: 'online', server: 'server-1', url: 'http://a' }])
    expect(eventsOf(effects)).toContainEqual({ type: 'servers', servers })
    expect(harness.session.roster).toEqual(['Anna', 'Billy'])
  })

  test("M4: messages are dated by the server's clock, half of the round trip after its answer", () => {
    const harness = start()
    harness.step({ type: 'opened', dial: 1 })
    harness.now += 100
    harness.accept(['Anna'], { time: EPOCH_MS - 5_000 })
    harness.now += 7
    harness.compose('Billy')
    expect(harness.session.pendingMessages[0]?.at).toBe(EPOCH_MS - 5_000 + 57)
  })
})

describe('fail-over', () => {
  test('C1: a server that has not let the client in after 3 s is left', () => {
    const harness = start()
    expect(harness.session.deadline).toBe(3_000)
    harness.step({ type: 'opened', dial: 1 })
    harness.now = 3_000
    const effects = harness.step({ type: 'tick' })
    expect(effectsOf(effects, 'hang-up')).toEqual([{ type: 'hang-up', dial: 1 }])
    expect(statesOf(effects)).toMatchObject([{ phase: 'waiting', reason: 'no answer', attempt: 1 }])
  })

  test('C1, C3: a lost connection is followed by one to another server', () => {
    const harness = start()
    harness.goOnline()
    const [state] = statesOf(lose(harness))
    expect(state).toMatchObject({ phase: 'waiting', reason: 'gone' })
    const effects = harness.advance(harness.session.deadline - harness.now)
    // random() is 0.5: the second of b and c.
    expect(effectsOf(effects, 'dial')).toEqual([{ type: 'dial', dial: 2, url: 'http://c' }])
  })

  test('C3: the only server is dialled again', () => {
    const harness = start({ servers: ['http://a'] })
    lose(harness)
    harness.advance(5_000)
    expect(harness.url).toBe('http://a')
    expect(harness.dial).toBeGreaterThan(1)
  })

  test('C3: announced servers are dialled too', () => {
    const harness = start({ servers: ['http://a'] })
    harness.goOnline(['Anna'], { servers: [{ id: 'server-9', url: 'http://z' }] })
    lose(harness)
    harness.advance(harness.session.deadline - harness.now)
    expect(harness.url).toBe('http://z')
  })

  test('C4: a client with encrypted servers only does not follow to unencrypted ones', () => {
    const harness = start({ servers: ['https://a'] })
    const servers = [
      { id: 'server-8', url: 'https://y' },
      { id: 'server-9', url: 'http://z' },
    ]
    harness.goOnline(['Anna'], { servers })
    lose(harness)
    harness.advance(harness.session.deadline - harness.now)
    expect(harness.url).toBe('https://y')
  })

  test('C2: the delay is between 100 ms and a limit that doubles from 400 ms to 5 s', () => {
    const delays = (random: number) => {
      const harness = start({ random: () => random })
      return Array.from({ length: 6 }, () => {
        lose(harness)
        const delay = harness.session.deadline - harness.now
        harness.advance(delay)
        return delay
      })
    }
    expect(delays(0)).toEqual([100, 100, 100, 100, 100, 100])
    expect(delays(0.999_999_999).map(Math.round)).toEqual([400, 800, 1_600, 3_200, 5_000, 5_000])
  })

  test('C2: a connection of 10 s resets the delay, a shorter one does not', () => {
    const attempts = (heldMs: number) => {
      const harness = start()
      lose(harness)
      harness.advance(harness.session.deadline - harness.now)
      harness.goOnline()
      harness.advance(heldMs)
      return statesOf(lose(harness))
    }
    expect(attempts(9_999)).toMatchObject([{ attempt: 2 }])
    expect(attempts(10_000)).toMatchObject([{ attempt: 1 }])
  })

  test('the time of the next attempt is given in wall-clock time', () => {
    const harness = start()
    const [state] = statesOf(lose(harness))
    expect(state).toMatchObject({ retryAt: EPOCH_MS + harness.session.deadline })
  })

  test('C5: a client moves on when its server drains', () => {
    const harness = start({ servers: ['http://a'] })
    harness.goOnline()
    const servers = [{ id: 'server-2', url: 'http://b' }]
    const effects = harness.step({ type: 'move', dial: harness.dial, servers })
    expect(effectsOf(effects, 'hang-up')).toHaveLength(1)
    expect(statesOf(effects)).toMatchObject([{ phase: 'waiting' }])
    harness.advance(harness.session.deadline - harness.now)
    expect(harness.url).toBe('http://b')
  })

  test('C5: a draining server is left', () => {
    expect(statesOf(reject(start(), { code: 'draining', message: 'bye' }))).toMatchObject([
      { phase: 'waiting', reason: 'bye' },
    ])
  })

  test('C10: a server that has not answered a message for 8 s is left', () => {
    const harness = start()
    harness.goOnline(['Anna', 'Billy'])
    harness.compose('Billy')
    expect(statesOf(harness.advance(7_999))).toEqual([])
    expect(statesOf(harness.advance(1))).toMatchObject([{ phase: 'waiting', reason: 'the server does not answer' }])
  })

  test('inputs of an earlier connection are dropped', () => {
    const harness = start()
    harness.goOnline()
    lose(harness)
    harness.advance(harness.session.deadline - harness.now)
    harness.goOnline()
    expect(harness.dial).toBe(2)
    expect(harness.step({ type: 'closed', dial: 1, reason: 'late' })).toEqual([])
    expect(harness.step({ type: 'roster', dial: 1, delta: { version: 2, joined: ['Eve'], left: [] } })).toEqual([])
    expect(harness.session.roster).toEqual(['Anna'])
  })
})

describe('refusal and close', () => {
  test('C6: a rejected identification ends the session', () => {
    for (const code of ['bad-name', 'unauthorized', 'look-alike', 'too-many-connections'] as const) {
      const harness = start()
      const effects = reject(harness, { code, message: 'no' })
      expect(effectsOf(effects, 'hang-up')).toHaveLength(1)
      expect(statesOf(effects)).toEqual([{ phase: 'refused', code, message: 'no' }])
      expect(harness.session.deadline).toBe(Number.POSITIVE_INFINITY)
    }
  })

  test('C6: a name that another key holds is tried again at another server', () => {
    const harness = start()
    const effects = reject(harness, { code: 'name-taken', message: 'taken' })
    expect(statesOf(effects)).toMatchObject([{ phase: 'waiting', code: 'name-taken', reason: 'taken' }])
    harness.advance(harness.session.deadline - harness.now)
    expect(harness.url).toBe('http://c')
    expect(statesOf(harness.goOnline())).toMatchObject([{ phase: 'online' }])
  })

  test('C6: a user who was online is not locked out by what others do in the meantime', () => {
    for (const code of ['name-taken', 'look-alike', 'too-many-connections'] as const) {
      const harness = start()
      harness.goOnline()
      lose(harness)
      harness.advance(harness.session.deadline - harness.now)
      expect(statesOf(reject(harness, { code, message: 'no' }))).toMatchObject([{ phase: 'waiting', code }])
    }
  })

  test('a session without a usable key is refused', () => {
    const harness = start()
    harness.askForKey()
    const effects = harness.step({ type: 'no-identity', dial: 1, reason: 'no key file' })
    expect(statesOf(effects)).toEqual([{ phase: 'refused', code: 'unauthorized', message: 'no key file' }])
  })

  test('a closed session hangs up, dials nothing and composes nothing', () => {
    const harness = start()
    harness.goOnline()
    const effects = harness.ask({ type: 'close' })
    expect(effectsOf(effects, 'hang-up')).toHaveLength(1)
    expect(statesOf(effects)).toEqual([{ phase: 'closed' }])
    expect(harness.compose('Billy')).toEqual([])
    expect(harness.session.deadline).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('keys', () => {
  const anna = new PlainIdentity('Anna')

  test('A4: a challenge is answered with the key and a proof', () => {
    const harness = start()
    expect(effectsOf(harness.askForKey(), 'prove')).toEqual([{ type: 'prove', dial: 1, challenge: CHALLENGE }])
    const effects = harness.proveKey(anna)
    const binding = { origin: 'http://a', meshKey: MESH_KEY, channel: NO_TLS }
    const proof = anna.sign(boundIdentificationText('Anna', CHALLENGE, binding))
    expect(effectsOf(effects, 'identify')).toMatchObject([{ request: { key: anna.key, proof } }])
  })

  test('C12: a client that has identified with a key uses no server in another mode', () => {
    const harness = start()
    harness.goOnlineWithKey(anna)
    lose(harness)
    harness.advance(harness.session.deadline - harness.now)
    expect(statesOf(harness.goOnline())).toMatchObject([{ phase: 'refused', code: 'unauthorized' }])
  })

  test('C12: a client that requires key mode uses no server in another mode', () => {
    expect(statesOf(start({ auth: 'key' }).goOnline())).toMatchObject([{ phase: 'refused', code: 'unauthorized' }])
  })

  test('C12: a server in key mode that asks for no key is not used', () => {
    const effects = start().goOnline(['Anna'], { auth: 'key' })
    expect(statesOf(effects)).toMatchObject([{ phase: 'refused', code: 'unauthorized' }])
  })
})
