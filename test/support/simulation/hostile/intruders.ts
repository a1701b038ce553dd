/** What a hostile program with the secret of the mesh does to a server. No user may notice any of it. */
import type { ForwardedMessage } from '../../../../src/protocol/frames.ts'
import { pick } from '../../random.ts'
import { keyNamed } from '../plain-identity.ts'
import type { SimMesh, SimServer } from '../sim-mesh.ts'
import { SIMULATION_EPOCH_MS } from '../sim-process.ts'
import type { Intruder } from '../sim-server.ts'

const HUGE = Number.MAX_SAFE_INTEGER

/** A message that no user composed: a client that has it violates an invariant. */
function forged(mesh: SimMesh, number: number, users: readonly string[]): ForwardedMessage {
  const [from, to] = [pick(mesh.random, users), pick(mesh.random, users)]
  return [number, `forged-${mesh.now}-${number}`, SIMULATION_EPOCH_MS + mesh.now, from, to, 'forged']
}

/** Another server, with its own incarnation, lies about everything. */
export function intrude(mesh: SimMesh, target: SimServer | undefined, users: readonly string[]): string | undefined {
  const incarnation = keyNamed('intruder')
  const intruder = target?.acceptIntruder({ id: 'intruder', incarnation, url: 'http://intruder:1' })
  if (target === undefined || intruder === undefined) return undefined
  const members = Array.from({ length: 200 }, (_, n) => ({ id: `nobody-${n}`, url: `http://victim:${n + 1}` }))
  intruder.send({ event: 'members', payload: members })
  intruder.send({ event: 'members', payload: mesh.servers.map(({ id }) => ({ id, url: 'http://victim:1' })) })
  intruder.send({ event: 'forward', payload: [1, 2, HUGE].map(number => forged(mesh, number, users)) })
  for (const user of users)
    intruder.send({ event: 'relay', payload: { user, from: 'server-1:1', body: { type: 'x' } } })
  sendHugePositions(intruder, incarnation)
  intruder.send({ event: 'survey', payload: { number: HUGE } })
  intruder.close()
  return `an intruder lies to ${target.id}`
}

/** A program dials in as another server, with the incarnation that it has learned. */
export function impersonate(
  mesh: SimMesh,
  target: SimServer | undefined,
  users: readonly string[],
): string | undefined {
  const victim = pick(mesh.random, mesh.servers)
  // The carrier rejects a process key without its signature. With no link, a server of 0.1 cannot be told from another.
  if (target === undefined || victim === target || !mesh.isLegacy(victim) || target.linkFrom(victim) === undefined)
    return
  const { id, incarnation } = victim
  const intruder = target.acceptIntruder({ id, incarnation, url: 'http://victim:1' })
  intruder?.send({ event: 'forward', payload: [forged(mesh, 2 ** 39, users)] })
  return `an intruder dials ${target.id} as ${id}`
}

/** A frame with huge numbers comes from a server itself. */
export function forgeNumbers(
  mesh: SimMesh,
  target: SimServer | undefined,
  users: readonly string[],
): string | undefined {
  const peer = pick(mesh.random, mesh.servers)
  const link = target?.linkFrom(peer)
  if (target === undefined || link === undefined) return undefined
  const sender = { send: frame => target.step({ type: 'frame', link, frame }), close: () => {} } satisfies Intruder
  sender.send({ event: 'forward', payload: [forged(mesh, HUGE, users)] })
  sendHugePositions(sender, peer.incarnation)
  return `${peer.id} sends huge numbers to ${target.id}`
}

/** Positions in the presence stream that no later one exceeds. */
function sendHugePositions(intruder: Intruder, incarnation: string): void {
  intruder.send({ event: 'presence', payload: { type: 'snapshot', incarnation, seq: HUGE, users: [], more: false } })
  intruder.send({ event: 'beat', payload: { incarnation, seq: HUGE } })
}
