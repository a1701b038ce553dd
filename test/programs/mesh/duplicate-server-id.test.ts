/** Two servers with the same id: the second one exits; a restarted server takes its place again. */
import { afterAll, expect, test } from 'vitest'
import { NatsServer, natsMissingReason } from '../../support/programs/nats-server.ts'
import { freePorts, Program, stopAll, until } from '../../support/programs/processes.ts'
import { RealMesh } from '../../support/programs/real-mesh.ts'

afterAll(stopAll)

test.concurrent('a second server with a used id is rejected, prints a one-line error, and exits', async () => {
  const mesh = await RealMesh.start(3)
  const anna = mesh.join('Anna', 1)
  mesh.join('Billy', 2)
  await mesh.waitForRoster(['Anna', 'Billy'])
  const [port] = await freePorts(1)
  const args = ['--id', 'server-1', '--config', mesh.server(1).config, '--port', `${port}`, '--log-format', 'text']
  const newcomer = new Program('daemon', args)
  await newcomer.waitForExit()
  expect(newcomer.exitStatus).toEqual({ code: 1, signal: null })
  const lines = newcomer.out.split('\n').filter(line => line.startsWith('mesh-chatd:'))
  expect(lines).toEqual([
    expect.stringMatching(/another server with the id server-1 .*give this server a different id/),
  ])
  expect(anna.departures).toEqual([])
  for (const server of mesh.servers) expect(mesh.outboundLinkCount(server)).toBe(2)
  await mesh.close()
})

test.concurrent('B17: on a backbone a second server with a used id exits, and one that takes the place of a stopped one stays', async context => {
  context.skip(natsMissingReason !== undefined, natsMissingReason)
  const nats = await NatsServer.start()
  const [first = 0, second = 0, third = 0] = await freePorts(3)
  const start = (port: number) => {
    const args = ['--id', 'server-1', '--port', `${port}`, '--backbone', nats.url, '--log-format', 'text']
    return new Program('daemon', args, { MESH_CHAT_SECRET: 'a secret of the test of ids on a backbone' })
  }
  const one = start(first)
  await until('it is connected', () => one.out.includes('Connected to the backbone'))
  const newcomer = start(second)
  await newcomer.waitForExit()
  expect(newcomer.exitStatus).toEqual({ code: 1, signal: null })
  const lines = newcomer.out.split('\n').filter(line => line.startsWith('mesh-chatd:'))
  expect(lines).toEqual([
    'mesh-chatd: another server with the id server-1 is on the backbone; give this server a different id',
  ])
  expect(one.exitStatus).toBeUndefined()
  const successor = start(third)
  await until('it is connected', () => successor.out.includes('Connected to the backbone'))
  one.child.kill('SIGTERM')
  await one.waitForExit()
  // Longer than a server waits for the one before it.
  await expect(successor.waitForExit(8_000)).rejects.toThrow()
  expect(successor.exitStatus).toBeUndefined()
  nats.kill()
})

test.concurrent('a killed server reconnects while its peers still hold half-open links to it', async () => {
  const mesh = await RealMesh.start(3, { proxied: true })
  for (const proxy of mesh.proxiesOf(2)) proxy.halfOpenExisting()
  const two = mesh.server(2)
  two.program.child.kill('SIGKILL')
  await two.program.waitForExit()
  mesh.restart(two)
  await until('it is refused', () => two.program.out.includes('refused the connection: id-held'))
  await until('its links are back', () => mesh.outboundLinkCount(two) >= 2)
  mesh.join('Anna', 1)
  mesh.join('Billy', 2)
  await mesh.waitForRoster(['Anna', 'Billy'])
  expect(two.program.exitStatus).toBeUndefined()
  await mesh.close()
})
