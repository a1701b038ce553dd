/** `connect` pins its mesh: in the data folder with `history`, else as long as the process runs; `meshKey` requires a key. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import type { ChatClient } from '../../../cli/session/chat-client.ts'
import { type ConnectOptions, connect } from '../../../cli/session/library.ts'
import { type ChatServer, createServer } from '../../../daemon/library.ts'
import { freePorts, stopAll, temporaryFolder } from '../../support/programs/processes.ts'

const SECRETS = ['the secret of the first mesh', 'the secret of another mesh'] as const
const previous = process.env.XDG_STATE_HOME
let home = ''
const running: (ChatServer | ChatClient)[] = []

beforeEach(() => {
  home = temporaryFolder()
  process.env.XDG_STATE_HOME = home
})
afterEach(async () => {
  for (const one of running.splice(0)) await one.close()
})
afterAll(() => {
  if (previous === undefined) delete process.env.XDG_STATE_HOME
  else process.env.XDG_STATE_HOME = previous
  stopAll()
})

async function start(port: number, secret: string): Promise<ChatServer> {
  const server = await createServer({ id: 'one', port, secret })
  running.push(server)
  return server
}

async function enter(servers: string, more: Partial<ConnectOptions> = {}): Promise<ChatClient> {
  const client = await connect({ user: 'Anna', servers, ...more })
  running.push(client)
  return client
}

const pinFile = () => join(home, 'mesh-chat', 'known-meshes.json')
const keyInFile = (): string => JSON.parse(readFileSync(pinFile(), 'utf8'))[0].key

for (const history of [true, false]) {
  test(`a server with another mesh key is refused, with history: ${history}`, async () => {
    const [port = 0] = await freePorts(1)
    const first = await start(port, SECRETS[0])
    const client = await enter(first.url, { history })
    client.close()
    expect(existsSync(pinFile())).toBe(history)
    await first.close()
    const second = await start(port, SECRETS[1])
    await expect(connect({ user: 'Anna', servers: second.url, history })).rejects.toThrow(/another key|forget/)
    // Pins of the data folder and of the process are separate.
    await enter(second.url, { history: !history })
  })
}

test('with meshKey only a server that proves this key is accepted', async () => {
  const ports = await freePorts(2)
  const [one, other] = await Promise.all([start(ports[0] ?? 0, SECRETS[0]), start(ports[1] ?? 0, SECRETS[1])])
  const client = await enter(one.url, { history: true })
  client.close()
  const meshKey = keyInFile()
  await enter(one.url, { meshKey })
  await enter(one.url, { meshKey, history: true, user: 'Billy' })
  await expect(connect({ user: 'Anna', servers: other.url, meshKey })).rejects.toThrow(/another key/)
  await expect(connect({ user: 'Anna', servers: one.url, meshKey: 'short' })).rejects.toThrow('connect: meshKey: ')
})

test('a message that is held at the first meeting is sent, also if the files of the mesh change then', async () => {
  const ports = await freePorts(2)
  const [one, other] = await Promise.all([start(ports[0] ?? 0, SECRETS[0]), start(ports[1] ?? 0, SECRETS[0])])
  const client = await enter(one.url, { history: true })
  client.close()
  // The second address is of the same mesh: the client changes to the files of the first.
  const again = await enter(other.url, { history: true })
  expect(await again.send('Anna', 'to myself')).toMatchObject({ state: 'delivered' })
  expect(JSON.parse(readFileSync(pinFile(), 'utf8'))).toHaveLength(1)
})
