import { Memberships } from '../../../../src/presence/memberships.ts'
import type { PresenceDelta, PresenceSnapshot } from '../../../../src/protocol/frames.ts'
import { AliasSubscriptions } from './alias-subscriptions.ts'

/**
 * Subscriptions to the messages of this server's users, and of the rooms that they are in: every user and membership that
 * its presence stream has announced, and for a while those that it has announced as gone. So a peer can reach each user
 * and room that it has been told of.
 */
export class PresenceSubscriptions {
  readonly users = new AliasSubscriptions()
  readonly rooms = new AliasSubscriptions()
  #memberships = new Memberships()
  /** What the parts of an incomplete snapshot have. */
  #snapshot = { users: new Set<string>(), memberships: new Memberships() }

  /** The backbone is disconnected, and all subscriptions are gone. */
  detach(): void {
    this.users.detach()
    this.rooms.detach()
  }

  /** Run this with each presence frame before it is published. Yields where the rest can wait for the next turn. */
  handlePresence(frame: PresenceSnapshot | PresenceDelta): Generator<void> {
    return frame.type === 'delta' ? this.#handleDelta(frame) : this.#handleSnapshot(frame)
  }

  close(): void {
    this.users.close()
    this.rooms.close()
  }

  *#handleDelta({ changes, rooms = [] }: PresenceDelta): Generator<void> {
    for (const [user, connections] of changes) {
      if (connections > 0) continue
      this.users.remove(user)
      for (const room of this.#memberships.deleteUser(user)) this.#removeIfEmpty(room)
    }
    yield* this.users.addAll(changes.flatMap(([user, connections]) => (connections > 0 ? [user] : [])))
    for (const [room, joined, left] of rooms) {
      for (const user of joined) this.#memberships.add(room, user)
      for (const user of left) this.#memberships.delete(room, user)
      if (joined.length > 0) this.rooms.add(room)
      this.#removeIfEmpty(room)
    }
  }

  *#handleSnapshot({ users, rooms = [], more, part = 0 }: PresenceSnapshot): Generator<void> {
    // The one before may have ended with its link.
    if (part === 0) this.#snapshot = { users: new Set(), memberships: new Memberships() }
    const names = users.map(([user]) => user)
    for (const name of names) this.#snapshot.users.add(name)
    yield* this.users.addAll(names)
    yield* this.rooms.addAll(rooms.map(([room]) => room))
    for (const [room, members] of rooms) {
      for (const user of members) this.#snapshot.memberships.add(room, user)
    }
    if (more) return
    const { users: all, memberships } = this.#snapshot
    this.#snapshot = { users: new Set(), memberships: new Memberships() }
    this.#memberships = memberships
    yield* this.users.retain(user => all.has(user))
    yield* this.rooms.retain(room => memberships.hasRoom(room))
  }

  #removeIfEmpty(room: string): void {
    if (!this.#memberships.hasRoom(room)) this.rooms.remove(room)
  }
}
