/** A thread on the screen whose messages are read from the history page by page. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { addStoredThreads, loadPage, searchThread } from '../../../../cli/chat/history-pages.ts'
import { handleKey } from '../../../../cli/chat/model/handle-key.ts'
import { Model } from '../../../../cli/chat/model/model.ts'
import { update } from '../../../../cli/chat/model/update.ts'
import { renderScreen } from '../../../../cli/chat/views/render.ts'
import { rowText } from '../../../../cli/chat/views/row.ts'
import { History } from '../../../../cli/history/history.ts'
import { KeyDecoder } from '../../../../cli/terminal/key-decoder.ts'
import type { Message } from '../../../../src/protocol/messages.ts'
import { stateFolderPerTest } from '../state-folder.ts'

const DAY = new Date(2026, 10, 24, 10, 0).getTime()
const file = stateFolderPerTest()

function message(n: number, more: Partial<Message> = {}): Message {
  return { id: `id-${n}`, at: DAY + n * 1_000, from: 'Billy', to: 'Anna', text: `message ${n}`, ...more }
}

/** Writes a history file with this many messages. */
function write(count: number, more: (n: number) => Partial<Message> = () => ({})): void {
  mkdirSync(dirname(file('history.jsonl')), { recursive: true })
  const lines = Array.from({ length: count }, (_, n) => JSON.stringify({ message: message(n, more(n)) }))
  writeFileSync(file('history.jsonl'), `${lines.join('\n')}\n`)
}

/** Opens the thread with Billy, with this many messages on disk. */
function openThread(count: number, more: (n: number) => Partial<Message> = () => ({})) {
  write(count, more)
  return openStored()
}

/** Opens the thread with Billy, with the messages that are on disk. */
function openStored() {
  const history = new History(dirname(file('history.jsonl')), 'Anna')
  const model = new Model('Anna')
  Object.assign(model, { columns: 50, rows: 10 })
  addStoredThreads(model, history)
  model.openThread('Billy')
  const perform = (requests: ReturnType<typeof handleKey>) => {
    for (const request of requests) {
      if (request.type === 'page') loadPage(model, history, request.part)
      if (request.type === 'search' && model.current !== undefined) {
        for (const _ of searchThread(model, model.current, history, request.text, request.older));
      }
    }
  }
  const type = (text: string) => {
    for (const key of new KeyDecoder().feed(text)) perform(handleKey(model, key))
  }
  perform([{ type: 'page', part: 'latest' }])
  const send = (text: string) => {
    const composed = message(5_001, { id: text, from: 'Anna', to: 'Billy', text })
    history.store(composed)
    perform(update(model, { type: 'message', message: composed, origin: 'composed' }, DAY))
  }
  const screen = () => renderScreen(model, DAY).rows.map(rowText).join('\n')
  return { model, type, send, screen, perform, history }
}

test('a long thread shows its end, pages to its beginning and back, and keeps a limited number of entries in memory', () => {
  const { model, type, send, screen } = openThread(5_000)
  expect(screen()).toContain('message 4999')
  const seen = new Set<string>()
  for (let n = 0; n < 1_500; n++) {
    for (const [text] of screen().matchAll(/message \d+/g)) seen.add(text)
    type('\u001b[5~')
  }
  expect(seen.size).toBe(5_000)
  expect(screen()).toContain('message 0\n')
  expect(model.current?.entries.length).toBeLessThanOrEqual(2_000)
  for (let n = 0; n < 1_500; n++) type('\u001b[6~')
  expect(screen()).toMatch(/message 4999\n(?!↓)/)
  type('\u001b[1;3H')
  expect(screen()).toContain('message 0\n')
  type('\u001b[1;3F')
  expect(screen()).toContain('message 4999\n')
  type('\u001b[1;3H')
  send('written from long ago')
  expect(screen()).toMatch(/message 4999\n.*written from long ago/)
  type('/close\r/query Billy\r')
  expect(screen()).toContain('written from long ago')
})

test('a thread that is not open keeps few entries in memory, and has the others again when it is read', () => {
  const { model, type, screen, history } = openThread(1)
  const thread = model.ensureThread('Carla')
  for (let n = 1; n <= 3_000; n++) {
    const live = message(n, { from: 'Carla' })
    history.store(live)
    update(model, { type: 'message', message: live, origin: 'live' }, DAY)
    expect(thread.entries.length).toBeLessThan(700)
  }
  expect(thread.unreadCount).toBe(3_000)
  type('/query Carla\r')
  expect(screen()).toContain('message 3000')
  type('\u001b[1;3H')
  for (let n = 0; n < 1_000; n++) type('\u001b[6~')
  expect(thread.entries.length).toBeGreaterThan(1_000)
  expect(screen()).toContain('message 3000')
  type('/query Billy\r')
  expect(thread.entries.length).toBeLessThan(700)
})

test('^S searches while the user types, again for older matches, and highlights the match', () => {
  const { model, type, screen } = openThread(5_000, n => (n % 2_000 === 3 ? { text: `the Needle of ${n}` } : {}))
  type('\u0013nee')
  expect(screen()).toContain('the Needle of 4003')
  const marked = renderScreen(model, DAY)
    .rows.flat()
    .filter(segment => segment.inverse && segment.text === 'Nee')
  expect(marked).toHaveLength(1)
  type('\u0013')
  expect(screen()).toContain('the Needle of 2003')
  type('\u0013\u0013')
  expect(screen()).toContain('no older match; Ctrl+S')
  type('\u001b[A')
  expect(screen()).toContain('the Needle of 3')
  type('\u0007')
  expect(screen()).toContain('message 4999')
  type('/search needle of 2003\r')
  expect(screen()).toContain('the Needle of 2003')
  type('\r')
  expect(model.search).toBeUndefined()
  expect(screen()).toContain('the Needle of 2003')
})

test('messages that no server has accepted are at the end of the thread, and move when they are dated again', () => {
  write(300)
  const history = new History(dirname(file('history.jsonl')), 'Anna')
  expect(history.held).toEqual([])
  const waiting = message(9_000, { id: 'waiting', from: 'Anna', to: 'Billy' })
  const stored = message(299, { id: 'id-299' })
  history.hold(waiting)
  history.hold({ ...stored, to: 'Billy' })
  const page = history.page('Billy', 200)
  expect(page).toHaveLength(200)
  expect(page.slice(-2).map(({ id }) => id)).toEqual(['id-299', 'waiting'])
  expect(history.page('Billy', 200, { before: waiting }).at(-1)?.id).toBe('id-299')
  expect(history.page('Billy', 200, { after: stored }).map(({ id }) => id)).toEqual(['waiting'])

  const model = new Model('Anna')
  model.openThread('Billy')
  for (const one of [message(1), waiting, message(2)])
    update(model, { type: 'message', message: one, origin: one === waiting ? 'composed' : 'live' }, DAY)
  update(model, { type: 'redated', message: { ...waiting, at: message(1).at + 500 } }, DAY)
  expect(model.current?.entries.map(({ id }) => id)).toEqual(['id-1', 'waiting', 'id-2'])
  expect(model.current?.lastAt).toBe(message(2).at)
})

test('✓ and rejected messages are shown after a restart and when scrolling back, and each once', () => {
  const first = new History(dirname(file('history.jsonl')), 'Anna')
  const own = (n: number, text: string) => message(n, { from: 'Anna', to: 'Billy', text })
  first.store(own(-3, 'said'))
  first.storeReceipt('id--3', own(-3, '').at, { delivered: 2 })
  first.storeRejected({ ...own(-2, 'too much'), rejection: { code: 'text-too-long', message: 'too long' } })
  first.close()
  for (let n = 0; n < 300; n++) first.store(message(n))
  first.store(own(300, 'the last one'))
  first.storeReceipt('id-300', own(300, '').at, { delivered: 1 })
  first.storeRejected({ ...own(301, 'refused'), rejection: { code: 'bad-name', message: 'not a name' } })
  first.close()

  const { model, type, screen, perform, history } = openStored()
  expect(screen()).toMatch(/✓ {2}Anna +the last one\n.*✗ {2} +refused\n +not sent: not a name/)
  type('\u001b[1;3H')
  expect(screen()).toMatch(/✓2 Anna +said\n.*✗ {2} +too much\n +not sent: too long/)
  expect(model.current?.entries.filter(({ id }) => id === 'id--2')).toHaveLength(1)
  type('\u001b[1;3F')

  // More confirmations of a message that another client of the user composed.
  perform(
    update(
      model,
      { type: 'progress', id: 'id-300', to: 'Billy', progress: { state: 'delivered', connections: 3 } },
      DAY,
    ),
  )
  expect(screen()).toMatch(/✓3 Anna +the last one/)
  // A message that is rejected in this run is on the screen and on disk.
  const live = own(302, 'live')
  const progress = { state: 'refused', code: 'bad-name', message: 'not a name' } as const
  perform(update(model, { type: 'message', message: live, origin: 'composed' }, DAY))
  perform(update(model, { type: 'progress', id: live.id, to: 'Billy', progress }, DAY))
  history.storeRejected({ ...live, rejection: { code: 'bad-name', message: 'not a name' } })
  type('\u001b[1;3H')
  type('\u001b[1;3F')
  expect(screen().match(/✗ {2} +live/g)).toHaveLength(1)
  history.close()
})

test('a thread that has only rejected messages is in the list after a restart', () => {
  const first = new History(dirname(file('history.jsonl')), 'Anna')
  const refused = message(1, { from: 'Anna', to: 'Billy', text: 'refused' })
  first.storeRejected({ ...refused, rejection: { code: 'bad-name', message: 'not a name' } })
  first.close()
  const { model, screen, history } = openStored()
  expect(model.threads.get('Billy')?.lastAt).toBe(refused.at)
  expect(screen()).toMatch(/✗ {2}Anna +refused/)
  history.close()
})

test('an edit far after its message is shown when the page of the message is loaded', () => {
  const edit = (n: number, of: number, text: string) => ({ id: `id-${n}`, text: `(edited) ${text}\n⟦edit id-${of}⟧` })
  const { model, type } = openThread(1_000, n =>
    n === 998 ? edit(n, 3, 'new text') : n === 999 ? { text: 'last' } : {},
  )
  expect(model.current?.entries.at(-1)?.text).toBe('last')
  expect(model.current?.entries).toHaveLength(200)
  type('\u001b[1;3H')
  const found = model.current?.entryById('id-3')
  expect([found?.text, found?.isEdited]).toEqual(['new text', true])
})

test('a reply to a deleted message that is not loaded does not quote it', () => {
  const texts: Record<number, string> = {
    997: '> secret\n⟦reply id-3⟧',
    998: '> secret\nyes\n⟦reply id-3⟧',
    999: '(deleted a message)\n⟦delete id-3⟧',
  }
  const { screen } = openThread(1_000, n => (texts[n] === undefined ? {} : { text: texts[n] }))
  expect(screen()).toContain('│ Billy: message deleted')
  expect(screen().match(/secret/g)).toHaveLength(1)
})

test('the search finds the new text of an edited message, and nothing of a deleted one', () => {
  const changes: Record<number, Partial<Message>> = {
    990: { text: '(edited) a carrot\n⟦edit id-5⟧' },
    991: { text: '(edited) a carrot\n⟦edit id-7⟧' },
    992: { text: '(deleted a message)\n⟦delete id-7⟧' },
  }
  const { model, type } = openThread(1_000, n => changes[n] ?? {})
  type('\u0013carrot')
  expect([model.search?.state, model.current?.searchMatch?.id]).toEqual(['found', 'id-5'])
  type('\u0013')
  expect(model.search?.state).toBe('oldest')
})

test('the search finds messages that wait, which the history does not have', () => {
  const { model, type } = openThread(3)
  const waiting = message(10, { id: 'waiting', from: 'Anna', to: 'Billy', text: 'message that waits' })
  update(model, { type: 'message', message: waiting, origin: 'composed' }, DAY)
  const offline = { state: 'waiting', reason: 'offline' } as const
  update(model, { type: 'progress', id: 'waiting', to: 'Billy', progress: offline }, DAY)
  type('\u0013message')
  expect(model.current?.searchMatch?.id).toBe('waiting')
  type('\u0013')
  expect(model.current?.searchMatch?.id).toBe('id-2')
})
