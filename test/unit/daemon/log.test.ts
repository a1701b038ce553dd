/** The lines of the log, their levels, and the rate limit of malformed payloads. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createCallbackLog, type LogOptions, SILENT_LOG } from '../../../daemon/log/log.ts'
import { MalformedPayloads } from '../../../daemon/log/malformed-payloads.ts'
import type { LogEntry } from '../../../src/server/types.ts'

afterEach(() => void vi.useRealTimers())

function collect(level: LogOptions['level'] = 'debug', text = false) {
  const lines: string[] = []
  const log = createCallbackLog({ level, text }, (level, line) => lines.push(`${level} ${line}`))
  return { log, lines }
}

const IM: LogEntry = { event: 'im', from: 'Anna', to: 'Billy', text: 'secret', forwarded: false }

describe('log entries', () => {
  test.each<[LogEntry, string]>([
    [
      { event: 'dialling', peer: 'a', url: 'http://a', isRetry: false },
      'info Attempt connection to peer: a at: http://a',
    ],
    [
      { event: 'dialling', peer: 'a', url: 'http://a', isRetry: true },
      'debug Attempt connection to peer: a at: http://a',
    ],
    [
      { event: 'dial-failed', peer: 'a', reason: 'no answer', isRepeated: false },
      'warn Peer: a unreachable: no answer. Will retry automatically.',
    ],
    [
      { event: 'dial-failed', peer: 'a', reason: 'no answer', isRepeated: true },
      'debug Peer: a unreachable: no answer. Will retry automatically.',
    ],
    [
      { event: 'link-lost', peer: 'a', direction: 'outbound', reason: 'x' },
      'warn Peer: a disconnected. Will retry automatically.',
    ],
    [
      { event: 'link-lost', peer: 'a', direction: 'inbound', reason: 'x' },
      'info Inbound connection from peer: a ended: x',
    ],
    [
      { event: 'link-refused', peer: 'a', code: 'wrong-secret', reason: 'wrong secret', isRepeated: false },
      'warn Peer: a refused the connection: wrong-secret: wrong secret. Will retry automatically.',
    ],
    [
      { event: 'link-refused', peer: 'a', code: 'wrong-secret', reason: 'wrong secret', isRepeated: true },
      'debug Peer: a refused the connection: wrong-secret: wrong secret. Will retry automatically.',
    ],
    [
      { event: 'link-denied', peer: 'a', code: 'other-auth', reason: 'this mesh uses auth: key', isRepeated: false },
      'warn Refused a connection from peer: a: other-auth: this mesh uses auth: key.',
    ],
    [{ event: 'resync', peer: 'a' }, 'info Requesting the full user list of peer: a...'],
    [{ event: 'peer-gone', peer: 'a', users: 1 }, 'info Removing 1 user of peer: a'],
    [
      { event: 'foreign-sender', peer: 'a', user: 'Eve', messages: 2 },
      'warn Rejected 2 messages from peer: a: the sender is not connected there (last: Eve).',
    ],
    [{ event: 'peer-goodbye', peer: 'a' }, 'info Peer: a is shutting down.'],
    [
      { event: 'joining', url: 'http://x', isRetry: false },
      'info Requesting the servers of the mesh from: http://x...',
    ],
    [
      { event: 'joining', url: 'http://x', isRetry: true },
      'debug Requesting the servers of the mesh from: http://x...',
    ],
    [{ event: 'peer-removed', peer: 'a' }, 'info Removing peer: a: no longer in the config.'],
    [{ event: 'peer-forgotten', peer: 'a' }, 'info Forgetting peer: a: unreachable for an hour.'],
    [{ event: 'peer-learned', peer: 'a', url: 'http://x' }, 'info Discovered peer: a at: http://x'],
    [{ event: 'connection-refused', code: 'bad-name', reason: 'x' }, 'info Rejected a client (bad-name): x'],
    [
      { event: 'stalled', ms: 8_000 },
      'warn This process was paused for 8000 ms; restarting the heartbeat timeouts of all peers.',
    ],
    [{ event: 'draining', clients: 2 }, 'info Draining: asking 2 clients to reconnect to another server...'],
    [IM, 'debug Received IM from Anna to Billy: (6 characters)'],
  ])('%o', (entry, line) => {
    const { log, lines } = collect()
    log.note(entry)
    expect(lines).toEqual([line])
  })

  test('the text of a message is logged only on request', () => {
    const { log, lines } = collect('debug', true)
    log.note({ ...IM, forwarded: true })
    expect(lines).toEqual(['debug Received forwarded IM from Anna to Billy: secret'])
  })

  test('control characters are escaped', () => {
    const { log, lines } = collect('debug', true)
    log.note({ ...IM, text: 'a\u001b[2J\nb' })
    log.write('info', 'x\ny')
    expect(lines.join().includes('\n') || lines.join().includes('\u001b')).toBe(false)
  })
})

test.each<[LogOptions['level'], number]>([
  ['debug', 5],
  ['info', 3],
  ['warn', 2],
  ['error', 1],
])('at level %s lines below the level are dropped', (level, count) => {
  const { log, lines } = collect(level)
  log.note(IM)
  for (const one of ['debug', 'info', 'warn', 'error'] as const) log.write(one, one)
  expect(lines).toHaveLength(count)
})

test('the silent log ignores everything', () => {
  SILENT_LOG.note(IM)
  SILENT_LOG.write('error', 'x')
})

describe('malformed payloads', () => {
  test('all are counted, and a source is logged every 5 seconds', () => {
    vi.useFakeTimers()
    const { log, lines } = collect()
    const malformed = new MalformedPayloads(log)
    const [one, two] = [malformed.counterFor('a'), malformed.counterFor('b')]
    for (let n = 0; n < 3; n++) one('im')
    two('beat')
    vi.advanceTimersByTime(5_000)
    one('im')
    expect(lines).toEqual([
      'warn Dropped a malformed im from a (1 from it, 1 in total).',
      'warn Dropped a malformed beat from b (1 from it, 4 in total).',
      'warn Dropped a malformed im from a (4 from it, 5 in total).',
    ])
    expect(malformed.total).toBe(5)
  })

  test('the lines about all sources together are limited to a burst of 20 and 1 per second', () => {
    vi.useFakeTimers()
    const { log, lines } = collect()
    const malformed = new MalformedPayloads(log)
    const flood = () => {
      for (let n = 0; n < 100; n++) malformed.counterFor(`source ${n}`)('im')
    }
    flood()
    expect(lines).toHaveLength(20)
    vi.advanceTimersByTime(3_000)
    flood()
    expect(lines).toHaveLength(23)
    expect(malformed.total).toBe(200)
  })
})
