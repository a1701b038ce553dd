/** The findings of `mesh-chatd check` about a server that answered. */
import { describe, expect, test } from 'vitest'
import { type CheckContext, serverFindings } from '../../../daemon/check/findings.ts'
import { type ProbeResult, probeParty, startProbe } from '../../../daemon/check/probe.ts'
import { createProof, newParty } from '../../../daemon/links/handshake.ts'
import { PROTOCOL_VERSION } from '../../../src/protocol/messages.ts'

const CONTEXT: CheckContext = {
  selfId: 'server-1',
  secret: 'a secret',
  previousSecret: undefined,
  ca: undefined,
  auth: 'open',
  file: 'config.json',
  withinMs: 1_000,
  isSelfRunning: undefined,
}
const GOOD: ProbeResult = {
  id: 'server-1',
  protocol: PROTOCOL_VERSION,
  auth: 'open',
  sameSecret: true,
  roundTripMs: 1.26,
  clockMs: -3.4,
}
const findings = (probed: Partial<ProbeResult>, context: Partial<CheckContext> = {}, ...more: string[][]) =>
  serverFindings('server-1', 'server-1 at x', { ...GOOD, ...probed }, { ...CONTEXT, ...context }, ...more)

describe('serverFindings', () => {
  test('a healthy server gives one ok line with latency, clock and details', () => {
    const text = 'same secret, round trip 1.3 ms, clock 3 ms behind, certificate valid'
    expect(findings({}, {}, [], ['certificate valid'])).toEqual([{ ok: true, about: 'server-1 at x', text }])
    expect(findings({ clockMs: 12 }, { secret: '' })[0]?.text).toBe('no secret, round trip 1.3 ms, clock 12 ms ahead')
  })

  test('a worker of the server is the server', () => {
    expect(findings({ id: 'server-1/2' })[0]?.ok).toBe(true)
    expect(findings({ id: 'server-12' })[0]?.ok).toBe(false)
  })

  test.each<[Partial<ProbeResult>, string]>([
    [
      { id: 'server-2' },
      'another server answers at its address: server-2; correct ip and port of server-1 in config.json',
    ],
    [{ protocol: 1 }, `this server speaks protocol ${PROTOCOL_VERSION}, the other one 1; update the other server`],
    [
      { sameSecret: false, clockMs: undefined },
      'it has another secret; set the same on all servers, with MESH_CHAT_SECRET or secretFile',
    ],
    [{ auth: 'key' }, 'its auth is key, but this config has open; set the same on all servers'],
    [{ clockMs: 5_001 }, 'clock 5001 ms ahead; synchronize both machines with NTP'],
    [{ clockMs: -60_000 }, 'clock 60000 ms behind; synchronize both machines with NTP'],
  ])('%o is a problem with a fix', (probed, text) => {
    expect(findings(probed)).toEqual([{ ok: false, about: 'server-1 at x', text }])
  })

  test('all problems are listed, earlier ones first, and a 5 s clock difference is none', () => {
    const all = findings({ auth: 'key', sameSecret: false, clockMs: 5_000 }, {}, ['its certificate is bad'])
    expect(all.map(({ text }) => text.split(/[;,]/)[0])).toEqual([
      'its certificate is bad',
      'it has another secret',
      'its auth is key',
    ])
  })
})

describe('startProbe', () => {
  const acceptor = newParty({ id: 'server-1', incarnation: 'i', protocol: 2, auth: 'key' })
  const dialler = probeParty('open')
  const response = (secret: string) => ({
    ok: true,
    proof: createProof(secret, 'acceptor', dialler, acceptor),
    time: Date.now() + 60_000,
  })

  test('a response with the right proof proves the secret and gives the clock', () => {
    const probe = startProbe('secret', dialler, acceptor)
    expect(probe.proof).toBe(createProof('secret', 'dialler', dialler, acceptor))
    const result = probe.readAnswer(response('secret'))
    expect(result).toMatchObject({ id: 'server-1', auth: 'key', sameSecret: true })
    expect(result?.clockMs).toBeGreaterThan(50_000)
  })

  test('a wrong proof or a refusal means another secret, and no clock', () => {
    const probe = startProbe('secret', dialler, acceptor)
    for (const answer of [response('other'), { ok: false, code: 'wrong-secret', message: '' }])
      expect(probe.readAnswer(answer)).toMatchObject({ sameSecret: false, clockMs: undefined })
  })

  test('an unknown response is undefined', () => {
    const probe = startProbe('secret', dialler, acceptor)
    for (const answer of [null, 5, {}, { ok: true }]) expect(probe.readAnswer(answer)).toBeUndefined()
  })
})
