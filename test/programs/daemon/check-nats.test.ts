/** `mesh-chatd check` with a backbone: checks NATS, and the servers over it. */
import { chmodSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { NatsServer, natsMissingReason } from '../../support/programs/nats-server.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'

const MESH_CHAT_SECRET = 'a secret of more than sixteen characters'
const TLS = join(process.cwd(), 'test/support/tls')
const cleanups: (() => void)[] = []

afterEach(() => {
  for (const end of cleanups.splice(0)) end()
})
afterAll(stopAll)

async function startNats(...args: string[]): Promise<NatsServer> {
  const nats = await NatsServer.start(...args)
  cleanups.push(() => nats.kill())
  return nats
}

async function configure(count: number, more: object) {
  const folder = temporaryFolder()
  const ports = await freePorts(count)
  const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  const file = join(folder, 'config.json')
  const write = (more: object) => writeFileSync(file, JSON.stringify({ servers, ...more }), { mode: 0o600 })
  write(more)
  return { file, write }
}

const outboundLinkCount = (program: Program) => program.count('Outbound connection to peer')

function start(n: number, file: string, env: NodeJS.ProcessEnv = {}, ...more: string[]): Program {
  const args = ['--id', `server-${n}`, '--config', file, '--log-format', 'text', ...more]
  return new Program('daemon', args, { MESH_CHAT_SECRET, ...env })
}

async function check(file: string, ...more: string[]): Promise<{ status: number | null | undefined; lines: string[] }> {
  const program = new Program('daemon', ['check', '--config', file, ...more], { MESH_CHAT_SECRET })
  await program.waitForExit()
  return { status: program.exitStatus?.code, lines: program.out.trim().split('\n').slice(3) }
}

describe.skipIf(natsMissingReason !== undefined)('check over a backbone', () => {
  test('a healthy backbone gives one ok line for NATS and each server, and the mesh does not notice', async () => {
    const nats = await startNats('--user', 'mesh', '--pass', 'p@ss')
    const { file } = await configure(2, { backbone: nats.url.replace('nats://', 'nats://mesh:p%40ss@') })
    const programs = [start(1, file, {}, '--workers', '2'), start(2, file)]
    const [first, second] = programs
    if (first === undefined || second === undefined) throw new Error('two servers')
    await until('the servers are linked', () => outboundLinkCount(first) >= 4 && outboundLinkCount(second) >= 2)
    const before = programs.map(({ out }) => out.length)
    const { status, lines } = await check(file)
    expect(lines).toEqual([
      expect.stringMatching(new RegExp(`^ok {5}backbone at ${nats.url}: NATS \\d[\\d.]*, round trip [\\d.]+ ms$`)),
      ...[1, 2].map(n =>
        expect.stringMatching(
          new RegExp(
            `^ok {5}server-${n} on the backbone: same secret, round trip [\\d.]+ ms, clock \\d+ ms (ahead|behind)$`,
          ),
        ),
      ),
    ])
    expect(status).toBe(0)
    // The response to a later request arrives after anything that the first check could have caused.
    expect((await check(file, '--id', 'server-1')).lines).toHaveLength(2)
    programs.forEach(({ out }, at) => {
      expect(out.slice(before[at])).not.toMatch(/check|peer: (?!server-[12])|refused|malformed/)
    })
  })

  test('the findings say what is wrong with each server and how to fix it', async () => {
    const nats = await startNats()
    const { file } = await configure(4, { backbone: nats.url })
    const programs = [
      start(1, file, { MESH_CHAT_SECRET: 'another secret, long enough' }),
      start(3, file, {}, '--auth', 'key'),
      start(4, file),
    ]
    await until('all servers are connected', () =>
      programs.every(({ out }) => out.includes('Connected to the backbone')),
    )
    const { status, lines } = await check(file)
    expect(lines.slice(1)).toEqual([
      expect.stringMatching(/^error {2}server-1 .*another secret.*MESH_CHAT_SECRET/),
      expect.stringMatching(/^error {2}server-2 .*no server with this id .*; start it with: mesh-chatd --id server-2/),
      expect.stringMatching(/^error {2}server-3 .*its auth is key, but this config has open/),
      expect.stringMatching(/^ok {5}server-4 /),
    ])
    expect(status).toBe(1)
    // Before the start of server-2, another one that does not run is a warning.
    programs[2]?.child.kill('SIGKILL')
    await programs[2]?.waitForExit()
    expect((await check(file, '--id', 'server-2')).lines.at(-1)).toMatch(/^warn {3}server-4 .*no server with this id/)
    expect((await check(file, '--id', 'server-3')).lines.at(-1)).toMatch(/^error {2}server-4 .*no server with this id/)
    programs[2] = start(4, file)
    await until('it is connected again', () => programs[2]?.out.includes('Connected to the backbone') === true)
    programs[2]?.child.kill('SIGSTOP')
    const frozen = await check(file, '--timeout', '0.5')
    programs[2]?.child.kill('SIGCONT')
    expect(frozen.lines.at(-1)).toMatch(/^error {2}server-4 .*unreachable: no handshake response/)
  })

  test('an unreachable NATS server is reported with a fix and without its password', async () => {
    const nats = await startNats('--user', 'mesh', '--pass', 'secret-one')
    const secure = await startNats('--tls', '--tlscert', join(TLS, 'one.pem'), '--tlskey', join(TLS, 'one-key.pem'))
    const [closed, web] = await freePorts(2)
    const other: Server = createServer((_, response) => response.end('hello'))
    await new Promise<void>(resolve => other.listen(web, '127.0.0.1', resolve))
    cleanups.push(() => other.close())
    const at = (port: number | undefined, scheme = 'nats') => `${scheme}://mesh:wrong-one@127.0.0.1:${port}`
    const urls = [
      at(closed),
      at(nats.port),
      at(nats.port, 'tls'),
      at(secure.port),
      at(secure.port, 'tls'),
      at(web),
      at(1).replace('-one', '-one%'),
    ]
    const { file, write } = await configure(1, { backbone: urls })
    const { status, lines } = await check(file, '--timeout', '5')
    expect(lines).toEqual([
      expect.stringMatching(new RegExp(`:${closed}: unreachable: .*ECONNREFUSED.*; start it, or correct backbone`)),
      expect.stringMatching(/Authorization Violation.*; correct the user and the password in backbone/i),
      expect.stringContaining('; it does not use TLS: change tls:// to nats:// in backbone'),
      expect.stringContaining('; it requires TLS: change nats:// to tls:// in backbone, and set tls.ca'),
      expect.stringContaining('; set tls.ca to the CA of its certificate'),
      expect.stringMatching(/unreachable: .*; start it, or correct backbone/),
      expect.stringContaining('; write % as %25 in the user and the password of backbone'),
    ])
    expect(lines.every(line => line.startsWith('error') && line.endsWith(` in ${file}`))).toBe(true)
    expect(lines.join()).not.toContain('wrong-one')
    expect(status).toBe(1)

    // One reachable NATS server is enough to check the mesh; the config sets the CA of its certificate.
    const [cert, key, ca] = ['one.pem', 'one-key.pem', 'ca.pem'].map(name => join(TLS, name))
    write({ backbone: [at(closed), at(secure.port, 'tls')], tls: { cert, key, ca } })
    const half = await check(file, '--timeout', '5')
    expect(half.lines.slice(1)).toEqual([
      expect.stringMatching(/^error .*ECONNREFUSED/),
      expect.stringMatching(/^ok {5}backbone at tls:/),
      expect.stringMatching(/^error {2}server-1 on the backbone: unreachable: no server with this id/),
    ])
  })

  test('a NATS password in a config that others can read is a problem, and no server is contacted', async () => {
    const { file } = await configure(1, { backbone: 'nats://mesh:password@127.0.0.1:1' })
    chmodSync(file, 0o644)
    const program = new Program('daemon', ['check', '--config', file], { MESH_CHAT_SECRET })
    await program.waitForExit()
    expect(program.exitStatus?.code).toBe(2)
    expect(program.out).toMatch(/^error {2}backbone: .* fix it with: chmod 600 /m)
    expect(program.out).not.toContain('password@')
    const server = start(1, file)
    await server.waitForExit()
    expect(server.exitStatus?.code).toBe(2)
    expect(server.out).toContain(`chmod 600 ${file}`)
  })
})
