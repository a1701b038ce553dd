import type { IncomingMessage } from 'node:http'
import { hostname } from 'node:os'
import { describe, expect, test } from 'vitest'
import { hostNamesOf, isKnownHost, isOwnOrigin, pageRefusal } from '../../../daemon/transport/origin.ts'

test.each([
  [undefined, 'x:1', 'http', true],
  ['http://127.0.0.1:1', '127.0.0.1:1', 'http', true],
  ['http://[::1]:1', '[::1]:1', 'http', true],
  ['http://localhost:1', 'localhost:1', 'http', true],
  ['http://chat.example', 'chat.example', 'http', true],
  ['https://any.example', 'any.example', 'https', true],
  ['http://127.0.0.1:2', '127.0.0.1:1', 'http', false],
  ['https://127.0.0.1:1', '127.0.0.1:1', 'http', false],
  ['http://any.example', 'any.example', 'https', false],
  // DNS rebinding.
  ['http://evil.example:1', 'evil.example:1', 'http', false],
  ['http://127.0.0.1.evil.example', '127.0.0.1.evil.example', 'http', false],
  ['http://localhost.evil.example', 'localhost.evil.example', 'http', false],
  ['null', 'null', 'http', false],
  ['', '', 'http', false],
  ['http://undefined', undefined, 'http', false],
  ['http://', '', 'http', false],
] as const)('a page of origin %s that connects to %s over %s is allowed: %s', (origin, host, scheme, isOwn) => {
  expect(isOwnOrigin(origin, host, { scheme, hostNames: ['chat.example'] })).toBe(isOwn)
})

test.each([
  [undefined, true],
  ['127.0.0.1:3001', true],
  ['10.1.2.3', true],
  ['[::1]:3001', true],
  ['localhost:3001', true],
  ['LOCALHOST', true],
  ['chat.example:3001', true],
  ['Chat.Example.', true],
  [hostname(), true],
  // DNS rebinding.
  ['evil.example', false],
  ['evil.example:3001', false],
  ['chat.example.evil.example', false],
  ['127.0.0.1.evil.example', false],
  ['localhost.evil.example', false],
  ['127.0.0.1@evil.example', false],
  ['chat.example/@evil.example', false],
  ['evil.example#chat.example', false],
  ['', false],
  ['a b', false],
])('the host %s is known: %s', (host, isKnown) => {
  expect(isKnownHost(host, hostNamesOf(['chat.example'], []))).toBe(isKnown)
})

test('host names come from addresses and URLs, without ports and brackets', () => {
  expect(hostNamesOf(['::1', 'One.Example'], ['https://two.example:8443', 'http://[::2]:1'])).toEqual([
    '::1',
    'one.example',
    'two.example',
    '::2',
    hostname().toLowerCase(),
  ])
})

describe('a request that opens a connection', () => {
  const POLL = '/socket.io/?EIO=4&transport=polling'
  const rules = { scheme: 'http' as const, hostNames: ['chat.example'], origins: ['https://page.example'] }
  const refusal = (headers: IncomingMessage['headers'], url = POLL, scheme: 'http' | 'https' = 'http') =>
    pageRefusal({ headers, url } as IncomingMessage, { ...rules, scheme })

  test('is allowed from programs, own pages and listed pages', () => {
    for (const headers of [
      { host: '127.0.0.1:3001' },
      { host: 'chat.example:3001', 'sec-fetch-site': 'same-origin' },
      { host: 'chat.example:3001', origin: 'http://chat.example:3001', upgrade: 'websocket' },
      { host: '127.0.0.1:3001', origin: 'https://page.example' },
      { host: 'any-name-of-this-machine', upgrade: 'websocket' },
    ])
      expect(refusal(headers)).toBeUndefined()
    expect(refusal({ host: 'any.example' }, POLL, 'https')).toBeUndefined()
  })

  test.each([
    [
      'another page',
      { host: '127.0.0.1', origin: 'http://evil.example' },
      'pages of http://evil.example may not connect',
    ],
    ['a page whose origin starts as a listed one', { origin: 'https://page.example.evil.example' }, 'may not connect'],
    ['a listed page over http', { origin: 'http://page.example' }, 'may not connect'],
    ['a file or a sandbox', { host: '127.0.0.1', origin: 'null' }, 'pages of null may not connect'],
    ['a rebound page that polls', { host: 'evil.example:3001' }, 'this server is not known as evil.example:3001'],
    ['an image or a script of another page', { host: '127.0.0.1', 'sec-fetch-site': 'cross-site' }, 'other pages'],
    ['a page on another port of this machine', { host: '127.0.0.1', 'sec-fetch-site': 'same-site' }, 'other pages'],
  ])('is refused from %s', (_, headers, reason) => {
    expect(refusal(headers)).toContain(reason)
  })

  test('is refused as JSONP, which any page can load and read', () => {
    for (const url of [`${POLL}&j=0`, '/socket.io/?j=1&EIO=3&transport=polling', `${POLL}&%6a=0`])
      expect(refusal({ host: '127.0.0.1' }, url)).toContain('JSONP')
    expect(refusal({ host: '127.0.0.1' }, `${POLL}&t=xj=1`)).toBeUndefined()
  })
})
