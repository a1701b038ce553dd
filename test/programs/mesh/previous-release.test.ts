/** Servers and clients of the previous release and of this one in the same mesh. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { NatsServer, natsMissingReason } from '../../support/programs/nats-server.ts'
import { buildPreviousRelease, previousReleaseMissingReason } from '../../support/programs/previous-release.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealMesh } from '../../support/programs/real-mesh.ts'

const SECRET = { MESH_CHAT_SECRET: 'a secret of sixteen or more' }
const USERS = ['Anna', 'Billy', 'Carla', 'Dora']

interface Event {
  type: string
  users?: string[]
  from?: string
  to?: string
  text?: string
  id?: string
  kind?: string
  state?: string
}

/** A client in JSON mode. `home`: the folder of its data, with its key. */
class JsonClient {
  readonly user: string
  readonly home: string
  readonly #program: Program

  constructor(user: string, url: string, checkout: string, home = temporaryFolder()) {
    this.user = user
    this.home = home
    const args = ['--json', '--user', user, '--server', url]
    this.#program = new Program('cli', args, { XDG_STATE_HOME: this.home, XDG_CONFIG_HOME: this.home }, checkout)
  }

  get events(): Event[] {
    const lines = this.#program.out.split('\n').slice(0, -1)
    return lines.flatMap(line => (line.startsWith('{') ? [JSON.parse(line) as Event] : []))
  }

  get roster(): string {
    return this.events.findLast(({ type }) => type === 'roster')?.users?.join() ?? ''
  }

  get out(): string {
    return this.#program.out
  }

  send(to: string, text: string): void {
    this.request({ to, text })
  }

  request(request: object): void {
    this.#program.child.stdin?.write(`${JSON.stringify(request)}\n`)
  }

  /** The texts of messages from a user. */
  textsFrom(user: string): (string | undefined)[] {
    return this.events.flatMap(({ type, from, text }) => (type === 'message' && from === user ? [text] : []))
  }

  /** The number of own messages that were delivered. */
  get delivered(): number {
    return this.events.filter(({ type, state }) => type === 'progress' && state === 'delivered').length
  }

  async end(): Promise<void> {
    this.#program.child.stdin?.end()
    await this.#program.waitForExit()
  }
}

describe.skipIf(previousReleaseMissingReason !== undefined)('with the previous release', () => {
  let previous = ''
  let nats: NatsServer | undefined
  beforeAll(() => {
    previous = buildPreviousRelease()
  }, 240_000)
  afterEach(() => nats?.kill())
  afterAll(stopAll)

  const cases = [
    { auth: 'open', carrier: 'sockets' },
    { auth: 'key', carrier: 'sockets' },
    { auth: 'open', carrier: 'NATS' },
  ]
  test.for(cases)(
    'users of both releases chat: auth $auth, links over $carrier',
    async ({ auth, carrier }, { skip }) => {
      if (carrier === 'NATS') {
        if (natsMissingReason !== undefined) return skip(natsMissingReason)
        nats = await NatsServer.start()
      }
      const ports = await freePorts(3)
      const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
      const config = join(temporaryFolder(), 'config.json')
      writeFileSync(config, JSON.stringify({ servers, auth, backbone: carrier === 'NATS' ? nats?.url : undefined }))
      // Server 1 is of the previous release.
      const programs = [previous, '.', '.'].map(
        (checkout, at) =>
          new Program(
            'daemon',
            ['--id', `server-${at + 1}`, '--config', config, '--log-format', 'text'],
            SECRET,
            checkout,
          ),
      )
      await until('all servers are linked', () =>
        programs.every(program => program.count('Outbound connection to peer') >= 2),
      ).catch(error => {
        throw new Error(`${error.message}\n${programs.map(({ out }) => out).join('\n---\n')}`)
      })
      // Each release's client at each release's server.
      const places: [server: number, checkout: string][] = [
        [0, previous],
        [1, '.'],
        [2, previous],
        [0, '.'],
      ]
      const clients = places.map(
        ([server, checkout], at) => new JsonClient(USERS[at] ?? '', `http://127.0.0.1:${ports[server]}`, checkout),
      )
      const everyone = USERS.join()
      await until('all have the same roster', () => clients.every(({ roster }) => roster === everyone)).catch(error => {
        throw new Error(`${error.message}\n${clients.map(({ out }) => out).join('\n---\n')}`)
      })
      for (const client of clients)
        for (const to of USERS) if (to !== client.user) client.send(to, `${client.user} to ${to}`)
      await until('all messages have arrived', () =>
        clients.every(client =>
          USERS.every(from => from === client.user || client.textsFrom(from).includes(`${from} to ${client.user}`)),
        ),
      ).catch(error => {
        throw new Error(`${error.message}\n${clients.map(({ out }) => out).join('\n---\n')}`)
      })
      await until('all messages are confirmed', () => clients.every(({ delivered }) => delivered === 3))
      // Each message once.
      for (const client of clients)
        for (const from of USERS)
          if (from !== client.user) expect(client.textsFrom(from)).toEqual([`${from} to ${client.user}`])

      // An edit passes a server of the previous release; its clients show the new text, and the marker.
      const [, billy, carla, dora] = clients
      for (const to of ['Billy', 'Carla']) {
        const own = dora?.events.find(event => event.type === 'message' && event.from === 'Dora' && event.to === to)
        dora?.request({ to, edit: own?.id, text: 'edited' })
      }
      await until(
        'Billy has the edit',
        () => billy?.events.some(({ kind, text }) => kind === 'edit' && text === 'edited') === true,
      )
      await until(
        'Carla has it',
        () => carla?.textsFrom('Dora').some(text => text?.startsWith('(edited) edited\n⟦edit ')) === true,
      )

      // A user that leaves, leaves everywhere.
      const [anna, ...others] = clients
      await anna?.end()
      await until('Anna has left everywhere', () => others.every(({ roster }) => roster === 'Billy,Carla,Dora'))

      // This release reads the history that the previous one has written.
      const env = { ...process.env, XDG_STATE_HOME: anna?.home, XDG_CONFIG_HOME: anna?.home }
      const { stdout } = spawnSync(process.execPath, ['dist/cli/main.js', 'history', '--user', 'Anna', '--json'], {
        env,
        encoding: 'utf8',
      })
      const texts = stdout
        .trim()
        .split('\n')
        .map(line => (JSON.parse(line) as Event).text)
      const withAnna = ['Billy', 'Carla', 'Dora'].flatMap(name => [`Anna to ${name}`, `${name} to Anna`])
      expect(texts.sort()).toEqual(withAnna.sort())

      // After an upgrade the server of the previous release starts as this release.
      programs[0]?.child.kill('SIGTERM')
      await programs[0]?.waitForExit()
      const upgraded = new Program('daemon', ['--id', 'server-1', '--config', config, '--log-format', 'text'], SECRET)
      await until('it is linked', () => upgraded.count('Outbound connection to peer') === 2)
      // Her name is held for her key.
      const back = new JsonClient('Anna', `http://127.0.0.1:${ports[0]}`, previous, anna?.home)
      await until('Anna is back', () => others.slice(0, 2).every(({ roster }) => roster.includes('Anna')))
      for (const { out } of [...programs.slice(1), upgraded]) expect(out).not.toContain('malformed')
      await Promise.all([...others, back].map(client => client.end()))
      for (const { child } of [...programs, upgraded]) child.kill('SIGKILL')
    },
  )

  test('H18: servers are upgraded and downgraded one after another while clients chat, and nothing is lost', {
    timeout: 240_000,
  }, async () => {
    const mesh = await RealMesh.start(3, { checkout: previous })
    mesh.join('Anna', 1)
    mesh.join('Billy', 2)
    mesh.join('Carla', 3)
    const users = ['Anna', 'Billy', 'Carla']
    await mesh.waitForRoster(users, 60_000)
    const stop = mesh.startChatting(users)
    const logs: string[] = []
    for (const checkout of ['.', previous]) {
      for (const server of mesh.servers) {
        server.program.child.kill('SIGTERM')
        await server.program.waitForExit()
        expect(server.program.exitStatus?.code).toBe(0)
        logs.push(server.program.out)
        const before = mesh.servers.map(one => mesh.outboundLinkCount(one))
        mesh.restart(server, checkout)
        // In both directions, whatever the releases of the two.
        await until(
          'it is linked with the others',
          () =>
            mesh.servers.every((one, at) =>
              one === server ? mesh.outboundLinkCount(one) >= 2 : mesh.outboundLinkCount(one) > (before[at] ?? 0),
            ),
          60_000,
        )
      }
    }
    expect(stop()).toBeGreaterThan(0)
    await mesh.expectConverged(users)
    for (const out of [...logs, ...mesh.servers.map(({ program }) => program.out)])
      expect(out).not.toMatch(/wrong-secret|bad-handshake|malformed/)
    await mesh.close()
  })

  test('rooms work among the servers of this release, and a client of one of the previous release is told why not', async () => {
    const mesh = await RealMesh.start(3)
    const [old] = mesh.servers
    if (old === undefined) throw new Error('no server')
    old.program.child.kill('SIGTERM')
    await old.program.waitForExit()
    mesh.restart(old, previous)
    await until('all servers are linked', () => mesh.servers.every(one => mesh.outboundLinkCount(one) >= 2), 60_000)
    const anna = mesh.join('Anna', 2)
    const billy = mesh.join('Billy', 3)
    const carla = mesh.join('Carla', 1)
    await mesh.waitForRoster(['Anna', 'Billy', 'Carla'], 60_000)
    for (const client of [anna, billy, carla]) client.joinRoom('#ops')
    await until('Anna and Billy are in the room', () => anna.rooms.get('#ops')?.join() === 'Anna,Billy')
    anna.send('#ops', 'hello')
    await until('Billy has the message', () => billy.shown.some(({ to, text }) => to === '#ops' && text === 'hello'))
    await until('it is confirmed', () => anna.held.length === 0)
    await until('Carla is told why not', () => carla.roomErrors.length > 0)
    expect(carla.roomErrors).toEqual(['#ops unsupported'])
    expect(carla.shown).toEqual([])
    // Direct messages still go through all three.
    carla.send('Anna', 'hi')
    await until('Anna has it', () => anna.shown.some(({ from }) => from === 'Carla'))
    for (const { program } of mesh.servers) expect(program.out).not.toContain('malformed')
    await mesh.close()
  })
})
