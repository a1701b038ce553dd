import type { AuthMode } from '../../src/protocol/credentials.ts'
import { PROTOCOL_VERSION } from '../../src/protocol/messages.ts'
import { isExpectedId } from '../links/handshake.ts'
import type { ProbeResult } from './probe.ts'

/** Clocks that differ by more, ms, are said to be wrong: tokens and the order of messages depend on them. */
const MAX_CLOCK_SKEW_MS = 5_000

/** One thing that was looked at. `text` says what was found and, where that is wrong, how to mend it. */
export interface Finding {
  ok: boolean
  /** The config, a field of it, or a server's id. */
  about: string
  text: string
}

/** What a config says of all servers alike. */
export interface CheckContext {
  secret: string
  ca: string | undefined
  auth: AuthMode
  file: string
  withinMs: number
}

/**
 * What is wrong with a server that has answered, or one line that says that all is well.
 * @param faults what was found wrong before
 * @param details what else is to be said where all is well
 */
export function serverFindings(
  id: string,
  about: string,
  probed: ProbeResult,
  { secret, auth, file }: CheckContext,
  faults: readonly string[] = [],
  details: readonly string[] = [],
): Finding[] {
  const problems = [...faults]
  if (!isExpectedId(id, probed.id)) {
    problems.push(`another server answers there: ${probed.id}; correct ip and port of ${id} in ${file}`)
  }
  if (probed.protocol !== PROTOCOL_VERSION) {
    problems.push(
      `it speaks protocol ${probed.protocol}, this one ${PROTOCOL_VERSION}; give both the same version of mesh-chat`,
    )
  }
  if (!probed.sameSecret) {
    problems.push('it has another secret; give all servers the same, with MESH_CHAT_SECRET or secretFile')
  }
  if (probed.auth !== auth) {
    problems.push(
      `it knows its users by auth: ${probed.auth}, this config says ${auth}; make it the same on all servers`,
    )
  }
  const { clockMs = 0, roundTripMs } = probed
  const clock = `its clock is ${Math.abs(Math.round(clockMs))} ms ${clockMs < 0 ? 'behind' : 'ahead'}`
  if (Math.abs(clockMs) > MAX_CLOCK_SKEW_MS) problems.push(`${clock}; set both by NTP`)
  if (problems.length > 0) return problems.map(text => ({ ok: false, about, text }))
  const known = secret === '' ? 'it has no secret either' : 'it holds the secret'
  return [{ ok: true, about, text: [known, `round trip ${roundTripMs.toFixed(1)} ms`, clock, ...details].join(', ') }]
}
