import type { EventEmitter } from 'node:events'
import { type Key, KeyDecoder } from './key-decoder.ts'

/** Time after which an Escape that nothing follows is the Escape key, ms. */
const ESCAPE_TIMEOUT_MS = 50
/** Time after which a paste or a reply of the terminal ends although its end has not come, ms. */
const STALLED_INPUT_MS = 1_000
/** Dragging a window sends many resize events: wait until the size has been stable for this time, ms. */
const RESIZE_DEBOUNCE_MS = 30

/** The parts of `process` that are used. */
export interface TerminalStreams {
  stdin: EventEmitter & { setEncoding(encoding: BufferEncoding): unknown; resume(): unknown }
  stdout: EventEmitter
}

/**
 * Listens to the keyboard and to changes of the terminal's size.
 * @param onKeys called with the keys of each chunk of input; the list may be empty
 * @param onResize called when the size of the terminal has changed
 * @param onEnd called when the input has ended
 */
export function listenToTerminalInput(
  onKeys: (keys: readonly Key[]) => void,
  onResize: () => void,
  onEnd: () => void,
  { stdin, stdout }: TerminalStreams = process,
): void {
  const decoder = new KeyDecoder()
  let escapeTimer: NodeJS.Timeout | undefined
  let stalledTimer: NodeJS.Timeout | undefined
  let resizeTimer: NodeJS.Timeout | undefined
  stdin.setEncoding('utf8')
  stdin.on('data', (chunk: string) => {
    clearTimeout(escapeTimer)
    clearTimeout(stalledTimer)
    onKeys(decoder.feed(chunk))
    if (decoder.hasPendingEscape) escapeTimer = setTimeout(() => onKeys(decoder.flush()), ESCAPE_TIMEOUT_MS)
    if (decoder.isInInput) stalledTimer = setTimeout(() => onKeys(decoder.endInput()), STALLED_INPUT_MS)
  })
  stdin.on('end', onEnd)
  // Questions before the start have paused it.
  stdin.resume()
  stdout.on('resize', () => {
    clearTimeout(resizeTimer)
    resizeTimer = setTimeout(onResize, RESIZE_DEBOUNCE_MS)
  })
}
