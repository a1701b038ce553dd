import { fail } from '../../src/programs/command-line/fail.ts'
import { endAfterWriteError } from '../../src/programs/command-line/print.ts'
import type { Stdout } from './stdout.ts'

/** Ends the process when everything that was printed is written. @param message an error for stderr */
export async function exitAfterOutput(stdout: Stdout, code: number, message?: string): Promise<void> {
  const error = await stdout.flush()
  await new Promise(resolve => process.stderr.write('', resolve))
  if (error !== undefined) return endAfterWriteError(error, process.exit, fail)
  if (message !== undefined) fail(code, message)
  process.exit(code)
}
