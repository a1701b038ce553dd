/** Warnings of recipients that this client has never seen. */
import { expect, test } from 'vitest'
import type { ClientEvent } from '../../../../cli/common/client-events.ts'
import { SeenUsers } from '../../../../cli/common/seen-users.ts'

const offline: ClientEvent = {
  type: 'connection',
  state: { phase: 'waiting', reason: 'no answer', retryAt: 1_000, attempt: 1 },
}
const composed = (from: string): ClientEvent => ({
  type: 'message',
  message: { id: 'a', at: 0, from, to: 'Billy', text: 'Hi' },
  origin: 'composed',
})

test('without a server, a user who has written only own messages is not warned: nothing is known of others', () => {
  const seen = new SeenUsers('Anna', [])
  expect(seen.check('Billy')).toBeUndefined()
  expect(seen.handleEvent(composed('Anna'))).toEqual([])
  expect(seen.handleEvent(offline)).toEqual([])
})

test('without a server, the senders of messages are known, and others are not', () => {
  const seen = new SeenUsers('Anna', [])
  expect(seen.check('Billy')).toBeUndefined()
  seen.handleEvent(composed('Carla'))
  expect(seen.handleEvent(offline)).toEqual(['never seen "Billy"'])
})
