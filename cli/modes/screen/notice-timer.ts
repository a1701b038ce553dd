import { expireNotice, noticeDuration } from '../../chat/model/alerts/notices.ts'
import type { Model, Notice } from '../../chat/model/model.ts'

/** Removes the notice of the status row after some time. The time starts again when the user comes back to the terminal. */
export class NoticeTimer {
  readonly #model: Model
  readonly #draw: () => void
  #timer: NodeJS.Timeout | undefined
  /** The notice whose time runs. */
  #notice: Notice | undefined

  constructor(model: Model, draw: () => void) {
    this.#model = model
    this.#draw = draw
  }

  /** The screen has been drawn. */
  update(): void {
    const { notice, hasFocus } = this.#model
    const duration = hasFocus ? noticeDuration(this.#model) : undefined
    const running = duration === undefined ? undefined : notice
    if (running === this.#notice) return
    clearTimeout(this.#timer)
    this.#notice = running
    if (running === undefined) return
    this.#timer = setTimeout(() => {
      expireNotice(this.#model, running)
      this.#draw()
    }, duration)
  }
}
