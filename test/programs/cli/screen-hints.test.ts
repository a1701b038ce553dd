/** What the screen tells in a real terminal: senders, quotes, the ends of a search, notices, and who is online. */
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { TestMesh, until } from '../../support/programs/test-mesh.ts'
import { Tmux, type Window } from '../../support/programs/tmux.ts'

const mesh = new TestMesh()
const tmux = new Tmux()

function open(user: string, to: string): Window {
  const home = join(mesh.folder, user)
  const program = `${process.execPath} ${join(process.cwd(), 'dist/cli/main.js')}`
  const env = `env -u CI -u NO_COLOR XDG_STATE_HOME=${home} XDG_CONFIG_HOME=${home}`
  return tmux.open(user, `${env} ${program} --user ${user} --to ${to} --port ${mesh.ports[0]}`, 100, 24)
}

async function startServer() {
  const server = mesh.start(1)
  await until(() => expect(server.out).toContain('Listening'))
  return server
}

beforeEach(() => mesh.configure(1))

afterAll(() => {
  tmux.kill()
  mesh.stop()
})

test('names, search, details, notices, help and the users online', async () => {
  const server = await startServer()
  const anna = open('Anna', 'Billy')
  const billy = open('Billy', 'Anna')
  for (const window of [anna, billy]) await window.until(screen => expect(screen).toContain('● online'))
  for (let n = 1; n <= 25; n++) anna.sendKeys(`message ${n}`, 'Enter')
  // The sender is at the top of the view, too.
  await billy.until(screen => expect(screen).toMatch(/│ \d\d:\d\d +Anna +message \d+\n[\s\S]*message 25\n/))
  billy.sendKeys('M-k', '+', '1')
  await billy.until(screen => expect(screen).toContain('👍 1 Billy'))
  await anna.until(screen => expect(screen).toContain('👍 1 Billy'))
  anna.sendKeys('M-i')
  await anna.until(screen => expect(screen).toMatch(/Reactions\n {2}👍 1 +Billy\n/))
  anna.sendKeys('C-g')

  // The ends of a search; Alt+K selects its match.
  anna.sendKeys('C-s', 'message 7')
  await anna.until(screen => expect(screen).toContain('Ctrl+S older match'))
  anna.sendKeys('C-s')
  await anna.until(screen => expect(screen).toContain('no older match'))
  anna.sendKeys('Enter')
  await anna.until(screen => expect(screen).toContain('match: Alt+K selects the message, Esc leaves it'))
  await anna.until(() => expect(anna.screen('-e')).toMatch(/\u001b\[7mmessage 7/))
  anna.sendKeys('C-g')
  await anna.until(screen => expect(screen).not.toContain('match: '))

  // A notice goes by itself.
  anna.sendKeys('/mute', 'Enter')
  await anna.until(screen => expect(screen).toContain('Billy is muted'))
  await anna.until(screen => expect(screen).not.toContain('Billy is muted'))

  anna.sendKeys('/help react', 'Enter')
  await anna.until(screen => expect(screen).toMatch(/Help: react\nCommands\n {2}\/react .*\n\n/))
  anna.sendKeys('C-g', '/react @b', 'Tab')
  await anna.until(screen => expect(screen).toContain('› /react @Billy'))
  anna.sendKeys('C-u', 'a draft', 'C-o', 'Anna', 'Enter')
  await anna.until(screen => expect(screen).toMatch(/● Billy +~ \* /))

  // Without a connection it is not known who is online.
  server.child.kill('SIGKILL')
  await anna.until(screen => {
    expect(screen).toMatch(/· Billy +~ \* /)
    expect(screen).not.toMatch(/●|\d online/)
  })
  anna.sendKeys('/who', 'Enter')
  await anna.until(screen => expect(screen).toContain('not connected: who is online is not known'))
  await startServer()
  await anna.until(screen => expect(screen).toMatch(/● Billy +~ \* /))
})

test('what was not read is unread after a restart', async () => {
  await startServer()
  const carla = open('Carla', 'Dora')
  const dora = open('Dora', 'Emil')
  for (const window of [carla, dora]) await window.until(screen => expect(screen).toContain('2 online'))
  carla.sendKeys('first', 'Enter')
  await dora.until(screen => expect(screen).toMatch(/Carla +1 │/))
  dora.sendKeys('M-a')
  await dora.until(screen => expect(screen).toMatch(/│ Carla .*[\s\S]*first\n/))
  dora.sendKeys('/query Emil', 'Enter')
  await dora.until(screen => expect(screen).toContain('│ Emil '))
  carla.sendKeys('second', 'Enter', 'third', 'Enter')
  await dora.until(screen => expect(screen).toMatch(/Carla +2 │/))
  dora.sendKeys('/quit', 'Enter')
  await until(() => expect(() => dora.screen()).toThrow())
  const again = open('Dora', 'Emil')
  await again.until(screen => expect(screen).toMatch(/Carla +2 │[\s\S]*2 unread/))
  again.sendKeys('M-a')
  await again.until(screen => expect(screen).toMatch(/first\n.*── new ─.*\n.* second\n.* third\n/))
  again.sendKeys('/quit', 'Enter')
  await until(() => expect(() => again.screen()).toThrow())
  const last = open('Dora', 'Emil')
  await last.until(screen => expect(screen).toContain('2 online'))
  expect(last.screen()).not.toContain('unread')
})
