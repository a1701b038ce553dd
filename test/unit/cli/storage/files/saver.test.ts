/** Saves that fail are tried again, and nothing counts as saved before. */
import { expect, test } from 'vitest'
import { Saver } from '../../../../../cli/storage/files/saver.ts'
import { until } from '../../../../support/programs/processes.ts'

test('all that asked during a save share the next one', async () => {
  let saves = 0
  const done: string[] = []
  const saver = new Saver(
    async () => {
      saves++
    },
    () => {},
  )
  for (const name of ['a', 'b', 'c']) saver.save(() => done.push(name))
  await until('all are saved', () => done.length === 3)
  expect(done).toEqual(['a', 'b', 'c'])
  expect(saves).toBe(2)
})

test('a save that fails is reported once and tried until it succeeds', async () => {
  let failures = 2
  const events: string[] = []
  const saver = new Saver(
    async () => {
      if (failures-- > 0) throw new Error('no space')
    },
    problem => events.push(problem?.message ?? 'again'),
  )
  saver.save(() => events.push('saved'))
  await until('it is saved', () => events.includes('saved'))
  expect(events).toEqual(['no space', 'again', 'saved'])
})

test('a closed saver says nothing more', async () => {
  const events: string[] = []
  let finish = () => {}
  const saver = new Saver(
    () =>
      new Promise(resolve => {
        finish = resolve
      }),
    () => events.push('problem'),
  )
  saver.save(() => events.push('saved'))
  saver.close()
  finish()
  await new Promise(resolve => setImmediate(resolve))
  expect(events).toEqual([])
})
