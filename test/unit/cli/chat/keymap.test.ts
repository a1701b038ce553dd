import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { actionByName, KEYMAP, keyLabel, resolveBindings } from '../../../../cli/chat/model/keymap.ts'

const EARLIER_NAMES = [
  ['earlier', 'previous-input'],
  ['later', 'next-input'],
  ['top', 'scroll-to-start'],
  ['bottom', 'scroll-to-end'],
  ['last-thread', 'previous-thread'],
  ['find-people', 'find-thread'],
  ['find-user', 'find-thread'],
  ['find-entered', 'find-input'],
  ['complete-back', 'complete-previous'],
  ['sidebar', 'toggle-sidebar'],
  ['escape', 'dismiss'],
  ['cancel', 'clear-or-quit'],
  ['delete-or-leave', 'delete-or-quit'],
  ['cut-white-left', 'cut-to-space'],
] as const

test('no key is bound twice by default', () => {
  const keys = KEYMAP.flatMap(binding => binding.keys)
  expect(new Set(keys).size).toBe(keys.length)
})

test('bindings of the settings file override the defaults; unknown actions are reported', () => {
  const { bindings, unknown } = resolveBindings({ 'C-n': 'help', 'C-x': 'find-user', f5: 'nonsense' })
  expect([bindings.get('C-n'), bindings.get('C-x'), bindings.get('M-down')]).toEqual([
    'help',
    'find-thread',
    'next-thread',
  ])
  expect(bindings.has('f5')).toBe(false)
  expect(unknown).toEqual(['nonsense'])
})

test('docs/KEYS.md lists each action with its default keys, and each earlier name', () => {
  const rows = readFileSync('docs/KEYS.md', 'utf8')
    .split('\n')
    .map(line => [...line.matchAll(/`([^`]+)`/g)].map(([, name]) => name))
    .filter(row => row.length > 0)
  for (const { action, keys } of KEYMAP) expect(rows).toContainEqual([action, ...keys])
  for (const [old, action] of EARLIER_NAMES) expect(rows).toContainEqual([old, action])
})

describe('action names of earlier versions', () => {
  test.each(EARLIER_NAMES)('%s means %s', (old, action) => {
    expect(actionByName(old)).toBe(action)
    expect(resolveBindings({ 'C-x': old })).toMatchObject({ unknown: [] })
    expect(resolveBindings({ 'C-x': old }).bindings.get('C-x')).toBe(action)
  })

  test.each([
    'send',
    'new-line',
    'page-up',
    'page-down',
    'next-thread',
    'unread-thread',
    'search',
    'complete',
    'redraw',
    'suspend',
    'help',
    'line-start',
    'line-end',
    'left',
    'right',
    'word-left',
    'word-right',
    'delete-left',
    'delete-right',
    'cut-word-left',
    'cut-word-right',
    'cut-line-left',
    'cut-line-right',
    'paste-cut',
    'transpose',
    'undo',
  ])('%s is unchanged', name => {
    expect(actionByName(name)).toBe(name)
  })
})

test.each([
  ['C-n', 'Ctrl+N'],
  ['M-enter', 'Alt+Enter'],
  ['S-tab', 'Shift+Tab'],
  ['C-M-x', 'Ctrl+Alt+X'],
  ['pageup', 'PageUp'],
  ['escape', 'Esc'],
  ['M-<', 'Alt+<'],
  ['C-_', 'Ctrl+_'],
  ['M--', 'Alt+-'],
  ['f7', 'F7'],
  ['C-x C-e', 'Ctrl+X Ctrl+E'],
  ['C-', 'C-'],
])('the label of %s is %s', (key, label) => {
  expect(keyLabel(key)).toBe(label)
})
