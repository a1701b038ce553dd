import { randomBytes } from 'node:crypto'
import type { Server, Socket } from 'socket.io'
import { type Socket as DialledSocket, io as dial } from 'socket.io-client'
import * as z from 'zod'
import {
  type AcceptorFrame,
  beatSchema,
  type DiallerFrame,
  type Forwarded,
  type ForwardFate,
  holdsSchema,
  type Introduction,
  introductionSchema,
  type LinkRefusal,
  linkRefusalSchema,
  membersSchema,
  missedSchema,
  presenceSchema,
  relaySchema,
} from '../src/protocol/frames.ts'
import { isFates, isForwardBatch } from '../src/protocol/guards.ts'
import { exceeds, type Limits } from '../src/protocol/limits.ts'
import type { Effect, Input } from '../src/server/types.ts'
import { type Party, prove, sameProof } from './handshake.ts'
import { forwardPacket } from './im-text.ts'
import type { Log } from './log.ts'
import { Malformed } from './malformed.ts'
import type { TlsMaterial } from './tls.ts'
import { Wire } from './wire.ts'

/** How long a dial and its handshake may take, ms. */
const HANDSHAKE_MS = 4_000

const none = z.unknown().transform(() => null)
const DIALLER_EVENTS = {
  presence: presenceSchema,
  forward: z.custom<Forwarded[]>(isForwardBatch),
  beat: beatSchema,
  members: membersSchema,
  relay: relaySchema,
  missed: missedSchema,
  goodbye: none,
}
const ACCEPTOR_EVENTS = { fates: z.custom<ForwardFate[]>(isFates), resync: none, beat: beatSchema }

const partySchema = introductionSchema.extend({ nonce: z.string().min(16).max(64) })
const welcomeSchema = z.union([
  z.object({ ok: z.literal(true), proof: z.string(), holds: holdsSchema }),
  z.object({
    ok: z.literal(false),
    code: linkRefusalSchema,
    message: z.string().max(1_000),
    proof: z.unknown().optional(),
  }),
])

/** What the package `ws` gives under engine.io's client. */
interface WebSocketOfWs {
  readonly bufferedAmount: number
  terminate(): void
}

/** One link: its events go out by `emit`, and `cut` ends it whatever waits. */
interface Link {
  emit(event: string, payload: unknown): unknown
  cut(): void
}

/** The gate of the peers: the namespace `/mesh`, and the links that this server dials. Proves first, then parses. */
export class PeerGate {
  readonly #self: Introduction
  readonly #secret: string
  #ca: string | undefined
  readonly #limits: Limits
  readonly #log: Log
  readonly #malformed: Malformed
  readonly #step: (input: Input) => void
  #links = new Map<number, Link>()
  #welcomes = new Map<number, (effect: Extract<Effect, { type: 'accept' | 'refuse' }>) => void>()
  #numbers = 0
  /** Who has dialled and not yet proven anything, the oldest first: how each is turned away. */
  #handshakes = new Set<() => void>()

  constructor(
    gates: readonly Server[],
    self: Introduction,
    options: { secret: string; tls: TlsMaterial | undefined; limits: Limits; log: Log },
    step: (input: Input) => void,
  ) {
    this.#self = self
    this.#secret = options.secret
    this.#ca = options.tls?.ca
    this.#limits = options.limits
    this.#log = options.log
    this.#malformed = new Malformed(options.log)
    this.#step = step
    for (const io of gates) io.of('/mesh').on('connection', socket => this.#accept(socket))
  }

  /** Who vouches for the certificates of peers from now on. */
  trust(ca: string | undefined): void {
    this.#ca = ca
  }

  perform(effect: Effect): void {
    if (effect.type === 'send') this.#links.get(effect.link)?.emit(effect.frame.event, effect.frame.payload)
    else if (effect.type === 'dial') this.#dial(effect)
    else if (effect.type === 'accept' || effect.type === 'refuse') this.#welcomes.get(effect.link)?.(effect)
    else if (effect.type === 'hang-up') {
      const link = this.#links.get(effect.link)
      this.#links.delete(effect.link)
      link?.cut()
    }
  }

  #party(): Party {
    return { ...this.#self, nonce: randomBytes(16).toString('base64url') }
  }

  #accept(socket: Socket): void {
    const wire = Wire.of(socket.conn)
    const leave = () => {
      socket.disconnect()
      wire?.close()
    }
    const dialler = partySchema.safeParse(socket.handshake.auth)
    if (!dialler.success) return leave()
    // Who says nothing is not to keep the door shut: a peer needs no longer than its packets take.
    const [oldest] = this.#handshakes
    if (exceeds(this.#handshakes.size + 1, this.#limits.handshakes)) oldest?.()
    const acceptor = this.#party()
    const ended = () => {
      clearTimeout(patience)
      this.#handshakes.delete(turnAway)
    }
    const turnAway = () => {
      ended()
      leave()
    }
    const patience = setTimeout(turnAway, HANDSHAKE_MS)
    this.#handshakes.add(turnAway)
    socket.once('disconnect', ended)
    socket.emit('challenge', acceptor)
    socket.once('prove', (proof: unknown, answer: unknown) => {
      if (typeof answer !== 'function') return leave()
      ended()
      if (!sameProof(prove(this.#secret, 'dialler', dialler.data, acceptor), proof)) {
        answer({ ok: false, code: 'wrong-secret', message: "this server does not know the mesh's secret" })
        return leave()
      }
      const link = ++this.#numbers
      this.#welcomes.set(link, effect => {
        this.#welcomes.delete(link)
        if (effect.type === 'refuse') {
          const proof = prove(this.#secret, 'refuser', dialler.data, acceptor)
          answer({ ok: false, code: effect.code, message: effect.message, proof })
          return leave()
        }
        answer({ ok: true, proof: prove(this.#secret, 'acceptor', dialler.data, acceptor), holds: effect.holds })
        wire?.becomesLink()
        const cut = () => wire?.cut()
        this.#open(link, id, socket, { emit: socket.emit.bind(socket), cut }, DIALLER_EVENTS)
      })
      const { nonce: _, ...introduction } = dialler.data
      const { id } = introduction
      this.#step({ type: 'accepted', link, introduction })
    })
  }

  #dial({ peer, url, id }: Extract<Effect, { type: 'dial' }>): void {
    const dialler = this.#party()
    const socket = dial(`${url}/mesh`, {
      auth: dialler,
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
      timeout: HANDSHAKE_MS,
      ...(this.#ca === undefined ? {} : { ca: this.#ca }),
    })
    const patience = setTimeout(() => fail('no answer to the handshake'), HANDSHAKE_MS)
    let ended = false
    const fail = (reason: string, code?: LinkRefusal) => {
      if (ended) return
      ended = true
      clearTimeout(patience)
      socket.disconnect()
      this.#step({ type: 'dial-failed', peer, reason, ...(code === undefined ? {} : { code }) })
    }
    socket.on('connect_error', error => fail(error.message))
    socket.once('disconnect', reason => fail(reason))
    socket.once('challenge', (payload: unknown) => {
      const acceptor = partySchema.safeParse(payload)
      if (!acceptor.success) return fail('a malformed challenge')
      // Workers that share an address say whose they are.
      const met = acceptor.data.id
      if (id !== undefined && met !== id && !met.startsWith(`${id}/`)) {
        return fail(`another server than ${id} answers at ${url}: ${met}`)
      }
      const proof = prove(this.#secret, 'dialler', dialler, acceptor.data)
      socket.emit('prove', proof, (payload: unknown) => {
        if (ended) return
        const welcome = welcomeSchema.safeParse(payload)
        if (!welcome.success) return fail('a malformed answer to the handshake')
        if (!welcome.data.ok) {
          const { code, message, proof } = welcome.data
          // What a stranger says at a peer's address ends nobody.
          const isPeer = sameProof(prove(this.#secret, 'refuser', dialler, acceptor.data), proof)
          return fail(message, isPeer || code === 'wrong-secret' ? code : undefined)
        }
        if (!sameProof(prove(this.#secret, 'acceptor', dialler, acceptor.data), welcome.data.proof)) {
          return fail('it does not hold the secret of this mesh', 'wrong-secret')
        }
        ended = true
        clearTimeout(patience)
        const link = ++this.#numbers
        this.#open(link, peer, socket, this.#dialledLink(link, socket), ACCEPTOR_EVENTS)
        this.#step({ type: 'dialled', peer, link, introduction: acceptor.data, holds: welcome.data.holds })
      })
    })
  }

  /** From here on frames are read, by the schema of each event. */
  #open(
    number: number,
    peer: string,
    socket: Socket | DialledSocket,
    link: Link,
    events: Record<string, z.ZodType>,
  ): void {
    this.#links.set(number, link)
    const dropped = this.#malformed.counter(`peer: ${peer}`)
    for (const [event, schema] of Object.entries(events)) {
      socket.on(event, (payload: unknown) => {
        const parsed = schema.safeParse(payload)
        if (!parsed.success) return dropped(event)
        if (!this.#links.has(number)) return
        const frame = { event, payload: parsed.data } as DiallerFrame | AcceptorFrame
        this.#step({ type: 'frame', link: number, frame })
      })
    }
    const closed = (reason: string) => {
      if (this.#links.delete(number)) this.#step({ type: 'link-closed', link: number, reason })
    }
    socket.on('disconnect', closed)
    if (!socket.connected) closed('it closed during the handshake')
  }

  /** A link that this server dialled: what waits on it is looked at whenever something is added. */
  #dialledLink(number: number, socket: DialledSocket): Link {
    const raw = () => (socket.io.engine as unknown as { transport: { ws?: WebSocketOfWs } }).transport.ws
    const cut = () => {
      const ws = raw()
      socket.disconnect()
      ws?.terminate()
    }
    return {
      cut,
      emit: (event, payload) => {
        const { engine } = socket.io
        if (event === 'forward' && socket.connected) engine.write(forwardPacket(payload as Forwarded[]))
        else socket.emit(event, payload)
        if (!exceeds(raw()?.bufferedAmount ?? 0, this.#limits.linkBufferedBytes)) return
        if (this.#links.delete(number)) this.#step({ type: 'link-closed', link: number, reason: 'it does not read' })
        this.#log.say('warn', 'Cut off a peer that does not read.')
        cut()
      },
    }
  }
}
