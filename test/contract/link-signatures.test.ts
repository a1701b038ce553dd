/** What both sides of a link prove, over every carrier: their process key, and the secret while it is rotated. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createProcessKey } from '../../daemon/auth/mesh-key.ts'
import type { DiallerFrame } from '../../src/protocol/frames.ts'
import type { Input } from '../../src/server/types.ts'
import { CarrierHarness, type CarrierHarnessOptions } from '../support/harness/carrier-harness.ts'
import { NatsServer, natsMissingReason } from '../support/programs/nats-server.ts'
import { until } from '../support/programs/processes.ts'

const SECRET = 'a secret of sixteen or more'
const PREVIOUS = 'the secret before the rotation'

let nats: NatsServer | undefined
const harnesses: CarrierHarness[] = []

beforeAll(async () => {
  if (natsMissingReason === undefined) nats = await NatsServer.start()
})
afterAll(() => nats?.kill())
afterEach(async () => {
  await Promise.all(harnesses.splice(0).map(harness => harness.close()))
})

/** A server with a process key. */
function signing(): Required<Pick<CarrierHarnessOptions, 'incarnation' | 'processKey'>> {
  const processKey = createProcessKey()
  return { processKey, incarnation: processKey.publicKey }
}

describe.each(['sockets', 'backbone'] as const)('%s', kind => {
  const contract = test.skipIf(kind === 'backbone' && natsMissingReason !== undefined)
  const start = async (id: string, options: CarrierHarnessOptions = {}) => {
    const harness = await (kind === 'sockets'
      ? CarrierHarness.onSockets(id, options)
      : CarrierHarness.onBackbone(id, nats?.url ?? '', options))
    harnesses.push(harness)
    return harness
  }
  /** Dials until the other side answers: the backbone may not be connected yet. */
  const dial = async (one: CarrierHarness, other: CarrierHarness): Promise<Input> => {
    for (let tries = 0; ; tries++) {
      const outcome = await one.dial(other)
      if (outcome.type !== 'dial-failed' || outcome.code !== undefined || tries === 100) return outcome
    }
  }

  contract('a link with process keys on both sides opens', async () => {
    const [one, two] = [signing(), signing()]
    const [first, second] = [await start('server-1', one), await start('server-2', two)]
    expect(await dial(first, second)).toMatchObject({ type: 'dialled', introduction: { incarnation: two.incarnation } })
    expect(second.inputsOfType('accepted')).toMatchObject([{ introduction: { incarnation: one.incarnation } }])
  })

  contract('a server of 0.1, which has no process key, may dial one that has', async () => {
    const [legacy, server] = [await start('server-1'), await start('server-2', signing())]
    expect(await dial(legacy, server)).toMatchObject({ type: 'dialled' })
    expect(server.inputsOfType('accepted')).toMatchObject([{ introduction: { incarnation: 'server-1#1' } }])
  })

  contract.each([
    ['another key', () => createProcessKey()],
    ['no key', () => undefined],
  ])('a dialler that takes the incarnation of another process, with %s, is refused and counted', async (_, makeKey) => {
    const { incarnation } = signing()
    const processKey = makeKey()
    const impostor = await start('server-2', { incarnation, ...(processKey === undefined ? {} : { processKey }) })
    const server = await start('server-1', signing())
    expect(await dial(impostor, server)).toMatchObject({ type: 'dial-failed', code: 'bad-signature' })
    expect(server.inputsOfType('accepted')).toEqual([])
    // Over the backbone the impostor also probes the server, which announces itself.
    expect(server.carrier.malformed).toBeGreaterThanOrEqual(1)
  })

  contract('an acceptor that takes the incarnation of another process is refused', async () => {
    const { incarnation } = signing()
    const impostor = await start('server-2', { incarnation, processKey: createProcessKey() })
    const server = await start('server-1', signing())
    expect(await dial(server, impostor)).toMatchObject({ type: 'dial-failed', code: 'bad-signature' })
    expect(server.inputsOfType('dialled')).toEqual([])
  })

  contract('while the secret is rotated, servers with the old, both and the new one exchange frames', () =>
    exchangeWhileRotating(PREVIOUS),
  )

  contract('while a mesh gets its first secret, servers without and with it exchange frames', () =>
    exchangeWhileRotating(''),
  )

  async function exchangeWhileRotating(previousSecret: string): Promise<void> {
    const hub = await start('server-1', { ...signing(), secret: SECRET, previousSecret })
    const others = [
      await start('server-2', { ...signing(), secret: previousSecret }),
      await start('server-3', { ...signing(), secret: SECRET, previousSecret }),
      await start('server-4', { ...signing(), secret: SECRET }),
    ]
    const incarnation = 'i'
    const frames: DiallerFrame[] = [
      { event: 'presence', payload: { type: 'delta', incarnation, seq: 1, changes: [['Anna', 1]] } },
      { event: 'forward', payload: [[1, 'm1', 1, 'Anna', 'Billy', 'hi']] },
      { event: 'missed', payload: ['the end'] },
    ]
    const sorted = (all: readonly { event: string }[]) => [...all].sort((a, b) => (a.event < b.event ? -1 : 1))
    const links: { other: CarrierHarness; out: number; in: number }[] = []
    for (const other of others) links.push({ other, ...(await hub.link(other)) })
    const backs = []
    for (const other of others) backs.push({ other, ...(await other.link(hub)) })
    for (const frame of frames) for (const { out } of links) hub.send(out, frame)
    for (const { other, in: link } of links) {
      await until(`${other.id} has all frames`, () => other.framesFrom(link).length >= frames.length)
      expect(sorted(other.framesFrom(link)), other.id).toEqual(sorted(frames))
    }
    for (const { other, out } of backs) other.send(out, ...frames)
    for (const { other, in: link } of backs) {
      await until(`the hub has all of ${other.id}`, () => hub.framesFrom(link).length >= frames.length)
      expect(sorted(hub.framesFrom(link)), other.id).toEqual(sorted(frames))
    }
  }

  contract('a server with the new secret only does not link with one that has the old one only', async () => {
    const [old, rotated] = [await start('server-1', { secret: PREVIOUS }), await start('server-2', { secret: SECRET })]
    for (let turn = 0; turn < 3; turn++) {
      expect(await dial(old, rotated)).toMatchObject({ type: 'dial-failed', code: 'wrong-secret' })
      expect(await dial(rotated, old)).toMatchObject({ type: 'dial-failed', code: 'wrong-secret' })
    }
  })
})
