/** The client without a server, in a real terminal: from the first start on it can be used, and loses nothing. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestMesh } from '../../support/programs/test-mesh.ts'
import { Tmux, type Window } from '../../support/programs/tmux.ts'

const mesh = new TestMesh()
const tmux = new Tmux()
const program = `${process.execPath} ${join(process.cwd(), 'dist/cli/main.js')}`
let windows = 0

/** Opens the client in an empty folder, with its own state and config. */
function open(args: string, folder: string): Window {
  const home = join(mesh.folder, folder)
  mkdirSync(home, { recursive: true })
  const env = `env -u CI -u NO_COLOR XDG_STATE_HOME=${home} XDG_CONFIG_HOME=${home}`
  return tmux.open(`w${++windows}`, `cd ${home}; ${env} ${program} ${args}; echo "exit code $?"; exec sleep 600`, 120)
}

beforeAll(() => mesh.configure(1))
afterAll(() => {
  tmux.kill()
  mesh.stop()
})

test('asks two questions at the first run, keeps what is written without a server, and sends it when one comes', async () => {
  const first = open('', 'zoe')
  await first.until(screen => expect(screen).toMatch(/^Your name .*:$/m))
  first.sendKeys('#no', 'Enter')
  await first.until(screen => expect(screen).toMatch(/cannot start with #[\s\S]*Your name .*:\n/))
  first.sendKeys('Zoe', 'Enter')
  await first.until(screen => expect(screen).toContain('Server [http://127.0.0.1:3001]:'))
  first.sendKeys(`127.0.0.1:${mesh.ports[0]}`, 'Enter')
  await first.until(screen => expect(screen).toMatch(/No server answers at http.*What you write waits here/s))
  first.sendKeys('/query Zoe', 'Enter')
  await first.until(screen => expect(screen).toContain('message to Zoe'))
  for (const text of ['to be kept', 'to be cancelled']) first.sendKeys(text, 'Enter')
  await first.until(screen => expect(screen).toMatch(/… +to be cancelled/))
  first.sendKeys('/cancel', 'Enter')
  await first.until(screen => expect(screen).toMatch(/› to be cancelled$/m))
  await first.until(screen => expect(screen).not.toMatch(/… +to be cancelled/))
  first.sendKeys(' a draft', 'C-c')
  first.sendKeys('C-y', '!')
  await first.until(screen => expect(screen).toMatch(/› to be cancelled a draft!$/m))
  const children = readFileSync(`/proc/${first.query('pane_pid')}/task/${first.query('pane_pid')}/children`, 'utf8')
  process.kill(Number(children.trim()), 'SIGTERM')
  await first.until(screen => expect(screen).toContain('exit code 143'))

  // Nothing is asked again, and the thread, the waiting message and the draft are there.
  const second = open('', 'zoe')
  await second.until(screen => expect(screen).toMatch(/… +Zoe +to be kept[\s\S]*› to be cancelled a draft!$/m))
  expect(second.screen()).not.toMatch(/… +to be cancelled/)
  second.sendKeys('C-s', 'kept')
  await second.until(screen => expect(screen).toContain('Ctrl+S older match'))
  second.sendKeys('C-g', 'C-u', 'C-d')
  await second.until(screen => expect(screen).toContain('1 message waits for Zoe'))
  second.sendKeys('C-d')
  await second.until(screen => expect(screen).toContain('exit code 0'))

  const third = open('', 'zoe')
  await third.until(screen => expect(screen).toMatch(/… +Zoe +to be kept/))
  mesh.start(1)
  await third.until(screen => expect(screen).toMatch(/✓ +Zoe +to be kept/))
  expect(third.screen()).not.toContain('to be cancelled')
})

test('Ctrl+C at a question ends with 130', async () => {
  const window = open('', 'nobody')
  await window.until(screen => expect(screen).toContain('Your name'))
  window.sendKeys('C-c')
  await window.until(screen => expect(screen).toContain('exit code 130'))
})
