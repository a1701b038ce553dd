/** A machine that loses power: a copy of the image of a mounted file system has what was on the disk at that moment. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { KeyFiles } from '../../../cli/keys/key-files.ts'
import { JsonClient } from '../../support/programs/json-client.ts'
import { stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealMesh } from '../../support/programs/real-mesh.ts'

vi.setConfig({ testTimeout: 180_000 })

const MESSAGES = 100
const mounts: string[] = []
const clients: JsonClient[] = []
let mesh: RealMesh

function run(command: string, ...args: string[]): boolean {
  return spawnSync(command, args).status === 0
}

/** Mounts an image. Returns the folder; undefined if this user may not. */
function mountImage(image: string): string | undefined {
  const folder = temporaryFolder()
  // The file system writes on its own only after a minute.
  if (!run('mount', '-o', 'loop,commit=60', image, folder)) return undefined
  mounts.push(folder)
  return folder
}

/** Makes an empty file system. */
function makeImage(): string {
  const image = join(temporaryFolder(), 'image')
  writeFileSync(image, '')
  truncateSync(image, 32 << 20)
  run('mkfs.ext4', '-q', '-F', image)
  return image
}

/** The folder of a file system after a power cut at this moment. */
function cutPower(image: string): string {
  const copy = `${image}.after`
  copyFileSync(image, copy)
  return mountImage(copy) ?? expect.fail('the copy cannot be mounted')
}

const unmountAll = () => {
  for (const folder of mounts.splice(0)) run('umount', folder)
}
const canMount = mountImage(makeImage()) !== undefined
unmountAll()

beforeAll(async () => {
  mesh = await RealMesh.start(1)
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.kill()
  unmountAll()
})
afterAll(async () => {
  await mesh.close()
  stopAll()
})

/** The texts in all files whose name starts with this. */
function textsIn(home: string, start: string): Set<string> {
  const state = join(home, 'state')
  const files = readdirSync(state, { recursive: true, encoding: 'utf8' }).filter(name =>
    name.split('/').at(-1)?.startsWith(start),
  )
  const lines = files
    .filter(name => name.endsWith('.jsonl'))
    .flatMap(name => readFileSync(join(state, name), 'utf8').split('\n'))
  return new Set(lines.flatMap(line => /"text":"([^"]*)"/.exec(line)?.[1] ?? []))
}

async function startPair(home: string): Promise<[anna: JsonClient, billy: JsonClient]> {
  const { url } = mesh.server(1)
  const anna = new JsonClient('Anna', url, home)
  const billy = new JsonClient('Billy', url, temporaryFolder(), ['--no-history'])
  clients.push(anna, billy)
  await until('both are online', () => anna.isOnline && billy.isOnline)
  return [anna, billy]
}

const numbers = Array.from({ length: MESSAGES }, (_, n) => `message ${n}`)

test.runIf(canMount)('D12: what is reported as delivered is on the disk of its recipient', async () => {
  const image = makeImage()
  const [anna, billy] = await startPair(mountImage(image) ?? '')
  for (const text of numbers) billy.send('Anna', text)
  await until('all are delivered', () => billy.delivered.length === MESSAGES)
  const left = cutPower(image)
  expect([...textsIn(left, 'history')].sort()).toEqual([...numbers].sort())
  expect(anna.exitStatus).toBeUndefined()
})

test.runIf(canMount)('without sync the last messages are not on the disk: the test would notice', async () => {
  let stored = MESSAGES
  // Any program of the machine may write all file systems to the disk at that moment.
  for (let tries = 0; tries < 3 && stored === MESSAGES; tries++) {
    for (const client of clients.splice(0)) await client.kill()
    const image = makeImage()
    const home = mountImage(image) ?? ''
    mkdirSync(join(home, 'config', 'mesh-chat'), { recursive: true })
    writeFileSync(join(home, 'config', 'mesh-chat', 'config.json'), '{"sync":false}')
    const [, billy] = await startPair(home)
    for (const text of numbers) billy.send('Anna', text)
    await until('all are delivered', () => billy.delivered.length === MESSAGES)
    stored = textsIn(cutPower(image), 'history').size
  }
  expect(stored).toBeLessThan(MESSAGES)
})

test.runIf(canMount)(
  'D11: what was sent is on the disk of its sender, and is sent again after the power cut',
  async () => {
    const image = makeImage()
    const [anna, billy] = await startPair(mountImage(image) ?? '')
    for (const text of numbers) anna.send('Billy', text)
    await until('some are received', () => billy.received.length > 10)
    const sent = new Set(billy.received.map(({ text }) => `${text}`))
    const left = cutPower(image)
    await anna.kill()
    const stored = new Set([...textsIn(left, 'history'), ...textsIn(left, 'outbox')])
    expect([...sent].filter(text => !stored.has(text))).toEqual([])
    // What the copy holds arrives, too.
    const held = [...textsIn(left, 'outbox')]
    clients.push(new JsonClient('Anna', mesh.server(1).url, left))
    await until('what was held arrives', () => {
      const received = new Set(billy.received.map(({ text }) => text))
      return held.every(text => received.has(text))
    })
    expect(new Set(billy.received.map(({ id }) => id)).size).toBe(billy.received.length)
  },
)

test.runIf(canMount)('a new key is on the disk before it is used', () => {
  const image = makeImage()
  const home = mountImage(image) ?? ''
  const before = process.env.XDG_STATE_HOME
  process.env.XDG_STATE_HOME = home
  try {
    const { keyFile } = new KeyFiles('Anna')
    new KeyFiles('Anna').load()
    const left = cutPower(image)
    const { size } = statSync(join(left, keyFile.slice(home.length)))
    expect(size).toBe(statSync(keyFile).size)
    expect(size).toBeGreaterThan(0)
  } finally {
    if (before === undefined) delete process.env.XDG_STATE_HOME
    else process.env.XDG_STATE_HOME = before
  }
})
