/** Tab in rooms, and for names of rooms. */
import { beforeEach, expect, test } from 'vitest'
import { ChatDriver, ctrl } from '../chat-driver.ts'

let chat: ChatDriver

beforeEach(() => {
  chat = new ChatDriver()
  chat.online()
  chat.roster(['Anna', 'Bert', 'Billy', 'Bob'])
  chat.room('#ops', ['Billy', 'Bea Arthur', 'Boris'])
  chat.room('#offtopic', [])
  chat.tell({ type: 'room-list', rooms: [{ room: '#öffentlich', members: 3 }], total: 1 })
  chat.model.openThread('#ops')
  chat.message('Boris', '#ops', 'hello')
  chat.message('Billy', '#ops', 'hello')
  chat.message('Bygone', '#ops', 'bye')
  chat.message('Boris', '#ops', 'hello again')
})

const completions = (text: string) => {
  const found: string[] = []
  for (let tabs = 1; tabs < 20; tabs++) {
    chat.type(`${ctrl('u')}${text}${'\t'.repeat(tabs)}`)
    if (found.includes(chat.input)) break
    found.push(chat.input)
  }
  return found
}

test('completes the names of a room: first those who spoke last, then the members, then users online', () => {
  expect(completions('b')).toEqual(['Boris ', 'Bygone ', 'Billy ', 'Bea Arthur ', 'Bert ', 'Bob '])
  expect(completions('hello bo')).toEqual(['hello Boris ', 'hello Bob '])
})

test('completes the author of the message that /react and /reply are about: first those who spoke last', () => {
  expect(completions('/react @')).toEqual(
    ['Boris', 'Bygone', 'Billy', 'Anna', '"Bea Arthur"', 'Bert', 'Bob'].map(name => `/react @${name} `),
  )
  expect(completions('/reply @b')[0]).toBe('/reply @Boris ')
  expect(completions('/reply @Billy b')[0]).toBe('/reply @Billy Boris ')
  chat.type(`${ctrl('u')}/react @Bi\t👍\r`)
  expect(chat.notice).toBe(undefined)
})

test('completes a mention, and keeps its @', () => {
  expect(completions('hi @bo')).toEqual(['hi @Boris ', 'hi @Bob '])
  expect(completions('@')[0]).toBe('@Boris ')
  chat.model.openThread('Billy')
  expect(completions('@be')).toEqual(['@Bert '])
})

test.each([
  ['/join o', ['/join #offtopic ', '/join #ops ']],
  ['/part #op', ['/part #ops ']],
  ['/names ', ['/names #offtopic ', '/names #ops ', '/names #öffentlich ']],
  ['/topic ö', ['/topic #öffentlich ']],
  ['/msg #of', ['/msg #offtopic ']],
  ['/msg o', ['/msg o']],
  ['see #Op', ['see #ops ']],
  ['/join #ops x', ['/join #ops x']],
])('completes %j to %j', (text, expected) => {
  expect(completions(text)).toEqual(expected)
})
