/** Edits, deletions and reactions in the history on disk. */
import { rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ChangeIndex } from '../../../../cli/history/change-index.ts'
import { History } from '../../../../cli/history/history.ts'
import { type ChangeContent, formatContent } from '../../../../src/protocol/message-kinds.ts'
import type { Message } from '../../../../src/protocol/messages.ts'
import { stateFolderPerTest } from '../state-folder.ts'

const DAY = new Date(2026, 10, 24, 10, 0).getTime()
const file = stateFolderPerTest()
const open = () => new History(dirname(file('history.jsonl')), 'Anna')

function message(n: number, more: Partial<Message> = {}): Message {
  return { id: `id-${n}`, at: DAY + n * 1_000, from: 'Billy', to: 'Anna', text: `message ${n}`, ...more }
}

/** The message with number `n` that changes another one; by its sender, Billy, unless `more` says otherwise. */
function change(n: number, content: ChangeContent, more: Partial<Message> = {}): Message {
  const from = more.from ?? 'Billy'
  return message(n, { from, to: from === 'Anna' ? 'Billy' : 'Anna', text: formatContent(content, from), ...more })
}

const target = (n: number, from = 'Billy') => ({ id: `id-${n}`, from, quote: 'x' })
const edit = (n: number, of: number, text: string, more: Partial<Message> = {}) =>
  change(n, { kind: 'edit', target: target(of, more.from), text }, more)
const deletion = (n: number, of: number, more: Partial<Message> = {}) =>
  change(n, { kind: 'delete', target: target(of) }, more)
const reaction = (n: number, of: number, more: Partial<Message> = {}) =>
  change(n, { kind: 'react', target: target(of), emoji: '👍' }, more)

function withMessages(...messages: Message[]): History {
  const history = open()
  for (const one of messages) history.store(one)
  history.refresh()
  return history
}

/** The first match from the end, and the next older one, and so on. */
function search(history: History, text: string, isOperator?: (name: string) => boolean): string[] {
  const ids: string[] = []
  for (let before: Message | undefined; ; ) {
    const searched = before?.to.startsWith('#') ? '#ops' : thread
    const mayDelete = isOperator && ((_: string, name: string) => isOperator(name))
    const [match] = [...history.search(searched, text, before, mayDelete)].filter(one => one !== undefined)
    if (match === undefined) return ids
    ids.push(match.id)
    before = match
  }
}
const thread = 'Billy'
const ids = (messages: readonly Message[]) => messages.map(({ id }) => id)
const folded = (history: History, isOperator?: (name: string) => boolean) =>
  [...history.all()].flatMap(one => {
    const shown = history.fold(one, isOperator)
    return shown === undefined ? [] : [[one.id, shown.changes?.text, shown.changes?.isDeleted ?? false]]
  })

describe('a page of a thread', () => {
  test('has full size without the changes of messages that the history has', () => {
    const history = withMessages(message(1), message(2), edit(3, 1, 'new'), reaction(4, 1), message(5), deletion(6, 2))
    expect(ids(history.page('Billy', 2))).toEqual(['id-2', 'id-5'])
    expect(ids(history.page('Billy', 2, { before: message(5) }))).toEqual(['id-1', 'id-2'])
    expect(ids(history.page('Billy', 9, { after: message(2) }))).toEqual(['id-5'])
  })

  test('has a change whose target is not known, until that comes', () => {
    const history = withMessages(edit(3, 1, 'new'), message(4))
    expect(ids(history.page('Billy', 9))).toEqual(['id-3', 'id-4'])
    history.store(message(1))
    expect(ids(history.page('Billy', 9))).toEqual(['id-1', 'id-4'])
  })

  test('a change of a change, or of a message of another thread, is of no message', () => {
    const elsewhere = message(1, { from: 'Billy', to: '#ops' })
    const history = withMessages(elsewhere, message(2), edit(3, 1, 'new'), edit(4, 3, 'newer'))
    expect(ids(history.page('Billy', 9))).toEqual(['id-2', 'id-3', 'id-4'])
    expect(history.changesOf('#ops', [elsewhere])).toEqual([])
  })

  test('the changes of a page are found however late they are, also those of the outbox', () => {
    const many = Array.from({ length: 500 }, (_, n) => message(n + 10))
    const history = withMessages(
      message(1),
      message(2),
      ...many,
      edit(900, 1, 'new'),
      reaction(901, 2, { from: 'Anna' }),
    )
    history.hold(reaction(902, 1, { from: 'Anna' }))
    expect(history.held).toHaveLength(1)
    const page = history.page('Billy', 2, { after: { at: 0, id: '' } })
    expect(history.changesOf('Billy', page).map(({ id, content }) => [id, content.target.id])).toEqual([
      ['id-900', 'id-1'],
      ['id-901', 'id-2'],
      ['id-902', 'id-1'],
    ])
    expect(ids(history.page('Billy', 1))).toEqual(['id-509'])
  })

  test('shows a change that was rejected', () => {
    const history = withMessages(message(1, { from: 'Anna', to: 'Billy' }))
    const rejected = edit(2, 1, 'too long', { from: 'Anna' })
    history.storeRejected({ ...rejected, rejection: { code: 'text-too-long', message: 'too long' } })
    expect(ids(history.page('Billy', 9))).toEqual(['id-1', 'id-2'])
    expect(history.changesOf('Billy', [message(1, { from: 'Anna', to: 'Billy' })])).toEqual([])
  })
})

describe('what is shown of a message', () => {
  test('is its last edit by its author, whatever the order of the lines, and nothing once it is deleted', () => {
    const changes = [edit(4, 1, 'second'), edit(3, 1, 'first'), edit(5, 1, 'forged', { from: 'Anna' })]
    expect(folded(withMessages(...changes, message(1)))).toEqual([
      ['id-1', 'second', false],
      ['id-5', undefined, false],
    ])
    withMessages(deletion(2, 1)).close()
    expect(folded(open())[0]).toEqual(['id-1', 'second', true])
  })

  test('in a room, an operator deletes', () => {
    const room = { to: '#ops' }
    const history = withMessages(message(1, room), deletion(2, 1, { ...room, from: 'Carla' }))
    expect(folded(history)).toEqual([['id-1', undefined, false]])
    expect(folded(history, name => name === 'Carla')).toEqual([['id-1', undefined, true]])
  })
})

describe('the search', () => {
  test('finds an edited message by its new text only, and a deleted one not at all', () => {
    const history = withMessages(message(1), message(2), edit(3, 1, 'a carrot'), edit(4, 2, 'a carrot'), deletion(5, 2))
    expect(search(history, 'carrot')).toEqual(['id-1'])
    expect(search(history, 'message')).toEqual([])
    expect(search(history, 'edited')).toEqual([])
  })

  test('finds neither markers nor quotes, but the readable text of a change whose target is not known', () => {
    const reply = formatContent({ kind: 'text', text: 'yes', reply: { ...target(9), quote: 'carrot?' } }, 'Billy')
    const history = withMessages(message(1, { text: reply }), edit(2, 7, 'a potato'))
    expect([search(history, 'carrot'), search(history, '⟦'), search(history, 'id-9')]).toEqual([[], [], []])
    expect([search(history, 'yes'), search(history, 'potato')]).toEqual([['id-1'], ['id-2']])
  })
})

test('the saved index has the changes, and a missing one is rebuilt with them', () => {
  const history = withMessages(
    ...Array.from({ length: 3_000 }, (_, n) => message(n)),
    edit(4_000, 7, 'x'.repeat((1 << 18) - 100)),
  )
  history.close()
  const [size, shown] = [statSync(file('history.index')).size, [['id-4000', 'id-7']]]
  const changes = () => open().changesOf('Billy', [message(7)])
  expect(changes().map(({ id, content }) => [id, content.target.id])).toEqual(shown)
  expect(ids(open().page('Billy', 1))).toEqual(['id-2999'])
  rmSync(file('history.index'))
  expect(changes().map(({ id, content }) => [id, content.target.id])).toEqual(shown)
  open().close()
  expect(statSync(file('history.index')).size).toBe(size)
})

test('a message is found in a thread by sender and id', () => {
  const history = withMessages(message(1), message(2, { id: 'id-1', from: 'Anna', to: 'Billy' }))
  expect(history.find('Billy', target(1))?.text).toBe('message 1')
  expect(history.find('Billy', target(1, 'Anna'))?.text).toBe('message 2')
  expect([history.find('Billy', target(2)), history.find('Carla', target(1))]).toEqual([undefined, undefined])
})

test('a deletion of an unknown message is not shown, and makes no thread', () => {
  const withCarla = { from: 'Carla', to: 'Anna' }
  const history = withMessages(message(1), deletion(2, 9), deletion(3, 9, withCarla), deletion(4, 8, withCarla))
  expect(folded(history)).toEqual([['id-1', undefined, false]])
  expect(history.threads()).toEqual([{ name: 'Billy', lastAt: DAY + 2_000 }])
})

test('of many changes, those of one message are found in the order of the file', () => {
  const index = ChangeIndex.empty()
  const entries = Array.from({ length: 5_000 }, (_, n) => ({
    offset: n * 10,
    length: 9,
    a: (n % 7) - 3,
    b: (n % 11) - 5,
  }))
  for (const [n, entry] of entries.entries()) {
    index.add(entry)
    if (n % 499 === 0) index.of(entry)
  }
  for (const { a, b } of entries.slice(0, 77)) {
    const expected = entries.filter(one => one.a === a && one.b === b).map(({ offset, length }) => ({ offset, length }))
    expect(index.of({ a, b })).toEqual(expected)
  }
  expect(index.of({ a: 9, b: 9 })).toEqual([])
  expect([index.targetAt(20), index.targetAt(21), index.targetAt(50_000)]).toEqual([
    { a: -1, b: -3 },
    undefined,
    undefined,
  ])
})
