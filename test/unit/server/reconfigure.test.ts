/** A reloaded config on one server's core: added and removed peers. */
import { expect, test } from 'vitest'
import { ServerHarness } from '../../support/harness/server-harness.ts'

const address = (n: number) => ({ id: `server-${n}`, url: `http://127.0.0.1:${n}` })

test('new peers are dialled, removed ones are disconnected and refused, and the others keep their links', () => {
  const harness = new ServerHarness({})
  const [two, three] = [harness.acceptLink('server-2'), harness.acceptLink('server-3')]
  const snapshot = (incarnation: string, user: string) => {
    const users: [string, number][] = [[user, 1]]
    return {
      event: 'presence' as const,
      payload: { type: 'snapshot' as const, incarnation, seq: 1, users, more: false },
    }
  }
  harness.step({ type: 'frame', link: two, frame: snapshot('server-2#1', 'Billy') })
  harness.step({ type: 'frame', link: three, frame: snapshot('server-3#1', 'Carla') })
  harness.advance(1_000)
  expect(harness.server.roster).toEqual(['Billy', 'Carla'])
  harness.effects.length = 0
  harness.step({ type: 'configure', peers: [address(3), address(4)] })
  harness.advance(1_000)
  expect(harness.server.roster).toEqual(['Carla'])
  expect(harness.closed.has(two)).toBe(true)
  expect(harness.closed.has(three)).toBe(false)
  expect(harness.effects).toContainEqual(expect.objectContaining({ type: 'dial', peer: 'server-4' }))
  const again = harness.acceptLink('server-2')
  expect(harness.effects).toContainEqual(expect.objectContaining({ type: 'refuse', link: again, code: 'removed' }))
  // Gossip does not bring a removed peer back.
  harness.effects.length = 0
  harness.step({ type: 'frame', link: three, frame: { event: 'members', payload: [address(2)] } })
  harness.advance(5_000)
  expect(harness.effects).not.toContainEqual(expect.objectContaining({ type: 'dial', peer: 'server-2' }))
  harness.step({ type: 'configure', peers: [address(2), address(3), address(4)] })
  harness.advance(1_000)
  expect(harness.effects).toContainEqual(expect.objectContaining({ type: 'dial', peer: 'server-2' }))
})
