/** Real processes with wrong clocks: messages are delivered at once, in the right order, and with the right times. */
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { faketimeMissingReason, SteppingClock, wrongClock } from '../../support/programs/faketime.ts'
import { JsonClient } from '../../support/programs/json-client.ts'
import { Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealMesh } from '../../support/programs/real-mesh.ts'

vi.setConfig({ testTimeout: 180_000 })

/** A message has the right time if it is wrong by at most this much, ms. */
const RIGHT_MS = 60_000

let mesh: RealMesh | undefined
const clients: JsonClient[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) await client.kill()
  await mesh?.close()
  mesh = undefined
})
afterAll(stopAll)

async function join(user: string, server: number, clock: NodeJS.ProcessEnv = {}): Promise<JsonClient> {
  const client = new JsonClient(user, mesh?.server(server).url ?? '', temporaryFolder(), [], clock)
  clients.push(client)
  await until(`${user} is online`, () => client.isOnline)
  return client
}

/** Anna and Billy write in turns; each message must arrive soon, with the right time, after the one before. */
async function chat(anna: JsonClient, billy: JsonClient, from = 0, rounds = 3): Promise<void> {
  const times: number[] = []
  for (let n = from; n < from + rounds; n++) {
    const [author, reader, to] = n % 2 === 0 ? ([anna, billy, 'Billy'] as const) : ([billy, anna, 'Anna'] as const)
    author.send(to, `message ${n}`)
    await until(`message ${n}`, () => reader.received.some(({ text }) => text === `message ${n}`))
    times.push(Number(reader.received.find(({ text }) => text === `message ${n}`)?.at))
  }
  expect(times).toEqual([...times].sort((one, other) => one - other))
  for (const at of times) expect(Math.abs(at - Date.now())).toBeLessThan(RIGHT_MS)
}

async function runSend(text: string, env: NodeJS.ProcessEnv): Promise<Program> {
  const home = temporaryFolder()
  const own = { ...env, HOME: home, XDG_STATE_HOME: `${home}/state`, XDG_CONFIG_HOME: `${home}/config` }
  const server = mesh?.server(1).url ?? ''
  const program = new Program('cli', ['send', '--user', 'Anna', '--server', server, '--to', 'Billy', text], own)
  await program.waitForExit()
  return program
}

describe.skipIf(faketimeMissingReason !== undefined)('with wrong clocks', () => {
  test.each(['+10m', '+23h'])(
    'of three servers one is %s: chat works everywhere, and the log, `top` and `check` say it',
    async time => {
      mesh = await RealMesh.start(3, { env: { 'server-1': wrongClock(time) } })
      const { program } = mesh.server(1)
      await until('the log of the wrong server', () => program.out.includes('The clock of this machine is'))
      const peer = mesh.server(2).program
      await until('the log of its peer', () => peer.out.includes('The clock of peer: server-1 is'))
      const top = new Program('cli', ['top', '--json', '--server', mesh.server(2).url])
      await top.waitForExit()
      const ahead = [...top.out.matchAll(/"clockAhead":\s*(-?\d+)/g)].map(([, ms]) => Number(ms))
      const wrongMs = time === '+10m' ? 600_000 : 23 * 3_600_000
      expect(Math.min(...ahead.map(ms => Math.abs(ms - wrongMs)))).toBeLessThan(RIGHT_MS)
      const config = mesh.server(2).config
      const check = new Program('daemon', ['check', '--id', 'server-2', '--config', config])
      await check.waitForExit()
      expect(check.out).toContain('synchronize both machines with NTP')
      expect(check.exitStatus?.code).toBe(1)
      const anna = await join('Anna', 1)
      const billy = await join('Billy', 2)
      await chat(anna, billy)
    },
  )

  test('a clock that steps an hour back and forth in a mesh of two servers is not noticed by users', async () => {
    const clock = new SteppingClock(temporaryFolder())
    mesh = await RealMesh.start(2, { env: { 'server-2': clock.env } })
    const anna = await join('Anna', 1)
    const billy = await join('Billy', 2)
    await chat(anna, billy)
    const wrong = () => mesh?.server(2).program.count('The clock of this machine is') ?? 0
    let count = 0
    for (const time of ['-1h', '+10m']) {
      const before = wrong()
      clock.set(time)
      const right = mesh.server(2).program.count('is right again')
      await until(
        `the log of ${time}`,
        () => wrong() > before || mesh?.server(2).program.count('is right again') !== right,
      )
      count += 3
      await chat(anna, billy, count)
      clock.set('+0')
      await until('the clock is right again', () => mesh?.server(2).program.count('is right again') !== right)
    }
    expect([...anna.out.matchAll(/clock-ahead/g)]).toEqual([])
  })

  test.each(['+10m', '-1h', '@2040-01-01 00:00:00', '@1990-01-01 00:00:00'])(
    '`send` and piped input of a machine whose clock is %s: delivered with the right times',
    async time => {
      mesh = await RealMesh.start(1)
      const billy = await join('Billy', 1)
      const sent = await runSend('sent', wrongClock(time))
      expect(sent.out.replaceAll(/mesh-chat: (New|The) .*\n/g, '')).not.toMatch(/Warning|Error/)
      expect(sent.exitStatus?.code).toBe(0)
      const piped = new JsonClient('Anna', mesh.server(1).url, temporaryFolder(), [], wrongClock(time))
      clients.push(piped)
      for (let n = 0; n < 5; n++) piped.send('Billy', `piped ${n}`)
      piped.child.stdin?.end()
      await piped.waitForExit()
      expect(piped.exitStatus?.code).toBe(0)
      expect(piped.out).not.toContain('TimeoutOverflowWarning')
      await until('all messages', () => billy.received.length >= 6)
      expect(billy.received.map(({ text }) => text)).toEqual(['sent', ...[0, 1, 2, 3, 4].map(n => `piped ${n}`)])
      const times = billy.received.map(({ at }) => Number(at))
      expect(times).toEqual([...times].sort((one, other) => one - other))
      for (const at of times) expect(Math.abs(at - Date.now())).toBeLessThan(RIGHT_MS)
    },
  )
})
