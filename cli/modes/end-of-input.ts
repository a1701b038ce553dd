import { EXIT } from '../../src/programs/command-line/fail.ts'
import type { PendingMessages } from '../session/pending-messages.ts'

/** Longest wait for a connection and for delivery results after the end of stdin, ms. */
const WAIT_MS = 10_000

/** Ends the program. @param message an error for stderr */
export type End = (code: number, message?: string) => void

/**
 * At the end of stdin: waits until the client has been online and its messages have a delivery result, and ends the
 * program. A client that cannot be online ends with an error, although it had nothing to send.
 * @param report called if there are messages without a delivery result
 * @param inputError why stdin could not be read
 */
export async function endAfterDelivery(
  pending: PendingMessages,
  end: End,
  report: () => void,
  inputError?: string,
): Promise<void> {
  const outcome = await pending.waitUntilOnline(WAIT_MS)
  const left = await pending.waitUntilSettled(outcome === 'online' ? WAIT_MS : 0)
  if (left > 0) report()
  if (inputError !== undefined) return end(EXIT.general, inputError)
  if (outcome === 'online') return end(0)
  const reason = outcome === 'no-server' ? 'no server answers' : `not connected within ${WAIT_MS / 1_000} s`
  end(EXIT.unavailable, `${reason}; messages that wait are sent the next time`)
}
