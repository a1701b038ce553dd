import type { Server, Socket } from 'socket.io'
import type { Socket as DialledSocket } from 'socket.io-client'
import type { LinkRefusal } from '../../src/protocol/frames.ts'
import { exceeds } from '../../src/protocol/limits.ts'
import type { LinkEffect } from '../../src/server/types.ts'
import { MalformedPayloads } from '../log/malformed-payloads.ts'
import { Backpressure } from '../transport/backpressure.ts'
import { cutDialledSocket, dialSocket, hasUnsentBytes, unsentBytesOf } from '../transport/dialled-socket.ts'
import { type CarrierOptions, HANDSHAKE_TIMEOUT_MS, type LinkCarrier } from './carrier.ts'
import {
  checkDiallerProof,
  createProof,
  createWelcome,
  DiallingSecrets,
  diallerProofSchema,
  isExpectedId,
  newParty,
  partySchema,
  proveDialler,
  readWelcome,
} from './handshake.ts'
import { LINK_EVENTS, readFrame } from './link-events.ts'

/** Time for the goodbyes to leave when the server shuts down, ms. */
const GOODBYE_FLUSH_MS = 200

/** One link: `end` closes it after flushing, `cut` without. */
interface Link {
  emit(event: string, payload: unknown): unknown
  end(): unknown
  cut(): void
}

/** Links over sockets: peers dial the namespace `/mesh` of this server, and this server dials theirs. */
export class SocketLinks implements LinkCarrier {
  readonly #options: CarrierOptions
  #ca: string | undefined
  readonly #malformed: MalformedPayloads
  readonly #diallingSecrets: DiallingSecrets
  #links = new Map<number, Link>()
  #pendingDecisions = new Map<number, (effect: Extract<LinkEffect, { type: 'accept' | 'refuse' }>) => void>()
  #lastNumber = 0
  /** Handshakes of dialling peers under way, oldest first: each entry aborts one. */
  #pendingHandshakes = new Set<() => void>()
  /** Dials under way: each entry aborts one. */
  readonly #pendingDials = new Set<() => void>()

  constructor(servers: readonly Server[], options: CarrierOptions) {
    this.#options = options
    this.#ca = options.tls?.ca
    this.#malformed = new MalformedPayloads(options.log)
    this.#diallingSecrets = new DiallingSecrets(options.credentials, options.limits.peers)
    for (const io of servers) io.of('/mesh').on('connection', socket => this.#accept(socket))
  }

  get malformed(): number {
    return this.#malformed.total
  }

  /** Links, handshakes and dials under way, and dialling peers that wait for the core's decision. */
  get counts(): { links: number; handshakes: number; dials: number; decisions: number } {
    return {
      links: this.#links.size,
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
    const links = [...this.#links.values()]
    this.#links.clear()
    if (links.length === 0) return
    for (const link of links) link.end()
    await new Promise(resolve => setTimeout(resolve, GOODBYE_FLUSH_MS))
    for (const link of links) link.cut()
  }

  perform(effect: LinkEffect): void {
    if (effect.type === 'send') this.#links.get(effect.link)?.emit(effect.frame.event, effect.frame.payload)
    else if (effect.type === 'dial') this.#dial(effect)
    else if (effect.type === 'accept' || effect.type === 'refuse') this.#pendingDecisions.get(effect.link)?.(effect)
    else if (effect.type === 'hang-up') {
      const link = this.#links.get(effect.link)
      this.#links.delete(effect.link)
      link?.cut()
    }
  }

  #accept(socket: Socket): void {
    const backpressure = Backpressure.of(socket.conn)
    const disconnect = () => {
      socket.disconnect()
      backpressure.close()
    }
    const dialler = partySchema.safeParse(socket.handshake.auth)
    if (!dialler.success) return disconnect()
    // Silent connections must not block peers: a peer needs no longer than its packets take, so the oldest gives way.
    const [oldest] = this.#pendingHandshakes
    if (exceeds(this.#pendingHandshakes.size + 1, this.#options.limits.handshakes)) oldest?.()
    const acceptor = newParty(this.#options.self)
    const finish = () => {
      clearTimeout(timer)
      this.#pendingHandshakes.delete(abort)
    }
    const abort = () => {
      finish()
      disconnect()
    }
    const timer = setTimeout(abort, HANDSHAKE_TIMEOUT_MS)
    this.#pendingHandshakes.add(abort)
    socket.once('disconnect', finish)
    socket.emit('challenge', acceptor)
    socket.once('prove', (payload: unknown, answer: unknown) => {
      const given = diallerProofSchema.safeParse(payload)
      if (typeof answer !== 'function' || !given.success) return abort()
      finish()
      const { credentials } = this.#options
      const proven = checkDiallerProof(credentials, dialler.data, acceptor, given.data)
      if (!proven.ok) {
        if (proven.refusal.code === 'bad-signature') this.#malformed.counterFor(`peer: ${dialler.data.id}`)('signature')
        answer(proven.refusal)
        return disconnect()
      }
      const { secret } = proven
      // A probe ends here; the core does not see it, and nothing changes in the mesh.
      if (dialler.data.probe) {
        answer({ ok: true, proof: createProof(secret, 'acceptor', dialler.data, acceptor), time: Date.now() })
        return disconnect()
      }
      const link = ++this.#lastNumber
      this.#pendingDecisions.set(link, effect => {
        this.#pendingDecisions.delete(link)
        answer(createWelcome(effect, secret, credentials.processKey, dialler.data, acceptor))
        if (effect.type === 'refuse') return disconnect()
        backpressure.markAsLink()
        const cut = () => backpressure.cut()
        this.#openLink(
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

  #dial({ peer, url, id }: Extract<LinkEffect, { type: 'dial' }>): void {
    const dialler = newParty(this.#options.self)
    const socket = dialSocket(`${url}/mesh`, {
      auth: dialler,
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
    socket.on('connect_error', error => fail(error.message))
    socket.once('disconnect', reason => fail(reason))
    socket.once('challenge', (payload: unknown) => {
      const acceptor = partySchema.safeParse(payload)
      if (!acceptor.success) return fail('malformed challenge')
      if (!hasUnsentBytes(socket)) return fail('unknown version of socket.io-client: cannot limit unsent bytes')
      const actualId = acceptor.data.id
      if (!isExpectedId(id, actualId)) return fail(`the server at ${url} is ${actualId}, not ${id}`)
      const secret = this.#diallingSecrets.secretFor(peer)
      const proof = proveDialler(secret, this.#options.credentials.processKey, dialler, acceptor.data)
      socket.emit('prove', proof, (payload: unknown) => {
        if (ended) return
        const welcome = readWelcome(secret, dialler, acceptor.data, payload)
        if (!welcome.ok && welcome.code === 'wrong-secret') this.#diallingSecrets.recordWrongSecret(peer)
        if (!welcome.ok) return fail(welcome.reason, welcome.code)
        finish()
        const link = ++this.#lastNumber
        this.#openLink(link, peer, socket, this.#dialledLink(link, socket), 'acceptor')
        this.#options.step({ type: 'dialled', peer, link, introduction: acceptor.data, holds: welcome.holds })
      })
    })
  }

  /** Reads frames from now on, by the schema of each event. */
  #openLink(
    number: number,
    peer: string,
    socket: Socket | DialledSocket,
    link: Link,
    sender: keyof typeof LINK_EVENTS,
  ): void {
    this.#links.set(number, link)
    const countMalformed = this.#malformed.counterFor(`peer: ${peer}`)
    for (const event of LINK_EVENTS[sender].keys()) {
      socket.on(event, (payload: unknown) => {
        const frame = readFrame(sender, event, payload)
        if (frame === undefined) return countMalformed(event)
        if (this.#links.has(number)) this.#options.step({ type: 'frame', link: number, frame })
      })
    }
    const closed = (reason: string) => {
      if (this.#links.delete(number)) this.#options.step({ type: 'link-closed', link: number, reason })
    }
    socket.on('disconnect', closed)
    if (!socket.connected) closed('it closed during the handshake')
  }

  /** A link that this server dialled. Its unsent bytes are checked after each frame. */
  #dialledLink(number: number, socket: DialledSocket): Link {
    const cut = () => cutDialledSocket(socket)
    return {
      end: () => socket.disconnect(),
      cut,
      emit: (event, payload) => {
        socket.emit(event, payload)
        if (!exceeds(unsentBytesOf(socket), this.#options.limits.linkBufferedBytes)) return
        if (this.#links.delete(number))
          this.#options.step({ type: 'link-closed', link: number, reason: 'too many unsent bytes' })
        this.#options.cutOffCounts.peer++
        this.#options.log.write('warn', 'Disconnected a slow peer: too many unsent bytes.')
        cut()
      },
    }
  }
}
