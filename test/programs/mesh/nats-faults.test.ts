/** A backbone that loses, repeats, does not read, forbids or is not there: what its links make of it. */
import { writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect } from '@nats-io/transport-node'
import { afterEach, describe, expect, test } from 'vitest'
import { NatsClient } from '../../../daemon/links/nats/nats-client.ts'
import type { ForwardedMessage } from '../../../src/protocol/frames.ts'
import { CarrierHarness, type CarrierHarnessOptions } from '../../support/carrier-harness.ts'
import { NatsProxy } from '../../support/programs/nats-proxy.ts'
import { NatsServer, natsMissingReason } from '../../support/programs/nats-server.ts'
import { freePorts, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealMesh } from '../../support/programs/real-mesh.ts'
import { TcpProxy } from '../../support/programs/tcp-proxy.ts'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const end of cleanups.splice(0).reverse()) await end()
})

async function startNats(...args: string[]): Promise<NatsServer> {
  const nats = await NatsServer.start(...args)
  cleanups.push(() => nats.kill())
  return nats
}

async function startNatsProxy(nats: NatsServer): Promise<NatsProxy> {
  const tap = await NatsProxy.to(nats.port)
  cleanups.push(() => tap.kill())
  return tap
}

async function startHarness(id: string, url: string, options?: CarrierHarnessOptions): Promise<CarrierHarness> {
  const one = await CarrierHarness.onBackbone(id, url, options)
  cleanups.push(() => one.close())
  return one
}

/** A log whose lines are kept. */
function captureLog(): { lines: string[]; log: CarrierHarnessOptions['log'] & object } {
  const lines: string[] = []
  return { lines, log: { write: (_, line) => void lines.push(line), note: () => {} } }
}

/** Speaks just enough of NATS to be connected to, as far as `greet` says, and reads no more. */
async function startFakeNats(greet: { info?: object; hello?: string; pong: boolean }) {
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    if (greet.info !== undefined) socket.write(`INFO ${JSON.stringify(greet.info)}\r\n`)
    if (greet.hello !== undefined) socket.write(greet.hello)
    let pinged = false
    socket.on('data', chunk => {
      pinged ||= chunk.includes('PING\r\n')
      if (!pinged || !greet.pong) return
      socket.pause()
      socket.write('PONG\r\nPONG\r\n')
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return { sockets, url: `nats://127.0.0.1:${typeof address === 'object' ? address?.port : ''}` }
}

/** A connection alone, and what it went through. */
function connectNats(urls: readonly string[], mostWaiting = 0) {
  const { lines, log } = captureLog()
  const seen = { up: 0, down: 0 }
  const count = (what: keyof typeof seen) => () => void seen[what]++
  const base = {
    name: 'test',
    ca: () => undefined,
    log,
    maxBufferedBytes: () => mostWaiting,
    cutOffCounts: { client: 0, peer: 0 },
  }
  const nats = new NatsClient({ ...base, urls, onConnect: count('up'), onReady: () => {}, onDisconnect: count('down') })
  cleanups.push(() => nats.close())
  return { nats, lines, seen }
}

const INFO = { server_id: 'x', version: '2.9.10', proto: 1, max_payload: 1_048_576, headers: true }
const message = (number: number, text = `text ${number}`): ForwardedMessage => [
  number,
  `m${number}`,
  1,
  'Anna',
  'Billy',
  text,
]

describe('a NATS that is not as it should be', () => {
  test('one that does not read is cut off at the bound, and the server says so', { timeout: 30_000 }, async () => {
    const deaf = await startFakeNats({ info: INFO, pong: true })
    const { nats, lines, seen } = connectNats([deaf.url], 1_000_000)
    await until('it is connected', () => seen.up === 1)
    const payload = Buffer.alloc(100_000)
    let published = 0
    // What the system takes is not waiting here.
    await until('it is cut', () => {
      for (let n = 0; n < 5 && seen.down === 0; n++) nats.publish('x', payload)
      published += 5 * payload.length
      return seen.down === 1
    })
    expect(published).toBeLessThan(50_000_000)
    await until('it says so', () => lines.some(line => /not reached: cut off: it does not read/.test(line)))
    nats.publish('x', payload)
    expect(nats.subscribe('x', () => {}).unsubscribe()).toBeUndefined()
  })

  test('one that is frozen does not gather connections', { timeout: 40_000 }, async () => {
    const mute = await startFakeNats({ pong: false })
    const { lines } = connectNats([mute.url])
    await until('it tried twice', () => lines.filter(line => line.includes('no answer within 4 s')).length === 2)
    expect(mute.sockets.size).toBeLessThanOrEqual(1)
    const other = await startFakeNats({ hello: 'HTTP/1.1 400 Bad Request\r\n\r\n', pong: false })
    const web = connectNats([other.url])
    await until('it says so', () => web.lines.some(line => line.includes('is no NATS')))
  })

  test('what is published while it closes is no fault of this server', { timeout: 30_000 }, async () => {
    const deaf = await startFakeNats({ info: INFO, pong: true })
    const { nats, seen } = connectNats([deaf.url])
    await until('it is connected', () => seen.up === 1)
    const { connection } = nats
    void connection?.close()
    // It is closed for a moment before `down` is called.
    let between = 0
    while (seen.down === 0) {
      if (connection?.isClosed() === true) between++
      nats.publish('x', Buffer.from('hi'))
      nats.subscribe('x', () => {})
      await Promise.resolve()
    }
    expect(between).toBeGreaterThan(0)
  })

  test('one whose messages are too short is not used', { timeout: 30_000 }, async () => {
    const small = await startFakeNats({ info: { ...INFO, max_payload: 1_000 }, pong: true })
    const { lines, seen } = connectNats([small.url])
    await until('it says so', () => lines.some(line => /max_payload is 1000 bytes; set it to 16384/.test(line)))
    expect(seen.up).toBe(0)
  })

  test.skipIf(natsMissingReason !== undefined)('of several, the next is tried', { timeout: 30_000 }, async () => {
    const nats = await startNats()
    const down = (await freePorts(3)).map(port => `nats://127.0.0.1:${port}`)
    // By chance alone, six would hardly find it so soon.
    const six = Array.from({ length: 6 }, () => connectNats([...down, nats.url]))
    await until('all are connected', () => six.every(({ seen }) => seen.up === 1))
    const failures = six.map(({ lines }) => lines.filter(line => line.includes('not reached')).length)
    expect(Math.max(...failures)).toBeLessThanOrEqual(down.length)
  })
})

describe.skipIf(natsMissingReason !== undefined)('on a NATS', () => {
  test('a lost envelope ends the link on both sides, and a new one works', { timeout: 30_000 }, async () => {
    const nats = await startNats()
    const tap = await startNatsProxy(nats)
    const [one, other] = [await startHarness('server-1', tap.url), await startHarness('server-2', nats.url)]
    const link = await one.link(other)
    tap.decide = (_, payload) => (payload.includes('text 2') ? 'lose' : 'pass')
    for (const n of [1, 2]) one.send(link.out, { event: 'forward', payload: [message(n)] })
    await until('the first has come', () => other.framesFrom(link.in).length === 1)
    one.send(link.out, { event: 'forward', payload: [message(3)] })
    await until('both sides see it', () =>
      [
        other.inputsOfType('link-closed')[0]?.link === link.in,
        one.inputsOfType('link-closed')[0]?.link === link.out,
      ].every(Boolean),
    )
    expect(other.inputsOfType('link-closed')[0]?.reason).toBe('something was lost on the backbone')
    const again = await one.link(other)
    one.send(again.out, { event: 'forward', payload: [message(3)] })
    await until('it has come', () => other.framesFrom(again.in).length === 1)
    // Nothing behind the gap came on the old link.
    expect(other.framesFrom(link.in)).toEqual([{ event: 'forward', payload: [message(1)] }])
  })

  test('what comes twice is taken once', { timeout: 30_000 }, async () => {
    const nats = await startNats()
    const tap = await startNatsProxy(nats)
    tap.decide = subject => (subject.startsWith('mesh-chat.door.') ? 'pass' : 'twice')
    const [one, other] = [await startHarness('server-1', tap.url), await startHarness('server-2', tap.url)]
    const link = await one.link(other)
    for (let n = 1; n <= 50; n++) {
      one.send(link.out, { event: 'forward', payload: [message(n)] })
      other.send(link.in, { event: 'fates', payload: [[n, 1, false]] })
    }
    one.send(link.out, { event: 'missed', payload: ['the end'] })
    await until('all have come', () => other.framesFrom(link.in).length > 50 && one.framesFrom(link.out).length >= 50)
    expect(other.framesFrom(link.in)).toHaveLength(51)
    expect(one.framesFrom(link.out)).toHaveLength(50)
    expect([...one.inputsOfType('link-closed'), ...other.inputsOfType('link-closed')]).toEqual([])
  })

  test('a mesh loses and repeats, and every message arrives', { timeout: 120_000 }, async () => {
    const tap = await startNatsProxy(await startNats())
    const mesh = await RealMesh.start(2, { backbone: tap.url })
    cleanups.push(() => mesh.close())
    const users = ['Anna', 'Billy']
    users.forEach((user, at) => {
      mesh.join(user, at + 1)
    })
    await mesh.waitForRoster(users)
    let published = 0
    const lost = { link: 0, user: 0, all: 0 }
    tap.decide = subject => {
      const [, kind = ''] = subject.split('.')
      if (kind === 'door' || kind === '_INBOX') return 'pass'
      published++
      if (published % 7 === 0) return 'twice'
      if (published % 51 !== 0) return 'pass'
      if (kind === 'link' || kind === 'user' || kind === 'all') lost[kind]++
      return 'lose'
    }
    const stop = mesh.startChatting(users)
    await until('enough was lost', () => lost.link >= 2 && lost.user >= 2, 60_000)
    stop()
    tap.decide = () => 'pass'
    await mesh.expectConverged(users)
    const noticed = mesh.servers.map(({ program }) => program.count('something was lost on the backbone'))
    expect(noticed.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0)
  })

  test('links end when what waits for NATS is past their bound', { timeout: 30_000 }, async () => {
    const nats = await startNats()
    const proxy = await TcpProxy.to(nats.port)
    cleanups.push(() => proxy.close())
    const { lines, log } = captureLog()
    const options = { log, limits: { linkBufferedBytes: 500_000 } }
    const one = await startHarness('server-1', `nats://127.0.0.1:${proxy.port}`, options)
    const other = await startHarness('server-2', nats.url)
    const link = await one.link(other)
    proxy.freeze()
    const since = performance.now()
    let n = 0
    await until('it is closed', () => {
      for (let more = 0; more < 5; more++)
        one.send(link.out, { event: 'forward', payload: [message(++n, 'x'.repeat(200_000))] })
      return one.inputsOfType('link-closed').some(closed => closed.link === link.out)
    })
    // Sooner than its silence would tell.
    expect(performance.now() - since).toBeLessThan(3_500)
    await until('it says so', () => lines.some(line => line.includes('cut off: it does not read')))
    proxy.heal()
    const again = await one.link(other)
    one.send(again.out, { event: 'missed', payload: ['Anna'] })
    await until('the new one works', () => other.framesFrom(again.in).length === 1)
  })

  test('with short messages all arrives, on many links at once', { timeout: 60_000 }, async () => {
    const file = join(temporaryFolder(), 'nats.conf')
    writeFileSync(file, 'max_payload: 16384\n')
    const nats = await startNats('-c', file)
    const hub = await startHarness('server-1', nats.url)
    const others = await Promise.all(Array.from({ length: 45 }, (_, n) => startHarness(`server-${n + 2}`, nats.url)))
    const links: { out: number; in: number }[] = []
    for (const [at, other] of others.entries()) {
      links.push(await hub.link(other))
      const back = await other.link(hub)
      const payload = { type: 'delta' as const, incarnation: `server-${at + 2}#1`, seq: 1, changes: [['Billy', 1]] }
      other.send(back.out, { event: 'presence', payload: payload as never })
    }
    await until('the hub knows', () => hub.inputsOfType('frame').length === others.length)
    // As many bytes as one message of the backbone takes, each of three bytes.
    const long = message(1, '✓'.repeat(5_080))
    for (const { out } of links) hub.send(out, { event: 'forward', payload: [long] })
    await until('all have it', () => others.every(other => other.inputsOfType('frame').length === 1))
    expect(
      others.every(other => JSON.stringify(other.inputsOfType('frame')[0]?.frame.payload) === JSON.stringify([long])),
    ).toBe(true)
  })

  test('who answers at a door without the secret ends no server', { timeout: 30_000 }, async () => {
    const nats = await startNats()
    const one = await startHarness('server-1', nats.url, { secret: 'a secret of sixteen or more' })
    const rogue = await connect({ servers: nats.url.slice('nats://'.length) })
    cleanups.push(() => rogue.close())
    const acceptor = { id: 'server-2', incarnation: 'x', protocol: 2, nonce: 'n'.repeat(22) }
    // `id-in-use` ends a server; with a proof that is none, and without.
    const refusals = [{ proof: 'x'.repeat(43) }, {}].map(more => ({
      ok: false,
      code: 'id-in-use',
      message: 'ended',
      ...more,
    }))
    rogue.subscribe('mesh-chat.door.>', {
      callback: (_, knock) => {
        const first = Buffer.from(knock.data).includes('dialler')
        knock.respond(JSON.stringify(first ? { acceptor } : refusals.pop()))
      },
    })
    await rogue.flush()
    let dials = 0
    const refused = () =>
      one.inputsOfType('dial-failed').filter(({ reason }) => reason.includes('somebody without the secret'))
    for (const count of [1, 2]) {
      await until('it is refused', () => {
        const waiting = one.inputsOfType('dial-failed').length
        if (dials === waiting) {
          dials++
          one.carrier.perform({ type: 'dial', peer: 'server-2', url: 'http://127.0.0.1:1', id: 'server-2' })
        }
        return refused().length === count
      })
    }
    expect(one.inputsOfType('dial-failed').every(({ code }) => code === undefined)).toBe(true)
  })

  test('a roster of 100,000 reaches a newcomer', { timeout: 60_000 }, async () => {
    const nats = await startNats()
    const [one, other] = [await startHarness('server-1', nats.url), await startHarness('server-2', nats.url)]
    const link = await one.link(other)
    const users = Array.from({ length: 100_000 }, (_, n): [string, number] => [`user number ${n}`, 1])
    for (let at = 0; at < users.length; at += 4_096) {
      const more = at + 4_096 < users.length
      const chunk = users.slice(at, at + 4_096)
      const payload = { type: 'snapshot' as const, incarnation: 'server-1#1', seq: 1, users: chunk, more }
      one.send(link.out, { event: 'presence', payload })
    }
    await until('all are told', () => other.framesFrom(link.in).length === Math.ceil(users.length / 4_096))
    const told = other.framesFrom(link.in).flatMap(({ event, payload }) => {
      return event === 'presence' && payload.type === 'snapshot' ? payload.users : []
    })
    expect(told).toEqual(users)
    expect(other.inputsOfType('link-closed')).toEqual([])
  })

  test('what NATS does not permit is told', { timeout: 30_000 }, async () => {
    const file = join(temporaryFolder(), 'nats.conf')
    const permissions = 'publish: ["mesh-chat.>", "_INBOX.>"], subscribe: ["_INBOX.>", "mesh-chat.door.>"]'
    writeFileSync(file, `authorization { users = [{user: mesh, password: pass, permissions: {${permissions}}}] }\n`)
    const nats = await startNats('-c', file)
    const { lines, log } = captureLog()
    await startHarness('server-1', nats.url.replace('nats://', 'nats://mesh:pass@'), { log })
    await until('it is told', () => lines.some(line => /Permissions Violation.*mesh-chat\.all/i.test(line)))
  })

  test('a wrong password is told, and tried again', { timeout: 30_000 }, async () => {
    const nats = await startNats('--user', 'mesh', '--pass', 'right')
    const { lines, log } = captureLog()
    await startHarness('server-1', nats.url.replace('nats://', 'nats://mesh:wrong@'), { log })
    await until('it tried twice', () => lines.filter(line => /Authorization Violation/i.test(line)).length >= 2)
    expect(lines.join()).not.toContain('wrong@')
  })
})
