/** Impossible keys, times and delays from a server of the mesh and from siblings, on real sockets. */
import { generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NO_STORAGE, openSession } from '../../../cli/session/connection.ts'
import type { SessionEvent } from '../../../src/client/events.ts'
import { HostileServer, MeshKey } from '../../support/attacks/hostile-server.ts'
import { archiveOf } from '../../support/harness/session-harness.ts'
import { type InProcessServer, startInProcess } from '../../support/in-process-server.ts'
import { until } from '../../support/programs/processes.ts'
import { RealClient } from '../../support/programs/real-client.ts'

const mesh = new MeshKey()
/** The neutral point: whatever is agreed with it is known to everyone. */
const NEUTRAL_POINT = Buffer.from([1, ...Array(31).fill(0)]).toString('base64url')
const FIFTY_YEARS = 50 * 365 * 86_400_000
const YEAR_10000 = 253_402_300_800_000

let hostile: HostileServer
let honest: InProcessServer | undefined
let close: (() => void)[] = []
beforeEach(async () => {
  hostile = await HostileServer.start()
  honest = undefined
  close = []
})
afterEach(async () => {
  for (const one of close) one()
  await hostile.close()
  await honest?.close()
})

function client(name: string, url: string): RealClient {
  const client = new RealClient(name, [url])
  close.push(() => client.close())
  return client
}

/** Lets every client in, in open mode. */
function letIn(time: () => number = Date.now): void {
  hostile.onIdentify = (request, one) =>
    hostile.accept(one, { auth: 'open', mesh: mesh.prove(request, 'open'), time: time() })
}
const socket = () => hostile.sockets.at(-1)
const received = (event: string) => hostile.received.filter(one => one.event === event)
/** The time of the first message that the client has sent. */
const dateOfSent = () => (received('im')[0]?.payload as { at: number } | undefined)?.at ?? Number.NaN
const live = (id: string, at: number) => ({ id, at, from: 'Billy', to: 'Anna', text: id, forwarded: false })

test.each([FIFTY_YEARS, -FIFTY_YEARS, 25 * 3_600_000])(
  'C20: a client does not believe a single answer whose time is %d ms off',
  async ms => {
    letIn(() => Date.now() + (hostile.sockets.length > 1 ? 0 : ms))
    const anna = client('Anna', hostile.url)
    anna.send('Billy', 'held')
    await until('the client uses the server when its time is right', () => anna.server === 's')
    expect(hostile.sockets).toHaveLength(2)
    await until('the held message is sent', () => received('im').length > 0)
    expect(Math.abs(dateOfSent() - Date.now())).toBeLessThan(60_000)
  },
)

test('M10, M11: messages of impossible times are counted and dropped, and later ones arrive', async () => {
  letIn()
  const anna = client('Anna', hostile.url)
  await until('Anna is online', () => anna.server === 's')
  const times = [YEAR_10000, -1, 0, 8.64e15 + 1, 1e300, Date.now() + FIFTY_YEARS]
  for (const [n, at] of times.entries()) socket()?.emit('im', live(`impossible ${n}`, at))
  socket()?.emit('im', live('possible', Date.now()))
  await until('the possible message is shown', () => anna.shown.length > 0)
  expect(anna.shown.map(({ id }) => id)).toEqual(['possible'])
  await until('all are confirmed', () => received('got').at(-1)?.payload === times.length + 1)
  anna.send('Billy', 'an answer')
  await until('the client dates its answer by the right clock', () => received('im').length > 0)
  expect(Math.abs(dateOfSent() - Date.now())).toBeLessThan(60_000)
})

test.each([1e15, Number.MAX_VALUE, 2 ** 31])(
  'E13: a `retryAfter` of %d ms causes no loop and no warning',
  async retryAfter => {
    letIn()
    const warnings: Error[] = []
    const note = (warning: Error) => warnings.push(warning)
    process.on('warning', note)
    const anna = client('Anna', hostile.url)
    await until('Anna is online', () => anna.server === 's')
    let asked = 0
    socket()?.on('im', (_, answer) => {
      asked++
      answer({ ok: false, code: 'rate-limited', message: 'later', retryAfter })
    })
    anna.send('Billy', 'held')
    await until('the message is refused', () => asked === 1)
    // Further events of the connection do not send it again.
    for (let n = 0; n < 20; n++) socket()?.emit('im', live(`${n}`, Date.now()))
    await until('the events are handled', () => anna.shown.length === 21)
    expect(asked).toBe(1)
    expect(warnings).toEqual([])
    process.off('warning', note)
    expect(anna.held).toHaveLength(1)
  },
)

test('K13: a client takes no key of small order from a server, and does not crash', async () => {
  const { privateKey } = generateKeyPairSync('ed25519')
  hostile.onIdentify = (request, one) => {
    if (request.proof === undefined) return hostile.ask(one, 'prove-key', mesh.prove(request, 'key'))
    hostile.accept(one, { auth: 'key', mesh: mesh.prove(request, 'key') })
    one.socket.on('key', (_, answer) => answer({ ok: true, key: NEUTRAL_POINT }))
    const text = `sealed1.${NEUTRAL_POINT}.${request.key}.${'A'.repeat(160)}`
    one.socket.emit('im', { ...live('sealed', Date.now()), text })
  }
  const events: SessionEvent[] = []
  const pinned: string[] = []
  const pin = (_: string, key: string) => pinned.push(key)
  const keys = { load: () => privateKey, knownKeys: () => new Map(), pin, claim: () => undefined, keepClaim: () => {} }
  const options = { user: 'Anna', client: 'x/1', instance: 'x', servers: [hostile.url], random: Math.random }
  const request = openSession({ ...options, keys }, NO_STORAGE, event => void events.push(event))
  close.push(() => request({ type: 'close' }))
  await until('the message is dropped', () => events.some(event => event.type === 'forged'))
  request({ type: 'compose', to: 'Billy', text: 'secret' })
  await until('the client leaves the server because of the key', () => hostile.sockets.length > 1)
  expect(pinned).not.toContain(NEUTRAL_POINT)
  expect(received('im')).toEqual([])
  expect(events.filter(event => event.type === 'message').map(({ message }) => message.text)).toEqual(['secret'])
})

test('S4, S8: two clients with many messages of one time agree, and later messages arrive', async () => {
  honest = await startInProcess('server-1')
  const { url } = honest
  const at = Date.now() - 60_000
  const ofClient = (name: string, count: number) =>
    Array.from({ length: count }, (_, n) => ({
      id: `${name} ${n}`,
      at,
      from: 'Billy',
      to: 'Anna',
      text: `${name} ${n}`,
    }))
  /** Opens a client of Anna with a history. Returns the ids that it has learned since. */
  const open = (name: string, count: number) => {
    const learned = new Set<string>()
    const options = { user: 'Anna', client: 'x/1', instance: name, servers: [url], random: Math.random }
    const storage = { ...NO_STORAGE, archive: archiveOf(ofClient(name, count)) }
    const request = openSession(options, storage, event => {
      if (event.type === 'message') learned.add(event.message.id)
    })
    close.push(() => request({ type: 'close' }))
    return learned
  }
  const laptop = open('laptop', 130)
  const phone = open('phone', 75)
  await until('each has the messages of the other one', () => laptop.size === 75 && phone.size === 130, 60_000)
  const billy = client('Billy', url)
  await until('Billy is online', () => billy.server === 'server-1')
  billy.send('Anna', 'later')
  await until('the later message arrives', () => laptop.size === 76 && phone.size === 131)
})
