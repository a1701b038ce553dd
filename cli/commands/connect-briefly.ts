import { EXIT, fail } from '../../src/programs/command-line/fail.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import type { ClientEvent } from '../common/client-events.ts'
import { type ConnectionTarget, goOnline } from '../session/go-online.ts'
import type { PinnedSession } from '../session/pinned-session.ts'

/** How long to wait for a connection and the answer, ms. */
const ANSWER_TIMEOUT_MS = 10_000

/** A connection that ends with the answer. */
export interface BriefConnection {
  readonly session: PinnedSession
  /** Ends the program. @param line an error for stderr */
  end(code: number, line?: string): never
}

/**
 * Connects as another client of the user, for a moment.
 * @param handle gets each event, and ends the program when it has what it wants
 */
export function connectBriefly(
  target: ConnectionTarget,
  handle: (event: ClientEvent, connection: BriefConnection) => void,
): void {
  const end = (code: number, line?: string): never => {
    session.request({ type: 'close' })
    session.closeFiles()
    if (line !== undefined) fail(code, sanitizeLine(line))
    process.exit(code)
  }
  const session: PinnedSession = goOnline(
    target,
    // A message that comes meanwhile is stored.
    { history: true, ownOutbox: true, ownRooms: true, roomHistoryDays: 0 },
    event => {
      if (event.type === 'notice') console.error(sanitizeLine(`mesh-chat: ${event.text}`))
      handle(event, { session, end })
    },
    end,
  )
  session.start()
  setTimeout(() => end(EXIT.unavailable, `no answer within ${ANSWER_TIMEOUT_MS / 1_000} s`), ANSWER_TIMEOUT_MS)
}
