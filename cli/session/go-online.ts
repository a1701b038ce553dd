import { randomBytes } from 'node:crypto'
import type { SessionEvent, SessionRequest } from '../../src/client/events.ts'
import { isLoopbackUrl } from '../../src/common/loopback.ts'
import { EXIT } from '../../src/programs/fail.ts'
import { VERSION } from '../../src/programs/package.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import { KeyFiles } from '../keys/key-files.ts'
import { type MessageStorage, openSession } from './connection.ts'

/** What to do if no server is reachable. */
export const START_SERVER_HINT = 'check the address, or start one with: mesh-chatd --id server-1'

/** The user to connect as, and the servers. */
export interface ConnectionTarget {
  user: string
  /** Server URLs in the order in which to try them. */
  servers: readonly string[]
  /** Certificate authority of the servers, as PEM; default: those that Node.js trusts. */
  ca?: string | undefined
  /** The user's token, signed by the operator of the mesh. */
  token?: string | undefined
  /** Accept remote servers that do not check keys, although this user has one. */
  insecure?: boolean | undefined
}

/**
 * Connects as a user, and reconnects when a connection fails. Gives up if the server refuses the user, or if no server
 * is reachable at start.
 * @param end called on giving up, with the exit code and a one-line error
 */
export function goOnline(
  target: ConnectionTarget,
  storage: MessageStorage,
  listener: (event: SessionEvent) => void,
  end: (code: number, message: string) => void,
): (request: SessionRequest) => void {
  const { user, servers, ca, token, insecure } = target
  const keys = new KeyFiles(user)
  // A user with a key requires key mode of remote servers: otherwise a server could downgrade the client to open mode.
  const auth = keys.hasKey && !insecure && !servers.every(isLoopbackUrl) ? 'key' : undefined
  const instance = randomBytes(12).toString('base64url')
  let wasOnline = false
  let failures = 0
  return openSession(
    { user, client: `mesh-chat/${VERSION}`, instance, servers, ca, token, auth, keys, random: Math.random },
    storage,
    event => {
      listener(event)
      if (event.type !== 'connection') return
      const { state } = event
      if (state.phase === 'online') wasOnline = true
      if (state.phase === 'refused') end(EXIT.general, sanitizeLine(state.message))
      // A rejected client has reached a server: it warns and tries again.
      if (state.phase === 'waiting' && state.code === undefined && !wasOnline && ++failures >= servers.length) {
        const reason = sanitizeLine(state.reason)
        end(EXIT.unavailable, `no server answers at ${servers.join(', ')} (${reason}); ${START_SERVER_HINT}`)
      }
    },
  )
}
