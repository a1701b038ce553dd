/** Standard input, read as a stream: it may come slowly, and in parts of any size. */
import { fstatSync } from 'node:fs'
import { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { readErrorReason } from '../../src/programs/command-line/fail.ts'
import { withoutByteOrderMark } from '../../src/programs/json-text.ts'

/** Most bytes of an input that is read as a whole. */
const MAX_INPUT_BYTES = 4 << 20
/** Most characters of a line. */
const MAX_LINE_CHARACTERS = 4 << 20

/**
 * Reads all of stdin as text. A byte order mark is skipped, and CRLF becomes LF.
 * @throws Error (rejects) if it cannot be read, or has more than 4 MiB; the message says so in a short clause
 */
export async function readInput(stream = openStdin()): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of stream) {
      chunks.push(Buffer.from(chunk))
      size += chunk.length
      if (size > MAX_INPUT_BYTES) break
    }
  } catch (error) {
    throw new Error(`cannot read stdin: ${readErrorReason(error)}`)
  }
  if (size > MAX_INPUT_BYTES) throw new Error(`stdin has more than ${MAX_INPUT_BYTES >> 20} MiB`)
  return withoutByteOrderMark(Buffer.concat(chunks).toString()).replaceAll('\r\n', '\n')
}

export interface LineReaderOptions {
  onLine: (line: string) => void
  /** Called in place of `onLine` for a line of more than 4 Mi characters, which is skipped. */
  onLongLine: () => void
  /** Called once, at the end of the input, after `close`, or when it cannot be read; then with the reason. */
  onEnd: (error?: string) => void
}

/**
 * Reads lines from stdin. They end with LF or CRLF, never with another separator: JSON lines may contain U+2028. A byte
 * order mark is skipped.
 */
export class LineReader {
  readonly #options: LineReaderOptions
  readonly #stream: Readable
  readonly #decoder = new StringDecoder('utf8')
  #rest = ''
  #isFirst = true
  #isSkipping = false
  #isClosed = false

  constructor(options: LineReaderOptions, stream = openStdin()) {
    this.#options = options
    this.#stream = stream
    stream.on('data', (chunk: Buffer) => this.#read(this.#decoder.write(chunk)))
    stream.on('end', () => {
      this.#read(this.#decoder.end())
      if (!this.#isClosed && (this.#rest !== '' || this.#isSkipping)) this.#endLine(this.#rest)
      this.#end()
    })
    // Questions before the start have paused it.
    stream.resume()
    stream.on('error', error => this.#end(`cannot read stdin: ${readErrorReason(error)}`))
  }

  /** Stops reading; what has not been handled yet is dropped. */
  close(): void {
    this.#end()
  }

  #read(text: string): void {
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0 && !this.#isClosed; end = text.indexOf('\n', from)) {
      const line = this.#rest + text.slice(from, end)
      this.#rest = ''
      from = end + 1
      this.#endLine(line)
    }
    if (this.#isClosed) return
    if (!this.#isSkipping) this.#rest += text.slice(from)
    if (this.#rest.length <= MAX_LINE_CHARACTERS) return
    this.#isSkipping = true
    this.#rest = ''
  }

  #endLine(line: string): void {
    const isLong = this.#isSkipping || line.length > MAX_LINE_CHARACTERS
    const isFirst = this.#isFirst
    this.#isSkipping = false
    this.#isFirst = false
    if (isLong) return this.#options.onLongLine()
    const text = line.endsWith('\r') ? line.slice(0, -1) : line
    this.#options.onLine(isFirst ? withoutByteOrderMark(text) : text)
  }

  #end(error?: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stream.pause()
    this.#options.onEnd(error)
  }
}

/** Node reads a folder as an empty stdin; here it is an error, as with other files. */
function openStdin(): Readable {
  const isFolder = fstatSync(0).isDirectory()
  const error = Object.assign(new Error('it is a folder'), { code: 'EISDIR' })
  return isFolder ? new Readable({ read: () => void 0 }).destroy(error) : process.stdin
}
