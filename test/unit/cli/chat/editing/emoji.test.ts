/** Completion of emoji by Tab. */
import { beforeEach, expect, test } from 'vitest'
import { complete } from '../../../../../cli/chat/model/editing/completion.ts'
import { addEmojiNames, emojiCandidates } from '../../../../../cli/chat/model/editing/emoji-completion.ts'
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

test('the first Tab loads the names, and completes unless the user has typed on', () => {
  expect(chat.type(`:smile${KEYS.tab}`)).toEqual([{ type: 'load-emoji' }])
  expect(addEmojiNames(chat.model, EMOJI_NAMES)).toBe(true)
  complete(chat.model, 1)
  expect(chat.input).toBe('😄')

  chat.model.emojiNames = undefined
  chat.type(` :smile${KEYS.tab}`)
  chat.type('x')
  expect(addEmojiNames(chat.model, EMOJI_NAMES)).toBe(false)
  expect(chat.input).toBe('😄 :smilex')
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
