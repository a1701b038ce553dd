/** Attackers on the same NATS: recorded announcements, foreign reply subjects, and a mesh server that speaks as another. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { afterEach, describe, expect, test } from 'vitest'
import { newParty } from '../../../daemon/links/handshake.ts'
import { EnvelopeMac } from '../../../daemon/links/nats/envelopes/envelope-mac.ts'
import { LEGACY_SUBJECTS, SUBJECTS, subjectToken } from '../../../daemon/links/nats/envelopes/envelopes.ts'
import type { ForwardedMessage, RoomForwarded } from '../../../src/protocol/frames.ts'
import { CarrierHarness } from '../../support/harness/carrier-harness.ts'
import { NatsServer, natsMissingReason } from '../../support/programs/nats-server.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealClient } from '../../support/programs/real-client.ts'

const SECRET = 'a secret of sixteen or more'
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const end of cleanups.splice(0).reverse()) await end()
  stopAll()
})

async function startNats(...args: string[]): Promise<NatsServer> {
  const nats = await NatsServer.start(...args)
  cleanups.push(() => nats.kill())
  return nats
}

async function startHarness(id: string, url: string, incarnation?: string): Promise<CarrierHarness> {
  const more = incarnation === undefined ? {} : { incarnation }
  const harness = await CarrierHarness.onBackbone(id, url, { secret: SECRET, ...more })
  cleanups.push(() => harness.close())
  return harness
}

async function tap(url: string, user?: { user: string; pass: string }): Promise<NatsConnection> {
  const connection = await connect({ servers: url.slice('nats://'.length), ...user })
  cleanups.push(() => connection.close())
  return connection
}

describe.skipIf(natsMissingReason !== undefined)('a program on the same NATS', () => {
  test('a recorded announcement of a server that is gone is not believed', async () => {
    const nats = await startNats()
    const listener = await tap(nats.url)
    const recorded: Msg[] = []
    listener.subscribe('mesh-chat.all.>', { callback: (_, message) => void recorded.push(message) })
    listener.subscribe('mesh-chat.all', { callback: (_, message) => void recorded.push(message) })
    await listener.flush()
    const gone = await startHarness('server-2', nats.url)
    await until('its announcements are recorded', () => recorded.length === 2)
    await gone.close()

    const victim = await startHarness('server-1', nats.url)
    const live = await startHarness('server-3', nats.url)
    await victim.link(live)
    for (const { subject, data } of recorded) listener.publish(subject, data)
    await listener.flush()
    // A later announcement shows that the victim has handled the recorded ones.
    const late = await startHarness('server-4', nats.url)
    const learned = () => victim.inputsOfType('learn').map(({ member }) => member.id)
    await until('the victim has learned the late server', () => learned().includes(late.id))
    expect(learned()).not.toContain(gone.id)
  })

  test('a recorded announcement of an earlier process teaches only the address of the current one', async () => {
    const nats = await startNats()
    const current = await startHarness('server-2', nats.url, 'current')
    const victim = await startHarness('server-1', nats.url)
    await victim.link(current)
    const attacker = await tap(nats.url)
    const payload = { id: 'server-2', incarnation: 'old', protocol: 2, url: 'http://old.example:1' }
    // As the earlier process has signed it.
    const text = JSON.stringify({ incarnation: 'old', n: 1, event: 'here', payload })
    for (const subject of [LEGACY_SUBJECTS.broadcast, SUBJECTS.broadcast('server-2')])
      attacker.publish(subject, new EnvelopeMac(SECRET).sign(subject, text))
    await attacker.flush()
    // A later announcement shows that the victim has handled the recorded ones.
    const late = await startHarness('late', nats.url)
    const learned = () => victim.inputsOfType('learn').map(({ member }) => member)
    await until('the victim has learned the late server', () => learned().some(({ id }) => id === late.id))
    const urls = learned().flatMap(({ id, url }) => (id === current.id ? [url] : []))
    expect(new Set(urls)).toEqual(new Set([current.url]))
    expect(victim.inputsOfType('link-closed')).toEqual([])
  })

  test('a handshake request cannot make a server publish elsewhere', async () => {
    const nats = await startNats()
    const victim = await startHarness('server-1', nats.url)
    const other = await startHarness('server-2', nats.url)
    await victim.link(other)
    const attacker = await tap(nats.url)
    const published: string[] = []
    for (const subject of ['billing.>', 'mesh-chat.inbox.>', 'mesh-chat.all', '_INBOX.chosen'])
      attacker.subscribe(subject, { callback: (_, message) => void published.push(message.subject) })
    await attacker.flush()
    const dialler = newParty({ id: 'server-3', incarnation: 'x', protocol: 2 })
    const request = JSON.stringify({ dialler })
    const ownInbox = `${SUBJECTS.inbox('server-3')}.AAAAAAAAAAAAAAAAAAAAAA.x`
    for (const subject of [SUBJECTS.handshake('server-1', 'server-3'), LEGACY_SUBJECTS.handshake('server-1')]) {
      for (const reply of ['billing.payments', 'mesh-chat.all', '_INBOX.chosen', `${SUBJECTS.inbox('server-2')}.A.x`])
        attacker.publish(subject, request, { reply })
      attacker.publish(subject, request, { reply: ownInbox })
    }
    await until('the server has responded at the inbox of the sender', () => published.length >= 2)
    expect(published).toEqual([ownInbox, ownInbox])
  })
})

/** The NATS user in docs/OPERATING.md, for one server with this id, or for one with workers. */
function natsUser(id: string, ...workers: string[]): string {
  const [, config = ''] = /```\n(authorization[^`]*)```/.exec(readFileSync('docs/OPERATING.md', 'utf8')) ?? []
  const user = config.slice(config.indexOf('    {'), config.lastIndexOf('    }') + 5)
  const documented = subjectToken('server-1')
  expect(user).toContain(documented)
  return user
    .replace('user: server-1', `user: ${id}`)
    .replace('"$SERVER_1_PASSWORD"', `"for ${id}"`)
    .replaceAll(/"[^"]+"/g, subject => {
      if (!subject.includes(documented)) return subject
      return [id, ...workers].map(one => subject.replace(documented, subjectToken(one))).join(', ')
    })
}

describe.skipIf(natsMissingReason !== undefined)('with a NATS user for each server', () => {
  const ids = ['server-1', 'server-2', 'server-3']
  async function startRestrictedNats(): Promise<NatsServer> {
    const file = join(temporaryFolder(), 'nats.conf')
    const users = [natsUser('server-1'), natsUser('server-2'), natsUser('server-3', 'server-3/1', 'server-3/2')]
    users.push(natsUser('server-4'), '{ user: operator, password: all }')
    writeFileSync(file, `authorization { users = [\n${users.join('\n')}\n] }\n`)
    return await startNats('-c', file)
  }
  const urlFor = (nats: NatsServer, id: string) => nats.url.replace('//', `//${id}:for%20${id}@`)

  test('users chat, also after a restart of a server', async () => {
    const nats = await startRestrictedNats()
    const ports = await freePorts(3)
    const start = (at: number) => {
      const id = ids[at] ?? ''
      const args = ['--id', id, '--port', `${ports[at]}`, '--backbone', urlFor(nats, id), '--log-format', 'text']
      return new Program('daemon', [...args, ...(at === 2 ? ['--workers', '2'] : [])], { MESH_CHAT_SECRET: SECRET })
    }
    // The third server has two workers, so there are four servers in the mesh.
    const programs = [0, 1, 2].map(start)
    await until('all are linked', () =>
      programs.every((one, at) => one.count('Outbound connection to peer') >= (at === 2 ? 6 : 3)),
    )
    const users = ['Anna', 'Billy', 'Carla']
    const clients = users.map((user, at) => new RealClient(user, [`http://127.0.0.1:${ports[at]}`]))
    cleanups.push(() => clients.map(client => client.close()))
    const online = () => clients.every(({ roster }) => roster.join() === users.join())
    await until('all have the same roster', online)
    for (const [at, client] of clients.entries()) client.send(users[(at + 1) % 3] ?? '', 'hi')
    await until('each client has both messages', () => clients.every(({ shown }) => shown.length === 2))
    programs[1]?.child.kill('SIGKILL')
    await until('Billy is offline', () => clients[1]?.server === undefined)
    programs[1] = start(1)
    await until('all have the same roster again', online)
    clients[0]?.send('Billy', 'again')
    await until('the message has arrived', () => clients[1]?.shown.at(-1)?.text === 'again')
    await until('all is confirmed', () => clients.every(({ held }) => held.length === 0))
    for (const { out } of programs) {
      expect(out).toContain('NATS permissions exclude servers of version 0.1 from this mesh.')
      expect(out).not.toContain('reports an error')
      expect(out).not.toContain('malformed')
    }
  })

  test('a server with the secret cannot publish as another, and does not receive what is for another', async () => {
    const nats = await startRestrictedNats()
    const one = await startHarness('server-1', urlFor(nats, 'server-1'))
    const two = await startHarness('server-2', urlFor(nats, 'server-2'))
    const operator = await tap(nats.url, { user: 'operator', pass: 'all' })
    // The name of a link is a secret of its two servers; a rogue that learns it still cannot use it.
    let name = ''
    operator.subscribe(SUBJECTS.handshake('server-2', 'server-1'), {
      callback: (_, message) => {
        const text = new EnvelopeMac(SECRET).verify(message.subject, message.data) ?? '{}'
        name = (JSON.parse(text) as { link?: string }).link ?? name
      },
    })
    await operator.flush()
    const link = await one.link(two)
    await until('the name of the link is known', () => name !== '')
    const rogue = await tap(nats.url, { user: 'server-3', pass: 'for server-3' })
    const denied: string[] = []
    void (async () => {
      for await (const status of rogue.status()) if (status.type === 'error') denied.push(status.error.message)
    })()
    const overheard: string[] = []
    const theirs = ['>', 'mesh-chat.>', SUBJECTS.inbox('server-2'), `${SUBJECTS.link('server-2', 'server-1')}`]
    for (const subject of theirs)
      rogue.subscribe(subject, { callback: (error, message) => void (error ?? overheard.push(message.subject)) })
    await rogue.flush()
    await until('NATS denies all of them', () => denied.length >= theirs.length)

    const mac = new EnvelopeMac(SECRET)
    const publish = (subject: string, payload: object) =>
      rogue.publish(subject, mac.sign(subject, JSON.stringify(payload)))
    const forged = { link: name, n: 2, event: 'missed', payload: ['forged'] }
    const identity = { id: 'server-1', incarnation: 'server-1#1', protocol: 2 }
    const goodbye = { incarnation: 'server-1#1', n: 1_000, event: 'here', payload: { ...identity, url: one.url } }
    for (const subject of [SUBJECTS.link('server-2', 'server-1'), LEGACY_SUBJECTS.link('server-2')])
      publish(subject, forged)
    for (const subject of [SUBJECTS.broadcast('server-1'), LEGACY_SUBJECTS.broadcast]) publish(subject, goodbye)
    rogue.publish(SUBJECTS.handshake('server-2', 'server-1'), '{}')
    await until('NATS denies all of them', () => denied.length >= theirs.length + 5)
    // Under its own name NATS lets it publish; the receivers see that the sender is another.
    publish(SUBJECTS.link('server-2', 'server-3'), forged)
    publish(SUBJECTS.broadcast('server-3'), goodbye)
    await rogue.flush()
    one.send(link.out, { event: 'missed', payload: ['genuine'] })
    await until('the genuine frame has arrived', () => two.framesFrom(link.in).length > 0)
    expect(two.framesFrom(link.in)).toEqual([{ event: 'missed', payload: ['genuine'] }])
    expect([...one.inputsOfType('link-closed'), ...two.inputsOfType('link-closed')]).toEqual([])
    expect(overheard).toEqual([])
  })

  test('every subject that a mesh uses is closed to the user of another server, and those of version 0.1 to all', async () => {
    const nats = await startRestrictedNats()
    const operator = await tap(nats.url, { user: 'operator', pass: 'all' })
    const used = new Set<string>()
    operator.subscribe('>', { callback: (_, { subject }) => void used.add(subject) })
    await operator.flush()
    const one = await startHarness('server-1', urlFor(nats, 'server-1'))
    const two = await startHarness('server-2', urlFor(nats, 'server-2'))
    // What two servers hold is published for both at once.
    const four = await startHarness('server-4', urlFor(nats, 'server-4'))
    const links: number[] = []
    for (const other of [two, four]) {
      links.push((await one.link(other)).out)
      const back = await other.link(one)
      const delta = {
        type: 'delta' as const,
        incarnation: `${other.id}#1`,
        seq: 1,
        changes: [['Billy', 1] as [string, number]],
        rooms: [['#ops', ['Billy'], []] as [string, string[], string[]]],
      }
      other.send(back.out, { event: 'presence', payload: delta })
      await until('the user is known', () => one.peerHasUser(other.id, 'Billy'))
    }
    const message: ForwardedMessage = [1, 'id', 1, 'Anna', 'Billy', 'hi']
    const roomMessage: RoomForwarded = [2, 'id', 1, 'Anna', '#ops', 'hi', '']
    for (const link of links) {
      one.send(link, { event: 'forward', payload: [message] }, { event: 'room-forward', payload: [roomMessage] })
    }
    const mac = new EnvelopeMac(SECRET)
    const alias = mac.alias('Billy')
    const kinds = ['door', 'link', 'all', 'user', 'inbox']
    const usedOf = (kind: string) => [...used].filter(subject => subject.startsWith(`mesh-chat.${kind}.`))
    await until('all kinds of subjects are in use', () => kinds.every(kind => usedOf(kind).length > 0))
    const aliases = [alias, mac.roomAlias('#ops')]
    await until('both messages were published', () => usedOf('user').length >= aliases.length)
    expect(usedOf('user')).toEqual(aliases.map(name => SUBJECTS.user(name, 'server-1')))
    const received = (harness: CarrierHarness) =>
      harness.inputsOfType('frame').filter(({ frame }) => frame.event.endsWith('forward')).length
    await until('both have arrived', () => [two, four].every(harness => received(harness) === 2))
    expect([...used].filter(subject => !subject.startsWith('mesh-chat.'))).toEqual([])

    const rogue = await tap(nats.url, { user: 'server-3', pass: 'for server-3' })
    const denied: string[] = []
    void (async () => {
      for await (const status of rogue.status()) if (status.type === 'error') denied.push(status.error.message)
    })()
    const legacy = [
      LEGACY_SUBJECTS.handshake('server-1'),
      LEGACY_SUBJECTS.link('server-1'),
      LEGACY_SUBJECTS.broadcast,
      LEGACY_SUBJECTS.user(alias),
      '_INBOX.AbCdEfGhIjKlMnOpQrStUv.x1',
    ]
    const forbidden = [...used, ...legacy, SUBJECTS.inbox('server-1'), `${SUBJECTS.inbox('server-1')}.x.server-3`]
    for (const subject of forbidden) rogue.publish(subject, '{}')
    await rogue.flush()
    const isDenied = (operation: string, subject: string) =>
      denied.some(message => message.toLowerCase().includes(operation) && message.includes(`"${subject}"`))
    await until('NATS denies each publication', () => forbidden.every(subject => isDenied('publish', subject)))
    // It may read what is for all servers and for users.
    const secret = [...used, ...legacy].filter(subject => !/^mesh-chat\.(all|user\..*\.)/.test(subject))
    const unreadable = [...secret, '_INBOX.>', 'mesh-chat.*.*.*', 'mesh-chat.door.>', 'mesh-chat.inbox.>', '>']
    for (const subject of unreadable) rogue.subscribe(subject, { callback: () => {} })
    await rogue.flush()
    await until('NATS denies each subscription', () => unreadable.every(subject => isDenied('subscription', subject)))
  })

  test('mesh-chatd check works with the user of its server', async () => {
    const nats = await startRestrictedNats()
    await startHarness('server-2', urlFor(nats, 'server-2'))
    const file = join(temporaryFolder(), 'config.json')
    const servers = ['server-1', 'server-2'].map((id, at) => ({ id, ip: '127.0.0.1', port: 3_001 + at }))
    const backbone = urlFor(nats, 'server-1')
    writeFileSync(file, JSON.stringify({ servers, backbone }), { mode: 0o600 })
    const args = ['check', '--id', 'server-1', '--config', file]
    let checked = new Program('daemon', args, { MESH_CHAT_SECRET: SECRET })
    await checked.waitForExit()
    // The other server may not be connected yet.
    for (let tries = 0; !checked.out.includes('ok     server-2 on the backbone') && tries < 20; tries++) {
      checked = new Program('daemon', args, { MESH_CHAT_SECRET: SECRET })
      await checked.waitForExit()
    }
    expect(checked.out).toContain('ok     server-2 on the backbone')
    expect(checked.exitStatus?.code).toBe(0)
  })
})
