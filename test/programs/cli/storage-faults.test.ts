/** Clients whose disk is full, read-only or missing, and clients that are killed: nothing is lost, and they keep running. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { encodeFileName } from '../../../cli/storage/user-folder.ts'
import { JsonClient } from '../../support/programs/json-client.ts'
import { stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealMesh } from '../../support/programs/real-mesh.ts'

vi.setConfig({ testTimeout: 180_000 })

let mesh: RealMesh
let home = ''
const mounts: string[] = []
const programs: JsonClient[] = []

beforeAll(async () => {
  mesh = await RealMesh.start(1)
})
beforeEach(() => {
  home = temporaryFolder()
})
afterEach(async () => {
  for (const program of programs.splice(0)) {
    await program.kill()
  }
  for (const folder of mounts.splice(0)) run('umount', [folder])
})
afterAll(async () => {
  await mesh.close()
  stopAll()
})

const run = (command: string, args: readonly string[]) => spawnSync(command, args)

/** Whether this user may mount file systems. */
const canMount = (() => {
  const folder = temporaryFolder()
  const { status } = run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder])
  if (status === 0) run('umount', [folder])
  return status === 0
})()

function mount(folder: string, options: string): void {
  mkdirSync(folder, { recursive: true })
  const { status, stderr } = run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder])
  expect(status, `${stderr}`).toBe(0)
  mounts.push(folder)
}

const stateFolder = () => join(home, 'state')
const userFolder = (user: string) => {
  const meshes = join(stateFolder(), 'mesh-chat', 'meshes')
  return join(meshes, readdirSync(meshes)[0] ?? '', 'users', encodeFileName(user))
}
const filesOf = (user: string, name: RegExp) => readdirSync(userFolder(user)).filter(one => name.test(one))

function start(user: string, folder = home, ...more: string[]): JsonClient {
  const client = new JsonClient(user, mesh.server(1).url, folder, more)
  programs.push(client)
  return client
}

const notices = (client: JsonClient) => client.events('notice').map(({ code }) => code)
const stored = (user: string) => {
  const file = join(userFolder(user), 'history.jsonl')
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const ids = text.split('\n').flatMap(line => {
    try {
      return [(JSON.parse(line) as { message: { text: string } }).message.text]
    } catch {
      return []
    }
  })
  return new Set(ids)
}

async function startPair(): Promise<[anna: JsonClient, billy: JsonClient]> {
  const anna = start('Anna')
  const billy = start('Billy', join(home, 'billy'), '--no-history')
  await until('both are online', () => anna.isOnline && billy.isOnline)
  return [anna, billy]
}

/** Sends both ways while Anna's disk fails, then lets it work again. */
async function expectNothingLost(anna: JsonClient, billy: JsonClient, repair: () => void): Promise<void> {
  for (let n = 0; n < 20; n++) {
    billy.send('Anna', `to Anna ${n}`)
    anna.send('Billy', `to Billy ${n}`)
  }
  await until('the fault is reported', () => notices(anna).includes('not-stored'))
  await until('the messages are shown', () => anna.received.length === 20)
  // A server answers unconfirmed messages after 5 s.
  await until('Billy knows that they are not confirmed', () => billy.out.includes('unconfirmed'))
  expect(billy.delivered).toEqual([])
  expect(billy.received).toEqual([])
  repair()
  await until('the end of the fault is reported', () => notices(anna).includes('stored-again'))
  await until('all is delivered', () => billy.delivered.length >= 20 && anna.delivered.length >= 20, 90_000)
  expect(new Set(billy.received.map(({ text }) => text)).size).toBe(20)
  expect(billy.received).toHaveLength(20)
  expect(anna.received).toHaveLength(20)
  // Own messages are written at the end of the turn that reports their delivery.
  await until("all is in Anna's history", () => stored('Anna').size === 40)
  expect(notices(anna).filter(code => code === 'not-stored')).toHaveLength(1)
  expect(anna.exitStatus).toBeUndefined()
}

describe.runIf(canMount)('a client of a mesh that it knows', () => {
  test.each(['size=256k', 'size=4m,nr_inodes=16'])(
    'keeps running when its disk is full: tmpfs with %s',
    async options => {
      mount(stateFolder(), options)
      const [anna, billy] = await startPair()
      const fill = () => {
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
      fill()
      await expectNothingLost(anna, billy, () => {
        for (const name of readdirSync(stateFolder())) {
          if (name.startsWith('fill-')) rmSync(join(stateFolder(), name))
        }
      })
    },
  )

  test('keeps running when its disk becomes read-only', async () => {
    mount(stateFolder(), 'size=4m')
    const [anna, billy] = await startPair()
    // A mount point with open files cannot be remounted; these files are closed.
    const remount = (mode: string) => {
      const { status, stderr } = run('mount', ['-o', `remount,${mode}`, stateFolder()])
      expect(status, `${stderr}`).toBe(0)
    }
    remount('ro')
    await expectNothingLost(anna, billy, () => remount('rw'))
  })

  test('adopts 500 held messages on a full disk and loses none', async () => {
    mount(stateFolder(), 'size=2m')
    const first = start('Anna')
    await until('it is online', () => first.isOnline)
    for (let n = 0; n < 500; n++) first.send('Billy', `held ${n}`)
    await until('all are held', () => first.events('message').length === 500)
    await until('a server has accepted all', () => stored('Anna').size === 500, 60_000)
    await first.kill()
    try {
      for (;;) writeFileSync(join(stateFolder(), 'fill'), Buffer.alloc(4_096), { flag: 'a' })
    } catch {
      // It is full.
    }
    const second = start('Anna')
    await until('it is online', () => second.isOnline)
    const billy = start('Billy', join(home, 'billy'), '--no-history')
    await until('all arrive', () => billy.received.length === 500, 90_000)
    expect(new Set(billy.received.map(({ text }) => text)).size).toBe(500)
  })
})

test('a client keeps running when it has reached its limit of open files', async () => {
  const [anna, billy] = await startPair()
  const limitFiles = (count: number) => {
    const { status, stderr } = run('prlimit', ['--pid', `${anna.child.pid}`, `--nofile=${count}:4096`])
    expect(status, `${stderr}`).toBe(0)
  }
  limitFiles(3)
  await expectNothingLost(anna, billy, () => limitFiles(4_096))
})

test('a removed data folder is made again', async () => {
  const [anna, billy] = await startPair()
  rmSync(stateFolder(), { recursive: true })
  for (const [from, to] of [
    [anna, 'Billy'],
    [billy, 'Anna'],
  ] as const)
    from.send(to, 'after it')
  await until('both are delivered', () => anna.delivered.length > 0 && billy.delivered.length > 0)
})

test('with --no-history a home that cannot be written is enough', async () => {
  // A file instead of a folder: not even root can write into it.
  writeFileSync(join(home, 'file'), '')
  const anna = start('Anna', join(home, 'file'), '--no-history')
  const billy = start('Billy', join(home, 'file', 'deeper'), '--no-history')
  await until('both are online', () => anna.isOnline && billy.isOnline)
  anna.send('Billy', 'Hi')
  await until('it is delivered', () => anna.delivered.length === 1)
  expect(anna.out).not.toMatch(/\n\s+at /)
})

test('a client that is killed at any moment after its start leaves all held messages to the next one', async () => {
  const count = 300
  const first = start('Anna')
  await until('it is online', () => first.isOnline)
  for (let n = 0; n < count; n++) first.send('Billy', `held ${n}`)
  await until('all are stored', () => first.events('message').length === count && stored('Anna').size === count)
  await first.kill()
  const locks = () => filesOf('Anna', /^outbox-.*\.lock$/)
  const sentCount = (victim: JsonClient) => victim.events('progress').filter(({ state }) => state === 'sent').length
  const moments: [what: string, isNow: (victim: JsonClient, before: string[]) => boolean][] = [
    ['it has locked an outbox', (_, before) => locks().some(name => !before.includes(name))],
    ['it has read its files', ({ out }) => out !== ''],
    ['it reports a message', victim => victim.events('progress').length > 0],
    ['it is online', victim => victim.isOnline],
    ['it has sent some messages', victim => sentCount(victim) > count / 3],
    ['it has sent all messages', victim => sentCount(victim) >= count],
  ]
  for (const [what, isNow] of moments) {
    const before = locks()
    const victim = start('Anna')
    await until(what, () => isNow(victim, before))
    await victim.kill()
  }
  start('Anna')
  const billy = start('Billy', join(home, 'billy'), '--no-history')
  await until('all arrive', () => billy.received.length === count, 60_000)
  await until('the outbox is empty', () => filesOf('Anna', /^outbox-.*\.jsonl$/).every(name => isEmpty(name)), 60_000)
  expect(new Set(billy.received.map(({ text }) => text)).size).toBe(count)
})

function isEmpty(name: string): boolean {
  return (statSync(join(userFolder('Anna'), name), { throwIfNoEntry: false })?.size ?? 0) === 0
}

test('a client sends what another client of the user held, once that has been killed, without a new start', async () => {
  const first = start('Anna')
  const second = start('Anna')
  await until('both are online', () => first.isOnline && second.isOnline)
  for (let n = 0; n < 5; n++) first.send('Billy', `held ${n}`)
  await until('all are stored', () => first.events('message').length === 5 && stored('Anna').size === 5)
  await first.kill()
  const billy = start('Billy', join(home, 'billy'), '--no-history')
  await until('all arrive', () => billy.received.length === 5)
})

test('names of up to 64 wide characters work as user and as recipient', async () => {
  const names = ['会'.repeat(27), '会'.repeat(28), '会'.repeat(40), '会'.repeat(64), '😀'.repeat(64), 'ö'.repeat(64)]
  const clients = names.map(name => start(name))
  await until('all are online', () => clients.every(client => client.isOnline), 60_000)
  for (const [at, client] of clients.entries()) client.send(names[(at + 1) % names.length] ?? '', `from ${at}`)
  await until('all are delivered', () => clients.every(client => client.delivered.length === 1), 60_000)
  for (const name of names) expect(stored(name).size, name).toBe(2)
  for (const client of clients) expect(client.exitStatus).toBeUndefined()
})
