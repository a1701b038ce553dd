/** What has not changed on the screen is not computed again. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { beforeEach, expect, test, vi } from 'vitest'
import { entryLayout } from '../../../../../cli/chat/model/layout/entry-layout.ts'
import type { Row } from '../../../../../cli/chat/views/row.ts'
import { rowText } from '../../../../../cli/chat/views/row.ts'
import { threadRows } from '../../../../../cli/chat/views/thread.ts'
import { formatContent } from '../../../../../src/protocol/message-kinds.ts'
import { ChatDriver, DAY } from '../chat-driver.ts'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.online()
  chat.roster(['Anna', 'Billy', 'Carla'])
  chat.room('#ops', ['Billy', 'Carla'])
  chat.model.openThread('#ops')
  for (let n = 1; n <= 5; n++) chat.message(n % 2 === 1 ? 'Billy' : 'Carla', '#ops', `message ${n}`)
  react('3', '👍')
})

/** Anna reacts to a message of Billy. */
function react(id: string, emoji: string): void {
  const target = { id, from: 'Billy', quote: '' }
  chat.message('Anna', '#ops', formatContent({ kind: 'react', target, emoji }, 'Anna'))
}

function rows(): Row[] {
  return threadRows(chat.model, 60, 20)
}

/** The texts of the rows that are not the same objects as before. */
function changedRows(change: () => void): string[] {
  const before = new Set(rows())
  change()
  return rows().flatMap(row => (row.length === 0 || before.has(row) ? [] : rowText(row).trim()))
}

test('a key gives the same rows, and looks up no name', () => {
  rows()
  const find = vi.spyOn(chat.model.confusables, 'find')
  expect(changedRows(() => chat.type('x'))).toEqual([])
  expect(find).not.toHaveBeenCalled()
})

test('a message gives only its own rows', () => {
  expect(changedRows(() => chat.message('Billy', '#ops', 'news'))).toEqual([expect.stringContaining('news')])
})

test('a reaction gives only the rows of its message', () => {
  expect(changedRows(() => react('5', '🎉'))).toEqual([
    expect.stringContaining('message 5'),
    expect.stringContaining('🎉 1 Anna'),
  ])
})

test('a delivery state gives only the rows of its message', () => {
  const id = chat.compose('#ops', 'mine')
  const progress = { state: 'delivered', connections: 1 } as const
  expect(changedRows(() => chat.tell({ type: 'progress', to: '#ops', id, progress }))).toEqual([
    expect.stringMatching(/✓.*mine/),
  ])
})

test('a message that moves has its new time', () => {
  const id = chat.compose('#ops', 'mine')
  const at = DAY + 3 * 3_600_000
  const moved = changedRows(() =>
    chat.tell({ type: 'redated', message: { id, at, from: 'Anna', to: '#ops', text: 'mine' } }),
  )
  expect(moved).toEqual([expect.stringMatching(/13:00.*mine/)])
})

test('layouts do not keep the entries before theirs in memory', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const { model } = chat
  const thread = model.ensureThread('#ops')
  const dropped = thread.entries.map((_, index) => {
    entryLayout(thread, index, model, 60)
    return new WeakRef(thread.entries[index] ?? {})
  })
  for (const { id } of thread.entries.slice(0, -1)) thread.removeMessage(id)
  await new Promise(resolve => setImmediate(resolve))
  collect()
  const isAlive = (entry: WeakRef<object>) => entry.deref() !== undefined
  expect(isAlive(dropped.at(-1) ?? new WeakRef({}))).toBe(true)
  // A register or the stack may still have one of them.
  expect(dropped.slice(0, -1).filter(isAlive).length).toBeLessThanOrEqual(1)
})
