/** Keys of `top`: what each does to the model, and what it asks of the program. */
import { beforeEach, describe, expect, test } from 'vitest'
import { KeyDecoder } from '../../../../cli/terminal/key-decoder.ts'
import { handleKey, type TopRequest } from '../../../../cli/top/handle-key.ts'
import { computeLayout } from '../../../../cli/top/layout.ts'
import { TopModel } from '../../../../cli/top/model.ts'
import { clusterStatusOf } from '../../../support/cluster-statuses.ts'

const URL = 'http://127.0.0.1:3001'
let model: TopModel

beforeEach(() => {
  model = new TopModel()
})

const type = (text: string): TopRequest[] => new KeyDecoder().feed(text).map(key => handleKey(model, key))
const read = (size: number) =>
  model.handleEvent({ type: 'reading', url: URL, clusterStatus: clusterStatusOf(size, 1) }, 1_000)

test.each([
  ['q', 'q', 'quit'],
  ['^C', '\u0003', 'quit'],
  ['^D', '\u0004', 'quit'],
  ['^L', '\u000c', 'redraw'],
  ['^Z', '\u001a', 'suspend'],
  ['an unknown key', 'x', undefined],
  ['a named key without a binding', '\u001b[15~', undefined],
])('%s', (_, text, request) => {
  expect(type(text)).toEqual([request])
})

test('Escape closes the help, and does not quit', () => {
  type('?')
  for (const _ of [1, 2]) {
    expect(handleKey(model, { type: 'key', name: 'escape' })).toBeUndefined()
    expect(model.isHelpOpen).toBe(false)
  }
})

test('a paste is ignored', () => {
  expect(handleKey(model, { type: 'paste', text: 'q' })).toBeUndefined()
})

test('keys that arrive as one text are all applied', () => {
  expect(type('? sq')).toEqual(['quit'])
  expect(model).toMatchObject({ isHelpOpen: true, isPaused: true, sortKey: 'users' })
})

test('space toggles the pause, ? the help', () => {
  type(' ?')
  expect(model).toMatchObject({ isHelpOpen: true, isPaused: true })
  type(' ?')
  expect(model).toMatchObject({ isHelpOpen: false, isPaused: false })
})

test('r switches between servers and rooms, from the top', () => {
  model.resize(80, 12)
  read(20)
  type('jr')
  expect(model).toMatchObject({ isRoomsOpen: true, scrollOffset: 0 })
  // No room is listed, so there is nothing to scroll.
  type('j')
  expect(model.scrollOffset).toBe(0)
  type('r')
  expect(model.isRoomsOpen).toBe(false)
})

test('Esc closes the help first, then the rooms', () => {
  type('r?')
  const press = () => handleKey(model, { type: 'key', name: 'escape' })
  press()
  expect(model).toMatchObject({ isHelpOpen: false, isRoomsOpen: true })
  press()
  press()
  expect(model.isRoomsOpen).toBe(false)
})

test('s cycles through the sort keys and scrolls to the top', () => {
  model.resize(80, 12)
  read(20)
  type('j')
  const keys = Array.from({ length: 4 }, () => {
    type('s')
    return model.sortKey
  })
  expect(keys).toEqual(['users', 'rate', 'rtt', 'id'])
  expect(model.scrollOffset).toBe(0)
})

describe('scrolling', () => {
  let last = 0
  let page = 0

  beforeEach(() => {
    model.resize(80, 15)
    read(20)
    page = computeLayout(model).listRows
    last = 20 - page
  })

  test('by a row: arrows, j and k', () => {
    type('j\u001b[B')
    expect(model.scrollOffset).toBe(2)
    type('k\u001b[A')
    expect(model.scrollOffset).toBe(0)
  })

  test('by a page: the last row stays visible', () => {
    type('\u001b[6~')
    expect(model.scrollOffset).toBe(page - 1)
    type('\u001b[5~')
    expect(model.scrollOffset).toBe(0)
  })

  test('never past either end', () => {
    type('k')
    expect(model.scrollOffset).toBe(0)
    type('\u001b[F')
    expect(model.scrollOffset).toBe(last)
    type('jjj')
    expect(model.scrollOffset).toBe(last)
    type('\u001b[H')
    expect(model.scrollOffset).toBe(0)
  })

  test('not at all if every server fits', () => {
    model.resize(80, 60)
    type('j\u001b[6~\u001b[F')
    expect(model.scrollOffset).toBe(0)
  })
})
