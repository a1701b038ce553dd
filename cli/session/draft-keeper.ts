import type { Draft } from '../draft.ts'
import type { DraftsFile } from '../storage/drafts-file.ts'

/** Pause after the last change before drafts are written, ms. */
const PAUSE_MS = 1_000

/** Writes the drafts of a screen to disk: after a pause, and when the program ends. */
export class DraftKeeper {
  readonly #file: () => DraftsFile | undefined
  #collect: (() => ReadonlyMap<string, Draft>) | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param file the file of the current mesh; undefined: drafts are not stored */
  constructor(file: () => DraftsFile | undefined) {
    this.#file = file
  }

  /** The drafts on disk, by thread. @param collect returns the drafts of the screen from now on */
  load(collect: () => ReadonlyMap<string, Draft>): ReadonlyMap<string, Draft> {
    this.#collect = collect
    return this.#file()?.read() ?? new Map()
  }

  /** Drafts may have changed: writes them after a pause. */
  schedule(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.flush(), PAUSE_MS).unref()
  }

  /** Writes the drafts now. */
  flush(): void {
    clearTimeout(this.#timer)
    if (this.#collect === undefined) return
    try {
      this.#file()?.store(this.#collect())
    } catch {
      // The disk is full, or the folder cannot be written: the next change tries again.
    }
  }
}
