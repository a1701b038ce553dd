/** Pause after the last change before the state is written, ms. */
const PAUSE_MS = 1_000

/** A file with a part of the state of a screen. */
interface StateFile<State> {
  read(): State
  store(state: State): void
}

/** Writes a part of the state of a screen to disk, such as drafts: after a pause, and when the program ends. */
export class StateKeeper<State> {
  readonly #file: () => StateFile<State> | undefined
  #collect: (() => State) | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param file the file of the current mesh; undefined: the state is not stored */
  constructor(file: () => StateFile<State> | undefined) {
    this.#file = file
  }

  /** The state on disk; undefined: it is not stored. @param collect returns the state of the screen from now on */
  load(collect: () => State): State | undefined {
    this.#collect = collect
    return this.#file()?.read()
  }

  /** The state may have changed: writes it after a pause. */
  schedule(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.flush(), PAUSE_MS).unref()
  }

  /** The same, for changes that come again and again without a pause. */
  scheduleOnce(): void {
    if (this.#timer === undefined) this.schedule()
  }

  /** Writes the state now. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#collect === undefined) return
    try {
      this.#file()?.store(this.#collect())
    } catch {
      // The disk is full, or the folder cannot be written: the next change tries again.
    }
  }
}
