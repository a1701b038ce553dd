/** `auth: key` with real processes: who tries to take the name of a user, or to look like one. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Thief } from '../support/attacks/thief.ts'
import { withGrowingTimeout } from '../support/programs/growing-timeout.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../support/programs/processes.ts'

afterAll(stopAll)

async function startMesh(config: object = {}) {
  const folder = temporaryFolder()
  const ports = await freePorts(2)
  const file = join(folder, 'config.json')
  const servers = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  writeFileSync(file, JSON.stringify({ servers, auth: 'key', ...config }))
  const start = (id: string) => new Program('daemon', ['--id', id, '--config', file, '--log-format', 'text'])
  const programs = servers.map(({ id }) => start(id))
  const isLinked = (program: Program) => program.out.includes('Inbound connection from peer')
  await until('the servers are linked', () => programs.every(isLinked))
  const restart = async (at: number) => {
    programs[at]?.child.kill('SIGTERM')
    await programs[at]?.waitForExit()
    const program = start(`server-${at + 1}`)
    programs[at] = program
    // Only now another server may stop: a linked server has not yet learned who holds which name.
    await until('the server has the users of its peer', () => program.out.includes('Replacing user list for peer'))
  }
  const client = (user: string, at: string, ...more: string[]) =>
    new Program('cli', ['--user', user, '--server', ...ports.map(port => `http://127.0.0.1:${port}`), ...more], {
      XDG_STATE_HOME: join(folder, at),
      XDG_CONFIG_HOME: join(folder, at),
    })
  /** Kills all servers at once, and starts them again. */
  const restartAll = async () => {
    for (const program of programs) program.child.kill('SIGKILL')
    for (const [at, program] of programs.entries()) {
      await program.waitForExit()
      programs[at] = start(`server-${at + 1}`)
    }
    await until('the servers are linked', () => programs.every(isLinked))
  }
  return { ports, restart, restartAll, client, folder }
}

test('while the server of a user restarts, a poller does not get the name, and the user returns', async () => {
  const { ports, restart, client } = await startMesh()
  const billy = client('Billy', 'billy', '--plain')
  await until('Billy is online', () => billy.out.includes('online at server-1'))
  const thief = new Thief('Billy', ports)
  await until('the thief is refused', () => thief.codes.has('name-taken'))
  for (let round = 0; round < 3; round++) {
    const returns = billy.count('online at')
    const at = billy.out.lastIndexOf('online at server-1') > billy.out.lastIndexOf('online at server-2') ? 0 : 1
    await restart(at)
    await until('Billy is online again', () => billy.count('online at') > returns)
  }
  expect(thief.codes).not.toContain('ok')
  expect(billy.exitStatus).toBeUndefined()
  // Billy leaves for a while, and the last server that he was connected to restarts.
  billy.child.kill('SIGTERM')
  await billy.waitForExit()
  await restart(0)
  const again = client('Billy', 'billy', '--plain')
  await until('Billy is online after his absence', () => again.out.includes('online at'))
  expect(thief.codes).not.toContain('ok')
  thief.stop()
})

test('A14 to A16: after a restart of all servers at once, a user takes the name back from a thief who came first', async () => {
  const secret = join(temporaryFolder(), 'secret')
  writeFileSync(secret, 'k3Jx0vQe7TqP2mZsW9cYb4RnL6uH8dFa', { mode: 0o600 })
  const { ports, restartAll, client, folder } = await startMesh({ secretFile: secret })
  const billy = client('Billy', 'billy', '--plain')
  await until('Billy has a ticket', () => findTicket(folder) !== undefined)
  billy.child.kill('SIGTERM')
  await billy.waitForExit()
  await restartAll()
  const thief = new Thief('Billy', ports)
  await until('the thief has the name', () => thief.codes.has('ok'))
  const again = client('Billy', 'billy', '--plain')
  await until('Billy is online again', () => again.out.includes('online at'))
  // All servers know again whose name it is.
  await until('the thief is refused', () => thief.codes.has('name-taken'))
  expect(again.exitStatus).toBeUndefined()
  thief.stop()
})

/** The ticket in a data folder. */
function findTicket(folder: string): string | undefined {
  const file = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find(name => name.endsWith('claim.json'))
  return file && readFileSync(join(folder, file), 'utf8')
}

test('a client whose name another key holds warns and retries; it does not exit', async () => {
  const { client } = await startMesh()
  const anna = client('Anna', 'anna', '--plain')
  await until('Anna is online', () => anna.out.includes('online at'))
  const other = client('Anna', 'other', '--plain')
  const warning = '* not connected (Anna is online with another key; choose another name); retrying'
  await until('it warns', () => other.count(warning) === 1)
  const json = client('Anna', 'third', '--json')
  await until('programs get the code, again and again', () => json.count('"code":"name-taken"') >= 2)
  expect(other.exitStatus).toBeUndefined()
  for (const name of ['anna', 'ANNA', 'Anna.', 'Аnna']) {
    const lookAlike = client(name, 'fourth', '--plain')
    await lookAlike.waitForExit()
    const out = lookAlike.out.replace(/^\* First connection to this mesh: .*\n/, '')
    expect(out).toBe(`mesh-chat: ${name} looks like Anna, which is online; choose another name\n`)
  }
})

test('send gives up after its timeout, with the reason', async () => {
  const { ports, client } = await startMesh()
  const anna = client('Anna', 'anna', '--plain')
  await until('Anna is online', () => anna.out.includes('online at'))
  const folder = temporaryFolder()
  const env = { XDG_STATE_HOME: folder, XDG_CONFIG_HOME: folder }
  const send = await withGrowingTimeout(
    async seconds => {
      const args = ['send', '--user', 'Anna', '--to', 'Billy', '--port', `${ports[0]}`, '--timeout', seconds, 'hi']
      const program = new Program('cli', args, env)
      await program.waitForExit()
      return program
    },
    ({ exitStatus }) => exitStatus?.code === 1,
  )
  expect(send.exitStatus?.code).toBe(1)
  expect(send.out).toContain('Anna is online with another key')
})
