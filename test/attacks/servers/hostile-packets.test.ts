/** Servers that send packets which Socket.IO's client cannot handle: the program that dialled them does not end. */
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { OPEN_PACKET, RawServer } from '../../support/attacks/raw-server.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealClient } from '../../support/programs/real-client.ts'

const CONNECTED = '40{"sid":"x"}'
const ROSTER = JSON.stringify(['roster', { version: 2, joined: [], left: [] }])
const withOpen = (fields: object) => `0${JSON.stringify({ ...JSON.parse(OPEN_PACKET.slice(1)), ...fields })}`

const PACKETS: Record<string, (string | Buffer)[]> = {
  'an open packet without JSON': ['0not JSON'],
  'an open packet of null': ['0null'],
  'an open packet without fields': ['0{}'],
  'an open packet without data': ['0'],
  'an open packet with invalid times': [withOpen({ pingInterval: 'soon', pingTimeout: null })],
  'a second open packet': [OPEN_PACKET, OPEN_PACKET],
  'a refusal without data': [OPEN_PACKET, '44'],
  'a refusal that is not text': [OPEN_PACKET, '44{"message":{"toString":1,"valueOf":1}}'],
  'a refusal for a namespace that is not text': [OPEN_PACKET, '44/mesh,{"message":{"toString":1,"valueOf":1}}'],
  'events before the namespace is joined': [OPEN_PACKET, `42${ROSTER}`],
  'acknowledgements before the namespace is joined': [OPEN_PACKET, '430[1]'],
  'binary attachments': [OPEN_PACKET, CONNECTED, '451-["im",{"_placeholder":true,"num":0}]', Buffer.from([1, 2])],
  'a binary message': [OPEN_PACKET, CONNECTED, Buffer.from([1, 2])],
  'an unknown packet type': [OPEN_PACKET, CONNECTED, '49[]'],
  'a reserved event': [OPEN_PACKET, CONNECTED, '42["connect_error",null]'],
  'a text that is not a packet': [OPEN_PACKET, CONNECTED, '4'],
}

let server: RawServer | undefined
afterEach(async () => {
  await server?.close()
  stopAll()
})

test.each(Object.entries(PACKETS))('C24: a client leaves a server that sends %s', async (_, packets) => {
  server = new RawServer(send => packets.forEach(send))
  const client = new RealClient('Anna', [await server.start()])
  try {
    await until('the client leaves and tries again', () => (server?.opened ?? 0) > 1 && (server?.closed ?? 0) > 0)
    expect(client.server).toBeUndefined()
  } finally {
    client.close()
  }
})

test('C24: a client opens one connection, whatever upgrades and times a server offers', async () => {
  const warnings: Error[] = []
  const note = (warning: Error) => warnings.push(warning)
  process.on('warning', note)
  const upgrades = Array.from({ length: 1_000 }, () => 'websocket')
  let pings = 0
  server = new RawServer(send => {
    send(withOpen({ upgrades, pingInterval: 1e15, pingTimeout: 1e15 }))
    send(CONNECTED)
    for (; pings < 100; pings++) send('2')
  })
  const client = new RealClient('Anna', [await server.start()])
  try {
    // It leaves after 3 s, because it is not identified: until then there is one connection.
    await until('the client leaves the server', () => (server?.closed ?? 0) > 0)
    expect(server.openedBeforeClose).toBe(1)
    expect(warnings).toEqual([])
  } finally {
    process.off('warning', note)
    client.close()
  }
})

test.each([
  ['--json', ['--user', 'Anna', '--json']],
  ['--plain', ['--user', 'Anna', '--plain']],
  ['who', ['who']],
])('C24: the program does not crash at such packets: %s', async (_, args) => {
  const folder = temporaryFolder()
  const env = { XDG_STATE_HOME: folder, XDG_CONFIG_HOME: folder }
  const runs = Object.entries(PACKETS).filter(([name]) => /fields|null|without data|not text/.test(name))
  for (const [name, packets] of runs) {
    server = new RawServer(send => packets.forEach(send))
    const url = await server.start()
    const program = new Program('cli', [...args, '--server', url], env)
    await until(`${name}: the client leaves the server, ${program.out}`, () => (server?.closed ?? 0) > 0)
    program.child.stdin?.end()
    await program.waitForExit()
    expect(program.exitStatus?.code, `${name}: ${program.out}`).not.toBe(70)
    expect(program.out).not.toMatch(/TypeError|SyntaxError|\bat \w+\.\w+ \(/)
    await server.close()
  }
})

test('a server does not crash at such packets of an address that it dials', async () => {
  const packets = Object.values(PACKETS)
  let dialled = 0
  server = new RawServer(send => packets[dialled++ % packets.length]?.forEach(send))
  const url = await server.start()
  const [port = 0] = await freePorts(1)
  const daemon = new Program('daemon', ['--id', 'server-1', '--port', `${port}`, '--join', url], {
    XDG_STATE_HOME: temporaryFolder(),
  })
  await until('the server has dialled several times', () => dialled > 6 || daemon.exitStatus !== undefined)
  expect(daemon.exitStatus, daemon.out).toBeUndefined()
  const isUp = await new Promise<boolean>(resolve => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
  expect(isUp).toBe(true)
})
