/** Replies, edits, deletions, reactions and actions in the open thread. */
import { beforeEach, expect, test } from 'vitest'
import { eventRows } from '../../../../../cli/chat/views/inline.ts'
import { rowText } from '../../../../../cli/chat/views/row.ts'
import type { Progress } from '../../../../../src/client/events.ts'
import { type ChangeContent, type Content, formatContent } from '../../../../../src/protocol/message-kinds.ts'
import { ChatDriver } from '../chat-driver.ts'

let chat: ChatDriver
beforeEach(() => {
  chat = new ChatDriver()
  chat.resize(80, 14)
  chat.online()
  chat.roster(['Anna', 'Billy'])
  chat.type('/query Billy\r')
})

const target = (id: string, from = 'Billy') => ({ id, from, quote: 'x' })
/** A message of this kind from Billy to Anna, or from Anna to Billy. */
const tell = (from: string, content: Content, more: { id?: string; origin?: 'live' | 'composed' | 'history' } = {}) =>
  chat.message(from, from === 'Anna' ? 'Billy' : 'Anna', formatContent(content, from), more)
const edit = (id: string, text: string, from = 'Billy'): ChangeContent => ({
  kind: 'edit',
  target: target(id, from),
  text,
})
const react = (id: string, emoji: string, from = 'Billy', isRemoved?: true): ChangeContent => ({
  kind: 'react',
  target: target(id, from),
  emoji,
  ...(isRemoved === undefined ? {} : { isRemoved }),
})
const deletion = (id: string, from = 'Billy'): ChangeContent => ({ kind: 'delete', target: target(id, from) })
const entries = (thread = 'Billy') =>
  chat.model.threads.get(thread)?.entries.map(({ text, isEdited, isDeleted }) => [text, isEdited ?? isDeleted ?? false])
/** The rows of the messages, without time and sidebar. */
const rows = () =>
  chat
    .screen()
    .split('\n')
    .slice(3, -3)
    .map(row => row.slice(31).trimEnd())
    .filter(row => row !== '' && !row.includes('──'))

test('an edit by the author changes the text and is marked; others are ignored', () => {
  chat.message('Billy', 'Anna', 'first', { id: 'm' })
  tell('Billy', edit('m', 'second'))
  expect(rows()).toEqual(['Billy  second (edited)'])
  tell('Anna', edit('m', 'forged'))
  expect(rows()).toEqual(['Billy  second (edited)'])
})

test('the last edit wins, and a deletion leaves a dim line, in any order of arrival', () => {
  const edits = ['one', 'two', 'three'].map((text, n) => ({
    id: `e${n}`,
    at: 1e12 + n,
    from: 'Billy',
    to: 'Anna',
    text: formatContent(edit('m', text), 'Billy'),
  }))
  const original = { id: 'm', at: 1e12 - 1, from: 'Billy', to: 'Anna', text: 'first' }
  const orders = [
    [original, ...edits],
    [...edits.toReversed(), original],
    [...edits.slice(0, 1), original, ...edits.slice(1).toReversed()],
  ]
  for (const order of orders) {
    chat.model.threads.get('Billy')?.clear()
    for (const message of order) chat.tell({ type: 'message', message, origin: 'history' })
    expect(entries()).toEqual([['three', true]])
  }
  tell('Billy', deletion('m'))
  tell('Billy', edit('m', 'four'))
  expect(entries()).toEqual([['', true]])
  expect(rows().at(-1)).toBe('Billy  message deleted')
})

test('a change whose target is not loaded is shown as a separate line until the target comes', () => {
  tell('Billy', edit('m', 'second'))
  expect(rows()).toEqual(['Billy  (edited) second'])
  chat.message('Billy', 'Anna', 'first', { id: 'm', origin: 'history' })
  expect(entries()).toEqual([['second', true]])
})

test('a deletion of an unknown message is not shown, and opens no thread', () => {
  tell('Billy', deletion('m'))
  expect(entries()).toEqual([])
  chat.message('Billy', 'Anna', 'first', { id: 'm', origin: 'history' })
  expect(entries()).toEqual([['', true]])
  chat.message('Carla', 'Anna', formatContent(deletion('n', 'Carla'), 'Carla'))
  expect(chat.model.threads.has('Carla')).toBe(false)
  const message = { id: 'd', at: 1e12, from: 'Billy', to: 'Anna', text: formatContent(deletion('x'), 'Billy') }
  expect(eventRows(chat.model, { type: 'message', message, origin: 'live' })).toEqual([])
})

test('a change that waits has the mark of a waiting message until it is delivered', () => {
  chat.message('Anna', 'Billy', 'first', { id: 'm', origin: 'composed' })
  const tellProgress = (id: string, progress: Progress) => chat.tell({ type: 'progress', id, to: 'Billy', progress })
  tellProgress('m', { state: 'delivered', connections: 1 })
  tell('Anna', edit('m', 'second', 'Anna'), { id: 'e', origin: 'composed' })
  tellProgress('e', { state: 'waiting', reason: 'recipient-offline' })
  expect(chat.screen()).toMatch(/… +Anna +second \(edited\)/)
  chat.type('\u001bi')
  expect(chat.screen()).toMatch(/Change +waiting: the recipient is offline/)
  chat.type('\u0007')
  tellProgress('e', { state: 'delivered', connections: 1 })
  expect(chat.screen()).toMatch(/✓ +Anna +second \(edited\)/)
  chat.message('Billy', 'Anna', 'hi', { id: 'b' })
  tell('Anna', react('b', '👍'), { id: 'r', origin: 'composed' })
  tellProgress('r', { state: 'sent' })
  expect(chat.screen()).toMatch(/→ +Billy +hi/)
})

test('reactions are below the message, by emoji and user; a reaction that is taken back is gone', () => {
  chat.message('Billy', 'Anna', 'done', { id: 'm' })
  tell('Anna', react('m', '👍'), { origin: 'composed' })
  tell('Billy', react('m', '👍'))
  tell('Billy', react('m', '🎉'))
  expect(rows()).toEqual(['Billy  done', '       👍 2 Anna, Billy  🎉 1 Billy'])
  tell('Billy', react('m', '👍', 'Billy', true))
  expect(rows()).toEqual(['Billy  done', '       👍 1 Anna  🎉 1 Billy'])
  tell('Billy', deletion('m'))
  expect(rows()).toEqual(['Billy  message deleted'])
})

test('the first row of a reply has what it answers: the current text of the message, or the quote if it is not loaded', () => {
  const reply: Content = { kind: 'text', text: 'me', reply: { ...target('m', 'Anna'), quote: 'who?' } }
  tell('Billy', reply)
  expect(rows()).toEqual(['Billy  │ Anna: who?', '       me'])
  chat.message('Anna', 'Billy', 'who then?', { id: 'm', origin: 'history' })
  expect(rows()).toContain('Billy  │ Anna: who then?')
  tell('Anna', deletion('m', 'Anna'), { origin: 'composed' })
  expect(rows()).toContain('Billy  │ Anna: message deleted')
})

test('a reply has its own name and time, below other messages of its sender, and a quote that is not bold', () => {
  tell('Billy', { kind: 'text', text: 'one' })
  tell('Billy', { kind: 'text', text: 'two', reply: { ...target('m', 'Anna'), quote: 'who?' } })
  tell('Billy', { kind: 'text', text: '```\ncode\n```', reply: { ...target('m', 'Anna'), quote: 'how?' } })
  expect(rows()).toEqual(['Billy  one', 'Billy  │ Anna: who?', '       two', 'Billy  │ Anna: how?'])
  expect(chat.screen()).toMatch(/│ Anna: how\?\n(?:.*│ )?code\n/)
})

test('a deleted reply has no quote', () => {
  tell('Billy', { kind: 'text', text: 'two', reply: { ...target('m', 'Anna'), quote: 'who?' } }, { id: 'r' })
  tell('Billy', deletion('r'))
  expect(rows()).toEqual(['Billy  message deleted'])
})

test('a reply to someone whose name looks like another one is marked', () => {
  chat.roster(['Anna', 'Bi11y', 'Billy'], ['Bi11y', 'Billy'])
  tell('Billy', { kind: 'text', text: 'me', reply: { id: 'm', from: 'Bi11y', quote: 'who?' } })
  expect(chat.screen()).toContain('│ Bi11y ≈: who?')
})

test('a name that looks like another one is marked in reactions, also when the other one comes later', () => {
  chat.room('#ops', ['Z0e'])
  chat.type('/query #ops\r')
  chat.message('Anna', '#ops', 'done', { id: 'm' })
  chat.message('Z0e', '#ops', formatContent(react('m', '👍', 'Anna'), 'Z0e'))
  expect(chat.screen()).toMatch(/👍 1 Z0e(?! ≈)/)
  chat.roster(['Anna', 'Billy', 'Zoe'], ['Zoe'])
  expect(chat.screen()).toContain('👍 1 Z0e ≈')
})

test('Alt+I lists who reacted with what, also to a selected message of others', () => {
  chat.message('Billy', 'Anna', 'done', { id: 'm' })
  tell('Anna', react('m', '👍'), { origin: 'composed' })
  tell('Billy', react('m', '👍'))
  tell('Billy', react('m', '🎉'))
  chat.type('\u001bi')
  expect(chat.notice).toBe('no message of yours here')
  chat.resize(64, 16)
  chat.type('\u001bk\u001bi')
  expect(chat.screen()).toMatch(
    /Message\n {2}From +Billy\n {2}To +Anna\n[\s\S]*Reactions\n {2}👍 2 +Anna, Billy\n {2}🎉 1 +Billy\n/,
  )
  expect(chat.screen()).not.toContain('State')
  chat.type('\u0007\u0007')
  const id = chat.compose('Billy', 'mine')
  tell('Billy', { kind: 'react', target: target(id, 'Anna'), emoji: '🙏' } as Content)
  chat.type('\u001bi')
  expect(chat.screen()).toMatch(/State[\s\S]*Reactions\n {2}🙏 1 +Billy\n/)
})

test('/me shows what the user does', () => {
  chat.message('Billy', 'Anna', '/me waves\nand bows')
  expect(rows()).toEqual(['    *  Billy waves', '       and bows'])
})

test('edits and reactions are neither unread nor do they ring, and a mention in an edit does not ring again', () => {
  chat.room('#ops', ['Billy'])
  const say = (text: string, id?: string) => chat.message('Billy', '#ops', text, id === undefined ? {} : { id })
  expect(say('hello', 'm')).toEqual([{ type: 'bell', thread: '#ops' }])
  expect(say(formatContent(edit('m', 'hello @Anna'), 'Billy'))).toEqual([])
  expect(say(formatContent(react('m', '👍'), 'Billy'))).toEqual([])
  expect(say(formatContent(edit('unknown', '@Anna'), 'Billy'))).toEqual([])
  const room = chat.model.threads.get('#ops')
  expect([room?.unreadCount, room?.mentionCount]).toEqual([1, 0])
  room?.reading.markRead(0)
  expect([room?.unreadCount, room?.mentionCount]).toEqual([1, 0])
})

test('a reply in a room to a message of this user counts as a mention, and its marker does not', () => {
  chat.room('#ops', ['Billy'])
  const reply = (from: string): Content => ({
    kind: 'text',
    text: 'yes',
    reply: { ...target('m', from), quote: 'Anna?' },
  })
  for (const from of ['Anna', 'Carla']) chat.message('Billy', '#ops', formatContent(reply(from), 'Billy'))
  expect(chat.model.threads.get('#ops')?.mentionCount).toBe(1)
})

test('an operator of the room deletes messages of others, also if the operators are told later', () => {
  chat.room('#ops', ['Billy', 'Carla'])
  chat.message('Billy', '#ops', 'spam', { id: 'm' })
  chat.message('Carla', '#ops', formatContent(deletion('m'), 'Carla'))
  expect(entries('#ops')).toEqual([['spam', false]])
  chat.room('#ops', ['Billy', 'Carla'], { info: { operators: ['Carla'] } })
  expect(entries('#ops')).toEqual([['', true]])
  chat.room('#ops', ['Billy', 'Carla'])
  expect(entries('#ops')).toEqual([['spam', false]])
})

test('a change that is rejected is taken back, and the reason is shown', () => {
  chat.compose('Billy', 'first')
  tell('Anna', edit('1', 'much too long', 'Anna'), { id: 'e', origin: 'composed' })
  expect(entries()).toEqual([['much too long', true]])
  const progress = { state: 'refused', code: 'text-too-long', message: 'too long' } as const
  chat.tell({ type: 'progress', id: 'e', to: 'Billy', progress })
  expect([entries(), chat.notice]).toEqual([[['first', false]], 'too long'])
})

test('control characters of a change are not drawn', () => {
  chat.message('Billy', 'Anna', 'x', { id: 'm' })
  tell('Billy', edit('m', 'a\u001b[2Jb'))
  tell('Billy', react('m', '\u001b[2J'))
  tell('Billy', { kind: 'text', text: 'r', reply: { ...target('n'), quote: '\u202eq' } })
  expect(chat.screen()).not.toMatch(/[\u001b\u202e]/)
})

test('a narrow screen has a row for each line', () => {
  chat.resize(18, 12)
  chat.message('Billy', 'Anna', 'a text of many words', { id: 'm' })
  tell('Billy', edit('m', 'another text of many words'))
  for (const emoji of ['1', '2', '3', '4', '5', '6']) tell('Billy', react('m', emoji))
  tell('Billy', { kind: 'text', text: 'reply', reply: { ...target('m'), quote: 'a text' } })
  expect(chat.screen().split('\n')).toHaveLength(13)
})

test('inline, a change is a line, since what was printed stays', () => {
  chat.message('Billy', 'Anna', 'done', { id: 'm' })
  const print = (text: string) => {
    const message = { id: text, at: 1e12, from: 'Billy', to: 'Anna', text }
    const event = { type: 'message', message, origin: 'live' } as const
    chat.tell(event)
    return eventRows(chat.model, event).map(row => rowText(row).slice(6))
  }
  expect(print(formatContent(react('m', '👍'), 'Billy'))).toEqual(['Billy: 👍 to "x"'])
  expect(print(formatContent(edit('m', 'all done'), 'Billy'))).toEqual(['Billy: (edited) all done'])
  const reply: Content = { kind: 'text', text: '/me smiles', reply: target('m') }
  expect(print(formatContent(reply, 'Billy'))).toEqual(['*  │ Billy: all done', 'Billy smiles'])
})
