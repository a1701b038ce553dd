/** Asks the mesh what it tells of itself, of one server at a time, without being online itself. */
import { io, type Socket } from 'socket.io-client'
import * as z from 'zod'
import { Backoff } from '../../src/common/backoff.ts'
import { type Refusal, refusalSchema } from '../../src/protocol/messages.ts'
import { type ClusterStatus, clusterStatusSchema } from '../../src/protocol/status.ts'

/** How long a server may take to accept a connection, and to answer, ms. */
const ANSWER_TIMEOUT_MS = 3_000
/** From one question to the next, ms: a server answers one a second, and the way there is not always equally long. */
const POLL_INTERVAL_MS = 1_050
/** Longest that a server which asks for patience is given it, ms. */
const MAX_RETRY_AFTER_MS = 60_000

const CONNECTION_ENDED = 'the connection ended'

const answerSchema = z.union([clusterStatusSchema, refusalSchema])

export type PollEvent =
  | { type: 'connecting'; url: string }
  | { type: 'reading'; url: string; clusterStatus: ClusterStatus }
  | { type: 'refused'; url: string; refusal: Refusal }
  | { type: 'lost'; url: string; reason: string }

/** One answer, or why there is none. */
export async function pollOnce(url: string, ca: string | undefined): Promise<ClusterStatus | Refusal | string> {
  const socket = dial(url, ca)
  const answer = (await waitForConnect(socket)) ?? (await requestStatus(socket))
  socket.disconnect()
  return answer
}

/**
 * Asks once a second, for good. When its server is gone, or does not answer, it goes on with the next: of those given,
 * and of those that the mesh told of.
 */
export async function pollMesh(
  servers: readonly string[],
  ca: string | undefined,
  onEvent: (event: PollEvent) => void,
): Promise<never> {
  const backoff = new Backoff(Math.random)
  let urls = [...servers]
  let next = 0
  /** Servers tried since the last reading. */
  let failures = 0
  for (;;) {
    const url = urls[next % urls.length] ?? ''
    onEvent({ type: 'connecting', url })
    let end = await pollServer(url, ca, handleEvent)
    // Whoever is no user is shown out after a while: that is not the end of the server.
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

/** How it came to an end with one server; without a reason it has refused, which was told. */
interface PollEnd {
  hadReading: boolean
  reason?: string
}

/** Asks one server until it is gone. */
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
        // A question that came a little too soon is asked again, and nobody is to hear of it.
        const isEarly = retryAfter !== undefined && retryAfter <= POLL_INTERVAL_MS && ++refusals === 1
        if (!isEarly) onEvent({ type: 'refused', url, refusal: answer })
        if (retryAfter === undefined) return { hadReading }
        wait = isEarly ? 0 : POLL_INTERVAL_MS
        wait = Math.max(wait, Math.min(MAX_RETRY_AFTER_MS, performance.now() - askedAt + retryAfter))
      }
      await pause(askedAt + wait - performance.now(), socket)
      if (!socket.connected) return { hadReading, reason: CONNECTION_ENDED }
    }
  } finally {
    socket.disconnect()
  }
}

function dial(url: string, ca: string | undefined): Socket {
  return io(url, {
    transports: ['websocket'],
    reconnection: false,
    forceNew: true,
    ...(ca === undefined ? {} : { ca }),
  })
}

/** Waits until the connection is open; answers with why it cannot be. */
function waitForConnect(socket: Socket): Promise<string | undefined> {
  return new Promise(resolve => {
    // There are servers that take a connection and then say nothing.
    const timer = setTimeout(() => resolve('no answer'), ANSWER_TIMEOUT_MS)
    const end = (reason?: string) => {
      clearTimeout(timer)
      resolve(reason)
    }
    socket.on('connect', () => end())
    socket.on('connect_error', error => end(error.message))
  })
}

/** The answer, or why there is none that can be read. */
async function requestStatus(socket: Socket): Promise<ClusterStatus | Refusal | string> {
  let payload: unknown
  try {
    payload = await socket.timeout(ANSWER_TIMEOUT_MS).emitWithAck('survey')
  } catch {
    return socket.connected ? 'no answer' : CONNECTION_ENDED
  }
  const answer = answerSchema.safeParse(payload)
  return answer.success ? answer.data : 'it does not tell'
}

/** Waits, but not longer than the connection holds, if one is given. */
function pause(ms: number, socket?: Socket): Promise<void> {
  return new Promise(resolve => {
    const end = () => {
      clearTimeout(timer)
      socket?.off('disconnect', end)
      resolve()
    }
    const timer = setTimeout(end, Math.max(0, ms))
    socket?.on('disconnect', end)
    if (socket?.connected === false) end()
  })
}
