import { randomBytes } from 'node:crypto'
import type { SessionEvent, SessionRequest } from '../src/client/events.ts'
import { visibleLine } from '../src/protocol/text.ts'
import { connect, type Keeper } from './connection.ts'
import { EXIT } from './fail.ts'
import { VERSION } from './package.ts'

/** As whom to connect, and where. */
export interface Whereabouts {
  user: string
  /** URLs of servers, in the order in which to try them. */
  servers: readonly string[]
  /** Who vouches for the servers' certificates, as PEM; else those whom Node trusts. */
  ca?: string | undefined
}

/**
 * Connects as a user, and stays connected. What makes that hopeless ends it: a refusal, or no server at all at first.
 * @param end called with the exit code and one line that says what is wrong
 */
export function goOnline(
  where: Whereabouts,
  keeper: Keeper,
  listener: (event: SessionEvent) => void,
  end: (code: number, message: string) => void,
): (request: SessionRequest) => void {
  const { user, servers, ca } = where
  const instance = randomBytes(12).toString('base64url')
  let wasOnline = false
  let failures = 0
  return connect(
    { user, client: `mesh-chat/${VERSION}`, instance, servers, ca, random: Math.random },
    keeper,
    event => {
      listener(event)
      if (event.type !== 'connection') return
      const { state } = event
      if (state.phase === 'online') wasOnline = true
      if (state.phase === 'refused') end(EXIT.general, visibleLine(state.message))
      if (state.phase === 'waiting' && !wasOnline && ++failures >= servers.length) {
        const reason = visibleLine(state.reason)
        const mend = 'start one with: mesh-chatd --id server-1'
        end(EXIT.unavailable, `no server answers at ${servers.join(', ')} (${reason}); ${mend}`)
      }
    },
  )
}
