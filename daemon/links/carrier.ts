import type { PeerIdentity } from '../../src/protocol/frames.ts'
import type { Limits } from '../../src/protocol/limits.ts'
import type { Input, LinkEffect } from '../../src/server/types.ts'
import type { Log } from '../log/log.ts'
import type { TlsMaterial } from '../settings/tls.ts'

/**
 * Carries what servers say to each other. It dials whom the core names, proves both sides to each other, hands the core
 * parsed frames, and sends what the core sends, in order and each frame once, or else ends the link. The core knows no
 * more of it than these effects and inputs: test/contract/link-carriers.test.ts holds what every carrier has to do.
 */
export interface LinkCarrier {
  perform(effect: LinkEffect): void
  /** How often something came in that is not what it must be. */
  readonly malformed: number
  /** Who vouches for the certificates of others from now on. */
  setCa(ca: string | undefined): void
  /** Ends all links, when what was sent has left. */
  close(): Promise<void>
}

export interface CarrierOptions {
  self: PeerIdentity
  /** What all servers of the mesh share; empty where it has none. */
  secret: string
  tls: TlsMaterial | undefined
  limits: Limits
  log: Log
  step: (input: Input) => void
}

/** How long a dial and its handshake may take, ms. */
export const HANDSHAKE_TIMEOUT_MS = 4_000
