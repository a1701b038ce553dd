import { Roster } from '../../presence/roster.ts'
import { PublishSchedule } from '../clients/publish-schedule.ts'

/** What a server keeps of a room that a connection of its own is in. */
export class LocalRoom {
  /** The members, as told to the clients in the room. */
  readonly members = new Roster()
  readonly schedule = new PublishSchedule()
  /** When the next version of the members is due; monotonic ms, Infinity if nothing changed. */
  publishAt = Number.POSITIVE_INFINITY
}
