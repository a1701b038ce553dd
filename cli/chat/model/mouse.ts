/** What the mouse does: the wheel scrolls, a click opens a thread or the list of links. */
import { isRoom } from '../../../src/protocol/rooms.ts'
import type { MouseEvent } from '../../terminal/key-decoder.ts'
import { moveSelection, openLinks } from './finding/finder.ts'
import type { Model, ScreenRequest } from './model.ts'
import { joinRoom } from './rooms/join-room.ts'
import { scroll } from './threads/scroll.ts'
import { scrollOverlay } from './threads/scroll-overlay.ts'
import { openThread } from './threads/switch-thread.ts'
import { markOpenThreadRead, requestInitialPage } from './update.ts'

/** Rows that one turn of the wheel scrolls. */
const WHEEL_ROWS = 3

/** What is at a position of the screen. */
export type ClickTarget = { type: 'thread'; name: string } | { type: 'link'; url: string }

/** Scrolls what is in front: an overlay, the list of the finder, or the thread. Input, notices and drafts stay. */
export function handleWheel(model: Model, action: MouseEvent['action']): ScreenRequest[] {
  if (action === 'press') return []
  const direction = action === 'wheel-up' ? -1 : 1
  if (model.overlay !== undefined) {
    scrollOverlay(model, direction * WHEEL_ROWS)
    return []
  }
  if (model.finder !== undefined) {
    moveSelection(model, model.finder, direction)
    return []
  }
  return [...scroll(model, direction * WHEEL_ROWS), ...markOpenThreadRead(model)]
}

/** Opens what the user has clicked. */
export function handleClick(model: Model, target: ClickTarget | undefined): ScreenRequest[] {
  if (target === undefined) return []
  model.search = undefined
  if (target.type === 'link') {
    openLinks(model, target.url)
    return []
  }
  model.finder = undefined
  const requests = isRoom(target.name) ? joinRoom(model, target.name) : openThread(model, target.name)
  return [...requests, ...requestInitialPage(model), ...markOpenThreadRead(model)]
}
