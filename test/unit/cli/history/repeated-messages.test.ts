/** A log takes messages from the history on disk, and must still know them when they come again. */
import { expect, test } from 'vitest'
import { History } from '../../../../cli/history/history.ts'
import { MessageLog, NO_ARCHIVE } from '../../../../src/client/history/message-log.ts'
import { messageOf } from '../../../support/harness/session-harness.ts'
import { seeded } from '../../../support/random.ts'
import { stateFolderPerTest } from '../state-folder.ts'

const file = stateFolderPerTest()

test('M7: 30,000 messages in random order, with repeats, are stored once each', { timeout: 120_000 }, () => {
  const random = seeded(9)
  const since = Date.UTC(2026, 10, 24)
  const shuffled = Array.from({ length: 30_000 }, (_, n) => messageOf({ id: `${n}`, at: since + Math.floor(n / 3) }))
    .map(one => ({ one, rank: random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ one }) => one)
  const history = new History(file(''), 'Anna')
  const log = new MessageLog(history.archive)
  const inMemory = new MessageLog(NO_ARCHIVE)
  const receive = (one: (typeof shuffled)[number]) => {
    const isNew = log.add(one)
    if (isNew) history.store(one)
    return isNew
  }
  shuffled.forEach((one, n) => {
    inMemory.add(one)
    expect(receive(one)).toBe(true)
    expect(receive(shuffled[Math.floor(random() * (n + 1))] ?? one)).toBe(false)
    // Files are saved now and then, so some messages are only in memory.
    if (n % 700 === 0) history.saveNow()
  })
  for (const one of shuffled) if (receive(one)) throw new Error(`${one.id} is stored twice`)
  expect(log.fingerprint({ from: 0 })).toEqual(inMemory.fingerprint({ from: 0 }))
  history.close()
  const again = new History(file(''), 'Anna')
  expect(new MessageLog(again.archive).fingerprint({ from: 0 })).toEqual(inMemory.fingerprint({ from: 0 }))
  again.close()
})
