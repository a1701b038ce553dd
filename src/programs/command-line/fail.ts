/**
 * Exit codes of both programs: clig.dev's conventions; `unavailable` and `crash` are those of sysexits.h. A signal that
 * ends a program gives 128 + its number.
 */
export const EXIT = { general: 1, usage: 2, offline: 3, unconfirmed: 4, unavailable: 69, crash: 70 } as const

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

/**
 * Makes an uncaught error end the process with `EXIT.crash`. A listener that is added later replaces this one: the full
 * screen must restore the terminal before it prints.
 */
export function exitOnCrash(): void {
  process.on('uncaughtException', error => {
    if (process.listenerCount('uncaughtException') > 1) return
    console.error(error)
    process.exit(EXIT.crash)
  })
}

/** Why a file could not be read, in words. */
export function readErrorReason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'no such file'
  if (code === 'EACCES') return 'permission denied'
  if (code === 'EISDIR') return 'it is a folder'
  return message
}
