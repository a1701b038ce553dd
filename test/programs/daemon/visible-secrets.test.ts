/** Secrets, passwords and keys of a server: no other user sees them in processes, logs, metrics, errors or checks. */
import { chmodSync, copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { NatsServer, natsMissingReason } from '../../support/programs/nats-server.ts'
import {
  consecutiveFreePorts,
  freePorts,
  Program,
  stopAll,
  temporaryFolder,
  until,
} from '../../support/programs/processes.ts'

const PASSWORD = 'p@ss-of-nats'
const IN_URL = encodeURIComponent(PASSWORD)
const MESH_CHAT_SECRET = 'a secret of sixteen or more'
const TOKEN_KEY = 'thirty-two letters that sign tokens'
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const end of cleanups.splice(0).reverse()) await end()
  stopAll()
})

function expectNoSecret(text: string): void {
  for (const secret of [PASSWORD, IN_URL, MESH_CHAT_SECRET, TOKEN_KEY]) expect(text).not.toContain(secret)
}

/** The process and its children. */
function processesOf(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap(task =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  )
  return [pid, ...children.flatMap(processesOf)]
}

async function fetchText(url: string): Promise<string> {
  return (await fetch(url)).text()
}

describe.skipIf(natsMissingReason !== undefined || process.platform !== 'linux')(
  'with a backbone in the environment',
  () => {
    test('no secret is in the arguments, the log, the metrics, the cluster status or a check', async () => {
      const nats = await NatsServer.start('--user', 'mesh', '--pass', PASSWORD)
      cleanups.push(() => nats.kill())
      const [closed = 0, port = 0] = await freePorts(2)
      const admin = await consecutiveFreePorts(2)
      const folder = temporaryFolder()
      writeFileSync(join(folder, 'token-key'), TOKEN_KEY, { mode: 0o600 })
      const config = join(folder, 'config.json')
      const servers = [{ id: 'server-1', ip: '127.0.0.1', port }]
      writeFileSync(config, JSON.stringify({ servers, auth: 'token', tokenKeyFile: 'token-key' }))
      const url = (to: number, scheme = 'nats') => `${scheme}://mesh:${IN_URL}@127.0.0.1:${to}`
      // The second URL is not reachable, the third has no TLS: their errors are logged.
      const urls = [url(nats.port), url(closed), url(nats.port, 'tls')].join(' ')
      const env = { MESH_CHAT_SECRET, MESH_CHAT_BACKBONE: urls }
      const args = ['--id', 'server-1', '--config', config, '--workers', '2', '--admin-port', `${admin}`]
      const program = new Program('daemon', args, env)
      await until('both workers are linked', () => program.count('Outbound connection to peer') === 2)
      const pids = processesOf(program.child.pid ?? 0)
      expect(pids.length).toBeGreaterThanOrEqual(3)
      for (const pid of pids) {
        expectNoSecret(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
        expectNoSecret(readFileSync(`/proc/${pid}/comm`, 'utf8'))
        // Its owner only can read the environment.
        expect(statSync(`/proc/${pid}/environ`).mode & 0o077).toBe(0)
      }
      for (const path of ['healthz', 'readyz', 'metrics', 'other'])
        for (const worker of [0, 1]) expectNoSecret(await fetchText(`http://127.0.0.1:${admin + worker}/${path}`))
      for (const json of [[], ['--json']]) {
        const checked = new Program('daemon', ['check', '--config', config, ...json], env)
        await checked.waitForExit()
        expect(checked.out).toContain(`${closed}`)
        expectNoSecret(checked.out)
      }
      const top = new Program('cli', ['top', '--json', '--server', `http://127.0.0.1:${port}`])
      await top.waitForExit()
      expect(top.out).toContain('server-1/1')
      expectNoSecret(top.out)
      nats.kill()
      await until('the workers say that NATS is gone', () => program.count('unreachable') >= 3)
      expectNoSecret(program.out)
      program.child.kill('SIGTERM')
      await program.waitForExit()
      expectNoSecret(program.out)
    })
  },
)

test('a NATS password on the command line causes a warning, which does not repeat it', async () => {
  const [nats, port] = await freePorts(2)
  const start = (...more: string[]) =>
    new Program('daemon', ['--id', 'server-1', '--port', `${port}`, '--log-format', 'text', ...more])
  const program = start('--backbone', `nats://mesh:${IN_URL}@127.0.0.1:${nats}`)
  await until('it warns', () => program.out.includes('is visible to all users'))
  expect(program.out).toContain('set MESH_CHAT_BACKBONE instead')
  await until('it tries to connect', () => program.out.includes('unreachable'))
  expectNoSecret(program.out)
  program.child.kill('SIGKILL')
  await program.waitForExit()
  const without = start('--backbone', `nats://127.0.0.1:${nats}`)
  await until('it tries to connect', () => without.out.includes('unreachable'))
  expect(without.out).not.toContain('is visible')
})

test.each([
  ['--backbone', `nats//mesh:${IN_URL}@127.0.0.1:4222`],
  ['--backbone', `nats://mesh:${PASSWORD}@127.0.0.1:port`],
  ['--backbone', `mesh:${IN_URL}@127.0.0.1`],
  ['MESH_CHAT_BACKBONE', `http://mesh:${IN_URL}@127.0.0.1:4222`],
  ['--join', `nats://mesh:${IN_URL}@127.0.0.1:4222`],
])('the error about an invalid %s does not show its password', async (where, url) => {
  const isOption = where.startsWith('--')
  const args = ['--id', 'server-1', '--port', '0', ...(isOption ? [where, url] : [])]
  const program = new Program('daemon', args, isOption ? {} : { [where]: url })
  await program.waitForExit()
  expect(program.exitStatus?.code).toBe(2)
  expect(program.out).toMatch(/127\.0\.0\.1\S* is not a/)
  expectNoSecret(program.out)
})

test('a private key of TLS that everyone can read causes a warning', async () => {
  const folder = temporaryFolder()
  const [port = 0] = await freePorts(1)
  for (const name of ['one.pem', 'one-key.pem', 'ca.pem'])
    copyFileSync(join('test/support/tls', name), join(folder, name))
  const config = join(folder, 'config.json')
  const servers = [{ id: 'server-1', ip: '127.0.0.1', port }]
  writeFileSync(config, JSON.stringify({ servers, tls: { cert: 'one.pem', key: 'one-key.pem', ca: 'ca.pem' } }))
  const key = join(folder, 'one-key.pem')
  for (const [mode, warns] of [
    [0o644, true],
    [0o640, false],
  ] as const) {
    chmodSync(key, mode)
    const program = new Program('daemon', ['--id', 'server-1', '--config', config, '--log-format', 'text'])
    await until('it listens', () => program.out.includes('Listening for connections'))
    expect(program.out.includes(`chmod 600 ${key}`)).toBe(warns)
    program.child.kill('SIGKILL')
    await program.waitForExit()
  }
})
