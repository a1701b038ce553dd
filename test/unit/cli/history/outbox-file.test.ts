/** The outbox file: held and released messages, takeover from clients that have ended, damaged lines. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { OutboxFile } from '../../../../cli/history/outbox-file.ts'
import type { Message } from '../../../../src/protocol/messages.ts'
import { stopAll, temporaryFolder } from '../../../support/programs/processes.ts'

let folder = ''
/** The id of a process that has ended. */
let endedPid = 0

beforeEach(() => {
  folder = temporaryFolder()
  endedPid = spawnSync(process.execPath, ['--version']).pid
})
afterAll(stopAll)

const message = (id: string): Message => ({ id, at: 1_700_000_000_000, from: 'Anna', to: 'Billy', text: id })
const held = (id: string) => `${JSON.stringify({ held: message(id) })}\n`
const released = (id: string) => `${JSON.stringify({ released: id })}\n`
const ids = (outbox: OutboxFile) => outbox.held.map(({ id }) => id)
const path = (name: string) => join(folder, name)
const names = (extension: string) => readdirSync(folder).filter(name => name.endsWith(extension))
const [lockOf, fileOf] = [() => names('.lock'), () => names('.jsonl')]

function close(outbox: OutboxFile): void {
  for (const file of outbox.files) file.saveNow()
  outbox.close()
}

/** What the user's next client finds, after this one has closed its files. */
function heldNext(outbox: OutboxFile): string[] {
  close(outbox)
  const next = new OutboxFile(folder)
  const found = ids(next)
  close(next)
  return found
}

/** Starts a process that holds a message in the folder, and returns it. */
async function startOwner(id: string) {
  const text = `
    import { OutboxFile } from ${JSON.stringify(join(process.cwd(), 'dist/cli/history/outbox-file.js'))}
    const outbox = new OutboxFile(${JSON.stringify(folder)})
    outbox.hold(${JSON.stringify(message(id))})
    await Promise.all(outbox.files.map(file => file.save()))
    console.log('held')
    setInterval(() => {}, 60_000)`
  const owner = spawn(process.execPath, ['--input-type=module', '-e', text], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(owner.stdout, 'data')
  return owner
}

test('held messages are on disk until they are released; a closed outbox without any has no file', () => {
  const outbox = new OutboxFile(folder)
  expect(readdirSync(folder)).toEqual([])
  outbox.hold(message('one'))
  outbox.hold(message('two'))
  for (const name of readdirSync(folder)) expect(statSync(path(name)).mode & 0o777, name).toBe(0o600)
  expect(heldNext(outbox)).toEqual(['one', 'two'])
  const next = new OutboxFile(folder)
  next.release('one')
  expect(heldNext(next)).toEqual(['two'])
  const last = new OutboxFile(folder)
  last.hold(message('three'))
  for (const id of ['two', 'three']) last.release(id)
  expect(last.held).toEqual([])
  close(last)
  expect(readdirSync(folder)).toEqual([])
})

test('releasing an unknown message writes nothing', () => {
  const outbox = new OutboxFile(folder)
  outbox.release('unknown')
  expect(readdirSync(folder)).toEqual([])
  outbox.hold(message('one'))
  const [file = ''] = fileOf()
  const before = readFileSync(path(file), 'utf8')
  outbox.release('unknown')
  expect(readFileSync(path(file), 'utf8')).toBe(before)
})

test('the files of ended processes with names of 0.1 are taken over, those of running processes are not', () => {
  writeFileSync(path(`outbox-${endedPid}.jsonl`), held('one') + held('two') + released('one'))
  // The parent process is running.
  writeFileSync(path(`outbox-${process.ppid}.jsonl`), held('running'))
  writeFileSync(path(`outbox-${endedPid}.json`), held('not an outbox'))
  const outbox = new OutboxFile(folder)
  expect(ids(outbox)).toEqual(['two'])
  expect(existsSync(path(`outbox-${endedPid}.jsonl`))).toBe(false)
  expect(existsSync(path(`outbox-${process.ppid}.jsonl`))).toBe(true)
  expect(heldNext(outbox)).toEqual(['two'])
})

test('a file whose process id belongs to a program that started after its last change is taken over', () => {
  const name = path(`outbox-${process.ppid}.jsonl`)
  writeFileSync(name, held('one'))
  // Before the last start of this machine.
  utimesSync(name, new Date(1_600_000_000_000), new Date(1_600_000_000_000))
  expect(ids(new OutboxFile(folder))).toEqual(['one'])
})

test('two clients of one process have an outbox each', async () => {
  const [one, other] = [new OutboxFile(folder), new OutboxFile(folder)]
  one.hold(message('one'))
  other.hold(message('two'))
  expect(await one.adopt()).toEqual([])
  expect(await other.adopt()).toEqual([])
  other.release('two')
  expect(heldNext(one)).toEqual(['one'])
})

test('a client takes over the outbox of another one while it runs, once that has ended, and not before', async () => {
  const owner = await startOwner('one')
  const outbox = new OutboxFile(folder)
  expect(await outbox.adopt()).toEqual([])
  owner.kill('SIGSTOP')
  expect(await outbox.adopt()).toEqual([])
  owner.kill('SIGKILL')
  await once(owner, 'exit')
  expect((await outbox.adopt()).map(({ id }) => id)).toEqual(['one'])
  expect(lockOf()).toHaveLength(1)
  expect(await outbox.adopt()).toEqual([])
  expect(heldNext(outbox)).toEqual(['one'])
})

test('of many clients that start at once, one takes each outbox over', async () => {
  const owner = await startOwner('one')
  owner.kill('SIGKILL')
  await once(owner, 'exit')
  const outboxes = Array.from({ length: 20 }, () => new OutboxFile(folder))
  await Promise.all(outboxes.map(outbox => outbox.adopt()))
  expect(outboxes.flatMap(ids)).toEqual(['one'])
})

test('a folder with a path that is too long for a socket works too', async () => {
  folder = join(folder, 'x'.repeat(120))
  mkdirSync(folder)
  const owner = await startOwner('one')
  const outbox = new OutboxFile(folder)
  expect(await outbox.adopt()).toEqual([])
  owner.kill('SIGKILL')
  await once(owner, 'exit')
  expect((await outbox.adopt()).map(({ id }) => id)).toEqual(['one'])
})

test('where the file system has no sockets, the file names the process', async () => {
  writeFileSync(path('outbox-xaa.jsonl'), held('one'))
  const lock = (content: string) => writeFileSync(path('outbox-xaa.lock'), content)
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const started = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]) / 100
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  lock(`${process.pid} ${started} ${boot}`)
  const outbox = new OutboxFile(folder)
  expect(await outbox.adopt()).toEqual([])
  lock(`${process.pid} ${started} another-start-of-the-machine`)
  expect((await outbox.adopt()).map(({ id }) => id)).toEqual(['one'])
})

test('a taken over outbox with no held messages leaves no file', () => {
  writeFileSync(path(`outbox-${endedPid}.jsonl`), held('one') + released('one'))
  expect(ids(new OutboxFile(folder))).toEqual([])
  expect(readdirSync(folder)).toEqual([])
})

test('an outbox that cannot be read stays, and is taken over once it can', async () => {
  // A folder in its place: root can read every file.
  mkdirSync(path('outbox-xab.jsonl'))
  const outbox = new OutboxFile(folder)
  expect(outbox.problem?.message).toMatch(/a folder instead of a file/)
  await outbox.adopt()
  expect(outbox.problem?.message).toMatch(/a folder instead of a file/)
  expect(readdirSync(folder)).toEqual(['outbox-xab.jsonl'])
})

test('lines that are incomplete or invalid are skipped', () => {
  const content = `${held('one')}\nnull\n{"held":{"id":1}}\n{"released":7}\n${held('two').slice(0, 30)}`
  writeFileSync(path(`outbox-${endedPid}.jsonl`), content)
  expect(ids(new OutboxFile(folder))).toEqual(['one'])
})

test('a file that a process had taken over when it was killed is taken over again', () => {
  writeFileSync(path(`outbox-${endedPid}-5f3a.jsonl`), held('one') + held('two') + released('two'))
  writeFileSync(path('outbox-xab-1.jsonl'), held('three'))
  expect(ids(new OutboxFile(folder)).sort()).toEqual(['one', 'three'])
})

test('a message that two files hold is held once, and released from both', () => {
  for (const name of ['outbox-xab.jsonl', 'outbox-xcd.jsonl']) writeFileSync(path(name), held('one'))
  const outbox = new OutboxFile(folder)
  expect(ids(outbox)).toEqual(['one'])
  outbox.release('one')
  expect(fileOf()).toEqual([])
})

test('the outboxes of merged folders are taken over', async () => {
  const merged = temporaryFolder()
  writeFileSync(join(merged, 'outbox-xab.jsonl'), held('one'))
  const outbox = new OutboxFile(folder, { merged: [merged, join(merged, 'missing')] })
  expect(ids(outbox)).toEqual(['one'])
  expect(readdirSync(merged)).toEqual([])
  expect(heldNext(outbox)).toEqual(['one'])
})

test('a message keeps its sealed text, also when its file is taken over', () => {
  const outbox = new OutboxFile(folder)
  outbox.hold({ ...message('one'), sealed: 'sealed1.x' })
  outbox.hold({ ...message('two'), sealed: '' })
  close(outbox)
  const expected = [
    { ...message('one'), sealed: 'sealed1.x' },
    { ...message('two'), sealed: '' },
  ]
  expect(outbox.held).toEqual(expected)
  const next = new OutboxFile(folder)
  expect(next.held).toEqual(expected)
  close(next)
  expect(new OutboxFile(folder).held).toEqual(expected)
})

test('M16: a message keeps the mark that it is provisional until it is held without it, whichever file is read first', () => {
  const outbox = new OutboxFile(folder)
  outbox.hold({ ...message('one'), provisional: true })
  outbox.hold({ ...message('two'), provisional: true })
  outbox.hold(message('two'))
  close(outbox)
  const next = new OutboxFile(folder)
  expect(next.held).toEqual([{ ...message('one'), provisional: true }, message('two')])
  // Held again, the first message is in two files.
  next.hold({ ...message('one'), at: message('one').at + 5 })
  close(next)
  const [held] = new OutboxFile(folder).held
  expect(held).toEqual({ ...message('one'), at: message('one').at + 5 })
})
