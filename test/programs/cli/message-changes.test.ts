/** Replies, edits, deletions and reactions in a real terminal: keys typed into tmux, and the screens read back. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
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

beforeAll(async () => {
  await mesh.configure(1)
  const server = mesh.start(1)
  await until(() => expect(server.out).toContain('Listening'))
})

afterAll(() => {
  tmux.kill()
  mesh.stop()
})

test('users reply, react, edit and delete by keys, also after a restart', async () => {
  const anna = open('Anna', 'Billy')
  const billy = open('Billy', 'Anna')
  for (const window of [anna, billy]) await window.until(screen => expect(screen).toContain('● online'))
  anna.sendKeys('Lunch now?', 'Enter')
  await billy.until(screen => expect(screen).toMatch(/Anna +Lunch now\?/))

  // Alt+K selects, r replies, + reacts.
  billy.sendKeys('M-k')
  await billy.until(screen => expect(screen).toContain('r reply  e edit  d delete  + react'))
  await billy.until(() => expect(billy.screen('-e')).toMatch(/\u001b\[7m[^\n]*Anna/))
  billy.sendKeys('r', 'mee', 'Enter')
  await anna.until(screen => expect(screen).toMatch(/Billy +│ Anna: Lunch now\?\n.* mee/))
  billy.sendKeys('M-k', 'M-k', '+', '2')
  await anna.until(screen => expect(screen).toMatch(/Anna +Lunch now\?\n.* 🎉 1 Billy/))

  // e edits the own message in the input line.
  billy.sendKeys('M-k', 'e')
  await billy.until(screen => expect(screen).toContain('› mee'))
  billy.sendKeys('BSpace', 'Enter')
  for (const window of [anna, billy])
    await window.until(screen => expect(screen).toMatch(/Billy +│ Anna: Lunch now\?\n.* me \(edited\)/))
  anna.sendKeys('/me waves', 'Enter')
  await billy.until(screen => expect(screen).toMatch(/\* +Anna waves/))

  // d asks, and deletes for everyone.
  anna.sendKeys('M-k', 'd')
  await anna.until(screen => expect(screen).toContain('d to delete for everyone'))
  anna.sendKeys('d')
  for (const window of [anna, billy]) await window.until(screen => expect(screen).toMatch(/Anna +message deleted/))

  billy.close()
  const again = open('Billy', 'Anna')
  await again.until(screen =>
    expect(screen).toMatch(
      /Anna +Lunch now\?\n.* 🎉 1 Billy.*\n.*Billy +│ Anna: Lunch now\?\n.* me \(edited\)\n.*Anna +message deleted/,
    ),
  )
})

test('a message that the server has for an offline user is taken back, and that user sees nothing of it', async () => {
  const dora = open('Dora', 'Carla')
  await dora.until(screen => expect(screen).toContain('Dora (you)'))
  dora.sendKeys('not for Carla', 'Enter')
  // Carla was never seen: a second Enter sends.
  await dora.until(screen => expect(screen).toContain('never seen "Carla"'))
  dora.sendKeys('Enter')
  await dora.until(screen => expect(screen).toMatch(/… +Dora +not for Carla/))
  dora.sendKeys('M-i')
  await dora.until(screen => expect(screen).toContain('the recipient is offline'))
  dora.sendKeys('M-c')
  await dora.until(screen => {
    expect(screen).toMatch(/:\d\d {4}Dora +message deleted/)
    expect(screen).toMatch(/› not for Carla$/m)
  })
  dora.sendKeys('C-u', 'but this', 'Enter')
  await dora.until(screen => expect(screen).toMatch(/… +but this/))

  const carla = open('Carla', 'Dora')
  await carla.until(screen => expect(screen).toMatch(/Dora +but this/))
  await dora.until(screen => expect(screen).toMatch(/:\d\d +Dora +message deleted\n.*✓ +but this/))
  expect(carla.screen()).not.toContain('deleted')
})
