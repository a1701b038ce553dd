import type { Server, Socket } from 'socket.io'
import type { AuthMode, Challenge, Credential } from '../src/protocol/credentials.ts'
import { readComposed } from '../src/protocol/guards.ts'
import {
  gotSchema,
  type Identify,
  identifySchema,
  originalImSchema,
  type Refusal,
  relayRequestSchema,
} from '../src/protocol/messages.ts'
import type { Effect, Input } from '../src/server/types.ts'
import { checkProof, makeChallenge } from './auth/challenge.ts'
import { checkToken, type TokenKey } from './auth/tokens.ts'
import type { Log } from './log/log.ts'
import { Malformed } from './log/malformed-payloads.ts'
import { Wire } from './transport/backpressure.ts'
import { EventPackets } from './transport/event-reader.ts'
import { Packet, TurnFrames } from './transport/frame-batch.ts'
import { fatePacket, imPacket } from './transport/im-packets.ts'
import { slim } from './transport/release-request.ts'
import { identifiedPacket, packedDelta, rosterPacket } from './transport/roster-packets.ts'

/**
 * A connection. A call that came by `EventPackets` has the client's own number; one that came the ordinary way a
 * negative one, by which the answering function is kept. What most connections never need is made when they do.
 */
interface Client {
  readonly connection: number
  readonly socket: Socket
  readonly frames: TurnFrames
  calls: Map<number, (payload: unknown) => void> | undefined
  /** Counts what it sent that is not what it must be. */
  dropped: ((event: string) => void) | undefined
  /** What it is to sign, where users are known by keys. */
  challenge: Challenge | undefined
  /** Whether it takes long rosters and deltas packed. */
  packed: boolean
  /** How often it has shown a proof or a token. */
  shown: number
}

/** Checking a signature takes longer than all else that a packet can ask for: more are not looked at. */
const MOST_SHOWN = 20

/** The number of the call of one who identifies while it connects, in Socket.IO's `auth`: the event `identified` answers. */
const AT_CONNECT = -1

/** How users prove their names to a server of this id. */
export interface Auth {
  server: string
  mode: AuthMode
  /** Checks tokens. */
  tokenKey: TokenKey | undefined
}

/** Takes an event's payload; false: it is not what it must be. */
type Taker = (client: Client, payload: unknown, call: number | undefined) => boolean

/** The gate of the clients: the default namespace. Checks every payload, then hands it to the core. */
export class ClientGateway {
  readonly #step: (input: Input) => void
  readonly #auth: Auth
  readonly #malformed: Malformed
  readonly #gathered: () => void
  #clients = new Map<number, Client>()
  /** Connections that something of this turn waits for. */
  #waiting: TurnFrames[] = []
  #numbers = 0
  readonly #waits = (frames: TurnFrames) => {
    this.#waiting.push(frames)
    this.#gathered()
  }

  /** @param gathered called when something waits for the end of this turn: `flush` is to be called then. */
  constructor(io: Server, auth: Auth, log: Log, step: (input: Input) => void, gathered: () => void) {
    this.#step = step
    this.#auth = auth
    this.#malformed = new Malformed(log)
    this.#gathered = gathered
    io.on('connection', socket => this.#connected(socket))
  }

  /** How often something came in that is not what it must be. */
  get malformed(): number {
    return this.#malformed.total
  }

  /** Sends what this turn has for each connection. */
  flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const frames of waiting) frames.flush()
  }

  perform(effect: Effect): void {
    if (effect.type === 'answer') {
      const client = this.#clients.get(effect.connection)
      if (client !== undefined) answer(client, effect.call, effect.payload)
    } else if (effect.type === 'close') {
      const socket = this.#clients.get(effect.connection)?.socket
      socket?.disconnect()
      if (socket !== undefined) Wire.of(socket.conn)?.close()
    } else if (effect.type === 'emit') {
      const { message } = effect
      const packet = new Packet(message.event === 'im' ? imPacket(message.payload) : eventPacket(message))
      const packed = (message.event === 'roster' ? packedDelta(message.payload) : undefined) ?? packet
      for (const id of effect.to) {
        const client = this.#clients.get(id)
        client?.frames.add(client.packed ? packed : packet)
      }
    }
  }

  #connected(socket: Socket): void {
    const hello: unknown = socket.handshake.auth.identify
    slim(socket)
    const connection = ++this.#numbers
    const frames = new TurnFrames(socket.conn, this.#waits, Wire.of(socket.conn))
    const client: Client = {
      connection,
      socket,
      frames,
      calls: undefined,
      dropped: undefined,
      challenge: undefined,
      packed: false,
      shown: 0,
    }
    this.#clients.set(connection, client)
    this.#step({ type: 'connected', connection, address: socket.conn.remoteAddress })
    socket.onAny((event: string, ...args: unknown[]) => this.#ordinary(client, event, args))
    const packets = EventPackets.of(socket.conn)
    if (packets !== undefined) {
      packets.take = (event, payload, call) => this.#clients.has(connection) && this.#take(client, event, payload, call)
    }
    socket.on('disconnect', () => {
      if (packets !== undefined) packets.take = undefined
      this.#clients.delete(connection)
      this.#step({ type: 'disconnected', connection })
    })
    if (hello === undefined) return
    this.#take(client, 'identify', hello, AT_CONNECT)
    frames.flush()
  }

  /** What came the ordinary way, through Socket.IO's decoder. */
  #ordinary(client: Client, event: string, args: readonly unknown[]): void {
    const answering = args.at(-1)
    const payload = typeof args[0] === 'function' ? undefined : args[0]
    if (typeof answering !== 'function') return void this.#take(client, event, payload, undefined)
    const call = -++this.#numbers
    client.calls ??= new Map()
    client.calls.set(call, payload => answering(payload))
    if (!this.#take(client, event, payload, call)) client.calls.delete(call)
  }

  /** False: there is no such event. */
  #take(client: Client, event: string, payload: unknown, call: number | undefined): boolean {
    const take = this.#takers.get(event)
    if (take === undefined) return false
    if (take(client, payload, call)) return true
    client.dropped ??= this.#malformed.counter(`connection ${client.connection}`)
    client.dropped(event)
    const message = `the payload of ${event} is not what it must be`
    const refusal: Refusal = { ok: false, code: 'bad-payload', message }
    if (call !== undefined) answer(client, call, refusal)
    else client.frames.add(new Packet(eventPacket({ event: 'refused', payload: { ...refusal, event } })))
    return true
  }

  #identify: Taker = (client, payload, call) => {
    const { connection } = client
    const calling = call === undefined ? {} : { call }
    const hello = identifySchema.safeParse(payload)
    if (!hello.success && typeof payload !== 'string') return false
    if (!hello.success) {
      this.#step({ type: 'identify', connection, user: payload, protocol: 1, ...calling })
      return true
    }
    const { user, connections = false } = hello.data
    client.packed = hello.data.packed === true
    const step = (credential?: Credential) => {
      const shown = credential === undefined ? {} : { credential }
      this.#step({ type: 'identify', connection, user, protocol: 2, connections, ...shown, ...calling })
    }
    const { mode, tokenKey } = this.#auth
    const proves = mode === 'key' ? hello.data.proof !== undefined : hello.data.token !== undefined
    if (proves && ++client.shown > MOST_SHOWN)
      step({ kind: 'invalid', reason: 'too much was shown that proves nothing' })
    else if (mode === 'key' && call !== undefined) this.#keyed(client, hello.data, call, step)
    else if (tokenKey !== undefined && hello.data.token !== undefined)
      void checkToken(tokenKey, hello.data.token).then(step)
    else step()
    return true
  }

  /** Asks for the proof of a key, or checks it. */
  #keyed(client: Client, { user, key, proof }: Identify, call: number, step: (credential: Credential) => void): void {
    if (key === undefined || proof === undefined) {
      client.challenge = makeChallenge(this.#auth.server, client.connection)
      const message = 'this mesh knows its users by their keys: sign the challenge'
      return answer(client, call, { ok: false, code: 'prove-key', message, challenge: client.challenge })
    }
    // Good for one try.
    const { challenge } = client
    client.challenge = undefined
    step(checkProof(user, key, proof, challenge))
  }

  #im: Taker = ({ connection }, payload, call) => {
    const message = readComposed(payload) ?? originalImSchema.safeParse(payload).data
    if (message === undefined) return false
    this.#step(call === undefined ? { type: 'im', connection, message } : { type: 'im', connection, message, call })
    return true
  }

  /** Not answered: a call would wait for ever, and be kept for as long. */
  #got: Taker = ({ connection }, payload, call) => {
    const count = gotSchema.safeParse(payload)
    if (!count.success || call !== undefined) return false
    this.#step({ type: 'got', connection, count: count.data })
    return true
  }

  #roster: Taker = ({ connection }, _, call) => {
    if (call !== undefined) this.#step({ type: 'roster', connection, call })
    return call !== undefined
  }

  #key: Taker = ({ connection }, user, call) => {
    if (call !== undefined) this.#step({ type: 'key', connection, user, call })
    return call !== undefined
  }

  #survey: Taker = ({ connection }, _, call) => {
    if (call !== undefined) this.#step({ type: 'survey', connection, call })
    return call !== undefined
  }

  /** Not answered, either. */
  #relay: Taker = ({ connection }, payload, call) => {
    const request = relayRequestSchema.safeParse(payload)
    if (!request.success || call !== undefined) return false
    this.#step({ type: 'relay', connection, to: request.data.to, body: request.data.body })
    return true
  }

  /** By their names, in a `Map`: an event that is called `__proto__` is none of them. */
  readonly #takers: ReadonlyMap<string, Taker> = new Map([
    ['identify', this.#identify],
    ['im', this.#im],
    ['got', this.#got],
    ['roster', this.#roster],
    ['key', this.#key],
    ['relay', this.#relay],
    ['survey', this.#survey],
  ])
}

type Answer = Extract<Effect, { type: 'answer' }>['payload']

function answer({ frames, calls, packed }: Client, call: number, payload: Answer): void {
  if (call < AT_CONNECT) {
    calls?.get(call)?.(payload)
    calls?.delete(call)
  } else if ('roster' in payload) {
    frames.add(identifiedPacket(call === AT_CONNECT ? '2["identified",' : `3${call}[`, payload, packed))
  } else if (call === AT_CONNECT) frames.add(new Packet(eventPacket({ event: 'identified', payload })))
  else if ('users' in payload) frames.add(rosterPacket(call, payload, packed))
  else if ('delivered' in payload) frames.add(new Packet(fatePacket(call, payload)))
  else frames.add(new Packet(`3${call}${JSON.stringify([payload])}`))
}

/** An event for Socket.IO's default namespace. */
function eventPacket({ event, payload }: { event: string; payload: unknown }): string {
  return `2${JSON.stringify([event, payload])}`
}
