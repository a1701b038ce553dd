import { io, type Socket } from 'socket.io-client'
import * as z from 'zod'
import { siblingSchema } from '../src/client/catch-up.ts'
import type { SessionEvent } from '../src/client/events.ts'
import { Session, type SessionEffect, type SessionInput, type SessionOptions } from '../src/client/session.ts'
import type {
  DeliveredMessage,
  Fate,
  Identified,
  Message,
  RosterDelta,
  RosterSnapshot,
  ServerAddress,
} from '../src/protocol/messages.ts'

const relayedSchema = z.object({ from: z.string(), body: siblingSchema })

/** Where a session keeps its messages, and those that it holds. */
export interface Keeper {
  readonly messages: readonly Message[]
  readonly held: readonly Message[]
  store(message: Message): void
  hold(message: Message): void
  release(id: string): void
}

/** Runs a session on a real socket, clock and disk; answers with the way to ask something of it. */
export function connect(
  options: SessionOptions,
  history: Keeper,
  listener: (event: SessionEvent) => void,
): (input: Extract<SessionInput, { type: 'request' }>['request']) => void {
  const session = new Session(options)
  let socket: Socket | undefined
  let timer: NodeJS.Timeout | undefined
  let flushing = false

  const step = (input: SessionInput) => {
    for (const effect of session.step(input, performance.now(), Date.now())) perform(effect)
    if (session.gathered && !flushing) {
      flushing = true
      setImmediate(() => {
        flushing = false
        step({ type: 'flush' })
      })
    }
    clearTimeout(timer)
    const wait = session.deadline - performance.now()
    if (wait < Number.POSITIVE_INFINITY) timer = setTimeout(() => step({ type: 'tick' }), Math.max(1, Math.ceil(wait)))
  }

  const dial = (dial: number, url: string) => {
    const dialled = io(url, { transports: ['websocket'], reconnection: false, forceNew: true })
    socket = dialled
    dialled.on('connect', () => step({ type: 'opened', dial }))
    dialled.on('connect_error', error => step({ type: 'closed', dial, reason: error.message }))
    dialled.on('disconnect', reason => step({ type: 'closed', dial, reason }))
    dialled.on('im', (message: DeliveredMessage) => step({ type: 'im', dial, message }))
    dialled.on('roster', (delta: RosterDelta) => step({ type: 'roster', dial, delta }))
    dialled.on('siblings', ({ connections }: { connections: number }) => step({ type: 'siblings', dial, connections }))
    dialled.on('move', ({ servers }: { servers: ServerAddress[] }) => step({ type: 'move', dial, servers }))
    dialled.on('relay', (payload: unknown) => {
      const relayed = relayedSchema.safeParse(payload)
      if (relayed.success) step({ type: 'relay', dial, from: relayed.data.from, frame: relayed.data.body })
    })
  }

  const perform = (effect: SessionEffect) => {
    switch (effect.type) {
      case 'dial':
        return dial(effect.dial, effect.url)
      case 'hang-up':
        socket?.removeAllListeners()
        socket?.disconnect()
        return
      case 'identify':
        socket?.emit('identify', effect.hello, (answer: Identified) =>
          step({ type: 'identified', dial: effect.dial, answer }),
        )
        return
      case 'im': {
        const { id } = effect.message
        socket?.emit('im', effect.message, (fate: Fate) => step({ type: 'fate', dial: effect.dial, id, fate }))
        return
      }
      case 'got':
        socket?.emit('got', effect.count)
        return
      case 'ask-roster':
        socket?.emit('roster', (snapshot: RosterSnapshot) =>
          step({ type: 'roster-snapshot', dial: effect.dial, snapshot }),
        )
        return
      case 'relay':
        socket?.emit('relay', { to: effect.to, body: effect.frame })
        return
      case 'store':
        return history.store(effect.message)
      case 'hold':
        return history.hold(effect.message)
      case 'release':
        return history.release(effect.id)
      case 'tell':
        listener(effect.event)
    }
  }

  step({ type: 'start', history: history.messages, outbox: history.held })
  return request => step({ type: 'request', request })
}
