import type { ThemeName } from '../chat/model/theme.ts'
import { rowToAnsi } from '../chat/views/inline.ts'
import type { TerminalGuard } from '../terminal/guard.ts'
import type { Key } from '../terminal/key-decoder.ts'
import { ScreenOutput } from '../terminal/output.ts'
import { listenToTerminalInput } from '../terminal/terminal-input.ts'
import { handleKey } from './handle-key.ts'
import { TopModel } from './model.ts'
import type { PollEvent } from './poller.ts'
import { renderTop } from './views/render.ts'

/** How often to redraw without new readings, to update the age of the data, ms. */
const STALE_REDRAW_MS = 1_000

export interface TopScreenOptions {
  /** Undefined: no colors. */
  theme: ThemeName | undefined
  guard: TerminalGuard
  quit: () => void
}

/** Runs the screen on this terminal. Returns the handler for the poller's events. */
export function runTopScreen({ theme, guard, quit }: TopScreenOptions): (event: PollEvent) => void {
  const { stdout } = process
  const model = new TopModel()
  const output = new ScreenOutput(text => guard.write(text))
  let staleTimer: NodeJS.Timeout | undefined

  const draw = () => {
    clearTimeout(staleTimer)
    const frame = renderTop(model, performance.now())
      .map(row => rowToAnsi(row, theme))
      .join('\n')
    // The output writes only the changed rows.
    output.write(frame)
    output.present()
    if (model.source?.phase !== 'live') {
      staleTimer = setTimeout(() => {
        model.recordGap()
        draw()
      }, STALE_REDRAW_MS)
    }
  }
  const redraw = () => {
    model.resize(stdout.columns || 80, stdout.rows || 24)
    output.repaint(model.columns, model.rows)
    draw()
  }
  const handleKeys = (keys: readonly Key[]) => {
    for (const key of keys) {
      const request = handleKey(model, key)
      if (request === 'quit') return quit()
      if (request === 'suspend') guard.suspend()
      else if (request === 'redraw') redraw()
    }
    if (keys.length > 0) draw()
  }

  guard.enter({ redraw })
  redraw()
  listenToTerminalInput(handleKeys, redraw, quit)
  return event => {
    model.handleEvent(event, performance.now())
    draw()
  }
}
