/** Formatting in texts: what is formatted, and what is not. */
import { describe, expect, test } from 'vitest'
import { parseFormatting, wrapFormatted } from '../../../../../cli/chat/model/layout/formatting.ts'

/** The lines of a text with tags for its formats: b, i, c; code blocks start with a bar. */
function shown(text: string): string {
  return parseFormatting(text)
    .map(line => {
      let tagged = ''
      let from = 0
      for (const { start, end, format } of line.ranges) {
        const tag = `${format.bold ? 'b' : ''}${format.italic ? 'i' : ''}${format.code ? 'c' : ''}`
        tagged += `${line.text.slice(from, start)}<${tag}>${line.text.slice(start, end)}</>`
        from = end
      }
      return `${line.isCode ? '|' : ''}${tagged}${line.text.slice(from)}`
    })
    .join('\n')
}

test.each([
  ['*bold*', '<b>bold</>'],
  ['a *bold word* and _an italic one_.', 'a <b>bold word</> and <i>an italic one</>.'],
  ['run `npm test` now', 'run <c>npm test</> now'],
  ['(*yes*), "_no_": `x`!', '(<b>yes</>), "<i>no</>": <c>x</>!'],
  ['*bold _and italic_* text', '<b>bold </><bi>and italic</> text'],
  ['_*both*_', '<bi>both</>'],
  ['*`code` in bold*', '<bc>code</><b> in bold</>'],
  ['``a`b``', '<c>a`b</>'],
  ['`*not bold*`', '<c>*not bold*</>'],
  ['*\u00fcber*', '<b>\u00fcber</>'],
  ['\u4e2d*\u6587*\u5b57', '\u4e2d<b>\u6587</>\u5b57'],
  ['see *https://x.example/a_b_c now*', 'see <b>https://x.example/a_b_c now</>'],
  ['*a*\n*b*', '<b>a</>\n<b>b</>'],
  ['*a b*c d*', '<b>a b*c d</>'],
])('%j is formatted', (text, formatted) => {
  expect(shown(text)).toBe(formatted)
})

test.each([
  'snake_case_name and _private_name',
  '__init__ and **kwargs',
  '2 * 3 * 4 and 2*3*4',
  'https://x.example/_a_/*b*?c=_d_',
  'www.x.example/_a_',
  'f(*args, **kwargs)',
  '/*comment*/ and src/*_test*',
  '*not\nclosed*',
  '* item\n* item',
  '(*_*) ^_^ -_- and -_- \u00af\\_(\u30c4)_/\u00af',
  'it`s and that`s',
  '``` alone',
  '```\nnot closed',
  '```\n```',
  '*',
  '_',
  '`',
  '**',
  '``',
  '* *',
])('%j is unchanged', text => {
  expect(shown(text)).toBe(text)
})

describe('a code block', () => {
  test.each([
    ['```\nif (a)\n    b *c* _d_\n```', '|if (a)\n|    b *c* _d_'],
    ['look:\n```js\nlet a\n```\nand *more*', 'look:\n|let a\nand <b>more</>'],
    ['look: ```\nlet a```', 'look:\n|let a'],
    ['```\n\n  a\n\n```', '|\n|  a\n|'],
    ['```\na\n```\n```\nb\n```', '|a\n|b'],
    ['```one line```', '<c>one line</>'],
  ])('%j', (text, formatted) => {
    expect(shown(text)).toBe(formatted)
  })

  test('keeps its spaces when it is wrapped', () => {
    const lines = parseFormatting('```\n    if  (a)   b\n```')
    expect(wrapFormatted(lines, 'id', 3, 6).map(({ text }) => text)).toEqual(['    if', '  (a) ', '  b'])
  })
})

test('formats continue in the next row of a wrapped line', () => {
  const rows = wrapFormatted(parseFormatting('one *two three* four'), 'id', 8)
  expect(rows).toMatchObject([
    { text: 'one two ', isCode: false, ranges: [{ start: 4, end: 8, format: { bold: true } }] },
    { text: 'three ', isCode: false, ranges: [{ start: 0, end: 5, format: { bold: true } }] },
    { text: 'four', isCode: false, ranges: [] },
  ])
})

test('no character but delimiters is lost, whatever the text', () => {
  let seed = 1
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  const parts = ['*', '_', '`', '```', ' ', '\n', 'a', 'word', '.', '(', 'http://a_b*', '\u4e2d']
  const letters = (text: string) => text.replace(/[^a-z\u4e2d.(:/]/gu, '')
  for (let n = 0; n < 3_000; n++) {
    const text = Array.from({ length: random(20) }, () => parts[random(parts.length)]).join('')
    // The name of a language after a fence is not shown.
    const lines = parseFormatting(
      text.replaceAll('```a', '``` a').replaceAll('```word', '``` word').replaceAll('```.', '``` .'),
    )
    const visible = lines.map(line => line.text).join('\n')
    expect(letters(visible), JSON.stringify(text)).toBe(letters(text))
    for (const { ranges, text: line } of lines) {
      let last = 0
      for (const { start, end } of ranges) {
        expect(start >= last && end > start && end <= line.length, JSON.stringify(text)).toBe(true)
        last = end
      }
    }
  }
})
