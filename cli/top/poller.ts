/** Requests the cluster status from one server at a time, without going online as a user. */
import type { Socket } from 'socket.io-client'
import * as z from 'zod'
import { Backoff } from '../../src/common/backoff.ts'
import { timerDelay } from '../../src/common/time.ts'
import { dialOnce } from '../../src/programs/checked-socket.ts'
import { connectErrorText } from '../../src/programs/connection-error.ts'
import { type Refusal, refusalSchema } from '../../src/protocol/messages.ts'
import { type ClusterStatus, clusterStatusSchema } from '../../src/protocol/status.ts'

/** How long to wait for a connection, and for an answer, ms. */
const ANSWER_TIMEOUT_MS = 3_000
/** Time between requests, ms. A server answers one request per second; the rest allows for network jitter. */
const POLL_INTERVAL_MS = 1_050

const CONNECTION_ENDED = 'the connection was closed'

const answerSchema = z.union([clusterStatusSchema, refusalSchema])

export type PollEvent =
  | { type: 'connecting'; url: string }
  | { type: 'reading'; url: string; clusterStatus: ClusterStatus }
  | { type: 'refused'; url: string; refusal: Refusal }
  | { type: 'lost'; url: string; reason: string }

/** Requests one reading. Resolves with a string, the reason, if the server gives no valid answer. */
export async function pollOnce(url: string, ca: string | undefined): Promise<ClusterStatus | Refusal | string> {
  const socket = dial(url, ca)
  const answer = (await waitForConnect(socket)) ?? (await requestStatus(socket))
  socket.disconnect()
  return answer
}

/**
 * Polls once per second, forever. If a server fails, continues with the next one: first of the given URLs, then of those
 * that the readings list.
 */
export async function pollMesh(
  servers: readonly string[],
  ca: string | undefined,
  onEvent: (event: PollEvent) => void,
): Promise<never> {
  const backoff = new Backoff(Math.random)
  let urls = [...servers]
  let next = 0
  /** Servers that failed since the last reading. */
  let failures = 0
  for (;;) {
    const url = urls[next % urls.length] ?? ''
    onEvent({ type: 'connecting', url })
    let end = await pollServer(url, ca, handleEvent)
    // A server closes connections that do not identify after a while: connect to the same server again.
    while (end.hadReading && end.reason === CONNECTION_ENDED) end = await pollServer(url, ca, handleEvent)
    if (end.reason !== undefined) onEvent({ type: 'lost', url, reason: end.reason })
    failures++
    next = urls.indexOf(url) + 1
    if (failures >= urls.length) await pause(backoff.nextDelay())
  }

  function handleEvent(event: PollEvent): void {
    if (event.type === 'reading') {
      failures = 0
      backoff.reset()
      urls = [...new Set([...servers, ...event.clusterStatus.servers.flatMap(({ url }) => url ?? [])])]
    }
    onEvent(event)
  }
}

/** Why polling a server ended; no reason: the server rejected the request, which was reported as an event. */
interface PollEnd {
  hadReading: boolean
  reason?: string
}

/** Polls one server until it fails or rejects the request. */
async function pollServer(url: string, ca: string | undefined, onEvent: (event: PollEvent) => void): Promise<PollEnd> {
  const socket = dial(url, ca)
  let hadReading = false
  let refusals = 0
  try {
    const failed = await waitForConnect(socket)
    if (failed !== undefined) return { hadReading, reason: failed }
    for (;;) {
      const askedAt = performance.now()
      const answer = await requestStatus(socket)
      if (typeof answer === 'string') return { hadReading, reason: answer }
      let wait = POLL_INTERVAL_MS
      if (answer.ok) {
        hadReading = true
        refusals = 0
        onEvent({ type: 'reading', url, clusterStatus: answer })
      } else {
        const { retryAfter } = answer
        // Retry a request that came slightly too early, without reporting it.
        const isEarly = retryAfter !== undefined && retryAfter <= POLL_INTERVAL_MS && ++refusals === 1
        if (!isEarly) onEvent({ type: 'refused', url, refusal: answer })
        if (retryAfter === undefined) return { hadReading }
        wait = isEarly ? 0 : POLL_INTERVAL_MS
        wait = Math.max(wait, performance.now() - askedAt + retryAfter)
      }
      await pause(askedAt + wait - performance.now(), socket)
      if (!socket.connected) return { hadReading, reason: CONNECTION_ENDED }
    }
  } finally {
    socket.disconnect()
  }
}

function dial(url: string, ca: string | undefined): Socket {
  return dialOnce(url, ca === undefined ? {} : { ca })
}

/** Waits until the socket is connected. Resolves with the reason if it cannot be. */
function waitForConnect(socket: Socket): Promise<string | undefined> {
  return new Promise(resolve => {
    // A server may accept the connection and then stay silent.
    const timer = setTimeout(() => resolve('no answer'), ANSWER_TIMEOUT_MS)
    const end = (reason?: string) => {
      clearTimeout(timer)
      resolve(reason)
    }
    socket.on('connect', () => end())
    socket.on('connect_error', error => end(connectErrorText(error)))
  })
}

/** Requests the cluster status. Resolves with a string, the reason, if the server gives no valid answer. */
async function requestStatus(socket: Socket): Promise<ClusterStatus | Refusal | string> {
  let payload: unknown
  try {
    payload = await socket.timeout(ANSWER_TIMEOUT_MS).emitWithAck('survey')
  } catch {
    return socket.connected ? 'no answer' : CONNECTION_ENDED
  }
  const answer = answerSchema.safeParse(payload)
  return answer.success ? answer.data : 'invalid answer'
}

/** Waits for a time, or until the socket disconnects. */
function pause(ms: number, socket?: Socket): Promise<void> {
  return new Promise(resolve => {
    const end = () => {
      clearTimeout(timer)
      socket?.off('disconnect', end)
      resolve()
    }
    const timer = setTimeout(end, timerDelay(ms))
    socket?.on('disconnect', end)
    if (socket?.connected === false) end()
  })
}
