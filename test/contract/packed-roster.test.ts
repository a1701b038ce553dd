/** Long rosters and deltas are sent packed to clients that accept it, and plain to all others. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { io, type Socket } from 'socket.io-client'
import { afterAll, expect, test } from 'vitest'
import { unpackRoster } from '../../cli/session/unpack-roster.ts'
import { frontDecode, frontEncode } from '../../src/protocol/encodings/front-coding.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../support/programs/processes.ts'
import { RealClient } from '../support/programs/real-client.ts'
import { seeded } from '../support/random.ts'

afterAll(stopAll)

const USERS = 150

interface RosterPayload {
  version: number
  users?: string[]
  joined?: string[]
  left?: string[]
  packed?: string
}

/** A protocol 2 client that keeps the raw responses. */
class BareClient {
  readonly socket: Socket
  readonly deltas: RosterPayload[] = []
  answer: RosterPayload | undefined

  constructor(url: string, user: string, packed: boolean) {
    this.socket = io(url, { transports: ['websocket'], forceNew: true, reconnection: false })
    this.socket.on('roster', delta => this.deltas.push(delta))
    this.socket.on('connect', () => {
      const hello = { user, client: 'bare/1', protocol: 2, ...(packed ? { packed } : {}) }
      this.socket.emit('identify', hello, ({ roster }: { roster: RosterPayload }) => {
        this.answer = roster
      })
    })
  }
}

test('packed and plain rosters and deltas contain the same names', async () => {
  const ports = await freePorts(2)
  const file = join(temporaryFolder(), 'config.json')
  const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  writeFileSync(file, JSON.stringify({ servers }))
  const programs = servers.map(({ id }) => {
    return new Program('daemon', ['--id', id, '--config', file, '--log-format', 'text'])
  })
  await until('the servers are linked', () => programs.every(({ out }) => out.includes('Outbound connection')))
  const [url = '', other = ''] = ports.map(port => `http://127.0.0.1:${port}`)
  const names = (start: string) => Array.from({ length: USERS }, (_, n) => `${start} ${1_000 + n}`)

  // Earlier clients learn the new users by deltas.
  const early = [new BareClient(url, 'a plain', false), new BareClient(url, 'a taker', true)]
  const shown = new RealClient('a client', [url])
  await until(
    'the early clients are online',
    () => early.every(({ answer }) => answer !== undefined) && shown.roster.length === 3,
  )
  const crowd = names('user').map(user => new BareClient(other, user, false))
  await until('all users are online', () => shown.roster.length === USERS + 3)
  expect(shown.roster).toEqual(['a client', 'a plain', 'a taker', ...names('user')])
  const [plain, taker] = early
  const told = (bare: BareClient | undefined, how: 'joined' | 'left') =>
    bare?.deltas
      .flatMap(delta => (unpackRoster(delta) as RosterPayload)[how] ?? [])
      .filter(name => name.startsWith('user'))
  await until('the early clients know them', () => [plain, taker].every(bare => told(bare, 'joined')?.length === USERS))
  expect(told(plain, 'joined')?.sort()).toEqual(names('user'))
  expect(told(taker, 'joined')?.sort()).toEqual(names('user'))

  // Later clients get the whole roster.
  const late = [new BareClient(url, 'z plain', false), new BareClient(url, 'z taker', true)]
  await until(
    'the late clients are online',
    () => late.every(({ answer }) => answer !== undefined) && shown.roster.length === USERS + 5,
  )
  const [whole, packed] = late.map(({ answer }) => answer)
  expect(whole?.users?.slice(0, USERS + 3)).toEqual(shown.roster.slice(0, USERS + 3))
  expect(packed?.users).toBeUndefined()
  expect((unpackRoster(packed) as RosterPayload).users?.slice(0, USERS + 3)).toEqual(shown.roster.slice(0, USERS + 3))
  expect(JSON.stringify(packed).length).toBeLessThan(JSON.stringify(whole).length / 2)
  const again = await late[1]?.socket.timeout(60_000).emitWithAck('roster')
  expect((unpackRoster(again) as RosterPayload).users).toHaveLength(USERS + 5)

  // All users of the second server leave at once: enough names to pack.
  programs[1]?.child.kill('SIGTERM')
  await until('all have left', () => shown.roster.length === 5)
  await until('the early clients know it', () => [plain, taker].every(bare => told(bare, 'left')?.length === USERS))
  expect(taker?.deltas.some(({ packed }) => packed !== undefined)).toBe(true)
  expect(plain?.deltas.some(({ packed }) => packed !== undefined)).toBe(false)
  for (const { socket } of [...early, ...late, ...crowd]) socket.disconnect()
  shown.close()
})

test('an invalid packed roster is returned unchanged, for the schema to reject', () => {
  const pack = (text: string) => ({ version: 1, packed: deflateRawSync(text).toString('base64') })
  for (const wrong of [
    null,
    5,
    { version: 1, packed: 'AAAA' },
    pack('["Anna"'),
    pack('5'),
    pack('null'),
    pack('{"users":["1a"]}'),
    pack('{"users":[""]}'),
    pack('{"users":[7]}'),
  ]) {
    const { users, joined } = (unpackRoster(wrong) ?? {}) as RosterPayload
    expect([users, joined]).toEqual([undefined, undefined])
  }
  // A decompression bomb: a kilobyte that expands to 101 MiB.
  const bomb = pack(`{"users":["0${'a'.repeat(101 * 1024 * 1024)}"]}`)
  expect(unpackRoster(bomb)).toBe(bomb)
  // The outer version wins.
  expect(unpackRoster(pack('{"version":7,"users":[]}'))).toEqual({ version: 1, users: [] })
})

test('front coding is lossless', () => {
  const random = seeded(7)
  const letters = ['a', 'b', 'ß', '字', '👩', '\u{1f468}\u200d', ' ', '"', '\\', '\ud83d']
  const name = () =>
    Array.from({ length: Math.floor(random() * 60) }, () => letters[Math.floor(random() ** 3 * letters.length)]).join(
      '',
    )
  for (let round = 0; round < 200; round++) {
    const names = Array.from({ length: Math.floor(random() * 50) }, name)
    if (round % 2 === 0) names.sort()
    expect(frontDecode(JSON.parse(JSON.stringify(frontEncode(names))))).toEqual(names)
  }
  expect(frontEncode(['Anna', 'Annabel', 'Billy'])).toEqual(['0Anna', '4bel', '0Billy'])
})
