import { type Instance, render } from 'ink'
import type { ReadonlyModel, ReadonlyThread } from '../chat/model/readonly-model.ts'
import type { ThemeName } from '../chat/model/theme.ts'
import { App } from '../chat/views/app.tsx'
import { openedThreadRows, rowToAnsi } from '../chat/views/inline.ts'
import { renderInline, renderScreen } from '../chat/views/render.ts'
import { type Row, rowsEqual } from '../chat/views/row.ts'
import { InlineOutput, ScreenOutput } from '../terminal/output.ts'

/** Delay before events from the network are drawn, so that events in close succession share a frame, ms. */
const DRAW_DELAY_MS = 30
/** The same delay while events keep coming: leaves time to handle keys. */
const BUSY_DRAW_DELAY_MS = 100
/** Interval of redraws while the status row counts down to the next connection attempt, ms. */
const COUNTDOWN_INTERVAL_MS = 500

/** Draws the model on the terminal, with Ink. Keys are drawn at once, events from the network after a short delay. */
export class ScreenPainter {
  readonly #model: ReadonlyModel
  readonly #colors: boolean
  /** Exactly one of the two outputs is in use. */
  readonly #fullScreen: ScreenOutput | undefined
  readonly #inline: InlineOutput | undefined
  #ink: Instance | undefined
  /** The frame on the terminal; undefined: draw every row. */
  #lastFrame: { rows: readonly Row[]; theme: ThemeName | undefined } | undefined
  /** React key of the frame: a new one makes Ink write a frame that is equal to the last one. */
  #repaintCount = 0
  #drawTimer: NodeJS.Timeout | undefined
  #countdownTimer: NodeJS.Timeout | undefined
  #lastScheduledDrawAt = 0
  /** Inline mode: the open thread, whose newest messages have been printed. */
  #printedThread: ReadonlyThread | undefined

  /** @param write writes to the terminal */
  constructor(model: ReadonlyModel, colors: boolean, write: (text: string) => void) {
    this.#model = model
    this.#colors = colors
    if (model.isInline) this.#inline = new InlineOutput(write)
    else this.#fullScreen = new ScreenOutput(write)
  }

  get #theme(): ThemeName | undefined {
    return this.#colors ? this.#model.preferences.theme : undefined
  }

  draw(): void {
    const output = this.#inline ?? this.#fullScreen
    if (output === undefined) return
    clearTimeout(this.#drawTimer)
    this.#drawTimer = undefined
    const model = this.#model
    if (model.current !== this.#printedThread && model.current !== undefined) {
      this.print(openedThreadRows(model, model.current))
    }
    this.#printedThread = model.current
    const { rows, cursor } = (model.isInline ? renderInline : renderScreen)(model, Date.now())
    const theme = this.#theme
    output.cursor = cursor
    // Ink's cost is in the cells that it composes: give it only the rows that have changed.
    const lastRows =
      this.#fullScreen !== undefined && this.#lastFrame?.theme === theme ? this.#lastFrame?.rows : undefined
    const changed = rows.map((row, at) => (lastRows !== undefined && rowsEqual(row, lastRows[at]) ? undefined : row))
    this.#lastFrame = { rows, theme }
    if (this.#fullScreen !== undefined) this.#fullScreen.isRowUnchanged = row => changed[row] === undefined
    if (lastRows?.length !== rows.length || changed.some(row => row !== undefined)) {
      const node = <App key={this.#repaintCount} rows={changed} theme={theme} />
      if (this.#ink !== undefined) this.#ink.rerender(node)
      else {
        const stdout = output.asStream()
        this.#ink = render(node, { stdout, debug: true, exitOnCtrlC: false, patchConsole: false })
      }
    }
    output.placeCursor()
    clearTimeout(this.#countdownTimer)
    if (model.connection.phase === 'waiting') {
      this.#countdownTimer = setTimeout(() => this.draw(), COUNTDOWN_INTERVAL_MS)
    }
  }

  /** Draws soon, together with other changes in that time. */
  scheduleDraw(): void {
    if (this.#drawTimer !== undefined) return
    const isBusy = performance.now() - this.#lastScheduledDrawAt < 4 * BUSY_DRAW_DELAY_MS
    this.#drawTimer = setTimeout(
      () => {
        this.#lastScheduledDrawAt = performance.now()
        this.draw()
      },
      isBusy ? BUSY_DRAW_DELAY_MS : DRAW_DELAY_MS,
    )
  }

  /** Draws every row, for a terminal that has another size or shows something else. */
  repaint(): void {
    const { columns, rows } = this.#model
    const output = this.#inline ?? this.#fullScreen
    output?.repaint(columns, rows)
    this.#lastFrame = undefined
    this.#repaintCount++
    this.draw()
  }

  /** Inline mode: the block may be elsewhere now; the next one is drawn at the cursor. */
  forgetPosition(): void {
    this.#inline?.forgetPosition()
  }

  /** Inline mode: what erases the block, so that the next output replaces it. */
  erasure(): string {
    return this.#inline?.erasure() ?? ''
  }

  /** Inline mode: prints rows into the terminal's scrollback. */
  print(rows: readonly Row[]): void {
    this.#inline?.print(rows.map(row => rowToAnsi(row, this.#theme)))
  }
}
