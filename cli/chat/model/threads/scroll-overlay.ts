import { overlayLines } from '../layout/overlay-lines.ts'
import { overlayHeight } from '../layout/screen-layout.ts'
import type { Model } from '../model.ts'

/** Scrolls the overlay by rows, negative to scroll up. */
export function scrollOverlay(model: Model, by: number): void {
  const lastTop = Math.max(0, overlayLines(model).length - overlayHeight(model))
  model.overlayTop = Math.max(0, Math.min(Math.min(model.overlayTop, lastTop) + by, lastTop))
}
