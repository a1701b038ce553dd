/** Handshakes over NATS on the acceptor's side; no pending handshake outlives its limit. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createProof, newParty, type Party } from '../../../../daemon/links/handshake.ts'
import { HandshakeRequests, type HandshakeRequestsOptions } from '../../../../daemon/links/nats/handshake-requests.ts'
import { DEFAULT_LIMITS } from '../../../../src/protocol/limits.ts'

const SECRET = 'a secret of the mesh'
const self = { id: 'server-1', incarnation: 'server-1#1', protocol: 2 }

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function acceptorWith(options: Partial<HandshakeRequestsOptions> = {}) {
  const proven: string[] = []
  const handshakes = new HandshakeRequests({
    self,
    credentials: { secret: SECRET, previousSecret: undefined, processKey: undefined },
    limits: { ...DEFAULT_LIMITS, handshakes: 3 },
    nats: { connection: undefined },
    onBadSignature: () => {},
    onProven: ({ id }, link, _secret, answer) => {
      proven.push(id)
      answer({ type: 'accept', link: Number(link.length), holds: { seq: 0 } })
    },
    ...options,
  })
  /** The parsed response to a request; undefined if there is none. */
  const request = (payload: unknown): unknown => {
    let response: unknown
    handshakes.handleRequest({
      data: Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)),
      respond: text => {
        response = JSON.parse(`${text}`)
        return true
      },
    })
    return response
  }
  const challenge = (dialler: Party): Party => (request({ dialler }) as { acceptor: Party }).acceptor
  const prove = (dialler: Party, acceptor: Party, secret = SECRET) =>
    request({ link: acceptor.nonce, proof: createProof(secret, 'dialler', dialler, acceptor) })
  return { handshakes, proven, request, challenge, prove }
}

const dialler = (more: Partial<Party> = {}): Party => ({
  ...newParty({ id: 'server-2', incarnation: 'server-2#1', protocol: 2 }),
  ...more,
})

describe('pending handshakes', () => {
  test('return to 0 after a valid proof, which works once', () => {
    const { handshakes, proven, challenge, prove } = acceptorWith()
    const party = dialler()
    const acceptor = challenge(party)
    expect(handshakes.pending).toBe(1)
    expect(prove(party, acceptor)).toMatchObject({ ok: true, holds: { seq: 0 } })
    expect(handshakes.pending).toBe(0)
    expect(prove(party, acceptor)).toBeUndefined()
    expect(proven).toEqual(['server-2'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('return to 0 after a wrong proof, and the core is not asked', () => {
    const { handshakes, proven, challenge, prove } = acceptorWith()
    const party = dialler()
    expect(prove(party, challenge(party), 'another secret')).toMatchObject({ ok: false, code: 'wrong-secret' })
    expect(handshakes.pending).toBe(0)
    expect(proven).toEqual([])
  })

  test('return to 0 after a probe, which the core does not see', () => {
    const { handshakes, proven, challenge, prove } = acceptorWith()
    const party = dialler({ probe: true })
    expect(prove(party, challenge(party))).toMatchObject({ ok: true, time: Date.now() })
    expect(handshakes.pending).toBe(0)
    expect(proven).toEqual([])
  })

  test('return to 0 when diallers stay silent', () => {
    const { handshakes, challenge } = acceptorWith()
    for (let n = 0; n < 3; n++) challenge(dialler())
    expect(handshakes.pending).toBe(3)
    vi.advanceTimersByTime(4_000)
    expect(handshakes.pending).toBe(0)
  })

  test('stay at the limit: a new one replaces the oldest with its timer', () => {
    const { handshakes, challenge, prove } = acceptorWith()
    const parties = Array.from({ length: 100 }, () => dialler())
    const challenges = parties.map(party => [party, challenge(party)] as const)
    expect(handshakes.pending).toBe(3)
    expect(vi.getTimerCount()).toBe(3)
    const results = challenges.map(([party, acceptor]) => prove(party, acceptor) !== undefined)
    expect(results.lastIndexOf(false)).toBe(96)
    expect(results.filter(Boolean)).toHaveLength(3)
    expect(handshakes.pending).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('return to 0 on close', () => {
    const { handshakes, challenge } = acceptorWith()
    challenge(dialler())
    handshakes.close()
    expect(handshakes.pending).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })
})

test.each(['', 'x', '5', '{"dialler":5}', { dialler: { id: 'x' } }, { link: 'x' }, { link: 'unknown', proof: 'x' }])(
  'the request %o gets no response and leaves nothing behind',
  payload => {
    const { handshakes, request } = acceptorWith()
    expect(request(payload)).toBeUndefined()
    expect(handshakes.pending).toBe(0)
  },
)

test('a dial without a connection fails with a reason', async () => {
  const { handshakes } = acceptorWith()
  expect(await handshakes.dial('server-2')).toEqual({ ok: false, reason: 'not connected to the backbone' })
})
