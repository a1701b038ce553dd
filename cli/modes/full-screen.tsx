import { type Instance, render } from 'ink'
import type { SessionEvent, SessionRequest } from '../../src/client/events.ts'
import { searchThread, turnTo } from '../chat/history-pages.ts'
import { press } from '../chat/model/handle-key.ts'
import { Model, type ScreenRequest } from '../chat/model/model.ts'
import type { Preferences } from '../chat/model/preferences.ts'
import type { ThemeName } from '../chat/model/theme.ts'
import type { Thread } from '../chat/model/thread.ts'
import { update, whatIsNeeded } from '../chat/model/update.ts'
import { App } from '../chat/views/app.tsx'
import { openedRows, printedRows, rowLine } from '../chat/views/inline.ts'
import { inlinePicture, picture } from '../chat/views/render.ts'
import { type Row, sameRow } from '../chat/views/row.ts'
import type { History } from '../history/history.ts'
import type { TerminalGuard } from '../terminal/guard.ts'
import type { Key } from '../terminal/key-decoder.ts'
import { InlineOutput, ScreenOutput } from '../terminal/output.ts'
import { listenToHands } from '../terminal/terminal-input.ts'

/** What the network brings is gathered this long, ms; what hands do is shown at once. */
const GATHER_MS = 30
/** … and this long while it brings one thing after another. */
const BUSY_GATHER_MS = 100
/** So long, ms, may another client of the user take to tell that it has read a message, before the bell rings here. */
const RING_MS = 600
/** Time that a search takes at once, ms. */
const LOOK_MS = 8

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
  const keep = () => save({ preferences: model.preferences, to: model.current?.name })
  if (options.to !== undefined) {
    model.open(options.to)
    keep()
  }
  const put = (text: string) => guard.write(text)
  const output = options.inline ? new InlineOutput(put) : new ScreenOutput(put)
  const inline = output instanceof InlineOutput ? output : undefined
  const whole = output instanceof ScreenOutput ? output : undefined
  /** What the terminal shows; absent, it is to be drawn whole. */
  let shown: { rows: readonly Row[]; theme: ThemeName | undefined } | undefined
  let ink: Instance | undefined
  let looking: Generator | undefined
  /** Counts the whole frames: Ink is to write each of them, also one that is as the last was. */
  let wholes = 0
  let drawing: NodeJS.Timeout | undefined
  /** When something of the network was drawn last. */
  let gatheredAt = 0
  let counting: NodeJS.Timeout | undefined
  /** The thread whose end was printed last, in the inline mode. */
  let printed: Thread | undefined

  const print = (rows: readonly Row[]) => {
    const theme = options.colors ? model.preferences.theme : undefined
    inline?.print(rows.map(row => rowLine(row, theme)))
  }
  const draw = () => {
    clearTimeout(drawing)
    drawing = undefined
    if (model.current !== printed && model.current !== undefined) print(openedRows(model, model.current))
    printed = model.current
    const { rows, cursor } = (inline === undefined ? picture : inlinePicture)(model, Date.now())
    const theme = options.colors ? model.preferences.theme : undefined
    output.cursor = cursor
    // Ink's cost is in the cells that it composes: it gets the rows that have changed, and no other.
    const last = whole !== undefined && shown?.theme === theme ? shown?.rows : undefined
    const changed = rows.map((row, at) => (last !== undefined && sameRow(row, last[at]) ? undefined : row))
    shown = { rows, theme }
    if (whole !== undefined) whole.isLeftOut = row => changed[row] === undefined
    if (last?.length !== rows.length || changed.some(row => row !== undefined)) {
      const node = <App key={wholes} rows={changed} theme={theme} />
      if (ink !== undefined) ink.rerender(node)
      else ink = render(node, { stdout: output.asStream(), debug: true, exitOnCtrlC: false, patchConsole: false })
    }
    output.placeCursor()
    // The time until the next try counts down.
    clearTimeout(counting)
    if (model.connection.phase === 'waiting') counting = setTimeout(draw, 500)
  }
  /** Soon after the first of what the network brings; under load, so much later that hands and eyes keep up. */
  const drawSoon = () => {
    if (drawing !== undefined) return
    const busy = performance.now() - gatheredAt < 4 * BUSY_GATHER_MS
    drawing = setTimeout(
      () => {
        gatheredAt = performance.now()
        draw()
      },
      busy ? BUSY_GATHER_MS : GATHER_MS,
    )
  }
  /** Forgets what stands on the terminal and draws all of it. */
  const redraw = () => {
    model.columns = Math.max(1, stdout.columns || 80)
    model.rows = Math.max(1, stdout.rows || 24)
    output.repaint(model.columns, model.rows)
    shown = undefined
    wholes++
    draw()
  }

  const ring = (thread: string) => {
    if (!model.preferences.bell) return
    // Silent where it was read on another client meanwhile.
    setTimeout(() => {
      if ((model.threads.get(thread)?.unread ?? 0) > 0) guard.write('\u0007')
    }, RING_MS)
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
        return ring(request.thread)
      case 'read':
        return send({ type: 'read', thread: request.thread, at: request.at })
      case 'trust':
        return send({ type: 'trust', user: request.user })
      case 'page':
        return turnTo(model, options.history, request.way)
      case 'search':
        return look(request.text, request.older)
      case 'save':
        return keep()
    }
  }
  /** Looks through the history a little at a time, so that keys are never held up; a new search ends the one before. */
  const look = (text: string, older: boolean) => {
    looking = undefined
    const thread = model.current
    if (thread === undefined) return
    const steps = searchThread(model, thread, options.history, text, older)
    looking = steps
    const go = () => {
      if (looking !== steps) return
      const until = performance.now() + LOOK_MS
      while (performance.now() < until) if (steps.next().done) return draw()
      setImmediate(go)
    }
    go()
  }
  const take = (keys: readonly Key[]) => {
    for (const key of keys) for (const request of press(model, key)) perform(request)
    if (keys.length > 0) draw()
  }

  for (const event of options.events) for (const request of update(model, event, Date.now())) perform(request)
  model.hasHistory = options.history !== undefined
  for (const { name, lastAt } of options.history?.threads() ?? []) model.thread(name).stored(lastAt)
  for (const request of whatIsNeeded(model)) perform(request)
  guard.enter()
  redraw()
  listenToHands(take, redraw, quit)
  return event => {
    for (const request of update(model, event, Date.now())) perform(request)
    for (const request of whatIsNeeded(model)) perform(request)
    if (inline !== undefined) print(printedRows(model, event))
    drawSoon()
  }
}
