/** The contract of a link carrier, which the core relies on; holds for sockets and for NATS. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ForwardedMessage, PresenceDelta, RoomForwarded } from '../../src/protocol/frames.ts'
import { CarrierHarness, type CarrierHarnessOptions } from '../support/harness/carrier-harness.ts'
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
const roomMessage = (number: number, text: string, proof = ''): RoomForwarded => [
  number,
  `m${number}`,
  1,
  'Anna',
  '#ops',
  text,
  proof,
]

let nats: NatsServer | undefined
const harnesses: CarrierHarness[] = []

beforeAll(async () => {
  if (natsMissingReason === undefined) nats = await NatsServer.start()
})
afterAll(() => nats?.kill())
afterEach(async () => {
  await Promise.all(harnesses.splice(0).map(harness => harness.close()))
})

const carriers = {
  sockets: (id: string, options?: CarrierHarnessOptions) => CarrierHarness.onSockets(id, options),
  backbone: (id: string, options?: CarrierHarnessOptions) => CarrierHarness.onBackbone(id, nats?.url ?? '', options),
}

describe.each(['sockets', 'backbone'] as const)('%s', kind => {
  const contract = test.skipIf(kind === 'backbone' && natsMissingReason !== undefined)
  const start = async (id: string, options?: CarrierHarnessOptions) => {
    const harness = await carriers[kind](id, options)
    harnesses.push(harness)
    return harness
  }
  /** Two carriers with links in both directions; the second has announced the user Billy. */
  const pair = async (first: CarrierHarnessOptions = {}, second: CarrierHarnessOptions = {}) => {
    const [one, other] = [await start('server-1', first), await start('server-2', second)]
    const link = await one.link(other)
    const back = await other.link(one)
    other.send(back.out, { event: 'presence', payload: delta('server-2#1', 1, 'Billy') })
    await until('the first knows Billy', () => one.framesFrom(back.in).length === 1)
    return { one, other, link, back }
  }

  contract(
    'both sides learn the identity of the other, and the dialler what the acceptor holds of its stream',
    async () => {
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
      expect(other.inputsOfType('accepted')[0]?.introduction).toMatchObject({
        id: 'server-1',
        incarnation: 'server-1#1',
      })
    },
  )

  contract('frames arrive in order, each once, in both directions', async () => {
    const { one, other, link } = await pair()
    const numbers = Array.from({ length: 3_000 }, (_, n) => n + 1)
    for (const n of numbers) {
      one.send(link.out, { event: 'presence', payload: delta('server-1#1', n, `user ${n}`) })
      one.send(link.out, { event: 'forward', payload: [message(n, `text ${n}`)] })
      other.send(link.in, { event: 'fates', payload: [[n, 1, false]] })
    }
    const seqs = () =>
      other.framesFrom(link.in).flatMap(frame => (frame.event === 'presence' ? [frame.payload.seq] : []))
    // A carrier may put several messages into one frame.
    const forwards = () => other.framesFrom(link.in).flatMap(frame => (frame.event === 'forward' ? frame.payload : []))
    await until(
      'all frames have arrived',
      () => seqs().length >= 3_000 && forwards().length >= 3_000 && one.framesFrom(link.out).length >= 3_000,
    )
    expect(seqs()).toEqual(numbers)
    expect(forwards()).toEqual(numbers.map(n => message(n, `text ${n}`)))
    const fates = one.framesFrom(link.out).flatMap(frame => (frame.event === 'fates' ? frame.payload : []))
    expect(fates.map(([number]) => number)).toEqual(numbers)
  })

  contract('the chunks of a snapshot arrive in order, before what is sent after them', async () => {
    const { one, other, link } = await pair()
    const made: number[] = []
    for (let part = 0; part < 20; part++) {
      const users: [string, number][] = Array.from({ length: 1_000 }, (_, n) => [`user ${part}-${n}`, 1])
      one.send(link.out, {
        event: 'presence',
        isChunk: true,
        get payload() {
          if (!made.includes(part)) made.push(part)
          return { type: 'snapshot' as const, incarnation: 'server-1#1', seq: 1, users, part, more: part < 19 }
        },
      })
    }
    // They are made when they are sent, not all in this turn.
    expect(made.length).toBeLessThan(2)
    one.send(link.out, { event: 'presence', payload: delta('server-1#1', 2, 'Anna') })
    one.send(link.out, { event: 'forward', payload: [message(1, 'hi')] })
    await until('all frames have arrived', () => other.framesFrom(link.in).length === 22)
    const parts = other
      .framesFrom(link.in)
      .flatMap(({ event, payload }) => (event === 'presence' && payload.type === 'snapshot' ? [payload.part] : []))
    expect(parts).toEqual(Array.from({ length: 20 }, (_, part) => part))
    expect(
      other
        .framesFrom(link.in)
        .slice(20)
        .map(({ event }) => event),
    ).toEqual(['presence', 'forward'])
  })

  /** Deltas that take some ms to read. */
  const largeDeltas = Array.from({ length: 20 }, (_, n) =>
    delta('server-1#1', n + 1, ...Array.from({ length: 1_000 }, (_, user) => `user ${user}`)),
  )

  contract('large frames are read in several turns, and the end of the link comes after them', async () => {
    const { one, other, link } = await pair()
    for (const payload of largeDeltas) one.send(link.out, { event: 'presence', payload })
    one.send(link.out, { event: 'goodbye', payload: null })
    harnesses.splice(harnesses.indexOf(one), 1)
    const closing = one.close()
    const read = () => other.framesFrom(link.in).length
    let most = 0
    const isClosed = () => other.inputsOfType('link-closed').some(input => input.link === link.in)
    while (!isClosed()) {
      const before = read()
      await new Promise(setImmediate)
      most = Math.max(most, read() - before)
    }
    await closing
    const events = other.framesFrom(link.in).map(({ event }) => event)
    expect(events).toEqual([...largeDeltas.map(() => 'presence'), 'goodbye'])
    const ended = other.inputs.findIndex(input => input.type === 'link-closed' && input.link === link.in)
    expect(other.inputs.findLastIndex(input => input.type === 'frame' && input.link === link.in)).toBeLessThan(ended)
    // One when it arrives, one at the end of that turn, and the goodbye.
    expect(most).toBeLessThanOrEqual(3)
  })

  contract('large frames that wait are dropped when the core closes their link', async () => {
    const { one, other, link } = await pair()
    for (const payload of largeDeltas) one.send(link.out, { event: 'presence', payload })
    while (other.framesFrom(link.in).length === 0) await new Promise(setImmediate)
    other.carrier.perform({ type: 'hang-up', link: link.in, reason: 'a test' })
    const read = other.framesFrom(link.in).length
    const again = await one.link(other)
    one.send(again.out, { event: 'missed', payload: ['Anna'] })
    await until('the new link works', () => other.framesFrom(again.in).length === 1)
    expect(other.framesFrom(link.in)).toHaveLength(read)
    expect(read).toBeLessThan(largeDeltas.length)
  })

  contract('presence arrives before the messages of a user, and a goodbye last', async () => {
    const { one, other, link } = await pair()
    one.send(link.out, { event: 'presence', payload: delta('server-1#1', 1, 'Anna') })
    one.send(link.out, { event: 'forward', payload: [message(1, 'hi')] })
    one.send(link.out, { event: 'goodbye', payload: null })
    await until('all frames have arrived', () => other.framesFrom(link.in).length === 3)
    expect(other.framesFrom(link.in).map(({ event }) => event)).toEqual(['presence', 'forward', 'goodbye'])
  })

  contract('frames of any length and content arrive unchanged', async () => {
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
    const texts = () =>
      other
        .framesFrom(link.in)
        .flatMap(frame => (frame.event === 'forward' ? frame.payload.map(([, , , , , text]) => text) : []))
    const seqs = () =>
      other.framesFrom(link.in).flatMap(frame => (frame.event === 'presence' ? [frame.payload.seq] : []))
    await until('all frames have arrived', () => texts().length + seqs().length === long.length + 2)
    expect(texts().map(text => long.indexOf(text))).toEqual([0, 1, 2, 3])
    expect(seqs()).toEqual([1, 2])
  })

  contract('a typing notice arrives', async () => {
    const { one, other, link } = await pair()
    const notice = { from: 'Anna', to: 'Billy' }
    one.send(link.out, { event: 'typing', payload: notice })
    await until('it has arrived', () => other.framesFrom(link.in).length === 1)
    expect(other.framesFrom(link.in)).toEqual([{ event: 'typing', payload: notice }])
  })

  // On a backbone: test/programs/mesh/nats-faults.test.ts.
  test.runIf(kind === 'sockets')('a typing notice is dropped while much waits to be sent', async () => {
    const { one, other, link } = await pair()
    for (let n = 1; n <= 100; n++)
      one.send(link.out, { event: 'forward', payload: [message(n, 'a'.repeat(256 * 1024))] })
    // The first messages are on their way, the others wait.
    await new Promise(setImmediate)
    one.send(link.out, { event: 'typing', payload: { from: 'Anna', to: 'Billy' } })
    one.send(link.out, { event: 'missed', payload: ['Anna'] })
    await until('all else has arrived', () => other.framesFrom(link.in).at(-1)?.event === 'missed')
    expect(other.framesFrom(link.in).filter(({ event }) => event === 'typing')).toEqual([])
  })

  contract('a broadcast arrives once on each link, and a message only on its links', async () => {
    const hub = await start('server-1')
    const others = [await start('server-2'), await start('server-3'), await start('server-4')]
    const links: { out: number; in: number }[] = []
    for (const other of others) links.push(await hub.link(other))
    // They announce their users before messages are sent.
    for (const [at, users] of [['Billy'], ['Anna', 'Billy'], ['Carla']].entries()) {
      const back = await others[at]?.link(hub)
      const own = delta(`server-${at + 2}#1`, 1, ...users)
      others[at]?.send(back?.out ?? 0, { event: 'presence', payload: own })
    }
    await until('the hub knows the users', () => hub.inputsOfType('frame').length === 3)
    const shared = delta('server-1#1', 1, 'Anna')
    const both = message(1, 'to the first two')
    const strange = message(2, 'to one who holds neither', 'Dora')
    for (const { out } of links) hub.send(out, { event: 'presence', payload: shared })
    for (const { out } of links.slice(0, 2)) hub.send(out, { event: 'forward', payload: [both] })
    hub.send(links[2]?.out ?? 0, { event: 'forward', payload: [strange] })
    for (const { out } of links) hub.send(out, { event: 'missed', payload: ['the end'] })
    await until('all frames have arrived', () => others.every(other => other.inputsOfType('frame').length >= 3))
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

  contract('a message to a room arrives once on each of its links, in order with others', async () => {
    const hub = await start('server-1')
    const others = [await start('server-2'), await start('server-3'), await start('server-4')]
    const links: { out: number; in: number }[] = []
    for (const other of others) links.push(await hub.link(other))
    // All have Billy; the first two announce him as a member before messages are sent.
    for (const [at, other] of others.entries()) {
      const back = await other.link(hub)
      const own = delta(`server-${at + 2}#1`, 1, 'Billy')
      other.send(back.out, {
        event: 'presence',
        payload: at === 2 ? own : { ...own, rooms: [['#ops', ['Billy'], []]] },
      })
    }
    await until('the hub knows the members', () => hub.inputsOfType('frame').length === 3)
    const long = '✓'.repeat(200_000)
    const sent = [
      roomMessage(1, 'first', 'a proof'),
      message(2, 'second'),
      roomMessage(3, long),
      roomMessage(4, 'last'),
    ]
    for (const { out } of links) {
      for (const one of sent) {
        if (one.length === 6) hub.send(out, { event: 'forward', payload: [one] })
        else hub.send(out, { event: 'room-forward', payload: [one] })
      }
    }
    const received = ({ in: link }: { in: number }, at: number) =>
      others[at]
        ?.framesFrom(link)
        .flatMap(({ event, payload }): unknown[] => (event === 'forward' || event === 'room-forward' ? payload : [])) ??
      []
    await until('all have arrived', () => links.every((link, at) => received(link, at).length >= 4))
    for (const { out } of links) hub.send(out, { event: 'missed', payload: ['the end'] })
    await until('the end has arrived', () =>
      links.every((link, at) => others[at]?.framesFrom(link.in).at(-1)?.event === 'missed'),
    )
    for (const [at, link] of links.entries()) expect(received(link, at)).toEqual(sent)
    expect(others.flatMap(other => other.inputsOfType('link-closed'))).toEqual([])
  })

  contract('closing a link closes it on the other side, after earlier frames have arrived', async () => {
    const { one, other, link } = await pair()
    one.send(link.out, { event: 'missed', payload: ['Anna'] })
    await until('the frame has arrived', () => other.framesFrom(link.in).length === 1)
    one.carrier.perform({ type: 'hang-up', link: link.out, reason: 'a test' })
    await until('the other side has closed the link', () =>
      other.inputsOfType('link-closed').some(input => input.link === link.in),
    )
    // The side that closes gets no `link-closed`.
    expect(one.inputsOfType('link-closed')).toEqual([])
    const again = await one.link(other)
    other.carrier.perform({ type: 'hang-up', link: again.in, reason: 'a test' })
    await until('the dialler has closed the link', () =>
      one.inputsOfType('link-closed').some(input => input.link === again.out),
    )
    // Frames for a closed link are dropped.
    other.send(link.in, { event: 'resync', payload: null })
    one.send(link.out, { event: 'missed', payload: ['Anna'] })
    const third = await one.link(other)
    one.send(third.out, { event: 'missed', payload: ['Billy'] })
    await until('the new link works', () => other.framesFrom(third.in).length === 1)
    expect(one.framesFrom(link.out)).toEqual([])
    expect(other.framesFrom(link.in)).toHaveLength(1)
  })

  contract('closing a carrier closes its links', async () => {
    const { one, other, link, back } = await pair()
    harnesses.splice(harnesses.indexOf(one), 1)
    await one.close()
    const closed = () => other.inputsOfType('link-closed').map(input => input.link)
    await until('both are closed', () => closed().includes(link.in) && closed().includes(back.out))
    const failed = await other.dial(one)
    expect(failed.type).toBe('dial-failed')
  })

  contract('a refusal by the core reaches the dialler with its reason', async () => {
    const one = await start('server-1')
    const decide: CarrierHarnessOptions['decide'] = ({ link }) => ({
      type: 'refuse',
      link,
      code: 'draining',
      message: 'not now',
    })
    const other = await start('server-2', { decide })
    let failed = await one.dial(other)
    // A carrier may need a moment to connect.
    while (other.inputsOfType('accepted').length === 0) failed = await one.dial(other)
    expect(failed).toMatchObject({ type: 'dial-failed', peer: 'server-2', code: 'draining', reason: 'not now' })
    expect(other.inputsOfType('link-closed')).toEqual([])
  })

  contract('a handshake with another secret fails, and neither core sees a peer', async () => {
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

  contract('a dial fails if another id answers, but a worker of that id may answer', async () => {
    const [one, other, worker] = [await start('server-1'), await start('server-2'), await start('server-3/2')]
    await one.link(other)
    one.carrier.perform({ type: 'dial', peer: 'server-9', url: other.url, id: 'server-9' })
    await until('the dial fails', () => one.inputsOfType('dial-failed').some(({ peer }) => peer === 'server-9'))
    await one.link(worker)
    one.carrier.perform({ type: 'dial', peer: 'server-3', url: worker.url, id: 'server-3' })
    await until('the worker answers', () => one.inputsOfType('dialled').some(({ peer }) => peer === 'server-3'))
    expect(one.inputsOfType('dialled').at(-1)?.introduction.id).toBe('server-3/2')
  })

  contract('invalid frames are dropped and counted, and the link stays open', async () => {
    const { one, other, link } = await pair()
    const wrong = [
      { event: 'presence', payload: { type: 'delta', incarnation: 'server-1#1', seq: -1, changes: [] } },
      { event: 'forward', payload: [message(1, 'to nobody', '')] },
      { event: 'beat', payload: null },
      { event: 'members', payload: { id: 'server-3', url: 'ftp://x' } },
      // An acceptor's frame, sent by the dialler.
      { event: 'fates', payload: [[1, 1, false]] },
    ]
    for (const frame of wrong) one.send(link.out, frame as never)
    one.send(link.out, { event: 'missed', payload: ['Anna'] })
    await until('the last frame has arrived', () => other.framesFrom(link.in).length > 0)
    expect(other.framesFrom(link.in)).toEqual([{ event: 'missed', payload: ['Anna'] }])
    // The socket carrier does not listen for events of the wrong side, so it does not count them.
    expect(other.carrier.malformed).toBeGreaterThanOrEqual(4)
    expect(other.inputsOfType('link-closed')).toEqual([])
  })
})
