import type { Replica } from '../presence/replica.ts'
import type { Delta, Snapshot } from '../protocol/frames.ts'
import { type Context, note } from './context.ts'

/** Brings a presence frame of a peer into its replica; false when a frame before it is missing. */
export function applyPresence(
  context: Context,
  peer: string,
  replica: Replica,
  frame: Snapshot | Delta,
  touch: (name: string) => void,
): boolean {
  const applied = replica.apply(frame)
  if (applied.outcome === 'gap') return false
  if (applied.outcome === 'nothing-new') return true
  note(context, { event: 'update-from-peer', peer })
  if (applied.replaced) note(context, { event: 'replacing-list', peer, users: replica.size })
  for (const { name, before, now } of applied.changes) {
    const claim = replica.claim(name)
    // What is claimed from now on is younger.
    if (claim !== undefined) context.clock.see(claim.at, context.wall)
    touch(name)
    if (applied.replaced) continue
    const event = now === 0 ? 'removing-user' : before === 0 ? 'adding-user' : 'replacing-user'
    note(context, { event, peer, user: name, connections: now })
  }
  return true
}

/** Takes all users of a peer that is gone out of its replica. */
export function replaceWithNothing(replica: Replica, touch: (name: string) => void): void {
  for (const { name } of replica.clear()) touch(name)
}
