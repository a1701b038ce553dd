/** The line mode: what it prints for events, and what lines of input do. */
import { beforeEach, describe, expect, test } from 'vitest'
import { fingerprint } from '../../../../cli/keys/fingerprint.ts'
import { formatEvent } from '../../../../cli/modes/line-format.ts'
import { LineMode } from '../../../../cli/modes/line-mode.ts'
import type { SessionEvent, SessionRequest } from '../../../../src/client/events.ts'
import { ConfusableNames } from '../../../../src/common/confusables.ts'
import { SortedNames } from '../../../../src/common/sorted-names.ts'

const AT = new Date(2026, 10, 24, 9, 5).getTime()
const key = (letter: string) => Buffer.alloc(32, letter).toString('base64url')

function names(of: readonly string[]): SortedNames {
  const sorted = new SortedNames()
  sorted.reset(of)
  return sorted
}

const message = (from: string, to: string, text: string, origin: 'live' | 'history' = 'live'): SessionEvent => ({
  type: 'message',
  message: { id: 'id', at: AT, from, to, text },
  origin,
})
const progress = (state: Extract<SessionEvent, { type: 'progress' }>['progress']): SessionEvent => ({
  type: 'progress',
  id: 'id',
  to: 'Billy',
  progress: state,
})
const online: SessionEvent = { type: 'connection', state: { phase: 'online', server: 'server-2', url: 'http://x' } }
const keyEvent = (state: 'own' | 'new' | 'changed' | 'trusted'): SessionEvent => ({
  type: 'key',
  user: 'Billy',
  key: key('x'),
  state,
  own: key('a'),
  known: new Map([['Billy', key('b')]]),
})

describe('the line of an event', () => {
  test.each<[name: string, event: SessionEvent, line: string | undefined]>([
    ['a received message', message('Billy', 'Anna', 'Hi\nAnna'), '09:05 Billy: Hi\nAnna'],
    ['a sent message', message('Anna', 'Billy', 'Hi'), '09:05 to Billy: Hi'],
    ['control characters', message('Billy', 'Anna', 'a\u001b[2J'), '09:05 Billy: a\\u{1b}[2J'],
    ['a confusable name', message('Bi11y', 'Anna', 'Hi'), '09:05 Bi11y (looks like Billy): Hi'],
    ['online', online, '* online at server-2'],
    ['connecting', { type: 'connection', state: { phase: 'connecting', server: 's', attempt: 1 } }, undefined],
    [
      'waiting',
      { type: 'connection', state: { phase: 'waiting', reason: 'connection refused', retryAt: 0, attempt: 1 } },
      '* not connected (connection refused); retrying',
    ],
    [
      'a roster',
      { type: 'roster', users: names(['Anna', 'Billy']), joined: ['Billy'], left: [] },
      '* online: Anna, Billy',
    ],
    ['an unchanged roster', { type: 'roster', users: names(['Anna']), joined: [], left: [] }, undefined],
    ['sent', progress({ state: 'sent' }), undefined],
    ['delivered', progress({ state: 'delivered', connections: 1 }), undefined],
    ['waiting for a server', progress({ state: 'waiting', reason: 'offline' }), undefined],
    [
      'an offline recipient',
      progress({ state: 'waiting', reason: 'recipient-offline' }),
      '* Billy is offline; the message is delivered when they connect',
    ],
    [
      'a rejected message',
      progress({ state: 'refused', code: 'text-too-long', message: 'a text has at most 16384 bytes' }),
      '* not sent to Billy: a text has at most 16384 bytes',
    ],
    ['a forged message', { type: 'forged', from: 'Billy' }, '* dropped a forged message in the name of Billy'],
    ['a new key', keyEvent('new'), undefined],
    ['a trusted key', keyEvent('trusted'), '* the new key of Billy is trusted'],
    ['servers', { type: 'servers', servers: [] }, undefined],
  ])('%s', (_, event, line) => {
    const confusables = new ConfusableNames()
    confusables.update(['Billy'], [])
    expect(formatEvent(event, 'Anna', confusables)).toBe(line)
  })

  test('a changed key: says how to verify and accept it', () => {
    const line = formatEvent(keyEvent('changed'), 'Anna', new ConfusableNames())
    expect(line).toContain(`* WARNING: the key of Billy has changed. The new key is: ${fingerprint(key('x'))}.`)
    expect(line).toContain('/trust Billy')
  })
})

describe('LineMode', () => {
  let out: string[]
  let err: string[]
  let sent: SessionRequest[]
  let mode: LineMode

  beforeEach(() => {
    out = []
    err = []
    sent = []
    mode = new LineMode('Anna', { log: line => out.push(line), error: line => err.push(line) })
  })

  const enter = (line: string, recipient?: string) => mode.handleLine(line, recipient, request => sent.push(request))

  test('prints messages on stdout and all else on stderr', () => {
    mode.handleEvent(online)
    mode.handleEvent(message('Billy', 'Anna', 'Hi'))
    expect([out, err]).toEqual([['09:05 Billy: Hi'], ['* online at server-2']])
  })

  test('does not print the history on disk, which comes before the first connection event', () => {
    mode.handleEvent(message('Billy', 'Anna', 'old', 'history'))
    mode.handleEvent(online)
    mode.handleEvent(message('Billy', 'Anna', 'caught up', 'history'))
    expect(out).toEqual(['09:05 Billy: caught up'])
  })

  test('sends a line to the recipient; two slashes start a message with a slash', () => {
    enter('Hi', 'Billy')
    enter('//me', 'Billy')
    enter('', 'Billy')
    expect(sent).toEqual([
      { type: 'compose', to: 'Billy', text: 'Hi' },
      { type: 'compose', to: 'Billy', text: '/me' },
    ])
  })

  test('rejects a message without a recipient, and an unknown command', () => {
    enter('Hi')
    enter('/nonsense', 'Billy')
    expect(sent).toEqual([])
    expect(err).toEqual(['no recipient; choose one with /to NAME', expect.stringContaining('unknown command')])
  })

  test('/trust accepts a changed key', () => {
    enter('/trust Billy')
    expect(sent).toEqual([{ type: 'trust', user: 'Billy' }])
  })

  test("/key shows a user's key, by default their own", () => {
    enter('/key')
    mode.handleEvent(keyEvent('own'))
    enter('/key')
    enter('/key Billy')
    enter('/key Carla')
    expect(err).toEqual([
      '* this mesh does not use user keys',
      `* the key of Anna: ${fingerprint(key('a'))}`,
      `* the key of Billy: ${fingerprint(key('b'))}`,
      '* the key of Carla: not known yet',
    ])
  })
})

test('a notice is a line without invisible characters', () => {
  const notice = { type: 'notice', code: 'mesh-new', text: 'First\u202e connection', isWarning: true } as const
  expect(formatEvent(notice, 'Anna', new ConfusableNames())).toBe('* First\\u{202e} connection')
})
