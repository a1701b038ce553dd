import type { Context } from '../../src/client/context.ts'
import type { SessionEvent, SessionRequest } from '../../src/client/events.ts'
import { type Archive, comparePositions, messageHash, messageKey } from '../../src/client/history/message-log.ts'
import { Session } from '../../src/client/session.ts'
import type { SessionEffect, SessionInput, SessionOptions, StoredState } from '../../src/client/types.ts'
import { HybridClock } from '../../src/common/hybrid-clock.ts'
import type { DeliveredMessage, Fate, IdentifyResponse, Message } from '../../src/protocol/messages.ts'
import { storedState } from './stored-state.ts'

/** Wall clock at monotonic time 0, ms since 1970. */
export const EPOCH_MS = 1_700_000_000_000

const OPTIONS: SessionOptions = {
  user: 'Anna',
  client: 'test/1',
  instance: 'run',
  servers: ['http://a'],
  random: () => 0.5,
}

/** The context of a session's modules, online on connection 1 at monotonic time 0. */
export function clientContext(options: Partial<SessionOptions> = {}): Context {
  return {
    options: { ...OPTIONS, ...options },
    clock: new HybridClock(),
    onlineConnection: 1,
    clockOffset: EPOCH_MS,
    now: 0,
    wall: EPOCH_MS,
    effects: [],
  }
}

/** Takes the effects of a context. */
export function takeEffects(context: Context): SessionEffect[] {
  const { effects } = context
  context.effects = []
  return effects
}

/** The events among effects. */
export function eventsOf(effects: readonly SessionEffect[]): SessionEvent[] {
  return effects.flatMap(effect => (effect.type === 'event' ? [effect.event] : []))
}

/** The effects of one type. */
export function effectsOf<Type extends SessionEffect['type']>(
  effects: readonly SessionEffect[],
  type: Type,
): Extract<SessionEffect, { type: Type }>[] {
  return effects.filter((effect): effect is Extract<SessionEffect, { type: Type }> => effect.type === type)
}

/** A message from Billy to Anna, with the given parts replaced. */
export function messageOf(parts: Partial<Message> = {}): Message {
  return { id: 'b.1', at: EPOCH_MS, from: 'Billy', to: 'Anna', text: 'Hi', ...parts }
}

/** An archive in memory; `reads` counts the texts that were read. */
export function archiveOf(messages: readonly Message[]): Archive & { reads: number } {
  const position = (one: Message) => ({ at: one.at, ...messageHash(one) })
  const sorted = [...messages].sort((one, other) => comparePositions(position(one), position(other)))
  const hashes = sorted.map(messageHash)
  return {
    at: Float64Array.from(sorted, ({ at }) => at),
    hashA: Int32Array.from(hashes, ({ a }) => a),
    hashB: Int32Array.from(hashes, ({ b }) => b),
    reads: 0,
    read(index) {
      this.reads++
      return sorted[index]
    },
    find: ref => sorted.find(one => messageKey(one) === messageKey(ref)),
  }
}

/** Anna's session with its clock. A test plays the server, the disk and the user interface. */
export class SessionHarness {
  readonly session: Session
  now = 0
  /** The number of the latest dialled connection, and its URL. */
  dial = 0
  url = ''

  constructor(options: Partial<SessionOptions> = {}, stored: Partial<StoredState> = {}) {
    this.session = new Session({ ...OPTIONS, ...options }, storedState(stored))
  }

  step(input: SessionInput): SessionEffect[] {
    const effects = this.session.step(input, this.now, EPOCH_MS + this.now)
    for (const effect of effects) if (effect.type === 'dial') ({ dial: this.dial, url: this.url } = effect)
    return effects
  }

  /** Advances the clock tick by tick; returns the effects. */
  advance(ms: number): SessionEffect[] {
    const until = this.now + ms
    const effects: SessionEffect[] = []
    while (this.session.deadline <= until) {
      this.now = Math.max(this.now, this.session.deadline)
      effects.push(...this.step({ type: 'tick' }))
    }
    this.now = until
    return effects
  }

  request(request: SessionRequest): SessionEffect[] {
    return this.step({ type: 'request', request })
  }

  compose(to: string, text = 'Hi'): SessionEffect[] {
    return this.request({ type: 'compose', to, text })
  }

  /** Opens the dialled connection and identifies on it. */
  goOnline(
    users: readonly string[] = ['Anna'],
    answer: Partial<Extract<IdentifyResponse, { ok: true }>> = {},
  ): SessionEffect[] {
    this.step({ type: 'opened', dial: this.dial })
    return this.accept(users, answer)
  }

  /** The server's answer to the identification. */
  accept(users: readonly string[], answer: Partial<Extract<IdentifyResponse, { ok: true }>> = {}): SessionEffect[] {
    return this.step({
      type: 'identified',
      dial: this.dial,
      answer: {
        ok: true,
        server: 'server-1',
        incarnation: 'i',
        connection: 'server-1:1',
        roster: { version: 1, users: [...users] },
        time: EPOCH_MS + this.now,
        servers: [],
        ...answer,
      },
    })
  }

  receive(message: Message): SessionEffect[] {
    const delivered: DeliveredMessage = { ...message, forwarded: false }
    return this.step({ type: 'im', dial: this.dial, message: delivered })
  }

  answer(id: string, fate: Fate): SessionEffect[] {
    return this.step({ type: 'fate', dial: this.dial, id, fate })
  }
}
