/** In simulation: a client that knows the protocol and lies, and a server that lies to its clients. */
import { describe, expect, test } from 'vitest'
import { Session } from '../../src/client/session.ts'
import type { SessionEffect } from '../../src/client/types.ts'
import type { IdentifyResponse } from '../../src/protocol/messages.ts'
import { seeded } from '../support/random.ts'
import { ServerHarness } from '../support/server-harness.ts'
import { PlainIdentity } from '../support/simulation/plain-identity.ts'
import { type SimClient, SimMesh } from '../support/simulation/sim-mesh.ts'
import { storedState } from '../support/stored-state.ts'

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
    const next = seen?.id.replace(/1$/, '2') ?? ''
    expect(next).not.toBe(seen?.id)
    const { connection = 0 } = mallory.connection ?? {}
    const message = { id: next, at: (seen?.at ?? 0) + 1, to: 'Billy', text: 'first' }
    mesh.step(one, { type: 'im', connection, message })
    mesh.advance(1_000)
    mesh.send(anna, 'Billy', 'what matters')
    mesh.advance(1_000)
    expect(anna.shown.at(-1)).toMatchObject({ id: next, text: 'what matters' })
    expect(texts(billy)).toEqual(['first', 'what matters'])
    const late = mesh.join('b2', 'Billy', one)
    mesh.advance(10_000)
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
  const roster = { version: 1, users: ['Anna'] }
  const accepted: IdentifyResponse = {
    ok: true,
    server: 'evil',
    incarnation: 'i',
    connection: 'evil:1',
    roster,
    auth: 'key',
    time: 0,
    servers: [],
  }

  /**
   * The effects of a client with a message for Billy, when it connects to that server.
   * @param auth the mode that the client expects
   * @param challenges whether the server asks for a proof of the key first
   */
  function connect(auth: 'key' | undefined, challenges: boolean): SessionEffect[] {
    const session = new Session(
      {
        user: 'Anna',
        client: 'x/1',
        instance: 'x',
        servers: ['https://evil'],
        auth,
        random: () => 0,
      },
      storedState({ keys: new Map([['Billy', new PlainIdentity('Billy').key]]) }),
    )
    const effects: SessionEffect[] = []
    const step = (input: Parameters<Session['step']>[0]) => void effects.push(...session.step(input, 1_000, 1_000))
    step({ type: 'start' })
    step({ type: 'request', request: { type: 'compose', to: 'Billy', text: 'for Billy only' } })
    step({ type: 'opened', dial: 1 })
    const challenge = { server: 'evil', connection: 'evil:1', nonce: 'n' }
    if (challenges) step({ type: 'identity', dial: 1, identity: new PlainIdentity('Anna'), challenge })
    step({ type: 'identified', dial: 1, answer: accepted })
    return effects
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
    const random = seeded(3)
    const options = { user: 'Anna', client: 'x/1', instance: 'x', servers: [given], random }
    const session = new Session(options, storedState())
    const urls: string[] = []
    let dial = 0
    let now = 1_000
    const step = (input: Parameters<Session['step']>[0]) => {
      for (const effect of session.step(input, now, now)) {
        if (effect.type !== 'dial') continue
        urls.push(effect.url)
        dial = effect.dial
      }
    }
    step({ type: 'start' })
    for (let n = 0; n < tries; n++) {
      const servers = announced.map((url, at) => ({
        id: `s${at}`,
        url: url.replace('N', `${n * announced.length + at}`),
      }))
      const roster = { version: 1, users: [] }
      const answer = { ok: true as const, server: 's', incarnation: 'i', connection: 's:1', roster, time: now, servers }
      step({ type: 'opened', dial })
      step({ type: 'identified', dial, answer })
      step({ type: 'closed', dial, reason: 'gone' })
      now = session.deadline
      step({ type: 'tick' })
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
  anna.step({ type: 'relay', dial: 1, from: 'server-1:9', frame: { type: 'tell', messages } })
  expect(texts(anna)).toEqual(['Billy to Anna'])
})
