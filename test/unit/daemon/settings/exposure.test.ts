/** Which servers may start without a secret and without auth. */
import { describe, expect, test } from 'vitest'
import { checkExposure, configFixHints, type Exposure, exposureWarnings } from '../../../../daemon/settings/exposure.ts'

const hints = configFixHints('config.json', 3001)
const check = (exposure: Partial<Exposure>) =>
  checkExposure(
    {
      host: '127.0.0.1',
      hasAddress: true,
      secret: '',
      auth: undefined,
      hasTokenKey: false,
      backbone: [],
      insecure: false,
      ...exposure,
    },
    hints,
  )

describe('checkExposure', () => {
  test.each(['127.0.0.1', '127.9.9.9', '::1', 'localhost'])('%s needs no secret, and auth is open', host => {
    expect(check({ host })).toBe('open')
  })

  test.each(['0.0.0.0', '::', '10.0.0.1', 'chat.example', '127.0.0.1.example'])('%s needs a secret', host => {
    expect(() => check({ host })).toThrow(`${host} is reachable from other machines, but the mesh has no secret; set`)
  })

  test('a reachable host with a secret needs auth', () => {
    const host = { host: '10.0.0.1', secret: 'x' }
    expect(() => check(host)).toThrow('auth is not set; set auth in config.json or --auth to key')
    for (const auth of ['open', 'key'] as const) expect(check({ ...host, auth })).toBe(auth)
  })

  test('insecure allows a reachable host without a secret and auth', () => {
    expect(check({ host: '10.0.0.1', insecure: true })).toBe('open')
    expect(check({ host: '10.0.0.1', insecure: true, auth: 'key' })).toBe('key')
  })

  test('a wildcard host needs a public address, even with insecure', () => {
    for (const host of ['0.0.0.0', '::']) {
      expect(() => check({ host, hasAddress: false, insecure: true })).toThrow('with --advertise http://HOST:3001')
      expect(check({ host, insecure: true })).toBe('open')
    }
  })

  test('a reachable backbone needs a secret, and the error does not contain its password', () => {
    const backbone = ['nats://localhost:4222', 'nats://user:pass@10.1.2.3:4222']
    expect(() => check({ backbone })).toThrow(/^the backbone 10\.1\.2\.3:4222 is reachable from other machines/)
    expect(check({ backbone, secret: 'x' })).toBe('open')
    expect(check({ backbone, insecure: true })).toBe('open')
    expect(check({ backbone: backbone.slice(0, 1) })).toBe('open')
  })

  test('auth: token needs a token key', () => {
    expect(() => check({ auth: 'token' })).toThrow('set tokenKeyFile in config.json')
    expect(check({ auth: 'token', hasTokenKey: true })).toBe('token')
  })
})

describe('exposureWarnings', () => {
  test('a server with a secret and auth has no warnings', () => {
    expect(exposureWarnings('0.0.0.0', 'x', 'key')).toEqual([])
    expect(exposureWarnings('127.0.0.1', 'x', 'open')).toEqual([])
  })

  test('a missing secret names who can join', () => {
    expect(exposureWarnings('127.0.0.1', '', 'open')).toEqual([
      'No secret is set: any program on this machine can join the mesh as a server.',
    ])
    expect(exposureWarnings('10.0.0.1', '', 'key')).toEqual([
      'No secret is set: anyone who can reach this server can join the mesh as a server.',
    ])
  })

  test('open auth on a reachable host is a warning', () => {
    expect(exposureWarnings('10.0.0.1', 'x', 'open')).toEqual([
      'User names are not verified: anyone who can reach this server can use any name.',
    ])
  })
})
