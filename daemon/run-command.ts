import { ConfigError } from '../src/programs/config.ts'
import { EXIT, fail } from '../src/programs/fail.ts'

/** Awaits a command. If it fails, ends the process: exit code 2 for usage and config errors, else 1. */
export async function runCommand(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (error instanceof ConfigError) fail(EXIT.usage, error.message)
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      const { port } = error as { port?: number }
      fail(EXIT.general, `port ${port} is already in use; choose another with --port`)
    }
    fail(EXIT.general, message)
  }
}
