/** What the terminal reports to the client, and what the client tells the terminal: focus, title, mouse, notifications. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RawClient } from '../../support/programs/raw-client.ts'
import { TestMesh, until } from '../../support/programs/test-mesh.ts'
import { Tmux, type Window } from '../../support/programs/tmux.ts'

const mesh = new TestMesh()
const tmux = new Tmux()
/** The terminal around the other tmux: its windows are attached clients. */
const outer = new Tmux(`${tmux.socket}-outer`)

beforeAll(async () => {
  await mesh.configure(1)
  const server = mesh.start(1)
  await until(() => expect(server.out).toContain('Listening for connections'))
  // The options of the server need a session.
  tmux.open('first', 'exec sleep 600')
  for (const option of ['focus-events', 'allow-passthrough']) tmux.run('set-option', '-g', option, 'on')
})

afterAll(() => {
  outer.kill()
  tmux.kill()
  mesh.stop()
})

/** A shell command that runs the client with its own folders. */
function commandLine(user: string, args: string, env = ''): string {
  const home = join(mesh.folder, user)
  const client = `${process.execPath} ${join(process.cwd(), 'dist/cli/main.js')}`
  const folders = `XDG_STATE_HOME=${home} XDG_CONFIG_HOME=${home}`
  return `env -u CI -u NO_COLOR ${folders} ${env} ${client} --user ${user} --port ${mesh.ports[0]} ${args}`
}

function open(user: string, args: string, preferences: object = {}, env = ''): Window {
  const folder = join(mesh.folder, user, 'mesh-chat')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ preferences }))
  return tmux.open(user, `${commandLine(user, args, env)}; exec sleep 600`, 100, 24)
}

const modesOf = (window: Window) =>
  ['mouse_standard_flag', 'mouse_sgr_flag', 'alternate_on'].map(variable => window.query(variable))

/** Types bytes as the terminal sends them. */
function send(window: Window, text: string): void {
  window.sendKeys('-H', ...[...Buffer.from(text)].map(byte => byte.toString(16).padStart(2, '0')))
}

/** Clicks at the start of the first row that starts with this text. */
async function click(window: Window, start: string): Promise<void> {
  let row = 0
  await window.until(screen => {
    row = screen.split('\n').findIndex(line => line.startsWith(start)) + 1
    expect(row).toBeGreaterThan(0)
  })
  send(window, `\u001b[<0;3;${row}M\u001b[<0;3;${row}m`)
}

test('a message in the open thread is unread while no terminal shows it, and is announced; the title has the count', async () => {
  const announced = join(mesh.folder, 'announced')
  const anna = open('Anna', '--to Billy', {
    notifyCommand: ['sh', '-c', `printf '%s|%s\\n' "$1" "$2" >> ${announced}`, 'sh', '%t', '%m'],
  })
  const billy = open('Billy', '--to Anna')
  for (const window of [anna, billy]) await window.until(screen => expect(screen).toContain('● online'))
  const attach = `env -u TMUX TERM=xterm-256color tmux -L ${tmux.socket} attach -t Anna`
  const terminal = outer.open('outer', attach, 100, 24)
  await terminal.until(screen => expect(screen).toContain('Billy  ● online'))
  await until(() => expect(anna.query('pane_title')).toBe('mesh-chat — Anna'))
  // Seen: no count.
  billy.sendKeys('seen', 'Enter')
  await anna.until(screen => expect(screen).toMatch(/Billy +seen/))
  await until(() => expect(anna.query('pane_title')).toBe('mesh-chat — Anna'))
  tmux.run('detach-client', '-s', 'Anna')
  // The client knows that it has lost the focus when it has handled two clicks, which come after that on its input. A key
  // would give it the focus back.
  await until(() => expect(tmux.run('list-clients', '-t', 'Anna')).toBe(''))
  const zoe = await RawClient.connect(`http://127.0.0.1:${mesh.ports[0]}`, 'Zoe')
  await click(anna, ' Zoe')
  await anna.until(screen => expect(screen).toContain('│ Zoe'))
  await click(anna, '1 ● Billy')
  await anna.until(screen => expect(screen).toContain('│ Billy  ● online'))
  billy.sendKeys('not seen; $(true)', 'Enter')
  await anna.until(screen => expect(screen).toContain('1 unread'))
  await until(() => expect(anna.query('pane_title')).toBe('(1) mesh-chat — Anna'))
  await until(() => expect(readFileSync(announced, 'utf8')).toBe('Billy|not seen; $(true)\n'))
  zoe.close()
  outer.open('again', attach, 100, 24)
  await anna.until(screen => expect(screen).toMatch(/── new ─[\s\S]*not seen/))
  await until(() => expect(anna.query('pane_title')).toBe('mesh-chat — Anna'))
  await anna.until(screen => expect(screen).not.toContain('unread'))
})

test('a notification passes through tmux to the terminal around it', async () => {
  const log = join(mesh.folder, 'passed.log')
  const carla = open('Carla', '--to Nobody', { notify: 'osc777' })
  const dora = open('Dora', '--to Carla')
  await dora.until(screen => expect(screen).toContain('● online'))
  outer.open('passing', `env -u TMUX TERM=xterm-256color tmux -L ${tmux.socket} attach -t Carla`, 100, 24)
  await outer.window('passing').until(screen => expect(screen).toContain('● server-1'))
  outer.run('pipe-pane', '-t', 'passing', `cat > ${log}`)
  await carla.until(screen => expect(screen).toContain('● server-1'))
  dora.sendKeys('hello', 'Enter')
  await until(() => expect(readFileSync(log, 'utf8')).toContain('\u001b]777;notify;Dora;hello\u0007'))
})

test('line mode rings and announces like the full screen, marks mentions, clears the terminal, and saves what was set', async () => {
  const log = join(mesh.folder, 'lines.log')
  const kai = open('Kai', "--plain --to '#hall'", { notify: 'osc777' })
  tmux.run('pipe-pane', '-t', 'Kai', `cat > ${log}`)
  const lena = open('Lena', "--screen-reader --to '#hall'")
  for (const window of [kai, lena]) await window.until(screen => expect(screen).toContain('* you are in #hall'))
  kai.sendKeys('/mute', 'Enter', '/highlight deploy', 'Enter')
  await kai.until(screen => expect(screen).toContain('* deploy is highlighted'))
  lena.sendKeys('quiet', 'Enter', 'Deploy now', 'Enter')
  await kai.until(screen => expect(screen).toMatch(/#hall Lena: quiet\n.*#hall Lena \(mentions you\): Deploy now/))
  const notification = '\u001b]777;notify;#hall: Lena;Deploy now\u0007'
  await until(() => expect(readFileSync(log, 'utf8')).toContain(notification))
  await until(() => expect(readFileSync(log, 'utf8').replace(notification, '').split('\u0007').length - 1).toBe(1))
  kai.sendKeys('/clear', 'Enter', '/raw', 'Enter')
  await kai.until(screen => expect(screen).toContain('* Lena wrote:\n  Deploy now'))
  await kai.until(screen => expect(screen).not.toContain('quiet'))
  const saved = readFileSync(join(mesh.folder, 'Kai', 'mesh-chat', 'config.json'), 'utf8')
  expect(JSON.parse(saved).userPreferences.Kai).toEqual({ muted: ['#hall'], highlights: ['deploy'] })
})

test('the wheel scrolls, a click opens a thread, and the mouse is the terminal’s again at the end', async () => {
  const emil = open('Emil', '--to Emil')
  await emil.until(screen => expect(screen).toContain('● server-1'))
  await until(() => expect(modesOf(emil)).toEqual(['1', '1', '1']))
  for (let n = 1; n <= 30; n++) emil.sendKeys(`note ${n}`, 'Enter')
  await emil.until(screen => expect(screen).toContain('note 30'))
  emil.sendKeys('a draft')
  send(emil, '\u001b[<64;50;5M\u001b[<64;50;5M')
  await emil.until(screen => {
    expect(screen).not.toContain('note 30')
    expect(screen).toContain('› a draft')
  })
  await click(emil, ' Dora')
  await emil.until(screen => expect(screen).toMatch(/│ Dora {2}/))
  emil.sendKeys('/set mouse off', 'Enter')
  await until(() => expect(modesOf(emil)).toEqual(['0', '0', '1']))
  emil.sendKeys('/set mouse on', 'Enter')
  await until(() => expect(modesOf(emil)).toEqual(['1', '1', '1']))
  emil.sendKeys('/quit', 'Enter')
  await until(() => expect(modesOf(emil)).toEqual(['0', '0', '0']))
  await until(() => expect(emil.query('pane_title')).not.toContain('mesh-chat —'))
})

test.each(['', '--inline'])(
  'Ctrl+X Ctrl+E edits the draft with the editor, and shows what has arrived meanwhile %s',
  async mode => {
    const user = `Fay${mode}`
    const [editor, go, temporary] = ['editor.sh', 'go', 'tmp'].map(name => join(mesh.folder, `${user}-${name}`))
    mkdirSync(`${temporary}`)
    writeFileSync(
      `${editor}`,
      `cat "$1"; echo editing; until [ -e ${go} ]; do sleep 0.05; done; printf 'two\\nlines\\n' > "$1"`,
    )
    const fay = open(user, `--to Gus ${mode}`, {}, `TMPDIR=${temporary} EDITOR='sh ${editor}'`)
    const gus = open(`Gus${mode}`, `--user Gus --to ${user}`)
    for (const window of [fay, gus]) await window.until(screen => expect(screen).toContain('● server-1'))
    fay.sendKeys('a draft', 'C-x', 'C-e')
    await fay.until(screen => expect(screen).toMatch(/a draft\nediting/))
    await until(() => expect(modesOf(fay)).toEqual(['0', '0', '0']))
    gus.sendKeys('are you there?', 'Enter')
    await gus.until(screen => expect(screen).toMatch(/✓.*are you there/))
    writeFileSync(`${go}`, '')
    await fay.until(screen => expect(screen).toMatch(/Gus +are you there\?[\s\S]*● server-1.*\n› two\n {2}lines/))
    if (mode === '') await until(() => expect(modesOf(fay)).toEqual(['1', '1', '1']))
    await until(() => expect(readdirSync(`${temporary}`)).toEqual([]))
    fay.sendKeys('Enter')
    await gus.until(screen => expect(screen).toMatch(/two\n.*lines/))
    for (const window of [fay, gus]) window.close()
  },
)

test('the terminal finds a long link, and /open opens it with the program of the user', async () => {
  const opened = join(mesh.folder, 'opened')
  const link = `http://a.example/${'x'.repeat(150)}`
  const written = join(mesh.folder, 'hugo.log')
  const opener = ['sh', '-c', `printf %s "$1" > ${opened}`, 'sh']
  const hugo = open('Hugo', '--to Hugo', { sidebar: false, links: 'on', opener })
  await hugo.until(screen => expect(screen).toContain('● server-1'))
  tmux.run('pipe-pane', '-t', 'Hugo', `cat > ${written}`)
  hugo.sendKeys(`see ${link} soon`, 'Enter')
  await hugo.until(screen => expect(screen).toMatch(/✓ +Hugo +see\nhttp.*\nx+\n +soon/))
  // tmux joins only the rows that the terminal has wrapped.
  await hugo.until(() =>
    expect(hugo.screen('-J').split('\n')).toContainEqual(expect.stringMatching(new RegExp(`^${link} *$`))),
  )
  // Both rows of the link are one hyperlink.
  await until(() => {
    const [, id = ''] = /\u001b\]8;id=([\w-]+);http/.exec(readFileSync(written, 'utf8')) ?? []
    const rows = readFileSync(written, 'utf8').split(`\u001b]8;id=${id};${link}\u001b\\`)
    expect(rows.length).toBeGreaterThanOrEqual(3)
    for (const row of rows.slice(1)) expect(row).toMatch(/^(http:\/\/a\.example\/)?x+\u001b\]8;;\u001b\\/)
  })
  hugo.sendKeys('/open 1', 'Enter')
  await until(() => expect(existsSync(opened) && readFileSync(opened, 'utf8')).toBe(link))
})

test('Ctrl+Z and Ctrl+C while the editor has the terminal stop and end the editor, not the chat', async () => {
  const shell = tmux.open('shell', 'env PS1="shell> " bash --norc --noprofile -i', 100, 24)
  await shell.until(screen => expect(screen).toContain('shell>'))
  shell.sendKeys(`${commandLine('Ida', '--to Ida', `EDITOR='echo editing; exec sleep 600 #'`)}`, 'Enter')
  await shell.until(screen => expect(screen).toContain('● server-1'))
  shell.sendKeys('a draft', 'C-x', 'C-e')
  await shell.until(screen => expect(screen).toMatch(/^editing$/m))
  shell.sendKeys('C-z')
  await shell.until(screen => expect(screen).toContain('Stopped'))
  shell.sendKeys('fg', 'Enter')
  await until(() => expect(shell.query('pane_current_command')).toBe('node'))
  shell.sendKeys('C-c')
  await shell.until(screen => expect(screen).toMatch(/was ended by SIGINT[\s\S]*› a draft/))
  shell.sendKeys('Enter')
  await shell.until(screen => expect(screen).toMatch(/✓ +Ida +a draft/))
})
