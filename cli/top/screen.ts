import type { ThemeName } from '../chat/model/theme.ts'
import { rowLine } from '../chat/views/inline.ts'
import type { TerminalGuard } from '../terminal/guard.ts'
import type { Key } from '../terminal/key-decoder.ts'
import { ScreenOutput } from '../terminal/output.ts'
import { listenToHands } from '../terminal/terminal-input.ts'
import { press } from './handle-key.ts'
import { TopModel } from './model.ts'
import type { Surveyed } from './poller.ts'
import { topPicture } from './views/render.ts'

/** How often the age of what is shown is told anew, ms, while nothing new comes. */
const STALE_MS = 1_000

export interface TopScreenOptions {
  /** Without one, no colour. */
  theme: ThemeName | undefined
  guard: TerminalGuard
  quit: () => void
}

/** Runs the screen on this terminal; answers with where the readings go. */
export function runTopScreen({ theme, guard, quit }: TopScreenOptions): (event: Surveyed) => void {
  const { stdout } = process
  const model = new TopModel()
  const output = new ScreenOutput(text => guard.write(text))
  let shown: string | undefined
  let staling: NodeJS.Timeout | undefined

  const draw = () => {
    clearTimeout(staling)
    const frame = topPicture(model, performance.now())
      .map(row => rowLine(row, theme))
      .join('\n')
    // The output writes the rows that have changed, and no other.
    if (frame !== shown) output.write(frame)
    shown = frame
    if (model.source?.phase !== 'live') {
      staling = setTimeout(() => {
        if (!model.paused) model.mesh.miss()
        draw()
      }, STALE_MS)
    }
  }
  const redraw = () => {
    model.columns = Math.max(1, stdout.columns || 80)
    model.rows = Math.max(1, stdout.rows || 24)
    output.repaint(model.columns, model.rows)
    shown = undefined
    draw()
  }
  const take = (keys: readonly Key[]) => {
    for (const key of keys) {
      const request = press(model, key)
      if (request === 'quit') return quit()
      if (request === 'suspend') guard.suspend(redraw)
      else if (request === 'redraw') redraw()
    }
    if (keys.length > 0) draw()
  }

  guard.enter()
  redraw()
  listenToHands(take, redraw, quit)
  return event => {
    model.take(event, performance.now())
    draw()
  }
}
