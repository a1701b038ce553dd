/**
 * Opens and reads the files of the data folder. Whatever has the name of a file there, nothing blocks, and no memory is used
 * without a bound: a named pipe, a device, a folder or a file that is too large is an error.
 */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'

/** Largest file that is read as a whole, unless the caller allows another size. */
const MAX_FILE_BYTES = 16 << 20

/** What is not a regular file; `code` is EISDIR or EFTYPE, or EFBIG for a file that is too large. */
class FileTypeError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

// Windows lacks some of these flags. Without O_NONBLOCK, opening a named pipe waits for its other end.
const NEVER_BLOCK = (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0)
const READ = constants.O_RDONLY | NEVER_BLOCK
/** Does not follow symbolic links: lines must not be added to a file that is somewhere else. */
const APPEND = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0) | NEVER_BLOCK

/**
 * Opens a regular file, or a symbolic link to one.
 * @throws Error with a `code`
 */
export function openToRead(path: string): number {
  return openRegular(path, READ)
}

/**
 * Opens a regular file to read it and to append to it; creates it for its owner only. Symbolic links are an error.
 * @throws Error with a `code`
 */
export function openToAppend(path: string): number {
  try {
    return openRegular(path, APPEND)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ELOOP') throw error
    throw new FileTypeError(
      'ELOOP',
      `a symbolic link instead of a file: '${path}'; put the file there, or link its folder`,
    )
  }
}

/**
 * The content of a file.
 * @throws Error with a `code`
 */
export function readFileBytes(path: string, maxBytes = MAX_FILE_BYTES): Buffer {
  const descriptor = openToRead(path)
  try {
    const { size } = fstatSync(descriptor)
    if (size > maxBytes) throw new FileTypeError('EFBIG', `more than ${maxBytes} bytes: '${path}'`)
    const bytes = Buffer.allocUnsafe(size)
    let length = 0
    while (length < size) {
      const read = readSync(descriptor, bytes, length, size - length, length)
      // Another process has shortened the file.
      if (read === 0) break
      length += read
    }
    return bytes.subarray(0, length)
  } finally {
    closeSync(descriptor)
  }
}

/** The content of a file as text; see `readFileBytes`. */
export function readFileText(path: string, maxBytes?: number): string {
  return readFileBytes(path, maxBytes).toString('utf8')
}

function openRegular(path: string, flags: number): number {
  const descriptor = openSync(path, flags, 0o600)
  const info = fstatSync(descriptor)
  if (info.isFile()) return descriptor
  closeSync(descriptor)
  throw new FileTypeError(
    info.isDirectory() ? 'EISDIR' : 'EFTYPE',
    `${describeType(info)} instead of a file: '${path}'`,
  )
}

function describeType(info: Stats): string {
  if (info.isDirectory()) return 'a folder'
  if (info.isFIFO()) return 'a named pipe'
  if (info.isSocket()) return 'a socket'
  return 'a device'
}
