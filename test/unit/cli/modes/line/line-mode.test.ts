/** The line mode: what it prints for events, and what lines of input do. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { COMMANDS } from '../../../../../cli/chat/model/commands/commands.ts'
import { DEFAULT_PREFERENCES } from '../../../../../cli/chat/model/preferences.ts'
import { fingerprint } from '../../../../../cli/keys/fingerprint.ts'
import { formatEvent } from '../../../../../cli/modes/line/format.ts'
import { LineMode } from '../../../../../cli/modes/line/line-mode.ts'
import { NO_SERVICES } from '../../../../../cli/modes/line/services.ts'
import type { SessionEvent, SessionRequest } from '../../../../../src/client/events.ts'
import { ConfusableNames } from '../../../../../src/common/confusables.ts'
import { SortedNames } from '../../../../../src/common/sorted-names.ts'
import { formatContent } from '../../../../../src/protocol/message-kinds.ts'

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
    ['a message to a room', message('Billy', '#ops', 'Hi\nall'), '09:05 #ops Billy: Hi\n      all'],
    ['an own message to a room', message('Anna', '#ops', 'Hi'), '09:05 to #ops: Hi'],
    ['a reply', message('Billy', 'Anna', '> Hi?\nyes\n⟦reply m Anna⟧'), '09:05 Billy: > Hi?\n      yes'],
    ['an edit', message('Billy', 'Anna', '(edited) Ho\n⟦edit m⟧'), '09:05 Billy: (edited) Ho'],
    ['a reaction', message('Billy', '#ops', '👍 to "Hi?"\n⟦react m Anna⟧'), '09:05 #ops Billy: 👍 to "Hi?"'],
    ['an action', message('Billy', 'Anna', '/me waves'), '09:05 * Billy waves'],
    ['an action in a room', message('Billy', '#ops', '/me waves\ntwice'), '09:05 #ops * Billy waves\n      twice'],
    ['an own action', message('Anna', 'Billy', '/me waves'), '09:05 to Billy * Anna waves'],
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
    [
      'a view of a long roster',
      { type: 'roster', users: names(['Anna']), joined: ['Anna'], left: [], total: 9_000 },
      '* 9000 online; /who NAME finds users',
    ],
    ['names found', { type: 'names-found', text: 'bil', users: ['Billy', 'Bilbo'] }, '* online: Billy, Bilbo'],
    ['no names found', { type: 'names-found', text: 'bil', users: [] }, '* no user online matches bil'],
    [
      'a part of the list',
      { type: 'names-listed', after: '', first: 0, total: 9_000, users: ['Anna', 'Billy'] },
      '* 9000 online: Anna, Billy and 8998 more',
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
      'a room without others',
      { type: 'progress', id: 'id', to: '#ops', progress: { state: 'waiting', reason: 'recipient-offline' } },
      '* nobody else is in #ops; the message is delivered when someone joins',
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

  const enter = (line: string) => mode.handleLine(line, request => sent.push(request))

  const wait = (id: string, to: string) => {
    mode.handleEvent({ type: 'progress', id, to, progress: { state: 'waiting', reason: 'offline' } })
    return id
  }

  test('/cancel takes back the last message to the recipient that waits, /cancel all all of them', () => {
    enter('/to Billy')
    wait('1', 'Billy')
    wait('2', 'Billy')
    wait('3', 'Carla')
    enter('/cancel')
    enter('/cancel all')
    expect(sent.map(request => (request.type === 'cancel' ? request.id : ''))).toEqual(['2', '1', '2'])
    const message = { id: '2', at: AT, from: 'Anna', to: 'Billy', text: 'Hi' }
    mode.handleEvent({ type: 'cancelled', message })
    mode.handleEvent({ type: 'not-cancelled', id: '1', reason: 'may-be-delivered' })
    expect(err.slice(1)).toEqual([
      '* the message to Billy is cancelled: Hi',
      '* not cancelled: it may be delivered already, and cannot be deleted',
    ])
    enter('/to Zoe')
    enter('/cancel')
    expect(err.at(-1)).toBe('no message to Zoe waits')
  })

  test('/cancel leaves out a reaction that a server has got, which cannot be taken back', () => {
    wait('1', 'Billy')
    const progress = { state: 'waiting', reason: 'recipient-offline' } as const
    mode.handleEvent({ type: 'progress', id: '2', to: 'Billy', kind: 'react', progress })
    sent.length = 0
    enter('/to Billy')
    enter('/cancel')
    expect(sent).toEqual([{ type: 'cancel', id: '1' }])
    mode.handleEvent({ type: 'progress', id: '1', to: 'Billy', progress: { state: 'delivered', connections: 1 } })
    enter('/cancel')
    expect(sent.at(-1)).toEqual({ type: 'cancel', id: '2' })
  })

  test('a deletion is printed only if its message is known, and is not taken back by /cancel', () => {
    const deletion = (id: string) => formatContent({ kind: 'delete', target: { id, from: 'Billy' } }, 'Billy')
    mode.handleEvent(online)
    mode.handleEvent(message('Billy', 'Anna', 'Hi'))
    mode.handleEvent(message('Billy', 'Anna', deletion('unknown')))
    mode.handleEvent(message('Billy', 'Anna', deletion('id')))
    expect(out).toEqual(['09:05 Billy: Hi', '09:05 Billy: (deleted a message)'])
    enter('/to Billy')
    const waiting = { state: 'waiting', reason: 'offline' } as const
    mode.handleEvent({ type: 'progress', id: 'd', to: 'Billy', progress: waiting, kind: 'delete' })
    enter('/cancel')
    expect(err.at(-1)).toBe('no message to Billy waits')
  })

  test.each([
    ['/msg "Anna B" hello', { type: 'compose', to: 'Anna B', text: 'hello' }],
    ['/msg Carla hello there', { type: 'compose', to: 'Carla', text: 'hello there' }],
    ['/msg Anna B hello', { type: 'compose', to: 'Anna B', text: 'hello' }],
  ])('%s goes to the longest known name', (line, request) => {
    mode.handleEvent(message('Anna B', 'Anna', 'from the history'))
    enter(line)
    expect(sent).toEqual([request])
  })

  test('/to names the recipient, and warns of one who was never seen', () => {
    mode.handleEvent({ type: 'roster', users: names(['Anna', 'Echo']), joined: [], left: [] })
    for (const line of ['/to Ecko', 'hello', '/to Echo']) enter(line)
    expect(err).toEqual(['* lines go to Ecko', '* never seen "Ecko"; did you mean Echo?', '* lines go to Echo'])
  })

  test('/cancel without a recipient says how to choose one', () => {
    enter('/cancel')
    expect(err).toEqual(['no recipient; choose one with /to NAME or /join #ROOM'])
  })

  test('warns once of a recipient who was never seen, also when it is known later who is online', () => {
    enter('/msg Carl hello')
    enter('/msg Zoe hello')
    expect(err).toEqual([])
    mode.handleEvent({ type: 'roster', users: names(['Anna', 'Billy']), joined: [], left: [] })
    enter('/msg Zoe hello')
    enter('/msg Billy hello')
    expect(err).toEqual(['* never seen "Carl"; did you mean Carla?', '* never seen "Zoe"'])
    expect(sent).toHaveLength(4)
  })

  test('warns of it without a server, as the history decides', () => {
    enter('/msg Zoe hello')
    mode.handleEvent({ type: 'connection', state: { phase: 'waiting', reason: 'refused', retryAt: 0, attempt: 1 } })
    enter('/msg Carl hello')
    expect(err.filter(line => line.includes('never'))).toEqual([
      '* never seen "Zoe"',
      '* never seen "Carl"; did you mean Carla?',
    ])
  })

  test('prints messages on stdout and all else on stderr', () => {
    mode.handleEvent(online)
    mode.handleEvent(message('Billy', 'Anna', 'Hi'))
    expect([out, err]).toEqual([['09:05 Billy: Hi'], ['* online at server-2']])
  })

  test('/me, /edit, /delete and /react: the latest own message, and the latest of others', () => {
    enter('/me waves')
    expect(err).toEqual(['no recipient; choose one with /to NAME or /join #ROOM'])
    enter('/to Billy')
    for (const line of ['/edit x', '/delete', '/react 👍', '/react two words']) enter(line)
    expect(err.slice(2)).toEqual([
      '* you have sent no message here yet',
      '* you have sent no message here yet',
      '* no message to react to yet',
      'a reaction is an emoji, without spaces',
    ])
    mode.handleEvent(message('Billy', 'Anna', 'Hi'))
    mode.handleEvent(message('Anna', 'Billy', 'Ho'))
    for (const line of ['/me waves', '/edit Hello', '/delete', '/react 👍']) enter(line)
    const own = { id: 'id', from: 'Anna' }
    const change = (content: object) => ({ type: 'change', to: 'Billy', change: content })
    expect(sent).toEqual([
      { type: 'compose', to: 'Billy', text: '/me waves' },
      change({ kind: 'edit', target: expect.objectContaining(own), text: 'Hello' }),
      change({ kind: 'delete', target: expect.objectContaining(own) }),
      change({ kind: 'react', target: { id: 'id', from: 'Billy', quote: 'Hi' }, emoji: '👍' }),
    ])
  })

  test('prints nothing for the confirmations of a message, whichever client of the user sent it', () => {
    mode.handleEvent(online)
    for (const connections of [1, 2]) mode.handleEvent(progress({ state: 'delivered', connections }))
    expect([out, err]).toEqual([[], ['* online at server-2']])
  })

  test('does not print the history on disk, which comes before the first connection event', () => {
    mode.handleEvent(message('Billy', 'Anna', 'old', 'history'))
    mode.handleEvent(online)
    mode.handleEvent(message('Billy', 'Anna', 'caught up', 'history'))
    expect(out).toEqual(['09:05 Billy: caught up'])
  })

  test('sends a line to the recipient; two slashes start a message with a slash', () => {
    for (const line of ['/to Billy', 'Hi', '//me', '']) enter(line)
    expect(sent).toEqual([
      { type: 'compose', to: 'Billy', text: 'Hi' },
      { type: 'compose', to: 'Billy', text: '/me' },
    ])
  })

  test('rejects a message without a recipient, and an unknown command', () => {
    for (const line of ['Hi', '/nonsense', '/to', '/join']) expect(enter(line)).toBeUndefined()
    expect(enter('/quit')).toBe('quit')
    expect(sent).toEqual([])
    expect(err).toEqual([
      'no recipient; choose one with /to NAME or /join #ROOM',
      'unknown command /nonsense; /help lists the commands',
      'usage: /to NAME',
      'usage: /join #ROOM',
    ])
  })

  test('has every command of the screen', () => {
    enter('/help')
    const listed = err.map(line => /^ {2}\/(\S+)/.exec(line)?.[1])
    for (const { name } of COMMANDS) expect(listed).toContain(name)
    const help = [...err]
    err.length = 0
    enter('?')
    expect(err).toEqual(help)
    err.length = 0
    enter('/sarch x')
    expect(err).toEqual(['unknown command /sarch; did you mean /search? /help lists the commands'])
  })

  test('says once that a message of this client was delivered; in a room, to how many', () => {
    vi.useFakeTimers()
    try {
      mode.handleEvent(online)
      err.length = 0
      const compose = (id: string, to: string) =>
        mode.handleEvent({ type: 'message', message: { id, at: AT, from: 'Anna', to, text: 'Hi' }, origin: 'composed' })
      const deliver = (id: string, to: string, connections: number, of?: number) =>
        mode.handleEvent({
          type: 'progress',
          id,
          to,
          progress: { state: 'delivered', connections, ...(of === undefined ? {} : { of }) },
        })
      compose('1', 'Billy')
      for (const connections of [1, 2]) deliver('1', 'Billy', connections)
      expect(err).toEqual(['* delivered to Billy'])
      compose('2', '#ops')
      for (const connections of [1, 3, 5]) deliver('2', '#ops', connections, 8)
      expect(err).toHaveLength(1)
      vi.advanceTimersByTime(2_000)
      deliver('2', '#ops', 8, 8)
      compose('3', '#ops')
      deliver('3', '#ops', 2, 2)
      expect(err.slice(1)).toEqual(['* delivered to 5 of 8 in #ops', '* delivered to 2 of 2 in #ops'])
    } finally {
      vi.useRealTimers()
    }
  })

  test('prints who is online once, and then who comes and goes', () => {
    const roster = (users: string[], joined: string[], left: string[]) =>
      mode.handleEvent({ type: 'roster', users: names(users), joined, left })
    roster(['Anna', 'Billy'], ['Anna', 'Billy'], [])
    roster(['Anna', 'Billy'], ['Anna'], [])
    roster(['Anna', 'Billy', 'Dora'], ['Dora'], [])
    roster(['Anna'], [], ['Billy', 'Dora'])
    roster(['Anna', 'a', 'b', 'c', 'd', 'e'], ['a', 'b', 'c', 'd', 'e'], [])
    expect(err).toEqual([
      '* online: Anna, Billy',
      '* Dora is online',
      '* Billy, Dora went offline',
      '* a, b, c, d and 1 more are online',
    ])
  })

  test('/who without a connection says that it is not known who is online', () => {
    enter('/who')
    enter('/who Billy')
    expect(err).toHaveLength(2)
    for (const line of err) expect(line).toContain('* not connected: it is not known who is online')
  })

  test('/who lists users, and suggests one when nobody matches', () => {
    mode.handleEvent(online)
    mode.handleEvent({ type: 'roster', users: names(['Anna', 'Billy']), joined: [], left: [] })
    err.length = 0
    for (const line of ['/who', '/who BIL', '/who Biily']) enter(line)
    expect(err).toEqual([
      '* online: Anna, Billy',
      '* online: Billy',
      '* no user online matches Biily; did you mean Billy?',
    ])
  })

  test('/reply, /react, /edit and /delete are about the message that a number or a name chooses', () => {
    const say = (id: string, from: string, to: string, text: string) =>
      mode.handleEvent({ type: 'message', message: { id, at: AT, from, to, text }, origin: 'live' })
    mode.handleEvent(online)
    mode.handleEvent({ type: 'roster', users: names(['Anna', 'Billy', 'Carla']), joined: [], left: [] })
    say('b1', 'Billy', '#ops', 'one')
    say('c1', 'Carla', '#ops', 'two')
    say('a1', 'Anna', '#ops', 'mine')
    say('a2', 'Anna', '#ops', 'mine too')
    say('d1', 'Billy', 'Anna', 'a secret')
    enter('/to #ops')
    enter('/reply -2 yes')
    enter('/reply @Billy yes')
    enter('/react -1 👍')
    enter('/react @Billy 👍')
    enter('/edit -2 better')
    enter('/delete -2')
    const ops = { to: '#ops' }
    const one = { id: 'b1', from: 'Billy', quote: 'one' }
    expect(sent).toMatchObject([
      { ...ops, text: 'yes', reply: one },
      { ...ops, text: 'yes', reply: one },
      { ...ops, change: { kind: 'react', target: { id: 'c1' }, emoji: '👍' } },
      { ...ops, change: { kind: 'react', target: { id: 'b1' }, emoji: '👍' } },
      { ...ops, change: { kind: 'edit', target: { id: 'a1' }, text: 'better' } },
      { ...ops, change: { kind: 'delete', target: { id: 'a1' } } },
    ])
    say('x1', 'Anna', '#ops', formatContent({ kind: 'delete', target: { id: 'a2', from: 'Anna' } }, 'Anna'))
    err.length = 0
    for (const line of ['/reply -9 x', '/reply -1', '/delete', '/edit -2 x', '/delete x']) enter(line)
    expect(err).toEqual([
      '* no such message here',
      'usage: /reply [-N|@NAME] TEXT',
      '* you have sent no message here yet',
      'usage: /delete [-N]',
    ])
    expect(sent.at(-1)).toMatchObject({ change: { kind: 'delete', target: { id: 'a1' } } })
    // Billy wrote in private, too.
    enter('/to Carla')
    enter('/reply @Billy no')
    enter('and this')
    expect(sent.slice(-2)).toMatchObject([
      { to: 'Billy', text: 'no', reply: { id: 'd1' } },
      { to: 'Billy', text: 'and this' },
    ])
  })

  test('/react takes the short name of an emoji, and no plain word', async () => {
    mode.handleEvent(message('Billy', 'Anna', 'Hi'))
    enter('/to Billy')
    enter('/react hello')
    enter('/react :tada:')
    enter('/react :no_such_name:')
    // The names are loaded first.
    await vi.waitFor(() => expect(err).toContain('no emoji has the name :no_such_name:'), { timeout: 30_000 })
    expect(err).toContain('"hello" is not an emoji; use one such as 👍 or :thumbsup:')
    expect(sent).toMatchObject([{ type: 'change', change: { kind: 'react', emoji: '🎉' } }])
  })

  test('/topic with a text says where topics come from', () => {
    enter('/topic Deploys on Friday')
    expect(err).toEqual([expect.stringMatching(/^topics are set in the config of the servers/)])
  })

  test('a deletion that waits is not printed, and a cancelled message that others may have is deleted for them', () => {
    const waiting = { state: 'waiting', reason: 'recipient-offline' } as const
    mode.handleEvent(online)
    mode.handleEvent({ type: 'progress', id: 'd', to: 'Billy', progress: waiting, kind: 'delete' })
    const cancelled = { id: '2', at: AT, from: 'Anna', to: 'Billy', text: 'Hi' }
    mode.handleEvent({ type: 'cancelled', message: cancelled, isDeleted: true })
    expect(err.slice(1)).toEqual(['* the message to Billy is cancelled, and deleted for everyone who may have it: Hi'])
  })

  test('/delete takes a message back that waits', () => {
    enter('/to Billy')
    mode.handleEvent(message('Anna', 'Billy', 'Hi'))
    wait('id', 'Billy')
    enter('/delete')
    expect(sent).toEqual([{ type: 'cancel', id: 'id' }])
  })

  test('/quit with messages that wait says how many, and asks again; what is on its way is waited for', () => {
    mode.handleEvent(online)
    const compose = (id: string) =>
      mode.handleEvent({
        type: 'message',
        message: { id, at: AT, from: 'Anna', to: 'Billy', text: 'Hi' },
        origin: 'composed',
      })
    const tell = (id: string, state: Extract<SessionEvent, { type: 'progress' }>['progress']) =>
      mode.handleEvent({ type: 'progress', id, to: 'Billy', progress: state })
    compose('1')
    tell('1', { state: 'waiting', reason: 'recipient-offline' })
    compose('2')
    tell('2', { state: 'sent' })
    expect(enter('/quit')).toBeUndefined()
    expect(err.at(-1)).toBe('* 2 messages wait for Billy; lost if you quit: nothing is stored. /quit again to leave')
    expect(enter('/quit')).toBe('quit')
  })

  test('/quit does not ask about messages that are on their way', () => {
    mode.handleEvent(online)
    mode.handleEvent({
      type: 'message',
      message: { id: '2', at: AT, from: 'Anna', to: 'Billy', text: 'Hi' },
      origin: 'composed',
    })
    mode.handleEvent({ type: 'progress', id: '2', to: 'Billy', progress: { state: 'sent' } })
    expect(enter('/quit')).toBe('quit')
  })

  test('a /msg that may be for either of two users asks a person, and an empty line sends', () => {
    const open = (asks: boolean) =>
      new LineMode(
        'Anna',
        ['Billy', 'Billy Bo'],
        { log: line => out.push(line), error: line => err.push(line) },
        undefined,
        undefined,
        {
          ...NO_SERVICES,
          asks,
        },
      )
    mode = open(true)
    enter('/msg Billy Bo hello')
    expect([sent, err]).toEqual([
      [],
      ['* to "Billy Bo", or to Billy? An empty line sends to "Billy Bo"; for Billy write /msg "Billy" …'],
    ])
    enter('')
    enter('/msg Billy Bo again')
    expect(sent).toEqual([
      { type: 'compose', to: 'Billy Bo', text: 'hello' },
      { type: 'compose', to: 'Billy Bo', text: 'again' },
    ])
    mode = open(true)
    enter('/msg Billy Bo hello')
    enter('/msg "Billy" Bo hello')
    expect([sent.at(-1), err.at(-1)]).toEqual([{ type: 'compose', to: 'Billy', text: 'Bo hello' }, '* not sent: hello'])
    mode = open(false)
    enter('/msg Billy Bo hello')
    expect([sent.at(-1), err.at(-1)]).toEqual([
      { type: 'compose', to: 'Billy Bo', text: 'hello' },
      '* sent to "Billy Bo"; for Billy write /msg "Billy" …',
    ])
  })

  test('/open lists the links of the recipient, and opens one', () => {
    const opened: string[] = []
    mode = new LineMode(
      'Anna',
      [],
      { log: line => out.push(line), error: line => err.push(line) },
      undefined,
      undefined,
      {
        ...NO_SERVICES,
        openLink: (url, onError) => {
          opened.push(url)
          onError('no program')
        },
      },
    )
    mode.handleEvent(online)
    err.length = 0
    for (const text of ['see https://a.example/x', 'and https://b.example.', 'https://a.example/x again', 'none'])
      mode.handleEvent(message('Billy', 'Anna', text))
    enter('/open')
    enter('/to Billy')
    for (const line of ['/open', '/open 2', '/open 3']) enter(line)
    expect(err).toEqual([
      '* no links here since the start',
      '* lines go to Billy',
      '* 1 https://a.example/x',
      '* 2 https://b.example/',
      '* no program',
      '* there are links 1 to 2; /open lists them',
    ])
    expect(opened).toEqual(['https://b.example/'])
  })

  test('/reply writes to the last sender, /invite invites to the room', () => {
    enter('/reply Hi')
    mode.handleEvent(online)
    mode.handleEvent(message('Billy', 'Anna', 'Hi'))
    enter('/reply Hello')
    enter('more')
    enter('/invite Carla ops')
    enter('/invite Carla #ops')
    expect(sent).toEqual([
      { type: 'compose', to: 'Billy', text: 'Hello', reply: { id: 'id', from: 'Billy', quote: 'Hi' } },
      { type: 'compose', to: 'Billy', text: 'more' },
      { type: 'compose', to: 'Carla', text: 'Join #ops: /join #ops' },
    ])
    expect(err).toEqual([
      'no messages received yet',
      '* online at server-2',
      'no room; name one, such as #ops',
      '* invited Carla to #ops',
    ])
  })

  /** Starts the mode with a list of ignored users, which it changes. */
  function startWithIgnored(ignored: readonly string[]) {
    const list = { ignored, muted: [] as readonly string[] }
    const output = { log: (line: string) => out.push(line), error: (line: string) => err.push(line) }
    mode = new LineMode('Anna', [], output, () => undefined, Date.now, {
      ...NO_SERVICES,
      preferences: () => ({ ...DEFAULT_PREFERENCES, ignored: [...list.ignored], muted: [...list.muted] }),
      savePreferences: ({ ignored, muted }) => {
        Object.assign(list, { ignored, muted })
      },
      asks: true,
    })
    mode.handleEvent(online)
    return list
  }

  test('/ignore hides the messages of a user until /unignore', () => {
    startWithIgnored([])
    enter('/ignore Billy')
    mode.handleEvent(message('Billy', 'Anna', 'hidden'))
    enter('/unignore')
    enter('/unignore Billy')
    mode.handleEvent(message('Billy', 'Anna', 'shown'))
    expect(out).toEqual(['09:05 Billy: shown'])
    expect(err.slice(1)).toEqual([
      '* Billy is ignored; /unignore Billy to undo',
      '* ignored: Billy',
      '* Billy is no longer ignored',
    ])
  })

  test('/ignore and /unignore take a name with spaces, in quotes or without, and no other', () => {
    const list = startWithIgnored([])
    enter('/ignore "Anna B"')
    expect(list.ignored).toEqual(['Anna B'])
    mode.handleEvent(message('Anna B', 'Anna', 'hidden'))
    enter('/unignore "Anna B"')
    expect(list.ignored).toEqual([])
    enter('/ignore Anna B')
    expect(list.ignored).toEqual(['Anna B'])
    enter('/ignore "Anna B" and Carla')
    enter('/ignore "#ops"')
    enter('/unignore "Anna')
    expect(list.ignored).toEqual(['Anna B'])
    expect(out).toEqual([])
    expect(err.slice(1)).toEqual([
      '* Anna B is ignored; /unignore "Anna B" to undo',
      '* Anna B is no longer ignored',
      '* Anna B is ignored; /unignore "Anna B" to undo',
      'unexpected text after the name: and Carla',
      expect.stringContaining('cannot start with #'),
      'put the name in quotes: "NAME"',
    ])
  })

  test('/ignore and /mute warn of a name that was never seen', () => {
    startWithIgnored([])
    mode.handleEvent({ type: 'roster', users: names(['Anna', 'Billy']), joined: [], left: [] })
    err.length = 0
    enter('/ignore Bily')
    enter('/mute Billi')
    enter('/unignore Bill')
    expect(err).toEqual([
      '* Bily is ignored; /unignore Bily to undo',
      '* never seen "Bily"; did you mean Billy?',
      '* Billi is muted; /mute Billi again to undo',
      '* never seen "Billi"; did you mean Billy?',
      '* Bill is not ignored; did you mean Bily?',
    ])
  })

  test('/search without a history says that there is none', async () => {
    enter('/search x')
    enter('/search-all x')
    await vi.waitFor(
      () =>
        expect(err).toEqual([
          'no recipient; choose one with /to NAME, or use /search-all',
          '* no messages are stored: nothing to search',
        ]),
      { timeout: 30_000 },
    )
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
    mode.handleEvent(message('to Billy', 'Anna', 'yes'))
    expect(out.pop()).toBe('09:05 "to Billy": yes')
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

describe('rooms in the line mode', () => {
  let out: string[]
  let err: string[]
  let sent: SessionRequest[]
  let mode: LineMode

  beforeEach(() => {
    vi.useFakeTimers({ now: AT })
    out = []
    err = []
    sent = []
    mode = new LineMode('Anna', [], { log: line => out.push(line), error: line => err.push(line) })
    mode.handleEvent({ type: 'connection', state: { phase: 'connecting', server: 'x', attempt: 1 } })
  })
  afterEach(() => void vi.useRealTimers())

  const enter = (line: string) => mode.handleLine(line, request => sent.push(request))
  const printed = () => err.splice(0)

  function room(change: Partial<Extract<SessionEvent, { type: 'room' }>> = {}, members: string[] = []): void {
    const event = { type: 'room', room: '#ops', state: { state: 'joined' }, info: {}, joined: [], left: [] } as const
    mode.handleEvent({ ...event, members: names(members), ...change })
  }
  const crowd = (count: number) => Array.from({ length: count }, (_, n) => `User ${n + 10}`)

  test('says who is in a room, what its topic is, and who may write', () => {
    room({ state: { state: 'waiting' } })
    room({ info: { topic: 'On call' }, joined: ['Anna', 'Billy'] }, ['Anna', 'Billy'])
    room({ room: '#dev' }, ['Anna'])
    room({ room: '#all', info: { write: 'operators', operators: ['Billy'] } }, ['Anna', ...crowd(30)])
    expect(printed()).toEqual([
      '* you are in #ops with Billy',
      '* topic of #ops: On call',
      '* you are in #dev, where nobody else is',
      '* you are in #all with 30 others',
      '* only operators may write in #all: Billy',
    ])
  })

  test('says who joins and leaves in small rooms only, and nothing when the client is back in a room', () => {
    room({}, ['Anna'])
    printed()
    room({ joined: ['Billy', 'Carla'] }, ['Anna', 'Billy', 'Carla'])
    room({ joined: ['Dora'], left: ['Billy'] }, ['Anna', 'Carla', 'Dora'])
    room({ state: { state: 'waiting' } }, ['Anna', 'Carla', 'Dora'])
    room({ joined: ['Anna'] }, ['Anna', 'Carla', 'Dora'])
    room({ joined: ['Eve'] }, ['Anna', ...crowd(20), 'Eve'])
    expect(printed()).toEqual(['* #ops: Billy, Carla joined', '* #ops: Dora joined; Billy left'])
  })

  test('says a new topic', () => {
    room({ info: { topic: 'one' } }, ['Anna'])
    room({ info: { topic: 'one' } }, ['Anna'])
    printed()
    room({ info: { topic: 'two\u001b[2J' } }, ['Anna'])
    expect(printed()).toEqual(['* topic of #ops: two\\u{1b}[2J'])
  })

  test('says why the user is not in a room', () => {
    room({ state: { state: 'rejected', code: 'room-full', message: '#ops is full' } })
    room({ state: { state: 'parted' } })
    room({ state: { state: 'refused', code: 'room-forbidden', message: 'you may not join #ops' } })
    room({}, ['Anna'])
    room({ state: { state: 'parted' } })
    expect(printed()).toEqual([
      '* not in #ops for now: #ops is full',
      '* cannot join #ops: you may not join #ops',
      '* you are in #ops, where nobody else is',
      '* left #ops',
    ])
  })

  test('/join sends lines to the room, /part ends that', () => {
    for (const line of ['/join #Ops', 'Hi', '/part', 'Hi']) enter(line)
    expect(sent).toEqual([
      { type: 'join', room: '#ops' },
      { type: 'compose', to: '#ops', text: 'Hi' },
      { type: 'part', room: '#ops' },
    ])
    expect(printed()).toEqual(['no recipient; choose one with /to NAME or /join #ROOM'])
    for (const line of ['/part', '/join o ps', '/to #']) enter(line)
    expect(sent).toHaveLength(3)
    expect(printed()).toEqual([
      'no room; name one, such as #ops',
      expect.stringContaining('a room name has # and then'),
      expect.stringContaining('a room name has # and then'),
    ])
  })

  test('/names and /topic are of the named room, or of the one that lines go to', () => {
    room({ info: { topic: 'On call' } }, ['Anna', 'Billy'])
    printed()
    for (const line of ['/to #ops', '/names', '/topic', '/names #dev', '/topic #dev']) enter(line)
    const notIn = '* you are not in #dev; only members know that; join with /join #dev'
    expect(printed()).toEqual([
      '* lines go to #ops',
      '* in #ops: Anna, Billy',
      '* topic of #ops: On call',
      notIn,
      notIn,
    ])
    room({ room: '#dev', state: { state: 'waiting' } })
    enter('/names #dev')
    expect(printed()).toEqual(['* not in #dev yet; try again in a moment'])
    enter('/names #opps')
    expect(printed()).toEqual(['* you are not in #opps; did you mean #ops?'])
  })

  test('/part of a room that is not in the list says so; one that does not let in can be left', () => {
    sent.length = 0
    room({ room: '#dev', state: { state: 'rejected', code: 'not-member', message: 'not a member' } })
    printed()
    enter('/part #devs')
    expect([sent, printed()]).toEqual([[], ['* you are not in #devs; did you mean #dev?']])
    enter('/part #dev')
    expect(sent).toEqual([{ type: 'part', room: '#dev' }])
  })

  test('says that a message waits for a room that the user has left', () => {
    const wait = () =>
      mode.handleEvent({ type: 'progress', id: 'id', to: '#ops', progress: { state: 'waiting', reason: 'not-joined' } })
    room({ state: { state: 'waiting' } })
    wait()
    room({}, ['Anna'])
    room({ state: { state: 'parted' } })
    printed()
    wait()
    expect(printed()).toEqual(['* a message to #ops waits: you are not in this room; join with /join #ops'])
  })

  test('/rooms lists the rooms of the mesh', () => {
    enter('/rooms')
    expect(sent).toEqual([{ type: 'list-rooms' }])
    const rooms = [
      { room: '#ops', members: 5, topic: 'On call' },
      { room: '#dev', members: 1 },
    ]
    mode.handleEvent({ type: 'room-list', rooms, total: 9 })
    mode.handleEvent({ type: 'room-list', rooms: [], total: 0 })
    expect(printed()).toEqual([
      '* #ops, 5 members: On call',
      '* #dev, 1 member',
      '* 9 rooms in all',
      '* no rooms; open one with /join #NAME',
    ])
  })

  test('/msg sends one text to a user or a room; a name with spaces is in quotes', () => {
    for (const line of ['/msg #ops Hi all', '/msg Billy Hi', '/msg "Billy the \\"Kid\\"" Hi', '/msg Billy']) enter(line)
    expect(sent).toEqual([
      { type: 'compose', to: '#ops', text: 'Hi all' },
      { type: 'compose', to: 'Billy', text: 'Hi' },
      { type: 'compose', to: 'Billy the "Kid"', text: 'Hi' },
    ])
    expect(printed()).toEqual(['usage: /msg NAME TEXT; put a name with spaces in quotes'])
  })

  test('messages from before the client was in the room are counted, later ones that it missed are printed', () => {
    mode.handleEvent(message('Billy', '#ops', 'too early', 'history'))
    vi.setSystemTime(AT + 1)
    room({}, ['Anna', 'Billy'])
    printed()
    mode.handleEvent(message('Billy', '#ops', 'before', 'history'))
    vi.setSystemTime(AT - 60_000)
    room({ room: '#dev' }, ['Anna'])
    printed()
    mode.handleEvent(message('Billy', '#dev', 'missed', 'history'))
    expect(out).toEqual(['09:05 #dev Billy: missed'])
    vi.advanceTimersByTime(2_000)
    expect(printed()).toEqual(["* 2 earlier messages in #ops; to read them: mesh-chat history --with '#ops'"])
  })
})

test('a notice is a line without invisible characters', () => {
  const notice = { type: 'notice', code: 'mesh-new', text: 'First\u202e connection', isWarning: true } as const
  expect(formatEvent(notice, 'Anna', new ConfusableNames())).toBe('* First\\u{202e} connection')
})
