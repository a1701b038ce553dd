/** A selected message: replying, editing, deleting and reacting, by keys and by commands. */
import { beforeEach, describe, expect, test } from 'vitest'
import { addEmojiNames } from '../../../../../cli/chat/model/editing/emoji-completion.ts'
import type { ScreenRequest } from '../../../../../cli/chat/model/model.ts'
import { react } from '../../../../../cli/chat/model/threads/message-selection.ts'
import { EMOJI_NAMES } from '../../../../../cli/common/emoji-names.ts'
import { type Content, formatContent } from '../../../../../src/protocol/message-kinds.ts'
import { ChatDriver, KEYS, paste } from '../chat-driver.ts'

const OLDER = '\u001bk'
const NEWER = '\u001bl'
const ESC = KEYS.dismiss

let chat: ChatDriver
beforeEach(() => {
  chat = new ChatDriver()
  chat.resize(100, 14)
  chat.online()
  chat.roster(['Anna', 'Billy'])
  chat.type('/query Billy\r')
  chat.message('Billy', 'Anna', 'Lunch now?', { id: 'b1' })
  chat.message('Anna', 'Billy', 'mee', { id: 'a1', origin: 'composed' })
  chat.message('Billy', 'Anna', 'When?', { id: 'b2' })
})

const say = (from: string, content: Content) =>
  chat.message(from, from === 'Anna' ? 'Billy' : 'Anna', formatContent(content, from))
const selected = () => chat.model.current?.selection?.id
const status = () => chat.screen().split('\n').at(-3) ?? ''
const requests = (typed: string) => chat.type(typed).filter(({ type }) => type === 'send' || type === 'change')
const change = (content: object): ScreenRequest[] => [{ type: 'change', to: 'Billy', change: content as never }]
const own = { id: 'a1', from: 'Anna', quote: 'mee' }
const theirs = { id: 'b2', from: 'Billy', quote: 'When?' }

describe('the selection', () => {
  test('moves over texts, not over changes, deleted messages and notes, and ends below the newest', () => {
    say('Billy', { kind: 'delete', target: { id: 'b1', from: 'Billy' } })
    say('Billy', { kind: 'edit', target: { id: 'unknown', from: 'Billy' }, text: 'x' })
    chat.roster(['Anna'], [], ['Billy'])
    const visited = [OLDER, OLDER, OLDER, KEYS.down, KEYS.up, NEWER, NEWER].map(key => {
      chat.type(key)
      return selected()
    })
    expect(visited).toEqual(['b2', 'a1', 'a1', 'b2', 'a1', 'b2', undefined])
    chat.type(NEWER)
    expect(chat.notice).toBe('no message is selected')
  })

  test('is shown, with what the keys do, and Esc ends it', () => {
    chat.type(OLDER)
    expect(status()).toContain('r reply  e edit  d delete  + react  Esc leave  │ Billy: When?')
    expect(chat.inverseText()).toMatch(/10:03 +Billy●/)
    chat.type(ESC)
    expect([selected(), chat.inverseText()]).toEqual([undefined, expect.not.stringContaining('10:03')])
  })

  test('ends when other text is typed or pasted, and when another thread is opened', () => {
    for (const [input, text] of [
      ['hello', 'hello'],
      [paste('r'), 'r'],
    ] as const) {
      chat.type(OLDER)
      chat.type(input)
      expect([selected(), chat.input]).toEqual([undefined, text])
      chat.type('\u0015')
    }
    chat.type(OLDER)
    chat.type('/query Carla\r/query Billy\r')
    expect(selected()).toBeUndefined()
  })

  test('scrolls to a message out of view, and asks for the page before the first one', () => {
    for (let n = 0; n < 30; n++) chat.message('Billy', 'Anna', `more ${n}`)
    for (let n = 0; n < 33; n++) chat.type(OLDER)
    expect(chat.screen()).toContain('Lunch now?')
    expect(chat.inverseText()).toMatch(/10:01 +Billy●/)
    if (chat.model.current !== undefined) chat.model.current.hasStart = false
    expect(chat.type(OLDER)).toContainEqual({ type: 'page', part: 'before' })
  })
})

describe('keys on a selected message', () => {
  test('r: the next text is a reply', () => {
    chat.type(`${OLDER}r`)
    expect(status()).toContain('Esc cancels  │ reply to Billy: When?')
    expect(requests('now\r')).toEqual([{ type: 'send', to: 'Billy', text: 'now', reply: theirs }])
    expect(requests('and later\r')).toEqual([{ type: 'send', to: 'Billy', text: 'and later' }])
  })

  test('Enter replies too, and Esc makes the draft an ordinary message again', () => {
    chat.type(`${OLDER}\rnow${ESC}`)
    expect(requests('\r')).toEqual([{ type: 'send', to: 'Billy', text: 'now' }])
  })

  test('a draft becomes the reply', () => {
    chat.type(`draft${OLDER}r`)
    expect(requests('\r')).toMatchObject([{ text: 'draft', reply: theirs }])
  })

  test('e: the text of an own message is edited in the input line; the draft comes back', () => {
    chat.type(`draft${OLDER}${OLDER}e`)
    expect([chat.input, status()]).toEqual(['mee', expect.stringContaining('Esc cancels  │ edit: mee')])
    expect(requests('\u007f\r')).toEqual(change({ kind: 'edit', target: own, text: 'me' }))
    expect(chat.input).toBe('draft')
  })

  test('e of the latest text of an edited message; Esc cancels, and an unchanged text sends nothing', () => {
    say('Anna', { kind: 'edit', target: own, text: '/me comes' })
    chat.type(`${OLDER}${OLDER}e`)
    expect(chat.input).toBe('/me comes')
    expect(requests('\r')).toEqual([])
    chat.type(`${OLDER}${OLDER}e!${ESC}`)
    expect(chat.input).toBe('')
    chat.type(`${OLDER}${OLDER}e\u0015`)
    expect([requests('\r'), chat.notice]).toEqual([[], 'the text is empty; /delete deletes the message'])
  })

  test('e: a text that starts with a slash is not a command while it is edited', () => {
    chat.message('Anna', 'Billy', '/quit', { id: 'a2', origin: 'composed' })
    const target = { id: 'a2', from: 'Anna', quote: '/quit' }
    expect(requests(`${OLDER}e!\r`)).toEqual(change({ kind: 'edit', target, text: '/quit!' }))
  })

  test('e and d of a message of someone else say why not', () => {
    chat.type(`${OLDER}e`)
    expect(chat.notice).toBe('the message is by Billy; you can edit only your own messages')
    chat.type('d')
    expect(chat.notice).toBe('the message is by Billy; you can delete only your own messages')
  })

  test.each(['d', '\r'])('d asks once; %j deletes', key => {
    chat.type(`${OLDER}${OLDER}d`)
    expect(status()).toContain('d to delete for everyone, any other key to cancel')
    expect(requests(key)).toEqual(change({ kind: 'delete', target: { id: 'a1', from: 'Anna' } }))
    expect(selected()).toBeUndefined()
  })

  test.each(['x', ESC, KEYS.up, paste('d')])('d asks once; %j does not delete', key => {
    chat.type(`${OLDER}${OLDER}d`)
    expect([requests(key), chat.notice, chat.input]).toEqual([[], 'not deleted', ''])
  })

  test('a command that is typed at the question before a deletion keeps its slash', () => {
    chat.type(`${OLDER}${OLDER}d`)
    expect(requests('/names')).toEqual([])
    expect([chat.notice, chat.input]).toEqual(['not deleted', '/names'])
  })

  test('the selected message is shown as a quote: an action as one, a block of code by its first line', () => {
    chat.message('Billy', 'Anna', '/me waves')
    chat.type(OLDER)
    expect(status()).toContain('│ * Billy waves')
    chat.type('r')
    expect(status()).toContain('reply to * Billy waves')
    chat.type(ESC)
    chat.message('Billy', 'Anna', '```ts\nlet x = 1\n```')
    chat.type(OLDER)
    expect(status()).toContain('│ Billy: let x = 1')
  })

  test('+ asks for an emoji: a digit picks one, or it is typed; the same again takes it back', () => {
    chat.type(`${OLDER}+`)
    expect(status()).toContain('react: 1 👍  2 🎉')
    const react = { kind: 'react', target: theirs, emoji: '👍' }
    expect(requests('1')).toEqual(change(react))
    say('Anna', { kind: 'react', target: theirs, emoji: '👍' })
    expect(requests(`${OLDER}+1`)).toEqual(change({ ...react, isRemoved: true }))
    expect(requests(`${OLDER}+🦊\r`)).toEqual(change({ ...react, emoji: '🦊' }))
    chat.type(`${OLDER}+two words\r`)
    expect(chat.notice).toBe('a reaction is an emoji, without spaces')
    chat.type(ESC)
    expect([chat.model.reactionPrompt, selected()]).toEqual([undefined, 'b2'])
  })

  test('a message that was rejected can be neither edited nor answered', () => {
    chat.message('Anna', 'Billy', 'bad', { id: 'a2', origin: 'composed' })
    const progress = { state: 'refused', code: 'bad-name', message: 'no' } as const
    chat.tell({ type: 'progress', id: 'a2', to: 'Billy', progress })
    for (const key of ['e', 'r', 'd', '+']) {
      chat.type(OLDER + key)
      expect(chat.notice).toBe('the message was rejected, so no one else has it')
      chat.type(ESC)
    }
  })
})

describe('commands', () => {
  test('/reply answers the selected message, else the user who wrote last', () => {
    chat.type(`${OLDER}${OLDER}`)
    expect(requests('/reply yes\r')).toEqual([{ type: 'send', to: 'Billy', text: 'yes', reply: own }])
    expect(selected()).toBeUndefined()
    expect(requests('/reply yes\r')).toEqual([{ type: 'send', to: 'Billy', text: 'yes' }])
  })

  test('/edit, /delete: the selected message, else the last own one', () => {
    expect(requests('/edit me\r')).toEqual(change({ kind: 'edit', target: own, text: 'me' }))
    chat.type('/edit\r')
    expect(chat.input).toBe('mee')
    chat.type(`${ESC}${OLDER}/edit x\r`)
    expect(chat.notice).toContain('the message is by Billy')
    chat.type('/delete\r')
    expect(selected()).toBe('a1')
    expect(requests('d')).toEqual(change({ kind: 'delete', target: { id: 'a1', from: 'Anna' } }))
  })

  test('/react: the selected message, else the last one of others', () => {
    expect(requests('/react 👍\r')).toEqual(change({ kind: 'react', target: theirs, emoji: '👍' }))
    chat.type(`${OLDER}${OLDER}`)
    expect(requests('/react 👍\r')).toEqual(change({ kind: 'react', target: own, emoji: '👍' }))
    chat.type('/react two words\r')
    expect(chat.notice).toBe('a reaction is an emoji, without spaces')
  })

  test('-N and @NAME choose a message, also while another one is selected', () => {
    chat.message('Anna', 'Billy', 'later', { id: 'a2', origin: 'composed' })
    const first = { id: 'b1', from: 'Billy', quote: 'Lunch now?' }
    chat.type(OLDER)
    expect(requests('/edit -2 me\r')).toEqual(change({ kind: 'edit', target: own, text: 'me' }))
    expect(requests('/react -2 👍\r')).toEqual(change({ kind: 'react', target: first, emoji: '👍' }))
    expect(requests('/react @Billy 👍\r')).toEqual(change({ kind: 'react', target: theirs, emoji: '👍' }))
    expect(requests('/reply -2 yes\r')).toEqual([{ type: 'send', to: 'Billy', text: 'yes', reply: first }])
    expect(requests('/reply @Billy yes\r')).toEqual([{ type: 'send', to: 'Billy', text: 'yes', reply: theirs }])
    chat.type('/edit -2\r')
    expect(chat.input).toBe('mee')
    chat.type(ESC)
    expect(requests('/delete -2\rd')).toEqual(change({ kind: 'delete', target: { id: 'a1', from: 'Anna' } }))
    for (const [command, notice] of [
      ['/edit -9 me', 'no such message here'],
      ['/delete -9', 'no such message here'],
      ['/react -9 👍', 'no such message here'],
      ['/reply -9 yes', 'no such message here'],
      ['/reply -2', 'usage: /reply [-N|@NAME] TEXT'],
      ['/delete mee', 'usage: /delete [-N]'],
    ] as const) {
      expect(requests(`${command}\r`)).toEqual([])
      expect(chat.notice).toBe(notice)
    }
  })

  test('/reply @NAME goes to the thread with NAME if they have not written in the open one', () => {
    chat.type('/query Carla\r')
    expect(requests('/reply @Billy yes\r')).toEqual([{ type: 'send', to: 'Billy', text: 'yes', reply: theirs }])
    expect(chat.thread).toBe('Billy')
  })

  test('/react and + take the short name of an emoji, and no plain word', () => {
    const reaction = { to: 'Billy', target: theirs, typed: ':tada:' }
    expect(chat.type('/react :tada:\r')).toContainEqual({ type: 'load-emoji', reaction })
    expect(react(chat.model, 'Billy', theirs, ':tada:')).toEqual([{ type: 'load-emoji', reaction }])
    addEmojiNames(chat.model, EMOJI_NAMES)
    const party = change({ kind: 'react', target: theirs, emoji: '🎉' })
    expect(react(chat.model, 'Billy', theirs, ':tada:')).toEqual(party)
    expect(requests('/react :tada:\r')).toEqual(party)
    expect(requests(`${OLDER}+:tada:\r`)).toEqual(party)
    for (const typed of ['/react ', `${OLDER}+`]) {
      expect(requests(`${typed}hello\r`)).toEqual([])
      expect(chat.notice).toBe('"hello" is not an emoji; use one such as 👍 or :thumbsup:')
      chat.type(ESC)
      expect(requests(`${typed}:tada\r`)).toEqual([])
      expect(chat.notice).toBe('":tada" is not an emoji; use one such as 👍 or :thumbsup:')
      chat.type(ESC)
      expect(requests(`${typed}:no_such_name:\r`)).toEqual([])
      expect(chat.notice).toBe('no emoji has the name :no_such_name:')
      chat.type(`${ESC}${ESC}`)
    }
    expect(requests('/react ℹ️\r')).toEqual(change({ kind: 'react', target: theirs, emoji: 'ℹ️' }))
  })

  test('/me sends an action; a text with two slashes is one as well', () => {
    expect(requests('/me waves\r')).toEqual([{ type: 'send', to: 'Billy', text: '/me waves' }])
    expect(requests(`${OLDER}r/me waves\r`)).toEqual([{ type: 'send', to: 'Billy', text: '/me waves', reply: theirs }])
  })

  test('say what is missing', () => {
    chat.type('/query Carla\r')
    for (const [command, notice] of [
      ['/edit x', 'no message of yours here'],
      ['/delete', 'no message of yours here'],
      ['/react 👍', 'no message to react to'],
      ['/me', 'usage: /me TEXT'],
    ] as const) {
      chat.type(`${command}\r`)
      expect(chat.notice).toBe(notice)
    }
    chat.model.current = undefined
    for (const command of ['/edit x', '/delete', '/react 👍', '/me waves', OLDER]) {
      chat.type(command === OLDER ? OLDER : `${command}\r`)
      expect(chat.notice).toBe('no thread is open')
    }
  })

  test('an operator of a room deletes the message of someone else', () => {
    chat.room('#ops', ['Billy'], { info: { operators: ['Anna'] } })
    chat.type('/query #ops\r')
    chat.message('Billy', '#ops', 'spam', { id: 's' })
    expect(requests(`${OLDER}dd`)).toEqual([
      { type: 'change', to: '#ops', change: { kind: 'delete', target: { id: 's', from: 'Billy' } } },
    ])
  })
})
