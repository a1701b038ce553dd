import { type Instance, render } from 'ink'
import type { SessionEvent, SessionRequest } from '../../src/client/events.ts'
import { loadPage, searchThread } from '../chat/history-pages.ts'
import { handleKey } from '../chat/model/handle-key.ts'
import { Model, type ScreenRequest } from '../chat/model/model.ts'
import type { Preferences } from '../chat/model/preferences.ts'
import type { ThemeName } from '../chat/model/theme.ts'
import type { Thread } from '../chat/model/thread.ts'
import { pagesNeeded, update } from '../chat/model/update.ts'
import { App } from '../chat/views/app.tsx'
import { eventRows, openedThreadRows, rowToAnsi } from '../chat/views/inline.ts'
import { renderInline, renderScreen } from '../chat/views/render.ts'
import { type Row, rowsEqual } from '../chat/views/row.ts'
import type { History } from '../history/history.ts'
import type { TerminalGuard } from '../terminal/guard.ts'
import type { Key } from '../terminal/key-decoder.ts'
import { InlineOutput, ScreenOutput } from '../terminal/output.ts'
import { listenToTerminalInput } from '../terminal/terminal-input.ts'

/** What the network brings is gathered this long, ms; what hands do is shown at once. */
const DRAW_DELAY_MS = 30
/** … and this long while it brings one thing after another. */
const BUSY_DRAW_DELAY_MS = 100
/** So long, ms, may another client of the user take to tell that it has read a message, before the bell rings here. */
const BELL_DELAY_MS = 600
/** Time that a search takes at once, ms. */
const SEARCH_SLICE_MS = 8

export interface ScreenOptions {
  user: string
  /** Whose thread is open at first. */
  to: string | undefined
  preferences: Preferences
  colors: boolean
  /** Print what is said for good, and leave the terminal its scrollback. */
  inline: boolean
  guard: TerminalGuard
  send: (request: SessionRequest) => void
  /** What earlier runs said; absent where nothing is kept. */
  history: History | undefined
  /** What the session told before. */
  events: readonly SessionEvent[]
  save: (kept: { preferences: Preferences; to: string | undefined }) => void
  quit: () => void
}

/** Runs the screen, whole or inline, on this terminal; answers with where the session's events go. */
export function runScreen(options: ScreenOptions): (event: SessionEvent) => void {
  const { guard, send, save, quit } = options
  const { stdout } = process
  const model = new Model(options.user, options.preferences)
  const savePreferences = () => save({ preferences: model.preferences, to: model.current?.name })
  if (options.to !== undefined) {
    model.openThread(options.to)
    savePreferences()
  }
  const write = (text: string) => guard.write(text)
  const output = options.inline ? new InlineOutput(write) : new ScreenOutput(write)
  const inline = output instanceof InlineOutput ? output : undefined
  const fullScreen = output instanceof ScreenOutput ? output : undefined
  /** What the terminal shows; absent, it is to be drawn whole. */
  let lastFrame: { rows: readonly Row[]; theme: ThemeName | undefined } | undefined
  let ink: Instance | undefined
  let activeSearch: Generator | undefined
  /** Counts the whole frames: Ink is to write each of them, also one that is as the last was. */
  let repaintCount = 0
  let drawTimer: NodeJS.Timeout | undefined
  /** When something of the network was drawn last. */
  let lastNetworkDrawAt = 0
  let countdownTimer: NodeJS.Timeout | undefined
  /** The thread whose end was printed last, in the inline mode. */
  let printedThread: Thread | undefined

  const print = (rows: readonly Row[]) => {
    const theme = options.colors ? model.preferences.theme : undefined
    inline?.print(rows.map(row => rowToAnsi(row, theme)))
  }
  const draw = () => {
    clearTimeout(drawTimer)
    drawTimer = undefined
    if (model.current !== printedThread && model.current !== undefined) print(openedThreadRows(model, model.current))
    printedThread = model.current
    const { rows, cursor } = (inline === undefined ? renderScreen : renderInline)(model, Date.now())
    const theme = options.colors ? model.preferences.theme : undefined
    output.cursor = cursor
    // Ink's cost is in the cells that it composes: it gets the rows that have changed, and no other.
    const last = fullScreen !== undefined && lastFrame?.theme === theme ? lastFrame?.rows : undefined
    const changed = rows.map((row, at) => (last !== undefined && rowsEqual(row, last[at]) ? undefined : row))
    lastFrame = { rows, theme }
    if (fullScreen !== undefined) fullScreen.isRowUnchanged = row => changed[row] === undefined
    if (last?.length !== rows.length || changed.some(row => row !== undefined)) {
      const node = <App key={repaintCount} rows={changed} theme={theme} />
      if (ink !== undefined) ink.rerender(node)
      else ink = render(node, { stdout: output.asStream(), debug: true, exitOnCtrlC: false, patchConsole: false })
    }
    output.placeCursor()
    // The time until the next try counts down.
    clearTimeout(countdownTimer)
    if (model.connection.phase === 'waiting') countdownTimer = setTimeout(draw, 500)
  }
  /** Soon after the first of what the network brings; under load, so much later that hands and eyes keep up. */
  const scheduleDraw = () => {
    if (drawTimer !== undefined) return
    const busy = performance.now() - lastNetworkDrawAt < 4 * BUSY_DRAW_DELAY_MS
    drawTimer = setTimeout(
      () => {
        lastNetworkDrawAt = performance.now()
        draw()
      },
      busy ? BUSY_DRAW_DELAY_MS : DRAW_DELAY_MS,
    )
  }
  /** Forgets what stands on the terminal and draws all of it. */
  const redraw = () => {
    model.columns = Math.max(1, stdout.columns || 80)
    model.rows = Math.max(1, stdout.rows || 24)
    output.repaint(model.columns, model.rows)
    lastFrame = undefined
    repaintCount++
    draw()
  }

  const ringBell = (thread: string) => {
    if (!model.preferences.bell) return
    // Silent where it was read on another client meanwhile.
    setTimeout(() => {
      if ((model.threads.get(thread)?.unreadCount ?? 0) > 0) guard.write('\u0007')
    }, BELL_DELAY_MS)
  }

  const perform = (request: ScreenRequest) => {
    switch (request.type) {
      case 'send':
        return send({ type: 'compose', to: request.to, text: request.text })
      case 'quit':
        return quit()
      case 'suspend':
        return guard.suspend(redraw)
      case 'redraw':
        return redraw()
      case 'bell':
        return ringBell(request.thread)
      case 'read':
        return send({ type: 'read', thread: request.thread, at: request.at })
      case 'trust':
        return send({ type: 'trust', user: request.user })
      case 'page':
        return loadPage(model, options.history, request.part)
      case 'search':
        return startSearch(request.text, request.older)
      case 'save':
        return savePreferences()
    }
  }
  /** Looks through the history a little at a time, so that keys are never held up; a new search ends the one before. */
  const startSearch = (text: string, older: boolean) => {
    activeSearch = undefined
    const thread = model.current
    if (thread === undefined) return
    const search = searchThread(model, thread, options.history, text, older)
    activeSearch = search
    const runSlice = () => {
      if (activeSearch !== search) return
      const until = performance.now() + SEARCH_SLICE_MS
      while (performance.now() < until) if (search.next().done) return draw()
      setImmediate(runSlice)
    }
    runSlice()
  }
  const handleKeys = (keys: readonly Key[]) => {
    for (const key of keys) for (const request of handleKey(model, key)) perform(request)
    if (keys.length > 0) draw()
  }

  for (const event of options.events) for (const request of update(model, event, Date.now())) perform(request)
  model.hasHistory = options.history !== undefined
  for (const { name, lastAt } of options.history?.threads() ?? []) model.ensureThread(name).markStored(lastAt)
  for (const request of pagesNeeded(model)) perform(request)
  guard.enter()
  redraw()
  listenToTerminalInput(handleKeys, redraw, quit)
  return event => {
    for (const request of update(model, event, Date.now())) perform(request)
    for (const request of pagesNeeded(model)) perform(request)
    if (inline !== undefined) print(eventRows(model, event))
    scheduleDraw()
  }
}
