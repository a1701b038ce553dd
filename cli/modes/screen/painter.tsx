import { type Instance, render } from 'ink'
import { windowTitle } from '../../chat/model/alerts/window-title.ts'
import { screenLayout } from '../../chat/model/layout/screen-layout.ts'
import type { ClickTarget } from '../../chat/model/mouse.ts'
import type { ReadonlyModel, ReadonlyThread } from '../../chat/model/readonly-model.ts'
import type { ThemeName } from '../../chat/model/theme.ts'
import { App, type PlacedRow } from '../../chat/views/app.tsx'
import { clickTarget } from '../../chat/views/click-target.ts'
import { eventRows, openedEntries, openedThreadRows, rowToAnsi } from '../../chat/views/inline.ts'
import { renderInline, renderScreen } from '../../chat/views/render.ts'
import { columnStops, continuesLink, type Row, rowLinks, rowsEqual, rowText } from '../../chat/views/row.ts'
import type { ClientEvent } from '../../common/client-events.ts'
import { addHyperlinks } from '../../terminal/hyperlinks.ts'
import { InlineOutput, ScreenOutput } from '../../terminal/output.ts'
import { hasHyperlinks } from '../../terminal/terminal-features.ts'
import { TerminalModes } from '../../terminal/terminal-modes.ts'

/** Delay before events from the network are drawn, so that events in close succession share a frame, ms. */
const DRAW_DELAY_MS = 30
/** The same delay while events keep coming: leaves time to handle keys. */
const BUSY_DRAW_DELAY_MS = 100
/** Interval of redraws while the status row counts down to the next connection attempt, ms. */
const COUNTDOWN_INTERVAL_MS = 500

/** Most printed messages that are remembered, so that opening their thread does not print them again. */
const MAX_PRINTED_IDS = 5_000
/** Most rows that are kept while another program has the terminal. */
const MAX_HELD_ROWS = 1_000

/** Draws the model on the terminal, with Ink. Keys are drawn at once, events from the network after a short delay. */
export class ScreenPainter {
  readonly #model: ReadonlyModel
  readonly #colors: boolean
  /** Exactly one of the two outputs is in use. */
  readonly #fullScreen: ScreenOutput | undefined
  readonly #inline: InlineOutput | undefined
  /** What the guard writes when it sets the terminal up and restores it. */
  readonly modes: TerminalModes
  /** The name and version that the terminal has told. */
  terminalName: string | undefined
  #ink: Instance | undefined
  /** The frame on the terminal; undefined: draw every row. */
  #lastFrame: { rows: readonly Row[]; theme: ThemeName | undefined; hyperlinks: boolean } | undefined
  /** React key of the frame: a new one makes Ink write a frame that is equal to the last one. */
  #repaintCount = 0
  #drawTimer: NodeJS.Timeout | undefined
  /** Draws again when the screen changes by itself. */
  #redrawTimer: NodeJS.Timeout | undefined
  #lastScheduledDrawAt = 0
  /** What was printed while another program has the terminal; undefined: none has. */
  #heldRows: readonly Row[] | undefined
  /** Inline mode: the messages that have been printed, latest last. */
  readonly #printedIds = new Set<string>()
  /** Inline mode: the open thread, whose newest messages have been printed. */
  #printedThread: ReadonlyThread | undefined

  readonly #onDraw: () => void

  /**
   * @param write writes to the terminal
   * @param onDraw called after each frame
   */
  constructor(model: ReadonlyModel, colors: boolean, write: (text: string) => void, onDraw: () => void) {
    this.#model = model
    this.#onDraw = onDraw
    this.#colors = colors
    this.modes = new TerminalModes(write)
    if (model.isInline) this.#inline = new InlineOutput(write)
    else this.#fullScreen = new ScreenOutput(write)
  }

  get #theme(): ThemeName | undefined {
    return this.#colors ? this.#model.preferences.theme : undefined
  }

  get #hyperlinks(): boolean {
    const { links } = this.#model.preferences
    return links === 'on' || (links === 'auto' && hasHyperlinks(process.env, this.terminalName))
  }

  draw(): void {
    const output = this.#inline ?? this.#fullScreen
    if (output === undefined) return
    clearTimeout(this.#drawTimer)
    this.#drawTimer = undefined
    const model = this.#model
    if (model.current !== this.#printedThread && model.current !== undefined) {
      const entries = openedEntries(model.current, id => this.#printedIds.has(id))
      this.print(openedThreadRows(model, model.current, entries))
      for (const { id } of entries) this.#notePrinted(id)
    }
    this.#printedThread = model.current
    const { rows, cursor } = (model.isInline ? renderInline : renderScreen)(model, Date.now())
    const theme = this.#theme
    const hyperlinks = this.#hyperlinks
    output.cursor = cursor
    if (this.#lastFrame !== undefined && this.#lastFrame.hyperlinks !== hyperlinks) {
      this.#lastFrame = undefined
      this.#repaintCount++
    }
    // Ink's cost is in the cells that it composes: give it only the rows that have changed.
    const lastRows =
      this.#fullScreen !== undefined && this.#lastFrame?.theme === theme ? this.#lastFrame?.rows : undefined
    const changed: PlacedRow[] = []
    for (const [at, row] of rows.entries())
      if (lastRows === undefined || !rowsEqual(row, lastRows[at])) changed.push({ at, row })
    this.#lastFrame = { rows, theme, hyperlinks }
    if (this.#fullScreen !== undefined) {
      this.#fullScreen.height = rows.length
      this.#fullScreen.changedRows = changed.map(({ at }) => at)
      this.#fullScreen.columnStops = row => columnStops(rows[row] ?? [])
      this.#fullScreen.decorate = (at, line) => {
        const row = rows[at] ?? []
        return hyperlinks ? addHyperlinks(line, rowText(row), rowLinks(row)) : line
      }
      this.#fullScreen.isContinuation = at => continuesLink(rows[at] ?? [], rows[at - 1], model.columns)
    }
    if (changed.length > 0) {
      const node = <App key={this.#repaintCount} rows={changed} theme={theme} />
      if (this.#ink !== undefined) this.#ink.rerender(node)
      else {
        const stdout = output.asStream()
        this.#ink = render(node, { stdout, debug: true, exitOnCtrlC: false, patchConsole: false })
      }
    }
    output.present()
    const { mouse, title } = model.preferences
    this.modes.set({ mouse: model.isInline ? undefined : mouse, title: title ? windowTitle(model) : undefined })
    clearTimeout(this.#redrawTimer)
    const redrawIn = this.#redrawIn(Date.now())
    if (redrawIn !== undefined) this.#redrawTimer = setTimeout(() => this.draw(), redrawIn)
    this.#onDraw()
  }

  /** When the screen changes by itself, ms from now; undefined: it does not. */
  #redrawIn(wall: number): number | undefined {
    const { connection, current, typing } = this.#model
    if (connection.phase === 'waiting') return COUNTDOWN_INTERVAL_MS
    const end = current === undefined ? undefined : typing.nextEnd(current.name, wall)
    return end === undefined ? undefined : Math.max(1, end - wall)
  }

  /** What the user sees at a position of the full screen, if a click opens it. */
  targetAt(position: { column: number; row: number }): ClickTarget | undefined {
    const mainColumn = this.#model.columns - screenLayout(this.#model).main
    return clickTarget(this.#lastFrame?.rows[position.row] ?? [], position.column, mainColumn)
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

  /** Inline mode: prints what an event that has been applied to the model says. */
  printEvent(event: ClientEvent): void {
    if (this.#inline === undefined) return
    this.print(eventRows(this.#model, event))
    if (event.type === 'message' && event.origin !== 'history') this.#notePrinted(event.message.id)
  }

  #notePrinted(id: string): void {
    this.#printedIds.add(id)
    const [oldest] = this.#printedIds
    if (this.#printedIds.size > MAX_PRINTED_IDS && oldest !== undefined) this.#printedIds.delete(oldest)
  }

  /** Another program has the terminal: keeps what is printed until `releasePrints`. */
  holdPrints(): void {
    this.#heldRows = []
  }

  releasePrints(): void {
    const rows = this.#heldRows ?? []
    this.#heldRows = undefined
    this.print(rows)
  }

  /** Inline mode: prints rows into the terminal's scrollback. */
  print(rows: readonly Row[]): void {
    if (this.#heldRows !== undefined) {
      this.#heldRows = [...this.#heldRows, ...rows].slice(-MAX_HELD_ROWS)
      return
    }
    this.#inline?.print(rows.map(row => rowToAnsi(row, this.#theme, this.#hyperlinks)))
  }
}
