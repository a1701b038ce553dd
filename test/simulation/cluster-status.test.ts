/** How the mesh stands: what servers count, and what they tell whoever asks one of them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { io } from 'socket.io-client'
import { afterAll, describe, expect, test } from 'vitest'
import type { ForwardedMessage, StatusResponse } from '../../src/protocol/frames.ts'
import type { Refusal } from '../../src/protocol/messages.ts'
import { type ClusterStatus, clusterStatusSchema, type ServerStatus } from '../../src/protocol/status.ts'
import { FakePeer } from '../support/attacks/fake-peer.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../support/programs/processes.ts'
import { ServerHarness } from '../support/server-harness.ts'
import { type SimClient, SimMesh, type SimServer } from '../support/simulation/sim-mesh.ts'

afterAll(stopAll)

/** Asks at the client's server; the answers come with time. */
function ask(client: SimClient): unknown[] {
  const answers: unknown[] = []
  if (client.connection === undefined) throw new Error(`${client.name} is not connected`)
  const { server, connection } = client.connection
  const call = server.registerCall((_, payload) => {
    answers.push(payload)
    return { type: 'tick' }
  })
  server.step({ type: 'survey', connection, call })
  return answers
}

/** A mesh of three, with Anna twice and Billy, who chat. */
function three() {
  const mesh = new SimMesh(7, 3)
  const [one, two, other] = mesh.servers
  if (one === undefined || two === undefined || other === undefined) throw new Error('three')
  const anna = mesh.join('anna', 'Anna', one)
  mesh.join('anna again', 'Anna', one)
  const billy = mesh.join('billy', 'Billy', two)
  mesh.advance(10_000)
  return { mesh, one, two, three: other, anna, billy }
}

function survey(answers: readonly unknown[]): ClusterStatus {
  expect(answers).toHaveLength(1)
  return clusterStatusSchema.parse(answers[0])
}
const statusOf = (told: ClusterStatus, { id }: SimServer) => told.servers.find(one => one.id === id)?.status

describe('in simulation', () => {
  test('who asks one server is told of all, from each what it knows itself', () => {
    const { mesh, one, two, three: other, anna } = three()
    mesh.send(anna, 'Billy', 'hi')
    mesh.send(anna, 'Billy', 'are you there?')
    mesh.advance(2_000)
    const answers = ask(anna)
    mesh.advance(500)
    const told = survey(answers)
    expect(told.server).toBe('server-1')
    expect(told.servers.map(({ id, url }) => [id, url])).toEqual(mesh.servers.map(({ id, url }) => [id, url]))
    const rest = { online: 2, draining: false, slow: 0, refused: 0 }
    // Anna sees her own on both of her connections.
    expect(statusOf(told, one)).toMatchObject({ ...rest, users: 1, connections: 2, accepted: 2, forwarded: 0 })
    expect(statusOf(told, one)?.delivered).toBe(4)
    expect(statusOf(told, two)).toMatchObject({ ...rest, users: 1, connections: 1, accepted: 0, forwarded: 2 })
    expect(statusOf(told, two)?.delivered).toBe(2)
    expect(statusOf(told, other)).toMatchObject({ ...rest, users: 0, connections: 0, delivered: 0, forwarded: 0 })
    for (const server of mesh.servers) {
      const status = statusOf(told, server)
      expect(status?.uptime).toBeGreaterThan(11_000)
      expect(status?.uptime).toBeLessThan(12_600)
      expect(status?.links.map(({ peer }) => peer)).toEqual(
        mesh.servers.map(({ id }) => id).filter(id => id !== server.id),
      )
      for (const link of status?.links ?? []) {
        expect(link).toMatchObject({ outbound: 'open', inbound: true, held: 0 })
        expect(link.users).toBe(link.peer === 'server-3' ? 0 : 1)
        // There and back, 1 to 31 ms each.
        expect(link.rtt).toBeGreaterThan(2)
        expect(link.rtt).toBeLessThan(70)
      }
    }
  })

  test('who does not answer in a second has no status, and the others are told all the same', () => {
    const { mesh, two, three: other, anna } = three()
    const before = ask(anna)
    mesh.advance(1_000)
    expect(statusOf(survey(before), two)).toBeDefined()
    mesh.freeze(two)
    const answers = ask(anna)
    mesh.advance(900)
    expect(answers).toEqual([])
    mesh.advance(200)
    const told = survey(answers)
    expect(told.servers.map(({ id }) => id)).toEqual(['server-1', 'server-2', 'server-3'])
    expect(statusOf(told, two)).toBeUndefined()
    expect(statusOf(told, other)).toBeDefined()
    // What it says too late, is no answer to the next question.
    mesh.thaw(two)
    mesh.advance(3_000)
    const again = ask(anna)
    mesh.advance(1_100)
    expect(statusOf(survey(again), two)?.server).toBe('server-2')
  })

  test('a server that is gone is told of by its links; nobody waits for it', () => {
    const { mesh, one, two, anna } = three()
    mesh.crash(two)
    mesh.advance(1_000)
    mesh.send(anna, 'Billy', 'are you there?')
    mesh.advance(100)
    const answers = ask(anna)
    mesh.advance(200)
    const told = survey(answers)
    expect(statusOf(told, two)).toBeUndefined()
    const link = statusOf(told, one)?.links.find(({ peer }) => peer === 'server-2')
    expect(link).toMatchObject({ inbound: false, users: 1, held: 1 })
    expect(link?.outbound).not.toBe('open')
    expect(link).not.toHaveProperty('rtt')
  })

  test('who asks within half a second of another shares the survey', () => {
    const { mesh, one, anna } = three()
    const dora = mesh.join('dora', 'Dora', one)
    mesh.advance(1_000)
    const first = ask(anna)
    mesh.advance(200)
    const second = ask(dora)
    mesh.advance(50)
    expect(second[0]).toBe(first[0])
    mesh.advance(1_000)
    const third = ask(dora)
    mesh.advance(300)
    expect(survey(third)).not.toEqual(first[0])
  })
})

describe('on the table', () => {
  /** A server with an open link to server-2. */
  function linked(more: ConstructorParameters<typeof ServerHarness>[1] = {}) {
    const harness = new ServerHarness({}, more)
    const introduction = { id: 'server-2', incarnation: 'server-2#1', protocol: 2 }
    harness.step({ type: 'dialled', peer: 'server-2', link: 900, introduction, holds: { seq: 0 } })
    let calls = 1_000
    return {
      harness,
      ask: (connection: number) => {
        const call = ++calls
        harness.step({ type: 'survey', connection, call })
        return () => harness.answers.get(call) as ClusterStatus | Refusal | undefined
      },
      /** The numbers of the surveys that the peer was asked for. */
      asked: () =>
        harness.effects.flatMap(one =>
          one.type === 'send' && one.frame.event === 'survey' && one.link === 900 ? [one.frame.payload.number] : [],
        ),
      answer: (payload: StatusResponse, link = 900) =>
        void harness.step({ type: 'frame', link, frame: { event: 'status', payload } }),
    }
  }
  const status: ServerStatus = {
    server: 'server-2',
    incarnation: 'server-2#1',
    uptime: 5,
    draining: false,
    users: 0,
    connections: 0,
    online: 0,
    slow: 0,
    accepted: 0,
    refused: 0,
    forwarded: 0,
    delivered: 0,
    links: [],
  }
  const code = (answer: ClusterStatus | Refusal | undefined) => (answer?.ok === false ? answer.code : undefined)

  test('a peer speaks for itself only, for this life of it, to this question, and once', () => {
    const { harness, ask, asked, answer } = linked()
    const introduction = { id: 'server-3', incarnation: 'server-3#1', protocol: 2 }
    harness.step({ type: 'learn', member: { id: 'server-3', url: 'http://127.0.0.1:3' } })
    harness.step({ type: 'dialled', peer: 'server-3', link: 901, introduction, holds: { seq: 0 } })
    const told = ask(harness.join('Anna'))
    const [number = 0] = asked()
    answer({ number, status: { ...status, server: 'server-1' } })
    answer({ number, status: { ...status, server: 'server-3', incarnation: 'server-3#1' } })
    answer({ number, status: { ...status, incarnation: 'server-2#0' } })
    answer({ number: number + 1, status })
    // On the link that it dialled itself, a peer answers nothing.
    answer({ number, status }, harness.acceptLink('server-2'))
    answer({ number, status: { ...status, users: 3 } })
    answer({ number, status: { ...status, users: 4 } })
    expect(told()).toBeUndefined()
    answer({ number, status: { ...status, server: 'server-3', incarnation: 'server-3#1', users: 5 } }, 901)
    const survey = clusterStatusSchema.parse(told())
    expect(survey.servers.map(one => [one.id, one.status?.users])).toEqual([
      ['server-1', 1],
      ['server-2', 3],
      ['server-3', 5],
    ])
  })

  test('who asks while others wait, waits with them', () => {
    const { harness, ask, asked } = linked()
    const first = ask(harness.join('Anna'))
    harness.advance(700)
    const second = ask(harness.join('Billy'))
    expect(asked()).toEqual([1])
    harness.advance(299)
    expect(first() ?? second()).toBeUndefined()
    harness.advance(1)
    expect(first()?.ok).toBe(true)
    expect(second()).toBe(first())
  })

  test('a connection asks once a second; a known one and, where names are open, a stranger', () => {
    const { harness, ask, asked } = linked()
    for (const connection of [harness.join('Anna'), harness.connect()]) {
      const told = ask(connection)
      harness.advance(999)
      expect(code(ask(connection)())).toBe('rate-limited')
      harness.advance(1)
      expect(told()?.ok).toBe(true)
      expect(code(ask(connection)())).toBeUndefined()
      harness.advance(1_000)
    }
    expect(asked()).toEqual([1, 2, 3, 4])
    expect(code(ask(12_345)())).toBe('not-identified')
  })

  test('where names have to be proven, a stranger is told on the machine itself only', () => {
    const { harness, ask } = linked({ auth: 'token' })
    expect(code(ask(harness.connect('192.0.2.1'))())).toBe('unauthorized')
    expect(code(ask(harness.connect())())).toBe('unauthorized')
    for (const address of ['127.0.0.1', '::ffff:127.0.0.1', '::1']) {
      const told = ask(harness.connect(address))
      harness.advance(1_000)
      expect(told()?.ok, address).toBe(true)
    }
    const known = harness.connect('192.0.2.1')
    harness.identify(known, 'Anna', 2, { kind: 'token', user: 'Anna', expires: Number.MAX_SAFE_INTEGER })
    const told = ask(known)
    harness.advance(1_000)
    expect(told()?.ok).toBe(true)
  })

  test('what is refused is counted, and who confirms nothing is slow', () => {
    const { harness } = linked()
    const anna = harness.join('Anna')
    const billy = harness.join('Billy')
    harness.im(anna, '')
    for (let n = 0; n < 101; n++) harness.im(anna, 'Billy')
    // Each of them is behind: Anna with what she sees of her own.
    harness.step({ type: 'got', connection: anna, count: 1 })
    const began = harness.now
    harness.advance(2_000)
    expect(harness.server.status).toMatchObject({
      accepted: 101,
      refused: 1,
      delivered: 202,
      slow: 1,
      uptime: harness.now - began,
    })
    harness.step({ type: 'got', connection: billy, count: 1 })
    expect(harness.server.status.slow).toBe(0)
    harness.step({ type: 'drain' })
    expect(harness.server.status.draining).toBe(true)
  })

  test('what a peer passes on is counted by the message, what it may not pass on is not', () => {
    const { harness } = linked()
    const link = harness.acceptLink('server-2')
    harness.join('Anna')
    const incarnation = 'server-2#1'
    const users: [string, number][] = [['Billy', 1]]
    const presence = { type: 'snapshot' as const, incarnation, seq: 1, users, more: false }
    harness.step({ type: 'frame', link, frame: { event: 'presence', payload: presence } })
    const payload = ['Billy', 'Billy', 'Carla'].map(
      (from, at): ForwardedMessage => [at + 1, `m${at}`, harness.wallOffset + harness.now, from, 'Anna', 'hi'],
    )
    harness.step({ type: 'frame', link, frame: { event: 'forward', payload } })
    expect(harness.server.status).toMatchObject({ forwarded: 2, delivered: 2, accepted: 0 })
  })

  test('of a mesh so large that all links would be too much, the first tell theirs', () => {
    const ids = Array.from({ length: 30 }, (_, at) => `peer-${at}`)
    const { harness, ask } = linked({ peers: ids.map(id => ({ id, url: 'http://127.0.0.1:2' })) })
    for (const [at, id] of ids.entries()) {
      const introduction = { id, incarnation: `${id}#1`, protocol: 2 }
      harness.step({ type: 'dialled', peer: id, link: 100 + at, introduction, holds: { seq: 0 } })
    }
    const told = ask(harness.join('Anna'))
    const link = { outbound: 'open' as const, inbound: true, users: 0, held: 0 }
    const links = Array.from({ length: 1_000 }, (_, at) => ({ ...link, peer: `peer-${at}` }))
    for (const [at, id] of ids.entries()) {
      const payload = { number: 1, status: { ...status, server: id, incarnation: `${id}#1`, users: at, links } }
      harness.step({ type: 'frame', link: 100 + at, frame: { event: 'status', payload } })
    }
    const { servers } = clusterStatusSchema.parse(told())
    expect(servers.slice(1).map(({ status }) => status?.users)).toEqual(ids.map((_, at) => at))
    const counts = servers.map(({ status }) => status?.links.length)
    expect(counts).toEqual([30, ...Array(19).fill(1_000), ...Array(11).fill(0)])
  })

  test('an echo that tells no time, or one that is yet to come, says nothing of the way', () => {
    const { harness } = linked()
    const echo = (at?: number) => {
      const payload = { incarnation: 'first', seq: 0, ...(at === undefined ? {} : { at }) }
      harness.step({ type: 'frame', link: 900, frame: { event: 'beat', payload } })
      return harness.server.status.links[0]?.rtt
    }
    expect(echo()).toBeUndefined()
    expect(echo(harness.now + 1)).toBeUndefined()
    harness.now += 12
    expect(echo(harness.now - 12)).toBe(12)
  })
})

test('for real: an older peer, which knows no such question, and one that answers nonsense, hurt nobody', {
  timeout: 60_000,
}, async () => {
  const ports = await freePorts(4)
  const file = join(temporaryFolder(), 'config.json')
  const ids = ['server-1', 'server-2', 'older', 'liar']
  const servers = ids.map((id, at) => ({ id, ip: '127.0.0.1', port: ports[at] ?? 0 }))
  writeFileSync(file, JSON.stringify({ servers }))
  const url = `http://127.0.0.1:${ports[0]}`
  const args = ['--config', file, '--log-format', 'text']
  const programs = ['server-1', 'server-2'].map(id => new Program('daemon', ['--id', id, ...args]))
  await until('both listen', () => programs.every(({ out }) => out.includes('Listening')))
  const older = new FakePeer('older')
  const liar = new FakePeer('liar')
  const lies: unknown[] = [null, 5, {}, { status: { server: 'liar' } }, { server: 'server-2', links: [{}] }]
  liar.answerSurvey = ({ number }) => ({ number, status: lies[number % lies.length] })
  await older.start(ports[2] ?? 0, url)
  await liar.start(ports[3] ?? 0, url)
  const out = () => programs[0]?.out ?? ''
  await until('all are linked', () => ids.slice(1).every(id => out().includes(`Outbound connection to peer: ${id}\n`)))

  const stranger = io(url, { transports: ['websocket'], forceNew: true })
  const survey = async (): Promise<ClusterStatus> => {
    const told: ClusterStatus | Refusal = await stranger.timeout(5_000).emitWithAck('survey')
    if (told.ok) return clusterStatusSchema.parse(told)
    await new Promise(resolve => setTimeout(resolve, told.retryAfter))
    return survey()
  }
  for (let n = 0; n < lies.length; n++) {
    const since = performance.now()
    const told = await survey()
    // The two are waited for.
    expect(performance.now() - since).toBeGreaterThan(900)
    expect(told.servers.map(({ id }) => id)).toEqual(ids)
    expect(told.servers.flatMap(({ status }) => (status === undefined ? [] : [status.server]))).toEqual(ids.slice(0, 2))
    expect(told.servers[1]?.url).toBe(`http://127.0.0.1:${ports[1]}`)
  }
  expect(out()).toContain('Dropped a malformed status from peer: liar')
  stranger.disconnect()
  await older.close()
  await liar.close()
})
