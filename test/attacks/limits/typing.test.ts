/** Typing notices: clients that flood, send invalid payloads or do not read do not affect other users. */
import { afterEach, expect, test } from 'vitest'
import { FloodingClient } from '../../support/attacks/flooding-client.ts'
import { type InProcessServer, startInProcess } from '../../support/in-process-server.ts'
import { until } from '../../support/programs/processes.ts'
import { RawClient } from '../../support/programs/raw-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const end of cleanups.splice(0).reverse()) await end()
})

async function start(id: string, ...peers: InProcessServer[]): Promise<InProcessServer> {
  const server = await startInProcess(id, { seeds: peers.map(({ url }) => url) })
  cleanups.push(() => server.close())
  return server
}

async function connect(server: InProcessServer, user: string, more: object = { typing: true }): Promise<RawClient> {
  const client = await RawClient.connect(server.url, user, more)
  cleanups.push(() => client.close())
  return client
}

/** Two linked servers, with Anna on one, and Billy on the other. */
async function linked() {
  const one = await start('server-1')
  const two = await start('server-2', one)
  const [anna, billy] = [await connect(one, 'Anna'), await connect(two, 'Billy')]
  await until('all know all', () => [one, two].every(server => server.roster().join() === 'Anna,Billy'))
  return { one, two, anna, billy }
}

test('a notice goes over a link to clients that want it, and to no other', async () => {
  const { one, two, anna, billy } = await linked()
  const others = [
    await connect(two, 'Billy', {}),
    await connect(two, 'Billy', { typing: false }),
    await connect(one, 'Anna'),
    await connect(two, 'Anna'),
  ]
  anna.type({ to: 'Billy', from: 'Carla' })
  await until('it arrives', () => billy.typingNotices.length === 1)
  expect(billy.typingNotices).toEqual([{ from: 'Anna', to: 'Billy' }])
  // What follows it on the same connections has arrived, and no notice.
  await anna.send('Billy', 'Hi')
  await until('the message arrives', () => others.every(({ messages }) => messages.length === 1))
  expect(others.flatMap(({ typingNotices }) => typingNotices)).toEqual([])
  expect(one.status()).toMatchObject({ accepted: 1, refused: 0 })
  expect(two.status()).toMatchObject({ forwarded: 1 })
})

test('a flood of notices is dropped, and delays neither its own messages nor others', async () => {
  const { one, anna, billy } = await linked()
  const mallory = await connect(one, 'Mallory')
  for (let n = 0; n < 5_000; n++) mallory.type({ to: 'Billy' })
  expect(await anna.send('Billy', 'Hi')).toMatchObject({ ok: true, delivered: 1 })
  expect(await mallory.send('Billy', 'Hi')).toMatchObject({ ok: true, delivered: 1 })
  // The burst, and one for each second that the flood has taken.
  expect(billy.typingNotices.length).toBeLessThan(40)
  expect([mallory.refusals, one.malformed().client]).toEqual([[], 0])
})

test('nonsense is answered like that of other events, and a later notice is passed on', async () => {
  const { one, anna, billy } = await linked()
  const wrong = [
    null,
    5,
    'Billy',
    [],
    {},
    { to: 5 },
    { to: 'Billy', at: 'now' },
    { to: 'Billy', proof: 'p'.repeat(301) },
  ]
  for (const payload of wrong) anna.type(payload)
  await until('each is answered', () => anna.refusals.length === wrong.length)
  expect(anna.refusals[0]).toMatchObject({ ok: false, code: 'bad-payload', event: 'typing' })
  expect(one.malformed().client).toBe(wrong.length)
  anna.type({ to: 'Billy' })
  await until('it arrives', () => billy.typingNotices.length === 1)
})

test('a client that reads slowly gets no notices until it has caught up', async () => {
  const server = await start('server-1')
  const anna = await connect(server, 'Anna')
  const slow = new FloodingClient(Number(new URL(server.url).port), 'Billy', { typing: true })
  cleanups.push(() => slow.close())
  await until('both are online', () => server.roster().join() === 'Anna,Billy')
  slow.pause()
  const text = 'x'.repeat(16_000)
  while (server.counts().unreadBytes < 1_000_000) {
    for (let n = 0; n < 20; n++) void anna.send('Billy', text).catch(() => {})
    await new Promise(resolve => setTimeout(resolve, 250))
  }
  anna.type({ to: 'Billy' })
  void anna.send('Billy', 'the last one').catch(() => {})
  await until('the notice is handled', () => anna.messages.at(-1)?.text === 'the last one')
  slow.resume()
  await until('it has caught up', () => slow.received.includes('the last one'))
  expect(slow.received).not.toContain('"typing"')
  anna.type({ to: 'Billy' })
  await until('the next notice arrives', () => slow.received.includes('["typing",{"from":"Anna","to":"Billy"}]'))
})
