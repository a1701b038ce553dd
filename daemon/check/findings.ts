import type { AuthMode } from '../../src/protocol/credentials.ts'
import { PROTOCOL } from '../../src/protocol/messages.ts'
import { answersTo } from '../links/handshake.ts'
import type { Probed } from './probe.ts'

/** Clocks that differ by more, ms, are said to be wrong: tokens and the order of messages depend on them. */
const CLOCKS_MS = 5_000

/** One thing that was looked at. `text` says what was found and, where that is wrong, how to mend it. */
export interface Finding {
  ok: boolean
  /** The config, a field of it, or a server's id. */
  about: string
  text: string
}

/** What a config says of all servers alike. */
export interface Context {
  secret: string
  ca: string | undefined
  auth: AuthMode
  file: string
  withinMs: number
}

/**
 * What is wrong with a server that has answered, or one line that says that all is well.
 * @param faults what was found wrong before
 * @param more what else is to be said where all is well
 */
export function verdict(
  id: string,
  about: string,
  probed: Probed,
  { secret, auth, file }: Context,
  faults: readonly string[] = [],
  more: readonly string[] = [],
): Finding[] {
  const wrong = [...faults]
  if (!answersTo(id, probed.id)) {
    wrong.push(`another server answers there: ${probed.id}; correct ip and port of ${id} in ${file}`)
  }
  if (probed.protocol !== PROTOCOL) {
    wrong.push(`it speaks protocol ${probed.protocol}, this one ${PROTOCOL}; give both the same version of mesh-chat`)
  }
  if (!probed.sameSecret) {
    wrong.push('it has another secret; give all servers the same, with MESH_CHAT_SECRET or secretFile')
  }
  if (probed.auth !== auth) {
    wrong.push(`it knows its users by auth: ${probed.auth}, this config says ${auth}; make it the same on all servers`)
  }
  const { clockMs = 0, roundTripMs } = probed
  const clock = `its clock is ${Math.abs(Math.round(clockMs))} ms ${clockMs < 0 ? 'behind' : 'ahead'}`
  if (Math.abs(clockMs) > CLOCKS_MS) wrong.push(`${clock}; set both by NTP`)
  if (wrong.length > 0) return wrong.map(text => ({ ok: false, about, text }))
  const known = secret === '' ? 'it has no secret either' : 'it holds the secret'
  return [{ ok: true, about, text: [known, `round trip ${roundTripMs.toFixed(1)} ms`, clock, ...more].join(', ') }]
}
