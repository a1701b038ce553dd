import * as z from 'zod'
import { roomNameSchema } from '../../protocol/rooms.ts'
import { timeSchema } from '../../protocol/time-schema.ts'

/** Most rooms that are remembered, those that the user has left included: siblings could name any number. */
export const MAX_REMEMBERED_ROOMS = 1_000

/** `[room, joined, at]`: the user has joined the room, or left it, at a hybrid time. */
export const roomEntrySchema = z.tuple([roomNameSchema, z.boolean(), timeSchema])
export type RoomEntry = z.infer<typeof roomEntrySchema>

/**
 * The rooms that the user is in. All clients of the user end with the same list, whatever the order in which they hear of
 * changes: the latest change of each room wins (a last-writer-wins register).
 */
export class RoomList {
  /** Latest change last. */
  readonly #entries = new Map<string, RoomEntry>()

  constructor(entries: readonly RoomEntry[]) {
    for (const entry of entries) this.update(entry)
  }

  get entries(): RoomEntry[] {
    return [...this.#entries.values()]
  }

  /** The rooms that the user is in. */
  get joined(): string[] {
    return this.entries.flatMap(([room, isJoined]) => (isJoined ? [room] : []))
  }

  has(room: string): boolean {
    return this.#entries.get(room)?.[1] === true
  }

  /** When the user joined or left a room last; 0: never. */
  changedAt(room: string): number {
    return this.#entries.get(room)?.[2] ?? 0
  }

  /** Applies a change unless a later one is known; of two at the same time, joining wins. Returns whether it was applied. */
  update(entry: RoomEntry): boolean {
    const [room, isJoined, at] = entry
    const known = this.#entries.get(room)
    if (known !== undefined && (at < known[2] || (at === known[2] && (known[1] || !isJoined)))) return false
    if (known === undefined && this.#entries.size >= MAX_REMEMBERED_ROOMS && !this.#forgetOne()) return false
    this.#entries.delete(room)
    this.#entries.set(room, entry)
    return true
  }

  /** Dates changes again whose time is after `latest`: they were made before the time of the mesh was known. */
  redate(latest: number, now: () => number): boolean {
    const late = this.entries.filter(entry => entry[2] > latest)
    if (late.length === 0) return false
    const at = now()
    for (const [room, isJoined] of late) this.#entries.set(room, [room, isJoined, at])
    return true
  }

  /** Forgets the room that the user left first. Returns false if the user is in all of them. */
  #forgetOne(): boolean {
    const left = this.entries.find(([, isJoined]) => !isJoined)
    return left !== undefined && this.#entries.delete(left[0])
  }
}
