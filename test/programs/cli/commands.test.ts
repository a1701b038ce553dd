/** Commands for scripts, as real processes against real servers: exit codes, output, JSON lines. */
import { spawn, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { io } from 'socket.io-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { withGrowingTimeout } from '../../support/programs/growing-timeout.ts'
import { JsonClient } from '../../support/programs/json-client.ts'
import { freePorts, Program, stopAll, temporaryFolder, untilToldOnline } from '../../support/programs/processes.ts'
import { TestMesh, until } from '../../support/programs/test-mesh.ts'

const mesh = new TestMesh()
let homes = 0

beforeAll(async () => {
  await mesh.configure(2)
  const servers = [mesh.start(1), mesh.start(2)]
  for (const server of servers) await until(() => expect(server.out).toContain('Outbound connection to peer'))
})

afterAll(() => {
  stopAll()
  mesh.stop()
})

/** An environment with empty state and config folders. */
function env(home = join(mesh.folder, `home-${++homes}`)): NodeJS.ProcessEnv {
  return { ...process.env, XDG_STATE_HOME: home, XDG_CONFIG_HOME: home }
}

/** Runs the client until it exits. */
function run(args: string[], { input = '', home }: { input?: string; home?: string } = {}) {
  return new Promise<{ status: number | null; stdout: string; stderr: string }>(resolve => {
    const child = spawn(process.execPath, ['dist/cli/main.js', ...args], { env: env(home) })
    const out = { stdout: '', stderr: '' }
    child.stdout.on('data', chunk => {
      out.stdout += chunk
    })
    child.stderr.on('data', chunk => {
      out.stderr += chunk
    })
    child.on('close', status => resolve({ status, ...out }))
    child.stdin.end(input)
  })
}

const at = (n: number) => ['--port', `${mesh.ports[n - 1]}`]
const start = (...args: string[]) => new Program('cli', args, env())

describe('send', () => {
  test('exits with 0 after delivery, 3 if the recipient stays offline, 1 if the message is rejected', async () => {
    const tail = start('tail', '--user', 'Anna', ...at(1))
    await until(() => expect(tail.out).toContain('online at server-1'))
    expect(await run(['send', '--user', 'Bot', ...at(2), '--to', 'Anna', 'done: 42'])).toMatchObject({ status: 0 })
    await until(() => expect(tail.out).toMatch(/^\d\d:\d\d Bot: done: 42$/m))
    const piped = await run(['send', '--user', 'Bot', ...at(2), '--to', 'Anna', '-'], { input: 'from\nstdin\n' })
    expect(piped.status).toBe(0)
    await until(() => expect(tail.out).toMatch(/^\d\d:\d\d Bot: from\n {6}stdin$/m))

    const offline = await withGrowingTimeout(
      seconds => run(['send', '--user', 'Bot', ...at(2), '--to', 'Absent', '--timeout', seconds, 'x']),
      ({ status }) => status === 3,
    )
    expect(offline).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(
        /^mesh-chat: not delivered to Absent within \d+ s; the message is dropped; try again, or add --keep\n$/m,
      ),
    })
    // The server told its limit: the text is not sent.
    const long = await run(['send', '--user', 'Bot', ...at(2), '--to', 'Anna', '-'], { input: 'x'.repeat(20_000) })
    expect(long).toMatchObject({ status: 1, stderr: expect.stringContaining('16384 bytes') })
  })

  test('C25: a text that no server accepts is refused, and later messages are delivered', async () => {
    const tail = start('tail', '--user', 'Gina', ...at(1))
    await until(() => expect(tail.out).toContain('online at server-1'))
    const texts = ['x'.repeat(2_000_000), 'y'.repeat(20_000), 'short']
    const input = texts.map((text, ref) => `${JSON.stringify({ to: 'Gina', text, ref })}\n`).join('')
    const { stdout } = await run(['--json', '--user', 'Bot', ...at(2)], { input })
    const events = stdout.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line)]))
    const results = events.filter(({ state }) => state === 'refused' || state === 'delivered')
    expect(results.map(({ ref, state, code }) => `${ref} ${state} ${code}`)).toEqual([
      '0 refused text-too-long',
      '1 refused text-too-long',
      '2 delivered undefined',
    ])
    expect(results[0].message).toContain('262144; send it in parts')
    expect(results[1].message).toContain('16384 bytes')
  })

  test('exits with 4 if the message may have arrived, but no client has confirmed it in time', async () => {
    const silent = io(`http://127.0.0.1:${mesh.ports[0]}`, { transports: ['websocket'], forceNew: true })
    const received: string[] = []
    silent.on('im', ({ text }: { text: string }) => received.push(text))
    await silent.timeout(60_000).emitWithAck('identify', { user: 'Silent', client: 'x/1', protocol: 2 })
    const result = await withGrowingTimeout(
      seconds => run(['send', '--user', 'Bot', ...at(1), '--to', 'Silent', '--timeout', seconds, 'hello']),
      ({ status }) => status === 4,
    )
    expect(received).toContain('hello')
    expect(result).toMatchObject({ status: 4, stderr: expect.stringMatching(/not confirmed by Silent within \d+ s/) })
    silent.disconnect()
  })

  test('with --keep the next client sends an undelivered message; without, the message is dropped', async () => {
    const home = join(mesh.folder, 'keeper')
    const send = (...more: string[]) =>
      withGrowingTimeout(
        seconds => run(['send', '--user', 'Kim', ...at(1), '--to', 'Late', '--timeout', seconds, ...more], { home }),
        ({ status }) => status === 3,
      )
    expect(await send('dropped')).toMatchObject({ status: 3 })
    expect(await send('--keep', 'kept')).toMatchObject({ status: 3, stderr: expect.stringContaining('next client') })
    const late = start('tail', '--user', 'Late', ...at(2))
    await until(() => expect(late.out).toContain('online at server-2'))
    expect(await run(['send', '--user', 'Kim', ...at(1), '--to', 'Late', 'third'], { home })).toMatchObject({
      status: 0,
    })
    const kim = new Program('cli', ['--user', 'Kim', ...at(1)], env(home))
    await until(() => expect(late.out).toContain('Kim: kept'))
    expect(late.out).not.toContain('dropped')
    kim.child.kill()
  })

  test('invalid arguments exit with 2, an unreachable server with 69, each with a one-line error', async () => {
    const [port] = await freePorts(1)
    for (const [args, status, line] of [
      [['send', '--user', 'Bot', 'text'], 2, /--to/],
      [['send', '--to', 'Anna', 'text'], 2, /no user name given; add --user NAME/],
      [['send', '--user', 'Bot', '--to', 'Anna', ''], 2, /the text is empty/],
      [['send', '--user', 'Bot', '--to', 'Anna', '--timeout', 'soon', 'x'], 2, /--timeout soon is not a duration/],
      [['send', '--user', 'Bot', '--to', 'Anna', '--port', `${port}`, 'x'], 69, /no server answers/],
      [['who', '--port', `${port}`], 69, /no server answers/],
    ] as const) {
      const result = await run([...args])
      expect(result).toMatchObject({ status, stdout: '', stderr: expect.stringMatching(line) })
      expect(result.stderr.trim().split('\n')).toHaveLength(1)
    }
  })
})

test('who prints the users online in order, and does not go online itself', async () => {
  const zoe = start('tail', '--user', 'Zoe', ...at(1))
  const ann = start('tail', '--user', 'Ann', ...at(2))
  await untilToldOnline([zoe, 'Ann'], [ann, 'Zoe'])
  // The users of earlier tests leave meanwhile.
  await until(async () => {
    const { status, stdout } = await run(['who', ...at(1)])
    expect(status).toBe(0)
    const names = stdout.trim().split('\n')
    expect(names).toEqual([...names].sort())
    expect(names).toEqual(expect.arrayContaining(['Ann', 'Zoe']))
    const json = await run(['who', '--json', ...at(2)])
    expect(JSON.parse(json.stdout)).toEqual({ users: names })
  })
  expect(await run(['who', 'zO', ...at(1)])).toEqual({ status: 0, stdout: 'Zoe\n', stderr: '' })
  const stderr = "mesh-chat: no user online matches 'Zeo'; did you mean Zoe?\n"
  expect(await run(['who', 'Zeo', ...at(1)])).toEqual({ status: 1, stdout: '', stderr })
})

test.each(['key', 'token'])('who reports that a mesh with auth %s refuses it, and what to do', async auth => {
  const [port] = await freePorts(1)
  const tokenKeyFile = join(mesh.folder, 'token-key')
  writeFileSync(tokenKeyFile, 'a secret of the test with 32 characters', { mode: 0o600 })
  const config = join(mesh.folder, `${auth}.json`)
  writeFileSync(config, JSON.stringify({ servers: [{ id: 'private', ip: '127.0.0.1', port }], auth, tokenKeyFile }))
  const server = new Program('daemon', ['--id', 'private', '--config', config])
  await until(() => expect(server.out).toContain('Listening for connections'))
  expect(await run(['who', '--port', `${port}`])).toEqual({
    status: 1,
    stdout: '',
    stderr:
      `mesh-chat: http://127.0.0.1:${port} rejected the request: only users of this mesh may list who is online; ` +
      'add --user NAME to connect as that user for a moment\n',
  })
  if (auth === 'key') {
    const lea = start('tail', '--user', 'Lea', '--port', `${port}`)
    await until(() => expect(lea.out).toContain('online at private'))
    const asUser = await run(['who', '--user', 'Kim', '--port', `${port}`])
    expect(asUser).toMatchObject({ status: 0, stdout: expect.stringContaining('Lea\n') })
  }
  server.child.kill()
})

describe('--json', () => {
  test('tells who is writing only with --typing', async () => {
    const url = (n: number) => `http://127.0.0.1:${mesh.ports[n - 1]}`
    const [bert, una, quiet] = [
      new JsonClient('Bert', url(1), temporaryFolder()),
      new JsonClient('Una', url(2), temporaryFolder(), ['--typing']),
      new JsonClient('Una', url(2), temporaryFolder()),
    ]
    await until(() => expect(bert.isToldOnline('Una') && una.isOnline && quiet.isOnline).toBe(true))
    bert.child.stdin?.write('{"type": "typing", "to": "Una"}\n')
    await until(() => expect(una.events('typing')).toEqual([{ type: 'typing', from: 'Bert', to: 'Una' }]))
    bert.send('Una', 'hi')
    await until(() => expect(quiet.received).toHaveLength(1))
    expect(quiet.events('typing')).toEqual([])
  })

  test('reads and writes JSON lines; a malformed line gives an error event and does not end the program', async () => {
    const tail = start('tail', '--user', 'Uma', '--json', '--with', 'Bob', ...at(2))
    await until(() => expect(tail.out).toContain('"state":"online"'))
    const bob = new Program('cli', ['--json', '--user', 'Bob', ...at(1)], env())
    const events = () =>
      bob.out
        .split('\n')
        .filter(line => line.startsWith('{'))
        .map(line => JSON.parse(line))
    await until(() =>
      expect(events()).toContainEqual(
        expect.objectContaining({ type: 'roster', users: expect.arrayContaining(['Uma', 'Bob']) }),
      ),
    )
    bob.child.stdin?.write('nonsense\n{"to": "", "text": "x"}\n{"to": "Uma", "text": "hi", "ref": 7}\n')
    await until(() => expect(events().filter(event => event.type === 'error')).toHaveLength(2))
    await until(() =>
      expect(events()).toContainEqual(
        expect.objectContaining({ type: 'progress', to: 'Uma', ref: 7, state: 'delivered', connections: 1 }),
      ),
    )
    expect(events()).toContainEqual(
      expect.objectContaining({ type: 'message', origin: 'composed', text: 'hi', ref: 7 }),
    )
    await until(() => expect(tail.out).toMatch(/"type":"message","origin":"live".*"from":"Bob","to":"Uma","text":"hi"/))
    bob.child.stdin?.write('{"type": "close"}\n')
    await bob.waitForExit()
    expect(bob.exitStatus?.code).toBe(0)
  })

  test('the example bot answers messages', async () => {
    const bin = join(mesh.folder, 'bin')
    mkdirSync(bin)
    const main = join(process.cwd(), 'dist/cli/main.js')
    writeFileSync(join(bin, 'mesh-chat'), `#!/bin/sh\nexec ${process.execPath} ${main} "$@"\n`, { mode: 0o755 })
    const path = `${bin}:${process.env.PATH}`
    const bot = spawn(process.execPath, ['examples/echo-bot.mjs', '--user', 'Echo', ...at(1)], {
      env: { ...env(), PATH: path },
    })
    const tail = start('tail', '--user', 'Vera', ...at(2))
    await untilToldOnline([tail, 'Echo'])
    expect(await run(['send', '--user', 'Vera', ...at(1), '--to', 'Echo', 'anybody?'])).toMatchObject({ status: 0 })
    await until(() => expect(tail.out).toContain('Echo: You said: anybody?'))
    bot.kill()
  })
})

describe('line mode', () => {
  test('piped messages are delivered before the program exits; an offline recipient is reported', async () => {
    const tail = start('tail', '--user', 'Ida', ...at(1))
    await until(() => expect(tail.out).toContain('online at'))
    const piped = await run(['--user', 'Bot', ...at(2), '--to', 'Ida'], { input: 'one\ntwo\n/to Absent\nthree\n' })
    expect(piped.status).toBe(0)
    await until(() => expect(tail.out).toMatch(/Bot: one\n(?:\*.*\n)*.*Bot: two\n/))
    expect(piped.stderr).toContain('Absent is offline')
  })

  test('exits without an error when the reader of its output closes the pipe', () => {
    const command = `${process.execPath} dist/cli/main.js --json --user Pat --port ${mesh.ports[0]} | head -1`
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command], {
      encoding: 'utf8',
      env: env(),
      timeout: 60_000,
      input: '{"to":"Pat","text":"x"}\n',
    })
    expect({ status, lines: stdout.trim().split('\n').length, stderr }).toEqual({ status: 0, lines: 1, stderr: '' })
  })
})

describe('identity', () => {
  test('a key is exported on one machine and imported on another', async () => {
    const [one, other] = ['one', 'other'].map(name => join(mesh.folder, name))
    const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    const identity = (home: string | undefined, args: string[], input = '') =>
      run(['identity', ...args, '--user', 'Anna'], { input, ...(home === undefined ? {} : { home }) })

    const missing = await identity(one, ['show'])
    expect(missing).toMatchObject({ status: 1, stdout: '', stderr: expect.stringMatching(/no key on this machine; /) })
    const imported = await identity(one, ['import'], pem)
    expect(imported).toMatchObject({ status: 0, stderr: '' })
    const [name, words, key] = imported.stdout.trim().split('\n')
    expect([name, words?.split(' ').length, key?.length]).toEqual(['Anna', 9, 43])
    expect(await identity(one, ['show'])).toEqual(imported)
    const exported = await identity(one, ['export'])
    expect(exported.stdout).toBe(pem)

    const file = join(mesh.folder, 'exported.pem')
    writeFileSync(file, exported.stdout)
    expect(await identity(other, ['import', file])).toEqual(imported)
    const different = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    expect(await identity(other, ['import'], different)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/already has a different key on this machine; .*--replace/),
    })
    expect(await identity(other, ['import', '--replace'], different)).toMatchObject({ status: 0 })
    const missingFile = join(mesh.folder, 'missing.pem')
    expect(await identity(other, ['import', missingFile])).toEqual({
      status: 2,
      stdout: '',
      stderr: `mesh-chat: cannot read ${missingFile}: no such file; give the file that "mesh-chat identity export" wrote\n`,
    })
  })
})

test('lab rejects invalid clients and ports in use, without starting anything', async () => {
  const socket = ['--socket', `mesh-chat-test-${process.pid}`]
  expect(await run(['lab', 'Anna', '--config', mesh.config, ...socket])).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/^mesh-chat: Anna is not a client; give clients as NAME:PORT, such as Anna:\d+\n$/),
  })
  expect(await run(['lab', '--config', mesh.config, ...socket])).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(
      /^mesh-chat: These servers are already running here. Join with: mesh-chat --user NAME --port \d+; or stop them first\n$/,
    ),
  })
})

test('tail does not print the messages of ignored users', async () => {
  const home = join(mesh.folder, `home-${++homes}`)
  mkdirSync(join(home, 'mesh-chat'), { recursive: true })
  const settings = { userPreferences: { Wendy: { ignored: ['Troll'] } } }
  writeFileSync(join(home, 'mesh-chat/config.json'), JSON.stringify(settings))
  const tail = new Program('cli', ['tail', '--user', 'Wendy', ...at(1)], env(home))
  await until(() => expect(tail.out).toContain('online at server-1'))
  for (const user of ['Troll', 'Bot'])
    expect(await run(['send', '--user', user, ...at(1), '--to', 'Wendy', `by ${user}`])).toMatchObject({ status: 0 })
  await until(() => expect(tail.out).toContain('by Bot'))
  expect(tail.out).not.toContain('by Troll')
})
