import { type Key, KeyDecoder } from './key-decoder.ts'

/** An Escape that nothing follows within this time, ms, was the key. */
const ESCAPE_TIMEOUT_MS = 50
/** A size that changes is being dragged: it is told when it has settled this long, ms. */
const RESIZE_DEBOUNCE_MS = 30

/**
 * What hands do to this terminal.
 * @param onKeys takes the keys, those of one read together
 * @param onResize called when the size has changed
 * @param onEnd called when nothing more can come
 */
export function listenToTerminalInput(
  onKeys: (keys: readonly Key[]) => void,
  onResize: () => void,
  onEnd: () => void,
): void {
  const { stdin, stdout } = process
  const decoder = new KeyDecoder()
  let escapeTimer: NodeJS.Timeout | undefined
  let resizeTimer: NodeJS.Timeout | undefined
  stdin.setEncoding('utf8')
  stdin.on('data', (chunk: string) => {
    clearTimeout(escapeTimer)
    onKeys(decoder.feed(chunk))
    if (decoder.hasPendingEscape) escapeTimer = setTimeout(() => onKeys(decoder.flush()), ESCAPE_TIMEOUT_MS)
  })
  stdin.on('end', onEnd)
  stdout.on('resize', () => {
    clearTimeout(resizeTimer)
    resizeTimer = setTimeout(onResize, RESIZE_DEBOUNCE_MS)
  })
}
