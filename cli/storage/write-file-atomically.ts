import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'

/**
 * Replaces a file: readers see the old content or the new one, never a part, also after a crash. The file is readable by
 * its owner only.
 * @throws Error if it cannot be written; the old content is unchanged
 */
export function writeFileAtomically(file: string, text: string): void {
  const temporary = `${file}.${randomBytes(6).toString('hex')}`
  try {
    const target = openSync(temporary, 'wx', 0o600)
    try {
      const bytes = Buffer.from(text)
      for (let done = 0; done < bytes.length; ) done += writeSync(target, bytes, done)
      fsyncSync(target)
    } finally {
      closeSync(target)
    }
    renameSync(temporary, file)
  } finally {
    rmSync(temporary, { force: true })
  }
}
