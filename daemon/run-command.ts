import { EXIT, fail } from '../src/programs/command-line/fail.ts'
import { ConfigError } from '../src/programs/config.ts'

/** Awaits a command. If it fails, ends the process: exit code 2 for usage and config errors, else 1. */
export async function runCommand(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    fail(error instanceof ConfigError ? EXIT.usage : EXIT.general, (error as Error).message)
  }
}
