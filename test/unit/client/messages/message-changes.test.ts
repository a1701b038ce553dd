import { describe, expect, test } from 'vitest'
import { type Change, ChangeLog, foldChanges } from '../../../../src/client/messages/message-changes.ts'

const target = { id: 'm', from: 'Anna' }
let count = 0
const change = (content: Change['content'], more: Partial<Change> = {}): Change => {
  const { from = 'Anna', at = ++count } = more
  return { id: more.id ?? `c${at}`, at, from, content }
}
const edit = (text: string, more = {}) => change({ kind: 'edit', target, text }, more)
const deletion = (from = 'Anna') => change({ kind: 'delete', target }, { from })
const reaction = (emoji: string, from: string, more: { isRemoved?: true; at?: number } = {}) => {
  const { at = ++count, ...rest } = more
  return change({ kind: 'react', target: { ...target, quote: 'x' }, emoji, ...rest }, { from, at })
}

/** All orders of a few items. */
function orders<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]]
  return items.flatMap((item, at) => orders(items.toSpliced(at, 1)).map(rest => [item, ...rest]))
}

describe('M22, M23: the fold of changes is the same in any order of arrival', () => {
  test('the last edit of the author wins, by time and then by id', () => {
    const edits = [edit('one', { at: 1 }), edit('two', { at: 2, id: 'b' }), edit('three', { at: 2, id: 'a' })]
    for (const order of orders([...edits, edit('not mine', { at: 9, from: 'Billy' })]))
      expect(foldChanges(order)).toEqual({ text: 'two', isDeleted: false, reactions: [] })
  })

  test('a deletion is for good, also before a later edit', () => {
    for (const order of orders([edit('one'), deletion(), edit('two')])) expect(foldChanges(order).isDeleted).toBe(true)
  })

  test('only the author and the operators of the room delete', () => {
    expect(foldChanges([deletion('Billy')]).isDeleted).toBe(false)
    expect(foldChanges([deletion('Billy')], name => name === 'Billy').isDeleted).toBe(true)
    expect(foldChanges([edit('by an operator', { from: 'Billy' })], () => true).text).toBeUndefined()
  })

  test('everyone reacts: once with each emoji, until it is taken back', () => {
    const reactions = [
      reaction('🎉', 'Carla', { at: 101 }),
      reaction('👍', 'Billy', { at: 102 }),
      reaction('👍', 'Billy', { at: 103 }),
      reaction('👍', 'Anna', { at: 104 }),
      reaction('🎉', 'Carla', { at: 105, isRemoved: true }),
      reaction('👎', 'Billy', { at: 106 }),
    ]
    for (const order of orders(reactions))
      expect(foldChanges(order).reactions).toEqual([
        { emoji: '👍', users: ['Billy', 'Anna'] },
        { emoji: '👎', users: ['Billy'] },
      ])
    expect(foldChanges([...reactions, reaction('🎉', 'Carla', { at: 107 })]).reactions).toHaveLength(3)
  })
})

describe('the log of changes', () => {
  test('has the changes of each message once, by sender and id', () => {
    const log = new ChangeLog(10)
    const [one, other] = [edit('one', { id: 'c' }), edit('forged', { id: 'c', from: 'Billy' })]
    for (const item of [one, other, { ...one, at: 99 }]) log.add(item)
    expect(log.of(target).map(({ at, from }) => [at, from])).toEqual([
      [99, 'Anna'],
      [other.at, 'Billy'],
    ])
    expect(log.of({ ...target, from: 'Billy' })).toEqual([])
    expect(log.remove(other)).toBe(other)
    expect(log.remove(other)).toBeUndefined()
    expect(log.of(target)).toHaveLength(1)
    log.forget(target)
    expect(log.of(target)).toEqual([])
  })

  test('keeps a limited number, those of the messages that were changed last', () => {
    const log = new ChangeLog(3)
    const of = (id: string) => ({ kind: 'delete', target: { id, from: 'Anna' } }) as const
    for (const id of ['a', 'b', 'a', 'c']) log.add(change(of(id)))
    expect(['a', 'b', 'c'].map(id => log.of({ id, from: 'Anna' }).length)).toEqual([2, 0, 1])
    for (let n = 0; n < 5; n++) log.add(change(of('a')))
    expect(['a', 'c'].map(id => log.of({ id, from: 'Anna' }).length)).toEqual([3, 0])
  })
})
