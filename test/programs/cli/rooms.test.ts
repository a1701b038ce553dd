/** Rooms over two servers, in the commands, the JSON mode and the line mode, as real processes. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { withGrowingTimeout } from '../../support/programs/growing-timeout.ts'
import { JsonClient } from '../../support/programs/json-client.ts'
import { Program, stopAll, temporaryFolder } from '../../support/programs/processes.ts'
import { RawClient } from '../../support/programs/raw-client.ts'
import { TestMesh, until } from '../../support/programs/test-mesh.ts'

const mesh = new TestMesh()
const programs: Program[] = []
let home = ''

beforeAll(async () => {
  await mesh.configure(2, { rooms: [{ name: '#led', operators: ['Olga'] }] })
  const servers = [mesh.start(1), mesh.start(2)]
  for (const server of servers) await until(() => expect(server.out).toContain('Outbound connection to peer'))
})

beforeEach(() => {
  home = temporaryFolder()
})

afterEach(async () => {
  for (const { child } of programs) child.kill('SIGTERM')
  for (const program of programs.splice(0)) await program.waitForExit()
})

afterAll(() => {
  stopAll()
  mesh.stop()
})

const url = (n: number) => `http://127.0.0.1:${mesh.ports[n - 1]}`
/** A folder for one user: as on a machine of their own. */
const homeOf = (user: string) => join(home, user)

/** Starts a command as a user at server n. */
function start(user: string, n: number, args: readonly string[]): Program {
  const folder = homeOf(user)
  const env = { XDG_STATE_HOME: `${folder}/state`, XDG_CONFIG_HOME: `${folder}/config` }
  const program = new Program('cli', [...args, '--user', user, '--server', url(n)], env)
  programs.push(program)
  return program
}

async function run(user: string, n: number, args: readonly string[]): Promise<{ code: number | null; out: string }> {
  const program = start(user, n, args)
  await program.waitForExit()
  return { code: program.exitStatus?.code ?? null, out: program.out }
}

async function startJson(user: string, n: number): Promise<JsonClient> {
  const client = new JsonClient(user, url(n), homeOf(user))
  programs.push(client)
  await until(() => expect(client.isOnline).toBe(true))
  return client
}

function ask(client: JsonClient, ...requests: object[]): void {
  for (const request of requests) client.child.stdin?.write(`${JSON.stringify(request)}\n`)
}

const joined = (client: JsonClient, room: string) =>
  until(() => expect(client.events('room')).toContainEqual(expect.objectContaining({ room, state: 'joined' })))

/** Waits until server n knows a room with a member. */
async function untilListed(room: string, n: number): Promise<void> {
  const watcher = await RawClient.connect(url(n), 'Watcher')
  await until(async () => expect(JSON.stringify(await watcher.listRooms())).toContain(`"${room}"`))
  watcher.close()
}

/** Waits until a client was told that a user is in a room. */
const untilKnown = (client: JsonClient, room: string, user: string) =>
  until(() =>
    expect(client.events('room')).toContainEqual(
      expect.objectContaining({ room, joined: expect.arrayContaining([user]) }),
    ),
  )

/** The rooms that are stored for a user. */
function storedRooms(user: string): [room: string, isJoined: boolean][] {
  const meshes = join(homeOf(user), 'state/mesh-chat/meshes')
  for (const folder of readdirSync(meshes)) {
    for (const one of readdirSync(join(meshes, folder, 'users'))) {
      const file = join(meshes, folder, 'users', one, 'rooms.json')
      if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'))
    }
  }
  return []
}

test('send delivers to a room, tail follows it, history has it, and neither changes the list of rooms', async () => {
  const tail = start('Anna', 1, ['tail', '--with', '#Ops'])
  await until(() => expect(tail.out).toContain('* you are in #ops, where nobody else is'))
  expect(await run('Bot', 2, ['send', '--to', '#ops', 'build passed'])).toEqual({ code: 0, out: expect.any(String) })
  await until(() => expect(tail.out).toMatch(/^\d\d:\d\d #ops Bot: build passed$/m))
  // Nothing need be said of the Bot's membership: one that ends at once may be gathered with its end.
  for (const [user, n] of [
    ['Anna', 1],
    ['Bot', 2],
  ] as const) {
    expect(storedRooms(user)).toEqual([])
    const { out } = await run(user, n, ['history', '--with', '#ops'])
    expect(out).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d Bot → #ops: build passed$/m)
  }
  const unknown = await run('Anna', 1, ['history', '--with', '#opps'])
  expect(unknown).toEqual({ code: 0, out: 'mesh-chat: no messages of #opps are stored here; did you mean #ops?\n' })
})

test('the receipt of a message is on disk when send ends', async () => {
  const tail = start('Anna', 1, ['tail', '--with', '#ops'])
  await until(() => expect(tail.out).toContain('* you are in #ops'))
  const { code } = await run('Bot', 2, ['send', '--to', '#ops', 'one'])
  expect(code).toBe(0)
  const [folder = ''] = readdirSync(join(homeOf('Bot'), 'state/mesh-chat/meshes'))
  const users = join(homeOf('Bot'), 'state/mesh-chat/meshes', folder, 'users')
  const [user = ''] = readdirSync(users)
  const lines = readFileSync(join(users, user, 'history.jsonl'), 'utf8')
    .split('\n')
    .filter(Boolean)
  expect(lines.map(line => Object.keys(JSON.parse(line))[0])).toEqual(['room', 'receipt'])
})

test('send to a room without others is not delivered, and suggests a name; with --keep the next client sends it', async () => {
  const anna = await startJson('Anna', 1)
  ask(anna, { type: 'join', room: '#builds' })
  await joined(anna, '#builds')
  await untilListed('#builds', 2)
  const text = 'nobody else is in #build; did you mean #builds?; the message is dropped; try again, or add --keep'
  const alone = await withGrowingTimeout(
    seconds => run('Bot', 2, ['send', '--to', '#build', '--timeout', seconds, 'x']),
    ({ out }) => out.includes(text),
  )
  expect(alone).toEqual({ code: 3, out: expect.stringContaining(text) })
  const kept = await withGrowingTimeout(
    seconds => run('Bot', 2, ['send', '--to', '#later', '--timeout', seconds, '--keep', 'kept']),
    ({ code }) => code === 3,
  )
  expect(kept).toEqual({ code: 3, out: expect.stringContaining('the message is kept') })
  ask(anna, { type: 'join', room: '#later' })
  await joined(anna, '#later')
  const next = await startJson('Bot', 1)
  await until(() => expect(anna.received.map(({ text, to }) => [text, to])).toContainEqual(['kept', '#later']))
  await joined(next, '#later')
})

test('who tells the members of a room to a member; to others their number, or with --join', async () => {
  const anna = await startJson('Anna', 1)
  ask(anna, { type: 'join', room: '#team' })
  await joined(anna, '#team')
  await untilListed('#team', 2)
  expect(await run('Anna', 2, ['who', '#team', '--json'])).toEqual({
    code: 0,
    out: expect.stringMatching(/^\{"room":"#team","members":\["Anna"\]\}$/m),
  })
  const outside = await run('Billy', 2, ['who', '#team'])
  expect(outside).toEqual({
    code: 1,
    out: expect.stringContaining('#team has 1 member, and only members are told who'),
  })
  const inside = await run('Billy', 2, ['who', '#team', '--join'])
  expect(inside).toEqual({ code: 0, out: expect.stringMatching(/^Anna\nBilly$/m) })
  const unknown = await run('Billy', 2, ['who', '#taem'])
  expect(unknown).toEqual({
    code: 1,
    out: expect.stringContaining('no room #taem, or it is hidden; did you mean #team?'),
  })
  expect(storedRooms('Billy')).toEqual([])
})

test('what an operator deletes stays deleted in the history command', async () => {
  const [anna, olga] = [await startJson('Anna', 1), await startJson('Olga', 2)]
  for (const one of [anna, olga]) {
    ask(one, { type: 'join', room: '#led' })
    await joined(one, '#led')
  }
  await untilKnown(anna, '#led', 'Olga')
  ask(anna, { to: '#led', text: 'a secret' }, { to: '#led', text: 'fine' })
  await until(() => expect(olga.received).toHaveLength(2))
  ask(olga, { to: '#led', delete: olga.received[0]?.id, author: 'Anna' })
  await until(() => expect(anna.events('change')).toMatchObject([{ kind: 'delete', author: 'Anna' }]))
  anna.child.stdin?.end()
  await anna.waitForExit()
  const { code, out } = await run('Anna', 1, ['history', '--with', '#led'])
  expect([code, out]).toEqual([0, expect.stringMatching(/#led: \(message deleted\)\n.*#led: fine\n$/)])
  expect(out).not.toContain('secret')
})

test('JSON mode: members on two servers talk, and a client is in its rooms again after a restart', async () => {
  const [anna, billy] = [await startJson('Anna', 1), await startJson('Billy', 2)]
  ask(anna, { type: 'join', room: '#dev' })
  await joined(anna, '#dev')
  await untilListed('#dev', 2)
  ask(billy, { type: 'join', room: '#DEV' })
  await until(() =>
    expect(anna.events('room')).toContainEqual(
      expect.objectContaining({ joined: ['Billy'], left: [], state: 'joined' }),
    ),
  )
  await until(() =>
    expect(billy.events('room')).toContainEqual(
      expect.objectContaining({ room: '#dev', members: ['Anna', 'Billy'], joined: ['Anna', 'Billy'] }),
    ),
  )
  ask(anna, { to: '#dev', text: 'Hi', ref: 'r' })
  await until(() => expect(billy.received).toMatchObject([{ from: 'Anna', to: '#dev', text: 'Hi' }]))
  await until(() =>
    expect(anna.delivered).toContainEqual(expect.objectContaining({ to: '#dev', ref: 'r', connections: 1, of: 1 })),
  )
  await until(async () => {
    const before = billy.events('room-list').length
    ask(billy, { type: 'list-rooms' })
    await until(() => expect(billy.events('room-list').length).toBeGreaterThan(before))
    // A server makes the list once per second.
    expect(billy.events('room-list').at(-1)?.rooms).toContainEqual({ room: '#dev', members: 2 })
  })
  ask(billy, { type: 'members', room: '#dev' })
  await until(() => expect(billy.events('room').at(-1)).toMatchObject({ members: ['Anna', 'Billy'], joined: [] }))
  await billy.kill()
  await until(() => expect(anna.events('room').at(-1)).toMatchObject({ left: ['Billy'] }))
  const again = await startJson('Billy', 1)
  await joined(again, '#dev')
  ask(again, { type: 'part', room: '#dev' })
  await until(() => expect(again.events('room').at(-1)).toMatchObject({ room: '#dev', state: 'parted' }))
  await until(() => expect(storedRooms('Billy')).toEqual([['#dev', false, expect.any(Number)]]))
})

test('JSON mode answers requests about rooms before it ends with its input', async () => {
  const anna = await startJson('Anna', 1)
  ask(anna, { type: 'join', room: '#short' })
  await joined(anna, '#short')
  await untilListed('#short', 2)
  const client = new JsonClient('Billy', url(2), homeOf('Billy'))
  programs.push(client)
  client.child.stdin?.end('{"type":"list-rooms"}\n{"type":"join","room":"#short"}\n{"to":"#short","text":"bye"}\n')
  await client.waitForExit()
  expect(client.events('room-list')).toHaveLength(1)
  expect(client.delivered).toMatchObject([{ to: '#short' }])
})

test('line mode: a room by option, commands, and a second client of the user that follows', async () => {
  const billy = start('Billy', 2, ['--plain', '--to', '#chat'])
  await until(() => expect(billy.out).toContain('* you are in #chat, where nobody else is'))
  const second = await startJson('Billy', 1)
  await joined(second, '#chat')
  const anna = start('Anna', 1, ['--plain'])
  await until(() => expect(anna.out).toContain('* online at'))
  anna.child.stdin?.write('/join #chat\nHi all\n')
  await until(() => expect(billy.out).toMatch(/^\d\d:\d\d #chat Anna: Hi all$/m))
  await until(() => expect(anna.out).toContain('* you are in #chat with Billy'))
  anna.child.stdin?.write('/names\n/rooms\n')
  await until(() => expect(anna.out).toMatch(/^\* in #chat: Anna, Billy$/m))
  await until(() => expect(anna.out).toMatch(/^\* #chat, 2 members$/m))
  billy.child.stdin?.write('Hi Anna\n')
  await until(() => expect(anna.out).toMatch(/^\d\d:\d\d #chat Billy \(mentions you\): Hi Anna$/m))
  billy.child.stdin?.write('/part\n')
  await until(() => expect(second.events('room').at(-1)).toMatchObject({ room: '#chat', state: 'parted' }))
  await until(() => expect(anna.out).toContain('* #chat: Billy left'))
})

test('with --no-history nothing of a room is on disk', async () => {
  const anna = start('Anna', 1, ['--plain', '--no-history', '--to', '#none'])
  await until(() => expect(anna.out).toContain('* you are in #none'))
  anna.child.stdin?.end('Hi\n')
  await anna.waitForExit()
  expect(storedRooms('Anna')).toEqual([])
  const again = start('Anna', 1, ['--plain', '--no-history'])
  await until(() => expect(again.out).toContain('* online at'))
  again.child.stdin?.end('/names #none\n')
  await again.waitForExit()
  expect(again.out).toContain('* you are not in #none')
})
