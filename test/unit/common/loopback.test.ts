/** Which addresses, host names and URLs mean this machine. */
import { expect, test } from 'vitest'
import { isLoopbackAddress, isLoopbackHost, isLoopbackUrl } from '../../../src/common/loopback.ts'

const ADDRESSES = ['127.0.0.1', '127.255.255.254', '127.0.0.0', '::1', '::ffff:127.0.0.1', '::FFFF:127.1.2.3']
const REMOTE_ADDRESSES = [
  '',
  '0.0.0.0',
  '::',
  '10.0.0.1',
  '126.0.0.1',
  '128.0.0.1',
  '127.0.0.256',
  '127.0.0',
  '127.0.0.1.example.org',
  '1127.0.0.1',
  '::2',
  '::11',
  '::ffff:10.0.0.1',
  '::ffff:a00:1',
  'fe80::1',
]

test.each(ADDRESSES)('%s is a loopback address', address => {
  expect(isLoopbackAddress(address)).toBe(true)
  expect(isLoopbackHost(address)).toBe(true)
  expect(isLoopbackUrl(`http://${address.includes(':') ? `[${address}]` : address}:3001/path`)).toBe(true)
})

test.each(REMOTE_ADDRESSES)('"%s" is not a loopback address', address => {
  expect(isLoopbackAddress(address)).toBe(false)
  expect(isLoopbackHost(address)).toBe(false)
})

test('a host name is not an address', () => {
  expect(isLoopbackAddress('localhost')).toBe(false)
  expect(isLoopbackAddress('[::1]')).toBe(false)
})

test.each(['localhost', 'LocalHost', 'localhost.', '[::1]', '127.0.0.1.', '[::ffff:7f00:1]'])(
  '%s is a loopback host',
  host => {
    expect(isLoopbackHost(host)).toBe(true)
  },
)

test.each(['localhost.example.org', 'notlocalhost', 'localhost..', 'example.org', '[::2]', '[127.0.0.1]', '::1]'])(
  '%s is not a loopback host',
  host => {
    expect(isLoopbackHost(host)).toBe(false)
  },
)

test.each([
  'http://localhost:3001',
  'https://LOCALHOST./',
  'http://127.0.0.1',
  'nats://127.3.2.1:4222',
  'nats://[::1]:4222',
  'http://[::ffff:127.0.0.1]',
  'ws://[::1]',
])('%s is a loopback URL', url => {
  expect(isLoopbackUrl(url)).toBe(true)
})

test.each(['http://example.org', 'nats://10.0.0.1:4222', 'http://127.0.0.1.example.org', 'http://[::2]'])(
  '%s is not a loopback URL',
  url => {
    expect(isLoopbackUrl(url)).toBe(false)
  },
)

test('an invalid URL throws', () => {
  expect(() => isLoopbackUrl('localhost')).toThrow(TypeError)
})
