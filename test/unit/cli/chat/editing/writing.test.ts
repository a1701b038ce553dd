/** Taking messages back, warnings before something is sent or lost, and drafts. */
import { beforeEach, describe, expect, test } from 'vitest'
import { collectDrafts, restoreDrafts } from '../../../../../cli/chat/model/editing/drafts.ts'
import type { Progress } from '../../../../../src/client/events.ts'
import { type Content, formatContent } from '../../../../../src/protocol/message-kinds.ts'
import { ChatDriver, ctrl, DAY, KEYS } from '../chat-driver.ts'

const ALT_C = '\u001bc'
let chat: ChatDriver
let count = 0

beforeEach(() => {
  chat = new ChatDriver()
  chat.online()
  chat.roster(['Anna', 'Billy', 'Carla'])
  chat.model.openThread('Billy')
  count = 0
})

/** A message of Anna that waits. Returns its id. */
function wait(to: string, text = 'hello'): string {
  const id = `own ${++count}`
  chat.tell({ type: 'message', message: { id, at: DAY + count, from: 'Anna', to, text }, origin: 'composed' })
  progress(id, to, { state: 'waiting', reason: 'offline' })
  return id
}
const progress = (id: string, to: string, state: Progress) => chat.tell({ type: 'progress', id, to, progress: state })
const cancelled = (id: string, to: string, text = 'hello', isDeleted?: true) =>
  chat.tell({
    type: 'cancelled',
    message: { id, at: DAY, from: 'Anna', to, text },
    ...(isDeleted === undefined ? {} : { isDeleted }),
  })

describe('taking messages back', () => {
  test('/cancel takes the last message of the thread that waits', () => {
    wait('Billy')
    const last = wait('Billy')
    wait('Carla')
    progress(wait('Billy'), 'Billy', { state: 'delivered', connections: 1 })
    expect(chat.type('/cancel\r')).toEqual([{ type: 'cancel', id: last }])
  })

  test('/cancel all takes all messages of the thread that wait', () => {
    const ids = [wait('Billy'), wait('Billy')]
    wait('Carla')
    expect(chat.type('/cancel all\r')).toEqual(ids.map(id => ({ type: 'cancel', id })))
  })

  test('the text comes back into the empty input line, and the message is gone', () => {
    const id = wait('Billy', '/etc is a folder')
    cancelled(id, 'Billy', '/etc is a folder')
    expect(chat.input).toBe('//etc is a folder')
    expect(chat.model.current?.entries).toEqual([])
    expect(chat.notice).toBe('cancelled; the text is in the input line')
    expect(chat.model.waiting.count).toBe(0)
  })

  test('the texts of several messages come back together', () => {
    const ids = [wait('Billy', 'one'), wait('Billy', 'two')]
    cancelled(ids[0] ?? '', 'Billy', 'one')
    cancelled(ids[1] ?? '', 'Billy', 'two')
    expect(chat.input).toBe('one\ntwo')
  })

  test('a draft stays', () => {
    const id = wait('Billy')
    chat.type('a draft')
    cancelled(id, 'Billy')
    expect([chat.input, chat.notice]).toEqual(['a draft', 'cancelled'])
  })

  test('a message that a server may have accepted stays as a deleted one', () => {
    const id = wait('Billy')
    const deletion: Content = { kind: 'delete', target: { id, from: 'Anna' } }
    chat.message('Anna', 'Billy', formatContent(deletion, 'Anna'), { id: 'd', origin: 'composed' })
    const waiting = { state: 'waiting', reason: 'recipient-offline' } as const
    chat.tell({ type: 'progress', id: 'd', to: 'Billy', progress: waiting, kind: 'delete' })
    cancelled(id, 'Billy', 'hello', true)
    expect([chat.input, chat.notice]).toEqual([
      'hello',
      'cancelled, and deleted for everyone who may have it; the text is in the input line',
    ])
    expect(chat.model.current?.entries).toMatchObject([{ isDeleted: true }])
    expect(chat.model.current?.entries[0]?.progress).toBeUndefined()
    expect(chat.screen()).toMatch(/10:00 {4}Anna +message deleted/)
    // Nobody takes the deletion back, or is warned because it waits.
    expect(chat.type(`${ctrl('u')}/cancel\r`)).toEqual([])
    expect(chat.type(`/quit\r`)).toEqual([{ type: 'quit' }])
  })

  test('a reply comes back as a reply, and an action as a command', () => {
    const reply = { id: 'b1', from: 'Billy', quote: 'Lunch?' }
    const text = formatContent({ kind: 'text', text: 'yes', reply }, 'Anna')
    cancelled(wait('Billy', text), 'Billy', text)
    expect(chat.type('\r')).toEqual([{ type: 'send', to: 'Billy', text: 'yes', reply }])
    cancelled(wait('Billy', '/me waves'), 'Billy', '/me waves')
    expect(chat.input).toBe('/me waves')
  })

  test('an edit that waits is taken back: the text is the earlier one', () => {
    chat.message('Anna', 'Billy', 'first', { id: 'm', origin: 'composed' })
    const text = formatContent({ kind: 'edit', target: { id: 'm', from: 'Anna' }, text: 'second' }, 'Anna')
    cancelled(wait('Billy', text), 'Billy', text)
    expect([chat.input, chat.notice]).toEqual(['', 'the edit is cancelled'])
    expect(chat.model.current?.entries).toMatchObject([{ currentText: 'first' }])
  })

  test.each(['/cancel\r', ALT_C])('%j takes the selected message, if it waits', keys => {
    const [first] = [wait('Billy'), wait('Billy')]
    chat.message('Billy', 'Anna', 'hi')
    chat.type('\u001bk')
    expect([chat.type(keys), chat.notice]).toEqual([[], 'this message does not wait'])
    chat.type('\u0007\u001bk\u001bk\u001bk')
    expect(chat.type(keys)).toEqual([{ type: 'cancel', id: first }])
  })

  test('the keys of a selected message that waits have the one that takes it back', () => {
    chat.resize(120, 11)
    wait('Billy')
    chat.type('\u001bk')
    expect(chat.screen()).toContain('+ react  Alt+C cancel  Esc leave')
    chat.message('Billy', 'Anna', 'hi')
    chat.type('\u001bl')
    expect(chat.screen()).not.toContain('Alt+C cancel')
  })

  test('d deletes a message that was delivered meanwhile like any other', () => {
    const id = wait('Billy')
    chat.type('\u001bkdd')
    expect(chat.tell({ type: 'not-cancelled', id, reason: 'not-waiting' })).toEqual([
      { type: 'change', to: 'Billy', change: { kind: 'delete', target: { id, from: 'Anna' } } },
    ])
    expect(chat.tell({ type: 'not-cancelled', id, reason: 'not-waiting' })).toEqual([])
  })

  test('d deletes a message that waits by taking it back, and its text does not come back', () => {
    const id = wait('Billy')
    expect(chat.type('\u001bkdd')).toEqual([{ type: 'cancel', id }])
    cancelled(id, 'Billy')
    expect([chat.input, chat.notice, chat.model.current?.entries]).toEqual(['', 'deleted', []])
  })

  test.each([
    ['may-be-delivered', 'not cancelled: it may be delivered already, and cannot be deleted'],
    ['not-waiting', 'not cancelled: the message does not wait any more'],
  ] as const)('a refusal says why: %s', (reason, notice) => {
    const id = wait('Billy')
    chat.tell({ type: 'not-cancelled', id, reason })
    expect(chat.notice).toBe(notice)
    expect(chat.model.current?.entries).toHaveLength(1)
  })

  test('Alt+C takes the last one, or the one that the details show', () => {
    const [first, last] = [wait('Billy'), wait('Billy')]
    expect(chat.type(ALT_C)).toEqual([{ type: 'cancel', id: last }])
    Object.assign(chat.model, { overlay: 'details', detailsId: first })
    expect(chat.type(ALT_C)).toEqual([{ type: 'cancel', id: first }])
    expect(chat.model.overlay).toBeUndefined()
  })

  test.each(['/cancel', '/cancel all', '/cancel x'])('%s without a message that waits is an error', line => {
    expect(chat.type(`${line}\r`)).toEqual([])
    expect(chat.model.notice?.tone).toBe('error')
  })
})

describe('a recipient who was never seen', () => {
  const QUESTION = 'never seen "Bily"; did you mean Billy? Enter sends anyway, Tab takes Billy'

  test('is asked about once, and Enter sends', () => {
    chat.model.openThread('Bily')
    expect(chat.type('hello\r')).toEqual([])
    expect([chat.notice, chat.input]).toEqual([QUESTION, 'hello'])
    expect(chat.type('\r')).toEqual([{ type: 'send', to: 'Bily', text: 'hello' }])
    expect(chat.type('again\r')).toEqual([{ type: 'send', to: 'Bily', text: 'again' }])
  })

  test('is asked about by /msg, and Tab takes the text to the similar name', () => {
    chat.type('/msg Bily hello\r')
    expect([chat.notice, chat.input, chat.thread]).toEqual([QUESTION, 'hello', 'Bily'])
    chat.type(KEYS.tab)
    expect([chat.notice, chat.input, chat.thread]).toEqual([undefined, 'hello', 'Billy'])
    expect(chat.model.threads.has('Bily')).toBe(false)
    expect(chat.type('\r')).toEqual([{ type: 'send', to: 'Billy', text: 'hello' }])
  })

  test('is asked about by /invite, and Tab changes the command', () => {
    chat.room('#ops', [])
    expect(chat.type('/invite Bily #ops\r')).toEqual([])
    expect([chat.notice, chat.input]).toEqual([QUESTION, '/invite Bily #ops'])
    chat.type(KEYS.tab)
    expect(chat.input).toBe('/invite Billy #ops')
    expect(chat.type('\r')).toContainEqual({ type: 'send', to: 'Billy', text: 'Join #ops: /join #ops' })
  })

  test('without a similar name is asked about, too', () => {
    chat.type('/msg Zoe hello\r')
    expect([chat.notice, chat.input]).toEqual(['never seen "Zoe"; Enter sends anyway', 'hello'])
  })

  describe('before it is known who is online', () => {
    const offlineState = { phase: 'waiting', reason: 'connection refused', retryAt: 0, attempt: 1 } as const

    test.each([
      ['Bily', 'never seen "Bily"; /cancel takes the message back. Did you mean Billy?'],
      ['Zoe', 'never seen "Zoe"; /cancel takes the message back.'],
      ['Billy', undefined],
    ])('is not asked about while the client connects: %s', (to, notice) => {
      chat = new ChatDriver()
      chat.model.ensureThread('Billy').markStored(DAY)
      expect(chat.type(`/msg ${to} hello\r`)).toContainEqual({ type: 'send', to, text: 'hello' })
      wait(to)
      expect(chat.notice).toBeUndefined()
      chat.online()
      chat.roster(['Anna', 'Billy'])
      expect(chat.notice).toBe(notice)
      chat.type('again\r')
      expect(chat.notice).toBeUndefined()
    })

    test.each([
      ['Bily', 'never seen "Bily"; a message waits in their thread. Did you mean Billy?'],
      ['Zoe', 'never seen "Zoe"; a message waits in their thread.'],
    ])('is asked about in their thread if another one is open: %s', (to, notice) => {
      chat = new ChatDriver()
      chat.model.ensureThread('Billy').markStored(DAY)
      chat.type(`/msg ${to} hello\r`)
      wait(to)
      chat.type('/query Carla\r')
      chat.online()
      chat.roster(['Anna', 'Billy', 'Carla'])
      expect(chat.notice).toBe(notice)
      expect(chat.model.current?.entries).toEqual([])
      chat.type(`/query ${to}\r`)
      const text = expect.stringMatching(/^never seen .* \/cancel takes the message back/)
      expect(chat.model.current?.entries).toContainEqual(expect.objectContaining({ kind: 'warning', text }))
    })

    test('without a server is asked about if the history has users', () => {
      chat = new ChatDriver()
      chat.tell({ type: 'connection', state: offlineState })
      expect(chat.type('/msg Zoe hello\r')).toContainEqual({ type: 'send', to: 'Zoe', text: 'hello' })
      chat.model.ensureThread('Billy').markStored(DAY)
      chat.tell({ type: 'connection', state: { phase: 'connecting', server: 'x', attempt: 2 } })
      expect([chat.type('/msg Bily hello\r'), chat.notice]).toEqual([[{ type: 'save' }], QUESTION])
      chat.type(`${ctrl('u')}/msg Carla hello\r`)
      expect(chat.notice).toBe('never seen "Carla"; Enter sends anyway')
    })
  })

  test.each([
    ['online', () => chat.roster(['Anna', 'Billy', 'Bily'])],
    ['in a room with the user', () => chat.room('#ops', ['Bily'])],
    ['in the history', () => chat.model.ensureThread('Bily').markStored(DAY)],
    [
      'the author of a message in a room',
      () => {
        chat.room('#ops', [])
        chat.message('Bily', '#ops', 'hello')
      },
    ],
  ])('is not asked about if %s', (_, see) => {
    see()
    expect(chat.type('/msg Bily hello\r')).toContainEqual({ type: 'send', to: 'Bily', text: 'hello' })
  })
})

describe('quitting', () => {
  test.each([
    ['/quit', '/quit\r', '/quit\r'],
    ['Ctrl+D', ctrl('d'), ctrl('d')],
    ['Ctrl+C twice', ctrl('c').repeat(2), ctrl('c')],
  ])('by %s says how many messages wait for each recipient, and quits the second time', (_, keys, again) => {
    chat.model.hasHistory = true
    wait('Billy')
    expect(chat.type(keys)).toEqual([])
    expect(chat.notice).toBe('quit again to leave; 1 message waits for Billy, sent when you are online the next time')
    expect(chat.type(again)).toEqual([{ type: 'quit' }])
  })

  test('warns that messages are lost if nothing is stored, and counts per recipient', () => {
    for (const to of ['Billy', 'Billy', 'Carla']) wait(to)
    chat.type('/quit\r')
    expect(chat.notice).toBe(
      'quit again to leave; 3 messages wait for Billy (2), Carla (1), lost if you quit: nothing is stored',
    )
  })

  test('with no message that waits is not asked about', () => {
    progress(wait('Billy'), 'Billy', { state: 'delivered', connections: 1 })
    progress(wait('Billy'), 'Billy', { state: 'refused', code: 'text-too-long', message: 'too long' })
    expect(chat.type('/quit\r')).toEqual([{ type: 'quit' }])
  })
})

describe('a text that is too long', () => {
  beforeEach(() => void chat.tell({ type: 'text-limit', bytes: 10 }))

  test('is shown while it is typed, is not sent, and stays', () => {
    chat.resize(80, 11)
    chat.type('0123456789')
    expect(chat.screen()).not.toContain('too long')
    chat.type('é')
    expect(chat.screen()).toContain('2 bytes too long')
    expect(chat.type('\r')).toEqual([])
    expect(chat.input).toBe('0123456789é')
    expect(chat.notice).toBe('the message is 2 bytes too long; shorten it, or send it in parts')
    chat.type('\u007f')
    expect(chat.screen()).not.toContain('too long')
    expect(chat.type('\r')).toEqual([{ type: 'send', to: 'Billy', text: '0123456789' }])
  })

  test('of /msg becomes the draft', () => {
    expect(chat.type('/msg Carla 0123456789a\r')).toEqual([{ type: 'save' }])
    expect([chat.thread, chat.input]).toEqual(['Carla', '0123456789a'])
  })
})

describe('Tab completes the arguments of commands', () => {
  test.each([
    ['/set the', '/set theme '],
    ['/set theme mo', '/set theme mono '],
    ['/set theme mono x', '/set theme mono x'],
    ['/set nothing ', '/set nothing '],
    ['/cancel a', '/cancel all '],
    ['/join ops d', '/join ops d'],
  ])('%j to %j', (text, completed) => {
    chat.type(`${text}${KEYS.tab}`)
    expect(chat.input).toBe(completed)
  })

  test('Tab goes through the values of a setting', () => {
    chat.type(`/set links ${KEYS.tab}${KEYS.tab}`)
    expect(chat.input).toBe('/set links on ')
  })
})

describe('Tab completes names with spaces as arguments', () => {
  beforeEach(() => chat.roster(['Anna', 'Anna Bell', 'Billy']))

  test.each([
    ['/msg Anna B', '/msg "Anna Bell" '],
    ['/query "Anna B', '/query "Anna Bell" '],
    ['/ignore bi', '/ignore Billy '],
    ['/msg Billy Bil', '/msg Billy Billy '],
    ['/msg "Anna Bell" Bil', '/msg "Anna Bell" Billy '],
    ['/clear An', '/clear Anna '],
    ['/help hi', '/help highlight '],
    ['/reply @bi', '/reply @Billy '],
    ['/react @Anna B', '/react @"Anna Bell" '],
    ['/react @"Anna B', '/react @"Anna Bell" '],
  ])('%j to %j', (text, completed) => {
    chat.type(`${text}${KEYS.tab}`)
    expect(chat.input).toBe(completed)
  })
})

describe('drafts', () => {
  const texts = (model = chat.model) =>
    Object.fromEntries([...collectDrafts(model)].map(([thread, { text }]) => [thread, text]))

  test('Up and Down go through the input history and back to the draft, and keep changed lines', () => {
    chat.type('one\rtwo\ra draft')
    chat.type(`${KEYS.up}${KEYS.up}`)
    expect(chat.input).toBe('one')
    expect(texts()).toEqual({ Billy: 'a draft' })
    chat.type('!')
    chat.type(KEYS.down)
    expect(chat.input).toBe('two')
    chat.type(KEYS.up)
    expect(chat.input).toBe('one!')
    chat.type(KEYS.down.repeat(2))
    expect(chat.input).toBe('a draft')
  })

  test('the draft comes back after an earlier line was sent', () => {
    chat.type(`one\ra draft${KEYS.up}`)
    expect(chat.type('\r')).toEqual([{ type: 'send', to: 'Billy', text: 'one' }])
    expect(chat.input).toBe('a draft')
  })

  test('the draft comes back after another thread was opened from the input history', () => {
    chat.type(`one\ra draft${KEYS.up}`)
    chat.model.openThread('Carla')
    expect(chat.input).toBe('')
    chat.model.openThread('Billy')
    expect(chat.input).toBe('a draft')
  })

  test('Ctrl+C clears the line, and Ctrl+Y or undo brings it back', () => {
    chat.type(`a draft${ctrl('c')}`)
    expect([chat.input, chat.notice]).toEqual(['', 'cleared; Ctrl+Y brings the text back'])
    chat.type(ctrl('y'))
    expect(chat.input).toBe('a draft')
    chat.type(ctrl('c'))
    chat.type('\u001f')
    expect(chat.input).toBe('a draft')
  })

  test('/close keeps the draft for when the thread is opened again', () => {
    chat.type(`/close\r`)
    chat.type(`/query Billy\r`)
    chat.type(`a draft${KEYS.up}${KEYS.up}`)
    expect(chat.input).toBe('/close')
    chat.type('\r')
    expect([chat.thread, chat.notice]).toEqual([undefined, 'the draft is kept; /query Billy shows it'])
    expect(texts()).toEqual({ Billy: 'a draft' })
    chat.type('/query Billy\r')
    expect(chat.input).toBe('a draft')
  })

  test('are collected from all threads, and restored into those without one', () => {
    chat.type('for Billy')
    chat.model.openThread('Carla')
    chat.type('for Carla')
    const saved = collectDrafts(chat.model)
    const next = new ChatDriver()
    next.model.openThread('Carla')
    next.type('newer')
    restoreDrafts(next.model, new Map([...saved, ['Zoe', { text: 'evil\u001b[2J' }]]))
    expect(texts(next.model)).toEqual({
      Billy: 'for Billy',
      Carla: 'newer',
      Zoe: 'evil[2J',
    })
  })

  test('keep the message that they reply to or edit, also through /close and a restart', () => {
    chat.message('Billy', 'Anna', 'Lunch?', { id: 'b1' })
    chat.type('\u001bkrnot yet')
    const reply = { id: 'b1', from: 'Billy', quote: 'Lunch?' }
    const restarted = () => {
      const next = new ChatDriver()
      next.model.openThread('Billy')
      restoreDrafts(next.model, collectDrafts(chat.model))
      return next
    }
    expect(restarted().screen()).toContain('reply to Billy: Lunch?')
    expect(restarted().type('\r')).toContainEqual({ type: 'send', to: 'Billy', text: 'not yet', reply })
    chat.model.closedDrafts.set('Billy', chat.model.current?.draft ?? { text: '' })
    chat.model.threads.delete('Billy')
    chat.model.current = undefined
    chat.model.openThread('Billy')
    expect(chat.type('\r')).toContainEqual({ type: 'send', to: 'Billy', text: 'not yet', reply })

    chat.message('Anna', 'Billy', 'me', { id: 'a1', origin: 'composed' })
    chat.type('a draft\u001bke!')
    const edit = { kind: 'edit', target: { id: 'a1', from: 'Anna', quote: 'me' }, text: 'me!' }
    const next = restarted()
    expect(next.type('\r')).toContainEqual({ type: 'change', to: 'Billy', change: edit })
    expect(next.input).toBe('a draft')
  })

  test('a line of the input history that is only shown is not a draft', () => {
    chat.type(`one\r${KEYS.up}`)
    expect(texts()).toEqual({})
  })
})
