/** Completion of emoji by Tab. */
import { beforeEach, expect, test } from 'vitest'
import { complete } from '../../../../../cli/chat/model/editing/completion.ts'
import { addEmojiNames, emojiCandidates } from '../../../../../cli/chat/model/editing/emoji-completion.ts'
import { handleKey } from '../../../../../cli/chat/model/handle-key.ts'
import { EMOJI_NAMES } from '../../../../../cli/common/emoji-names.ts'
import { ChatDriver, KEYS } from '../chat-driver.ts'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.model.openThread('Billy')
})

test('Tab completes the short name of an emoji, again the next one', () => {
  addEmojiNames(chat.model, EMOJI_NAMES)
  chat.type('well :smile')
  expect(chat.type(KEYS.tab)).toEqual([])
  expect(chat.input).toBe('well 😄')
  chat.type(KEYS.tab)
  expect(chat.input).toBe('well 😃')
  chat.type(KEYS.shiftTab)
  expect(chat.input).toBe('well 😄')
})

test.each([
  [':heart:', '❤️'],
  [':+1:', '👍'],
  ['(:tada', '(🎉'],
  ['10:30', '10:30'],
  ['http://x:80', 'http://x:80'],
  [':', ':'],
  [':s', ':s'],
  [':no_such_name:', ':no_such_name:'],
])('Tab makes %j %j', (typed, completed) => {
  addEmojiNames(chat.model, EMOJI_NAMES)
  chat.type(`${typed}${KEYS.tab}`)
  expect(chat.input).toBe(completed)
})

test('nothing is replaced without Tab', () => {
  addEmojiNames(chat.model, EMOJI_NAMES)
  expect(chat.type(`:smile: ${KEYS.enter}`)).toEqual([{ type: 'send', to: 'Billy', text: ':smile: ' }])
})

test('the first Tab loads the names, and completes if the input is still the same', () => {
  expect(chat.type(`:smile${KEYS.tab}`)).toEqual([{ type: 'load-emoji' }])
  expect(addEmojiNames(chat.model, EMOJI_NAMES)).toEqual({ isSameInput: true, keys: [] })
  complete(chat.model, 1)
  expect(chat.input).toBe('😄')

  chat.model.emojiNames = undefined
  chat.type(` :smile${KEYS.tab}`)
  chat.model.openThread('Claus')
  expect(addEmojiNames(chat.model, EMOJI_NAMES)).toEqual({ isSameInput: false, keys: [] })
})

test('keys that are pressed while the names load wait for them', () => {
  expect(chat.type(`:smile${KEYS.tab}${KEYS.tab}!${KEYS.enter}`)).toEqual([{ type: 'load-emoji' }])
  expect(chat.input).toBe(':smile')
  const { isSameInput, keys } = addEmojiNames(chat.model, EMOJI_NAMES)
  expect(isSameInput).toBe(true)
  complete(chat.model, 1)
  const requests = keys.flatMap(key => handleKey(chat.model, key))
  expect(requests).toEqual([{ type: 'send', to: 'Billy', text: '😃!' }])
  expect(chat.model.emojiAsked).toBeUndefined()
})

test('if the names do not come, the keys that wait are handled', () => {
  chat.type(`:smile${KEYS.tab}`)
  for (let n = 0; n < 999; n++) chat.type('x')
  expect(chat.input).toBe(':smile')
  chat.type('y')
  expect(chat.input).toBe(`:smile${'x'.repeat(999)}y`)
})

test('the candidates are limited, names that start with the word first', () => {
  const candidates = emojiCandidates(EMOJI_NAMES, ':ca')
  expect(candidates.length).toBe(50)
  expect(candidates.slice(0, 2).sort()).toEqual(['car', 'cat'].map(name => EMOJI_NAMES.get(name)).sort())
})

test('symbols are followed by the selector that makes them emoji, also in sequences', () => {
  expect(EMOJI_NAMES.size).toBeGreaterThan(1_800)
  expect(EMOJI_NAMES.get('heart_on_fire')).toBe('\u2764\ufe0f\u200d\u{1f525}')
  expect(EMOJI_NAMES.get('hash')).toBe('#\ufe0f\u20e3')
  expect(EMOJI_NAMES.get('rainbow_flag')).toBe('\u{1f3f3}\ufe0f\u200d\u{1f308}')
  expect(EMOJI_NAMES.get('de')).toBe('\u{1f1e9}\u{1f1ea}')
})
