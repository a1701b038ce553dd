/** `--exit-with-stdin`: a server ends with the program that launched it. */
import { afterAll, expect, test } from 'vitest'
import { freePorts, Program, stopAll, until } from '../../support/programs/processes.ts'

afterAll(stopAll)

async function start(processes: number, ...more: string[]): Promise<Program> {
  const [port = 0] = await freePorts(1)
  const args = ['--id', 'server-1', '--port', `${port}`, '--join', 'http://127.0.0.1:1', '--log-format', 'text']
  const program = new Program('daemon', [...args, '--exit-with-stdin', ...more])
  await until('all processes listen', () => program.count('Listening for connections') === processes)
  return program
}

test.each([
  ['a server', 1, []],
  ['a server with workers', 2, ['--workers', '2']],
] as const)('%s drains when its stdin closes', async (_, processes, args) => {
  const program = await start(processes, ...args)
  // Each worker has a link to the other, so all handle signals.
  if (processes > 1) await until('the workers are linked', () => program.count('Outbound connection') === processes)
  // Input is ignored; only the end counts.
  program.child.stdin?.write('ignored\n')
  program.child.stdin?.end()
  await program.waitForExit()
  expect(program.exitStatus).toEqual({ code: 0, signal: null })
  expect(program.count('Draining')).toBe(processes)
})

test('a server drains although its log can no longer be written', async () => {
  const program = await start(1)
  program.child.stdout?.destroy()
  program.child.stderr?.destroy()
  program.child.stdin?.end()
  await program.waitForExit()
  expect(program.exitStatus).toEqual({ code: 0, signal: null })
})
