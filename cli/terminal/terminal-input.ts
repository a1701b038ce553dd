import { type Key, KeyDecoder } from './key-decoder.ts'

/** An Escape that nothing follows within this time, ms, was the key. */
const ESCAPE_MS = 50
/** A size that changes is being dragged: it is told when it has settled this long, ms. */
const RESIZE_MS = 30

/**
 * What hands do to this terminal.
 * @param take takes the keys, those of one read together
 * @param resized called when the size has changed
 * @param gone called when nothing more can come
 */
export function listenToHands(take: (keys: readonly Key[]) => void, resized: () => void, gone: () => void): void {
  const { stdin, stdout } = process
  const decoder = new KeyDecoder()
  let escaping: NodeJS.Timeout | undefined
  let resizing: NodeJS.Timeout | undefined
  stdin.setEncoding('utf8')
  stdin.on('data', (chunk: string) => {
    clearTimeout(escaping)
    take(decoder.feed(chunk))
    if (decoder.waiting) escaping = setTimeout(() => take(decoder.flush()), ESCAPE_MS)
  })
  stdin.on('end', gone)
  stdout.on('resize', () => {
    clearTimeout(resizing)
    resizing = setTimeout(resized, RESIZE_MS)
  })
}
