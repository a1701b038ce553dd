/** `auth: key` in a simulated mesh: stolen names, changed keys and forged messages. */
import { expect, test } from 'vitest'
import type { Limits } from '../../src/protocol/limits.ts'
import type { Message } from '../../src/protocol/messages.ts'
import { formatSealedText } from '../../src/protocol/proofs/credentials.ts'
import { keyNamed } from '../support/simulation/plain-identity.ts'
import { SimMesh } from '../support/simulation/sim-mesh.ts'
import { SIMULATION_EPOCH_MS } from '../support/simulation/sim-process.ts'

const ANNA = keyNamed('Anna')

function startMesh(limits: Partial<Limits> = {}) {
  const mesh = new SimMesh(7, 3, { auth: 'key', limits })
  const [one, two, last] = mesh.servers
  if (one === undefined || two === undefined || last === undefined) throw new Error('expected three servers')
  return { mesh, one, two, last }
}
const texts = (client: { shown: readonly Message[] }) => client.shown.map(({ text }) => text)
const phase = (client: { events: readonly { type: string }[] }) =>
  (client.events.filter(event => event.type === 'connection').at(-1) as unknown as { state: { phase: string } }).state

test('a name stolen during a partition returns to its key when the partition heals, and the thief reads nothing', () => {
  const { mesh, one, two, last } = startMesh()
  const anna = mesh.join('a', 'Anna', one)
  const billy = mesh.join('b', 'Billy', last)
  mesh.advance(3_000)
  mesh.send(billy, 'Anna', 'before')
  mesh.advance(1_000)
  mesh.cut('server-1', 'server-2')
  mesh.cut('server-1', 'server-3')
  // Billy stays in the part of the thief when his server is killed.
  mesh.cut('b', 'server-1')
  mesh.advance(15_000)
  // No server that remembers Anna is left in this part.
  for (const server of [two, last]) mesh.crash(server)
  for (const server of [two, last]) mesh.boot(server)
  mesh.advance(15_000)
  const thief = mesh.join('m', 'Anna', two, 'Mallory')
  mesh.advance(3_000)
  // Billy knows Anna's key: his message is held until she is reachable.
  mesh.send(billy, 'Anna', 'for Anna only')
  mesh.send(thief, 'Billy', 'it is me, Anna')
  mesh.advance(3_000)
  expect(phase(thief)).toMatchObject({ phase: 'online' })
  expect(texts(thief)).toEqual(['it is me, Anna'])
  expect(texts(billy)).toContain('[signed with another key than before] it is me, Anna')
  expect(billy.events).toContainEqual(expect.objectContaining({ type: 'key', user: 'Anna', state: 'changed' }))
  mesh.heal()
  mesh.advance(30_000)
  for (let tries = 0; tries < 50 && phase(thief)?.phase === 'connecting'; tries++) mesh.advance(100)
  expect(phase(thief)).toMatchObject({ phase: 'waiting', code: 'name-taken' })
  expect(phase(anna)).toMatchObject({ phase: 'online' })
  expect(texts(anna)).toEqual(['before', 'for Anna only'])
  expect(billy.session?.pendingMessages).toEqual([])
})

test('messages to a user whose key has changed are held until the new key is trusted', () => {
  const { mesh, one, last } = startMesh({ claimMs: 1_000 })
  const anna = mesh.join('a', 'Anna', one)
  const billy = mesh.join('b', 'Billy', last)
  mesh.advance(3_000)
  mesh.send(billy, 'Anna', 'hello')
  mesh.advance(1_000)
  anna.quit()
  mesh.advance(3_000)
  const again = mesh.join('a2', 'Anna', one, 'a new laptop')
  mesh.advance(3_000)
  mesh.send(billy, 'Anna', 'is it you?')
  mesh.advance(10_000)
  expect(texts(again)).toEqual([])
  expect(billy.events.filter(event => event.type === 'progress').at(-1)).toMatchObject({
    progress: { reason: 'key-changed' },
  })
  billy.step({ type: 'request', request: { type: 'trust', user: 'Anna', key: keyNamed('a new laptop') } })
  mesh.advance(3_000)
  expect(texts(again)).toEqual(['is it you?'])
  expect(billy.keys.get('Anna')).toBe(keyNamed('a new laptop'))
})

test("a message that is not sealed with its sender's key is dropped and reported", () => {
  const { mesh, one } = startMesh()
  const anna = mesh.join('a', 'Anna', one)
  mesh.advance(3_000)
  const forge = (text: string) =>
    anna.step({
      type: 'im',
      dial: 1,
      message: { id: text, at: SIMULATION_EPOCH_MS + mesh.now, from: 'Billy', to: 'Anna', text, forwarded: false },
    })
  forge('plain')
  forge(formatSealedText(keyNamed('Billy'), ANNA, 'of another message'))
  expect(texts(anna)).toEqual([])
  expect(anna.events.filter(event => event.type === 'forged')).toHaveLength(2)
})

test('a client with a key leaves a server that asks for none and proves no mesh', () => {
  const { mesh, one } = startMesh()
  const anna = mesh.join('a', 'Anna', one)
  mesh.advance(3_000)
  anna.step({ type: 'closed', dial: 1, reason: 'cut' })
  const effects = anna.session?.step({ type: 'tick' }, mesh.now + 10_000, SIMULATION_EPOCH_MS + mesh.now) ?? []
  const dial = effects.find(effect => effect.type === 'dial')?.dial ?? 0
  const roster = { version: 1, users: ['Anna'] }
  const time = SIMULATION_EPOCH_MS + mesh.now
  const parts = { server: 'evil', incarnation: 'i', connection: 'evil:1', roster, time, servers: [] }
  const answer = { ok: true as const, ...parts }
  const after = anna.session?.step({ type: 'identified', dial, answer }, mesh.now + 10_000, time) ?? []
  expect(after.filter(effect => effect.type !== 'event')).toEqual([{ type: 'hang-up', dial }])
  expect(after).toContainEqual({
    type: 'event',
    event: { type: 'connection', state: expect.objectContaining({ phase: 'waiting' }) },
  })
})
