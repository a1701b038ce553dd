import type { PeerIdentity } from '../../src/protocol/frames.ts'
import type { Limits } from '../../src/protocol/limits.ts'
import type { Input, LinkEffect } from '../../src/server/types.ts'
import type { Log } from '../log/log.ts'
import type { TlsMaterial } from '../settings/tls.ts'
import type { CutOffCounts } from '../transport/backpressure.ts'
import type { LinkCredentials } from './handshake.ts'

/**
 * Carries the links between servers. A carrier dials the peers that the core names, authenticates both sides to each
 * other, passes parsed frames to the core, and sends the core's frames in order and each once, or else ends the link. The
 * core knows only these effects and inputs; test/contract/link-carriers.test.ts states what every carrier must do.
 */
export interface LinkCarrier {
  /** Performs an effect on a link. */
  perform(effect: LinkEffect): void
  /** Malformed payloads so far. */
  readonly malformed: number
  /** Sets the certificate authorities for connections to come; undefined: those of Node. */
  setCa(ca: string | undefined): void
  /** Ends all links, after flushing what was sent. */
  close(): Promise<void>
}

export interface CarrierOptions {
  self: PeerIdentity
  credentials: LinkCredentials
  tls: TlsMaterial | undefined
  limits: Limits
  log: Log
  /** Where peers that do not read are counted. */
  cutOffCounts: CutOffCounts
  step: (input: Input) => void
}

/** Time for dialling and its handshake, ms. */
export const HANDSHAKE_TIMEOUT_MS = 4_000
