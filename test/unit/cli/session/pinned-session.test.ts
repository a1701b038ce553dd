/** What a screen can do with a session before it is started. */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ClientEvent } from '../../../../cli/common/client-events.ts'
import { KnownMeshes } from '../../../../cli/session/known-meshes.ts'
import { PinnedSession } from '../../../../cli/session/pinned-session.ts'
import { stateFolderPerTest } from '../state-folder.ts'

const file = stateFolderPerTest()
const sessions: PinnedSession[] = []
let events: ClientEvent[] = []

beforeEach(() => {
  mkdirSync(dirname(file('known-meshes.json')), { recursive: true })
  events = []
})
afterEach(() => {
  for (const session of sessions.splice(0)) close(session)
})

function open(): PinnedSession {
  const options = {
    user: 'Anna',
    client: 'test',
    // Nothing listens there, and the tests do not wait for an answer.
    servers: ['http://127.0.0.1:1'],
    auth: undefined,
    pins: KnownMeshes.onDisk(),
    loadKey: () => {
      throw new Error('no key')
    },
    hasKey: false,
    disk: 'all' as const,
    durable: false,
  }
  const session = new PinnedSession(options, event => events.push(event))
  sessions.push(session)
  return session
}

function close(session: PinnedSession): void {
  session.request({ type: 'close' })
  session.closeFiles()
}

const rooms = () => events.filter(({ type }) => type === 'room')

test('requests from before the start are handled at the start, once', () => {
  const session = open()
  session.request({ type: 'compose', to: 'Billy', text: 'early' })
  session.request({ type: 'join', room: '#ops' })
  expect(events).toEqual([])
  session.start()
  const messages = () => events.flatMap(event => (event.type === 'message' ? event.message.text : []))
  expect(messages()).toEqual(['early'])
  expect(rooms()).toMatchObject([{ room: '#ops', state: { state: 'waiting' } }])
})

test('the rooms of earlier runs are known before the start, as the start tells them', () => {
  const first = open()
  first.start()
  for (const room of ['#ops', '#dev', '#left']) first.request({ type: 'join', room })
  first.request({ type: 'part', room: '#left' })
  close(first)
  events = []
  const second = open()
  const { roomEvents } = second
  expect(roomEvents).toMatchObject([{ room: '#ops' }, { room: '#dev' }])
  second.start()
  expect(rooms()).toEqual(roomEvents)
})
