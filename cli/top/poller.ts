/** Asks the mesh what it tells of itself, of one server at a time, without being online itself. */
import { io, type Socket } from 'socket.io-client'
import * as z from 'zod'
import { Backoff } from '../../src/common/backoff.ts'
import { type Refusal, refusalSchema } from '../../src/protocol/messages.ts'
import { type Survey, surveySchema } from '../../src/protocol/status.ts'

/** How long a server may take to accept a connection, and to answer, ms. */
const ANSWER_MS = 3_000
/** From one question to the next, ms: a server answers one a second, and the way there is not always equally long. */
const EVERY_MS = 1_050
/** Longest that a server which asks for patience is given it, ms. */
const PATIENCE_MS = 60_000

const GONE = 'the connection ended'

const answerSchema = z.union([surveySchema, refusalSchema])

export type Surveyed =
  | { type: 'connecting'; url: string }
  | { type: 'reading'; url: string; survey: Survey }
  | { type: 'refused'; url: string; refusal: Refusal }
  | { type: 'lost'; url: string; reason: string }

/** One answer, or why there is none. */
export async function surveyOnce(url: string, ca: string | undefined): Promise<Survey | Refusal | string> {
  const socket = dial(url, ca)
  const answer = (await opened(socket)) ?? (await ask(socket))
  socket.disconnect()
  return answer
}

/**
 * Asks once a second, for good. When its server is gone, or does not answer, it goes on with the next: of those given,
 * and of those that the mesh told of.
 */
export async function survey(
  servers: readonly string[],
  ca: string | undefined,
  tell: (event: Surveyed) => void,
): Promise<never> {
  const backoff = new Backoff(Math.random)
  let urls = [...servers]
  let at = 0
  /** Servers tried since the last reading. */
  let failures = 0
  for (;;) {
    const url = urls[at % urls.length] ?? ''
    tell({ type: 'connecting', url })
    let end = await follow(url, ca, told)
    // Whoever is no user is shown out after a while: that is not the end of the server.
    while (end.hadReading && end.reason === GONE) end = await follow(url, ca, told)
    if (end.reason !== undefined) tell({ type: 'lost', url, reason: end.reason })
    failures++
    at = urls.indexOf(url) + 1
    if (failures >= urls.length) await pause(backoff.next())
  }

  function told(event: Surveyed): void {
    if (event.type === 'reading') {
      failures = 0
      backoff.reset()
      urls = [...new Set([...servers, ...event.survey.servers.flatMap(({ url }) => url ?? [])])]
    }
    tell(event)
  }
}

/** How it came to an end with one server; without a reason it has refused, which was told. */
interface End {
  hadReading: boolean
  reason?: string
}

/** Asks one server until it is gone. */
async function follow(url: string, ca: string | undefined, tell: (event: Surveyed) => void): Promise<End> {
  const socket = dial(url, ca)
  let hadReading = false
  let refusals = 0
  try {
    const failed = await opened(socket)
    if (failed !== undefined) return { hadReading, reason: failed }
    for (;;) {
      const askedAt = performance.now()
      const answer = await ask(socket)
      if (typeof answer === 'string') return { hadReading, reason: answer }
      let wait = EVERY_MS
      if (answer.ok) {
        hadReading = true
        refusals = 0
        tell({ type: 'reading', url, survey: answer })
      } else {
        const { retryAfter } = answer
        // A question that came a little too soon is asked again, and nobody is to hear of it.
        const soon = retryAfter !== undefined && retryAfter <= EVERY_MS && ++refusals === 1
        if (!soon) tell({ type: 'refused', url, refusal: answer })
        if (retryAfter === undefined) return { hadReading }
        wait = soon ? 0 : EVERY_MS
        wait = Math.max(wait, Math.min(PATIENCE_MS, performance.now() - askedAt + retryAfter))
      }
      await pause(askedAt + wait - performance.now(), socket)
      if (!socket.connected) return { hadReading, reason: GONE }
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
function opened(socket: Socket): Promise<string | undefined> {
  return new Promise(resolve => {
    // There are servers that take a connection and then say nothing.
    const timer = setTimeout(() => resolve('no answer'), ANSWER_MS)
    const end = (reason?: string) => {
      clearTimeout(timer)
      resolve(reason)
    }
    socket.on('connect', () => end())
    socket.on('connect_error', error => end(error.message))
  })
}

/** The answer, or why there is none that can be read. */
async function ask(socket: Socket): Promise<Survey | Refusal | string> {
  let payload: unknown
  try {
    payload = await socket.timeout(ANSWER_MS).emitWithAck('survey')
  } catch {
    return socket.connected ? 'no answer' : GONE
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
