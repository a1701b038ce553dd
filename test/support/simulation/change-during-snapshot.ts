import { pick } from '../random.ts'
import type { Scenario } from './faults.ts'

/** A server requests a snapshot from another, and while it is applied that server's users quit, and leave and join rooms. */
export function changeDuringSnapshot({ mesh, rooms }: Scenario): void {
  const { random, servers, clients } = mesh
  const running = servers.filter(server => server.running && !server.frozen)
  if (running.length < 2) return
  const [receiver, sender] = [pick(random, running), pick(random, running)]
  if (!receiver.requestSnapshot(sender)) return
  mesh.advance(20 + random() * 150)
  for (const client of clients) {
    if (!client.running || client.frozen || client.connection?.server !== sender) continue
    const [room] = client.rooms
    if (random() < 0.3) client.quit()
    else if (room !== undefined && random() < 0.6) client.partRoom(room)
    else if (rooms.length > 0 && random() < 0.5) client.joinRoom(pick(random, rooms))
  }
}
