/** The search in all threads of a history on disk. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { addStoredThreads, goToMessage, searchAllThreads } from '../../../../cli/chat/history-pages.ts'
import { handleKey } from '../../../../cli/chat/model/handle-key.ts'
import { Model } from '../../../../cli/chat/model/model.ts'
import { requestInitialPage } from '../../../../cli/chat/model/update.ts'
import { renderScreen } from '../../../../cli/chat/views/render.ts'
import { rowText } from '../../../../cli/chat/views/row.ts'
import { History, type IsOperator } from '../../../../cli/history/history.ts'
import { printSearch } from '../../../../cli/modes/line/search.ts'
import { KeyDecoder } from '../../../../cli/terminal/key-decoder.ts'
import { formatContent } from '../../../../src/protocol/message-kinds.ts'
import { stateFolderPerTest } from '../state-folder.ts'

const DAY = new Date(2026, 10, 24, 10, 0).getTime()
const file = stateFolderPerTest()

/** Writes a history with 5,000 messages, of which every thousandth has the word, and opens it. */
function openHistory(): History {
  mkdirSync(dirname(file('history.jsonl')), { recursive: true })
  const lines = Array.from({ length: 5_000 }, (_, n) => {
    const text = n % 1_000 === 500 ? `Needle ${n}` : `message ${n}`
    const message = { id: `id-${n}`, at: DAY + n * 1_000, from: n % 2 === 0 ? 'Billy' : 'Carla', to: 'Anna', text }
    return JSON.stringify({ message })
  })
  writeFileSync(file('history.jsonl'), `${lines.join('\n')}\n`)
  return new History(dirname(file('history.jsonl')), 'Anna')
}

/** The lines that the line mode prints for a search, without their time. */
async function searchLines(
  history: History,
  text: string,
  thread: string | undefined,
  isOperator: IsOperator = () => false,
): Promise<string[]> {
  const lines: string[] = []
  const print = (line: string) => void lines.push(line.replace(/^\* \d{4}-\d\d-\d\d \d\d:\d\d /, ''))
  await printSearch(history, text, thread, { user: 'Anna', isOperator, shown: name => name, print })
  return lines
}

test('finds every match, newest first, and lets the caller work every 2,000 messages', () => {
  const steps = [...openHistory().searchAll('needle')]
  expect(steps.map(message => message?.text)).toEqual([
    'Needle 4500',
    undefined,
    'Needle 3500',
    'Needle 2500',
    undefined,
    'Needle 1500',
    'Needle 500',
  ])
})

test('the line mode prints the newest messages that it finds, oldest first, of one thread or of all', async () => {
  const history = openHistory()
  const search = (text: string, thread: string | undefined) => searchLines(history, text, thread)
  expect(await search('needle', undefined)).toEqual(
    [500, 1_500, 2_500, 3_500, 4_500].map(n => `Billy Billy: Needle ${n}`),
  )
  expect((await search('message', 'Carla')).slice(-2)).toEqual(['Carla: message 4997', 'Carla: message 4999'])
  expect(await search('message', 'Carla')).toHaveLength(20)
  expect(await search('xyzzy', undefined)).toEqual(['* nothing found for xyzzy'])
})

test('the line mode does not find what an operator of the room has deleted', async () => {
  const history = new History(dirname(file('history.jsonl')), 'Anna')
  const target = { id: 'one', from: 'Billy', quote: 'the password' }
  history.store({ id: 'one', at: DAY, from: 'Billy', to: '#ops', text: 'the password' })
  history.store({
    id: 'two',
    at: DAY + 1,
    from: 'Olga',
    to: '#ops',
    text: formatContent({ kind: 'delete', target }, 'Olga'),
  })
  expect(await searchLines(history, 'password', '#ops')).toEqual(['Billy: the password'])
  const isOperator = (room: string, name: string) => room === '#ops' && name === 'Olga'
  expect(await searchLines(history, 'password', '#ops', isOperator)).toEqual(['* nothing found for password'])
})

test('messages of one time are ordered by their ids', () => {
  mkdirSync(dirname(file('history.jsonl')), { recursive: true })
  const lines = ['b', 'a', 'c'].map(id =>
    JSON.stringify({ message: { id, at: DAY, from: 'Billy', to: 'Anna', text: 'same' } }),
  )
  writeFileSync(file('history.jsonl'), `${lines.join('\n')}\n`)
  const history = new History(dirname(file('history.jsonl')), 'Anna')
  expect([...history.searchAll('same')].map(message => message?.id)).toEqual(['c', 'b', 'a'])
})

test('Enter opens the thread at an old message, and Esc goes to its end', () => {
  const history = openHistory()
  const model = new Model('Anna')
  model.resize(100, 12)
  addStoredThreads(model, history)
  const reads: string[] = []
  const perform = (request: ReturnType<typeof handleKey>[number]) => {
    if (request.type === 'search-all') for (const _ of searchAllThreads(model, history, request.text));
    if (request.type === 'go-to-message') goToMessage(model, history, request)
    if (request.type === 'read') reads.push(request.thread)
  }
  const type = (text: string) => {
    for (const key of new KeyDecoder().feed(text)) for (const request of handleKey(model, key)) perform(request)
  }
  const screen = () => renderScreen(model, DAY).rows.map(rowText).join('\n')
  type('/search-all needle\r')
  expect(screen()).toMatch(/Needle 4500[\s\S]*Needle 500/)
  type('\u001b[B\u001b[B\u001b[B\r')
  expect(model.current?.name).toBe('Billy')
  expect(screen()).toMatch(/message 1498[\s\S]*Needle 1500[\s\S]*message 1502/)
  // The page around the message stays, and the thread, whose end was not seen, is not read.
  expect([requestInitialPage(model), reads]).toEqual([[], []])
})

test('finds messages by the text that is shown: an edited one by its new text, a deleted one not at all', () => {
  const history = openHistory()
  const change = (id: string, at: number, text: string) => {
    history.store({ id, at: DAY + at * 1_000, from: 'Billy', to: 'Anna', text })
  }
  change('edit', 6_000, '(edited) thread\n⟦edit id-500⟧')
  change('delete', 6_001, '(deleted a message)\n⟦delete id-1500⟧')
  const found = (text: string) => [...history.searchAll(text)].flatMap(message => message?.text ?? [])
  expect(found('needle')).toEqual(['Needle 4500', 'Needle 3500', 'Needle 2500'])
  expect(found('thread')).toEqual(['thread'])
  expect(found('edit id')).toEqual([])
})
