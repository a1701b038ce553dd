/** Rooms in a real terminal: two clients on two servers, keys typed into tmux, and the screens read back. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestMesh, until } from '../../support/programs/test-mesh.ts'
import { Tmux, type Window } from '../../support/programs/tmux.ts'

const mesh = new TestMesh()
const tmux = new Tmux()

/** Opens a client with 80 columns and 24 rows, and its own state and config folders. */
function open(user: string, server: number): Window {
  const home = join(mesh.folder, user)
  const program = `${process.execPath} ${join(process.cwd(), 'dist/cli/main.js')}`
  const env = `env -u CI -u NO_COLOR XDG_STATE_HOME=${home} XDG_CONFIG_HOME=${home}`
  const command = `${env} ${program} --user ${user} --port ${mesh.ports[server - 1]}`
  return tmux.open(user, `${command}; echo "exit code $?"; exec sleep 600`, 80, 24)
}

beforeAll(async () => {
  await mesh.configure(2)
  const servers = [mesh.start(1), mesh.start(2)]
  for (const server of servers) await until(() => expect(server.out).toContain('Outbound connection to peer'))
})

afterAll(() => {
  tmux.kill()
  mesh.stop()
})

test('users on two servers talk in a room: invitation, receipts, mentions, members and leaving', async () => {
  const anna = open('Anna', 1)
  const billy = open('Billy', 2)
  for (const window of [anna, billy]) await window.until(screen => expect(screen).toContain('2 online'))
  anna.sendKeys('/join ops', 'Enter')
  await anna.until(screen => expect(screen).toContain('│ #ops  ● 1 member'))

  // Anna invites Billy, who joins with one key.
  anna.sendKeys('/invite Billy', 'Enter')
  await billy.until(screen => expect(screen).toContain('Anna invites you to #ops; /join #ops'))
  billy.sendKeys('/query Anna', 'Enter')
  await billy.until(screen => expect(screen).toContain('Alt+J joins #ops'))
  billy.sendKeys('M-j')
  await billy.until(screen => expect(screen).toContain('│ #ops  ● 2 members'))
  await anna.until(screen => expect(screen).toMatch(/│ #ops {2}● 2 members[\s\S]*Billy joined/))

  anna.sendKeys('Hi all', 'Enter')
  await anna.until(screen => expect(screen).toMatch(/✓1\/1 Anna +Hi all/))
  await billy.until(screen => expect(screen).toMatch(/Anna +Hi all/))
  anna.sendKeys('M-i')
  await anna.until(screen =>
    expect(screen).toMatch(/delivered to 1 of 1 other members\n[\s\S]*Delivered to\n.* Billy\n/),
  )
  anna.sendKeys('C-g')

  // A mention is counted apart while another thread is open.
  anna.sendKeys('/query Billy', 'Enter')
  await anna.until(screen => expect(screen).toContain('│ Billy  ● online'))
  billy.sendKeys('hello', 'Enter', '@an', 'Tab', 'Enter')
  await anna.until(screen => expect(screen).toMatch(/● #ops +@1 1 │/))
  anna.sendKeys('M-a')
  await anna.until(screen => expect(screen).toMatch(/── new ─[\s\S]*Billy +hello\n.* @Anna/))
  anna.sendKeys('F8')
  await anna.until(screen => expect(screen).toMatch(/Members of #ops 2\n.*● Anna \(you\)\n.*● Billy/))
  anna.sendKeys('C-g')

  billy.sendKeys('/rooms', 'Enter')
  await billy.until(screen => expect(screen).toMatch(/● #ops {2}2/))
  billy.sendKeys('C-g')
  billy.sendKeys('/part', 'Enter')
  await billy.until(screen => expect(screen).toContain('left #ops'))
  await anna.until(screen => expect(screen).toMatch(/│ #ops {2}● 1 member[\s\S]*Billy left/))
  await billy.until(screen => expect(screen).not.toMatch(/#ops .*│/))
  for (const window of [anna, billy]) {
    window.sendKeys('C-d')
    await window.until(screen => expect(screen).toContain('exit code 0'))
  }
})
