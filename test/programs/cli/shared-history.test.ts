/** Several clients of one user with one data folder, and clients that cannot use it. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { encodeFileName } from '../../../cli/storage/user-folder.ts'
import { JsonClient } from '../../support/programs/json-client.ts'
import { Program, stopAll, temporaryFolder, until } from '../../support/programs/processes.ts'
import { RealMesh } from '../../support/programs/real-mesh.ts'

vi.setConfig({ testTimeout: 180_000 })

let mesh: RealMesh
let home = ''
const programs: JsonClient[] = []

beforeAll(async () => {
  mesh = await RealMesh.start(1)
})
beforeEach(() => {
  home = temporaryFolder()
})
afterEach(async () => {
  for (const program of programs.splice(0)) await program.kill()
})
afterAll(async () => {
  await mesh.close()
  stopAll()
})

function start(user: string, folder: string, ...more: string[]): JsonClient {
  const client = new JsonClient(user, mesh.server(1).url, folder, more)
  programs.push(client)
  return client
}

function fileOf(folder: string, user: string, name: string): string {
  const meshes = join(folder, 'state', 'mesh-chat', 'meshes')
  return join(meshes, readdirSync(meshes)[0] ?? '', 'users', encodeFileName(user), name)
}

/** The texts in a history file, one for each line of a message. */
function storedTexts(folder: string, user: string): string[] {
  const lines = readFileSync(fileOf(folder, user, 'history.jsonl'), 'utf8')
    .split('\n')
    .filter(line => line.startsWith('{"message":'))
  return lines.map(line => (JSON.parse(line) as { message: { text: string } }).message.text)
}

test('D10: four clients with one folder write each of 200 messages once, and all confirm it', async () => {
  const clients = Array.from({ length: 4 }, () => start('Anna', home))
  const billy = start('Billy', join(home, 'billy'), '--no-history')
  await until('all are online', () => [...clients, billy].every(({ isOnline }) => isOnline))
  for (let n = 0; n < 200; n++) billy.send('Anna', `message ${n}`)
  await until('all is delivered', () => new Set(billy.delivered.map(({ id }) => id)).size === 200, 120_000)
  await until('all clients have all', () => clients.every(({ received }) => received.length === 200), 120_000)
  const texts = storedTexts(home, 'Anna')
  expect(new Set(texts).size).toBe(200)
  expect(texts).toHaveLength(200)
})

test('messages of a mesh that cannot be pinned are neither confirmed nor sent, until it can', async () => {
  const folder = join(home, 'state', 'mesh-chat')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeFileSync(join(folder, 'known-meshes.json'), '[{"folder":', { mode: 0o600 })
  const anna = start('Anna', home)
  const billy = start('Billy', join(home, 'billy'), '--no-history')
  await until('both are online', () => anna.isOnline && billy.isOnline)
  billy.send('Anna', 'to Anna')
  anna.send('Billy', 'to Billy')
  await until('the message is shown', () => anna.received.length === 1)
  await until('the fault is reported', () => anna.events('notice').some(({ code }) => code === 'not-stored'))
  await until('Billy knows that it is not confirmed', () => billy.out.includes('unconfirmed'))
  expect(billy.delivered).toEqual([])
  expect(billy.received).toEqual([])
  rmSync(join(folder, 'known-meshes.json'))
  await until('both are delivered', () => billy.delivered.length > 0 && anna.delivered.length > 0, 90_000)
  expect(anna.received).toHaveLength(1)
  expect(billy.received).toHaveLength(1)
  expect(storedTexts(home, 'Anna').sort()).toEqual(['to Anna', 'to Billy'])
})

test('`send` ends at once, with a clear error, if the message cannot be stored', async () => {
  const billy = start('Billy', join(home, 'billy'), '--no-history')
  await until('Billy is online', () => billy.isOnline)
  const state = join(home, 'state', 'mesh-chat')
  mkdirSync(join(home, 'state'), { recursive: true })
  // A file instead of the folder, which also stops the superuser.
  writeFileSync(state, '')
  chmodSync(state, 0o600)
  const env = { XDG_STATE_HOME: join(home, 'state'), XDG_CONFIG_HOME: join(home, 'config'), HOME: home }
  const args = ['send', '--user', 'Anna', '--to', 'Billy', '--server', mesh.server(1).url, '--timeout', '170', 'hello']
  const send = new Program('cli', args, env)
  await send.waitForExit()
  expect(send.child.exitCode).toBe(1)
  expect(send.out).toMatch(/cannot be stored.*the message is not sent/)
  expect(billy.received).toEqual([])
})

test('a client that cannot read its known keys ends with a clear error', async () => {
  const first = start('Anna', home)
  await until('Anna is online', () => first.isOnline)
  await first.kill()
  mkdirSync(fileOf(home, 'Anna', 'known-keys.jsonl'))
  const second = start('Anna', home)
  await second.waitForExit()
  expect(second.child.exitCode).toBe(1)
  expect(second.out).toMatch(/the known keys cannot be read: a folder instead of a file/)
})
