import { expect, test } from 'vitest'
import { toServerAddress } from '../../../src/programs/config.ts'
import { parseHost } from '../../../src/programs/host.ts'
import { serverAddressSchema } from '../../../src/protocol/messages.ts'
import { parseServerOrigin } from '../../../src/protocol/proofs/mesh-identity.ts'

const VALID = [
  ['127.0.0.1', '127.0.0.1'],
  ['0.0.0.0', '0.0.0.0'],
  ['::', '::'],
  ['::1', '::1'],
  ['[::1]', '::1'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['localhost', 'localhost'],
  ['Server-1.Example', 'server-1.example'],
  // Names of containers.
  ['mesh_server_1', 'mesh_server_1'],
  ['chat.example.', 'chat.example.'],
  ['münchen.example', 'xn--mnchen-3ya.example'],
  ['例え.テスト', 'xn--r8jz45g.xn--zckzah'],
]

test.each(VALID)('%s is an address', (given, canonical) => {
  expect(parseHost(given)).toBe(canonical)
})

test.each(VALID)('clients accept the URL of %s', (_, ip) => {
  const address = toServerAddress({ id: 'server-1', ip, port: 3001 })
  expect(serverAddressSchema.safeParse(address).success).toBe(true)
  expect(parseServerOrigin(address.url)).toBe(address.url)
})

test.each([
  '',
  ' ',
  'host name',
  ' 10.0.0.1',
  '10.0.0.1:3000',
  'host:3000',
  '[::1]:3000',
  '[::1',
  '[10.0.0.1]',
  '[localhost]',
  '::1::',
  'fe80::1%eth0',
  'http://10.0.0.1',
  'user@host',
  'host/path',
  'host?x',
  'host#x',
  'a..b',
  '.a',
  'a%41',
  // These would be other addresses in a URL.
  '1',
  '0x7f.1',
  '10.1',
  '256.1.1.1',
  'a\u00adb',
  'a\nb',
  `${'x'.repeat(64)}.example`,
  `${'x.'.repeat(130)}example`,
])('%j is not an address', text => {
  expect(parseHost(text)).toBeUndefined()
})
