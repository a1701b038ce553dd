/** Wrong clocks for processes of a test, by libfaketime. Monotonic clocks stay right, as on a machine with a wrong clock. */
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const LIBRARIES = '/usr/lib'

function findLibrary(): string | undefined {
  if (!existsSync(LIBRARIES)) return undefined
  return readdirSync(LIBRARIES)
    .map(folder => join(LIBRARIES, folder, 'faketime', 'libfaketimeMT.so.1'))
    .find(existsSync)
}

const library = findLibrary()

/** Why tests with wrong clocks are skipped; undefined: they are not. In CI they never are. */
export const faketimeMissingReason =
  library !== undefined || process.env.CI !== undefined
    ? undefined
    : 'libfaketime is not installed; run apt-get install -y faketime'

/** @param time as libfaketime takes it: `+10m`, `-1h`, `@2040-01-01 00:00:00` */
export function wrongClock(time: string): NodeJS.ProcessEnv {
  const monotonic = { FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1' }
  return { LD_PRELOAD: library, FAKETIME: time, ...monotonic }
}

/** A clock that a test can change while the process runs. */
export class SteppingClock {
  readonly #file: string

  constructor(folder: string) {
    this.#file = join(folder, 'clock')
    this.set('+0')
  }

  set(time: string): void {
    writeFileSync(this.#file, `${time}\n`)
    utimesSync(this.#file, new Date(), new Date())
  }

  get env(): NodeJS.ProcessEnv {
    const { FAKETIME: _, ...rest } = wrongClock('')
    return { ...rest, FAKETIME_TIMESTAMP_FILE: this.#file, FAKETIME_NO_CACHE: '1' }
  }
}
