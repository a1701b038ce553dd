/** Views of a long roster, with real servers and the product's own client session. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { io, type Socket } from 'socket.io-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../support/programs/processes.ts'
import { RealClient } from '../support/programs/real-client.ts'

const USERS = 40
/** Longest roster that clients hold whole. */
const WHOLE = 20

let urls: string[] = []
let crowd: Socket[] = []
const clients: RealClient[] = []
const name = (n: number) => `user-${100 + n}`

/** A client as those of 0.2, which take no view. */
function join02(url: string, user: string): Socket {
  const socket = io(url, { transports: ['websocket'], forceNew: true, reconnection: false })
  socket.on('connect', () => socket.emit('identify', { user, client: 'bare/1', protocol: 2 }, () => {}))
  return socket
}

function open(user: string, server = 0, views = true): RealClient {
  const client = new RealClient(user, [urls[server] ?? ''], { views })
  clients.push(client)
  return client
}

beforeAll(async () => {
  const ports = await freePorts(2)
  const file = join(temporaryFolder(), 'config.json')
  const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  writeFileSync(file, JSON.stringify({ servers, limits: { wholeRoster: WHOLE } }))
  const programs = servers.map(
    ({ id }) => new Program('daemon', ['--id', id, '--config', file, '--log-format', 'text']),
  )
  await until('the servers are linked', () => programs.every(({ out }) => out.includes('Outbound connection')))
  urls = ports.map(port => `http://127.0.0.1:${port}`)
})

afterAll(() => {
  for (const client of clients) client.close()
  for (const socket of crowd) socket.disconnect()
  stopAll()
})

test('a roster that becomes long turns into a view, in which watched and shown names stay true', async () => {
  const anna = open('Anna')
  const old = open('Old', 1, false)
  await until('all are online', () => [anna, old].every(({ roster }) => roster.length === 2))
  expect(anna.total).toBeUndefined()
  anna.request({ type: 'watch', users: ['Old', name(7), 'Zoe'] })
  anna.request({ type: 'show-names', after: '', count: 4 })
  crowd = Array.from({ length: USERS }, (_, n) => join02(urls[1] ?? '', name(n)))
  await until('everyone is told of', () => old.roster.length === USERS + 2)
  await until('Anna holds a view', () => anna.total === USERS + 2)
  // The watched names, and the first four of the list.
  const expected = ['Anna', 'Old', name(0), name(1), name(7)]
  await until('the view is right', () => anna.roster.join() === expected.join())

  anna.departures.length = 0
  crowd[7]?.disconnect()
  crowd[20]?.disconnect()
  await until('a watched user has left', () => !anna.roster.includes(name(7)))
  expect(anna.departures.map(({ name }) => name)).not.toContain(name(20))
  const zoe = open('Zoe', 1)
  await until('a watched user has come', () => anna.roster.includes('Zoe'))
  await until('Zoe holds a view', () => zoe.total === USERS + 1)
  expect(zoe.roster).toEqual([])
})

test('a message reaches a user outside of the view, and waits for one who is offline', async () => {
  const billy = open('Billy')
  const carol = open('Carol', 1)
  await until('both hold a view', () => [billy, carol].every(({ total }) => total !== undefined))
  billy.send('Carol', 'hello')
  await until('it is delivered', () => billy.held.length === 0 && carol.shown.length === 1)
  billy.send('Dora', 'are you there?')
  await until('it waits', () => billy.held.length === 1)
  const dora = open('Dora', 1)
  await until('it is delivered, too', () => billy.held.length === 0 && dora.shown.length === 1)
})

test('other names are found and listed on request', async () => {
  const eve = open('Eve')
  await until('Eve holds a view', () => eve.total !== undefined)
  eve.request({ type: 'find-names', text: 'USER-13', count: 5 })
  await until('names are found', () => eve.found !== undefined)
  expect(eve.found).toEqual([30, 31, 32, 33, 34].map(name))
  eve.request({ type: 'list-names', after: name(36), count: 2 })
  await until('names are listed', () => eve.listed !== undefined)
  expect(eve.listed).toMatchObject({ users: [name(37), name(38)] })
})
