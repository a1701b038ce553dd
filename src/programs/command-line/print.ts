/** Standard output of commands that print and end: every byte is written before the call returns. */
import { writeSync } from 'node:fs'
import { EXIT, fail } from './fail.ts'

const STDOUT = 1
/** Characters that are collected before they are written. */
const CHUNK_CHARACTERS = 1 << 16
/** Pause before another attempt to write into a full pipe that does not block, ms. */
const RETRY_MS = 5

/**
 * Prints a text. Waits while the reader is slow. Ends the process with 0 if the reader has closed the pipe, and with
 * `EXIT.general` if the output cannot be written, for example because the disk is full.
 */
export function print(text: string): void {
  const bytes = Buffer.from(text)
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(STDOUT, bytes, done)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return endAfterWriteError(error, process.exit, fail)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
    }
  }
}

/** Prints lines. They may come from a generator: only a part is in memory at a time. */
export function printLines(lines: Iterable<string>): void {
  let chunk = ''
  for (const line of lines) {
    chunk += `${line}\n`
    if (chunk.length < CHUNK_CHARACTERS) continue
    print(chunk)
    chunk = ''
  }
  print(chunk)
}

export function printLine(line: string): void {
  print(`${line}\n`)
}

/** Ends the process after an error of standard output: quietly if the reader has closed the pipe, else with an error. */
export function endAfterWriteError(
  error: unknown,
  end: (code: number) => void,
  failWith: (code: number, message: string) => void,
): void {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EPIPE' || code === 'ECONNRESET') return end(0)
  const reason =
    code === 'ENOSPC' || code === 'EDQUOT' ? 'no space is left' : code === 'EIO' ? 'the device failed' : message
  failWith(EXIT.general, `cannot write the output: ${reason}; what was printed is incomplete`)
}
