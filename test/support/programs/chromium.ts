/** The Chromium of the machine, for tests of pages in a browser. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { removeFolder, temporaryFolder } from './processes.ts'

const COMMAND = ['chromium', 'google-chrome', 'chromium-browser'].find(
  command => spawnSync(command, ['--version']).status === 0,
)

/** Why the tests with a browser are skipped; undefined: they run. CI never skips them. */
export const chromiumMissingReason =
  COMMAND !== undefined || process.env.CI !== undefined
    ? undefined
    : 'Chromium is not installed; run apt-get install -y chromium'

if (chromiumMissingReason !== undefined) console.log(`Skipping the tests with a browser: ${chromiumMissingReason}`)

/** A browser that shows one page. */
export class Chromium {
  readonly #child: ChildProcess
  readonly #folder = join(temporaryFolder(), 'profile')
  /** What the browser has printed. */
  out = ''

  /** @param more options of the browser */
  constructor(url: string, ...more: string[]) {
    // Tests may run as root, which has no sandbox; the pages are those of the test.
    const options = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run']
    const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync']
    // Its own process group: a wrapper script starts the browser.
    this.#child = spawn(
      COMMAND ?? 'chromium',
      [...options, ...quiet, ...more, `--user-data-dir=${this.#folder}`, url],
      {
        detached: true,
      },
    )
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.out += chunk
      })
  }

  async close(): Promise<void> {
    const { pid, exitCode } = this.#child
    if (pid !== undefined && exitCode === null) {
      const exit = once(this.#child, 'exit')
      process.kill(-pid, 'SIGKILL')
      await exit
    }
    removeFolder(this.#folder)
  }
}
