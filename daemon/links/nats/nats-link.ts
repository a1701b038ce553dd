import type { EnvelopeMac } from './envelopes/envelope-mac.ts'
import { subjectToken } from './envelopes/envelopes.ts'

/** Maximum length of a frame in parts, characters: more than any valid frame has. */
const MAX_FRAME_CHARACTERS = 8_000_000

/**
 * Highest jump of the number of a broadcast: a link that misses this many has timed out long before. A forged number
 * near the maximum would silence the sender's broadcasts.
 */
const MAX_BROADCAST_JUMP = 1_000_000

/** How the sequence number of an envelope follows the one before. */
type SequenceResult = 'next' | 'repeated' | 'missing'

/** One link over the backbone. Sequence numbers in both directions detect loss and duplicates. */
export class NatsLink {
  readonly number: number
  /** The name that both sides use. */
  readonly name: string
  /** The peer's id. */
  readonly peer: string
  readonly incarnation: string
  /** The sender in the subjects of this link's envelopes; undefined for a peer of version 0.1. */
  readonly subjectSender: string | undefined
  /** The peer's role on this link. */
  readonly sender: 'dialler' | 'acceptor'
  /** Signs its envelopes if the peer has proven the mesh's previous secret; undefined: it has the current one. */
  readonly previousMac: EnvelopeMac | undefined
  /** The number of the peer's last broadcast that was received; undefined until the peer has opened the link. */
  lastBroadcast: number | undefined
  #sent = 0
  #received = 0
  #parts: string[] = []
  #characters = 0

  constructor(
    number: number,
    name: string,
    { id, incarnation }: { id: string; incarnation: string },
    sender: 'dialler' | 'acceptor',
    usesSenderSubjects: boolean,
    previousMac?: EnvelopeMac,
  ) {
    this.number = number
    this.name = name
    this.peer = id
    this.incarnation = incarnation
    this.sender = sender
    this.subjectSender = usesSenderSubjects ? subjectToken(id) : undefined
    this.previousMac = previousMac
  }

  /** Returns the sequence number of the next envelope to send. */
  nextSequence = (): number => ++this.#sent

  /** Checks the sequence number of a received envelope. */
  acceptSequence(n: number): SequenceResult {
    if (n <= this.#received) return 'repeated'
    if (n > this.#received + 1) return 'missing'
    this.#received = n
    return 'next'
  }

  /** Whether a broadcast is new on this link. */
  acceptBroadcast(n: number): boolean {
    if (this.lastBroadcast === undefined || n <= this.lastBroadcast) return false
    if (n > this.lastBroadcast + MAX_BROADCAST_JUMP) return false
    this.lastBroadcast = n
    return true
  }

  /** Adds a part of a frame; returns the whole text after the last part. */
  addPart(text: string, more: boolean): string | undefined {
    // An empty part counts too, so that their number is bounded.
    this.#characters += Math.max(1, text.length)
    // Drops the excess of an oversized frame; the rest fails to parse.
    if (this.#characters <= MAX_FRAME_CHARACTERS) this.#parts.push(text)
    if (more) return undefined
    const whole = this.#parts.join('')
    this.#parts = []
    this.#characters = 0
    return whole
  }
}
