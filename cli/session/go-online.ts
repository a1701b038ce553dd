import { randomBytes } from 'node:crypto'
import type { SessionEvent, SessionRequest } from '../../src/client/events.ts'
import { isLoopbackUrl } from '../../src/common/loopback.ts'
import { EXIT } from '../../src/programs/fail.ts'
import { VERSION } from '../../src/programs/package.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import { KeyFiles } from '../keys/key-files.ts'
import { type MessageStorage, openSession } from './connection.ts'

/** As whom to connect, and where. */
export interface ConnectionTarget {
  user: string
  /** URLs of servers, in the order in which to try them. */
  servers: readonly string[]
  /** Who vouches for the servers' certificates, as PEM; else those whom Node trusts. */
  ca?: string | undefined
  /** What the mesh's operator has signed. */
  token?: string | undefined
  /** Whether a server may be trusted with names and messages, though this user has a key. */
  insecure?: boolean | undefined
}

/**
 * Connects as a user, and stays connected. What makes that hopeless ends it: a refusal, or no server at all at first.
 * @param end called with the exit code and one line that says what is wrong
 */
export function goOnline(
  target: ConnectionTarget,
  storage: MessageStorage,
  listener: (event: SessionEvent) => void,
  end: (code: number, message: string) => void,
): (request: SessionRequest) => void {
  const { user, servers, ca, token, insecure } = target
  const keys = new KeyFiles(user)
  // Who has a key is not to be talked out of it, but by this very machine.
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
      if (state.phase === 'waiting' && !wasOnline && ++failures >= servers.length) {
        const reason = sanitizeLine(state.reason)
        const hint = 'start one with: mesh-chatd --id server-1'
        end(EXIT.unavailable, `no server answers at ${servers.join(', ')} (${reason}); ${hint}`)
      }
    },
  )
}
