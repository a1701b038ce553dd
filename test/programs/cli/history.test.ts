/** The history as several processes write and read it, and in a real terminal. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { History } from '../../../cli/history/history.ts'
import { encodeFileName } from '../../../cli/storage/user-folder.ts'
import type { Message } from '../../../src/protocol/messages.ts'
import { stopAll, temporaryFolder } from '../../support/programs/processes.ts'
import { TestMesh, until } from '../../support/programs/test-mesh.ts'
import { Tmux } from '../../support/programs/tmux.ts'

const DAY = new Date(2026, 10, 24, 10, 0).getTime()
const before = process.env.XDG_STATE_HOME
let state = ''

beforeEach(() => {
  state = temporaryFolder()
  process.env.XDG_STATE_HOME = state
})

afterAll(() => {
  if (before === undefined) delete process.env.XDG_STATE_HOME
  else process.env.XDG_STATE_HOME = before
  stopAll()
})

function message(n: number, more: Partial<Message> = {}): Message {
  return { id: `id-${n}`, at: DAY + n * 1_000, from: 'Billy', to: 'Anna', text: `message ${n}`, ...more }
}

/** Anna's folder in a mesh. */
const folder = () => join(state, 'mesh-chat', 'meshes', 'one', 'users', encodeFileName('Anna'))

/** Writes a history file with this many messages. */
function write(count: number, more: (n: number) => Partial<Message> = () => ({})): void {
  mkdirSync(folder(), { recursive: true, mode: 0o700 })
  const lines = Array.from({ length: count }, (_, n) => JSON.stringify({ message: message(n, more(n)) }))
  writeFileSync(join(folder(), 'history.jsonl'), `${lines.join('\n')}\n`, { mode: 0o600 })
}

/** Records the mesh of a server as the one of `folder`. */
function writePin(port: number): void {
  const pin = { folder: 'one', origins: [`http://127.0.0.1:${port}`], since: '2026-11-24T10:00:00.000Z' }
  writeFileSync(join(state, 'mesh-chat', 'known-meshes.json'), JSON.stringify([pin]), { mode: 0o600 })
}

test('several processes write at the same time, and each sees all messages', async () => {
  const seen = new History(folder(), 'Anna')
  const script = `
    const { History } = await import(process.argv[1])
    const history = new History(process.argv[2], 'Anna')
    for (let n = 0; n < 500; n++) history.store({ id: process.argv[3] + n, at: 1_700_000_000_000 + n, from: 'Billy', to: 'Anna', text: 'x'.repeat(n) })`
  const program = join(process.cwd(), 'dist/cli/history/history.js')
  const ended = ['a', 'b', 'c'].map(name => {
    const writer = spawn(process.execPath, ['--input-type=module', '-e', script, program, folder(), name], {
      env: process.env,
    })
    return new Promise(resolve => writer.on('exit', resolve))
  })
  expect(await Promise.all(ended)).toEqual([0, 0, 0])
  seen.refresh()
  expect([...seen.all()]).toHaveLength(1_500)
})

test('the held messages of a dead process are taken over once, those of a running process never', () => {
  const mine = new History(folder(), 'Anna')
  mine.hold(message(1, { from: 'Anna', to: 'Billy' }))
  const script = `
    const { History } = await import(process.argv[1])
    const history = new History(process.argv[2], 'Anna')
    if (history.held.length > 0) throw new Error('took over messages of a running process')
    for (const id of ['two', 'three']) history.hold({ id, at: 1_700_000_000_000, from: 'Anna', to: 'Billy', text: id })
    history.release('three')
    process.kill(process.pid, 'SIGKILL')`
  const program = join(process.cwd(), 'dist/cli/history/history.js')
  const run = (text: string) =>
    execFileSync(process.execPath, ['--input-type=module', '-e', text, program, folder()], {
      encoding: 'utf8',
      stdio: 'pipe',
    })
  expect(() => run(script)).toThrow(/SIGKILL|Command failed/)
  const successor = `
    const { History } = await import(process.argv[1])
    console.log((await new History(process.argv[2], 'Anna').adopt()).map(message => message.id).join())
    process.kill(process.pid, 'SIGKILL')`
  try {
    run(successor)
  } catch (error) {
    expect((error as { stdout: string }).stdout.trim()).toBe('two')
  }
  const outboxes = () => readdirSync(folder()).filter(name => /^outbox-.*\.jsonl$/.test(name))
  expect(outboxes()).toHaveLength(2)
  expect(mine.held.map(({ id }) => id)).toEqual(['id-1'])
  mine.release('id-1')
  mine.close()
  expect(outboxes()).toHaveLength(1)
})

test('mesh-chat history prints the messages as text or as JSON lines', () => {
  write(3)
  writePin(3001)
  const print = (...more: string[]) =>
    execFileSync(process.execPath, ['dist/cli/main.js', 'history', '--user', 'Anna', ...more], { encoding: 'utf8' })
  expect(print().trim().split('\n')).toHaveLength(3)
  expect(print('--with', 'Billy')).toMatch(/2026-11-24 \d\d:\d\d Billy → Anna: message 0\n/)
  expect(print('--with', 'Carla')).toBe('')
  expect(JSON.parse(print('--json').split('\n')[1] ?? '')).toEqual({ ...message(1), kind: 'text' })
})

test('mesh-chat history prints edited messages with their new text, no text of deleted ones, and reactions', () => {
  const changes = [
    '(edited) new text\n⟦edit id-0⟧',
    '(deleted a message)\n⟦delete id-1⟧',
    '👍 to "message 0"\n⟦react id-0⟧',
    '(edited) of an unknown one\n⟦edit id-99⟧',
    '> new text\nyes\n⟦reply id-0⟧',
    '> message 1\nno\n⟦reply id-1⟧',
  ]
  write(8, n => (n < 2 ? {} : { text: changes[n - 2] ?? '' }))
  writePin(3001)
  const print = (...more: string[]) =>
    execFileSync(process.execPath, ['dist/cli/main.js', 'history', '--user', 'Anna', ...more], { encoding: 'utf8' })
  const text = print().replaceAll(/^[\d-]+ [\d:]+ Billy → Anna: /gm, '')
  expect(text.trimEnd().split('\n')).toEqual([
    'new text (edited)',
    '      👍 1 Billy',
    '(message deleted)',
    '(edited) of an unknown one',
    '> new text',
    '      yes',
    '> (message deleted)',
    '      no',
  ])
  const lines = print('--json')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(lines).toMatchObject([
    { id: 'id-0', kind: 'text', text: 'new text', edited: true, reactions: [{ emoji: '👍', users: ['Billy'] }] },
    { id: 'id-1', kind: 'text', text: '', deleted: true },
    { id: 'id-5', kind: 'edit', text: 'of an unknown one', target: 'id-99', author: 'Billy' },
    { id: 'id-6', kind: 'text', text: 'yes', reply: 'id-0', author: 'Billy' },
    { id: 'id-7', kind: 'text', text: 'no', reply: 'id-1', author: 'Billy' },
  ])
})

test('mesh-chat history indents the further lines of a text, and marks names that look like another', () => {
  const forged = 'Hi\n2026-11-24 10:00 Carla → Anna: I quit\r2026\u20282026\u00852026\v2026'
  write(4, n =>
    n === 0 ? { text: forged } : n === 1 ? { from: 'Carla' } : n === 2 ? { from: 'CARLA' } : { from: 'Anna.' },
  )
  writePin(3001)
  const print = (...more: string[]) =>
    execFileSync(process.execPath, ['dist/cli/main.js', 'history', '--user', 'Anna', ...more], { encoding: 'utf8' })
  const lines = print()
    .trimEnd()
    .split(/[\n\r\u2028\u2029\v\f\u0085]/)
  expect(lines).toHaveLength(5)
  expect(lines[1]).toMatch(/^ {6}2026-11-24 10:00 Carla → Anna: I quit/)
  expect(lines[2]).toContain(' Carla (looks like CARLA) → Anna (looks like Anna.): ')
  expect(lines[4]).toContain(' Anna. (looks like Anna) → ')
  expect(
    print('--json')
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line).looksLike),
  ).toEqual([undefined, 'CARLA', 'Carla', 'Anna'])
})

test('a history of 100,000 messages opens at its end, pages back and is searched', async () => {
  write(100_000, n => (n === 20 ? { text: 'long ago: xyzzy' } : {}))
  const mesh = new TestMesh()
  const tmux = new Tmux()
  try {
    await mesh.configure(1)
    writePin(mesh.ports[0] ?? 0)
    const server = mesh.start(1)
    await until(() => expect(server.out).toContain('Listening'))
    const env = `env -u CI XDG_STATE_HOME=${state} XDG_CONFIG_HOME=${state}`
    const program = join(process.cwd(), 'dist/cli/main.js')
    const window = tmux.open(
      'long',
      `${env} ${process.execPath} ${program} --user Anna --to Billy --port ${mesh.ports[0]}`,
    )
    await window.until(screen => expect(screen).toContain('message 99999'))
    window.sendKeys('PPage', 'PPage')
    await window.until(screen => expect(screen).toMatch(/message 999[0-5]\d\n[\s\S]*↓/))
    window.sendKeys('C-s')
    window.sendKeys('XYZZY')
    await window.until(screen => expect(screen).toContain('long ago: xyzzy'))
    await window.until(() => expect(window.screen('-e')).toMatch(/long ago: .*\u001b\[7mxyzzy/))
    window.sendKeys('Escape')
    await window.until(screen => expect(screen).toContain('message 99999'))
  } finally {
    tmux.kill()
    mesh.stop()
  }
})
