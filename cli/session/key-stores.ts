/** Where a session keeps the public keys of others and the ticket of its user's claim. */
import type { KeptTicket } from '../../src/client/claim-keeper.ts'
import type { UserStorage } from '../storage/user-storage.ts'
import type { KeyStore } from './connection.ts'

/** Lasts as long as the session. */
export function keysInMemory(load: KeyStore['load']): KeyStore {
  const known = new Map<string, string>()
  let claim: KeptTicket | undefined
  return {
    load,
    knownKeys: () => known,
    pin: (user, key) => void known.set(user, key),
    claim: () => claim,
    keepClaim: ticket => {
      claim = ticket
    },
  }
}

/**
 * The files of a user in a mesh.
 * @param saveLater called when a key could not be saved
 */
export function keysOnDisk(
  { knownKeys, claim }: Pick<UserStorage, 'knownKeys' | 'claim'>,
  load: KeyStore['load'],
  saveLater: () => void,
): KeyStore {
  return {
    load,
    knownKeys: () => knownKeys.read(),
    pin: (user, key) => {
      try {
        knownKeys.pin(user, key)
      } catch {
        saveLater()
      }
    },
    claim: () => claim.read(),
    keepClaim: ticket => claim.write(ticket),
  }
}
