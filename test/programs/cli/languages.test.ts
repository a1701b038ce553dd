/** Texts of many languages in real terminals: tmux, and xterm.js, which gets the same bytes. */
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import xterm from '@xterm/headless'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { JsonClient } from '../../support/programs/json-client.ts'
import { SCREEN_NAMES, SCREEN_TEXTS } from '../../support/programs/screen-texts.ts'
import { TestMesh, until } from '../../support/programs/test-mesh.ts'
import { Tmux } from '../../support/programs/tmux.ts'

const COLUMNS = 80
const ROWS = 24
/** The column of the line at the right of the sidebar. */
const BORDER = 20
/** The rows above the status bar. */
const BODY_ROWS = ROWS - 3
/** So few that all of them are visible. */
const TEXTS_PER_SCREEN = 3

const mesh = new TestMesh()
const tmux = new Tmux()
const clients: JsonClient[] = []

beforeAll(async () => {
  await mesh.configure(1)
  const server = mesh.start(1)
  await until(() => expect(server.out).toContain('Listening for connections'))
})

afterAll(() => {
  for (const client of clients) client.child.kill('SIGKILL')
  tmux.kill()
  mesh.stop()
})

function connect(user: string): JsonClient {
  const home = join(mesh.folder, `home-${clients.length}`)
  const client = new JsonClient(user, `http://127.0.0.1:${mesh.ports[0]}`, home)
  clients.push(client)
  return client
}

/** An emulator of xterm.js that gets what a program writes to a file. */
class Emulator {
  readonly #terminal = new xterm.Terminal({ cols: COLUMNS, rows: ROWS, allowProposedApi: true })
  readonly #file: number

  constructor(file: string) {
    this.#file = openSync(file, 'r')
  }

  /** Reads what was written since the last call. */
  async update(): Promise<void> {
    const bytes = Buffer.alloc(1 << 20)
    const length = readSync(this.#file, bytes)
    await new Promise<void>(resolve => this.#terminal.write(bytes.subarray(0, length), resolve))
  }

  cell(column: number, row: number): string {
    return this.#terminal.buffer.active.getLine(row)?.getCell(column)?.getChars() ?? ''
  }

  row(row: number): string {
    return this.#terminal.buffer.active.getLine(row)?.translateToString(true) ?? ''
  }

  close(): void {
    closeSync(this.#file)
    this.#terminal.dispose()
  }
}

test('after each of many difficult texts and names, the borders are where they belong', async () => {
  const home = join(mesh.folder, 'Anna')
  const program = `${process.execPath} ${join(process.cwd(), 'dist/cli/main.js')}`
  const env = `env -u CI -u NO_COLOR XDG_STATE_HOME=${home} XDG_CONFIG_HOME=${home}`
  const command = `${env} ${program} --user Anna --port ${mesh.ports[0]} --to Billy`
  const window = tmux.open('anna', `read -r start; stty echo; ${command}; exec sleep 600`, COLUMNS, ROWS)
  const file = join(mesh.folder, 'output')
  tmux.run('pipe-pane', '-O', '-t', 'anna', `cat > ${file}`)
  window.sendKeys('Enter')
  const billy = connect('Billy')
  for (const name of SCREEN_NAMES) connect(name).send('Anna', 'hello')
  await window.until(screen => expect(screen).toMatch(/Billy[\s\S]*6 unread/))
  await until(() => expect(billy.isOnline).toBe(true))

  const emulator = new Emulator(file)
  /** The rows that are wrong in one of the terminals. @param last the text that both must show */
  const findFailures = async (name: string, last: string): Promise<string[]> => {
    const failures: string[] = []
    await emulator.update()
    const isShown = Array.from({ length: BODY_ROWS }, (_, row) => emulator.row(row)).some(row => row.includes(last))
    if (!isShown) failures.push(`${name}: xterm.js does not show ${last}`)
    const rows = window.screen().split('\n')
    for (let row = 0; row < BODY_ROWS; row++) {
      if (!/^[^│]*│ /.test(`${rows[row]} `)) failures.push(`${name}: row ${row} in tmux: ${rows[row]}`)
      if (emulator.cell(BORDER, row) !== '│') failures.push(`${name}: row ${row} in xterm.js: ${emulator.row(row)}`)
    }
    const bottom = [rows.slice(BODY_ROWS, ROWS), [0, 1, 2].map(row => emulator.row(BODY_ROWS + row))]
    for (const [status = '', input, free] of bottom) {
      const isWhole = status.includes('● server-1  Anna') && input?.startsWith('› message to Billy') && free === ''
      if (!isWhole) failures.push(`${name}: the last rows: ${status}|${input}|${free}`)
    }
    return failures
  }
  for (let from = 0; from < SCREEN_TEXTS.length; from += TEXTS_PER_SCREEN) {
    const shown = SCREEN_TEXTS.slice(from, from + TEXTS_PER_SCREEN)
    const name = shown.map(([one]) => one).join(', ')
    // Each once alone, and as rows that are full.
    for (const [, text] of shown) billy.send('Anna', `${text}\n${`${text} `.repeat(8)}`)
    billy.send('Anna', `seen ${from}.`)
    await window.until(screen => expect(screen).toContain(`seen ${from}.`))
    // Both terminals may be in the middle of a frame.
    await until(async () => expect(await findFailures(name, `seen ${from}.`)).toEqual([]))
  }
  emulator.close()
  expect(SCREEN_TEXTS.length).toBeGreaterThanOrEqual(40)
})
