import { expect, test } from 'vitest'
import { isOwnOrigin } from '../../../daemon/transport/origin.ts'

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
  expect(isOwnOrigin(origin, host, scheme, ['chat.example'])).toBe(isOwn)
})
