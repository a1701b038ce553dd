import type { AuthMode } from '../../src/protocol/proofs/credentials.ts'
import { OWN_PROTOCOLS, protocolFault } from '../../src/protocol/versions.ts'
import { isExpectedId } from '../links/handshake.ts'
import type { ProbeResult } from './probe.ts'

/** Maximum clock difference, ms. Token expiry and message order depend on the clocks. */
const MAX_CLOCK_SKEW_MS = 5_000

/** The result of one check. `text` says what was found and, if it is wrong, how to fix it. */
export interface Finding {
  ok: boolean
  /** Whether it only needs attention: a server that does not run, while the mesh may not be started yet. */
  warning?: true
  /** The config, one of its fields, or a server. */
  about: string
  text: string
}

/** The settings of a config that apply to all servers. */
export interface CheckContext {
  /** The id of this machine's server, or another id if none is given. */
  selfId: string
  secret: string
  /** While the secret is rotated: the previous one. */
  previousSecret: string | undefined
  ca: string | undefined
  auth: AuthMode
  file: string
  withinMs: number
  /** Whether this machine's server runs; undefined: no server is given. */
  isSelfRunning: boolean | undefined
}

/** A server that does not answer: a warning while this machine's server does not run either, else an error. */
export function unreachableFinding(about: string, text: string, { isSelfRunning }: CheckContext): Finding {
  if (isSelfRunning === false) return { ok: true, warning: true, about, text }
  return { ok: false, about, text }
}

/**
 * The problems of a server that answered, or one line if there are none.
 * @param faults problems that were found before
 * @param details added to the line if there are no problems
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
    problems.push(`another server answers at its address: ${probed.id}; correct ip and port of ${id} in ${file}`)
  }
  const fault = protocolFault(OWN_PROTOCOLS, probed)
  if (fault !== undefined) problems.push(fault)
  if (!probed.sameSecret) {
    problems.push('it has another secret; set the same on all servers, with MESH_CHAT_SECRET or secretFile')
  }
  if (probed.auth !== auth) {
    problems.push(`its auth is ${probed.auth}, but this config has ${auth}; set the same on all servers`)
  }
  const { clockMs = 0, roundTripMs } = probed
  const clock = `clock ${Math.abs(Math.round(clockMs))} ms ${clockMs < 0 ? 'behind' : 'ahead'}`
  if (Math.abs(clockMs) > MAX_CLOCK_SKEW_MS) problems.push(`${clock}; synchronize both machines with NTP`)
  if (problems.length > 0) return problems.map(text => ({ ok: false, about, text }))
  const current = secret === '' ? 'no secret' : 'same secret'
  const known = probed.isPreviousSecret ? 'previous secret only (restart it with the new one)' : current
  return [{ ok: true, about, text: [known, `round trip ${roundTripMs.toFixed(1)} ms`, clock, ...details].join(', ') }]
}
