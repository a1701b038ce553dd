import { pick } from '../random.ts'
import type { Scenario } from './faults.ts'

/** Users begin messages to others and to rooms, also to those that they are not in. Some join a room to write there. */
export function typeMessages({ mesh, users, rooms }: Scenario): void {
  const { random, clients } = mesh
  for (const client of clients) {
    if (!client.running || client.frozen || random() < 0.3) continue
    if (rooms.length > 0 && random() < 0.1) client.joinRoom(pick(random, rooms))
    for (let n = 0; n < 2; n++) client.type(pick(random, [...users, ...rooms, ...client.rooms]))
  }
}
