/** Links in messages: found, wrapped, drawn and opened. */
import { beforeEach, describe, expect, test } from 'vitest'
import { wrapMessage } from '../../../../../cli/chat/model/layout/wrap-message.ts'
import { findLinks } from '../../../../../cli/chat/model/threads/links.ts'
import { openedThreadRows, rowToAnsi } from '../../../../../cli/chat/views/inline.ts'
import { renderScreen } from '../../../../../cli/chat/views/render.ts'
import { continuesLink, markLinks, rowLinks, rowText } from '../../../../../cli/chat/views/row.ts'
import { ChatDriver, DAY } from '../chat-driver.ts'

const urls = (text: string) => findLinks(text).map(({ url }) => url)
const shown = (text: string) => findLinks(text).map(({ start, end }) => text.slice(start, end))

describe('links in a text', () => {
  test.each([
    ['see http://a.example/x, and HTTPS://b.example.', ['http://a.example/x', 'HTTPS://b.example']],
    ['(https://en.example/wiki/Mesh_(net))', ['https://en.example/wiki/Mesh_(net)']],
    ['<https://a.example/> "http://b.example"', ['https://a.example/', 'http://b.example']],
    ['mailto:anna@a.example?subject=x!', ['mailto:anna@a.example?subject=x']],
    ['http://a.example/?q=1&x=[1]#top', ['http://a.example/?q=1&x=[1]#top']],
    ['http://a.example。その', ['http://a.example']],
    ['two\nhttp://a.example\nlines', ['http://a.example']],
  ])('%s', (text, links) => {
    expect(shown(text)).toEqual(links)
  })

  test.each([
    'no links: here',
    'http://',
    'javascript:alert(1) file:///etc/passwd ftp://a.example',
    'xhttp://a.example',
    'mailto:anna',
    'http://[bad',
    `http://a.example/${'x'.repeat(2_000)}`,
  ])('none in %s', text => {
    expect(urls(text)).toEqual([])
  })

  test('their addresses are printable ASCII, and attach no files', () => {
    expect(urls('http://bücher.example/ä?ö')).toEqual(['http://xn--bcher-kva.example/%C3%A4?%C3%B6'])
    expect(urls('http://a.example/\u202e\u001b]x')).toEqual(['http://a.example/'])
    expect(urls('mailto:a@b.example?attach=/etc/passwd&subject=x')).toEqual(['mailto:a@b.example?subject=x'])
  })
})

describe('a message with a long link', () => {
  const link = `http://a.example/${'x'.repeat(20)}`
  const wrapped = (text: string) =>
    wrapMessage(text, 'id', 16, 20).map(({ text: row, isFlush }) => (isFlush ? row : `  ${row}`))

  test('has it at the left margin, in the full width', () => {
    expect(wrapped(`see ${link} soon`)).toEqual(['  see', 'http://a.example/xxx', 'xxxxxxxxxxxxxxxxx', '  soon'])
    expect(wrapped(`see\n${link}\nsoon`)).toEqual(['  see', 'http://a.example/xxx', 'xxxxxxxxxxxxxxxxx', '  soon'])
  })

  test('starts with the row of the time and the name', () => {
    expect(wrapped(link)).toEqual(['  ', 'http://a.example/xxx', 'xxxxxxxxxxxxxxxxx'])
    expect(wrapped(`(${link})`)).toEqual(['  (', 'http://a.example/xxx', 'xxxxxxxxxxxxxxxxx', '  )'])
  })

  test('keeps short links and all other text as before', () => {
    expect(wrapped('a http://b.example c')).toEqual(['  a ', '  http://b.example', '   c'])
    expect(wrapMessage('no link\n\nhere', 'id', 16, 20).map(row => row.text)).toEqual(['no link', '', 'here'])
  })

  test('has the same id in all of its rows, without characters that end the sequence', () => {
    const ids = wrapMessage(`${link} http://b.example`, ';\u0007:', 16, 20).flatMap(row =>
      row.links.map(({ id }) => id),
    )
    expect([new Set(ids).size, ids.length]).toEqual([2, 3])
    for (const id of ids) expect(id).toMatch(/^[\w-]+$/)
  })
})

test('the parts of links in segments keep their style', () => {
  const link = { url: 'http://a/', id: '1' }
  const row = markLinks(
    [{ text: 'x http' }, { text: '://', inverse: true }, { text: 'a y' }],
    [{ start: 2, end: 10, ...link }],
  )
  expect(row).toEqual([
    { text: 'x ' },
    { text: 'http', link },
    { text: '://', inverse: true, link },
    { text: 'a', link },
    { text: ' y' },
  ])
  expect(rowLinks(row)).toEqual([{ start: 2, end: 10, ...link }])
})

describe('on the screen', () => {
  let chat: ChatDriver
  const link = `http://a.example/${'x'.repeat(100)}`

  beforeEach(() => {
    chat = new ChatDriver()
    chat.model.openThread('Billy')
    chat.message('Billy', 'Anna', `see ${link} soon`)
  })

  test('a long link continues on the next row, so that the terminal joins the rows, without the sidebar', () => {
    const continued = () => {
      const { rows } = renderScreen(chat.model, DAY)
      return rows.filter((row, at) => continuesLink(row, rows[at - 1], 64)).map(rowText)
    }
    expect(continued()).toEqual([])
    chat.type('\u001b[18~')
    expect(continued()).toEqual(['x'.repeat(17 + 100 - 64)])
    expect(chat.screen()).toContain(`\n${link.slice(0, 64)}\n${link.slice(64)}\n`)
  })

  test('inline mode leaves a long link in one piece', () => {
    chat.model.isInline = true
    const lines = openedThreadRows(chat.model, chat.model.ensureThread('Billy')).map(row =>
      rowToAnsi(row, undefined, false),
    )
    expect(lines).toContain(link)
  })

  test('/open lists the links newest first, and opens one', () => {
    chat.message('Billy', 'Anna', 'http://b.example http://c.example')
    chat.message('Billy', 'Anna', 'again http://b.example')
    chat.type('/open\r')
    expect(chat.screen()).toMatch(/Links, newest first[\s\S]*b\.example\/[\s\S]*c\.example\/[\s\S]*a\.example/)
    chat.type('c.ex')
    expect(chat.type('\r')).toEqual([{ type: 'open-link', url: 'http://c.example/' }])
    expect(chat.type('/open 2\r')).toEqual([{ type: 'open-link', url: 'http://c.example/' }])
    chat.type('/open 9\r')
    expect(chat.notice).toBe('there are links 1 to 3; /open lists them')
  })

  test('/open says when there are none', () => {
    chat.type('/query Carla\r/open\r')
    expect(chat.notice).toBe('no links here')
  })
})
