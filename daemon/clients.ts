import type { Server, Socket } from 'socket.io'
import {
  composedSchema,
  gotSchema,
  identifySchema,
  originalImSchema,
  relayRequestSchema,
} from '../src/protocol/messages.ts'
import type { Effect, Input } from '../src/server/types.ts'
import type { Log } from './log.ts'
import { Malformed } from './malformed.ts'
import { Wire } from './wire.ts'

/** A connection with the acknowledgements that it waits for, by call. */
interface Client {
  socket: Socket
  calls: Map<number, (payload: unknown) => void>
}

/** The gate of the clients: the default namespace. Checks every payload, then hands it to the core. */
export class ClientGate {
  readonly #step: (input: Input) => void
  readonly #malformed: Malformed
  #clients = new Map<number, Client>()
  #numbers = 0

  constructor(io: Server, log: Log, step: (input: Input) => void) {
    this.#step = step
    this.#malformed = new Malformed(log)
    io.on('connection', socket => this.#connected(socket))
  }

  perform(effect: Effect): void {
    if (effect.type === 'answer') {
      const calls = this.#clients.get(effect.connection)?.calls
      const answer = calls?.get(effect.call)
      calls?.delete(effect.call)
      answer?.(effect.payload)
    } else if (effect.type === 'close') {
      const socket = this.#clients.get(effect.connection)?.socket
      socket?.disconnect()
      if (socket !== undefined) Wire.of(socket.conn)?.close()
    } else if (effect.type === 'emit') {
      const { event, payload } = effect.message
      for (const id of effect.to) this.#clients.get(id)?.socket.emit(event, payload)
    }
  }

  #connected(socket: Socket): void {
    const connection = ++this.#numbers
    const client: Client = { socket, calls: new Map() }
    this.#clients.set(connection, client)
    this.#step({ type: 'connected', connection })
    const dropped = this.#malformed.counter(`connection ${connection}`)
    const on = (event: string, take: (payload: unknown, call: number | undefined) => boolean) => {
      socket.on(event, (...args: unknown[]) => {
        const answer = args.at(-1)
        let call: number | undefined
        if (typeof answer === 'function') {
          call = ++this.#numbers
          client.calls.set(call, payload => answer(payload))
        }
        if (take(typeof args[0] === 'function' ? undefined : args[0], call)) return
        dropped(event)
        const refusal = { ok: false, code: 'bad-payload', message: `the payload of ${event} is not what it must be` }
        if (typeof answer === 'function') answer(refusal)
        else socket.emit('refused', { ...refusal, event })
        if (call !== undefined) client.calls.delete(call)
      })
    }
    const withCall = (call: number | undefined) => (call === undefined ? {} : { call })
    on('identify', (payload, call) => {
      const hello = identifySchema.safeParse(payload)
      if (!hello.success && typeof payload !== 'string') return false
      const [user, protocol] = hello.success ? [hello.data.user, 2 as const] : [payload, 1 as const]
      const connections = hello.success && hello.data.connections === true
      this.#step({ type: 'identify', connection, user, protocol, connections, ...withCall(call) })
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
      const request = relayRequestSchema.safeParse(payload)
      if (request.success) this.#step({ type: 'relay', connection, to: request.data.to, body: request.data.body })
      return request.success
    })
    socket.on('disconnect', () => {
      this.#clients.delete(connection)
      this.#step({ type: 'disconnected', connection })
    })
  }
}
