/** Who is of the mesh: joining by one address, a config that is read again, and forgetting who is gone. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../support/programs/processes.ts'
import { RealClient } from '../support/programs/real-client.ts'
import { ServerHarness } from '../support/server-harness.ts'
import { SimMesh, type SimServer } from '../support/simulation/sim-mesh.ts'

afterAll(stopAll)

const HOUR = 3_600_000
const roster = (server: SimServer | undefined) => server?.core?.roster

describe('in simulation', () => {
  test('one address is enough to meet everyone, and everyone meets the newcomer', () => {
    for (let seed = 1; seed <= 30; seed++) {
      // The first knows nobody; each other knows one, by its address only.
      const mesh = new SimMesh(seed, 5, {
        initialPeers: ({ id }) => {
          const n = Number(id.slice(-1))
          const seeds = n === 1 ? [] : [`http://server-${1 + ((n * seed) % (n - 1))}:1`]
          return { peers: [], seeds }
        },
      })
      mesh.servers.forEach((server, at) => void mesh.join(`c${at}`, `user ${at}`, server))
      mesh.advance(30_000)
      const all = mesh.servers.map((_, at) => `user ${at}`)
      for (const server of mesh.servers) expect(roster(server), `${server.id}, seed ${seed}`).toEqual(all)
    }
  })

  test('an address whose server is not there yet is asked again', () => {
    const mesh = new SimMesh(3, 2, {
      initialPeers: ({ id }) => ({ peers: [], seeds: id === 'server-2' ? ['http://server-1:1'] : [] }),
    })
    const [one, two] = mesh.servers
    if (one === undefined || two === undefined) throw new Error('two')
    mesh.crash(one)
    mesh.advance(20_000)
    mesh.join('b', 'Billy', two)
    mesh.boot(one)
    mesh.advance(10_000)
    expect(roster(one)).toEqual(['Billy'])
  })

  test('a learned peer that is gone for an hour is forgotten by all, and not taught anew; a configured one never is', () => {
    const mesh = new SimMesh(5, 4, {
      // 4 joins; the others have each other in their configs.
      initialPeers: ({ id }) => {
        const others = ['server-1', 'server-2', 'server-3'].filter(one => one !== id)
        const peers = others.map(id => ({ id, url: `http://${id}:1` }))
        return id === 'server-4' ? { peers: [], seeds: ['http://server-1:1'] } : { peers, seeds: [] }
      },
    })
    mesh.advance(20_000)
    const [, two, three, four] = mesh.servers
    if (two === undefined || three === undefined || four === undefined) throw new Error('four')
    const anna = mesh.join('a', 'Anna', three)
    mesh.advance(5_000)
    const known = () =>
      anna.events
        .filter(event => event.type === 'servers')
        .at(-1)
        ?.servers.map(({ id }) => id)
        .sort()
    const reconnect = () => {
      anna.quit()
      mesh.advance(1_000)
      mesh.startClient(anna, three)
      mesh.advance(5_000)
    }
    expect(known()).toEqual(['server-1', 'server-2', 'server-3', 'server-4'])
    mesh.crash(four)
    mesh.crash(two)
    mesh.advance(HOUR / 2)
    // One that comes back meanwhile is not told of who is gone.
    mesh.boot(two)
    mesh.advance(HOUR / 2 - 60_000)
    reconnect()
    expect(known()).toContain('server-4')
    mesh.advance(120_000)
    reconnect()
    expect(known()).toEqual(['server-1', 'server-2', 'server-3'])
    mesh.crash(two)
    mesh.advance(2 * HOUR)
    reconnect()
    expect(known()).toEqual(['server-1', 'server-2', 'server-3'])
    mesh.boot(four)
    mesh.advance(20_000)
    reconnect()
    expect(known()).toContain('server-4')
  })
})

describe('a config that is read again', () => {
  const address = (n: number) => ({ id: `server-${n}`, url: `http://127.0.0.1:${n}` })

  test('new peers are dialled, removed ones dropped and refused, and the others keep their links', () => {
    const harness = new ServerHarness({})
    const [two, three] = [harness.acceptLink('server-2'), harness.acceptLink('server-3')]
    const snapshot = (incarnation: string, user: string) => {
      const users: [string, number][] = [[user, 1]]
      return {
        event: 'presence' as const,
        payload: { type: 'snapshot' as const, incarnation, seq: 1, users, more: false },
      }
    }
    harness.step({ type: 'frame', link: two, frame: snapshot('server-2#1', 'Billy') })
    harness.step({ type: 'frame', link: three, frame: snapshot('server-3#1', 'Carla') })
    harness.advance(1_000)
    expect(harness.server.roster).toEqual(['Billy', 'Carla'])
    harness.effects.length = 0
    harness.step({ type: 'configure', peers: [address(3), address(4)] })
    harness.advance(1_000)
    expect(harness.server.roster).toEqual(['Carla'])
    expect(harness.closed.has(two)).toBe(true)
    expect(harness.closed.has(three)).toBe(false)
    expect(harness.effects).toContainEqual(expect.objectContaining({ type: 'dial', peer: 'server-4' }))
    const again = harness.acceptLink('server-2')
    expect(harness.effects).toContainEqual(expect.objectContaining({ type: 'refuse', link: again, code: 'removed' }))
    // Not by hearsay either.
    harness.effects.length = 0
    harness.step({ type: 'frame', link: three, frame: { event: 'members', payload: [address(2)] } })
    harness.advance(5_000)
    expect(harness.effects).not.toContainEqual(expect.objectContaining({ type: 'dial', peer: 'server-2' }))
    harness.step({ type: 'configure', peers: [address(2), address(3), address(4)] })
    harness.advance(1_000)
    expect(harness.effects).toContainEqual(expect.objectContaining({ type: 'dial', peer: 'server-2' }))
  })
})

describe('for real', () => {
  const online = (program: Program) => until('it listens', () => program.out.includes('Listening for connections'))

  test('two servers join a third by its address, without a config', async () => {
    const ports = await freePorts(3)
    const url = `http://127.0.0.1:${ports[0]}`
    const start = (n: number, ...more: string[]) =>
      new Program('daemon', ['--id', `server-${n}`, '--port', `${ports[n - 1]}`, '--log-format', 'text', ...more])
    const one = start(1, '--join', `http://127.0.0.1:${ports[1]}`)
    await online(one)
    const two = start(2, '--join', url)
    const three = start(3, '--join', url, '--advertise', `http://localhost:${ports[2]}`)
    const clients = ports.map((port, n) => new RealClient(`user ${n}`, [`http://127.0.0.1:${port}`]))
    await until('one roster', () => clients.every(({ roster }) => roster.join() === 'user 0,user 1,user 2'))
    await until('all with all', () => two.out.includes('Outbound connection to peer: server-3'))
    expect(two.out).toContain(`at: http://localhost:${ports[2]}`)
    expect(three.out).toContain(`Requesting the servers of the mesh from: ${url}...`)
    for (const client of clients) client.close()
  })

  test('SIGHUP takes the config as it is now; a broken one changes nothing', async () => {
    const folder = temporaryFolder()
    const ports = await freePorts(3)
    const file = join(folder, 'config.json')
    const write = (...ids: number[]) =>
      writeFileSync(
        file,
        JSON.stringify({ servers: ids.map(n => ({ id: `server-${n}`, ip: '127.0.0.1', port: ports[n - 1] })) }),
      )
    const start = (n: number) =>
      new Program('daemon', ['--id', `server-${n}`, '--config', file, '--log-format', 'text'])
    write(1, 2, 3)
    const [one, two] = [start(1), start(2)]
    await until('they meet', () => one.out.includes('Inbound connection from peer: server-2'))
    await online(two)
    const client = new RealClient('Anna', [`http://127.0.0.1:${ports[0]}`])
    const other = new RealClient('Billy', [`http://127.0.0.1:${ports[1]}`])
    await until('one roster', () => client.roster.join() === 'Anna,Billy')
    writeFileSync(file, '{')
    one.child.kill('SIGHUP')
    await until('it says so', () => /is not JSON.*keeping the current settings/.test(one.out))
    write(1, 3)
    one.child.kill('SIGHUP')
    await until('it is read', () => one.out.includes('Config reloaded'))
    await until('the users of the one removed are gone', () => client.roster.join() === 'Anna')
    expect(client.departures.map(({ name }) => name)).toEqual(['Billy'])
    await until('it is kept out', () => two.out.includes('refused the connection: removed'))
    write(1, 2)
    one.child.kill('SIGHUP')
    await until('it is back', () => client.roster.join() === 'Anna,Billy')
    client.close()
    other.close()
  })

  test('what is wrong is told in a line', async () => {
    const wrong = async (...args: string[]) => {
      const program = new Program('daemon', args)
      await program.waitForExit()
      return { code: program.exitStatus?.code, out: program.out }
    }
    const [port] = await freePorts(1)
    expect(await wrong('--id', 'x', '--join', 'here')).toMatchObject({
      code: 2,
      out: expect.stringContaining('http://HOST:PORT'),
    })
    expect(await wrong('--id', 'x', '--join', `http://127.0.0.1:${port}`)).toMatchObject({
      code: 2,
      out: expect.stringContaining('--port PORT'),
    })
    expect(await wrong('--id', '-x', '--port', `${port}`, '--join', `http://127.0.0.1:${port}`)).toMatchObject({
      code: 2,
    })
  })
})
