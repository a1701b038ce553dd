import type { Server, Socket } from 'socket.io'
import type { Socket as DialledSocket } from 'socket.io-client'
import * as z from 'zod'
import { connectErrorText, disconnectText } from '../../src/programs/connection-error.ts'
import type { AcceptorFrame, DiallerFrame, LinkRefusal } from '../../src/protocol/frames.ts'
import { exceeds } from '../../src/protocol/limits.ts'
import type { LinkEffect } from '../../src/server/types.ts'
import { MalformedPayloads } from '../log/malformed-payloads.ts'
import { Backpressure, SLOW_BYTES } from '../transport/backpressure.ts'
import { cutDialledSocket, dialSocket, hasUnsentBytes, unsentBytesOf } from '../transport/dialled-socket.ts'
import { type CarrierOptions, HANDSHAKE_TIMEOUT_MS, type LinkCarrier } from './carrier.ts'
import {
  checkDiallerProof,
  createProof,
  createWelcome,
  type DiallerProof,
  DiallingSecrets,
  diallerProofSchema,
  isExpectedId,
  newParty,
  type Party,
  partySchema,
  proveDialler,
  readWelcome,
} from './handshake.ts'
import { COOKIE_MS, HandshakeCookies } from './handshake-cookies.ts'
import { InboundQueue } from './inbound-queue.ts'
import { LINK_EVENTS, readFrame } from './link-events.ts'
import { PendingHandshakes } from './pending-handshakes.ts'
import { RefusedDiallers } from './refused-diallers.ts'

/** Time for the goodbyes to leave when the server shuts down, ms. */
const GOODBYE_FLUSH_MS = 200

/** Frames that may wait on a link for the chunks of a snapshot; with more, all are sent at once. */
const MAX_WAITING_FRAMES = 10_000

/** A dialler that was challenged before returns with that challenge's nonce and its proof: see `HandshakeCookies`. */
const resumptionSchema = z.object({ cookie: z.string().max(64), prove: diallerProofSchema })

/** What a dialler was challenged with and has answered, as long as the server's answer is missing. */
interface BrokenOffHandshake {
  dialler: Party
  acceptor: Party
  /** The secret that the proof is made with. */
  secret: string
  prove: string | DiallerProof
  /** Monotonic ms. */
  challengedAt: number
}

/** One end of a socket: `end` closes it after flushing, `cut` without. */
interface LinkSocket {
  emit(event: string, payload: unknown): unknown
  end(): unknown
  cut(): void
}

interface Link {
  readonly number: number
  readonly socket: LinkSocket
  /** The peer's role on the link. */
  readonly sender: keyof typeof LINK_EVENTS
  readonly countMalformed: (event: string) => void
}

/** Links over sockets: peers dial the namespace `/mesh` of this server, and this server dials theirs. */
export class SocketLinks implements LinkCarrier {
  readonly #options: CarrierOptions
  #ca: string | undefined
  readonly #malformed: MalformedPayloads
  readonly #refusedDiallers: RefusedDiallers
  readonly #diallingSecrets: DiallingSecrets
  #links = new Map<number, Link>()
  /** Frames that wait for the chunks of a snapshot before them, by link. */
  readonly #waiting = new Map<number, (AcceptorFrame | DiallerFrame)[]>()
  readonly #inbound = new InboundQueue<Link>((link, event, payload) => this.#read(link, event, payload))
  #pendingDecisions = new Map<number, (effect: Extract<LinkEffect, { type: 'accept' | 'refuse' }>) => void>()
  #lastNumber = 0
  readonly #pendingHandshakes: PendingHandshakes
  readonly #cookies = new HandshakeCookies()
  /** Challenges whose handshakes broke off before an answer, oldest first, by the URL of the acceptor. */
  readonly #brokenOff = new Map<string, BrokenOffHandshake>()
  /** Dials under way: each entry aborts one. */
  readonly #pendingDials = new Set<() => void>()

  constructor(servers: readonly Server[], options: CarrierOptions) {
    this.#options = options
    this.#ca = options.tls?.ca
    this.#malformed = new MalformedPayloads(options.log)
    this.#refusedDiallers = new RefusedDiallers(options.log)
    this.#pendingHandshakes = new PendingHandshakes(options.limits.handshakes, Math.random)
    this.#diallingSecrets = new DiallingSecrets(options.credentials, options.limits.peers)
    for (const io of servers) io.of('/mesh').on('connection', socket => this.#accept(socket))
  }

  get malformed(): number {
    return this.#malformed.total
  }

  /** Links, those on which frames wait, handshakes and dials under way, and dialling peers that wait for the core's decision. */
  get counts(): { links: number; waiting: number; handshakes: number; dials: number; decisions: number } {
    return {
      links: this.#links.size,
      waiting: this.#waiting.size + this.#inbound.size,
      handshakes: this.#pendingHandshakes.size,
      dials: this.#pendingDials.size,
      decisions: this.#pendingDecisions.size,
    }
  }

  setCa(ca: string | undefined): void {
    this.#ca = ca
  }

  async close(): Promise<void> {
    for (const abort of [...this.#pendingDials]) abort()
    for (const number of [...this.#waiting.keys()]) this.#sendWaiting(number, Number.POSITIVE_INFINITY)
    this.#inbound.clear()
    const links = [...this.#links.values()]
    this.#links.clear()
    if (links.length === 0) return
    for (const { socket } of links) socket.end()
    await new Promise(resolve => setTimeout(resolve, GOODBYE_FLUSH_MS))
    for (const { socket } of links) socket.cut()
  }

  perform(effect: LinkEffect): void {
    if (effect.type === 'send') this.#send(effect.link, effect.frame)
    else if (effect.type === 'dial') this.#dial(effect)
    else if (effect.type === 'accept' || effect.type === 'refuse') this.#pendingDecisions.get(effect.link)?.(effect)
    else if (effect.type === 'hang-up') {
      const link = this.#links.get(effect.link)
      if (link === undefined) return
      this.#removeLink(link)
      this.#inbound.drop(link)
      link.socket.cut()
    }
  }

  /** Sends a frame. The chunks of a large snapshot are sent one in each turn, and what follows waits for its place. */
  #send(number: number, frame: AcceptorFrame | DiallerFrame): void {
    const waiting = this.#waiting.get(number)
    if (waiting !== undefined) {
      waiting.push(frame)
      if (waiting.length > MAX_WAITING_FRAMES) this.#sendWaiting(number, Number.POSITIVE_INFINITY)
      return
    }
    const link = this.#links.get(number)
    if (link === undefined) return
    link.socket.emit(frame.event, frame.payload)
    if (!('isChunk' in frame) || !this.#links.has(number)) return
    this.#waiting.set(number, [])
    setImmediate(() => this.#sendWaiting(number, 1))
  }

  /** Sends what waits on a link, with this number of chunks. */
  #sendWaiting(number: number, chunks: number): void {
    const waiting = this.#waiting.get(number)
    if (waiting === undefined) return
    let sent = 0
    let left = chunks
    for (const frame of waiting) {
      if ('isChunk' in frame && --left < 0) break
      this.#links.get(number)?.socket.emit(frame.event, frame.payload)
      sent++
    }
    waiting.splice(0, sent)
    if (waiting.length === 0) this.#waiting.delete(number)
    else setImmediate(() => this.#sendWaiting(number, 1))
  }

  #removeLink({ number }: Link): boolean {
    this.#waiting.delete(number)
    return this.#links.delete(number)
  }

  /** The link has ended at the other side, or is cut because the peer does not read. */
  #endLink(link: Link, reason: string): void {
    if (!this.#removeLink(link)) return
    this.#inbound.end(link, () => this.#options.step({ type: 'link-closed', link: link.number, reason }))
  }

  #read({ number, sender, countMalformed }: Link, event: string, payload: unknown): void {
    const frame = readFrame(sender, event, payload)
    if (frame === undefined) return countMalformed(event)
    this.#options.step({ type: 'frame', link: number, frame })
  }

  #accept(socket: Socket): void {
    const backpressure = Backpressure.of(socket.conn)
    const disconnect = () => {
      socket.disconnect()
      backpressure.close()
    }
    const dialler = partySchema.safeParse(socket.handshake.auth)
    if (!dialler.success) return disconnect()
    const { key: address } = backpressure.budget.address
    const now = performance.now()
    const resumed = resumptionSchema.safeParse(socket.handshake.auth)
    if (resumed.success && this.#cookies.isValid(resumed.data.cookie, address, dialler.data, now)) {
      // It needs no place among the handshakes under way.
      const parties = { dialler: dialler.data, acceptor: { ...this.#options.self, nonce: resumed.data.cookie } }
      const answer = (welcome: unknown) => void socket.emit('welcome', welcome)
      return this.#checkProof(socket, disconnect, parties, resumed.data.prove, answer)
    }
    const nonce = this.#cookies.create(address, dialler.data, now)
    const parties = { dialler: dialler.data, acceptor: { ...this.#options.self, nonce } }
    const finish = () => {
      clearTimeout(timer)
      this.#pendingHandshakes.remove(address, abort)
    }
    const abort = () => {
      finish()
      disconnect()
    }
    const timer = setTimeout(abort, HANDSHAKE_TIMEOUT_MS)
    socket.once('disconnect', finish)
    // Before it may have to give way: with the challenge it can return.
    socket.emit('challenge', parties.acceptor)
    socket.once('prove', (payload: unknown, answer: unknown) => {
      const given = diallerProofSchema.safeParse(payload)
      if (typeof answer !== 'function' || !given.success) return abort()
      finish()
      this.#checkProof(socket, disconnect, parties, given.data, welcome => answer(welcome))
    })
    this.#pendingHandshakes.add(address, abort)
  }

  /** Accepts a dialler that has proven the secret, if the core does. */
  #checkProof(
    socket: Socket,
    disconnect: () => void,
    { dialler, acceptor }: { dialler: Party; acceptor: Party },
    given: DiallerProof,
    answer: (welcome: unknown) => void,
  ): void {
    const { credentials } = this.#options
    const proven = checkDiallerProof(credentials, dialler, acceptor, given)
    if (!proven.ok) {
      if (!dialler.probe) this.#refusedDiallers.note(dialler.id, proven.refusal.code, proven.refusal.message)
      if (proven.refusal.code === 'bad-signature') this.#malformed.counterFor(`peer: ${dialler.id}`)('signature')
      answer(proven.refusal)
      return disconnect()
    }
    const { secret } = proven
    this.#cookies.spend(acceptor.nonce, performance.now())
    // A probe ends here; the core does not see it, and nothing changes in the mesh.
    if (dialler.probe) {
      answer({ ok: true, proof: createProof(secret, 'acceptor', dialler, acceptor), time: Date.now() })
      return disconnect()
    }
    const link = ++this.#lastNumber
    const { nonce: _, ...introduction } = dialler
    this.#pendingDecisions.set(link, effect => {
      this.#pendingDecisions.delete(link)
      answer(createWelcome(effect, secret, credentials.processKey, dialler, acceptor))
      if (effect.type === 'refuse') return disconnect()
      const backpressure = Backpressure.of(socket.conn)
      backpressure.markAsLink()
      const cut = () => backpressure.cut()
      const opened = { emit: socket.emit.bind(socket), end: () => socket.disconnect(true), cut }
      this.#openLink(link, introduction.id, socket, opened, 'dialler')
    })
    this.#options.step({ type: 'accepted', link, introduction })
  }

  #dial({ peer, url, id }: Extract<LinkEffect, { type: 'dial' }>): void {
    const brokenOff = this.#takeBrokenOff(url)
    const dialler = brokenOff?.dialler ?? newParty(this.#options.self)
    const socket = dialSocket(`${url}/mesh`, {
      auth:
        brokenOff === undefined ? dialler : { ...dialler, cookie: brokenOff.acceptor.nonce, prove: brokenOff.prove },
      timeout: HANDSHAKE_TIMEOUT_MS,
      ...(this.#ca === undefined ? {} : { ca: this.#ca }),
    })
    const timer = setTimeout(() => fail('no answer to the handshake'), HANDSHAKE_TIMEOUT_MS)
    let ended = false
    const finish = () => {
      ended = true
      clearTimeout(timer)
      this.#pendingDials.delete(abort)
    }
    const abort = () => {
      finish()
      socket.disconnect()
    }
    this.#pendingDials.add(abort)
    const fail = (reason: string, code?: LinkRefusal) => {
      if (ended) return
      finish()
      socket.disconnect()
      this.#options.step({ type: 'dial-failed', peer, reason, ...(code === undefined ? {} : { code }) })
    }
    const handleWelcome = ({ acceptor, secret }: BrokenOffHandshake, payload: unknown) => {
      if (ended) return
      this.#brokenOff.delete(url)
      const welcome = readWelcome(secret, dialler, acceptor, payload)
      if (!welcome.ok && welcome.code === 'wrong-secret') this.#diallingSecrets.recordWrongSecret(peer)
      if (!welcome.ok) return fail(welcome.reason, welcome.code)
      finish()
      const link = ++this.#lastNumber
      this.#openLink(link, peer, socket, this.#dialledLink(link, socket), 'acceptor')
      this.#options.step({ type: 'dialled', peer, link, introduction: acceptor, holds: welcome.holds })
    }
    socket.on('connect_error', error => fail(connectErrorText(error)))
    socket.once('disconnect', reason => fail(disconnectText(reason)))
    socket.once('connect', () => {
      if (!hasUnsentBytes(socket)) fail('unknown version of socket.io-client: cannot limit unsent bytes')
    })
    // The server has recognized the challenge; otherwise, and if it is of version 0.1, it sends a new one.
    if (brokenOff !== undefined) socket.once('welcome', (payload: unknown) => handleWelcome(brokenOff, payload))
    socket.once('challenge', (payload: unknown) => {
      const acceptor = partySchema.safeParse(payload)
      if (!acceptor.success) return fail('malformed challenge')
      const actualId = acceptor.data.id
      if (!isExpectedId(id, actualId)) return fail(`the server at ${url} is ${actualId}, not ${id}`)
      const secret = this.#diallingSecrets.secretFor(peer)
      const prove = proveDialler(secret, this.#options.credentials.processKey, dialler, acceptor.data)
      const handshake = { dialler, acceptor: acceptor.data, secret, prove, challengedAt: performance.now() }
      this.#keepUntilAnswered(url, handshake)
      socket.emit('prove', prove, (payload: unknown) => handleWelcome(handshake, payload))
    })
  }

  #keepUntilAnswered(url: string, handshake: BrokenOffHandshake): void {
    this.#brokenOff.delete(url)
    this.#brokenOff.set(url, handshake)
    if (!exceeds(this.#brokenOff.size, this.#options.limits.peers)) return
    for (const oldest of this.#brokenOff.keys()) return void this.#brokenOff.delete(oldest)
  }

  #takeBrokenOff(url: string): BrokenOffHandshake | undefined {
    const found = this.#brokenOff.get(url)
    this.#brokenOff.delete(url)
    return found !== undefined && performance.now() - found.challengedAt < COOKIE_MS ? found : undefined
  }

  /** Reads frames from now on, by the schema of each event. */
  #openLink(
    number: number,
    peer: string,
    socket: Socket | DialledSocket,
    ownEnd: LinkSocket,
    sender: keyof typeof LINK_EVENTS,
  ): void {
    const link = { number, socket: ownEnd, sender, countMalformed: this.#malformed.counterFor(`peer: ${peer}`) }
    this.#links.set(number, link)
    const add = (event: string, payload: unknown) => {
      if (this.#links.has(number)) this.#inbound.add(link, event, payload)
    }
    const events = LINK_EVENTS[sender]
    if ('use' in socket) {
      // Before the listeners of Socket.IO: it drops events that arrive in one read with the end of the connection, such as
      // the claims and the goodbye of a server that shuts down.
      socket.use(([event, payload], next) => (events.has(event) ? add(event, payload) : next()))
    } else for (const event of events.keys()) socket.on(event, (payload: unknown) => add(event, payload))
    const closed = (reason: string) => this.#endLink(link, reason)
    socket.on('disconnect', closed)
    if (!socket.connected) closed('it closed during the handshake')
  }

  /** A link that this server dialled. Its unsent bytes are checked after each frame. */
  #dialledLink(number: number, socket: DialledSocket): LinkSocket {
    const cut = () => cutDialledSocket(socket)
    return {
      end: () => socket.disconnect(),
      cut,
      emit: (event, payload) => {
        if (event === 'typing' && unsentBytesOf(socket) > SLOW_BYTES) return
        socket.emit(event, payload)
        if (!exceeds(unsentBytesOf(socket), this.#options.limits.linkBufferedBytes)) return
        const link = this.#links.get(number)
        if (link !== undefined) this.#endLink(link, 'too many unsent bytes')
        this.#options.cutOffCounts.peer++
        this.#options.log.write('warn', 'Disconnected a slow peer: too many unsent bytes.')
        cut()
      },
    }
  }
}
