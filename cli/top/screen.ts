import type { ThemeName } from '../model/theme.ts'
import type { TerminalGuard } from '../terminal/guard.ts'
import { type Key, KeyDecoder } from '../terminal/keys.ts'
import { ScreenOutput } from '../terminal/output.ts'
import { rowLine } from '../views/inline.ts'
import { TopModel } from './model.ts'
import { topPicture } from './picture.ts'
import { press } from './press.ts'
import type { Surveyed } from './surveyor.ts'

/** An Escape that nothing follows within this time, ms, was the key. */
const ESCAPE_MS = 50
/** A size that changes is being dragged: the screen is drawn anew when it has settled this long, ms. */
const RESIZE_MS = 30
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
  const { stdin, stdout } = process
  const model = new TopModel()
  const output = new ScreenOutput(text => guard.write(text))
  const decoder = new KeyDecoder()
  let shown: string | undefined
  let staling: NodeJS.Timeout | undefined
  let escaping: NodeJS.Timeout | undefined
  let resizing: NodeJS.Timeout | undefined

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
  stdin.setEncoding('utf8')
  stdin.on('data', (chunk: string) => {
    clearTimeout(escaping)
    take(decoder.feed(chunk))
    if (decoder.waiting) escaping = setTimeout(() => take(decoder.flush()), ESCAPE_MS)
  })
  stdin.on('end', quit)
  stdout.on('resize', () => {
    clearTimeout(resizing)
    resizing = setTimeout(redraw, RESIZE_MS)
  })
  return event => {
    model.take(event, performance.now())
    draw()
  }
}
