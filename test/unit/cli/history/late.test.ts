import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Thread } from '../../../../cli/chat/model/threads/thread.ts'
import { History } from '../../../../cli/history/history.ts'
import { stopAll, temporaryFolder } from '../../../support/programs/processes.ts'

afterAll(stopAll)

const message = { id: 'b.1', at: 1_700_000_000_000, from: 'Billy', to: 'Anna', text: 'Hi' }

test('a message that arrived late is marked after a restart, too', () => {
  const folder = temporaryFolder()
  const history = new History(folder, 'Anna')
  history.store(message, undefined, true)
  history.store({ ...message, id: 'b.2', at: message.at + 1 })
  history.saveNow()
  history.close()
  const again = new History(folder, 'Anna')
  expect(again.page('Billy', 10).map(({ late }) => late)).toEqual([true, undefined])
  const thread = new Thread('Billy')
  thread.replaceEntries(again.page('Billy', 10), true, true)
  expect(thread.entries.map(({ text }) => text)).toEqual(['(late) Hi', 'Hi'])
  again.close()
  // What 0.2.0 reads is unchanged.
  const [first = ''] = readFileSync(join(folder, 'history.jsonl'), 'utf8').split('\n')
  expect(JSON.parse(first)).toEqual({ message, late: true })
})
