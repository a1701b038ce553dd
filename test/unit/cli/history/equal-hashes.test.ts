/** Anyone can choose ids whose hashes are equal to those of other messages: no message may hide another one. */
import { expect, test, vi } from 'vitest'
import { History } from '../../../../cli/history/history.ts'
import { MessageLog, type StoredMessage } from '../../../../src/client/history/message-log.ts'
import { stateFolderPerTest } from '../state-folder.ts'

vi.mock('../../../../src/client/history/positions.ts', async original => ({
  ...(await original<object>()),
  messageHash: () => ({ a: 1, b: 2 }),
}))

const file = stateFolderPerTest()
const folder = () => file('')
const at = Date.UTC(2026, 10, 24)
const message = (id: string, from: string): StoredMessage => ({ id, at, from, to: 'Anna', text: `${id} of ${from}` })
const messages = [message('1', 'Mallory'), message('1', 'Billy'), message('2', 'Billy')]
const texts = messages.map(({ text }) => text).sort()

test('M12: messages with equal hashes are all in the history, each once, after a restart too', () => {
  const history = new History(folder(), 'Anna')
  for (const one of [...messages, ...messages]) history.store(one)
  history.saveNow()
  for (let restart = 0; restart < 2; restart++) {
    const again = new History(folder(), 'Anna')
    expect([...again.all()].map(({ text }) => text).sort()).toEqual(texts)
    for (const one of messages) expect(again.archive.find(one)?.text).toBe(one.text)
    const { archive } = again
    expect(Array.from(archive.at, (_, row) => archive.read(row)?.text).sort()).toEqual(texts)
    for (const one of messages) again.store(one)
    again.saveNow()
    again.close()
  }
})

test('M12: a message with the hash of a stored one is indexed in a later refresh', () => {
  const history = new History(folder(), 'Anna')
  for (const one of messages) {
    history.store(one)
    history.refresh()
  }
  expect([...history.all()].map(({ text }) => text).sort()).toEqual(texts)
  expect(new MessageLog(history.archive).size).toBe(3)
})
