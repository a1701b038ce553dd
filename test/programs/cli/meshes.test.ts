/** Pins and files per mesh, with real servers and clients. */
import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import type { KnownMesh } from '../../../cli/session/mesh-list.ts'
import { PUBLIC_MESH_KEY } from '../../../src/protocol/proofs/mesh-identity.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'

const WORDS = /([a-z]+( [a-z]+){8})/
let folder = ''
let home = ''
const programs: Program[] = []

beforeEach(() => {
  folder = temporaryFolder()
  home = join(folder, 'home')
})
afterEach(() => {
  for (const { child } of programs.splice(0)) child.kill('SIGKILL')
})
afterAll(stopAll)

const env = () => ({ XDG_STATE_HOME: home, XDG_CONFIG_HOME: home })
const data = (...path: string[]) => join(home, 'mesh-chat', ...path)
const pins = (): KnownMesh[] => JSON.parse(readFileSync(data('known-meshes.json'), 'utf8'))

/** Starts servers of one mesh. Returns when they are linked. */
async function startServers(
  ports: readonly number[],
  { secret, ...more }: { secret?: string; previousSecretFile?: string; auth?: string } = {},
): Promise<Program[]> {
  const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  const file = join(folder, `config-${ports.join('-')}-${Math.random()}.json`)
  const secretFile = `${file}.secret`
  if (secret !== undefined) writeFileSync(secretFile, secret, { mode: 0o600 })
  writeFileSync(file, JSON.stringify({ servers, ...(secret === undefined ? {} : { secretFile }), ...more }))
  const started = servers.map(({ id }) => new Program('daemon', ['--id', id, '--config', file, '--log-format', 'text']))
  programs.push(...started)
  await until('the servers listen', () => started.every(({ out }) => out.includes('Listening for')))
  if (ports.length > 1)
    await until('the servers are linked', () => started.every(({ out }) => out.includes('Outbound connection to peer')))
  return started
}

async function stopServers(servers: readonly Program[]): Promise<void> {
  for (const server of servers) {
    server.child.kill('SIGKILL')
    await server.waitForExit()
  }
}

/** Starts a client in line mode; its standard input stays open. */
function startClient(user: string, port: number, ...more: string[]): Program {
  const client = new Program('cli', ['--user', user, '--port', `${port}`, '--plain', ...more], env())
  programs.push(client)
  return client
}

async function online(user: string, port: number, ...more: string[]): Promise<Program> {
  const client = startClient(user, port, ...more)
  await until(`${user} is online`, () => client.out.includes('online at'))
  return client
}

/** Ends the input of a client, and waits until it has exited. */
async function leave(client: Program): Promise<void> {
  client.child.stdin?.end()
  await client.waitForExit()
}

async function run(...args: string[]): Promise<{ out: string; code: number | null | undefined }> {
  const program = new Program('cli', args, env())
  program.child.stdin?.end()
  await program.waitForExit()
  return { out: program.out, code: program.exitStatus?.code }
}

/** Starts a client that the mesh refuses, and waits until it has exited. */
async function refused(user: string, port: number, ...more: string[]): Promise<string> {
  const client = startClient(user, port, ...more)
  await client.waitForExit()
  expect(client.exitStatus?.code).toBe(1)
  return client.out
}

/** Sends a message from Anna to herself: it is delivered at once. */
async function say(port: number, text: string): Promise<void> {
  const client = await online('Anna', port, '--to', 'Anna')
  client.child.stdin?.write(`${text}\n`)
  await until('the message is shown', () => client.out.includes(`: ${text}`))
  await leave(client)
}

test('a changed secret is refused with both keys; after `mesh forget` the new mesh has its own history', async () => {
  const [port = 0] = await freePorts(1)
  const origin = `http://127.0.0.1:${port}`
  const servers = await startServers([port], { secret: 'the first secret of this mesh' })
  const first = await online('Anna', port, '--to', 'Anna')
  expect(first.out).toMatch(/^\* First connection to this mesh: its key is .* \(auth: open\)$/m)
  const before = WORDS.exec(first.out.split('its key is ')[1] ?? '')?.[0]
  await leave(first)
  await say(port, 'said before')
  const known = await online('Anna', port)
  expect(known.out).not.toContain('First connection')
  await leave(known)
  await stopServers(servers)

  const others = await startServers([port], { secret: 'another secret, of an impostor' })
  const refusal = await refused('Anna', port)
  expect(refusal).toContain(`the key of the mesh at ${origin} has changed. Known key: ${before}. Its key now: `)
  expect(refusal).toContain(`mesh-chat mesh forget ${origin}`)
  const json = await refused('Anna', port, '--json')
  expect(json).toContain('"type":"mesh-changed"')
  expect((await run('send', '--user', 'Anna', '--port', `${port}`, '--to', 'Anna', 'x')).out).toContain('has changed')

  const list = await run('mesh', 'list')
  expect(list.out).toContain(`127.0.0.1-${port}  (auth: open, since `)
  expect(list.out).toContain(`  key:     ${before}\n  servers: ${origin}\n`)
  expect(await run('mesh', 'forget', 'http://127.0.0.1:1')).toMatchObject({ code: 1 })
  expect(await run('mesh', 'forget', 'nonsense')).toMatchObject({ code: 2 })
  expect(await run('mesh', 'forget', origin)).toMatchObject({ code: 0 })
  await say(port, 'said after')
  expect(others).toHaveLength(1)
  expect((await run('history', '--user', 'Anna')).out).toMatch(/^.*: said after\n$/)
  // No server has accepted the message that was refused.
  expect((await run('history', '--user', 'Anna', '--mesh', `127.0.0.1-${port}`)).out).toMatch(/^.*: said before\n$/)
  expect((await run('history', '--user', 'Anna', '--mesh', before ?? '')).out).toMatch(/said before/)
  expect((await run('history', '--user', 'Anna', '--server', `${origin}/`)).out).toMatch(/said after/)
  expect(await run('history', '--user', 'Anna', '--mesh', 'unknown')).toMatchObject({ code: 2 })
})

test('with --keep-history the mesh keeps its messages under a new key', async () => {
  const [port = 0] = await freePorts(1)
  const servers = await startServers([port], { secret: 'the first secret of this mesh' })
  await say(port, 'said before')
  await stopServers(servers)
  await startServers([port], { secret: 'the operator has lost the first one' })
  await run('mesh', 'forget', `http://127.0.0.1:${port}`, '--keep-history')
  await say(port, 'said after')
  expect((await run('history', '--user', 'Anna')).out).toMatch(/said before\n.*said after/)
  expect(pins()).toHaveLength(1)
})

test('a mesh that changes its auth mode is refused', async () => {
  const [port = 0] = await freePorts(1)
  const secret = 'the same secret in both modes'
  const servers = await startServers([port], { secret, auth: 'key' })
  await say(port, 'sealed')
  await stopServers(servers)
  await startServers([port], { secret, auth: 'open' })
  for (const insecure of [[], ['--insecure']]) {
    const refusal = await refused('Anna', port, ...insecure)
    expect(refusal).toContain('another auth mode (key before, open now)')
    expect(refusal).toContain('mesh-chat mesh forget')
  }
})

test('a rotated secret moves the pin, and says so', async () => {
  const [port = 0] = await freePorts(1)
  const previous = 'the previous secret of this mesh'
  const servers = await startServers([port], { secret: previous })
  await say(port, 'said before')
  await stopServers(servers)
  const previousSecretFile = join(folder, 'previous')
  writeFileSync(previousSecretFile, previous, { mode: 0o600 })
  const rotating = await startServers([port], { secret: 'the next secret of this mesh', previousSecretFile })
  const client = await online('Anna', port)
  expect(client.out).toMatch(/^\* The mesh has a new secret, which the old one confirms; its key is ([a-z]+ ){9}now$/m)
  await leave(client)
  await stopServers(rotating)
  await startServers([port], { secret: 'the next secret of this mesh' })
  await say(port, 'said after')
  expect((await run('history', '--user', 'Anna')).out).toMatch(/said before\n.*said after/)
})

test('the same user has one history in each mesh', async () => {
  const [one = 0, other = 0] = await freePorts(2)
  await startServers([one], { secret: 'the secret of one mesh' })
  await startServers([other], { secret: 'the secret of the other mesh' })
  await say(one, 'in one')
  await say(other, 'in the other')
  expect((await run('history', '--user', 'Anna', '--server', `http://127.0.0.1:${one}`)).out).toMatch(/^.*: in one\n$/)
  expect((await run('history', '--user', 'Anna')).out).toMatch(/^.*: in the other\n$/)
  // A client of both servers stays with the mesh of the first.
  const servers = [one, other].map(port => `http://127.0.0.1:${port}`)
  const both = new Program('cli', ['--user', 'Anna', '--plain', '--server', ...servers], env())
  programs.push(both)
  await until('it is online', () => both.out.includes('online at'))
  expect(both.out).not.toContain('First connection')
})

test('clients that start at once on an empty data folder share one mesh, also through different servers', async () => {
  const ports = await freePorts(2)
  await startServers(ports, { secret: 'the secret of this mesh' })
  const clients = ['Anna', 'Anna', 'Billy', 'Billy', 'Carla', 'Carla'].map((user, at) =>
    startClient(user, ports[at % 2] ?? 0, '--to', 'Anna'),
  )
  await until('all are online', () => clients.every(({ out }) => out.includes('online at')))
  for (const [at, client] of clients.entries()) client.child.stdin?.write(`message ${at}\n`)
  await until('both of Anna show all messages', () =>
    clients.slice(0, 2).every(({ out }) => clients.every((_, at) => out.includes(`: message ${at}\n`))),
  )
  for (const client of clients) await leave(client)
  expect(pins()).toHaveLength(1)
  const [{ folder: mesh, origins } = { folder: '', origins: [] }] = pins()
  expect(origins.sort()).toEqual(ports.map(port => `http://127.0.0.1:${port}`).sort())
  expect(readdirSync(data('meshes'))).toEqual([mesh])
  expect((await run('history', '--user', 'Anna')).out.trim().split('\n')).toHaveLength(6)
  const billys = (await run('history', '--user', 'Billy')).out
  for (const text of ['message 2', 'message 3']) expect(billys).toContain(`: ${text}\n`)
})

test('a torn known-meshes.json is reported with its place and left alone; known meshes work', async () => {
  const [port = 0, other = 0] = await freePorts(2)
  const servers = await startServers([port], { secret: 'the secret of this mesh' })
  await say(port, 'said before')
  const torn = readFileSync(data('known-meshes.json'), 'utf8').slice(0, -20)
  writeFileSync(data('known-meshes.json'), torn)
  const client = await online('Anna', port, '--to', 'Anna')
  expect(client.out).toMatch(/^\* .*known-meshes\.json(:\d+:\d+)? is not JSON: .*; correct it, or delete it/m)
  expect(client.out).not.toContain('First connection')
  client.child.stdin?.write('said meanwhile\n')
  await until('the message is shown', () => client.out.includes(': said meanwhile'))
  await leave(client)
  // A new mesh works too, but nothing of it is stored.
  await startServers([other], { secret: 'the secret of another mesh' })
  await say(other, 'not stored')
  expect((await run('history', '--user', 'Anna', '--server', `http://127.0.0.1:${port}`)).out).toMatch(
    /said before\n.*said meanwhile/,
  )
  expect(readdirSync(data('meshes'))).toHaveLength(1)
  expect(await run('mesh', 'forget', `http://127.0.0.1:${port}`)).toMatchObject({ code: 1 })
  // The pins still hold.
  await stopServers(servers)
  await startServers([port], { secret: 'the secret of an impostor' })
  expect(await refused('Anna', port)).toContain('has changed. Known key: ')
  expect(readFileSync(data('known-meshes.json'), 'utf8')).toBe(torn)
})

test('the files of 0.1 move into the first mesh that the user connects to, and held messages are sent', async () => {
  const [port = 0] = await freePorts(1)
  mkdirSync(data(), { recursive: true, mode: 0o755 })
  const old = { id: 'old', at: Date.now() - 10_000, from: 'Billy', to: 'Anna', text: 'from 0.1' }
  const held = { id: 'held', at: Date.now() - 5_000, from: 'Anna', to: 'Billy', text: 'held by 0.1' }
  writeFileSync(data('Anna.jsonl'), `${[old, held].map(message => JSON.stringify({ message })).join('\n')}\n`, {
    mode: 0o644,
  })
  writeFileSync(data('Anna.outbox-99999999.jsonl'), `${JSON.stringify({ held })}\n`)
  // It is printed before the user connects, too.
  const printed = await run('history', '--user', 'Anna')
  expect(printed.out).toContain('Other users of this machine had access to ')
  expect(printed.out).toMatch(/from 0\.1\n.*held by 0\.1/)
  expect(statSync(data('Anna.jsonl')).mode & 0o777).toBe(0o600)
  expect(statSync(data()).mode & 0o777).toBe(0o700)

  await startServers([port], { secret: 'the secret of this mesh' })
  const billy = await online('Billy', port)
  const clients = [startClient('Anna', port), startClient('Anna', port)]
  await until('both are online', () => clients.every(({ out }) => out.includes('online at')))
  await until('the held message arrives', () => billy.out.includes('Anna: held by 0.1'))
  expect(billy.count('held by 0.1')).toBe(1)
  const notices = clients.reduce(
    (sum, client) => sum + client.count('The messages of Anna from version 0.1 are now'),
    0,
  )
  expect(notices).toBeGreaterThan(0)
  for (const client of clients) await leave(client)
  expect(readdirSync(data()).filter(name => name.startsWith('Anna'))).toEqual([])
  expect((await run('history', '--user', 'Anna')).out).toMatch(/from 0\.1\n.*held by 0\.1\n$/)
})

test('a mesh that proves nothing, or other users can read, gets no files of 0.1 from elsewhere', async () => {
  const [open = 0, secret = 0, keyed = 0] = await freePorts(3)
  mkdirSync(data(), { recursive: true, mode: 0o700 })
  writeFileSync(data('config.json'), JSON.stringify({ server: 'http://10.255.0.9:3001' }), { mode: 0o600 })
  const old = { id: 'old', at: Date.now() - 10_000, from: 'Billy', to: 'Anna', text: 'from 0.1' }
  for (const user of ['Anna', 'Kim']) {
    writeFileSync(data(`${user}.jsonl`), `${JSON.stringify({ message: { ...old, to: user } })}\n`, { mode: 0o600 })
  }
  const legacy = () => readdirSync(data()).filter(name => name.endsWith('.jsonl'))
  await startServers([open])
  await leave(await online('Anna', open))
  expect(legacy()).toEqual(['Anna.jsonl', 'Kim.jsonl'])
  // Kim has a key: the messages may have been sealed.
  await startServers([keyed], { secret: 'the secret of a mesh with keys', auth: 'key' })
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' })
  writeFileSync(join(folder, 'kim.pem'), pem)
  await run('identity', 'import', join(folder, 'kim.pem'), '--user', 'Kim')
  await startServers([secret], { secret: 'the secret of an open mesh' })
  await leave(await online('Anna', secret))
  await leave(await online('Kim', secret))
  expect(legacy()).toEqual(['Kim.jsonl'])
  await leave(await online('Kim', keyed))
  expect(legacy()).toEqual([])
})

test('users whose names are long, or look like files of another user, have a history each', async () => {
  const [port = 0] = await freePorts(1)
  await startServers([port])
  const users = ['Anna', 'anna', 'Anna.outbox-99999999', '会'.repeat(40), `${'会'.repeat(39)}議`]
  for (const user of users) {
    const client = await online(user, port, '--to', user)
    client.child.stdin?.write(`I am ${user}\n`)
    await until('the message is shown', () => client.out.includes(`: I am ${user}`))
    await leave(client)
  }
  for (const user of users) {
    expect(
      (await run('history', '--user', user, '--json')).out
        .trim()
        .split('\n')
        .map(line => JSON.parse(line).text),
    ).toEqual([`I am ${user}`])
  }
  expect(pins()).toMatchObject([{ key: PUBLIC_MESH_KEY, mode: 'open' }])
})

test('processes that take the lock of a file at the same time lose no change', async () => {
  const file = join(folder, 'count')
  writeFileSync(file, '0')
  const script = `
    import { readFileSync, writeFileSync } from 'node:fs'
    import { withFileLock } from '${join(process.cwd(), 'dist/cli/storage/locks/file-lock.js')}'
    for (let n = 0; n < 50; n++) {
      withFileLock('${file}.lock', () => writeFileSync('${file}', String(Number(readFileSync('${file}', 'utf8')) + 1)))
    }`
  const ended = [1, 2, 3].map(() => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' })
    return new Promise(resolve => child.on('exit', resolve))
  })
  expect(await Promise.all(ended)).toEqual([0, 0, 0])
  expect(readFileSync(file, 'utf8')).toBe('150')
})
