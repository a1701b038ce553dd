/** `mesh-chatd check`: findings about a config and its servers; the mesh does not notice the check. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createProof } from '../../../daemon/links/handshake.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealClient } from '../../support/programs/real-client.ts'

const SECRET = 'a secret of more than sixteen characters'
const TLS = join(process.cwd(), 'test/support/tls')
const tls = (name: string) => ({
  cert: join(TLS, `${name}.pem`),
  key: join(TLS, `${name}-key.pem`),
  ca: join(TLS, 'ca.pem'),
})

const others: Server[] = []

afterAll(() => {
  stopAll()
  for (const other of others) other.close()
})

async function configure(count: number, more: object = {}) {
  const folder = temporaryFolder()
  const ports = await freePorts(count)
  const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  const write = (name: string, content: object) => {
    const file = join(folder, name)
    writeFileSync(file, JSON.stringify(content))
    return file
  }
  return { folder, ports, servers, write, file: write('config.json', { servers, ...more }) }
}

async function start(n: number, file: string, env: NodeJS.ProcessEnv = {}, ...more: string[]): Promise<Program> {
  const args = ['--id', `server-${n}`, '--config', file, '--log-format', 'text', ...more]
  const program = new Program('daemon', args, env)
  await until('it listens', () => program.out.includes('Listening for'))
  return program
}

/** Asynchronous, because some of the checked servers run in this process. */
function check(file: string, env: NodeJS.ProcessEnv = {}, ...more: string[]) {
  return new Promise<{ status: number | null; lines: string[]; stderr: string }>(resolve => {
    const command = ['dist/daemon/main.js', 'check', '--config', file, ...more]
    const child = spawn(process.execPath, command, { env: { ...process.env, ...env }, timeout: 60_000 })
    const out = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].on('data', (chunk: Buffer) => {
        out[stream] += chunk
      })
    }
    child.on('close', status => resolve({ status, lines: out.stdout.trim().split('\n'), stderr: out.stderr }))
  })
}

test('an address that is not valid, or an unknown field, is refused with the name of the field', async () => {
  const { write, servers } = await configure(1)
  const address = await check(write('address.json', { servers: [{ ...servers[0], ip: 'host name' }] }))
  expect(address).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('servers[0].ip must be an IP address or a host name'),
  })
  const field = await check(write('field.json', { servers, auht: 'key' }))
  expect(field).toMatchObject({ status: 2, stderr: expect.stringMatching(/auht is not a field.*auth/) })
})

test('a healthy mesh gives one ok line per server, and does not notice the check', async () => {
  const { file, folder, ports } = await configure(2, { secretFile: 'secret', auth: 'open' })
  writeFileSync(join(folder, 'secret'), SECRET, { mode: 0o600 })
  const programs = [await start(1, file), await start(2, file)]
  await until('the servers are linked', () =>
    programs.every(({ out }) => /Outbound.*\n(.*\n)*.*Inbound|Inbound.*\n(.*\n)*.*Outbound/.test(out)),
  )
  const before = programs.map(({ out }) => out)
  const { status, lines, stderr } = await check(file)
  expect(lines).toEqual([
    `ok     config: ${file}: 2 servers`,
    `ok     secret: from ${join(folder, 'secret')}`,
    'ok     auth: open',
    ...ports.map((port, at) =>
      expect.stringMatching(
        new RegExp(
          `^ok {5}server-${at + 1} at http://127.0.0.1:${port}: same secret, round trip [\\d.]+ ms, clock \\d+ ms (ahead|behind)$`,
        ),
      ),
    ),
  ])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  // Anna's presence arrives after anything that the check could have caused.
  const anna = new RealClient('Anna', [`http://127.0.0.1:${ports[0]}`])
  await until('the other server knows Anna', () => programs[1]?.out.includes('Adding user Anna') === true)
  anna.close()
  programs.forEach(({ out }, at) => {
    expect(out.slice(before[at]?.length)).not.toMatch(/check|peer: (?!server-[12])|unreachable|refused/)
  })
  const json = await check(file, {}, '--json', '--id', 'server-1')
  expect(json.lines.map(line => JSON.parse(line)).map(({ ok, about }) => ({ ok, about }))).toEqual([
    { ok: true, about: 'config' },
    { ok: true, about: 'secret' },
    { ok: true, about: 'auth' },
    { ok: true, about: `server-2 at http://127.0.0.1:${ports[1]}` },
  ])
  expect(json.status).toBe(0)
})

test('the findings say what is wrong with each server and how to fix it', async () => {
  const { file, ports, servers, write } = await configure(4)
  const [, second, third] = servers
  // server-3 answers at the address of server-2, and a web server at the address of server-4.
  const swapped = write('swapped.json', { servers: [...servers.slice(0, 1), second, { ...third, port: 1 }] })
  const renamed = write('renamed.json', { servers: [{ id: 'server-3', ip: '127.0.0.1', port: ports[1] }] })
  await start(1, swapped, { MESH_CHAT_SECRET: 'another secret, long enough' })
  await start(3, renamed, { MESH_CHAT_SECRET: SECRET }, '--auth', 'key')
  const other = createServer((_, response) => response.end('hello'))
  others.push(other)
  await new Promise<void>(resolve => other.listen(ports[3], '127.0.0.1', resolve))
  const { status, lines } = await check(file, { MESH_CHAT_SECRET: SECRET })
  expect(status).toBe(1)
  expect(lines.slice(3)).toEqual([
    expect.stringMatching(/^error {2}server-1 .*another secret.*MESH_CHAT_SECRET/),
    expect.stringMatching(/^error {2}server-2 .*another server answers at its address: server-3; correct ip and port/),
    expect.stringMatching(/^error {2}server-2 .*its auth is key, but this config has open/),
    expect.stringMatching(/^error {2}server-3 .*connection refused.*mesh-chatd --id server-3/),
    expect.stringMatching(/^error {2}server-4 .*not mesh-chat/),
  ])
})

test('before the start of this server, others that do not run are warnings', async () => {
  const { file, folder, ports, servers, write } = await configure(3)
  const before = await check(file, {}, '--id', 'server-1')
  expect(before.lines.slice(3)).toEqual(
    [2, 3].map(n => expect.stringMatching(`^warn {3}server-${n} .*connection refused.*mesh-chatd --id server-${n}$`)),
  )
  expect(before.status).toBe(0)
  const json = await check(file, {}, '--id', 'server-1', '--json')
  expect(JSON.parse(json.lines.at(-1) ?? '')).toMatchObject({
    ok: true,
    warning: true,
    about: expect.stringContaining('server-3'),
  })
  // A name without an address is a mistake, and so is another program at the address.
  const other = createServer((_, response) => response.end('hello'))
  others.push(other)
  await new Promise<void>(resolve => other.listen(ports[1], '127.0.0.1', resolve))
  writeFileSync(join(folder, 'secret'), SECRET, { mode: 0o600 })
  const unknown = [...servers.slice(0, 2), { ...servers[2], ip: 'unknown.invalid' }]
  const wrong = await check(
    write('wrong.json', { servers: unknown, secretFile: 'secret', auth: 'open' }),
    {},
    '--id',
    'server-1',
  )
  expect(wrong.status).toBe(1)
  expect(wrong.lines.slice(3)).toEqual([
    expect.stringMatching(/^error {2}server-2 .*not mesh-chat/),
    expect.stringMatching(/^error {2}server-3 at http:\/\/unknown\.invalid.*unreachable/),
  ])
  // Once this server runs, the others should.
  await start(1, file)
  const after = await check(file, {}, '--id', 'server-1')
  expect(after.status).toBe(1)
  expect(after.lines.at(-1)).toMatch(/^error {2}server-3 .*connection refused/)
})

test('the line of the config counts its rooms', async () => {
  const { file } = await configure(1, { rooms: [{ name: '#ops' }, { name: '#dev' }] })
  const { lines } = await check(file, {}, '--id', 'server-1')
  expect(lines[0]).toBe(`ok     config: ${file}: 1 server, 2 rooms`)
})

test('a server that accepts the connection but stays silent times out', async () => {
  const { file, ports } = await configure(1)
  const mute = createServer(() => {})
  mute.on('upgrade', () => {})
  others.push(mute)
  await new Promise<void>(resolve => mute.listen(ports[0], '127.0.0.1', resolve))
  const { status, lines } = await check(file, {}, '--timeout', '0.5')
  mute.closeAllConnections()
  expect(status).toBe(1)
  expect(lines.at(-1)).toMatch(/unreachable: no answer within 0\.5 s/)
})

test('certificates are checked for trust and expiry', async () => {
  const { file, write, servers, ports } = await configure(2, { tls: tls('one') })
  await start(1, file)
  const strange = write('strange.json', { servers, tls: tls('stranger') })
  await start(2, strange)
  const { status, lines } = await check(file)
  expect(status).toBe(1)
  expect(lines).toContainEqual(
    expect.stringMatching(/^ok {5}tls: .*one\.pem: valid until \d{4}-\d\d-\d\d \(\d+ days\)$/),
  )
  expect(lines).toContainEqual(expect.stringMatching(/^ok {5}server-1 .*certificate valid until \d{4}-/))
  expect(lines).toContainEqual(expect.stringMatching(/^error {2}server-2 .*certificate is not trusted: .*set tls\.ca/))
  // The server uses TLS, the config does not.
  const plain = write('plain.json', { servers: [{ id: 'server-1', ip: '127.0.0.1', port: ports[0] }] })
  expect((await check(plain)).lines.at(-1)).toMatch(/^error {2}server-1 at http:.*not mesh-chat/)
})

test('an invalid config exits with 2, lists all problems, and contacts no server', async () => {
  const { write, servers, folder } = await configure(1)
  const [first] = servers
  const config = (more: object) => check(write('bad.json', { servers, ...more }))
  writeFileSync(join(folder, 'open'), SECRET, { mode: 0o644 })
  const both = await config({ secretFile: 'open', auth: 'token', tokenKeyFile: 'none' })
  expect(both.status).toBe(2)
  expect(both.lines.slice(1)).toEqual([
    expect.stringMatching(/^error {2}secret: .*chmod 600/),
    expect.stringMatching(/^error {2}tokenKeyFile: .*cannot read/),
    'ok     auth: token',
  ])
  const far = await config({ servers: [{ ...first, ip: '192.0.2.1' }] })
  expect(far).toMatchObject({ status: 2 })
  expect(far.lines.at(-1)).toMatch(/^error {2}server-1: .*no secret; set MESH_CHAT_SECRET or secretFile/)
  expect(await check('/nowhere.json')).toMatchObject({ status: 2, stderr: expect.stringContaining('/nowhere.json') })
  const unknown = await check(write('good.json', { servers }), {}, '--id', 'server-9')
  expect(unknown).toMatchObject({ status: 2, stderr: expect.stringContaining('choose one of: server-1') })
  expect(await check(write('good.json', { servers }), {}, '--timeout', 'soon')).toMatchObject({ status: 2 })
})

test('the handshake proof covers the probe flag, so removing the flag invalidates the proof', () => {
  const party = { id: 'check', incarnation: 'i', protocol: 2, nonce: 'n'.repeat(22) }
  const acceptor = { ...party, id: 'server-1' }
  expect(createProof(SECRET, 'dialler', { ...party, probe: true }, acceptor)).not.toBe(
    createProof(SECRET, 'dialler', party, acceptor),
  )
})

test('during a rotation a server that has only the previous secret is reachable, and named', async () => {
  const { file, folder, write, servers } = await configure(2, { secretFile: 'secret', auth: 'open' })
  writeFileSync(join(folder, 'secret'), SECRET, { mode: 0o600 })
  await start(1, file)
  writeFileSync(join(folder, 'new'), `new ${SECRET}`, { mode: 0o600 })
  const more = { servers, auth: 'open', secretFile: 'new', previousSecretFile: 'secret' }
  const rotating = write('rotating.json', more)
  await start(2, rotating)
  const { status, lines } = await check(rotating)
  expect(lines.at(-2)).toMatch(
    /^ok {5}server-1 at .*: previous secret only \(restart it with the new one\), round trip/,
  )
  expect(lines.at(-1)).toMatch(/^ok {5}server-2 at .*: same secret, round trip/)
  expect(status).toBe(0)
})
