import { toChange } from '../../../src/client/messages/message-changes.ts'
import { pick } from '../random.ts'
import type { Scenario } from './faults.ts'

/** Users take messages back: one that they have just written, or any that waits. Some of these requests must be refused. */
export function cancelMessages({ mesh, users }: Scenario): void {
  const { random, clients } = mesh
  for (const client of clients) {
    if (!client.running || client.frozen || random() < 0.5) continue
    if (random() < 0.5) client.send(pick(random, [...users, ...client.rooms]), 'to be taken back')
    // A deletion that takes the place of a message stays.
    const pending = (client.session?.pendingMessages ?? []).filter(one => toChange(one)?.content.kind !== 'delete')
    const message = random() < 0.7 ? pending.at(-1) : pending[0]
    if (message !== undefined) client.cancel(message.id)
  }
}
