import type { SessionEffect } from '../types.ts'

/** Most stored messages that are not saved yet. Above it, the session takes no further messages from the mesh. */
const MAX_UNSAVED = 10_000
/** Request a save at the latest after this many stored messages. */
const MAX_UNREQUESTED = 1_000

/**
 * Which of the effects that store messages are saved: on disk, and safe there. They are numbered. The effect `save` asks
 * for all up to a number, and the input `saved` confirms them.
 */
export class Saves {
  /** Whether the caller answers `save`. If not, everything counts as saved at once. */
  readonly #isAnswered: boolean
  #stored = 0
  #requested = 0
  #saved = 0
  /** Own messages that are not saved, and the number of the save that has each. */
  readonly #composed = new Map<string, number>()

  constructor(isAnswered: boolean) {
    this.#isAnswered = isAnswered
  }

  /** The number of the latest effect. */
  get latest(): number {
    return this.#stored
  }

  /** Whether too much waits to be saved: the disk is full, or too slow. */
  get isFull(): boolean {
    return this.#stored - this.#saved >= MAX_UNSAVED
  }

  isSaved(number: number): boolean {
    return number <= this.#saved
  }

  /** Notes that the own message `id` is stored. Returns the number of the save that has it; undefined: it is saved. */
  awaitComposed(id: string): number | undefined {
    if (this.isSaved(this.#stored)) return undefined
    this.#composed.set(id, this.#stored)
    return this.#stored
  }

  /** Whether a message may leave this client: an own message that is not saved may be lost, and then was never sent. */
  mayLeave(id: string): boolean {
    return !this.#composed.has(id)
  }

  /** Counts an effect that stores a message. */
  count(effects: SessionEffect[]): void {
    if (!this.#isAnswered) return
    this.#stored++
    if (this.#stored - this.#requested >= MAX_UNREQUESTED) this.request(effects)
  }

  /** Asks the caller to save all effects so far. */
  request(effects: SessionEffect[]): void {
    if (this.#requested === this.#stored) return
    this.#requested = this.#stored
    effects.push({ type: 'save', through: this.#stored })
  }

  handleSaved(through: number): void {
    this.#saved = Math.max(this.#saved, Math.min(through, this.#stored))
    for (const [id, save] of this.#composed) if (this.isSaved(save)) this.#composed.delete(id)
  }
}
