/** The origins for which a server proves its mesh. */
import { expect, test } from 'vitest'
import { OwnOrigins, type ServerAddresses } from '../../../../daemon/auth/own-origins.ts'

function originsOf(addresses: Partial<ServerAddresses>): (origin: string) => boolean {
  const own = new OwnOrigins({ host: '10.0.0.1', port: 3001, scheme: 'http', urls: [], names: [], ...addresses })
  return origin => own.has(origin)
}

test('the address that it listens on is its own; another host, port or scheme is not', () => {
  const has = originsOf({})
  expect(has('http://10.0.0.1:3001')).toBe(true)
  for (const origin of ['http://10.0.0.2:3001', 'http://10.0.0.1:3002', 'https://10.0.0.1:3001', 'http://10.0.0.1'])
    expect(has(origin), origin).toBe(false)
})

test('the URLs at which it is announced and the names in its config are its own', () => {
  const has = originsOf({ urls: ['http://chat.example.com:80/', 'https://[2001:DB8::1]:3001'], names: ['https://lb'] })
  for (const origin of ['http://chat.example.com', 'https://[2001:db8::1]:3001', 'https://lb'])
    expect(has(origin), origin).toBe(true)
  expect(has('http://lb')).toBe(false)
})

test('loopback names are its own if it listens on loopback or on all addresses', () => {
  const loopback = ['http://localhost:3001', 'http://127.0.0.1:3001', 'http://127.8.8.8:3001', 'http://[::1]:3001']
  for (const host of ['127.0.0.1', '::1', 'localhost', '0.0.0.0', '::']) {
    const has = originsOf({ host })
    for (const origin of loopback) expect(has(origin), `${origin} at ${host}`).toBe(true)
    expect(has('http://localhost:3002')).toBe(false)
    expect(has('http://localhost.example.com:3001')).toBe(false)
  }
  for (const origin of loopback) expect(originsOf({})(origin), origin).toBe(false)
})

test('the addresses of this machine are its own only if it listens on all of them', () => {
  expect(originsOf({ host: '::' })('http://[::1]:3001')).toBe(true)
  expect(originsOf({ host: '0.0.0.0' })('http://192.0.2.1:3001')).toBe(false)
})
