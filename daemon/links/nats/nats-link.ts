/** Most characters of a frame that comes in parts: more than any frame has. */
const MAX_FRAME_CHARACTERS = 8_000_000

/** How an envelope of a link met what came before it. */
type SequenceResult = 'next' | 'repeated' | 'missing'

/** One link over the backbone: its own numbers in both directions, on which its being whole and in order rests. */
export class NatsLink {
  readonly number: number
  /** What both sides call it. */
  readonly name: string
  /** The peer's id, and its incarnation. */
  readonly peer: string
  readonly incarnation: string
  /** Who the peer is on this link. */
  readonly sender: 'dialler' | 'acceptor'
  /** The number of the peer's last word to all that was heard; undefined before the peer has opened the link. */
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
  ) {
    this.number = number
    this.name = name
    this.peer = id
    this.incarnation = incarnation
    this.sender = sender
  }

  /** The number of the next envelope to send. */
  nextSequence = (): number => ++this.#sent

  /** Takes the number of an envelope that came in. */
  acceptSequence(n: number): SequenceResult {
    if (n <= this.#received) return 'repeated'
    if (n > this.#received + 1) return 'missing'
    this.#received = n
    return 'next'
  }

  /** Whether a word to all is news on this link. */
  acceptBroadcast(n: number): boolean {
    if (this.lastBroadcast === undefined || n <= this.lastBroadcast) return false
    this.lastBroadcast = n
    return true
  }

  /** Takes a piece of a frame; answers with the whole text behind the last one. */
  addPart(text: string, more: boolean): string | undefined {
    this.#characters += text.length
    // What no honest peer sends is not kept; nor will it be a frame.
    if (this.#characters <= MAX_FRAME_CHARACTERS) this.#parts.push(text)
    if (more) return undefined
    const whole = this.#parts.join('')
    this.#parts = []
    this.#characters = 0
    return whole
  }
}
