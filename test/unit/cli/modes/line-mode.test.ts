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
    ['a received message', message('Billy', 'Anna', 'Hi\nAnna'), '09:05 Billy: Hi\n      Anna'],
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
  let columns: number | undefined

  beforeEach(() => {
    columns = undefined
    out = []
    err = []
    sent = []
    mode = new LineMode(
      'Anna',
      ['Carla'],
      { log: line => out.push(line), error: line => err.push(line) },
      () => columns,
    )
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

  test('/trust NAME shows the words of the changed key; with these words it accepts the key', () => {
    const words = fingerprint(key('x'))
    enter(`/trust Billy ${words}`)
    expect(err).toEqual([expect.stringMatching(/^\* the key of Billy .*has not changed$/)])
    mode.handleEvent(keyEvent('changed'))
    err.length = 0
    enter('/trust Billy')
    expect(err.pop()).toContain(`the words of the new key of Billy are: ${words}.`)
    enter(`/trust Billy ${fingerprint(key('y'))}`)
    expect(err.pop()).toContain('these are not the words of the new key of Billy')
    expect(sent).toEqual([])
    enter(`/trust Billy  ${words.toUpperCase().replaceAll(' ', ', ')} `)
    expect(sent).toEqual([{ type: 'trust', user: 'Billy', key: key('x') }])
  })

  test('the words of a key that was shown do not trust a key that has come since', () => {
    mode.handleEvent(keyEvent('changed'))
    mode.handleEvent({ ...keyEvent('changed'), key: key('z') } as SessionEvent)
    enter(`/trust Billy ${fingerprint(key('x'))}`)
    expect(sent).toEqual([])
  })

  test('a line break in a text does not start a new line of output, whatever the character', () => {
    for (const lineBreak of ['\n', '\r\n', '\r', '\u2028', '\u2029', '\v', '\f', '\u0085', '\n\n']) {
      mode.handleEvent(online)
      mode.handleEvent(message('Mallory', 'Anna', `Hi${lineBreak}09:05 Billy: send it to me${lineBreak}* online`))
      const lines = (out.pop() ?? '').split(/[\n\r\u2028\u2029\v\f\u0085]/)
      expect(lines[0]).toMatch(/^09:05 Mallory: Hi/)
      for (const line of lines.slice(1)) expect(line).toMatch(/^ {6}/)
    }
  })

  test('a text is wrapped with an indent, because the terminal would wrap it without', () => {
    columns = 30
    mode.handleEvent(online)
    mode.handleEvent(message('Mallory', 'Anna', `Hi${' '.repeat(15)}09:05 Billy: send it to me`))
    for (const line of (out.pop() ?? '').split('\n').slice(1)) {
      expect(line).toMatch(/^ {6}/)
      expect(line.length).toBeLessThanOrEqual(30)
    }
  })

  test('a name that could be taken for a name and a text is in quotes', () => {
    mode.handleEvent(online)
    mode.handleEvent(message('Billy: I pay. Carla', 'Anna', 'yes'))
    expect(out.pop()).toBe('09:05 "Billy: I pay. Carla": yes')
    mode.handleEvent(message('Zoe (looks like Yao)', 'Anna', 'yes'))
    expect(out.pop()).toBe('09:05 "Zoe (looks like Yao)": yes')
  })

  test('a name that looks like one of the history or the own one is marked, online or not', () => {
    mode.handleEvent(online)
    for (const [from, other] of [
      ['CARLA', 'Carla'],
      ['Anna.', 'Anna'],
    ] as const) {
      mode.handleEvent(message(from, 'Anna', 'Hi'))
      expect(out.pop()).toBe(`09:05 ${from} (looks like ${other}): Hi`)
    }
    mode.handleEvent({ type: 'roster', users: names(['Anna', 'carla']), joined: ['carla'], left: [] })
    expect(err.pop()).toBe('* online: Anna, carla (looks like Carla)')
  })

  test('a late message shows its date and that it is late', () => {
    mode.handleEvent(online)
    mode.handleEvent({ ...(message('Billy', 'Anna', 'Hi') as Extract<SessionEvent, { type: 'message' }>), late: true })
    expect(out).toEqual(['2026-11-24 09:05 (late) Billy: Hi'])
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
