import { ENTRIES_PER_FRAME, type SnapshotChunk } from '../../presence/presence-stream.ts'
import { packNames } from '../../protocol/encodings/packed-names.ts'
import type {
  DiallerFrame,
  PresenceDelta,
  PresenceEntry,
  PresenceSnapshot,
  RememberedClaims,
  StreamDelta,
  StreamPosition,
} from '../../protocol/frames.ts'
import type { Context } from '../context.ts'
import type { Links } from './links.ts'
import type { InboundLink, OutboundLink, Peer } from './peer.ts'

/** Claims that are this much older than the loss of a link are sent again, ms: what the link carried last may be lost. */
const CLAIM_OVERLAP_MS = 10_000

/** Minimum time between two requested snapshots to one peer, ms; a peer requests one per second, and again if it is missing. */
const MIN_SNAPSHOT_INTERVAL_MS = 500

type OpenOutboundLink = Extract<OutboundLink, { state: 'open' }>

/** Whether all connected peers read compact frames: carriers rely on all links getting the same one. */
export function readsCompact(peers: ReadonlyMap<string, Peer>): boolean {
  for (const { outbound } of peers.values()) if (outbound.state === 'open' && !outbound.isCompact) return false
  return true
}

/** The compact form of a frame: a delta without its incarnation, which is that of the link; a snapshot with packed names. */
export function compact(frame: PresenceSnapshot | StreamDelta): PresenceSnapshot | PresenceDelta {
  if (frame.type === 'delta') {
    const { incarnation: _, ...delta } = frame
    return delta
  }
  const users: PresenceEntry[] = []
  const names: string[] = []
  for (const entry of frame.users) {
    if (entry.length === 2 && entry[1] === 1) names.push(entry[0])
    else users.push(entry)
  }
  return names.length === 0 ? frame : { ...frame, users, packed: packNames(names.sort()) }
}

function presenceFrame(frame: PresenceSnapshot | StreamDelta, isCompact: boolean): DiallerFrame {
  return { event: 'presence', payload: isCompact ? compact(frame) : frame }
}

/** A chunk of a large snapshot, which is made and packed when its carrier sends it. */
function chunkFrame(chunk: SnapshotChunk, isCompact: boolean): DiallerFrame {
  let made: PresenceSnapshot | PresenceDelta | undefined
  return {
    event: 'presence',
    isChunk: true,
    get payload() {
      made ??= isCompact ? compact(chunk()) : chunk()
      return made
    },
  }
}

/** Presence for peers: sends the stream of this server's own users on the links that it dialled. */
export class OutboundPresence {
  readonly #context: Context
  readonly #links: Links
  readonly #peers: ReadonlyMap<string, Peer>

  constructor(context: Context, links: Links, peers: ReadonlyMap<string, Peer>) {
    this.#context = context
    this.#links = links
    this.#peers = peers
  }

  /** Sends a new link what the peer is missing: nothing, the missed deltas, or a snapshot. */
  sendCatchUp(outbound: OpenOutboundLink, holds: StreamPosition): void {
    const deltas = this.#context.stream.deltasAfter(holds)
    if (deltas === undefined) return this.#sendSnapshot(outbound)
    for (const delta of deltas) this.#links.send(outbound.link, presenceFrame(delta, outbound.isCompact))
  }

  #sendSnapshot({ link, isCompact }: OpenOutboundLink): void {
    const { stream, directory, rooms } = this.#context
    const chunks = stream.snapshot(directory.ownUsers(), rooms.localMembers())
    for (const chunk of chunks) {
      this.#links.send(link, chunks.length > 1 ? chunkFrame(chunk, isCompact) : presenceFrame(chunk(), isCompact))
    }
  }

  /**
   * Sends a new link the claims on the names of offline users: all to another incarnation, else those since the last link,
   * because the peer may not have seen these users.
   */
  sendClaims(peer: Peer, link: number, incarnation: string): void {
    const since = peer.claimsSentTo === incarnation ? peer.outboundLostAt - CLAIM_OVERLAP_MS : Number.NEGATIVE_INFINITY
    peer.claimsSentTo = incarnation
    this.#sendClaimsSince(since, link)
  }

  /** Sends the claims that were remembered since a link opened. */
  sendLearnedClaims({ link, openedAt }: OpenOutboundLink): void {
    this.#sendClaimsSince(openedAt, link)
  }

  /**
   * A peer leaves, and may have opened its link only to hand over its claims: to this server, and no other. Passes on what was
   * learned since.
   */
  passOnClaims(leaving: Peer, { openedAt }: InboundLink): void {
    if (this.#context.now - openedAt > CLAIM_OVERLAP_MS) return
    for (const peer of this.#peers.values()) {
      if (peer !== leaving && peer.outbound.state === 'open') this.#sendClaimsSince(openedAt, peer.outbound.link)
    }
  }

  #sendClaimsSince(since: number, link: number): void {
    const { rememberedClaims, now } = this.#context
    let claims: RememberedClaims = []
    for (const [{ name, key, at }, remainingMs] of rememberedClaims.since(since, now)) {
      claims.push([name, key, at, remainingMs])
      if (claims.length < ENTRIES_PER_FRAME) continue
      this.#links.send(link, { event: 'claims', payload: claims, isChunk: true })
      claims = []
    }
    if (claims.length > 0) this.#links.send(link, { event: 'claims', payload: claims })
  }

  /** Answers a resync request, unless the last one was a moment ago: a snapshot can be large, and the request is small. */
  answerResync(peer: Peer, outbound: OpenOutboundLink): void {
    const { now } = this.#context
    if (now - peer.snapshotSentAt < MIN_SNAPSHOT_INTERVAL_MS) return
    peer.snapshotSentAt = now
    this.#sendSnapshot(outbound)
  }

  /** Sends this turn's changes to all peers. Carriers rely on all links getting the same object. */
  flush(): void {
    const { stream, directory } = this.#context
    const whole = stream.takeDeltas((name, connections) => directory.entry(name, connections))
    if (whole.length === 0) return
    const deltas = readsCompact(this.#peers) ? whole.map(compact) : whole
    for (const { outbound } of this.#peers.values()) {
      if (outbound.state !== 'open') continue
      for (const payload of deltas) this.#links.send(outbound.link, { event: 'presence', payload })
    }
  }
}
