import { errors, type Msg, type NatsConnection } from '@nats-io/transport-node'
import type * as z from 'zod'
import type { Holds, Introduction, LinkRefusal, probedSchema } from '../../../src/protocol/frames.ts'
import { exceeds, type Limits } from '../../../src/protocol/limits.ts'
import type { Effect } from '../../../src/server/types.ts'
import { HANDSHAKE_MS } from '../carrier.ts'
import {
  answersTo,
  newParty,
  type Party,
  prove,
  readWelcome,
  sameProof,
  type Welcome,
  welcomeOf,
} from '../handshake.ts'
import { challengeSchema, knockSchema, parse, SUBJECTS } from './envelopes.ts'
import type { Nats } from './nats-connection.ts'

export interface DoorOptions {
  self: Introduction
  secret: string
  limits: Limits
  nats: Nats
  /** A dialler has proven itself: `answer` is to be called with what the core decides. */
  proven: (
    dialler: Party,
    link: string,
    answer: (effect: Extract<Effect, { type: 'accept' | 'refuse' }>) => void,
  ) => void
}

/** What a dial came to: a link of this name, or why not. */
export type Dialled =
  | { ok: true; link: string; acceptor: Party; holds: Holds }
  | { ok: false; reason: string; code?: LinkRefusal }

/** Handshakes over the backbone, as requests to the door of a server: the same proofs as over sockets. */
export class Door {
  readonly #options: DoorOptions
  /** Who has knocked and not yet proven anything, by the name of the link to come. */
  #knocks = new Map<string, { dialler: Party; acceptor: Party; patience: NodeJS.Timeout }>()

  constructor(options: DoorOptions) {
    this.#options = options
  }

  async dial(id: string): Promise<Dialled> {
    const { self, secret } = this.#options
    const dialler = newParty(self)
    try {
      const challenge = challengeSchema.safeParse(await this.#ask(id, { dialler }))
      if (!challenge.success) return { ok: false, reason: 'a malformed challenge' }
      const { acceptor } = challenge.data
      if (!answersTo(id, acceptor.id)) return { ok: false, reason: `another server answers to it: ${acceptor.id}` }
      const link = acceptor.nonce
      const proof = prove(secret, 'dialler', dialler, acceptor)
      const welcome = readWelcome(secret, dialler, acceptor, await this.#ask(acceptor.id, { link, proof }))
      return welcome.ok ? { ok: true, link, acceptor, holds: welcome.holds } : welcome
    } catch (error) {
      return { ok: false, reason: reasonOf(error) }
    }
  }

  /** Somebody asks at this server's door. What is not a knock, and what is for another of the same id, has no answer. */
  knocked(message: Msg): void {
    const knock = knockSchema.safeParse(read(message))
    if (!knock.success) return
    if ('dialler' in knock.data) this.#first(message, knock.data.dialler)
    else this.#second(message, knock.data.link, knock.data.proof)
  }

  close(): void {
    for (const { patience } of this.#knocks.values()) clearTimeout(patience)
    this.#knocks.clear()
  }

  #first(message: Msg, dialler: Party): void {
    const { self, limits } = this.#options
    // Who says nothing more is not to keep the door shut: the oldest makes room.
    const [oldest] = this.#knocks.keys()
    if (oldest !== undefined && exceeds(this.#knocks.size + 1, limits.handshakes)) this.#knocks.delete(oldest)
    const acceptor = newParty(self)
    const patience = setTimeout(() => this.#knocks.delete(acceptor.nonce), HANDSHAKE_MS)
    this.#knocks.set(acceptor.nonce, { dialler, acceptor, patience })
    respond(message, { acceptor })
  }

  #second(message: Msg, link: string, proof: string): void {
    const { secret, proven } = this.#options
    const knock = this.#knocks.get(link)
    if (knock === undefined) return
    const { dialler, acceptor, patience } = knock
    this.#knocks.delete(link)
    clearTimeout(patience)
    const answer = (welcome: Welcome) => respond(message, welcome)
    if (!sameProof(prove(secret, 'dialler', dialler, acceptor), proof)) {
      return answer({ ok: false, code: 'wrong-secret', message: "this server does not know the mesh's secret" })
    }
    // The core never hears of it: nothing changes in the mesh.
    if (dialler.probe) {
      return respond(message, { ok: true, proof: prove(secret, 'acceptor', dialler, acceptor), time: Date.now() })
    }
    proven(dialler, link, effect => answer(welcomeOf(effect, secret, dialler, acceptor)))
  }

  async #ask(id: string, knock: unknown): Promise<unknown> {
    const { connection } = this.#options.nats
    if (connection === undefined) throw new Error('no connection to the backbone')
    return askDoor(connection, id, knock, HANDSHAKE_MS)
  }
}

/**
 * Asks at the door of a server, and answers with what it said.
 * @throws Error where nobody answers within the time: see `reasonOf`
 */
export async function askDoor(
  connection: NatsConnection,
  id: string,
  knock: unknown,
  withinMs: number,
): Promise<unknown> {
  return read(await connection.request(SUBJECTS.door(id), JSON.stringify(knock), { timeout: withinMs }))
}

/** Whether nobody of this id listens. */
export function isNobody(error: unknown): boolean {
  return error instanceof errors.RequestError && error.isNoResponders()
}

function respond(message: Msg, answer: Welcome | { acceptor: Party } | z.infer<typeof probedSchema>): void {
  message.respond(JSON.stringify(answer))
}

function read({ data }: Msg): unknown {
  return parse(Buffer.from(data).toString())
}

export function reasonOf(error: unknown): string {
  if (isNobody(error)) return 'nobody of this id is at the backbone'
  if (error instanceof errors.TimeoutError) return 'no answer to the handshake'
  return (error as Error).message
}
