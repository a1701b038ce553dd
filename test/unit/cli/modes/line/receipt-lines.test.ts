import { expect, test } from 'vitest'
import { ReceiptLines } from '../../../../../cli/modes/line/receipt-lines.ts'
import type { Progress } from '../../../../../src/client/events.ts'

const AT = Date.UTC(2026, 6, 14, 9, 5)

test('where nothing else says so, the first wait for a recipient of each message of this client is told', () => {
  const lines: string[] = []
  const receipts = new ReceiptLines(
    line => lines.push(line),
    name => name,
    { tellsWaits: true },
  )
  const compose = (id: string, to: string) =>
    receipts.handleEvent({ type: 'message', message: { id, at: AT, from: 'Anna', to, text: 'Hi' }, origin: 'composed' })
  const tell = (id: string, to: string, progress: Progress) =>
    receipts.handleEvent({ type: 'progress', id, to, progress })
  const waiting: Progress = { state: 'waiting', reason: 'recipient-offline' }
  compose('1', 'Billy')
  compose('2', '#ops')
  tell('1', 'Billy', { state: 'waiting', reason: 'offline' })
  for (let attempt = 1; attempt <= 2; attempt++) tell('1', 'Billy', waiting)
  tell('2', '#ops', waiting)
  tell('of an earlier run', 'Carla', waiting)
  tell('1', 'Billy', { state: 'delivered', connections: 1 })
  expect(lines).toEqual([
    'Billy is offline; the message is delivered when they connect',
    'nobody else is in #ops; the message is delivered when someone joins',
    'delivered to Billy',
  ])
})
