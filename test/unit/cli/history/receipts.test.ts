/** Receipts in the history on disk: how many have confirmed each of the user's messages. */
import { appendFileSync, readFileSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { History } from '../../../../cli/history/history.ts'
import { EMPTY_COLUMNS, mergeEntries, packColumns } from '../../../../cli/history/index-columns.ts'
import type { StoredMessage, StoredReceipt } from '../../../../src/client/history/message-log.ts'
import type { Message } from '../../../../src/protocol/messages.ts'
import { stateFolderPerTest } from '../state-folder.ts'

const DAY = new Date(2026, 10, 24, 10, 0).getTime()
const file = stateFolderPerTest()
const open = () => new History(dirname(file('history.jsonl')), 'Anna')

function message(n: number, more: Partial<Message> = {}): Message {
  return { id: `id-${n}`, at: DAY + n * 1_000, from: 'Anna', to: 'Billy', text: `message ${n}`, ...more }
}

function storeReceipt(history: History, n: number, receipt: StoredReceipt): void {
  history.storeReceipt(`id-${n}`, DAY + n * 1_000, receipt)
}

const lines = () => readFileSync(file('history.jsonl'), 'utf8').split('\n').filter(Boolean)
const receiptLines = () => lines().filter(line => line.startsWith('{"receipt":'))
const receipts = (messages: Iterable<StoredMessage>) => [...messages].map(({ receipt }) => receipt)

test('receipts survive a restart, and are in pages, searches and lookups', () => {
  const history = open()
  history.store(message(1))
  history.store(message(2))
  storeReceipt(history, 1, { delivered: 2 })
  storeReceipt(history, 2, { delivered: 3, of: 5 })
  history.close()
  expect(receiptLines()).toEqual([
    `{"receipt":{"id":"id-1","at":${DAY + 1_000},"delivered":2}}`,
    `{"receipt":{"id":"id-2","at":${DAY + 2_000},"delivered":3,"of":5}}`,
  ])
  const again = open()
  const expected = [{ delivered: 2 }, { delivered: 3, of: 5 }]
  expect(receipts(again.page('Billy', 10))).toEqual(expected)
  expect(receipts(again.all())).toEqual(expected)
  expect([...again.search('Billy', 'message 2')].map(found => found?.receipt)).toEqual([{ delivered: 3, of: 5 }])
  expect(again.archive.find(message(1))).toEqual({ ...message(1), receipt: { delivered: 2 } })
  again.close()
})

test('a receipt is of the message of this user only, and of the one with its time', () => {
  const history = open()
  history.store(message(1, { from: 'Billy', to: 'Anna' }))
  history.store(message(1))
  history.store(message(1, { at: DAY }))
  storeReceipt(history, 1, { delivered: 1 })
  const found = history.page('Billy', 10).map(({ at, from, receipt }) => [at - DAY, from, receipt?.delivered])
  expect(found.sort()).toEqual([
    [0, 'Anna', undefined],
    [1_000, 'Anna', 1],
    [1_000, 'Billy', undefined],
  ])
  history.close()
})

test('counts only grow, a count of zero says nothing, and large ones are cut to 65535', () => {
  const history = open()
  history.store(message(1))
  for (const delivered of [0, 2, 1, 2]) storeReceipt(history, 1, { delivered })
  expect(receipts(history.page('Billy', 1))).toEqual([{ delivered: 2 }])
  storeReceipt(history, 1, { delivered: 1, of: 4 })
  expect(receipts(history.page('Billy', 1))).toEqual([{ delivered: 2, of: 4 }])
  storeReceipt(history, 1, { delivered: 1e9, of: 2e9 })
  expect(receipts(history.page('Billy', 1))).toEqual([{ delivered: 65_535, of: 65_535 }])
  storeReceipt(history, 1, { delivered: 2e9 })
  history.close()
  expect(receiptLines()).toHaveLength(3)
})

test('a receipt may come before its message, also across restarts and with a saved index', () => {
  const history = open()
  // More than the index may lack of the history, so that it is saved.
  for (let n = 10; n < 4_000; n++) history.store(message(n))
  storeReceipt(history, 1, { delivered: 1 })
  storeReceipt(history, 2, { delivered: 1 })
  storeReceipt(history, 2, { delivered: 2 })
  history.close()
  const next = open()
  // The index knows it, although it has no message.
  storeReceipt(next, 2, { delivered: 2 })
  next.store(message(1))
  expect(receipts(next.page('Billy', 1, { before: message(10) }))).toEqual([{ delivered: 1 }])
  next.store(message(2))
  next.close()
  const last = open()
  expect(receipts(last.page('Billy', 3, { before: message(11) }))).toEqual([
    { delivered: 1 },
    { delivered: 2 },
    undefined,
  ])
  last.close()
  rmSync(file('history.index'))
  const rebuilt = open()
  expect(receipts(rebuilt.page('Billy', 2, { before: message(10) }))).toEqual([{ delivered: 1 }, { delivered: 2 }])
  rebuilt.close()
  expect(receiptLines()).toHaveLength(3)
})

test('receipts are in the saved index, and survive messages that are sorted before theirs', () => {
  const history = open()
  for (let n = 10; n < 4_000; n++) history.store(message(n))
  storeReceipt(history, 3_000, { delivered: 2, of: 3 })
  history.close()
  // The index covers the line of the receipt: it is not read again.
  const text = readFileSync(file('history.jsonl'), 'utf8')
  rmSync(file('history.jsonl'))
  appendFileSync(file('history.jsonl'), text.replace('{"receipt":', '{"rec ipt":'))
  const again = open()
  again.store(message(1))
  again.store(message(5_000))
  const [found] = again.page('Billy', 1, { before: message(3_001) })
  expect(found).toEqual({ ...message(3_000), receipt: { delivered: 2, of: 3 } })
  again.close()
})

test('clients that share a history write each receipt once, and higher counts only', () => {
  const [one, two] = [open(), open()]
  one.store(message(1))
  for (const client of [one, two]) {
    storeReceipt(client, 1, { delivered: 1 })
    client.refresh()
  }
  storeReceipt(two, 1, { delivered: 2 })
  two.refresh()
  storeReceipt(one, 1, { delivered: 2 })
  storeReceipt(one, 1, { delivered: 1 })
  expect(receipts(one.page('Billy', 1))).toEqual([{ delivered: 2 }])
  for (const client of [one, two]) client.close()
  // A later run knows them from the index.
  const later = open()
  storeReceipt(later, 1, { delivered: 2 })
  later.close()
  expect(receiptLines()).toHaveLength(2)
})

test('torn and foreign lines are no receipts, and hide none', () => {
  const history = open()
  history.store(message(1))
  history.close()
  const at = DAY + 1_000
  appendFileSync(
    file('history.jsonl'),
    [
      `{"receipt":{"id":"id-1","at":${at},"delivered":-1}}`,
      `{"receipt":{"id":"id-1","at":"${at}","delivered":7}}`,
      `{"receipt":{"id":7,"at":${at},"delivered":7}}`,
      '{"receipt":null}',
      `{"other":{"id":"id-1","at":${at},"delivered":7}}`,
      `{"receipt":{"id":"id-1","at":${at},"deliv`,
    ].join('\n'),
  )
  const again = open()
  expect(receipts(again.page('Billy', 1))).toEqual([undefined])
  storeReceipt(again, 1, { delivered: 2 })
  expect(receipts(again.page('Billy', 1))).toEqual([{ delivered: 2 }])
  again.close()
})

test('receipts cost four bytes per message', () => {
  const columns = mergeEntries(
    EMPTY_COLUMNS,
    Array.from({ length: 1_000 }, (_, n) => ({ at: n, a: n, b: n, peer: 0, offset: n, length: 1 })),
    () => '',
  )
  const sizes = packColumns(columns).map(({ length }) => length / 1_000)
  expect(sizes).toEqual([8, 8, 4, 4, 4, 4, 2, 2])
})

test('the latest receipts are told with their messages, those of rooms too', () => {
  const history = open()
  for (let n = 0; n < 6; n++) history.store(message(n, { to: n === 4 ? '#ops' : 'Billy' }))
  for (const n of [5, 1, 2]) storeReceipt(history, n, { delivered: n })
  storeReceipt(history, 4, { delivered: 4, of: 7 })
  history.refresh()
  const time = (n: number) => DAY + n * 1_000
  expect(history.latestReceipts(3)).toEqual([
    ['id-2', time(2), 'Billy', 2],
    ['id-4', time(4), '#ops', 4, 7, []],
    ['id-5', time(5), 'Billy', 5],
  ])
  expect(history.latestReceipts(10)).toHaveLength(4)
  history.close()
})
