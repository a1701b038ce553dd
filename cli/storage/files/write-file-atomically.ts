import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** How to write a file; see `writeFileAtomically`. */
interface WriteOptions {
  /**
   * Moves the written file to its name. Default: `renameSync`, which replaces an existing file; `linkSync` throws EEXIST
   * if there is one.
   */
  place?: (from: string, to: string) => void
  /** Whether the file must survive a power cut once this function returns. Default: true. */
  durable?: boolean
}

/**
 * Replaces a file: readers see the old content or the new one, never a part, also after a crash. The file is readable by
 * its owner only. A symbolic link at its name is replaced, not followed.
 * @throws Error if it cannot be written; the old content is unchanged
 */
export function writeFileAtomically(
  file: string,
  content: string | readonly Uint8Array[],
  { place = renameSync, durable = true }: WriteOptions = {},
): void {
  const temporary = `${file}.${randomBytes(6).toString('hex')}`
  try {
    const target = openSync(temporary, 'wx', 0o600)
    try {
      for (const bytes of typeof content === 'string' ? [Buffer.from(content)] : content) writeAll(target, bytes)
      if (durable) fsyncSync(target)
    } finally {
      closeSync(target)
    }
    place(temporary, file)
    if (durable) syncFolder(dirname(file))
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** Writes all bytes at the position of a descriptor. */
export function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done)
}

/** Makes the names in a folder survive a power cut, as far as its file system can. */
export function syncFolder(folder: string): void {
  // Windows cannot open a folder.
  if (process.platform === 'win32') return
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } catch (error) {
    // Some file systems cannot do this for a folder.
    if (!['EINVAL', 'ENOTSUP', 'EBADF'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  } finally {
    closeSync(descriptor)
  }
}
