/** Membership with real processes: `--join`, and a config that is reloaded on SIGHUP. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealClient } from '../../support/programs/real-client.ts'

afterAll(stopAll)

const waitUntilListening = (program: Program) =>
  until('the server listens', () => program.out.includes('Listening for connections'))

test('two servers join a third by its address, without a config', async () => {
  const ports = await freePorts(3)
  const url = `http://127.0.0.1:${ports[0]}`
  const start = (n: number, ...more: string[]) =>
    new Program('daemon', ['--id', `server-${n}`, '--port', `${ports[n - 1]}`, '--log-format', 'text', ...more])
  const one = start(1, '--join', `http://127.0.0.1:${ports[1]}`)
  await waitUntilListening(one)
  const two = start(2, '--join', url)
  const three = start(3, '--join', url, '--advertise', `http://localhost:${ports[2]}`)
  const clients = ports.map((port, n) => new RealClient(`user ${n}`, [`http://127.0.0.1:${port}`]))
  await until('every client has the whole roster', () =>
    clients.every(({ roster }) => roster.join() === 'user 0,user 1,user 2'),
  )
  await until('the joined servers have found each other', () =>
    two.out.includes('Outbound connection to peer: server-3'),
  )
  expect(two.out).toContain(`at: http://localhost:${ports[2]}`)
  const asked = new RegExp(`^(Asking at|Requesting .* from): ${url}`, 'm')
  await until('the third has asked for the members', () => asked.test(three.out))
  for (const client of clients) client.close()
})

test('SIGHUP reloads the config; an invalid one changes nothing', async () => {
  const folder = temporaryFolder()
  const ports = await freePorts(3)
  const file = join(folder, 'config.json')
  const write = (...ids: number[]) =>
    writeFileSync(
      file,
      JSON.stringify({ servers: ids.map(n => ({ id: `server-${n}`, ip: '127.0.0.1', port: ports[n - 1] })) }),
    )
  const start = (n: number) => new Program('daemon', ['--id', `server-${n}`, '--config', file, '--log-format', 'text'])
  write(1, 2, 3)
  const [one, two] = [start(1), start(2)]
  await until('the servers are linked', () => one.out.includes('Inbound connection from peer: server-2'))
  await waitUntilListening(two)
  const client = new RealClient('Anna', [`http://127.0.0.1:${ports[0]}`])
  const other = new RealClient('Billy', [`http://127.0.0.1:${ports[1]}`])
  await until('the roster lists both users', () => client.roster.join() === 'Anna,Billy')
  writeFileSync(file, '{')
  one.child.kill('SIGHUP')
  await until('the error is logged', () => one.out.includes(`${file} is not JSON`))
  const servers = [1, 2].map(n => ({ id: `server-${n}`, ip: '127.0.0.1', port: ports[n - 1] }))
  writeFileSync(file, JSON.stringify({ servers: [servers[0], { ...servers[1], ip: '127.0.0.1:3000' }] }))
  one.child.kill('SIGHUP')
  await until('the address is refused', () => one.out.includes('servers[1].ip must be an IP address or a host name'))
  write(1, 3)
  one.child.kill('SIGHUP')
  await until('the config is reloaded', () => /Config (read again|reloaded) from: /.test(one.out))
  await until('the users of the removed server are gone', () => client.roster.join() === 'Anna')
  expect(client.departures.map(({ name }) => name)).toEqual(['Billy'])
  await until('the removed server is refused', () => two.out.includes('refused the connection: removed'))
  write(1, 2)
  one.child.kill('SIGHUP')
  await until('the server is back', () => client.roster.join() === 'Anna,Billy')
  client.close()
  other.close()
})

test('invalid --join, --port and --id end the server with code 2 and a message that names the option', async () => {
  const run = async (...args: string[]) => {
    const program = new Program('daemon', args)
    await program.waitForExit()
    return { code: program.exitStatus?.code, out: program.out }
  }
  const [port] = await freePorts(1)
  expect(await run('--id', 'x', '--join', 'here')).toMatchObject({
    code: 2,
    out: expect.stringContaining('http://HOST:PORT'),
  })
  expect(await run('--id', 'x', '--join', `http://127.0.0.1:${port}`)).toMatchObject({
    code: 2,
    out: expect.stringContaining('--port PORT'),
  })
  expect(await run('--id', '-x', '--port', `${port}`, '--join', `http://127.0.0.1:${port}`)).toMatchObject({
    code: 2,
  })
})
