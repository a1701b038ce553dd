/** Handshakes over NATS on the acceptor's side; no pending handshake outlives its limit. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createProof, newParty, type Party } from '../../../../daemon/links/handshake.ts'
import { EnvelopeMac } from '../../../../daemon/links/nats/envelopes/envelope-mac.ts'
import { SUBJECTS, subjectToken, usesSenderSubjects } from '../../../../daemon/links/nats/envelopes/envelopes.ts'
import { HandshakeRequests, type HandshakeRequestsOptions } from '../../../../daemon/links/nats/handshake-requests.ts'
import { DEFAULT_LIMITS } from '../../../../src/protocol/limits.ts'

const SECRET = 'a secret of the mesh'
const INBOX = `${SUBJECTS.inbox('server-2')}.AbCdEfGhIjKlMnOpQrStUv.x1`
const self = { id: 'server-1', incarnation: 'server-1#1', protocol: 2 }

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** @param defaultSender the last token of the subject; empty: a dialler of version 0.1 */
function acceptorWith(options: Partial<HandshakeRequestsOptions> = {}, defaultSender = subjectToken('server-2')) {
  const proven: string[] = []
  const handshakes = new HandshakeRequests({
    self,
    credentials: { secret: SECRET, previousSecret: undefined, processKey: undefined },
    limits: { ...DEFAULT_LIMITS, handshakes: 3 },
    nats: { connection: undefined },
    isLegacyDenied: () => false,
    onRefused: () => {},
    onProven: ({ id }, link, _secret, answer) => {
      proven.push(id)
      answer({ type: 'accept', link: Number(link.length), holds: { seq: 0 } })
    },
    ...options,
  })
  /** The parsed response to a request; undefined if there is none. */
  const request = (payload: unknown, { reply = INBOX, sender = defaultSender, secret = '' } = {}) => {
    let response: unknown
    const subject = SUBJECTS.handshake(self.id, 'server-2')
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
    const message = {
      subject,
      data: secret === '' ? Buffer.from(text) : new EnvelopeMac(secret).sign(subject, text),
      reply,
      respond: (text: unknown) => {
        response = JSON.parse(`${text}`)
        return true
      },
    }
    if (sender === '') handshakes.handleRequest(message)
    else handshakes.handleRequest(message, sender)
    return response
  }
  const challenge = (dialler: Party): Party => (request({ dialler }) as { acceptor: Party }).acceptor
  const prove = (dialler: Party, acceptor: Party, secret = SECRET) => {
    const party = defaultSender === '' ? {} : { party: dialler }
    return request({ link: acceptor.nonce, proof: createProof(secret, 'dialler', dialler, acceptor), ...party })
  }
  return { handshakes, proven, request, challenge, prove }
}

const dialler = (more: Partial<Party> = {}): Party => ({
  ...newParty({ id: 'server-2', incarnation: 'server-2#1', protocol: 2 }),
  ...more,
})

describe('pending handshakes of diallers of version 0.1', () => {
  test('return to 0 after a valid proof, which works once', () => {
    const { handshakes, proven, challenge, prove } = acceptorWith({}, '')
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
    const { handshakes, proven, challenge, prove } = acceptorWith({}, '')
    const party = dialler()
    expect(prove(party, challenge(party), 'another secret')).toMatchObject({ ok: false, code: 'wrong-secret' })
    expect(handshakes.pending).toBe(0)
    expect(proven).toEqual([])
  })

  test('return to 0 after a probe, which the core does not see', () => {
    const { handshakes, proven, challenge, prove } = acceptorWith({}, '')
    const party = dialler({ probe: true })
    expect(prove(party, challenge(party))).toMatchObject({ ok: true, time: Date.now() })
    expect(handshakes.pending).toBe(0)
    expect(proven).toEqual([])
  })

  test('return to 0 when diallers stay silent', () => {
    const { handshakes, challenge } = acceptorWith({}, '')
    for (let n = 0; n < 3; n++) challenge(dialler())
    expect(handshakes.pending).toBe(3)
    vi.advanceTimersByTime(4_000)
    expect(handshakes.pending).toBe(0)
  })

  test('stay at the limit: a new one replaces the oldest with its timer', () => {
    const { handshakes, challenge, prove } = acceptorWith({}, '')
    const parties = Array.from({ length: 80 }, () => dialler())
    const challenges = parties.map(party => [party, challenge(party)] as const)
    expect(handshakes.pending).toBe(3)
    expect(vi.getTimerCount()).toBe(3)
    const results = challenges.map(([party, acceptor]) => prove(party, acceptor) !== undefined)
    expect(results.lastIndexOf(false)).toBe(76)
    expect(results.filter(Boolean)).toHaveLength(3)
    expect(handshakes.pending).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('return to 0 on close', () => {
    const { handshakes, challenge } = acceptorWith({}, '')
    challenge(dialler())
    handshakes.close()
    expect(handshakes.pending).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('handshakes of diallers that repeat their identity', () => {
  test('leave nothing behind, whatever their number, and a peer whose challenge is older gets in', () => {
    const { handshakes, proven, challenge, prove } = acceptorWith()
    const party = dialler()
    const acceptor = challenge(party)
    for (let n = 0; n < 150; n++) challenge(dialler())
    expect(handshakes.pending).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
    expect(prove(party, acceptor)).toMatchObject({ ok: true })
    expect(proven).toEqual(['server-2'])
  })

  test('open one link each: a recorded proof opens no second', () => {
    const { proven, challenge, prove } = acceptorWith()
    const party = dialler()
    const acceptor = challenge(party)
    expect(prove(party, acceptor)).toMatchObject({ ok: true })
    expect(prove(party, acceptor)).toBeUndefined()
    expect(proven).toEqual(['server-2'])
  })

  test('fail with the challenge of another dialler, of another server, or an expired one', () => {
    const { proven, challenge, prove } = acceptorWith()
    const party = dialler()
    expect(prove(dialler(), challenge(party))).toBeUndefined()
    expect(prove(party, acceptorWith().challenge(party))).toBeUndefined()
    const acceptor = challenge(party)
    vi.advanceTimersByTime(30_100)
    expect(prove(party, acceptor)).toBeUndefined()
    expect(proven).toEqual([])
  })

  test('a wrong proof takes nothing from the peer whose challenge it answers', () => {
    const { challenge, prove } = acceptorWith()
    const party = dialler()
    const acceptor = challenge(party)
    expect(prove(party, acceptor, 'a guess')).toMatchObject({ code: 'wrong-secret' })
    expect(prove(party, acceptor)).toMatchObject({ ok: true })
  })
})

describe('a flood of requests', () => {
  test('that are not signed is answered slowly, and signed ones are all answered', () => {
    const { request } = acceptorWith()
    const answered = Array.from({ length: 39_000 }, () => request({ dialler: dialler() }) !== undefined)
    expect(answered.filter(Boolean).length).toBeLessThanOrEqual(200)
    expect(request({ dialler: dialler() }, { secret: 'another secret' })).toBeUndefined()
    expect(request({ dialler: dialler() }, { secret: SECRET })).toHaveProperty('acceptor')
    vi.advanceTimersByTime(1_000)
    // The operator of a server with another secret gets to know it.
    expect(request({ dialler: dialler() }, { secret: 'another secret' })).toHaveProperty('acceptor')
  })

  test('in the dialect of version 0.1 takes nothing from other requests, nor from a dialler that was challenged', () => {
    const current = acceptorWith({ limits: { ...DEFAULT_LIMITS, handshakes: 100 } })
    const legacy = { sender: '', reply: '_INBOX.AbCdEfGhIjKlMnOpQrStUv.x1' }
    const party = dialler()
    const { acceptor } = current.request({ dialler: party }, legacy) as { acceptor: Party }
    const answered = Array.from({ length: 39_000 }, () => current.request({ dialler: dialler() }, legacy))
    expect(answered.filter(answer => answer !== undefined)).toHaveLength(79)
    expect(current.handshakes.pending).toBe(80)
    const guesses = Array.from({ length: 39_000 }, (_, n) => ({ link: `${n}`.padStart(22, 'x'), proof: 'x' }))
    for (const guess of guesses) expect(current.request(guess, legacy)).toBeUndefined()
    // A server with another secret, and the peer of version 0.1 that came first.
    expect(current.request({ dialler: dialler() }, { secret: 'another secret' })).toHaveProperty('acceptor')
    const proof = createProof(SECRET, 'dialler', party, acceptor)
    expect(current.request({ link: acceptor.nonce, proof }, legacy)).toMatchObject({ ok: true })
    expect(current.proven).toEqual(['server-2'])
    current.handshakes.close()
  })

  test('that are recorded is answered once', () => {
    const { request } = acceptorWith()
    const recorded = { dialler: dialler() }
    const answers = Array.from({ length: 1_000 }, () => request(recorded, { secret: SECRET }))
    expect(answers.filter(answer => answer !== undefined)).toHaveLength(1)
  })

  test('that are long is not read', () => {
    const { request } = acceptorWith()
    const long = { dialler: dialler(), more: 'x'.repeat(8_192) }
    expect(request(long, { secret: SECRET })).toBeUndefined()
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

describe('a request is answered only at the inbox of its sender', () => {
  const LEGACY_INBOX = '_INBOX.AbCdEfGhIjKlMnOpQrStUv.x1'
  const legacy = { sender: '' }

  test.each([
    ['a subject of another server', SUBJECTS.link('server-3', 'server-1')],
    ['a broadcast', SUBJECTS.broadcast('server-1')],
    ['the inbox of another server', `${SUBJECTS.inbox('server-3')}.AbCdEfGhIjKlMnOpQrStUv.x1`],
    ['an inbox whose id only starts the same', `${SUBJECTS.inbox('server-2')}x.AbCdEfGhIjKlMnOpQrStUv.x1`],
    ['a subject of another application', 'billing.payments'],
    ['a service of NATS', '$JS.API.STREAM.PURGE.orders'],
    ['an inbox without tokens', SUBJECTS.inbox('server-2')],
    ['an inbox with an extra token', `${INBOX}.more`],
    ['an inbox of version 0.1', LEGACY_INBOX],
    ['no subject', ''],
  ])('not at %s', (_, reply) => {
    const { handshakes, request } = acceptorWith()
    expect(request({ dialler: dialler() }, { reply })).toBeUndefined()
    expect(handshakes.pending).toBe(0)
  })

  test('servers of version 0.1 have inboxes of the default form', () => {
    const { request } = acceptorWith()
    expect(request({ dialler: dialler() }, { ...legacy, reply: LEGACY_INBOX })).toHaveProperty('acceptor')
    for (const reply of ['_INBOX.x', 'billing.payments', SUBJECTS.link('server-2', 'server-1'), `${LEGACY_INBOX}.more`])
      expect(request({ dialler: dialler() }, { ...legacy, reply })).toBeUndefined()
  })

  test('the second request must come from the same inbox', () => {
    const { proven, request, challenge } = acceptorWith()
    const party = dialler()
    const acceptor = challenge(party)
    const proof = { link: acceptor.nonce, proof: createProof(SECRET, 'dialler', party, acceptor), party }
    expect(request(proof, { reply: `${SUBJECTS.inbox('server-3')}.AbCdEfGhIjKlMnOpQrStUv.x1` })).toBeUndefined()
    expect(request(proof, { sender: subjectToken('server-3') })).toBeUndefined()
    expect(proven).toEqual([])
    expect(request(proof)).toMatchObject({ ok: true })
  })

  test('the sender in the subject must be the dialler', () => {
    const { handshakes, request } = acceptorWith()
    expect(request({ dialler: dialler({ id: 'server-3' }) })).toBeUndefined()
    expect(request({ dialler: dialler() }, { sender: subjectToken('server-3') })).toBeUndefined()
    expect(handshakes.pending).toBe(0)
  })
})

test('the nonce shows that this server uses subjects with the sender', () => {
  const { challenge } = acceptorWith()
  expect(usesSenderSubjects(challenge(dialler()).nonce)).toBe(true)
  // A nonce of version 0.1.
  expect(usesSenderSubjects(newParty(self).nonce)).toBe(false)
  expect(usesSenderSubjects('from-56789012345678901')).toBe(false)
})
