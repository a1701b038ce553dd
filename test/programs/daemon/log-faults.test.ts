/** A log that cannot be written costs log lines, and nothing else: the server keeps working, and drains as always. */
import { execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from 'vitest'
import { freePorts, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealClient } from '../../support/programs/real-client.ts'

const mounted: string[] = []
const children: ReturnType<typeof spawn>[] = []
const clients: RealClient[] = []
afterEach(() => {
  for (const client of clients.splice(0)) client.close()
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const folder of mounted.splice(0)) execFileSync('umount', ['--lazy', folder])
})
afterAll(stopAll)

/** Starts a server whose stdout is `stdout`. */
async function start(stdout: number | 'pipe', format: 'text' | 'json') {
  const [port = 0, adminPort = 0] = await freePorts(2)
  const file = join(temporaryFolder(), 'config.json')
  writeFileSync(file, JSON.stringify({ servers: [{ id: 'server-1', ip: '127.0.0.1', port }] }))
  const args = ['--id', 'server-1', '--config', file, '--admin-port', `${adminPort}`]
  const options: SpawnOptions = { stdio: ['ignore', stdout, 'pipe'] }
  const more = ['--log-format', format, '--log-level', 'debug', '--log-text']
  const child = spawn(process.execPath, ['dist/daemon/main.js', ...args, ...more], options)
  children.push(child)
  const state = { errors: '', code: undefined as number | null | undefined, lost: 0 }
  child.stderr?.on('data', chunk => {
    state.errors += chunk
  })
  child.on('exit', code => {
    state.code = code
  })
  const url = `http://127.0.0.1:${port}`
  const join_ = (user: string) => {
    const client = new RealClient(user, [url])
    clients.push(client)
    return client
  }
  const readLost = async () => {
    const text = await fetch(`http://127.0.0.1:${adminPort}/metrics`).then(answer => answer.text())
    state.lost = Number(/^mesh_chat_log_lines_lost_total (\d+)$/m.exec(text)?.[1])
    return state.lost
  }
  return { child, state, join: join_, readLost }
}

async function chat(from: RealClient, to: RealClient, count: number, text: string) {
  const before = to.shown.length
  for (let n = 0; n < count; n++) from.send(to.user, `${n} ${text}`)
  await until('all messages are confirmed', () => to.shown.length === before + count && from.held.length === 0)
}

async function drain({ child, state }: Awaited<ReturnType<typeof start>>) {
  for (const client of clients.splice(0)) client.close()
  child.kill('SIGTERM')
  await until('it has drained', () => state.code !== undefined)
  expect(state).toMatchObject({ code: 0, errors: '' })
}

/** Mounts a small file system; undefined where that is not permitted. */
function smallDisk(): string | undefined {
  const folder = join(temporaryFolder(), 'disk')
  mkdirSync(folder)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  mounted.push(folder)
  return folder
}

test.for(['text', 'json'] as const)(
  'a full log disk costs log lines only, and logging continues when there is space again: %s',
  async (format, { skip }) => {
    const disk = smallDisk()
    if (disk === undefined) return skip('mounting a small file system needs root')
    const log = join(disk, 'log')
    const filler = join(disk, 'filler')
    const descriptor = openSync(log, 'a')
    writeFileSync(filler, Buffer.alloc(40_000))
    const server = await start(descriptor, format)
    closeSync(descriptor)
    const anna = server.join('Anna')
    const billy = server.join('Billy')
    await until('both are online', () => anna.roster.length === 2 && billy.roster.length === 2)
    await chat(anna, billy, 50, 'x'.repeat(2_000))
    expect(await server.readLost()).toBeGreaterThan(0)
    await chat(billy, anna, 50, 'y'.repeat(2_000))
    rmSync(filler)
    await chat(anna, billy, 1, 'there is space')
    const readLines = () => readFileSync(log, 'utf8').split('\n').slice(0, -1)
    const findReport = (lines: string[]) =>
      lines.findIndex(line => / lines of the log could not be written: the disk is full\./.test(line))
    await until('the loss is reported', () => findReport(readLines()) > 0)
    const lines = readLines()
    const report = findReport(lines)
    // It follows the first line that could be written.
    expect(lines[report - 1]).toContain('there is space')
    if (format === 'json') for (const line of lines.slice(report)) JSON.parse(line)
    await drain(server)
    expect(readFileSync(log, 'utf8')).toContain('Draining')
  },
)

test.for(['text', 'json'] as const)(
  'a server starts and works although nothing of its log can be written: %s',
  async format => {
    const server = await start(openSync('/dev/full', 'w'), format)
    const anna = server.join('Anna')
    await until('she is online', () => anna.roster.length === 1)
    await chat(anna, anna, 5, 'hello')
    expect(await server.readLost()).toBeGreaterThan(5)
    await drain(server)
  },
)

test.for(['text', 'json'] as const)(
  'a log reader that stops costs log lines only, and gets the log again when it continues: %s',
  async format => {
    const server = await start('pipe', format)
    const anna = server.join('Anna')
    const billy = server.join('Billy')
    await until('both are online', () => anna.roster.length === 2 && billy.roster.length === 2)
    // Nobody reads stdout yet.
    await chat(anna, billy, 150, 'x'.repeat(15_000))
    expect(await server.readLost()).toBeGreaterThan(0)
    let out = ''
    server.child.stdout?.on('data', chunk => {
      out += chunk
    })
    await until('the loss is reported', () =>
      / lines of the log could not be written: the reader is too slow\./.test(out),
    )
    await chat(anna, billy, 1, 'it reads again')
    await until('logging continues', () => out.includes('it reads again'))
    server.child.stdout?.pause()
    await chat(billy, anna, 150, 'y'.repeat(15_000))
    await drain(server)
  },
)

test('a log reader that ends costs log lines only', async () => {
  const server = await start('pipe', 'json')
  const anna = server.join('Anna')
  await until('she is online', () => anna.roster.length === 1)
  server.child.stdout?.destroy()
  await chat(anna, anna, 20, 'hello')
  expect(await server.readLost()).toBeGreaterThan(0)
  await drain(server)
})
