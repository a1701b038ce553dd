/** The client in a real terminal: real servers, keys typed into tmux, and the screen read back. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestMesh, until } from '../../support/programs/test-mesh.ts'
import { Tmux, type Window } from '../../support/programs/tmux.ts'

const mesh = new TestMesh()
const tmux = new Tmux()
const script = (name: string) => `${process.execPath} ${join(process.cwd(), 'dist/cli', name)}`

/** A shell command that runs the program with its own state and config folders. */
function line(command: string, folder: string, env = ''): string {
  const home = join(mesh.folder, folder)
  return `env -u CI -u NO_COLOR XDG_STATE_HOME=${home} XDG_CONFIG_HOME=${home} ${env} ${command}`
}

function open(name: string, args: string, { folder = name, env = '', columns = 100, rows = 24 } = {}): Window {
  const command = line(`${script('main.js')} ${args}`, folder, env)
  return tmux.open(name, `seq 1 60; ${command}; echo "exit code $?"; exec sleep 600`, columns, rows)
}

/** Process ids of the programs that the window's shell runs. */
function childrenOf(window: Window): number[] {
  const pid = window.query('pane_pid')
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return children.trim().split(' ').map(Number)
}

/** The text of a narrow pane, without its line breaks. */
const joinLines = (screen: string) => screen.replaceAll(/ *\n/g, '')

beforeAll(async () => {
  await mesh.configure(3)
  const servers = [mesh.start(1), mesh.start(2), mesh.start(3)]
  for (const server of servers) {
    await until(() => expect(server.out.match(/Outbound connection to peer/g)).toHaveLength(2))
  }
})

afterAll(() => {
  tmux.kill()
  mesh.stop()
})

test('all clients of a user show what one of them sends or receives', async () => {
  const [one, two, three] = mesh.ports
  const anna = open('anna', `--user Anna --port ${one} --to Billy`)
  const annaToo = open('anna-too', `--user Anna --port ${two} --to Billy`)
  const billy = open('billy', `--user Billy --port ${three} --to Anna`)
  for (const window of [anna, annaToo, billy]) {
    await window.until(screen => expect(screen).toContain('2 online'))
    await window.until(screen => expect(screen).toMatch(/^.* Anna.*│/m))
    await window.until(screen => expect(screen).toMatch(/^.* Billy.*│/m))
  }
  await billy.until(screen => expect(screen).toMatch(/^1 ● Anna +×2 /m))
  anna.sendKeys('Hi Billy', 'Enter')
  billy.sendKeys('Hi Anna', 'Enter')
  for (const window of [anna, annaToo, billy]) {
    await window.until(screen => expect(screen).toMatch(/Anna +Hi Billy/))
    await window.until(screen => expect(screen).toMatch(/Billy +Hi Anna/))
  }
  await billy.until(screen => expect(screen).toMatch(/✓2 Billy +Hi Anna/))
  expect(anna.query('alternate_on')).toBe('1')

  anna.paste('three\nlines\npasted')
  anna.sendKeys('Enter')
  await annaToo.until(screen => expect(screen).toMatch(/ three\n.* lines\n.* pasted/))

  // A message that is read on one of Anna's clients is read on all.
  anna.sendKeys('/query Carla', 'Enter')
  annaToo.sendKeys('/query Carla', 'Enter')
  for (const window of [anna, annaToo]) await window.until(screen => expect(screen).toContain('│ Carla'))
  billy.sendKeys('read me', 'Enter')
  await annaToo.until(screen => expect(screen).toContain('1 unread'))
  await anna.until(screen => expect(screen).toContain('1 unread'))
  anna.sendKeys('M-a')
  await anna.until(screen => expect(screen).toMatch(/── new ─[\s\S]*read me/))
  await annaToo.until(screen => expect(screen).not.toContain('unread'))

  anna.sendKeys('/quit', 'Enter')
  await anna.until(screen => expect(screen).toContain('exit code 0'))
  expect(anna.query('alternate_on')).toBe('0')
  expect(anna.screen()).toContain('\n60\n')
  // A new client shows the history of the thread that was open last.
  const again = open('anna-again', `--user Anna --port ${two}`, { folder: 'anna' })
  await again.until(screen => expect(screen).toMatch(/Billy +Hi Anna/))
  billy.close()
  await again.until(screen => expect(screen).toContain('Billy went offline'))
})

test('without colors, cursors and selections are still visible', async () => {
  for (const [name, env, option] of [
    ['plain-option', '', '--no-color'],
    ['plain-variable', 'NO_COLOR=1', ''],
  ] as const) {
    const window = open(name, `--user Nora --port ${mesh.ports[0]} --to Nora ${option}`, { env })
    await window.until(screen => expect(screen).toMatch(/Nora \(you\)/))
    // Reverse video, and no color.
    await window.until(() => expect(window.screen('-e')).toMatch(/\u001b\[(?:[\d;]*;)?7m/))
    expect(window.screen('-e')).not.toMatch(/\u001b\[(?:[\d;]*;)?3[0-7]m/)
    window.close()
  }
})

/** Waits until a screen shows that a user types. The sign goes after five seconds, so more is typed before that. */
async function untilTyping(from: Window, to: Window, sign: RegExp): Promise<void> {
  let typedAt = performance.now()
  await to.until(screen => {
    if (performance.now() - typedAt > 4_000) {
      from.sendKeys('.')
      typedAt = performance.now()
    }
    expect(screen).toMatch(sign)
  })
}

test('the header shows that a user is typing until the message comes, and not after /set typing off', async () => {
  const [one, two] = mesh.ports
  const erik = open('erik', `--user Erik --port ${one} --to Fay`)
  const fay = open('fay', `--user Fay --port ${two} --to Erik`)
  await erik.until(screen => expect(screen).toMatch(/Fay +● online/))
  await fay.until(screen => expect(screen).toMatch(/Erik +● online/))
  erik.sendKeys('/set typing off', 'Enter', 'not told')
  fay.sendKeys('one')
  // This setting is about both directions.
  await fay.until(screen => expect(screen).toContain('› one'))
  fay.sendKeys('Enter')
  await erik.until(screen => expect(screen).toMatch(/Fay +one/))
  for (const window of [erik, fay]) expect(window.screen()).not.toContain('typing…')
  erik.sendKeys('C-u', '/set typing on', 'Enter', 'told')
  await untilTyping(erik, fay, /Erik +● online +Erik is typing…/)
  erik.sendKeys('Enter')
  await fay.until(screen => expect(screen).toMatch(/Erik +told/))
  await fay.until(screen => expect(screen).not.toContain('typing…'))
  // It goes by itself, too.
  erik.sendKeys('nothing follows')
  await untilTyping(erik, fay, /Erik is typing…/)
  await fay.until(screen => expect(screen).not.toContain('typing…'))
  for (const window of [erik, fay]) window.sendKeys('C-u', '/quit', 'Enter')
})

test("✓ is on all of the sender's terminals, and still there after all programs were killed", async () => {
  const [one, two, three] = mesh.ports
  const start = (suffix: string) => ({
    dora: open(`dora${suffix}`, `--user Dora --port ${one} --to Emil`, { folder: 'dora' }),
    // With another folder: as on another machine.
    doraToo: open(`dora-too${suffix}`, `--user Dora --port ${two} --to Emil`, { folder: 'dora-too' }),
    emil: open(`emil${suffix}`, `--user Emil --port ${three} --to Dora`, { folder: 'emil' }),
  })
  const { dora, doraToo, emil } = start('')
  for (const window of [dora, doraToo]) await window.until(screen => expect(screen).toContain('Emil  ● online'))
  await emil.until(screen => expect(screen).toMatch(/^1 ● Dora +×2 /m))
  dora.sendKeys('Hi Emil', 'Enter')
  emil.sendKeys('Hi Dora', 'Enter')
  for (const window of [dora, doraToo]) await window.until(screen => expect(screen).toMatch(/✓ +Dora +Hi Emil/))
  await emil.until(screen => expect(screen).toMatch(/✓2 Emil +Hi Dora/))
  for (const window of [dora, doraToo, emil]) for (const child of childrenOf(window)) process.kill(child, 'SIGKILL')
  for (const window of [dora, doraToo, emil]) await window.until(screen => expect(screen).toContain('exit code 137'))
  const again = start('-again')
  for (const window of [again.dora, again.doraToo]) {
    await window.until(screen => expect(screen).toMatch(/✓ +Dora +Hi Emil/))
  }
  await again.emil.until(screen => expect(screen).toMatch(/✓2 Emil +Hi Dora/))
})

test('resizing redraws the screen and keeps the scrollback of the terminal', async () => {
  const window = open('sizes', `--user Sizes --port ${mesh.ports[0]} --to Nobody`)
  await window.until(screen => expect(screen).toContain('Sizes (you)'))
  const history = Number(window.query('history_size'))
  window.sendKeys('a draft')
  for (const [columns, rows] of [
    [40, 10],
    [120, 30],
    [20, 5],
    [90, 24],
  ] as const) {
    window.resize(columns, rows)
    await window.until(screen => {
      const lines = screen.trimEnd().split('\n')
      expect(lines.at(-1)).toBe('› a draft')
      expect(lines).toHaveLength(rows - 1)
      if (columns >= 40) expect(lines.at(-2)).toMatch(/^● server-\d/)
    })
    const cursor = () => [window.query('cursor_x'), window.query('cursor_y'), window.query('cursor_flag')]
    await window.until(() => expect(cursor()).toEqual(['9', `${rows - 2}`, '1']))
  }
  window.sendKeys('C-c', 'C-c', 'C-c')
  await window.until(screen => expect(screen).toContain('exit code 0'))
  expect(window.screen('-S', '-')).toMatch(/^1\n2\n3\n[\s\S]*\n59\n60\n/)
  expect(Number(window.query('history_size'))).toBeGreaterThanOrEqual(history)
})

test('keys typed before the program has started are not lost, also with CI=true', async () => {
  const command = line(`${script('main.js')} --user Early --port ${mesh.ports[0]} --to Early`, 'early', 'CI=true')
  const window = tmux.open('early', `sleep 1; ${command}`)
  window.sendKeys('typed early', 'Enter')
  await window.until(screen => expect(screen).toMatch(/✓ +Early +typed early/))
})

test.each([
  ['SIGTERM', 143],
  ['SIGHUP', 129],
  ['SIGINT', 130],
] as const)('%s restores the terminal and sets the exit code', async (signal, code) => {
  const name = `ends-${signal}`
  const window = open(name, `--user ${signal} --port ${mesh.ports[1]} --to Nobody`)
  await window.until(screen => expect(screen).toContain(`${signal} (you)`))
  for (const child of childrenOf(window)) process.kill(child, signal)
  await window.until(screen => expect(screen).toContain(`exit code ${code}`))
  expect([window.query('alternate_on'), window.query('cursor_flag')]).toEqual(['0', '1'])
})

test('a crash restores the terminal and prints the error', async () => {
  const boom = join(mesh.folder, 'boom.mjs')
  writeFileSync(boom, 'process.on("SIGUSR2", () => { throw new Error("boom") })')
  const window = open('crash', `--user Crash --port ${mesh.ports[1]} --to Nobody`, {
    env: `NODE_OPTIONS=--import=${boom}`,
  })
  await window.until(screen => expect(screen).toContain('Crash (you)'))
  for (const child of childrenOf(window)) process.kill(child, 'SIGUSR2')
  await window.until(screen => expect(screen).toContain('exit code 70'))
  expect(window.screen()).toContain('Error: boom')
  expect([window.query('alternate_on'), window.query('cursor_flag')]).toEqual(['0', '1'])
})

test('Ctrl+Z suspends to the shell, and fg resumes the chat', async () => {
  const window = tmux.open('suspend', 'env PS1="shell> " bash --norc --noprofile -i')
  await window.until(screen => expect(screen).toContain('shell>'))
  window.sendKeys(line(`${script('main.js')} --user Zoe --port ${mesh.ports[0]} --to Zoe`, 'zoe'), 'Enter')
  await window.until(screen => expect(screen).toContain('Zoe (you)'))
  window.sendKeys('C-z')
  await window.until(screen => expect(screen).toContain('Stopped'))
  expect(window.query('alternate_on')).toBe('0')
  window.sendKeys('fg', 'Enter')
  await window.until(screen => expect(screen).toContain('Zoe (you)'))
  window.sendKeys('back again', 'Enter')
  await window.until(screen => expect(screen).toMatch(/✓ +Zoe +back again/))
})

test('the client moves to another server when its server is killed, and ends when its terminal is closed', async () => {
  const four = new TestMesh()
  await four.configure(2)
  const [first] = [four.start(1), four.start(2)]
  await until(() => expect(first.out).toContain('Outbound connection to peer: server-2'))
  const window = open('mover', `--user Mover --port ${four.ports[0]} --to Mover`)
  await window.until(screen => expect(screen).toContain('● server-1'))
  first.child.kill('SIGKILL')
  await window.until(screen => expect(screen).toContain('● server-2'))
  window.sendKeys('still here', 'Enter')
  await window.until(screen => expect(screen).toMatch(/✓ +Mover +still here/))
  const pid = Number(window.query('pane_pid'))
  window.close()
  await until(() => expect(() => process.kill(pid, 0)).toThrow())
  four.stop()
})

test('inline mode prints messages into the scrollback of the terminal', async () => {
  const window = open('inline', `--inline --user Ines --port ${mesh.ports[0]} --to Ines`, { rows: 12 })
  await window.until(screen => expect(screen).toContain('● server-1'))
  for (let n = 1; n <= 15; n++) window.sendKeys(`note ${n}`, 'Enter')
  window.sendKeys('a draft')
  const printed = () => window.screen('-S', '-')
  // The lines "delivered to" may all come after the last note, which is then above the screen.
  await window.until(() =>
    expect(printed()).toMatch(/Ines → Ines +note 15\n(delivered to Ines\n)*● server-1.*\n› a draft/),
  )
  await window.until(() => expect(printed().match(/delivered to Ines/g)).toHaveLength(15))
  expect(window.query('alternate_on')).toBe('0')
  // The rows below the messages may be in the middle of a change.
  await window.until(() => {
    const all = printed()
    expect(all.match(/Ines → Ines +note \d+/g)).toHaveLength(15)
    expect(all.match(/● server-1/g)).toHaveLength(1)
    expect(all).toMatch(/\n59\n60\n/)
    expect([window.query('cursor_x'), window.query('cursor_flag')]).toEqual(['9', '1'])
  })
  // Another thread and back: what was printed is not printed again.
  window.sendKeys('C-u', '/query Other', 'Enter')
  await window.until(screen => expect(screen).toMatch(/── Other ──\n● server-1/))
  window.sendKeys('/query Ines', 'Enter', 'x')
  await window.until(screen => expect(screen).toMatch(/── Other ──\n── Ines ──\n● server-1.*\n› x/))
  expect(printed().match(/Ines → Ines +note \d+/g)).toHaveLength(15)
  window.sendKeys('C-u', 'C-d')
  await window.until(screen => expect(screen).toContain('exit code 0'))
  expect(printed()).not.toMatch(/›|● server-1/)
})

test('npm start opens a chat with the echo bot on another server, and quitting stops the servers', async () => {
  const own = new TestMesh()
  await own.configure(3)
  const command = line(`${script('start.js')} --config ${own.config}`, 'start')
  const window = tmux.open('start', `${command}; echo "exit code $?"; exec sleep 600`)
  await window.until(screen => expect(screen).toContain('Echo  ● online'))
  window.sendKeys('hello', 'Enter')
  await window.until(screen => expect(screen).toContain('You said: hello'))
  window.sendKeys('C-d')
  await window.until(screen => expect(screen).toContain('exit code 0'))
  const { isListening } = await import('../../../cli/server-processes.ts')
  for (const port of own.ports)
    await until(async () => expect(await isListening({ id: '', ip: '127.0.0.1', port })).toBe(false))
  own.stop()
})

test('the lab opens several clients side by side, and they stay in sync', async () => {
  const own = new TestMesh()
  await own.configure(3)
  const socket = `${tmux.socket}-lab`
  const command = line(`${script('main.js')} lab --detach --socket ${socket} --config ${own.config}`, 'lab')
  const window = tmux.open('lab', `${command}; echo "exit code $?"; exec sleep 600`)
  await window.until(screen => expect(screen).toMatch(/attach -t lab[\s\S]*exit code 0/))
  const inner = new Tmux(socket)
  try {
    const panes = [0, 1, 2].map(pane => inner.window(`lab:0.${pane}`))
    const [anna, annaToo, billy] = panes
    for (const pane of panes) await pane.until(screen => expect(screen).toMatch(/ 2 online/))
    for (const pane of panes) await pane.until(screen => expect(screen).toContain('#lab'))
    anna?.sendKeys('in sync?', 'Enter')
    for (const pane of [anna, annaToo, billy]) await pane?.until(screen => expect(screen).toMatch(/Anna +in sync\?/))
    const log = inner.window('lab:0.3')
    // Lines of the other servers may have pushed a line above the screen.
    const logged = () => joinLines(log.screen('-S', '-'))
    await log.until(() => expect(logged()).toContain('server-3: '))
    expect(existsSync(join(mesh.folder, 'lab/mesh-chat/meshes'))).toBe(false)
    expect(existsSync(join(mesh.folder, `lab/mesh-chat-lab/socket-${socket}/state/mesh-chat/meshes`))).toBe(true)
    expect(existsSync(join(mesh.folder, 'lab/mesh-chat/config.json'))).toBe(false)
    // Anna's second client is on the second server.
    const [first = 0, second = 0, third = 0] = childrenOf(log)
    process.kill(second, 'SIGKILL')
    await log.until(() => expect(logged()).toContain('server-2 was killed (SIGKILL); 2 of 3 servers'))
    await annaToo?.until(screen => expect(screen).toMatch(/ 2 online/))
    annaToo?.sendKeys('still here', 'Enter')
    for (const pane of panes) await pane.until(screen => expect(screen).toMatch(/ still here/))
    process.kill(first, 'SIGKILL')
    process.kill(third, 'SIGKILL')
    await log.until(() => expect(logged()).toContain('all servers have ended: server-2 was killed'))
  } finally {
    inner.kill()
  }
  own.stop()
})
