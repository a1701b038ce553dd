import { MAX_NAMES_PER_FRAME, type PresenceEntry } from '../src/protocol/frames.ts'
import { DEFAULT_LIMITS } from '../src/protocol/limits.ts'
import { MeshServer } from '../src/server/server.ts'
import type { Input } from '../src/server/types.ts'

/** CPU time that one server needs until its roster has `users` users, who are spread over `peers` peers; s. */
export function hearNames(peers: number, users: number): number {
  const core = new MeshServer({
    id: 'server-1',
    incarnation: '1'.repeat(43),
    url: 'http://10.0.0.1:3001',
    peers: [],
    limits: DEFAULT_LIMITS,
    graceMs: 5_000,
    random: () => 0.5,
    narrateMessages: false,
    auth: 'open',
  })
  let now = 1_000
  const step = (input: Input) => {
    core.step(input, now, now)
    if (core.needsFlush) core.step({ type: 'flush' }, now, now)
  }
  step({ type: 'start' })
  const inputs = Array.from({ length: peers }, (_, n) => inputsOf(n, peers, users)).flat()
  const before = process.cpuUsage()
  for (const input of inputs) step(input)
  now += 5_000
  step({ type: 'tick' })
  const { user, system } = process.cpuUsage(before)
  if (core.roster.length !== users) throw new Error(`the roster has ${core.roster.length} users instead of ${users}`)
  return (user + system) / 1e6
}

/** A peer dials in, and sends a snapshot of its part of the users. */
function inputsOf(peer: number, peers: number, users: number): Input[] {
  const id = `peer-${peer}`
  const [link, incarnation] = [peer + 1, `${id}#`.padEnd(43, '0')]
  const entries: PresenceEntry[] = []
  for (let n = peer; n < users; n += peers) entries.push([`user-${n.toString().padStart(6, '0')}`, 1])
  const inputs: Input[] = [{ type: 'accepted', link, introduction: { id, incarnation, protocol: 2, rooms: true } }]
  for (let at = 0; at < entries.length; at += MAX_NAMES_PER_FRAME) {
    const payload = {
      type: 'snapshot' as const,
      incarnation,
      seq: 0,
      users: entries.slice(at, at + MAX_NAMES_PER_FRAME),
      ...(entries.length > MAX_NAMES_PER_FRAME ? { part: at / MAX_NAMES_PER_FRAME } : {}),
      more: at + MAX_NAMES_PER_FRAME < entries.length,
    }
    inputs.push({ type: 'frame', link, frame: { event: 'presence', payload } })
  }
  return inputs
}
