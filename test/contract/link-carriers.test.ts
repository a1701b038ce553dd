/** What every carrier of links has to do, whichever it is: the core relies on it. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ForwardedMessage, PresenceDelta } from '../../src/protocol/frames.ts'
import { CarrierHarness, type CarrierHarnessOptions } from '../support/carrier-harness.ts'
import { NatsServer, natsMissingReason } from '../support/programs/nats-server.ts'
import { until } from '../support/programs/processes.ts'

const SECRET = 'a secret of sixteen or more'
const delta = (incarnation: string, seq: number, ...users: string[]): PresenceDelta => ({
  type: 'delta',
  incarnation,
  seq,
  changes: users.map(user => [user, 1]),
})
const message = (number: number, text: string, to = 'Billy'): ForwardedMessage => [
  number,
  `m${number}`,
  1,
  'Anna',
  to,
  text,
]

let nats: NatsServer | undefined
const desks: CarrierHarness[] = []

beforeAll(async () => {
  if (natsMissingReason === undefined) nats = await NatsServer.start()
})
afterAll(() => nats?.kill())
afterEach(async () => {
  await Promise.all(desks.splice(0).map(harness => harness.close()))
})

const carriers = {
  sockets: (id: string, options?: CarrierHarnessOptions) => CarrierHarness.onSockets(id, options),
  backbone: (id: string, options?: CarrierHarnessOptions) => CarrierHarness.onBackbone(id, nats?.url ?? '', options),
}

describe.each(['sockets', 'backbone'] as const)('%s', kind => {
  const contract = test.skipIf(kind === 'backbone' && natsMissingReason !== undefined)
  const start = async (id: string, options?: CarrierHarnessOptions) => {
    const harness = await carriers[kind](id, options)
    desks.push(harness)
    return harness
  }
  /** Two with a link from the first to the second, and a user at the second of whom the first was told. */
  const pair = async (first: CarrierHarnessOptions = {}, second: CarrierHarnessOptions = {}) => {
    const [one, other] = [await start('server-1', first), await start('server-2', second)]
    const link = await one.link(other)
    const back = await other.link(one)
    other.send(back.out, { event: 'presence', payload: delta('server-2#1', 1, 'Billy') })
    await until('the first knows', () => one.framesFrom(back.in).length === 1)
    return { one, other, link, back }
  }

  contract('both sides are told who the other is, and what the acceptor holds', async () => {
    const decide: CarrierHarnessOptions['decide'] = ({ link }) => ({
      type: 'accept',
      link,
      holds: { incarnation: 'server-1#1', seq: 7 },
    })
    const { one, other } = await pair({ secret: SECRET }, { secret: SECRET, decide })
    const [dialled] = one.inputsOfType('dialled')
    expect(dialled?.peer).toBe('server-2')
    expect(dialled?.introduction).toMatchObject({ id: 'server-2', incarnation: 'server-2#1', url: other.url })
    expect(dialled?.holds).toEqual({ incarnation: 'server-1#1', seq: 7 })
    expect(other.inputsOfType('accepted')[0]?.introduction).toMatchObject({ id: 'server-1', incarnation: 'server-1#1' })
  })

  contract('frames arrive in order, each once, in both directions', async () => {
    const { one, other, link } = await pair()
    const numbers = Array.from({ length: 3_000 }, (_, n) => n + 1)
    for (const n of numbers) {
      one.send(link.out, { event: 'presence', payload: delta('server-1#1', n, `user ${n}`) })
      one.send(link.out, { event: 'forward', payload: [message(n, `text ${n}`)] })
      other.send(link.in, { event: 'fates', payload: [[n, 1, false]] })
    }
    await until(
      'all have come',
      () => other.framesFrom(link.in).length >= 6_000 && one.framesFrom(link.out).length >= 3_000,
    )
    const frames = other.framesFrom(link.in)
    const seqs = frames.flatMap(frame => (frame.event === 'presence' ? [frame.payload.seq] : []))
    const forwards = frames.flatMap(frame => (frame.event === 'forward' ? frame.payload : []))
    expect(seqs).toEqual(numbers)
    expect(forwards).toEqual(numbers.map(n => message(n, `text ${n}`)))
    const fates = one.framesFrom(link.out).flatMap(frame => (frame.event === 'fates' ? frame.payload : []))
    expect(fates.map(([number]) => number)).toEqual(numbers)
  })

  contract('a user is told of before what they say, and a goodbye comes last', async () => {
    const { one, other, link } = await pair()
    one.send(link.out, { event: 'presence', payload: delta('server-1#1', 1, 'Anna') })
    one.send(link.out, { event: 'forward', payload: [message(1, 'hi')] })
    one.send(link.out, { event: 'goodbye', payload: null })
    await until('all have come', () => other.framesFrom(link.in).length === 3)
    expect(other.framesFrom(link.in).map(({ event }) => event)).toEqual(['presence', 'forward', 'goodbye'])
  })

  contract('whatever a frame holds arrives as it is, however long', { timeout: 60_000 }, async () => {
    const { one, other, link } = await pair()
    const long = [
      'a'.repeat(256 * 1024),
      '\u0001'.repeat(256 * 1024),
      '✓'.repeat(200_000),
      '𝒳"\\\n\u2028'.repeat(9_000),
    ]
    for (const [at, text] of long.entries()) one.send(link.out, { event: 'forward', payload: [message(at + 1, text)] })
    const name = (n: number) => `${n} ${'字'.repeat(55)}`
    const users = Array.from({ length: 4_096 }, (_, n): [string, number] => [name(n), 1])
    const snapshot = { type: 'snapshot' as const, incarnation: 'server-1#1', seq: 1, users, more: false }
    one.send(link.out, { event: 'presence', payload: snapshot })
    one.send(link.out, { event: 'presence', payload: { ...delta('server-1#1', 2), changes: users } })
    await until('all have come', () => other.framesFrom(link.in).length === long.length + 2)
    const frames = other.framesFrom(link.in)
    const texts = frames.flatMap(frame =>
      frame.event === 'forward' ? frame.payload.map(([, , , , , text]) => text) : [],
    )
    expect(texts.map(text => long.indexOf(text))).toEqual([0, 1, 2, 3])
    expect(frames.flatMap(frame => (frame.event === 'presence' ? [frame.payload.seq] : []))).toEqual([1, 2])
  })

  contract('what goes to all arrives on each link once, and a message where it is meant to', async () => {
    const hub = await start('server-1')
    const others = [await start('server-2'), await start('server-3'), await start('server-4')]
    const links: { out: number; in: number }[] = []
    for (const other of others) links.push(await hub.link(other))
    // They say for whom they listen before they are told of a message.
    for (const [at, user] of ['Billy', 'Anna', 'Carla'].entries()) {
      const back = await others[at]?.link(hub)
      const own = delta(`server-${at + 2}#1`, 1, user)
      others[at]?.send(back?.out ?? 0, { event: 'presence', payload: own })
    }
    await until('the hub knows', () => hub.inputsOfType('frame').length === 3)
    const shared = delta('server-1#1', 1, 'Anna')
    const both = message(1, 'to the first two')
    const strange = message(2, 'to one who holds neither', 'Dora')
    for (const { out } of links) hub.send(out, { event: 'presence', payload: shared })
    for (const { out } of links.slice(0, 2)) hub.send(out, { event: 'forward', payload: [both] })
    hub.send(links[2]?.out ?? 0, { event: 'forward', payload: [strange] })
    for (const { out } of links) hub.send(out, { event: 'missed', payload: ['the end'] })
    await until('all have come', () =>
      others.every(
        other =>
          other.inputsOfType('frame').at(-1)?.frame.event === 'missed' || other.inputsOfType('frame').length >= 3,
      ),
    )
    const seen = others.map(other =>
      other
        .inputsOfType('frame')
        .map(({ frame }) => frame.event)
        .sort(),
    )
    expect(seen).toEqual(Array(3).fill(['forward', 'missed', 'presence']))
    const texts = others.map(other =>
      other
        .inputsOfType('frame')
        .flatMap(({ frame }) => (frame.event === 'forward' ? frame.payload.map(one => one[5]) : [])),
    )
    expect(texts).toEqual([['to the first two'], ['to the first two'], ['to one who holds neither']])
  })

  contract('a link that is hung up ends on the other side, and what was sent before arrives', async () => {
    const { one, other, link } = await pair()
    one.send(link.out, { event: 'missed', payload: ['Anna'] })
    await until('it has come', () => other.framesFrom(link.in).length === 1)
    one.carrier.perform({ type: 'hang-up', link: link.out, reason: 'a test' })
    await until('the other side sees it', () => other.inputsOfType('link-closed').some(input => input.link === link.in))
    // It is not told what it did itself.
    expect(one.inputsOfType('link-closed')).toEqual([])
    const again = await one.link(other)
    other.carrier.perform({ type: 'hang-up', link: again.in, reason: 'a test' })
    await until('the dialler sees it', () => one.inputsOfType('link-closed').some(input => input.link === again.out))
    // What comes for a link that is no more goes nowhere.
    other.send(link.in, { event: 'resync', payload: null })
    one.send(link.out, { event: 'missed', payload: ['Anna'] })
    const third = await one.link(other)
    one.send(third.out, { event: 'missed', payload: ['Billy'] })
    await until('the new one works', () => other.framesFrom(third.in).length === 1)
    expect(one.framesFrom(link.out)).toEqual([])
    expect(other.framesFrom(link.in)).toHaveLength(1)
  })

  contract('who ends takes its links along', async () => {
    const { one, other, link, back } = await pair()
    desks.splice(desks.indexOf(one), 1)
    await one.close()
    const closed = () => other.inputsOfType('link-closed').map(input => input.link)
    await until('both are closed', () => closed().includes(link.in) && closed().includes(back.out))
    const failed = await other.dial(one)
    expect(failed.type).toBe('dial-failed')
  })

  contract('the core may refuse, and says why', async () => {
    const one = await start('server-1')
    const decide: CarrierHarnessOptions['decide'] = ({ link }) => ({
      type: 'refuse',
      link,
      code: 'draining',
      message: 'not now',
    })
    const other = await start('server-2', { decide })
    let failed = await one.dial(other)
    await until(
      'it is there',
      () =>
        other.inputsOfType('accepted').length > 0 || void one.dial(other).then(last => (failed = last)) !== undefined,
    )
    expect(failed).toMatchObject({ type: 'dial-failed', peer: 'server-2', code: 'draining', reason: 'not now' })
    expect(other.inputsOfType('link-closed')).toEqual([])
  })

  contract('with another secret nobody comes in, and neither core hears of it as of a peer', async () => {
    const [one, other] = [
      await start('server-1', { secret: SECRET }),
      await start('server-2', { secret: `${SECRET}!` }),
    ]
    const outcome = async () => {
      const failed = await one.dial(other)
      return failed.type === 'dial-failed' ? failed.code : failed.type
    }
    let last = await outcome()
    for (let tries = 0; last === undefined && tries < 50; tries++) last = await outcome()
    expect(last).toBe('wrong-secret')
    expect(other.inputsOfType('accepted')).toEqual([])
    expect(one.inputsOfType('dialled')).toEqual([])
    expect([...one.inputs, ...other.inputs].filter(({ type }) => type === 'learn')).toEqual([])
  })

  contract('a server of another id is no peer; a worker of that id is', async () => {
    const [one, other, worker] = [await start('server-1'), await start('server-2'), await start('server-3/2')]
    await one.link(other)
    one.carrier.perform({ type: 'dial', peer: 'server-9', url: other.url, id: 'server-9' })
    await until('it fails', () => one.inputsOfType('dial-failed').some(({ peer }) => peer === 'server-9'))
    await one.link(worker)
    one.carrier.perform({ type: 'dial', peer: 'server-3', url: worker.url, id: 'server-3' })
    await until('the worker answers', () => one.inputsOfType('dialled').some(({ peer }) => peer === 'server-3'))
    expect(one.inputsOfType('dialled').at(-1)?.introduction.id).toBe('server-3/2')
  })

  contract('what is malformed is dropped and counted, and the link goes on', async () => {
    const { one, other, link } = await pair()
    const wrong = [
      { event: 'presence', payload: { type: 'delta', incarnation: 'server-1#1', seq: -1, changes: [] } },
      { event: 'forward', payload: [message(1, 'to nobody', '')] },
      { event: 'beat', payload: null },
      { event: 'members', payload: [{ id: 'server-3', url: 'ftp://x' }] },
      // An answer, from one who is to ask.
      { event: 'fates', payload: [[1, 1, false]] },
    ]
    for (const frame of wrong) one.send(link.out, frame as never)
    one.send(link.out, { event: 'missed', payload: ['Anna'] })
    await until('the last has come', () => other.framesFrom(link.in).length > 0)
    expect(other.framesFrom(link.in)).toEqual([{ event: 'missed', payload: ['Anna'] }])
    // Sockets do not even listen for events of the other side.
    expect(other.carrier.malformed).toBeGreaterThanOrEqual(4)
    expect(other.inputsOfType('link-closed')).toEqual([])
  })
})
