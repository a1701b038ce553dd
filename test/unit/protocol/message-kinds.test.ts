import { describe, expect, test } from 'vitest'
import {
  actionOf,
  type Content,
  formatContent,
  isReaction,
  parseContent,
  quoteOf,
  readableText,
} from '../../../src/protocol/message-kinds.ts'
import { HOSTILE_STRINGS } from '../../support/attacks/hostile-strings.ts'
import { Random } from '../../support/random.ts'

const own = { id: 'run.1.x', from: 'Anna' }
const other = { id: 'run.2-_', from: 'Billy B' }
const quoted = { ...other, quote: 'Lunch now?' }

describe('M20: a message says what it is in its last line, below a readable text', () => {
  test.each<[string, Content, string, string]>([
    ['a text', { kind: 'text', text: 'hi\nall' }, 'hi\nall', 'hi\nall'],
    [
      'a reply',
      { kind: 'text', text: 'me', reply: quoted },
      '> Lunch now?\nme\n⟦reply run.2-_ Billy B⟧',
      '> Lunch now?\nme',
    ],
    ['an edit', { kind: 'edit', target: own, text: 'hello' }, '(edited) hello\n⟦edit run.1.x⟧', '(edited) hello'],
    ['a deletion', { kind: 'delete', target: own }, '(deleted a message)\n⟦delete run.1.x⟧', '(deleted a message)'],
    [
      'the deletion of another message',
      { kind: 'delete', target: other },
      '(deleted a message)\n⟦delete run.2-_ Billy B⟧',
      '(deleted a message)',
    ],
    [
      'a reaction',
      { kind: 'react', target: quoted, emoji: '👍🏽' },
      '👍🏽 to "Lunch now?"\n⟦react run.2-_ Billy B⟧',
      '👍🏽 to "Lunch now?"',
    ],
    [
      'a reaction taken back',
      { kind: 'react', target: quoted, emoji: '+1', isRemoved: true },
      'removed +1 from "Lunch now?"\n⟦unreact run.2-_ Billy B⟧',
      'removed +1 from "Lunch now?"',
    ],
  ])('%s', (_, content, text, readable) => {
    expect(formatContent(content, 'Anna')).toBe(text)
    expect(parseContent(text, 'Anna')).toEqual(content)
    expect(readableText(text)).toBe(readable)
  })
})

describe('M20: a text that ends like another kind of message stays a text', () => {
  const markers = ['⟦edit run.1.x⟧', '⟦delete run.1.x Anna⟧', '⟦reply a⟧', '⟦react a b⟧', '⟦text⟧']
  const bodies = ['', '(edited) x', '(deleted a message)', '> a\nb', '👍 to "x"', 'x', 'x\n⟦text⟧']
  const texts = bodies.flatMap(body => markers.flatMap(marker => [marker, `${body}\n${marker}`]))

  test.each(texts)('%j', text => {
    const formatted = formatContent({ kind: 'text', text }, 'Anna')
    expect(parseContent(formatted, 'Anna')).toEqual({ kind: 'text', text })
    expect(readableText(formatted)).toBe(text)
  })

  test('an edit, and a reply, to such a text too', () => {
    for (const text of texts) {
      const edit: Content = { kind: 'edit', target: own, text }
      const reply: Content = { kind: 'text', text, reply: quoted }
      for (const content of [edit, reply]) expect(parseContent(formatContent(content, 'Anna'), 'Anna')).toEqual(content)
    }
  })

  test('only such texts get a marker', () => {
    for (const text of [
      'x',
      '⟦⟧',
      'x\n⟦edit⟧',
      'hello\n⟦edit run.1.x⟧ ',
      'hello\n⟦delete run.1.x⟧',
      '(edited) x ⟦edit a⟧',
    ])
      expect(formatContent({ kind: 'text', text }, 'Anna')).toBe(text)
  })
})

describe('a marker that is invalid, or does not fit the text above it, is a part of a plain text', () => {
  test.each([
    'hello\n⟦delete run.1.x⟧',
    '(deleted a message) \n⟦delete run.1.x⟧',
    'hello\n⟦edit run.1.x⟧',
    '(edited)\n⟦edit run.1.x⟧',
    '> x\n⟦reply run.1.x⟧',
    'x\ny\n⟦reply run.1.x⟧',
    '👍\n⟦react run.1.x⟧',
    'two words to "x"\n⟦react run.1.x⟧',
    `${'👍'.repeat(17)} to "x"\n⟦react run.1.x⟧`,
    '(edited) x\n⟦edit⟧',
    '(edited) x\n⟦edit ⟧',
    '(edited) x\n⟦edit a/b⟧',
    '(edited) x\n⟦edit ~00g1⟧',
    `(edited) x\n⟦edit ${'a'.repeat(65)}⟧`,
    '(edited) x\n⟦edit a Bil\u202ely⟧',
    `(edited) x\n⟦edit a ${'B'.repeat(201)}⟧`,
    '(edited) x\n⟦edit a⟧\n',
    '(edited) x\n⟦Edit a⟧',
    'x\n⟦text a⟧',
    '⟦text⟧',
  ])('%j', text => {
    expect(parseContent(text, 'Anna')).toEqual({ kind: 'text', text })
    expect(readableText(text)).toBe(text)
  })
})

test('any id can be named: unusual units are escaped', () => {
  for (const id of ['a b', '⟧', '\n', '~0041', '\ud83d', '🙂', '..', 'é', '\u0000', 'x'.repeat(64), '⟦'.repeat(64)]) {
    const content: Content = { kind: 'edit', target: { id, from: 'Anna' }, text: 'x' }
    expect(parseContent(formatContent(content, 'Anna'), 'Anna')).toEqual(content)
  }
})

test('hostile texts, ids and quotes come back as they were, and random lines never throw', () => {
  const random = new Random(7)
  const pieces = [
    '⟦',
    '⟧',
    'edit',
    'reply',
    'delete',
    'react',
    'text',
    ' ',
    '\n',
    'a',
    '(edited) ',
    '> ',
    '~0041',
    '" to "',
  ]
  const line = () =>
    Array.from({ length: random.below(12) }, () => random.pick([...pieces, ...HOSTILE_STRINGS])).join('')
  for (let round = 0; round < 1_000; round++) {
    const [text, quote] = [line(), quoteOf(line())]
    expect(parseContent(formatContent({ kind: 'text', text }, 'Anna'), 'Anna')).toEqual({ kind: 'text', text })
    const reply: Content = { kind: 'text', text, reply: { ...other, quote } }
    const react: Content = { kind: 'react', target: { ...other, quote }, emoji: '🎉' }
    const edit: Content = { kind: 'edit', target: own, text }
    for (const content of [reply, react, edit]) {
      expect(parseContent(formatContent(content, 'Anna'), 'Anna')).toEqual(content)
    }
    parseContent(line(), 'Anna')
  }
})

test('a quote is the first line of a text, with single spaces, cut to 60 characters', () => {
  expect(quoteOf('\n  first\t \u2028line \nsecond')).toBe('first line')
  expect(quoteOf(' \n ')).toBe('…')
  expect(quoteOf('```ts\n\n  let x = 1\nlet y\n```')).toBe('let x = 1')
  expect(quoteOf('```\n')).toBe('…')
  expect(quoteOf('```not a block```')).toBe('```not a block```')
  expect(quoteOf('🙂'.repeat(60))).toBe('🙂'.repeat(60))
  expect(quoteOf('🙂'.repeat(61))).toBe(`${'🙂'.repeat(59)}…`)
})

test('a reaction is a few characters without white space', () => {
  for (const emoji of ['👍', '+1', ':tada:', '👨‍👩‍👧‍👦']) expect(isReaction(emoji)).toBe(true)
  for (const emoji of ['', ' ', 'a b', 'a\n', 'x'.repeat(33)]) expect(isReaction(emoji)).toBe(false)
})

test('an action starts with /me and a space', () => {
  expect(actionOf('/me waves\nand bows')).toBe('waves\nand bows')
  for (const text of ['/me', '/mercy', ' /me x', '//me x']) expect(actionOf(text)).toBeUndefined()
})
