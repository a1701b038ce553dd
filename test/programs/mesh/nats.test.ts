/** A mesh on a NATS backbone: real processes, faults, and an attacker on the same NATS. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type Msg } from '@nats-io/transport-node'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { EnvelopeMac } from '../../../daemon/links/nats/envelopes/envelope-mac.ts'
import { SUBJECTS } from '../../../daemon/links/nats/envelopes/envelopes.ts'
import { NatsServer, natsMissingReason } from '../../support/programs/nats-server.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealClient } from '../../support/programs/real-client.ts'
import { RealMesh } from '../../support/programs/real-mesh.ts'

const USERS = ['Anna', 'Billy', 'Carla']
const MEMBERS = ['Dora', 'Emil', 'Finn', 'Gina', 'Hugo', 'Ida', 'Jan']
const started: { kill(): void }[] = []

afterEach(() => {
  for (const one of started.splice(0)) one.kill()
})
afterAll(stopAll)

async function startNats(...args: string[]): Promise<NatsServer> {
  const nats = await NatsServer.start(...args)
  started.push(nats)
  return nats
}

describe.skipIf(natsMissingReason !== undefined)('a mesh on a backbone', () => {
  test('all messages are delivered although a server and NATS itself are killed', async () => {
    const nats = await startNats()
    const mesh = await RealMesh.start(3, { backbone: nats.url })
    USERS.forEach((user, at) => {
      mesh.join(user, at + 1)
      mesh.join(user, ((at + 1) % 3) + 1)
    })
    // A room of ten members, with those in it who move to other servers.
    for (let n = 0; n < 7; n++) mesh.join(MEMBERS[n] ?? '', (n % 3) + 1)
    const users = [...USERS, ...MEMBERS]
    await mesh.waitForRoster(users)
    await mesh.openRoom('#ops')
    const stop = mesh.startChatting([...USERS, '#ops'])
    const sentCount = () => mesh.clients.reduce((sum, { composed }) => sum + composed.length, 0)
    await until('messages are sent', () => sentCount() > 100)
    mesh.server(2).program.child.kill('SIGKILL')
    await until('its clients have moved', () =>
      mesh.clients.every(({ server }) => server !== undefined && server !== 'server-2'),
    )
    mesh.restart(mesh.server(2))
    await until('it is back', () => mesh.outboundLinkCount(mesh.server(2)) >= 2)
    nats.kill()
    await until('all servers have noticed', () =>
      mesh.servers.every(({ program }) => program.out.includes('Backbone at: ')),
    )
    const before = mesh.servers.map(server => mesh.outboundLinkCount(server))
    await nats.start()
    await until('all are linked again', () =>
      mesh.servers.every((server, at) => mesh.outboundLinkCount(server) >= (before[at] ?? 0) + 2),
    )
    await until('more messages are sent', () => sentCount() > 500)
    stop()
    await mesh.expectConverged(users)
    await mesh.close()
  })

  test('all messages are delivered, once, although NATS freezes under load', { timeout: 180_000 }, async () => {
    const nats = await startNats()
    const mesh = await RealMesh.start(3, { backbone: nats.url })
    USERS.forEach((user, at) => {
      mesh.join(user, at + 1)
      mesh.join(user, ((at + 1) % 3) + 1)
    })
    await mesh.waitForRoster(USERS)
    await mesh.openRoom('#ops')
    const stop = mesh.startChatting([...USERS, '#ops'], 5)
    const sentCount = () => mesh.clients.reduce((sum, { composed }) => sum + composed.length, 0)
    await until('messages are sent', () => sentCount() > 200, 60_000)
    const noticed = () => mesh.servers.map(({ program }) => program.count('Backbone at: '))
    const [before, links] = [noticed(), mesh.servers.map(server => mesh.outboundLinkCount(server))]
    nats.kill('SIGSTOP')
    await until('all servers have noticed', () => noticed().every((count, at) => count > (before[at] ?? 0)), 60_000)
    nats.kill('SIGCONT')
    await until(
      'all are linked again',
      () => mesh.servers.every((server, at) => mesh.outboundLinkCount(server) >= (links[at] ?? 0) + 2),
      60_000,
    )
    const during = sentCount()
    await until('more messages are sent', () => sentCount() > during + 200, 60_000)
    stop()
    await mesh.expectConverged(USERS)
    await mesh.close()
  })

  test('after SIGTERM the users of a server leave the roster at once', async () => {
    const nats = await startNats()
    const mesh = await RealMesh.start(2, { backbone: nats.url })
    mesh.join('Anna', 1)
    mesh.joinWithoutReconnect('Zoe', 2)
    await mesh.waitForRoster(['Anna', 'Zoe'])
    const { program } = mesh.server(2)
    program.child.kill('SIGTERM')
    await program.waitForExit()
    expect(program.exitStatus).toEqual({ code: 0, signal: null })
    await mesh.waitForRoster(['Anna'])
    // At once: without a grace period.
    const removed = 'Peer: server-2 is shutting down.\nRemoving 1 user of peer: server-2\n'
    await until('the peer logs it', () => mesh.server(1).program.out.includes(removed))
    await mesh.close()
  })

  test('an attacker on the same NATS can change nothing and sees no user names', async () => {
    const nats = await startNats()
    const secret = { MESH_CHAT_SECRET: 'a secret of sixteen or more' }
    const ports = await freePorts(3)
    const programs = ports.map((port, at) => {
      const args = ['--id', `server-${at + 1}`, '--port', `${port}`, '--backbone', nats.url, '--log-format', 'text']
      return new Program('daemon', args, secret)
    })
    const tap = await connect({ servers: nats.url.slice('nats://'.length) })
    const published: Msg[] = []
    tap.subscribe('>', { callback: (_, message) => void published.push(message) })
    const links = () => programs.map(one => one.count('Outbound connection to peer'))
    await until('the servers are linked', () => links().join() === '2,2,2')
    const [anna, billy] = ['Anna', 'Billy'].map((user, at) => new RealClient(user, [`http://127.0.0.1:${ports[at]}`]))
    if (anna === undefined || billy === undefined) throw new Error('two clients')
    // What goes to Billy is for two servers, and so is published for all servers that hold him.
    const other = new RealClient('Billy', [`http://127.0.0.1:${ports[2]}`])
    const clients = [anna, billy, other]
    const see = (users: string) => until(users, () => clients.every(({ roster }) => roster.join() === users))
    await see('Anna,Billy')
    // A roster does not tell that a user is at two servers.
    await until('the server of Anna knows both servers of Billy', () =>
      [2, 3].every(n => programs[0]?.out.includes(`Adding user Billy to list for peer: server-${n}`)),
    )
    for (let n = 0; n < 20; n++) anna.send('Billy', `message ${n}`)
    await until(
      'all messages are confirmed',
      () => [billy, other].every(({ shown }) => shown.length === 20) && anna.held.length === 0,
    )

    // Replays each envelope, then with one byte changed, then without a signature.
    const toUser = () => published.filter(({ subject }) => subject.startsWith('mesh-chat.user.'))
    await until('the tap has them', () => toUser().length >= 20)
    const recorded = published.filter(({ reply }) => reply === undefined || reply === '')
    expect(recorded.filter(({ subject }) => subject.startsWith('mesh-chat.user.')).length).toBeGreaterThanOrEqual(20)
    expect(recorded.some(({ subject }) => /Anna|Billy/.test(subject))).toBe(false)
    for (const { subject, data } of recorded) tap.publish(subject, data)
    for (const { subject, data } of recorded) {
      const changed = Buffer.from(data)
      changed[changed.length - 4] = (changed[changed.length - 4] ?? 0) ^ 1
      tap.publish(subject, changed)
    }
    const forged = {
      incarnation: 'x',
      n: 1,
      event: 'here',
      payload: { id: 'rogue', incarnation: 'x', protocol: 2, url: nats.url },
    }
    tap.publish('mesh-chat.all', JSON.stringify(forged))
    // A handshake without the secret, and an invalid handshake request.
    const rogue = new Program('daemon', [
      '--id',
      'rogue',
      '--port',
      `${(await freePorts(1))[0]}`,
      '--backbone',
      nats.url,
      '--log-format',
      'text',
    ])
    await until('the rogue is connected', () => rogue.out.includes('Connected to the backbone'))
    for (const id of ['server-1', 'server-2'])
      tap.publish(`mesh-chat.door.${Buffer.from(id).toString('base64url')}`, '{"dialler":5}')
    await tap.flush()
    await until('the servers have noticed', () =>
      programs.every(({ out }) => out.includes('not signed with the secret of this mesh')),
    )

    // The links stay open and work.
    anna.send('Billy', 'the last')
    await until('the message has arrived', () => [billy, other].every(({ shown }) => shown.length === 21))
    expect(billy.shown.map(({ text }) => text)).toEqual([
      ...Array.from({ length: 20 }, (_, n) => `message ${n}`),
      'the last',
    ])
    expect(links()).toEqual([2, 2, 2])
    expect(programs.some(({ out }) => out.includes('rogue'))).toBe(false)
    expect(anna.roster.join()).toBe('Anna,Billy')
    for (const client of clients) client.close()
    await tap.close()
  })

  test('a message to a room is published once for all servers with a member', async () => {
    const nats = await startNats()
    const mesh = await RealMesh.start(4, { backbone: nats.url })
    const [anna, billy, carla] = USERS.map((user, at) => mesh.join(user, at + 1))
    const dora = mesh.join('Dora', 4)
    if (anna === undefined || billy === undefined || carla === undefined) throw new Error('three clients')
    await mesh.waitForRoster([...USERS, 'Dora'])
    const members = [anna, billy, carla]
    for (const member of members) member.joinRoom('#ops')
    await until('all know the members', () => members.every(({ rooms }) => rooms.get('#ops')?.join() === USERS.join()))

    const tap = await connect({ servers: nats.url.slice('nats://'.length) })
    const published: Msg[] = []
    tap.subscribe('>', { callback: (_, message) => void published.push(message) })
    await tap.flush()
    for (let n = 0; n < 20; n++) anna.send('#ops', `message ${n}`)
    anna.send('Dora', 'the end')
    const texts = Array.from({ length: 20 }, (_, n) => `message ${n}`)
    const received = ({ shown }: RealClient) => shown.filter(({ to }) => to === '#ops').map(({ text }) => text)
    await until('all have the messages', () =>
      members.every(one => received(one).length === 20 && one.held.length === 0),
    )
    await until('the last message has arrived', () => dora.shown.length === 1)
    for (const member of members) expect(received(member)).toEqual(texts)
    expect(received(dora)).toEqual([])
    await until('the tap has the last message', () =>
      published.some(({ data }) => Buffer.from(data).includes('the end')),
    )
    const withMessage = published.filter(({ data }) => Buffer.from(data).includes('"message '))
    const subject = SUBJECTS.user(new EnvelopeMac('').roomAlias('#ops'), 'server-1')
    expect(withMessage.map(one => one.subject)).toEqual(Array(20).fill(subject))

    // A room that all members of a server have left is not sent there.
    carla.partRoom('#ops')
    await until('the others know', () => [anna, billy].every(({ rooms }) => rooms.get('#ops')?.join() === 'Anna,Billy'))
    published.length = 0
    anna.send('#ops', 'without Carla')
    await until('Billy has it', () => received(billy).includes('without Carla'))
    await until('the tap has it', () => published.some(({ data }) => Buffer.from(data).includes('without Carla')))
    const envelopes = published.filter(({ data }) => Buffer.from(data).includes('without Carla'))
    expect(envelopes.map(one => one.subject)).toEqual([SUBJECTS.link('server-2', 'server-1')])
    expect(received(carla)).toEqual(texts)
    await tap.close()
    await mesh.close()
  })

  test('workers and a server without a config form a mesh', async () => {
    const nats = await startNats('--user', 'mesh', '--pass', 'p@ss')
    const url = nats.url.replace('nats://', 'nats://mesh:p%40ss@')
    const [first = 0, second = 0] = await freePorts(2)
    const args = (id: string, port: number) => [
      '--id',
      id,
      '--port',
      `${port}`,
      '--backbone',
      url,
      '--log-format',
      'text',
    ]
    const programs = [
      new Program('daemon', [...args('server-1', first), '--workers', '2']),
      new Program('daemon', args('server-2', second)),
    ]
    await until(
      'all are linked',
      () =>
        (programs[0]?.count('Outbound connection to peer') ?? 0) >= 4 &&
        (programs[1]?.count('Outbound connection to peer') ?? 0) >= 2,
    )
    const clients = Array.from(
      { length: 6 },
      (_, n) => new RealClient(`user ${n}`, [`http://127.0.0.1:${n < 4 ? first : second}`]),
    )
    const all = Array.from({ length: 6 }, (_, n) => `user ${n}`).join()
    await until('all have the same roster', () => clients.every(({ roster }) => roster.join() === all))
    for (const [n, client] of clients.entries()) client.send(`user ${(n + 1) % 6}`, 'hi')
    await until('each client has both messages', () => clients.every(({ shown }) => shown.length === 2))
    // The log contains no password.
    expect(programs.some(({ out }) => out.includes('p%40ss') || out.includes('p@ss'))).toBe(false)
    for (const client of clients) client.close()
  })
})

test('an invalid backbone option is reported in one line', async () => {
  const folder = temporaryFolder()
  const file = join(folder, 'config.json')
  const servers = [{ id: 'server-1', ip: '127.0.0.1', port: 3001 }]
  writeFileSync(file, JSON.stringify({ servers, backbone: 'http://127.0.0.1:4222' }))
  const cases: [args: string[], message: string][] = [
    [['--config', file], 'backbone[0] must be nats://HOST:PORT or tls://HOST:PORT; correct this field'],
    [
      ['--port', '3001', '--backbone', 'localhost'],
      '--backbone localhost is not a NATS URL; give nats://HOST:PORT or tls://HOST:PORT',
    ],
    [
      ['--port', '3001', '--backbone', 'nats://10.1.2.3:4222'],
      'the backbone 10.1.2.3:4222 is reachable from other machines, but the mesh has no secret',
    ],
    [
      ['--port', '3001', '--join', 'http://127.0.0.1:3002', '--backbone', 'nats://127.0.0.1:4222'],
      'give --backbone or --join, not both',
    ],
  ]
  for (const [args, message] of cases) {
    const program = new Program('daemon', ['--id', 'server-1', ...args])
    await program.waitForExit()
    expect(program.exitStatus?.code).toBe(2)
    expect(program.out).toContain(message)
    expect(program.out.trim().split('\n')).toHaveLength(1)
  }
})
