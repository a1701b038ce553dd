/**
 * Program: members of a room with the product's own client session: `node room-members.js ROLE MESSAGES END URL…`, as a
 * child process. They have, or get, a history of MESSAGES messages up to END, ms since 1970. ROLE is
 * - `holders`: eight members who have the history, and answer comparisons
 * - `pair`: two more; the first sends 50 messages per second, the second measures the time until they arrive. The answer to
 *   each message of the parent is the times since the last one, ms
 * - `newcomer`: has nothing; joins at a message of the parent, and answers with the time until it has MESSAGES messages, s:
 *   members share a limited number of the latest ones, and those of the pair replace the oldest of the history
 * Each tells the parent `ready` when it is connected, and except for the newcomer in the room.
 */
import { randomUUID } from 'node:crypto'
import { NO_STORAGE, openSession } from '../../cli/session/connection.ts'
import type { SessionEvent } from '../../src/client/events.ts'
import type { Archive } from '../../src/client/history/message-log.ts'
import { entryOf } from '../../src/client/history/recent-messages.ts'
import type { Message } from '../../src/protocol/messages.ts'

const ROOM = '#bench'
const HOLDERS = 8
const SEND_INTERVAL_MS = 20

const [, , role, messages = '0', end = '0', ...servers] = process.argv

/** The same history in each process: a message of 100 bytes per second, of 100 users. */
function createArchive(): Archive {
  const size = Number(messages)
  const all = Array.from({ length: size }, (_, n): Message => {
    const text = `message ${n} ${'x'.repeat(100)}`.slice(0, 100)
    return { id: `old-${n}`, at: Number(end) - (size - n) * 1_000, from: `user-${n % 100}`, to: ROOM, text }
  })
  const entries = all.map(entryOf)
  return {
    at: Float64Array.from(entries, ({ at }) => at),
    hashA: Int32Array.from(entries, ({ a }) => a),
    hashB: Int32Array.from(entries, ({ b }) => b),
    read: index => all[index],
    find: () => undefined,
  }
}

function tell(message: unknown): void {
  process.send?.(message)
}

type Listener = (event: SessionEvent) => void

function open(user: string, n: number, archive: Archive | undefined, listener: Listener) {
  const url = servers[n % servers.length] ?? ''
  const storage = archive === undefined ? NO_STORAGE : { ...NO_STORAGE, roomArchive: () => archive }
  const options = { user, client: 'bench/1', instance: randomUUID(), servers: [url], random: Math.random }
  return openSession(options, storage, listener)
}

/** Opens a member with the history. Resolves when it is in the room. */
function openMember(user: string, n: number, listener: Listener = () => {}) {
  return new Promise<ReturnType<typeof open>>(resolve => {
    const session = open(user, n, createArchive(), event => {
      if (event.type === 'room' && event.state.state === 'joined') resolve(session)
      listener(event)
    })
    session({ type: 'join', room: ROOM })
  })
}

async function runHolders(): Promise<void> {
  await Promise.all(Array.from({ length: HOLDERS }, (_, n) => openMember(`holder-${n}`, n)))
  tell('ready')
}

async function runPair(): Promise<void> {
  const sentAt = new Map<string, number>()
  let latencies: number[] = []
  let sent = 0
  const sender = await openMember('sender', 0)
  await openMember('receiver', 1, event => {
    if (event.type !== 'message') return
    const since = sentAt.get(event.message.text)
    if (since !== undefined) latencies.push(performance.now() - since)
    sentAt.delete(event.message.text)
  })
  setInterval(() => {
    const text = `live ${++sent}`
    sentAt.set(text, performance.now())
    sender({ type: 'compose', to: ROOM, text })
  }, SEND_INTERVAL_MS)
  process.on('message', () => {
    tell(latencies)
    latencies = []
  })
  tell('ready')
}

function runNewcomer(): void {
  let joinedAt = 0
  let missing = Number(messages)
  const session = open('newcomer', 0, undefined, event => {
    if (event.type === 'connection' && event.state.phase === 'online') tell('ready')
    if (event.type !== 'message') return
    if (--missing === 0) tell((performance.now() - joinedAt) / 1_000)
  })
  process.on('message', () => {
    joinedAt = performance.now()
    session({ type: 'join', room: ROOM })
  })
}

process.on('disconnect', () => process.exit(0))
if (role === 'holders') await runHolders()
else if (role === 'pair') await runPair()
else runNewcomer()
