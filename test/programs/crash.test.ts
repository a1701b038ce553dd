/** An uncaught error ends both programs with the exit code of a crash. */
import { afterAll, expect, test } from 'vitest'
import { EXIT } from '../../src/programs/command-line/fail.ts'
import { freePorts, Program, stopAll, until } from '../support/programs/processes.ts'

afterAll(stopAll)

/** Throws inside the program when it gets SIGUSR2. */
const source = "process.on('SIGUSR2', () => { throw new Error('a bug') })"
const env = { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(source)}` }

async function crash(program: Program, isReady: () => boolean): Promise<void> {
  await until('the program is ready', isReady)
  program.child.kill('SIGUSR2')
  await program.waitForExit()
  expect(program.out).toContain('Error: a bug')
  expect(program.exitStatus).toEqual({ code: EXIT.crash, signal: null })
}

test('an uncaught error ends either program with exit code 70', async () => {
  const [port = 0] = await freePorts(1)
  const serve = ['--id', 'one', '--port', `${port}`, '--join', 'http://127.0.0.1:1', '--log-format', 'text']
  const server = new Program('daemon', serve, env)
  await until('the server listens', () => server.out.includes('Listening for connections'))
  const client = new Program('cli', ['tail', '--user', 'Anna', '--port', `${port}`], env)
  await crash(client, () => client.out.includes('online at one'))
  await crash(server, () => true)
})
