/** Exit codes of both programs: clig.dev's conventions, and sysexits.h for `unavailable`. */
export const EXIT = { general: 1, usage: 2, offline: 3, unavailable: 69 } as const

let programName = 'mesh-chat'

/** Sets the name that error messages start with. Each program calls this once, before anything can fail. */
export function setProgramName(name: string): void {
  programName = name
}

/** Ends the process with an exit code and one line on stderr that says what happened and what to do. */
export function fail(code: number, message: string): never {
  console.error(`${programName}: ${message}`)
  process.exit(code)
}
