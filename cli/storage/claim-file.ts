import { dirname, join } from 'node:path'
import type { KeptTicket } from '../../src/client/claim-keeper.ts'
import { claimTicketSchema } from '../../src/protocol/proofs/claim-ticket.ts'
import { keySchema } from '../../src/protocol/proofs/credentials.ts'
import { makePrivateFolder } from './data-folder.ts'
import { readFileText } from './files/open-file.ts'
import { writeFileAtomically } from './files/write-file-atomically.ts'

/** A ticket has a few hundred bytes. */
const MAX_BYTES = 1 << 16
const fileSchema = claimTicketSchema.extend({ key: keySchema })

/** The ticket of a user's claim on the name in a mesh: `claim.json`. It is of use only with the user's private key. */
export class ClaimFile {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  /** @param folder the user's folder in the mesh */
  static in(folder: string): ClaimFile {
    return new ClaimFile(join(folder, 'claim.json'))
  }

  /** The ticket; undefined without a file, or with one that cannot be used: the next ticket replaces it. */
  read(): KeptTicket | undefined {
    try {
      return fileSchema.safeParse(JSON.parse(readFileText(this.#file, MAX_BYTES))).data
    } catch {
      return undefined
    }
  }

  /** Does nothing if the file cannot be written: the ticket only matters when all servers were restarted. */
  write(ticket: KeptTicket): void {
    try {
      makePrivateFolder(dirname(this.#file))
      writeFileAtomically(this.#file, JSON.stringify(ticket))
    } catch {
      // The ticket before stays.
    }
  }
}
