/** In simulation: a client that knows the protocol and lies, and a server that lies to its clients. */
import { describe, expect, test } from 'vitest'
import type { SessionEffect } from '../../src/client/types.ts'
import { ServerHarness } from '../support/harness/server-harness.ts'
import { SessionHarness } from '../support/harness/session-harness.ts'
import { seeded } from '../support/random.ts'
import { PlainIdentity } from '../support/simulation/plain-identity.ts'
import { type SimClient, SimMesh } from '../support/simulation/sim-mesh.ts'

const texts = (client: SimClient) => client.shown.map(({ text }) => text)

describe("a client that uses the id of another user's next message", () => {
  test('does not hide that message from its recipient, nor from a client of the recipient that catches up', () => {
    const mesh = new SimMesh(11, 2)
    const [one, two] = mesh.servers
    if (one === undefined || two === undefined) throw new Error('expected two servers')
    const [anna, billy, mallory] = [
      mesh.join('a', 'Anna', one),
      mesh.join('b', 'Billy', two),
      mesh.join('m', 'Mallory', one),
    ]
    mesh.advance(3_000)
    mesh.send(anna, 'Mallory', 'hello')
    mesh.advance(1_000)
    const [seen] = mallory.shown
    const next = seen?.id.replace(/1\.x$/, '2.x') ?? ''
    expect(next).not.toBe(seen?.id)
    // The recorder takes two messages with one id for a fault: do not stop there.
    const advance = (ms: number) => mesh.timeline.runUntil(mesh.now + ms)
    const { connection = 0 } = mallory.connection ?? {}
    const message = { id: next, at: (seen?.at ?? 0) + 1, to: 'Billy', text: 'first' }
    mesh.step(one, { type: 'im', connection, message })
    advance(1_000)
    mesh.send(anna, 'Billy', 'what matters')
    advance(1_000)
    expect(anna.shown.at(-1)).toMatchObject({ id: next, text: 'what matters' })
    expect(texts(billy)).toEqual(['first', 'what matters'])
    const late = mesh.join('b2', 'Billy', one)
    advance(10_000)
    expect(texts(late).sort()).toEqual(['first', 'what matters'])
    expect(billy.session?.pendingMessages).toEqual([])
  })

  test('does not hide that message from an original client', () => {
    const harness = new ServerHarness({})
    const [anna, mallory] = [harness.join('Anna'), harness.join('Mallory')]
    const original = harness.join('Billy', 1)
    const isDelivered = (connection: number, id: string) => {
      harness.effects.length = 0
      harness.step({
        type: 'im',
        connection,
        message: { id, at: harness.wallOffset + harness.now, to: 'Billy', text: 'x' },
      })
      return harness.effects.some(one => one.type === 'emit' && one.message.event === 'im' && one.to.includes(original))
    }
    expect(isDelivered(mallory, 'next')).toBe(true)
    expect(isDelivered(anna, 'next')).toBe(true)
    // A repeat by the same sender is a duplicate.
    expect(isDelivered(anna, 'next')).toBe(false)
  })
})

describe('a server that claims `auth: key`', () => {
  /**
   * The effects of a client with a message for Billy, when it connects to that server.
   * @param auth the mode that the client expects
   * @param challenges whether the server asks for a proof of the key first
   */
  function connect(auth: 'key' | undefined, challenges: boolean): SessionEffect[] {
    const keys = new Map([['Billy', new PlainIdentity('Billy').key]])
    const harness = new SessionHarness({ servers: ['https://evil'], auth }, { keys })
    return [
      ...harness.step({ type: 'start' }),
      ...harness.compose('Billy', 'for Billy only'),
      ...(challenges
        ? harness.goOnlineWithKey(new PlainIdentity('Anna'))
        : harness.goOnline(['Anna'], { auth: 'key' })),
    ]
  }
  const sent = (effects: SessionEffect[]) => effects.flatMap(one => (one.type === 'im' ? [one.message.text] : []))
  const isRefused = (effects: SessionEffect[]) =>
    effects.some(one => one.type === 'event' && one.event.type === 'connection' && one.event.state.phase === 'refused')

  test('but does not ask for a key gets no message in plain text', () => {
    for (const auth of ['key', undefined] as const) {
      const effects = connect(auth, false)
      expect(isRefused(effects)).toBe(true)
      expect(sent(effects)).toEqual([])
    }
    const effects = connect('key', true)
    expect(isRefused(effects)).toBe(false)
    expect(sent(effects)).toEqual([expect.stringMatching(/^sealed1\./)])
  })
})

describe('the addresses that a server announces to a client', () => {
  /**
   * The addresses that a client dials, when each server announces `announced` and closes the connection.
   * @param announced may contain `N`, which becomes another number each time
   */
  function dialled(given: string, announced: string[], tries: number): string[] {
    const harness = new SessionHarness({ servers: [given], random: seeded(3) })
    const urls: string[] = []
    harness.step({ type: 'start' })
    for (let n = 0; n < tries; n++) {
      urls.push(harness.url)
      const servers = announced.map((url, at) => ({
        id: `s${at}`,
        url: url.replace('N', `${n * announced.length + at}`),
      }))
      harness.goOnline([], { servers })
      harness.step({ type: 'closed', dial: harness.dial, reason: 'gone' })
      harness.advance(harness.session.deadline - harness.now)
    }
    return urls
  }

  test('do not move a client from an encrypted connection to an unencrypted one', () => {
    const announced = ['http://evil:1', 'https://other:1']
    expect(new Set(dialled('https://own:1', announced, 20))).toEqual(new Set(['https://own:1', 'https://other:1']))
    expect(new Set(dialled('http://own:1', announced, 20))).toEqual(new Set(['http://own:1', ...announced]))
  })

  test('are limited in number: a client keeps the latest', () => {
    const announced = Array.from({ length: 500 }, () => 'http://host-N:1')
    const numbers = dialled('http://own:1', announced, 50).map(url => Number(/host-(\d+)/.exec(url)?.[1] ?? Number.NaN))
    numbers.forEach((number, round) => {
      if (!Number.isNaN(number)) expect(number).toBeGreaterThanOrEqual((round - 2) * 500)
    })
    expect(numbers.filter(number => !Number.isNaN(number)).length).toBeGreaterThan(40)
  })
})

test("a sibling can only add messages of this user's own threads", () => {
  const mesh = new SimMesh(4, 1)
  const [one] = mesh.servers
  if (one === undefined) throw new Error('expected one server')
  const anna = mesh.join('a', 'Anna', one)
  mesh.advance(3_000)
  const message = (from: string, to: string) => ({
    id: `${from} ${to}`,
    at: 1_700_000_000_000,
    from,
    to,
    text: `${from} to ${to}`,
  })
  const messages = [message('Billy', 'Carla'), message('Billy', 'Anna')]
  anna.step({ type: 'relay', dial: 1, from: 'server-1:9', frame: { type: 'tell', messages }, sealed: false })
  expect(texts(anna)).toEqual(['Billy to Anna'])
})
