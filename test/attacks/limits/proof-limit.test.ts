/** Checking a signature costs more than any other request. */
import { EventEmitter } from 'node:events'
import type { Server } from 'socket.io'
import { expect, test, vi } from 'vitest'
import { ClientGateway } from '../../../daemon/client-gateway.ts'
import { Backpressure } from '../../../daemon/transport/backpressure.ts'
import type { Engine } from '../../../daemon/transport/internals.ts'
import { selfTest } from '../../../daemon/transport/self-test.ts'
import { DEFAULT_LIMITS } from '../../../src/protocol/limits.ts'
import type { Input } from '../../../src/server/types.ts'
import { fakeSocket } from '../../support/harness/fake-socket.ts'
import { unlimitedBudget } from '../../support/harness/unlimited-budget.ts'
import { publicMeshProver, UNKNOWING_CORE } from '../../support/mesh-prover.ts'
import { keyNamed } from '../../support/simulation/plain-identity.ts'

const checked = vi.hoisted(() => ({ proofs: 0 }))
vi.mock('../../../daemon/auth/challenge.ts', async original => ({
  ...(await original<object>()),
  checkProof: () => {
    checked.proofs++
    return { kind: 'key', key: 'k' }
  },
}))

test('a connection, identified or not, gets at most 20 proofs checked', async () => {
  let connected: (socket: unknown) => void = () => {}
  const io = {
    on: (_: string, take: typeof connected) => {
      connected = take
    },
  } as unknown as Server
  const inputs: Input[] = []
  const log = { write: () => {}, note: () => {} }
  new ClientGateway(
    io,
    { server: 's', mode: 'key', tokenKey: undefined, mesh: publicMeshProver('s', 'key') },
    log,
    input => inputs.push(input),
    () => {},
    UNKNOWING_CORE,
  )
  const conn = Object.assign(new EventEmitter(), { transport: {}, remoteAddress: '192.0.2.1' }) as unknown as Engine
  const { features } = await selfTest()
  const context = { limits: DEFAULT_LIMITS, log, features, cutOffCounts: { client: 0, peer: 0 } }
  new Backpressure(conn, context, new Set(), unlimitedBudget())
  const socket = fakeSocket(conn)
  connected(socket)
  const hello = { user: 'Anna', client: 'x/1', protocol: 2 }
  for (let n = 0; n < 100; n++) {
    socket.receive('identify', hello, () => {})
    socket.receive('identify', { ...hello, key: keyNamed('Anna'), proof: 'x' }, () => {})
  }
  expect(checked.proofs).toBe(20)
  const shown = inputs.flatMap(input => (input.type === 'identify' ? [input.credential?.kind] : []))
  expect(shown).toEqual([...Array(20).fill('key'), ...Array(80).fill('invalid')])
})
