/** Exit codes, after sysexits.h where there is one. */
export const EXIT = { general: 1, usage: 2, offline: 3, unavailable: 69 } as const

/** Ends the program with one line that says what is wrong and how to mend it. */
export function fail(code: number, message: string): never {
  console.error(`mesh-chat: ${message}`)
  process.exit(code)
}
