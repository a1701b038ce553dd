/** The client in a real terminal that stops it, and sends what no keyboard sends. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestMesh, until } from '../../support/programs/test-mesh.ts'
import { Tmux, type Window } from '../../support/programs/tmux.ts'

const mesh = new TestMesh()
const tmux = new Tmux()

beforeAll(async () => {
  await mesh.configure(1)
  const server = mesh.start(1)
  await until(() => expect(server.out).toContain('Listening for connections'))
})

afterAll(() => {
  tmux.kill()
  mesh.stop()
})

function command(user: string, args = ''): string {
  const home = join(mesh.folder, user)
  const client = `${process.execPath} ${join(process.cwd(), 'dist/cli/main.js')}`
  const env = `env -u CI -u NO_COLOR XDG_STATE_HOME=${home} XDG_CONFIG_HOME=${home}`
  return `${env} ${client} --user ${user} --port ${mesh.ports[0]} --to ${user} ${args}`
}

/** A window with a shell that has job control, and the client in its foreground. */
async function openInShell(user: string, args = ''): Promise<Window> {
  const window = tmux.open(user, 'env PS1="shell> " bash --norc --noprofile -i', 120)
  await window.until(screen => expect(screen).toContain('shell>'))
  window.sendKeys(command(user, args), 'Enter')
  await window.until(screen => expect(screen).toContain('● server-1'))
  return window
}

function clientOf(window: Window): number {
  const shell = window.query('pane_pid')
  return Number(readFileSync(`/proc/${shell}/task/${shell}/children`, 'utf8').trim())
}

/** Types characters as they are, escape sequences included. */
function send(window: Window, text: string): void {
  const bytes = [...Buffer.from(text)].map(byte => byte.toString(16).padStart(2, '0'))
  window.sendKeys('-H', ...bytes)
}

test.each(['SIGTSTP', 'SIGSTOP'] as const)(
  '%s from outside, then fg, draws the chat again, and keys work',
  async signal => {
    const window = await openInShell(signal)
    window.sendKeys('a draft')
    await window.until(screen => expect(screen).toContain('› a draft'))
    process.kill(clientOf(window), signal)
    await window.until(screen => expect(screen).toContain('Stopped'))
    if (signal === 'SIGTSTP') expect(window.query('alternate_on')).toBe('0')
    window.sendKeys('clear', 'Enter')
    await window.until(screen => expect(screen).not.toContain('Stopped'))
    window.sendKeys('fg', 'Enter')
    await window.until(screen => expect(screen).toMatch(/● server-1[\s\S]*› a draft/))
    expect(window.query('alternate_on')).toBe('1')
    window.sendKeys(' goes out', 'Enter')
    await window.until(screen => expect(screen).toMatch(new RegExp(`✓ +${signal} +a draft goes out`)))
    // A second time.
    process.kill(clientOf(window), signal)
    await window.until(screen => expect(screen).toContain('Stopped'))
    window.sendKeys('fg', 'Enter')
    await window.until(screen => expect(screen).toMatch(/● server-1/))
    window.sendKeys('C-d')
    await window.until(screen => expect(screen).toContain('shell>'))
  },
)

test('Ctrl+Z without a shell that could resume the chat does not stop it', async () => {
  const window = tmux.open('orphan', command('Orphan'))
  await window.until(screen => expect(screen).toContain('● server-1'))
  window.sendKeys('C-z')
  window.sendKeys('still here', 'Enter')
  await window.until(screen => expect(screen).toMatch(/✓ +Orphan +still here/))
})

test('inline: /quit leaves no prompt on the screen, and a stop does not either', async () => {
  const window = await openInShell('Ines', '--inline')
  window.sendKeys('one', 'Enter')
  await window.until(screen => expect(screen).toContain('Ines → Ines  one'))
  window.sendKeys('C-z')
  await window.until(screen => expect(screen).toMatch(/Stopped[^\n]*\n(.*\n)*shell>/))
  expect(window.screen()).not.toContain('›')
  window.sendKeys('fg', 'Enter')
  await window.until(screen => {
    expect(screen).toMatch(/● server-1.*\n›/)
    expect(screen.match(/● server-1/g)).toHaveLength(1)
  })
  window.sendKeys('/quit', 'Enter')
  await window.until(screen => expect(screen.trimEnd()).toMatch(/shell>$/))
  expect(window.screen()).not.toMatch(/›|● server-1/)
})

test('a paste without its end does not take the keyboard away', async () => {
  const window = await openInShell('Pia')
  send(window, '\u001b[200~pasted')
  await window.until(screen => expect(screen).toContain('› pasted'))
  send(window, '\r')
  await window.until(screen => expect(screen).toMatch(/✓ +Pia +pasted/))
  send(window, '\u001b[200~again')
  send(window, '\u0003')
  await window.until(screen => expect(screen).toContain('cleared; Ctrl+Y brings the text back'))
  send(window, '\u0003')
  send(window, '\u0003')
  await window.until(screen => expect(screen).toContain('shell>'))
})

test('replies of the terminal are not typed, and a pasted /quit with a tab is sent unchanged', async () => {
  const window = await openInShell('Rita')
  for (const reply of ['\u001b]11;rgb:1e1e/1e1e/1e1e\u001b\\', '\u001bP>|tmux 3.4\u001b\\', '\u001b_Gi=31;OK\u001b\\'])
    send(window, reply)
  send(window, 'typed')
  await window.until(screen => expect(screen).toMatch(/^› typed$/m))
  send(window, '\u0015')
  window.paste('/quit\tnow')
  await window.until(screen => expect(screen).toContain('› //quit    now'))
  window.sendKeys('Enter')
  await window.until(screen => expect(screen).toMatch(/✓ +Rita +\/quit {4}now/))
  window.sendKeys('C-d')
  await window.until(screen => expect(screen).toContain('shell>'))
})
