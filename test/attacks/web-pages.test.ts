/** Requests that a page in a user's browser can make to a server on this machine or network. */
import { request } from 'node:http'
import { io } from 'socket.io-client'
import { afterEach, expect, test } from 'vitest'
import { createServer } from '../../daemon/library.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const end of cleanups.splice(0).reverse()) await end()
})

interface Answer {
  status: number
  headers: Record<string, unknown>
  body: string
}

function get(url: string, headers: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(url, { headers, agent: false }, answer => {
      let body = ''
      answer.on('data', chunk => {
        body += chunk
      })
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }))
    })
      .on('error', reject)
      .end()
  })
}

async function start(options: object = {}) {
  const server = await createServer({ id: 'server-1', ...options })
  cleanups.push(() => server.close())
  const poll = (headers: Record<string, string>, more = '') =>
    get(`${server.url}/socket.io/?EIO=4&transport=polling${more}`, headers)
  return { server, poll, host: new URL(server.url).host }
}

test('a rebound page cannot poll: a host name that is not of the server gets no session', async () => {
  const { poll, host } = await start({ names: ['http://chat.example'] })
  const rebound = await poll({ host: 'evil.example' })
  expect(rebound.status).toBe(403)
  expect(JSON.parse(rebound.body).message).toContain('"names" in the config')
  expect(rebound.body).not.toContain('sid')
  for (const known of [host, 'localhost', 'chat.example', 'chat.example:3001', '[::1]:3001'])
    expect((await poll({ host: known })).status).toBe(200)
})

test('a page of another origin gets neither a session nor permission to read', async () => {
  const { poll, host } = await start()
  for (const origin of ['http://evil.example', 'null', 'https://127.0.0.1']) {
    const { status, headers, body } = await poll({ host, origin })
    expect(status).toBe(403)
    expect(Object.keys(headers).filter(name => name.startsWith('access-control'))).toEqual([])
    expect(body).not.toContain('sid')
  }
})

test('only listed origins get permission to read, also in preflights and errors', async () => {
  const { server, poll, host } = await start({ origins: ['https://page.example'] })
  const listed = await poll({ host, origin: 'https://page.example' })
  expect(listed).toMatchObject({ status: 200, headers: { 'access-control-allow-origin': 'https://page.example' } })
  for (const path of ['/socket.io/?EIO=4&transport=polling', '/socket.io/?EIO=4&transport=polling&sid=x', '/']) {
    const { headers } = await get(`${server.url}${path}`, { host, origin: 'http://evil.example' })
    expect(headers['access-control-allow-origin']).toBeUndefined()
  }
})

test('a script element cannot load a session as JSONP', async () => {
  const { poll, host } = await start({ origins: ['https://page.example'] })
  for (const more of ['&j=0', '&%6a=0', '&j=0&j=1']) {
    const { status, body } = await poll({ host }, more)
    expect(status).toBe(403)
    expect(body).not.toContain('sid')
  }
  const { status } = await poll({ host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })
  expect(status).toBe(403)
})

test('programs connect by any host name over WebSocket', async () => {
  const { server } = await start()
  const socket = io(server.url, { transports: ['websocket'], extraHeaders: { host: 'any-alias.example' } })
  cleanups.push(() => socket.disconnect())
  await new Promise((resolve, reject) => socket.on('connect', () => resolve(undefined)).on('connect_error', reject))
  expect(socket.connected).toBe(true)
})

test('clients that poll can chat where origins are listed', async () => {
  const { server } = await start({ origins: ['https://page.example'] })
  const socket = io(server.url, { transports: ['polling'], reconnection: false })
  cleanups.push(() => socket.disconnect())
  await new Promise((resolve, reject) => socket.on('connect', () => resolve(undefined)).on('connect_error', reject))
  const text = 'x'.repeat(16_000)
  const received = new Promise(resolve => socket.on('im', ({ text }) => resolve(text)))
  socket.emit('identify', 'Anna')
  await new Promise(resolve => socket.once('update_client', resolve))
  socket.emit('im', { from: 'Anna', to: 'Anna', text })
  expect(await received).toBe(text)
})
