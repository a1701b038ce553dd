import type { StatusAnswer } from '../protocol/frames.ts'
import type { Refusal } from '../protocol/messages.ts'
import { MAX_SURVEYED, type ServerStatus, type Survey } from '../protocol/status.ts'
import type { Clients } from './clients/clients.ts'
import type { Context, Observer } from './context.ts'
import type { Peers } from './peers/peers.ts'
import { statusOf } from './server-status.ts'

/** How long peers are waited for, ms. */
const PATIENCE_MS = 1_000
/** Who asks so soon after a survey began, ms, is told the same; and so long is what a peer is told good. */
const SHARED_MS = 500
/** How often one connection may ask, ms. */
const EVERY_MS = 1_000
/** Most links that one survey tells of: n servers have n(n−1) of them. Past that, servers tell of none. */
const MOST_LINKS = 20_000

interface Asker {
  connection: number
  call: number
}

/** How all servers of the mesh stand: asks the peers, and gathers what they tell. One survey at a time. */
export class Surveys implements Observer {
  readonly #context: Context
  readonly #clients: Clients
  readonly #peers: Peers
  /** Number and beginning of the last survey. */
  #number = 0
  #beganAt = Number.NEGATIVE_INFINITY
  /** Who waits for it, and the peers that have not answered it. */
  #askers: Asker[] = []
  #waiting = new Set<string>()
  #told = new Map<string, ServerStatus>()
  #last: Survey | undefined
  /** When connections asked that did so lately; the first of them first. */
  #askedAt = new Map<number, number>()
  #own: { at: number; status: ServerStatus } | undefined

  constructor(context: Context, clients: Clients, peers: Peers) {
    this.#context = context
    this.#clients = clients
    this.#peers = peers
  }

  /** When those who wait are answered, whoever is missing; Infinity when nobody waits. */
  get deadline(): number {
    return this.#askers.length > 0 ? this.#beganAt + PATIENCE_MS : Number.POSITIVE_INFINITY
  }

  get own(): ServerStatus {
    const { now } = this.#context
    if (this.#own === undefined || now - this.#own.at >= SHARED_MS) {
      this.#own = { at: now, status: statusOf(this.#context, this.#clients, this.#peers.each) }
    }
    return this.#own.status
  }

  /** A connection asks how the mesh stands. */
  ask(connection: number, call: number): void {
    const { effects, now } = this.#context
    const refusal = this.#refusal(connection)
    if (refusal !== undefined) return void effects.push({ type: 'answer', connection, call, payload: refusal })
    this.#askedAt.set(connection, now)
    if (this.#askers.push({ connection, call }) > 1) return
    const fresh = this.#last !== undefined && now - this.#beganAt < SHARED_MS
    if (!fresh) this.#begin()
    if (this.#waiting.size === 0) this.#end()
  }

  /** A peer speaks for itself only, and once. */
  told(peer: string, incarnation: string, { number, status }: StatusAnswer): void {
    if (number !== this.#number || status.server !== peer || status.incarnation !== incarnation) return
    if (!this.#waiting.delete(peer)) return
    this.#told.set(peer, status)
    if (this.#waiting.size === 0) this.#end()
  }

  tick(): void {
    if (this.deadline <= this.#context.now) this.#end()
  }

  #refusal(connection: number): Refusal | undefined {
    const { now } = this.#context
    const denied = this.#clients.checkObserver(connection)
    if (denied !== undefined) return { ok: false, ...denied }
    for (const [asker, at] of this.#askedAt) {
      if (now - at < EVERY_MS) break
      this.#askedAt.delete(asker)
    }
    const at = this.#askedAt.get(connection)
    if (at === undefined) return undefined
    const retryAfter = Math.ceil(at + EVERY_MS - now)
    return { ok: false, code: 'rate-limited', message: `asked too often; wait ${retryAfter} ms`, retryAfter }
  }

  #begin(): void {
    const { effects, now } = this.#context
    this.#beganAt = now
    this.#last = undefined
    this.#told.clear()
    const payload = { number: ++this.#number }
    for (const { id, outbound } of this.#peers.each) {
      if (outbound.state !== 'open') continue
      this.#waiting.add(id)
      effects.push({ type: 'send', link: outbound.link, frame: { event: 'survey', payload } })
    }
  }

  /** Tells those who wait. */
  #end(): void {
    this.#waiting.clear()
    this.#last ??= this.#survey()
    for (const asker of this.#askers.splice(0)) {
      this.#context.effects.push({ type: 'answer', ...asker, payload: this.#last })
    }
  }

  #survey(): Survey {
    const { id, url, clients = url } = this.#context.options
    const servers: Survey['servers'] = [{ id, url: clients, status: this.own }]
    let links = this.own.links.length
    for (const { id, url, clients = url } of this.#peers.each.slice(0, MAX_SURVEYED - 1)) {
      const told = this.#told.get(id)
      links += told?.links.length ?? 0
      const status = told !== undefined && links > MOST_LINKS ? { ...told, links: [] } : told
      servers.push({
        id,
        ...(clients === undefined ? {} : { url: clients }),
        ...(status === undefined ? {} : { status }),
      })
    }
    return { ok: true, server: this.#context.options.id, servers }
  }
}
