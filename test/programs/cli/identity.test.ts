/** Two servers of one id: the newcomer gives up, and a server that comes back is no newcomer. */
import { afterAll, expect, test } from 'vitest'
import { freePorts, Program, stopAll, until } from '../../support/programs/processes.ts'
import { RealMesh } from '../../support/programs/real-mesh.ts'

afterAll(stopAll)

test.concurrent('a second server with the id of another is refused, says why in one line, and exits', async () => {
  const mesh = await RealMesh.start(3)
  const anna = mesh.join('Anna', 1)
  mesh.join('Billy', 2)
  await mesh.waitForRoster(['Anna', 'Billy'])
  const [port] = await freePorts(1)
  const args = ['--id', 'server-1', '--config', mesh.server(1).config, '--port', `${port}`, '--log-format', 'text']
  const newcomer = new Program('daemon', args)
  const took = await newcomer.waitForExit(25_000)
  expect(newcomer.exitStatus).toEqual({ code: 1, signal: null })
  const lines = newcomer.out.split('\n').filter(line => line.startsWith('mesh-chatd:'))
  expect(lines).toEqual([
    expect.stringMatching(/another server with the id server-1 .*give this server a different id/),
  ])
  expect(took).toBeLessThan(20_000)
  expect(anna.departures).toEqual([])
  for (const server of mesh.servers) expect(mesh.outboundLinkCount(server)).toBe(2)
  await mesh.close()
})

test.concurrent('a server killed behind dead cables comes back while its peers still hold its old links', async () => {
  const mesh = await RealMesh.start(3, { proxied: true })
  for (const proxy of mesh.proxiesOf(2)) proxy.halfOpenExisting()
  const two = mesh.server(2)
  two.program.child.kill('SIGKILL')
  await two.program.waitForExit()
  mesh.restart(two)
  await until('it is refused', () => two.program.out.includes('refused the connection: id-held'))
  const took = await until('its links are back', () => mesh.outboundLinkCount(two) === 2)
  expect(took).toBeLessThan(20_000)
  mesh.join('Anna', 1)
  mesh.join('Billy', 2)
  await mesh.waitForRoster(['Anna', 'Billy'])
  expect(two.program.exitStatus).toBeUndefined()
  await mesh.close()
})
