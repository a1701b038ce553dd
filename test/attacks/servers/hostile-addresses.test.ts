/** The built programs, when a hostile server takes a known or an announced address of their mesh: what it gets. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { makeToken, parseTokenKey } from '../../../daemon/auth/tokens.ts'
import type { IdentifyRequest } from '../../../src/protocol/messages.ts'
import type { AuthMode } from '../../../src/protocol/proofs/credentials.ts'
import { type MeshIdentity, PUBLIC_MESH_KEY } from '../../../src/protocol/proofs/mesh-identity.ts'
import { CHALLENGE, HostileServer, type IdentifyingClient, MeshKey } from '../../support/attacks/hostile-server.ts'
import { JsonClient } from '../../support/programs/json-client.ts'
import { freePorts, Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'

const SECRET = 'k3Jx0vQe7TqP2mZsW9cYb4RnL6uH8dFa'
const TOKEN_SECRET = 'Zp8Lw3Nc5Yt1Rk7Vb0Xg4Hs9Jd2Fm6Qa'
const HELD = 'the meeting is in room seventeen'
const SAID = 'the old password was tulip'
/** What the programs are asked to send while the hostile server is there. */
const ASKED = 'meet me under the bridge'
const strangers = new MeshKey()
let folder = ''
let token = ''
const servers: Program[] = []
const clients: Program[] = []
const hostile: HostileServer[] = []

beforeEach(async () => {
  folder = temporaryFolder()
  const { signKey } = parseTokenKey(TOKEN_SECRET, 'key')
  if (signKey !== undefined) token = await makeToken(signKey, { algorithm: 'HS256' }, 'Anna', '1h')
})
afterEach(async () => {
  for (const { child } of [...servers.splice(0), ...clients.splice(0)]) child.kill('SIGKILL')
  for (const server of hostile.splice(0)) await server.close()
})
afterAll(stopAll)

/** Starts the servers of a mesh. Returns when they are linked. */
async function startMesh(ports: readonly number[], auth: AuthMode): Promise<Program[]> {
  const list = ports.map((port, at) => ({ id: `server-${at + 1}`, ip: '127.0.0.1', port }))
  const [config = '', secretFile = '', tokenKeyFile = ''] = ['config', 'secret', 'token'].map(name =>
    join(folder, name),
  )
  writeFileSync(secretFile, SECRET, { mode: 0o600 })
  writeFileSync(tokenKeyFile, TOKEN_SECRET, { mode: 0o600 })
  writeFileSync(
    config,
    JSON.stringify({ servers: list, secretFile, auth, ...(auth === 'token' ? { tokenKeyFile } : {}) }),
  )
  const started = list.map(({ id }) => new Program('daemon', ['--id', id, '--config', config, '--log-format', 'text']))
  servers.push(...started)
  await until('the servers listen', () => started.every(({ out }) => out.includes('Listening for')))
  if (ports.length > 1) {
    const isLinked = ({ out }: Program) => out.includes('Outbound connection to peer')
    await until('the servers are linked', () => started.every(isLinked))
  }
  return started
}

async function stop(programs: readonly Program[]): Promise<void> {
  for (const program of programs) {
    program.child.kill('SIGKILL')
    await program.waitForExit()
  }
}

const home = () => join(folder, 'home')
const env = () => ({ XDG_STATE_HOME: `${home()}/state`, XDG_CONFIG_HOME: `${home()}/config`, HOME: home() })
/** The private parts of Anna's files: the ticket of the claim, and known keys. */
function filesNamed(name: string): string[] {
  const files = readdirSync(home(), { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith(name))
  return files.map(file => readFileSync(join(home(), file), 'utf8'))
}

function anna(port: number, more: readonly string[]): JsonClient {
  const client = new JsonClient('Anna', `http://127.0.0.1:${port}`, home(), more)
  clients.push(client)
  return client
}

/** What a hostile server says in answer to an `identify`. */
type Lie = (server: HostileServer, identify: IdentifyRequest, client: IdentifyingClient) => void
const letIn = (auth: AuthMode | undefined, prove?: (identify: IdentifyRequest) => MeshIdentity): Lie => {
  return (server, identify, client) =>
    server.accept(client, { ...(auth && { auth }), ...(prove && { mesh: prove(identify) }) })
}
const demand = (code: 'prove-key' | 'prove-token', prove?: (identify: IdentifyRequest) => MeshIdentity): Lie => {
  return (server, identify, client) => server.ask(client, code, prove?.(identify))
}
/** The identity of the mesh without a secret, whose proof everyone can make; here an invalid one. */
const publicMesh = (auth: AuthMode) => (identify: IdentifyRequest) => ({
  ...strangers.prove(identify, auth),
  key: PUBLIC_MESH_KEY,
})
const LIES: readonly (readonly [string, Lie])[] = [
  ['open, proves nothing', letIn('open')],
  ['0.1, open', letIn(undefined)],
  ['open, another mesh', letIn('open', identify => strangers.prove(identify, 'open'))],
  ['token, another mesh', demand('prove-token', identify => strangers.prove(identify, 'token'))],
  ['key, another mesh', demand('prove-key', identify => strangers.prove(identify, 'key'))],
  ['token, proves nothing', demand('prove-token')],
  ['0.1, key', demand('prove-key')],
  ['0.1, token', (_, __, { answer }) => answer({ ok: false, code: 'unauthorized', message: 'send a token' })],
  ['the mesh without a secret', letIn('open', publicMesh('open'))],
  ['key, already let in', letIn('key', identify => strangers.prove(identify, 'key'))],
]

/** Asks for everything, as a server and as a sibling. */
function pry({ socket }: IdentifyingClient): void {
  socket.emit('siblings', { connections: 2 })
  for (const type of ['have', 'digest', 'tell'])
    socket.emit('relay', { from: 's:2', body: JSON.stringify({ type, from: 0, messages: [], read: {} }) })
  socket.emit('im', { id: 'x', at: Date.now(), from: 'Billy', to: 'Anna', text: 'pay me', forwarded: false })
  socket.emit('prove-key', CHALLENGE)
  socket.emit('identified', {
    ok: true,
    server: 's',
    connection: 's:1',
    roster: { version: 1, users: [] },
    servers: [],
  })
}

async function takeAddress(port: number, lie: (attempt: number) => Lie): Promise<HostileServer> {
  const server = await HostileServer.start(port)
  hostile.push(server)
  let attempt = 0
  server.onIdentify = (identify, client) => {
    pry(client)
    lie(attempt++)(server, identify, client)
    pry(client)
  }
  return server
}

/** Anna writes to herself and to Billy, an offline user. Returns when she has what is worth stealing. */
async function makeHistory(port: number, auth: AuthMode, more: readonly string[]): Promise<JsonClient> {
  const client = anna(port, more)
  await until('Anna is online', () => client.isOnline)
  client.send('Anna', SAID)
  client.send('Billy', HELD)
  await until('one message is delivered', () => client.delivered.length > 0)
  const isWaiting = () => client.events('progress').some(({ to, state }) => to === 'Billy' && state === 'waiting')
  await until('the other one waits', isWaiting)
  if (auth === 'key') await until('Anna has a ticket', () => filesNamed('claim.json').length > 0)
  return client
}

/** Checks each packet and header that a hostile server has got. */
function expectNothingOfValue(server: HostileServer, what: string): void {
  const all = server.transcript.join('\n')
  const tickets = filesNamed('claim.json').map(text => (JSON.parse(text) as { proof?: string }).proof ?? 'no ticket')
  for (const valuable of [HELD, SAID, ASKED, token, ...tickets, '"proof"', '"token"', '"claim"', '"key"']) {
    expect(all.includes(valuable), `${what}: ${valuable}`).toBe(false)
  }
  // Nothing else is sent: no acknowledgement, no message, no frame for siblings.
  expect(['identify', 'roster'], what).toEqual(expect.arrayContaining(server.events))
  for (const { event, payload } of server.received) {
    if (event !== 'identify') continue
    const allowed = [
      'user',
      'client',
      'protocol',
      'nonce',
      'origin',
      'connections',
      'packed',
      'batched',
      'rooms',
      'typing',
      'views',
    ]
    expect(allowed, what).toEqual(expect.arrayContaining(Object.keys(payload as object)))
  }
}

const LIBRARY = `
  import { connect } from ${JSON.stringify(pathToFileURL(resolve('dist/.config/index.js')).href)}
  const [options] = process.argv.slice(-1)
  const client = await connect(JSON.parse(options))
  await client.send('Billy', ${JSON.stringify(ASKED)})
`

/** Each program that connects as Anna, or asks a server, once. */
function runAll(port: number, auth: AuthMode, pem: string, more: readonly string[]): Program[] {
  const at = ['--port', `${port}`]
  const run = (...args: string[]) => new Program('cli', args, env())
  const url = `http://127.0.0.1:${port}`
  const options = { user: 'Anna', servers: url, history: true, ...(auth === 'key' ? { key: pem } : { token }) }
  const script = join(folder, 'library.mjs')
  writeFileSync(script, LIBRARY)
  const started = [
    run('--user', 'Anna', '--json', ...at, ...more),
    run('--user', 'Anna', '--plain', '--to', 'Billy', ...at, ...more),
    run('send', '--user', 'Anna', '--to', 'Billy', '--timeout', '3', ...at, ...more, ASKED),
    run('tail', '--user', 'Anna', ...at, ...more),
    run('who', ...at),
    new Program(`/${script}`, [JSON.stringify(options)], env()),
  ]
  for (const { child } of started.slice(0, 2)) child.stdin?.write(`{"to":"Billy","text":"${ASKED}"}\n`)
  clients.push(...started)
  return started
}

test.each(['key', 'token'] as const)(
  'auth: %s: at a known address no program gives a stranger anything, and none changes what is stored',
  { timeout: 240_000 },
  async auth => {
    const [port = 0] = await freePorts(1)
    const tokenFile = join(folder, 'anna.token')
    writeFileSync(tokenFile, token, { mode: 0o600 })
    const more = auth === 'token' ? ['--token-file', tokenFile] : []
    const mesh = await startMesh([port], auth)
    const first = await makeHistory(port, auth, more)
    await first.kill()
    const exported = new Program('cli', ['identity', 'export', '--user', 'Anna'], env())
    await exported.waitForExit()
    await stop(mesh)
    // Half of them for each mode: every one needs six programs. The tests below tell all of them.
    for (const [what, lie] of LIES.filter((_, at) => at % 2 === (auth === 'key' ? 0 : 1))) {
      const server = await takeAddress(port, () => lie)
      const programs = runAll(port, auth, exported.out, more)
      await until(`all have met the server: ${what}`, () => server.received.length >= programs.length - 1, 60_000)
      // Those that retry have got their answer when they try again; the others have exited.
      const attempts = server.received.length
      await until(
        'they have left or retried',
        () => programs.every(({ exitStatus }) => exitStatus !== undefined) || server.received.length > attempts + 2,
        60_000,
      )
      expectNothingOfValue(server, what)
      await stop(programs)
      expectNothingOfValue(server, what)
      await server.close()
      hostile.pop()
    }
    await startMesh([port], auth)
    const again = anna(port, more)
    await until('Anna is online', () => again.isOnline)
    const billy = new JsonClient(
      'Billy',
      `http://127.0.0.1:${port}`,
      join(folder, 'billy'),
      auth === 'token' ? ['--token-file', await billysToken()] : [],
    )
    clients.push(billy)
    await until('the held message arrives', () => billy.received.some(({ text }) => text === HELD))
    const history = new Program('cli', ['history', '--user', 'Anna'], env())
    await history.waitForExit()
    expect(history.out).toContain(SAID)
    expect(history.out).not.toContain('pay me')
  },
)

async function billysToken(): Promise<string> {
  const { signKey } = parseTokenKey(TOKEN_SECRET, 'key')
  if (signKey === undefined) throw new Error('no key')
  const file = join(folder, 'billy.token')
  writeFileSync(file, await makeToken(signKey, { algorithm: 'HS256' }, 'Billy', '1h'), { mode: 0o600 })
  return file
}

/** The modes, each with its share of the lies. A single run has one of them, `npm run soak` all. */
const SHARES = [
  ['key', 0],
  ['token', 1],
  ['open', 2],
] as const

test.each(process.env.MESH_CHAT_ALL_MODES === undefined ? SHARES.slice(0, 1) : SHARES)(
  'auth: %s: at an announced address a stranger gets nothing, and the client returns to its mesh',
  { timeout: 240_000 },
  async (auth, share) => {
    // Each reconnection takes a while: every mode gets a third of the lies.
    const lies = LIES.filter((_, at) => at % 3 === share)
    const ports = await freePorts(2)
    const [one = 0, two = 0] = ports
    const tokenFile = join(folder, 'anna.token')
    writeFileSync(tokenFile, token, { mode: 0o600 })
    const [first, second] = await startMesh(ports, auth)
    if (first === undefined || second === undefined) throw new Error('no server')
    const client = await makeHistory(one, auth, auth === 'token' ? ['--token-file', tokenFile] : [])
    // The client knows the second server from the first one only.
    await stop([second])
    const server = await takeAddress(two, attempt => lies[attempt % lies.length]?.[1] ?? letIn('open'))
    await stop([first])
    await until('the stranger has told all its lies', () => server.received.length > lies.length, 120_000)
    expectNothingOfValue(server, 'announced')
    const onlines = client.events('connection').filter(({ state }) => state === 'online').length
    await startMesh([one], auth)
    const isBack = () => client.events('connection').filter(({ state }) => state === 'online').length > onlines
    await until('Anna is online again', isBack, 60_000)
    expect(client.exitStatus).toBeUndefined()
    expect(client.received.map(({ text }) => text)).not.toContain('pay me')
    expectNothingOfValue(server, 'announced')
  },
)
