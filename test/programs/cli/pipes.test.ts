/** Standard input and output as pipes and files: slow, closed, full, with the line ends of other systems. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePorts, Program, stopAll } from '../../support/programs/processes.ts'
import { TestMesh, until } from '../../support/programs/test-mesh.ts'

const mesh = new TestMesh()
const client = join(process.cwd(), 'dist/cli/main.js')
const children = new Set<ChildProcess>()
let homes = 0

beforeAll(async () => {
  await mesh.configure(1)
  const server = mesh.start(1)
  await until(() => expect(server.out).toContain('Listening for connections'))
  const client = new Program('cli', ['tail', '--user', 'Present', ...port()], env(newHome()))
  await until(() => expect(client.out).toContain('online at server-1'))
})

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  stopAll()
  mesh.stop()
})

const port = () => ['--port', `${mesh.ports[0]}`]

function newHome(): string {
  const home = join(mesh.folder, `home-${++homes}`)
  mkdirSync(home, { recursive: true })
  return home
}

function env(home: string): NodeJS.ProcessEnv {
  return { ...process.env, XDG_STATE_HOME: home, XDG_CONFIG_HOME: home, TZ: 'Asia/Tokyo' }
}

/** A client whose stdin the test writes. */
function start(args: string[], home = newHome(), more: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [client, ...args], { env: { ...env(home), ...more } })
  children.add(child)
  const result = { stdout: '', stderr: '', status: undefined as number | null | undefined }
  child.stdout.on('data', chunk => {
    result.stdout += chunk
  })
  child.stderr.on('data', chunk => {
    result.stderr += chunk
  })
  child.on('close', status => {
    children.delete(child)
    result.status = status
  })
  const ended = async () => {
    await until(() => expect(result.status).not.toBeUndefined())
    return result
  }
  return { child, result, ended }
}

function run(args: string[], { input = '' as string | Buffer, home = newHome() } = {}) {
  const { child, ended } = start(args, home)
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return ended()
}

/** Runs a shell command in which `$CHAT` is the client. */
function shell(command: string, home = newHome()) {
  const CHAT = `${process.execPath} ${client}`
  return spawnSync('bash', ['-c', command], { encoding: 'utf8', env: { ...env(home), CHAT }, timeout: 60_000 })
}

/** The texts that a user's history has. */
function texts(home: string, user: string): string[] {
  const { stdout } = spawnSync(process.execPath, [client, 'history', '--user', user, '--json'], {
    encoding: 'utf8',
    env: env(home),
    maxBuffer: 1 << 28,
  })
  return stdout
    .trim()
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line).text)
}

/** A state folder with a long history of Hilda, longer than what a pipe holds. */
let longHome: string | undefined
const LONG = 3_000
async function longHistory(): Promise<string> {
  if (longHome !== undefined) return longHome
  const home = newHome()
  await run(['send', '--user', 'Hilda', ...port(), '--to', 'Hilda', 'first'], { home })
  const [file = ''] = execFileSync('find', [home, '-name', 'history.jsonl'], { encoding: 'utf8' }).trim().split('\n')
  const lines = Array.from({ length: LONG - 1 }, (_, n) =>
    JSON.stringify({
      message: {
        id: `id-${n}`,
        at: 1_760_000_000_000 + n,
        from: 'Hilda',
        to: 'Billy',
        text: `note ${n} ${'x'.repeat(60)}`,
      },
    }),
  )
  writeFileSync(file, `${readFileSync(file, 'utf8')}${lines.join('\n')}\n`)
  longHome = home
  return home
}

describe('stdin', () => {
  test('send - waits for a slow producer, skips a byte order mark, and turns CRLF into LF', async () => {
    const home = newHome()
    const tell = join(home, 'tell.mjs')
    writeFileSync(
      tell,
      `const { push } = process.stdin
      process.stdin.push = function (...chunk) { console.error('read from stdin'); return push.apply(this, chunk) }`,
    )
    const args = ['send', '--user', 'Slow', ...port(), '--to', 'Slow', '-']
    const { child, result, ended } = start(args, home, { NODE_OPTIONS: `--import=${tell}` })
    child.stdin.write('\ufeffHTTP/1.1 200 OK\r\n')
    // A producer that pauses: the pipe is empty and does not block.
    await until(() => expect(result.stderr).toContain('read from stdin'))
    expect(result.status).toBeUndefined()
    child.stdin.end('Server: x\r\n')
    expect(await ended()).toMatchObject({ status: 0, stderr: expect.not.stringContaining('EAGAIN') })
    expect(texts(home, 'Slow')).toEqual(['HTTP/1.1 200 OK\nServer: x'])
  })

  test('send - from a pipe that does not block, in a shell', () => {
    const home = newHome()
    const { status, stderr } = shell(
      `(printf one; sleep 1; printf two) | $CHAT send --user Nora --port ${mesh.ports[0]} --to Nora -`,
      home,
    )
    expect([status, stderr]).toEqual([0, expect.not.stringContaining('EAGAIN')])
    expect(texts(home, 'Nora')).toEqual(['onetwo'])
  })

  test('too much text for send - is refused before anything is sent', async () => {
    const big = await run(['send', '--user', 'Big', ...port(), '--to', 'Big', '-'], {
      input: Buffer.alloc(5 << 20, 'x'),
    })
    expect(big).toMatchObject({ status: 2, stderr: 'mesh-chat: stdin has more than 4 MiB; give the text to send\n' })
  })

  test('JSON lines: a byte order mark does not cost the first message, and U+2028 ends no line', async () => {
    const home = newHome()
    const input =
      '\ufeff{"to":"Rx","text":"the first"}\r\n{"to":"Rx","text":"two\u2028lines"}\n{"to":"Rx","text":"without an end"}'
    const { status, stdout } = await run(['--json', '--user', 'Rx', ...port()], { input, home })
    expect([status, stdout]).toEqual([0, expect.not.stringContaining('"error"')])
    expect(texts(home, 'Rx')).toEqual(['the first', 'two\u2028lines', 'without an end'])
  })

  test('line mode: CRLF ends a line, and a line in many parts is one line', async () => {
    const home = newHome()
    const { child, ended } = start(['--plain', '--user', 'Lina', ...port(), '--to', 'Lina'], home)
    for (const part of ['\ufeffone\r', '\ntw', 'o\r\n', 'gr\u00fc', '\u00dfe\n']) child.stdin.write(part)
    child.stdin.end()
    expect(await ended()).toMatchObject({ status: 0 })
    expect(texts(home, 'Lina')).toEqual(['one', 'two', 'gr\u00fc\u00dfe'])
  })

  test.each(['--plain', '--json'])('%s with empty stdin reports a server that does not answer', async mode => {
    // A port that accepts connections and says nothing: stdin ends long before the connection fails.
    const silent = createServer(() => {})
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    const { port: number } = silent.address() as AddressInfo
    const { status, stderr } = await run([mode, '--user', 'Dora', '--port', `${number}`])
    expect([status, stderr]).toEqual([69, expect.stringMatching(/not connected within 10 s|no server answers/)])
    silent.close()
  })

  test('--json says that no server answers, keeps messages, and sends them when one does', async () => {
    const later = new TestMesh()
    await later.configure(1)
    const home = newHome()
    const { child, result, ended } = start(['--json', '--user', 'Dora', '--port', `${later.ports[0]}`], home)
    const events = () =>
      result.stdout
        .split('\n')
        .slice(0, -1)
        .map(line => JSON.parse(line))
    await until(() => expect(events()).toContainEqual(expect.objectContaining({ code: 'started-offline' })))
    child.stdin.write('{"to":"Dora","text":"to myself","ref":1}\n')
    await until(() => expect(events()).toContainEqual(expect.objectContaining({ state: 'waiting', ref: 1 })))
    await until(() =>
      expect(events()).toContainEqual(expect.objectContaining({ type: 'connection', state: 'waiting' })),
    )
    later.start(1)
    await until(() => expect(events()).toContainEqual(expect.objectContaining({ state: 'delivered', ref: 1 })))
    child.stdin.end()
    expect(await ended()).toMatchObject({ status: 0 })
    later.stop()
  })

  test('--json ends with 69 at the end of stdin if no server has answered', async () => {
    const [dead] = await freePorts(1)
    const { child, result, ended } = start(['--json', '--user', 'Dora', '--port', `${dead}`])
    await until(() => expect(result.stdout).toContain('started-offline'))
    child.stdin.end()
    expect(await ended()).toMatchObject({ status: 69, stderr: expect.stringContaining('no server answers') })
  })

  test('--plain without a server leaves at the second /quit, and counts the messages of all runs that wait', async () => {
    const [dead] = await freePorts(1)
    const home = newHome()
    const args = ['--plain', '--user', 'Dora', '--port', `${dead}`]
    const first = start(args, home)
    first.child.stdin.write('/to Ada\none\ntwo\n/quit\n/quit\n')
    expect(await first.ended()).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('2 messages are not confirmed yet, for Ada;'),
    })
    const second = start(args, home)
    second.child.stdin.write('/to Bert\nthree\n/quit\n/quit\n')
    expect(await second.ended()).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('3 messages are not confirmed yet, for Ada (2), Bert (1);'),
    })
    expect(await run(args, { home, input: '/to Bert\nfour\n' })).toMatchObject({
      status: 69,
      stderr: expect.stringContaining('4 messages are not confirmed yet, for Ada (2), Bert (2);'),
    })
  })

  test('the last user is the last one who was online', async () => {
    const home = newHome()
    const [dead] = await freePorts(1)
    expect(await run(['--plain', '--user', 'Olga', ...port()], { home })).toMatchObject({ status: 0 })
    expect(await run(['--plain', '--user', 'Typo', '--port', `${dead}`], { home })).toMatchObject({ status: 69 })
    const settings = JSON.parse(readFileSync(join(home, 'mesh-chat/config.json'), 'utf8'))
    expect(settings).toMatchObject({ user: 'Olga' })
  })

  test('a folder as stdin is an error, not a crash', () => {
    const { status, stderr } = shell(`$CHAT --plain --user Fia --port ${mesh.ports[0]} < /`)
    expect([status, stderr]).toEqual([1, expect.stringContaining('cannot read stdin: it is a folder')])
    expect(shell(`$CHAT send --user Fia --port ${mesh.ports[0]} --to Fia - < /`)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('cannot read stdin: it is a folder'),
    })
  })
})

describe('stdout', () => {
  test('--json into a slow pipe: every line arrives whole', async () => {
    const home = newHome()
    const requests = Array.from({ length: 400 }, (_, n) =>
      JSON.stringify({ to: 'Jo', text: `${n} ${'x'.repeat(400)}` }),
    )
    const input = join(home, 'requests.jsonl')
    writeFileSync(input, requests.join('\n'))
    // The reader starts when everything is delivered, and gives the client time to end too early.
    const stored = `cat $(find ${home} -name history.jsonl) /dev/null | grep -c message`
    const afterDelivery = `until [ $(${stored}) -ge ${requests.length} ]; do sleep 0.2; done; sleep 3`
    const { status, stdout } = shell(
      `$CHAT --json --user Jo --port ${mesh.ports[0]} < ${input} | (${afterDelivery}; cat); exit \${PIPESTATUS[0]}`,
      home,
    )
    expect(status).toBe(0)
    const events = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    const delivered = events.filter(({ type, state }) => type === 'progress' && state === 'delivered')
    expect(delivered).toHaveLength(requests.length)
  })

  test('history into a slow pipe prints everything, in local time', async () => {
    const home = await longHistory()
    const { status, stdout } = shell(`$CHAT history --user Hilda | (sleep 2; cat); exit \${PIPESTATUS[0]}`, home)
    expect([status, stdout.trim().split('\n').length]).toEqual([0, LONG])
    // 1,760,000,000 s is 08:53 UTC, 17:53 in Tokyo.
    expect(stdout).toMatch(/^2025-10-09 17:53 Hilda → Billy: note 0 x/m)
  })

  const printing: [string, () => string][] = [
    ['history', () => 'history --user Hilda'],
    ['history --json', () => 'history --user Hilda --json'],
    ['who', () => `who --port ${mesh.ports[0]}`],
    ['who --json', () => `who --json --port ${mesh.ports[0]}`],
    ['top --json', () => `top --json --port ${mesh.ports[0]}`],
    ['mesh list', () => 'mesh list'],
    ['completion', () => 'completion bash'],
    ['--help', () => '--help'],
    ['--version', () => '--version'],
    ['tail', () => `tail --user Hilda --json --port ${mesh.ports[0]}`],
    ['--json', () => `--json --user Hilda --port ${mesh.ports[0]}`],
  ]
  test.each(printing)('%s to a full disk exits with 1 and says why', async (_, args) => {
    const { status, stderr } = shell(`$CHAT ${args()} > /dev/full < /dev/null`, await longHistory())
    expect(stderr).toContain('mesh-chat: cannot write the output: no space is left; what was printed is incomplete\n')
    expect(status).toBe(1)
  })

  test.each(printing)('%s ends quietly when its reader has closed the pipe', async (_, args) => {
    const { stdout, stderr } = shell(
      `set -o pipefail; $CHAT ${args()} < /dev/null 2> >(cat >&2) | true; echo "exit \${PIPESTATUS[0]}"`,
      await longHistory(),
    )
    expect(stdout).toMatch(/^exit (0|141)$/m)
    expect(stderr.replace(/^\* .*\n/gm, '')).toBe('')
  })

  test('tail ends quietly when its reader closes the pipe after a line', async () => {
    const home = newHome()
    const reader = spawn(
      'bash',
      [
        '-c',
        `${process.execPath} ${client} tail --user Tina --port ${mesh.ports[0]} | head -1; echo "exit \${PIPESTATUS[0]}"`,
      ],
      { env: env(home) },
    )
    children.add(reader)
    let out = ''
    for (const stream of [reader.stdout, reader.stderr])
      stream.on('data', chunk => {
        out += chunk
      })
    await until(() => expect(out).toContain('online at server-1'))
    await run(['send', '--user', 'Sender', ...port(), '--to', 'Tina', 'one'])
    await until(() => expect(out).toContain('Sender: one'))
    await run(['send', '--user', 'Sender', ...port(), '--to', 'Tina', 'two'])
    await until(() => expect(out).toMatch(/^exit (0|141)$/m))
    expect(out).not.toMatch(/Error|EPIPE/)
  })
})

test.skipIf(spawnSync('jq', ['--version']).error !== undefined)(
  'killing examples/echo-bot.sh ends its client',
  async () => {
    const home = newHome()
    const bin = join(home, 'bin')
    mkdirSync(bin)
    writeFileSync(join(bin, 'mesh-chat'), `#!/bin/sh\nexec ${process.execPath} ${client} "$@"\n`, { mode: 0o755 })
    const bot = spawn('sh', [join(process.cwd(), 'examples/echo-bot.sh'), 'Robot', `${mesh.ports[0]}`], {
      env: { ...env(home), PATH: `${bin}:${process.env.PATH}` },
    })
    children.add(bot)
    const online = async () => (await run(['who', ...port()])).stdout.split('\n').includes('Robot')
    await until(async () => expect(await online()).toBe(true))
    const you = new Program('cli', ['--plain', '--user', 'You', ...port(), '--to', 'Robot'], env(newHome()))
    you.child.stdin?.write('hello\n')
    await until(() => expect(you.out).toContain('Robot: You said: hello'))
    bot.kill('SIGTERM')
    await until(async () => expect(await online()).toBe(false))
    await until(() => expect(bot.exitCode ?? bot.signalCode).not.toBeNull())
  },
)
