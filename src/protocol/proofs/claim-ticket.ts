/**
 * Tickets of claims, in key mode: a server signs since when a key holds a name. Servers store nothing, so the user's clients
 * keep the ticket, and show it to a server that may have forgotten the claim because all servers were restarted.
 */
import * as z from 'zod'
import { timeSchema } from '../time-schema.ts'
import { signatureSchema } from './mesh-identity.ts'

/** A ticket on the wire. The name and the key are those of the identification that it is for. */
export const claimTicketSchema = z.object({
  /** Since when the key holds the name, as in `Claim`. */
  at: timeSchema,
  /** When the ticket was signed, ms since 1970: the user was online then. */
  issued: timeSchema,
  /** The signature of `claimTicketText` by the mesh key. */
  proof: signatureSchema,
})
export type ClaimTicket = z.infer<typeof claimTicketSchema>

/** The text that the mesh key `meshKey` signs. */
export function claimTicketText(
  user: string,
  key: string,
  { at, issued }: Pick<ClaimTicket, 'at' | 'issued'>,
  meshKey: string,
): string {
  return JSON.stringify(['mesh-chat claim 1', user, key, at, issued, meshKey])
}
