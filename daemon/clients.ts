import type { Server, Socket } from 'socket.io'
import { readComposed } from '../src/protocol/guards.ts'
import { gotSchema, identifySchema, originalImSchema, relayRequestSchema } from '../src/protocol/messages.ts'
import type { Effect, Input } from '../src/server/types.ts'
import { EventPackets } from './event-packets.ts'
import { imPacket } from './im-text.ts'
import type { Log } from './log.ts'
import { Malformed } from './malformed.ts'
import { Packet, TurnFrames } from './turn-frames.ts'
import { Wire } from './wire.ts'

/** A connection with the acknowledgements that it waits for, by call. */
interface Client {
  socket: Socket
  frames: TurnFrames
  calls: Map<number, (payload: unknown) => void>
}

/** The gate of the clients: the default namespace. Checks every payload, then hands it to the core. */
export class ClientGate {
  readonly #step: (input: Input) => void
  readonly #malformed: Malformed
  readonly #gathered: () => void
  #clients = new Map<number, Client>()
  /** Connections that something of this turn waits for. */
  #waiting: TurnFrames[] = []
  #numbers = 0

  /** @param gathered called when something waits for the end of this turn: `flush` is to be called then. */
  constructor(io: Server, log: Log, step: (input: Input) => void, gathered: () => void) {
    this.#step = step
    this.#malformed = new Malformed(log)
    this.#gathered = gathered
    io.on('connection', socket => this.#connected(socket))
  }

  /** Sends what this turn has for each connection. */
  flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const frames of waiting) frames.flush()
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
      const { message } = effect
      const packet = new Packet(message.event === 'im' ? imPacket(message.payload) : eventPacket(message))
      for (const id of effect.to) this.#clients.get(id)?.frames.add(packet)
    }
  }

  #connected(socket: Socket): void {
    const connection = ++this.#numbers
    const frames = new TurnFrames(socket.conn, waiting => {
      this.#waiting.push(waiting)
      this.#gathered()
    })
    const client: Client = { socket, frames, calls: new Map() }
    this.#clients.set(connection, client)
    this.#step({ type: 'connected', connection })
    const dropped = this.#malformed.counter(`connection ${connection}`)
    type Answer = (payload: unknown) => void
    const takers = new Map<string, (payload: unknown, answer: Answer | undefined) => void>()
    const on = (event: string, take: (payload: unknown, call: number | undefined) => boolean) => {
      takers.set(event, (payload, answer) => {
        let call: number | undefined
        if (answer !== undefined) {
          call = ++this.#numbers
          client.calls.set(call, answer)
        }
        if (take(payload, call)) return
        dropped(event)
        const refusal = { ok: false, code: 'bad-payload', message: `the payload of ${event} is not what it must be` }
        if (answer !== undefined) answer(refusal)
        else frames.add(new Packet(eventPacket({ event: 'refused', payload: { ...refusal, event } })))
        if (call !== undefined) client.calls.delete(call)
      })
      socket.on(event, (...args: unknown[]) => {
        const answer = args.at(-1)
        const payload = typeof args[0] === 'function' ? undefined : args[0]
        takers.get(event)?.(payload, typeof answer === 'function' ? payload => answer(payload) : undefined)
      })
    }
    const packets = EventPackets.of(socket.conn)
    if (packets !== undefined) {
      packets.take = (event, payload, call) => {
        const take = this.#clients.has(connection) ? takers.get(event) : undefined
        const answer = (payload: unknown) => frames.add(new Packet(`3${call}${JSON.stringify([payload])}`))
        take?.(payload, call === undefined ? undefined : answer)
        return take !== undefined
      }
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
      const message = readComposed(payload) ?? originalImSchema.safeParse(payload).data
      if (message !== undefined) this.#step({ type: 'im', connection, message, ...withCall(call) })
      return message !== undefined
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
      if (packets !== undefined) packets.take = undefined
      frames.close()
      this.#clients.delete(connection)
      this.#step({ type: 'disconnected', connection })
    })
  }
}

/** An event for Socket.IO's default namespace. */
function eventPacket({ event, payload }: { event: string; payload: unknown }): string {
  return `2${JSON.stringify([event, payload])}`
}
