import type { Server, Socket } from 'socket.io'
import { composedSchema, gotSchema, identifySchema, originalImSchema } from '../src/protocol/messages.ts'
import type { Effect, Input } from '../src/server/types.ts'

/** The gate of the clients: the default namespace. Checks every payload, then hands it to the core. */
export class ClientGate {
  readonly #step: (input: Input) => void
  readonly #bufferedBytes: number
  #sockets = new Map<number, Socket>()
  #calls = new Map<number, { connection: number; answer: (payload: unknown) => void }>()
  #numbers = 0

  constructor(io: Server, bufferedBytes: number, step: (input: Input) => void) {
    this.#step = step
    this.#bufferedBytes = bufferedBytes
    io.on('connection', socket => this.#connected(socket))
  }

  perform(effect: Effect): void {
    if (effect.type === 'answer') {
      this.#calls.get(effect.call)?.answer(effect.payload)
      this.#calls.delete(effect.call)
    } else if (effect.type === 'close') this.#sockets.get(effect.connection)?.disconnect(true)
    else if (effect.type === 'emit') {
      const { event, payload } = effect.message
      for (const id of effect.to) {
        const socket = this.#sockets.get(id)
        if (socket === undefined) continue
        socket.emit(event, payload)
        if (this.#bufferedBytes > 0 && waiting(socket) > this.#bufferedBytes) socket.disconnect(true)
      }
    }
  }

  #connected(socket: Socket): void {
    const connection = ++this.#numbers
    this.#sockets.set(connection, socket)
    this.#step({ type: 'connected', connection })
    const on = (event: string, take: (payload: unknown, call: number | undefined) => boolean) => {
      socket.on(event, (...args: unknown[]) => {
        const answer = args.at(-1)
        let call: number | undefined
        if (typeof answer === 'function') {
          call = ++this.#numbers
          this.#calls.set(call, { connection, answer: payload => answer(payload) })
        }
        if (take(typeof args[0] === 'function' ? undefined : args[0], call)) return
        const refusal = { ok: false, code: 'bad-payload', message: `the payload of ${event} is not what it must be` }
        if (typeof answer === 'function') answer(refusal)
        else socket.emit('refused', { ...refusal, event })
        if (call !== undefined) this.#calls.delete(call)
      })
    }
    const withCall = (call: number | undefined) => (call === undefined ? {} : { call })
    on('identify', (payload, call) => {
      const hello = identifySchema.safeParse(payload)
      if (!hello.success && typeof payload !== 'string') return false
      const [user, protocol] = hello.success ? [hello.data.user, 2 as const] : [payload, 1 as const]
      this.#step({ type: 'identify', connection, user, protocol, ...withCall(call) })
      return true
    })
    on('im', (payload, call) => {
      const composed = composedSchema.safeParse(payload)
      const message = composed.success ? composed : originalImSchema.safeParse(payload)
      if (message.success) this.#step({ type: 'im', connection, message: message.data, ...withCall(call) })
      return message.success
    })
    on('got', payload => {
      const count = gotSchema.safeParse(payload)
      if (count.success) this.#step({ type: 'got', connection, count: count.data })
      return count.success
    })
    on('roster', (_, call) => {
      if (call !== undefined) this.#step({ type: 'roster', connection, call })
      return call !== undefined
    })
    on('relay', payload => {
      if (typeof payload !== 'object' || payload === null || !('body' in payload)) return false
      const to = 'to' in payload && typeof payload.to === 'string' ? payload.to.slice(0, 200) : undefined
      this.#step({ type: 'relay', connection, to, body: payload.body })
      return true
    })
    socket.on('disconnect', () => {
      this.#sockets.delete(connection)
      for (const [call, { connection: owner }] of this.#calls) if (owner === connection) this.#calls.delete(call)
      this.#step({ type: 'disconnected', connection })
    })
  }
}

/** Bytes that wait for a client to read them: engine.io's packets, and what the WebSocket holds. */
function waiting(socket: Socket): number {
  const { writeBuffer, transport } = socket.conn as unknown as {
    writeBuffer: { data?: unknown }[]
    transport: { socket?: { bufferedAmount?: number } }
  }
  let bytes = transport.socket?.bufferedAmount ?? 0
  for (const { data } of writeBuffer) if (typeof data === 'string') bytes += data.length
  return bytes
}
