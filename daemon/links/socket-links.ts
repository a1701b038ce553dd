import type { Server, Socket } from 'socket.io'
import { type Socket as DialledSocket, io as dial } from 'socket.io-client'
import type { Forwarded, LinkRefusal } from '../../src/protocol/frames.ts'
import { exceeds } from '../../src/protocol/limits.ts'
import type { Effect } from '../../src/server/types.ts'
import { Malformed } from '../log/malformed-payloads.ts'
import { Wire } from '../transport/backpressure.ts'
import { forwardPacket } from '../transport/im-packets.ts'
import { type CarrierOptions, HANDSHAKE_MS, type LinkCarrier } from './carrier.ts'
import { answersTo, newParty, partySchema, prove, readWelcome, sameProof, welcomeOf } from './handshake.ts'
import { LINK_EVENTS, readFrame } from './link-events.ts'

/** What the package `ws` gives under engine.io's client. */
interface WebSocketOfWs {
  readonly bufferedAmount: number
  terminate(): void
}

/** Time for the last words to leave, ms. */
const LAST_WORDS_MS = 200

/** One link: its events go out by `emit`, `end` ends it behind them, and `cut` whatever waits. */
interface Link {
  emit(event: string, payload: unknown): unknown
  end(): unknown
  cut(): void
}

/** Links over sockets: those that peers dial to the namespace `/mesh`, and those that this server dials. */
export class SocketLinks implements LinkCarrier {
  readonly #options: CarrierOptions
  #ca: string | undefined
  readonly #malformed: Malformed
  #links = new Map<number, Link>()
  #welcomes = new Map<number, (effect: Extract<Effect, { type: 'accept' | 'refuse' }>) => void>()
  #numbers = 0
  /** Who has dialled and not yet proven anything, the oldest first: how each is turned away. */
  #handshakes = new Set<() => void>()
  /** Gives up a dial that is under way. */
  readonly #dialling = new Set<() => void>()

  constructor(gates: readonly Server[], options: CarrierOptions) {
    this.#options = options
    this.#ca = options.tls?.ca
    this.#malformed = new Malformed(options.log)
    for (const io of gates) io.of('/mesh').on('connection', socket => this.#accept(socket))
  }

  get malformed(): number {
    return this.#malformed.total
  }

  trust(ca: string | undefined): void {
    this.#ca = ca
  }

  async close(): Promise<void> {
    for (const giveUp of [...this.#dialling]) giveUp()
    const links = [...this.#links.values()]
    this.#links.clear()
    if (links.length === 0) return
    for (const link of links) link.end()
    await new Promise(resolve => setTimeout(resolve, LAST_WORDS_MS))
    for (const link of links) link.cut()
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
    if (exceeds(this.#handshakes.size + 1, this.#options.limits.handshakes)) oldest?.()
    const acceptor = newParty(this.#options.self)
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
      if (!sameProof(prove(this.#options.secret, 'dialler', dialler.data, acceptor), proof)) {
        answer({ ok: false, code: 'wrong-secret', message: "this server does not know the mesh's secret" })
        return leave()
      }
      // The core never hears of it: nothing changes in the mesh.
      if (dialler.data.probe) {
        answer({ ok: true, proof: prove(this.#options.secret, 'acceptor', dialler.data, acceptor), time: Date.now() })
        return leave()
      }
      const link = ++this.#numbers
      this.#welcomes.set(link, effect => {
        this.#welcomes.delete(link)
        answer(welcomeOf(effect, this.#options.secret, dialler.data, acceptor))
        if (effect.type === 'refuse') return leave()
        wire?.becomesLink()
        const cut = () => wire?.cut()
        this.#open(
          link,
          id,
          socket,
          { emit: socket.emit.bind(socket), end: () => socket.disconnect(true), cut },
          'dialler',
        )
      })
      const { nonce: _, ...introduction } = dialler.data
      const { id } = introduction
      this.#options.step({ type: 'accepted', link, introduction })
    })
  }

  #dial({ peer, url, id }: Extract<Effect, { type: 'dial' }>): void {
    const dialler = newParty(this.#options.self)
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
    const end = () => {
      ended = true
      clearTimeout(patience)
      this.#dialling.delete(giveUp)
    }
    const giveUp = () => {
      end()
      socket.disconnect()
    }
    this.#dialling.add(giveUp)
    const fail = (reason: string, code?: LinkRefusal) => {
      if (ended) return
      end()
      socket.disconnect()
      this.#options.step({ type: 'dial-failed', peer, reason, ...(code === undefined ? {} : { code }) })
    }
    socket.on('connect_error', error => fail(error.message))
    socket.once('disconnect', reason => fail(reason))
    socket.once('challenge', (payload: unknown) => {
      const acceptor = partySchema.safeParse(payload)
      if (!acceptor.success) return fail('a malformed challenge')
      const met = acceptor.data.id
      if (!answersTo(id, met)) return fail(`another server than ${id} answers at ${url}: ${met}`)
      const proof = prove(this.#options.secret, 'dialler', dialler, acceptor.data)
      socket.emit('prove', proof, (payload: unknown) => {
        if (ended) return
        const welcome = readWelcome(this.#options.secret, dialler, acceptor.data, payload)
        if (!welcome.ok) return fail(welcome.reason, welcome.code)
        end()
        const link = ++this.#numbers
        this.#open(link, peer, socket, this.#dialledLink(link, socket), 'acceptor')
        this.#options.step({ type: 'dialled', peer, link, introduction: acceptor.data, holds: welcome.holds })
      })
    })
  }

  /** From here on frames are read, by the schema of each event. */
  #open(
    number: number,
    peer: string,
    socket: Socket | DialledSocket,
    link: Link,
    sender: keyof typeof LINK_EVENTS,
  ): void {
    this.#links.set(number, link)
    const dropped = this.#malformed.counter(`peer: ${peer}`)
    for (const event of LINK_EVENTS[sender].keys()) {
      socket.on(event, (payload: unknown) => {
        const frame = readFrame(sender, event, payload)
        if (frame === undefined) return dropped(event)
        if (this.#links.has(number)) this.#options.step({ type: 'frame', link: number, frame })
      })
    }
    const closed = (reason: string) => {
      if (this.#links.delete(number)) this.#options.step({ type: 'link-closed', link: number, reason })
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
      end: () => socket.disconnect(),
      cut,
      emit: (event, payload) => {
        const { engine } = socket.io
        if (event === 'forward' && socket.connected) engine.write(forwardPacket(payload as Forwarded[]))
        else socket.emit(event, payload)
        if (!exceeds(raw()?.bufferedAmount ?? 0, this.#options.limits.linkBufferedBytes)) return
        if (this.#links.delete(number))
          this.#options.step({ type: 'link-closed', link: number, reason: 'it does not read' })
        Wire.cutOff.peer++
        this.#options.log.say('warn', 'Cut off a peer that does not read.')
        cut()
      },
    }
  }
}
