/** Clients whose disk is full, read-only or missing, and clients that are killed: nothing is lost, and they keep running. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { encodeFileName } from '../../../cli/storage/user-folder.ts'
import { Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealMesh } from '../../support/programs/real-mesh.ts'

vi.setConfig({ testTimeout: 180_000 })

let mesh: RealMesh
let home = ''
const mounts: string[] = []
const programs: Program[] = []

beforeAll(async () => {
  mesh = await RealMesh.start(1)
}, 60_000)
beforeEach(() => {
  home = temporaryFolder()
})
afterEach(async () => {
  for (const program of programs.splice(0)) {
    program.child.kill('SIGKILL')
    await program.waitForExit()
  }
  for (const folder of mounts.splice(0)) spawnSync('umount', [folder])
})
afterAll(async () => {
  await mesh.close()
  stopAll()
})

/** Whether this user may mount file systems. */
const canMount = (() => {
  const folder = temporaryFolder()
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder])
  if (status === 0) spawnSync('umount', [folder])
  return status === 0
})()

function mount(folder: string, options: string): void {
  mkdirSync(folder, { recursive: true })
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder])
  expect(status, `${stderr}`).toBe(0)
  mounts.push(folder)
}

const stateFolder = () => join(home, 'state')
const userFolder = (user: string) => {
  const meshes = join(stateFolder(), 'mesh-chat', 'meshes')
  return join(meshes, readdirSync(meshes)[0] ?? '', 'users', encodeFileName(user))
}
const filesOf = (user: string, name: RegExp) => readdirSync(userFolder(user)).filter(one => name.test(one))

/** Starts a client that speaks JSON lines. */
function start(user: string, state: string, ...more: string[]): Program {
  const env = { XDG_STATE_HOME: state, XDG_CONFIG_HOME: join(home, 'config'), HOME: home }
  const program = new Program('cli', ['--user', user, '--json', '--server', mesh.server(1).url, ...more], env)
  programs.push(program)
  return program
}

const isOnline = (program: Program) => program.out.includes('"state":"online"')
const send = (program: Program, to: string, text: string) =>
  program.child.stdin?.write(`${JSON.stringify({ to, text })}\n`)

type Parsed = { end: number; events: Record<string, unknown>[] }
const parsed = new WeakMap<Program, Parsed>()

/** The events of one type that a client has printed. */
function events(program: Program, type: string): Record<string, unknown>[] {
  const known = parsed.get(program) ?? { end: 0, events: [] }
  parsed.set(program, known)
  for (let end = program.out.indexOf('\n', known.end); end >= 0; end = program.out.indexOf('\n', known.end)) {
    const line = program.out.slice(known.end, end)
    if (line.startsWith('{')) known.events.push(JSON.parse(line) as Record<string, unknown>)
    known.end = end + 1
  }
  return known.events.filter(event => event.type === type)
}
const notices = (program: Program) => events(program, 'notice').map(({ code }) => code)
const received = (program: Program) => events(program, 'message').filter(({ origin }) => origin === 'live')
const delivered = (program: Program) => events(program, 'progress').filter(({ state }) => state === 'delivered')
const stored = (user: string) => {
  const text = readFileSync(join(userFolder(user), 'history.jsonl'), 'utf8')
  const ids = text.split('\n').flatMap(line => {
    try {
      return [(JSON.parse(line) as { message: { text: string } }).message.text]
    } catch {
      return []
    }
  })
  return new Set(ids)
}

async function startPair(): Promise<[anna: Program, billy: Program]> {
  const anna = start('Anna', stateFolder())
  const billy = start('Billy', join(home, 'billy'), '--no-history')
  await until('both are online', () => isOnline(anna) && isOnline(billy))
  return [anna, billy]
}

/** Sends both ways while Anna's disk fails, then lets it work again. */
async function expectNothingLost(anna: Program, billy: Program, repair: () => void): Promise<void> {
  for (let n = 0; n < 20; n++) {
    send(billy, 'Anna', `to Anna ${n}`)
    send(anna, 'Billy', `to Billy ${n}`)
  }
  await until('the fault is reported', () => notices(anna).includes('not-stored'))
  await until('the messages are shown', () => received(anna).length === 20)
  // A server answers unconfirmed messages after 5 s.
  await until('Billy knows that they are not confirmed', () => billy.out.includes('unconfirmed'))
  expect(delivered(billy)).toEqual([])
  expect(received(billy)).toEqual([])
  repair()
  await until('the end of the fault is reported', () => notices(anna).includes('stored-again'))
  await until('all is delivered', () => delivered(billy).length >= 20 && delivered(anna).length >= 20, 90_000)
  expect(new Set(received(billy).map(({ text }) => text)).size).toBe(20)
  expect(received(billy)).toHaveLength(20)
  expect(received(anna)).toHaveLength(20)
  expect(stored('Anna').size).toBe(40)
  expect(notices(anna).filter(code => code === 'not-stored')).toHaveLength(1)
  expect(anna.exitStatus).toBeUndefined()
}

describe.runIf(canMount)('a client of a mesh that it knows', () => {
  test.each(['size=256k', 'size=4m,nr_inodes=16'])('keeps running when its disk is full: tmpfs with %s', async options => {
    mount(stateFolder(), options)
    const [anna, billy] = await startPair()
    const isFull = () => {
      for (let n = 0; ; n++) {
        try {
          writeFileSync(join(stateFolder(), `fill-${n}`), Buffer.alloc(16_384))
        } catch {
          break
        }
      }
      // The last blocks.
      try {
        for (;;) writeFileSync(join(stateFolder(), 'fill-0'), 'x'.repeat(4_096), { flag: 'a' })
      } catch {
        return
      }
    }
    // Without files of its own yet, it needs an inode or a block for each.
    isFull()
    await expectNothingLost(anna, billy, () => {
      for (const name of readdirSync(stateFolder())) {
        if (name.startsWith('fill-')) rmSync(join(stateFolder(), name))
      }
    })
  })

  test('keeps running when its disk becomes read-only', async () => {
    mount(stateFolder(), 'size=4m')
    const [anna, billy] = await startPair()
    // A mount point with open files cannot be remounted; these files are closed.
    const remount = (mode: string) => {
      const { status, stderr } = spawnSync('mount', ['-o', `remount,${mode}`, stateFolder()])
      expect(status, `${stderr}`).toBe(0)
    }
    remount('ro')
    await expectNothingLost(anna, billy, () => remount('rw'))
  })

  test('adopts 1,500 held messages on a full disk and loses none', async () => {
    mount(stateFolder(), 'size=2m')
    const first = start('Anna', stateFolder())
    await until('it is online', () => isOnline(first))
    for (let n = 0; n < 1_500; n++) send(first, 'Billy', `held ${n}`)
    await until('all are held', () => events(first, 'message').length === 1_500)
    expect(stored('Anna').size).toBe(1_500)
    first.child.kill('SIGKILL')
    await first.waitForExit()
    try {
      for (;;) writeFileSync(join(stateFolder(), 'fill'), Buffer.alloc(4_096), { flag: 'a' })
    } catch {
      // It is full.
    }
    const second = start('Anna', stateFolder())
    await until('it is online', () => isOnline(second))
    const billy = start('Billy', join(home, 'billy'), '--no-history')
    await until('all arrive', () => received(billy).length === 1_500, 90_000)
    expect(new Set(received(billy).map(({ text }) => text)).size).toBe(1_500)
  })
})

test('a removed data folder is made again', async () => {
  const [anna, billy] = await startPair()
  rmSync(stateFolder(), { recursive: true })
  for (const [from, to] of [
    [anna, 'Billy'],
    [billy, 'Anna'],
  ] as const)
    send(from, to, 'after it')
  await until('both are delivered', () => delivered(anna).length > 0 && delivered(billy).length > 0)
})

test('with --no-history a home that cannot be written is enough', async () => {
  // A file instead of a folder: not even root can write into it.
  writeFileSync(join(home, 'file'), '')
  const anna = start('Anna', join(home, 'file'), '--no-history')
  const billy = start('Billy', join(home, 'file', 'deeper'), '--no-history')
  await until('both are online', () => isOnline(anna) && isOnline(billy))
  send(anna, 'Billy', 'Hi')
  await until('it is delivered', () => delivered(anna).length === 1)
  expect(anna.out).not.toMatch(/\n\s+at /)
})

test('a client that is killed at any moment after its start leaves all held messages to the next one', async () => {
  const count = 300
  const first = start('Anna', stateFolder())
  await until('it is online', () => isOnline(first))
  for (let n = 0; n < count; n++) send(first, 'Billy', `held ${n}`)
  await until('all are stored', () => events(first, 'message').length === count && stored('Anna').size === count)
  first.child.kill('SIGKILL')
  await first.waitForExit()
  // From before it reads its files until after it is online.
  for (const ms of [150, 250, 350, 450, 600, 900]) {
    const victim = start('Anna', stateFolder())
    await new Promise(resolve => setTimeout(resolve, ms))
    victim.child.kill('SIGKILL')
    await victim.waitForExit()
  }
  start('Anna', stateFolder())
  const billy = start('Billy', join(home, 'billy'), '--no-history')
  await until('all arrive', () => received(billy).length === count, 60_000)
  await until('the outbox is empty', () => filesOf('Anna', /^outbox-.*\.jsonl$/).every(name => isEmpty(name)), 60_000)
  expect(new Set(received(billy).map(({ text }) => text)).size).toBe(count)
})

function isEmpty(name: string): boolean {
  return (statSync(join(userFolder('Anna'), name), { throwIfNoEntry: false })?.size ?? 0) === 0
}

test('a client sends what another client of the user held, once that has been killed, without a new start', async () => {
  const first = start('Anna', stateFolder())
  const second = start('Anna', stateFolder())
  await until('both are online', () => isOnline(first) && isOnline(second))
  for (let n = 0; n < 5; n++) send(first, 'Billy', `held ${n}`)
  await until('all are stored', () => events(first, 'message').length === 5 && stored('Anna').size === 5)
  first.child.kill('SIGKILL')
  await first.waitForExit()
  const billy = start('Billy', join(home, 'billy'), '--no-history')
  await until('all arrive', () => received(billy).length === 5)
})

test('names of up to 64 wide characters work as user and as recipient', async () => {
  const names = ['会'.repeat(27), '会'.repeat(28), '会'.repeat(40), '会'.repeat(64), '😀'.repeat(64), 'ö'.repeat(64)]
  const clients = names.map(name => start(name, stateFolder()))
  await until('all are online', () => clients.every(isOnline), 60_000)
  for (const [at, client] of clients.entries()) send(client, names[(at + 1) % names.length] ?? '', `from ${at}`)
  await until('all are delivered', () => clients.every(client => delivered(client).length === 1), 60_000)
  for (const name of names) expect(stored(name).size, name).toBe(2)
  for (const client of clients) expect(client.exitStatus).toBeUndefined()
})
