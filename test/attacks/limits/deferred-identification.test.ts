/** A server that has just started answers an identification later than it arrives. */
import { EventEmitter } from 'node:events'
import type { Server } from 'socket.io'
import { expect, test } from 'vitest'
import { ClientGateway } from '../../../daemon/client-gateway.ts'
import { Backpressure } from '../../../daemon/transport/backpressure.ts'
import type { Engine } from '../../../daemon/transport/internals.ts'
import { selfTest } from '../../../daemon/transport/self-test.ts'
import { DEFAULT_LIMITS } from '../../../src/protocol/limits.ts'
import type { Input } from '../../../src/server/types.ts'
import { fakeSocket } from '../../support/harness/fake-socket.ts'
import { unlimitedBudget } from '../../support/harness/unlimited-budget.ts'
import { publicMeshProver, UNKNOWING_CORE } from '../../support/mesh-prover.ts'

test('E9: the limit for strangers ends with the answer to the identification', async () => {
  let connected: (socket: unknown) => void = () => {}
  const io = {
    on: (_: string, take: typeof connected) => {
      connected = take
    },
  } as unknown as Server
  const inputs: Input[] = []
  const log = { write: () => {}, note: () => {} }
  const auth = { server: 's', mode: 'open', tokenKey: undefined, mesh: publicMeshProver('s', 'open') } as const
  const step = (input: Input) => void inputs.push(input)
  const gateway = new ClientGateway(io, auth, log, step, () => {}, UNKNOWING_CORE)
  const conn = Object.assign(new EventEmitter(), { transport: {}, remoteAddress: '192.0.2.1' }) as unknown as Engine
  const { features } = await selfTest()
  const context = { limits: DEFAULT_LIMITS, log, features, cutOffCounts: { client: 0, peer: 0 } }
  const budget = unlimitedBudget()
  new Backpressure(conn, context, new Set(), budget)
  const socket = fakeSocket(conn)
  connected(socket)
  socket.receive('identify', { user: 'Anna', client: 'x/1', protocol: 2 }, () => {})
  const identify = inputs.find(input => input.type === 'identify')
  expect(budget.isIdentified).toBe(false)
  const roster = { version: 1, users: ['Anna'] }
  const payload = {
    ok: true,
    server: 's',
    incarnation: 'i',
    connection: 's:1',
    roster,
    time: Date.now(),
    servers: [],
  } as const
  gateway.perform({ type: 'answer', connection: 1, call: identify?.call ?? 0, payload })
  expect(budget.isIdentified).toBe(true)
})
