/** Reads files of JSON lines in pieces, whatever they contain: memory and time are bounded by the longest useful line. */
import { closeSync, fstatSync, readSync } from 'node:fs'
import { withoutByteOrderMark } from '../../../src/programs/json-text.ts'
import { openToRead } from './open-file.ts'

/** Bytes to read at once. */
const CHUNK_BYTES = 1 << 20
/** Longest line that can be a message, with room to spare: a packet of the mesh has at most 1 MB. */
const MAX_LINE_BYTES = 8 << 20
const NEWLINE = 10

/** A line, without its line break. */
interface Line {
  readonly offset: number
  /** Undefined: a part of a line that is longer than `MAX_LINE_BYTES`. */
  readonly bytes: Buffer | undefined
  /** Where to continue: after the line break, or after the part. */
  readonly next: number
}

/**
 * The lines of a file from a position up to `end`. An incomplete line at the end is not among them.
 * @param read fills a buffer from a position; returns the number of bytes read
 */
export function* linesBetween(
  read: (buffer: Buffer, position: number) => number,
  from: number,
  end: number,
): Generator<Line> {
  /** The start of a line that continues in the next chunk. */
  let parts: Buffer[] = []
  let partBytes = 0
  let isTooLong = false
  let offset = from
  for (let position = from; position < end; ) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - position))
    const bytes = chunk.subarray(0, read(chunk, position))
    if (bytes.length === 0) return
    let start = 0
    for (let stop = bytes.indexOf(NEWLINE); stop >= 0; stop = bytes.indexOf(NEWLINE, start)) {
      const piece = bytes.subarray(start, stop)
      const line = partBytes === 0 ? piece : Buffer.concat([...parts, piece])
      const next = position + stop + 1
      yield { offset, bytes: isTooLong ? undefined : line, next }
      parts = []
      partBytes = 0
      isTooLong = false
      offset = next
      start = stop + 1
    }
    position += bytes.length
    if (start < bytes.length) {
      parts.push(bytes.subarray(start))
      partBytes += bytes.length - start
    }
    isTooLong ||= partBytes > MAX_LINE_BYTES
    if (isTooLong) {
      parts = []
      partBytes = 0
      offset = position
      yield { offset, bytes: undefined, next: position }
    }
  }
}

/**
 * The text of all lines of a file, also of an incomplete one at its end, without byte order marks.
 * @throws Error if the file cannot be read; see `openToRead`
 */
export function* readLines(path: string): Generator<string> {
  const descriptor = openToRead(path)
  try {
    const { size } = fstatSync(descriptor)
    const read = (buffer: Buffer, position: number) => readSync(descriptor, buffer, 0, buffer.length, position)
    let end = 0
    for (const { bytes, next } of linesBetween(read, 0, size)) {
      end = next
      if (bytes !== undefined) yield withoutByteOrderMark(bytes.toString('utf8'))
    }
    if (end === size || size - end > MAX_LINE_BYTES) return
    const rest = Buffer.alloc(size - end)
    yield withoutByteOrderMark(rest.toString('utf8', 0, read(rest, end)))
  } finally {
    closeSync(descriptor)
  }
}
