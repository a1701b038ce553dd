/** Standard output of long-running commands: written in order without blocking, and awaited before the exit. */
import { fstatSync, writeSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { endAfterWriteError } from '../../src/programs/command-line/print.ts'

/** Most bytes that wait for a slow reader. */
const MAX_WAITING_BYTES = 64 << 20

export class Stdout {
  readonly #stream: Writable
  /** The descriptor of a file or device, which is written at once; undefined: a pipe, socket or terminal. */
  readonly #file: number | undefined
  readonly #end: (code: number, message?: string) => void
  #hasFailed = false

  /**
   * @param end called once, if the output cannot be written: with 0 if the reader has closed the pipe, else with an exit
   *   code and an error
   * @param file the descriptor of `stream`, if it is a file or device
   */
  constructor(
    end: (code: number, message?: string) => void,
    stream: Writable = process.stdout,
    file = fileDescriptor(process.stdout),
  ) {
    this.#end = end
    this.#stream = stream
    this.#file = file
    stream.on('error', error => this.#fail(error))
  }

  write(text: string): void {
    if (this.#hasFailed) return
    if (this.#file !== undefined) return this.#writeFile(this.#file, text)
    this.#stream.write(text)
    if (this.#stream.writableLength <= MAX_WAITING_BYTES) return
    this.#fail(new Error(`its reader is too slow: ${MAX_WAITING_BYTES >> 20} MiB wait`))
  }

  /** Lines for stdout, and errors for stderr. */
  asConsole(): Pick<Console, 'log' | 'error'> {
    return { log: line => this.write(`${line}\n`), error: line => console.error(line) }
  }

  /** Resolves when everything is written, with the error that was met meanwhile; at once if there was one before. */
  flush(): Promise<unknown> {
    return new Promise(resolve => {
      if (this.#hasFailed || this.#file !== undefined) return resolve(undefined)
      this.#stream.write('', error => resolve(error ?? undefined))
    })
  }

  /** A stream of Node writes a part of a chunk to a full disk, and loses the rest silently: write in a loop. */
  #writeFile(file: number, text: string): void {
    const bytes = Buffer.from(text)
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done)
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    endAfterWriteError(error, this.#end, this.#end)
  }
}

function fileDescriptor({ isTTY }: { isTTY?: boolean }): number | undefined {
  if (isTTY) return undefined
  const info = fstatSync(1)
  return info.isFile() || info.isCharacterDevice() || info.isBlockDevice() ? 1 : undefined
}
