/** Links over a NATS backbone with loss, duplicates, slow connections, small payloads or missing permissions. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { connect } from '@nats-io/transport-node'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { NatsLinks } from '../../../daemon/links/nats/nats-links.ts'
import type { ForwardedMessage } from '../../../src/protocol/frames.ts'
import { CarrierHarness, type CarrierHarnessOptions } from '../../support/harness/carrier-harness.ts'
import { NatsProxy } from '../../support/programs/nats-proxy.ts'
import { NatsServer, natsMissingReason } from '../../support/programs/nats-server.ts'
import { stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealMesh } from '../../support/programs/real-mesh.ts'
import { TcpProxy } from '../../support/programs/tcp-proxy.ts'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const end of cleanups.splice(0).reverse()) await end()
})
afterAll(stopAll)

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

/** A log that collects its lines. */
function captureLog(): { lines: string[]; log: CarrierHarnessOptions['log'] & object } {
  const lines: string[] = []
  return { lines, log: { write: (_, line) => void lines.push(line), note: () => {} } }
}

const message = (number: number, text = `text ${number}`): ForwardedMessage => [
  number,
  `m${number}`,
  1,
  'Anna',
  'Billy',
  text,
]

describe.skipIf(natsMissingReason !== undefined)('links over NATS', () => {
  test('a lost envelope closes the link on both sides, and a new link works', async () => {
    const nats = await startNats()
    const tap = await startNatsProxy(nats)
    const [one, other] = [await startHarness('server-1', tap.url), await startHarness('server-2', nats.url)]
    const link = await one.link(other)
    tap.decide = (_, payload) => (payload.includes('text 2') ? 'lose' : 'pass')
    one.send(link.out, { event: 'forward', payload: [message(1)] })
    await until('the first message has arrived', () => other.framesFrom(link.in).length === 1)
    one.send(link.out, { event: 'forward', payload: [message(2)] })
    // Messages of one turn would share an envelope.
    await new Promise(setImmediate)
    one.send(link.out, { event: 'forward', payload: [message(3)] })
    await until('both sides have closed the link', () =>
      [
        other.inputsOfType('link-closed')[0]?.link === link.in,
        one.inputsOfType('link-closed')[0]?.link === link.out,
      ].every(Boolean),
    )
    expect(other.inputsOfType('link-closed')[0]?.reason).toBe('an envelope was lost on the backbone')
    const again = await one.link(other)
    one.send(again.out, { event: 'forward', payload: [message(3)] })
    await until('the message has arrived', () => other.framesFrom(again.in).length === 1)
    // Nothing after the gap was delivered on the old link.
    expect(other.framesFrom(link.in)).toEqual([{ event: 'forward', payload: [message(1)] }])
  })

  test('duplicate envelopes are dropped', async () => {
    const nats = await startNats()
    const tap = await startNatsProxy(nats)
    tap.decide = subject => (subject.startsWith('mesh-chat.door.') ? 'pass' : 'twice')
    const [one, other] = [await startHarness('server-1', tap.url), await startHarness('server-2', tap.url)]
    const link = await one.link(other)
    for (let n = 1; n <= 50; n++) {
      one.send(link.out, { event: 'forward', payload: [message(n)] })
      other.send(link.in, { event: 'fates', payload: [[n, 1, false]] })
      // Messages of one turn would share an envelope.
      await new Promise(setImmediate)
    }
    one.send(link.out, { event: 'missed', payload: ['the end'] })
    await until(
      'all frames have arrived',
      () => other.framesFrom(link.in).length > 50 && one.framesFrom(link.out).length >= 50,
    )
    expect(other.framesFrom(link.in)).toHaveLength(51)
    expect(one.framesFrom(link.out)).toHaveLength(50)
    expect([...one.inputsOfType('link-closed'), ...other.inputsOfType('link-closed')]).toEqual([])
  })

  test('every message is delivered although the backbone loses and duplicates envelopes', async () => {
    const tap = await startNatsProxy(await startNats())
    const mesh = await RealMesh.start(3, { backbone: tap.url })
    cleanups.push(() => mesh.close())
    const users = ['Anna', 'Billy', 'Carla', 'Dora', 'Emil', 'Finn', 'Gina', 'Hugo', 'Ida', 'Jan']
    users.forEach((user, at) => {
      mesh.join(user, (at % 3) + 1)
    })
    // What goes to Billy is for two servers.
    mesh.join('Billy', 1)
    await mesh.waitForRoster(users)
    await mesh.openRoom('#ops')
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
    const stop = mesh.startChatting(['Anna', 'Billy', '#ops'])
    await until('enough envelopes were lost', () => lost.link >= 2 && lost.user >= 2, 60_000)
    stop()
    tap.decide = () => 'pass'
    await mesh.expectConverged(users)
    const noticed = mesh.servers.map(({ program }) => program.count('an envelope was lost on the backbone'))
    expect(noticed.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0)
  })

  test('links close when the unsent bytes for NATS exceed the limit', async () => {
    const nats = await startNats()
    const proxy = await TcpProxy.to(nats.port)
    cleanups.push(() => proxy.close())
    const { lines, log } = captureLog()
    const options = { log, limits: { linkBufferedBytes: 500_000 } }
    const one = await startHarness('server-1', `nats://127.0.0.1:${proxy.port}`, options)
    const other = await startHarness('server-2', nats.url)
    const link = await one.link(other)
    proxy.freeze()
    let n = 0
    await until('the link is closed', () => {
      for (let more = 0; more < 5; more++)
        one.send(link.out, { event: 'forward', payload: [message(++n, 'x'.repeat(200_000))] })
      return one.inputsOfType('link-closed').some(closed => closed.link === link.out)
    })
    // Not because of missing pings, whose timeout would close it later.
    await until('it is logged', () => lines.some(line => line.includes('slow consumer: NATS does not read')))
    proxy.heal()
    const again = await one.link(other)
    one.send(again.out, { event: 'missed', payload: ['Anna'] })
    await until('the new link works', () => other.framesFrom(again.in).length === 1)
  })

  test('a typing notice is dropped while much waits for NATS, and a later one arrives', async () => {
    const nats = await startNats()
    const proxy = await TcpProxy.to(nats.port)
    cleanups.push(() => proxy.close())
    const one = await startHarness('server-1', `nats://127.0.0.1:${proxy.port}`)
    const other = await startHarness('server-2', nats.url)
    const link = await one.link(other)
    const type = (from: string) => one.send(link.out, { event: 'typing', payload: { from, to: 'Billy' } })
    proxy.freeze()
    // More than fits the buffers of the kernel.
    for (let n = 1; n <= 150; n++) one.send(link.out, { event: 'forward', payload: [message(n, 'x'.repeat(200_000))] })
    // What a turn sends is published at its end.
    await new Promise(setImmediate)
    type('Anna')
    one.send(link.out, { event: 'missed', payload: ['Anna'] })
    proxy.heal()
    await until('all else has arrived', () => other.framesFrom(link.in).at(-1)?.event === 'missed')
    type('Carla')
    await until('the next has arrived', () => other.framesFrom(link.in).at(-1)?.event === 'typing')
    expect(other.framesFrom(link.in).filter(({ event }) => event === 'typing')).toHaveLength(1)
  })

  test('with a small max_payload a long message arrives on many links at once', async () => {
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
    await until('the hub knows the users', () => hub.inputsOfType('frame').length === others.length)
    // The longest text for one NATS message, of characters with three bytes each.
    const long = message(1, '✓'.repeat(5_080))
    for (const { out } of links) hub.send(out, { event: 'forward', payload: [long] })
    await until('all have the message', () => others.every(other => other.inputsOfType('frame').length === 1))
    expect(
      others.every(other => JSON.stringify(other.inputsOfType('frame')[0]?.frame.payload) === JSON.stringify([long])),
    ).toBe(true)
  })

  test('a forged id-in-use refusal does not stop a server', async () => {
    const nats = await startNats()
    const one = await startHarness('server-1', nats.url, { secret: 'a secret of sixteen or more' })
    const rogue = await connect({ servers: nats.url.slice('nats://'.length) })
    cleanups.push(() => rogue.close())
    const acceptor = { id: 'server-2', incarnation: 'x', protocol: 2, nonce: 'n'.repeat(22) }
    // A genuine `id-in-use` stops a server. These have an invalid proof, or none.
    const refusals = [{ proof: 'x'.repeat(43) }, {}].map(more => ({
      ok: false,
      code: 'id-in-use',
      message: 'ended',
      ...more,
    }))
    rogue.subscribe('mesh-chat.door.>', {
      callback: (_, request) => {
        const first = Buffer.from(request.data).includes('dialler')
        request.respond(JSON.stringify(first ? { acceptor } : refusals.pop()))
      },
    })
    await rogue.flush()
    let dials = 0
    const refused = () =>
      one.inputsOfType('dial-failed').filter(({ reason }) => reason.includes('the refusal is not signed'))
    for (const count of [1, 2]) {
      await until('the dial is refused', () => {
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

  test('the counts of links and handshakes return to 0', async () => {
    const nats = await startNats()
    const proxy = await TcpProxy.to(nats.port)
    cleanups.push(() => proxy.close())
    const url = `nats://127.0.0.1:${proxy.port}`
    const secret = 'a secret of sixteen or more'
    const refuse: CarrierHarnessOptions['decide'] = ({ link, introduction: { id } }) =>
      id === 'refused'
        ? { type: 'refuse', link, code: 'draining', message: 'not now' }
        : { type: 'accept', link, holds: { seq: 0 } }
    const one = await startHarness('server-1', url, { secret, decide: refuse })
    const other = await startHarness('server-2', url, { secret })
    const refused = await startHarness('refused', url, { secret })
    const outsider = await startHarness('outsider', url, { secret: `${secret}!` })
    const countsOf = ({ carrier }: CarrierHarness) => (carrier instanceof NatsLinks ? carrier.counts : undefined)
    const idle = { links: 0, names: 0, waiting: 0, handshakes: 0, decisions: 0, probes: 0 }
    const allIdle = () => [one, other, refused, outsider].every(harness => isDeepStrictEqual(countsOf(harness), idle))

    // The servers ask each other who they are when they connect.
    await until('all probes are answered', allIdle)
    // Links that either side closes.
    for (let round = 0; round < 5; round++) {
      const [link, back] = [await one.link(other), await other.link(one)]
      const both = { ...idle, links: 2, names: 2 }
      await until('both links are counted', () => isDeepStrictEqual(countsOf(one), both))
      one.carrier.perform({ type: 'hang-up', link: link.out, reason: 'a test' })
      one.carrier.perform({ type: 'hang-up', link: back.in, reason: 'a test' })
      await until('all links are closed', allIdle)
    }
    // Dials that the core refuses, with another secret, and to a server that does not exist.
    const codes = new Set<string | undefined>()
    await until('the dials fail', () => {
      for (const harness of [refused, outsider]) {
        harness.carrier.perform({ type: 'dial', peer: 'server-1', url: one.url, id: 'server-1' })
        for (const { code } of harness.inputsOfType('dial-failed')) codes.add(code)
      }
      return codes.has('draining') && codes.has('wrong-secret')
    })
    one.carrier.perform({ type: 'dial', peer: 'server-9', url: one.url, id: 'server-9' })
    await until('no dial is pending', () => one.inputsOfType('dial-failed').length > 0 && allIdle())
    // Links that end with the connection to NATS.
    await one.link(other)
    proxy.cut()
    await until('the links are lost', allIdle)
  })

  test('a new link receives a snapshot of 100,000 users', async () => {
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
    await until(
      'the whole snapshot has arrived',
      () => other.framesFrom(link.in).length === Math.ceil(users.length / 4_096),
    )
    const told = other.framesFrom(link.in).flatMap(({ event, payload }) => {
      return event === 'presence' && payload.type === 'snapshot' ? payload.users : []
    })
    expect(told).toEqual(users)
    expect(other.inputsOfType('link-closed')).toEqual([])
  })

  test('missing NATS permissions are logged', async () => {
    const file = join(temporaryFolder(), 'nats.conf')
    const permissions = 'publish: ["mesh-chat.>", "_INBOX.>"], subscribe: ["_INBOX.>", "mesh-chat.door.>"]'
    writeFileSync(file, `authorization { users = [{user: mesh, password: pass, permissions: {${permissions}}}] }\n`)
    const nats = await startNats('-c', file)
    const { lines, log } = captureLog()
    await startHarness('server-1', nats.url.replace('nats://', 'nats://mesh:pass@'), { log })
    await until('it is logged', () => lines.some(line => /Permissions Violation.*mesh-chat\.all/i.test(line)))
  })

  test('a wrong NATS password is logged without the password, and retried', async () => {
    const nats = await startNats('--user', 'mesh', '--pass', 'right')
    const { lines, log } = captureLog()
    await startHarness('server-1', nats.url.replace('nats://', 'nats://mesh:wrong@'), { log })
    await until('it tried twice', () => lines.filter(line => /Authorization Violation/i.test(line)).length >= 2)
    expect(lines.join()).not.toContain('wrong@')
  })
})
