import { ConfigError } from '../src/config.ts'

/** Ends the program with one line that says what is wrong and how to mend it. */
export function fail(code: number, message: string): never {
  console.error(`mesh-chatd: ${message}`)
  process.exit(code)
}

/** Waits for a command's work; where it fails, that ends the program: with 2 for usage and config, else with 1. */
export async function endsWell(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (error instanceof ConfigError) fail(2, error.message)
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      const { port } = error as { port?: number }
      fail(1, `port ${port} is in use; stop the other program, or give another with --port`)
    }
    fail(1, message)
  }
}
