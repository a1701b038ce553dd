/** Jumps of the wall clock do not change the order of messages, timeouts, or the times of composed messages. */
import { expect, test } from 'vitest'
import { ServerHarness } from '../../support/harness/server-harness.ts'
import { effectsOf, SessionHarness } from '../../support/harness/session-harness.ts'

const HOUR = 3_600_000

test.each([
  ['keep their order', 30_000, ['one', 'two', 'three', 'four']],
  ['are dated by the new time', HOUR, ['three', 'four', 'one', 'two']],
])('messages of original clients %s when the wall clock of the server jumps back by %d ms', (_, jump, order) => {
  const harness = new ServerHarness({})
  const billy = harness.join('Billy', 1)
  harness.join('Anna')
  for (const text of ['one', 'two']) harness.step({ type: 'im', connection: billy, message: { to: 'Anna', text } })
  harness.wallOffset -= jump
  for (const text of ['three', 'four']) harness.step({ type: 'im', connection: billy, message: { to: 'Anna', text } })
  const told = harness.effects.flatMap(effect =>
    effect.type === 'emit' && effect.message.event === 'im' ? [effect.message.payload] : [],
  )
  expect([...told].sort((a, b) => a.at - b.at).map(({ text }) => text)).toEqual(order)
  expect(new Set(told.map(({ at }) => at)).size).toBe(4)
})

test.each([-365 * 24 * HOUR, 365 * 24 * HOUR])(
  'the grace period does not follow a jump of the wall clock by %d ms',
  jump => {
    const harness = new ServerHarness({})
    const link = harness.acceptLink('server-2')
    const users: [string, number][] = [['Faye', 1]]
    const payload = { type: 'snapshot', incarnation: 'server-2#1', seq: 1, users, more: false } as const
    harness.step({ type: 'frame', link, frame: { event: 'presence', payload } })
    harness.advance(1_000)
    harness.step({ type: 'link-closed', link, reason: 'cut' })
    harness.wallOffset += jump
    harness.advance(4_900)
    expect(harness.server.roster).toEqual(['Faye'])
    harness.advance(1_000)
    expect(harness.server.roster).toEqual([])
  },
)

test.each([-24 * HOUR, 24 * HOUR])(
  "a client's wall clock jumps by %d ms: what it composes is dated by its server",
  jump => {
    const server = 1_700_000_000_000
    const harness = new SessionHarness()
    const compose = () => effectsOf(harness.compose('Billy'), 'im')[0]?.message.at
    harness.step({ type: 'start' })
    harness.goOnline(['Anna', 'Billy'], { time: server })
    const before = compose()
    harness.now += 1_000
    harness.wallOffset += jump
    const after = compose()
    expect(before).toBe(server)
    expect(after).toBe(server + 1_000)
  },
)
