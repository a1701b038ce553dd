import type { Context } from '../../../src/client/context.ts'
import type { SessionEvent, SessionRequest } from '../../../src/client/events.ts'
import type { Archive } from '../../../src/client/history/message-log.ts'
import { comparePositions, messageHash, messageKey } from '../../../src/client/history/positions.ts'
import { Saves } from '../../../src/client/history/saves.ts'
import type { Identity } from '../../../src/client/keys/keyring.ts'
import { Session } from '../../../src/client/session.ts'
import type { SessionEffect, SessionInput, SessionOptions, StoredState } from '../../../src/client/types.ts'
import { HybridClock } from '../../../src/common/hybrid-clock.ts'
import type {
  DeliveredMessage,
  Fate,
  IdentifyRequest,
  IdentifyResponse,
  Message,
} from '../../../src/protocol/messages.ts'
import type { AuthMode } from '../../../src/protocol/proofs/credentials.ts'
import {
  type MeshIdentity,
  NO_TLS,
  type ServerProof,
  serverProofText,
  TLS_AT_PROXY,
} from '../../../src/protocol/proofs/mesh-identity.ts'
import { meshSignatures, signatureOf } from '../mesh-signatures.ts'
import { keyNamed } from '../simulation/plain-identity.ts'
import { storedState } from './stored-state.ts'

/** Wall clock at monotonic time 0, ms since 1970. */
export const EPOCH_MS = 1_700_000_000_000

const OPTIONS: SessionOptions = {
  user: 'Anna',
  client: 'test/1',
  instance: 'run',
  servers: ['http://a'],
  random: () => 0.5,
  ...meshSignatures,
}

/** The mesh key of the server that a `SessionHarness` plays. */
export const MESH_KEY = keyNamed('mesh')

/** The challenge of that server. */
export const CHALLENGE = { server: 'server-1', connection: 'server-1:1', nonce: 'n' }

/** The context of a session's modules, online on connection 1 at monotonic time 0. */
export function clientContext(options: Partial<SessionOptions> = {}): Context {
  return {
    options: { ...OPTIONS, ...options },
    clock: new HybridClock(),
    saves: new Saves(false),
    onlineConnection: 1,
    clockOffset: EPOCH_MS,
    maxTextBytes: undefined,
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
  /** How far the wall clock is ahead of `EPOCH_MS + now`, ms. */
  wallOffset = 0
  /** The number of the latest dialled connection, and its URL. */
  dial = 0
  url = ''
  /** The latest identification. */
  request: Partial<IdentifyRequest> = {}
  /** Whether the harness accepts each mesh at once, as a user interface does. */
  acceptsMesh = true

  constructor(options: Partial<SessionOptions> = {}, stored: Partial<StoredState> = {}) {
    this.session = new Session({ ...OPTIONS, ...options }, storedState(stored))
  }

  step(input: SessionInput): SessionEffect[] {
    const effects = this.session.step(input, this.now, EPOCH_MS + this.now + this.wallOffset)
    for (const effect of effects) {
      if (effect.type === 'dial') ({ dial: this.dial, url: this.url } = effect)
      if (effect.type === 'identify') this.request = effect.request
    }
    const isProven = eventsOf(effects).some(({ type }) => type === 'mesh')
    if (isProven && this.acceptsMesh) effects.push(...this.step({ type: 'mesh-accepted', dial: this.dial }))
    return effects
  }

  /** The proof of a mesh for the latest identification, with the given parts replaced before it is signed. */
  proveMesh(auth: AuthMode = 'open', parts: Partial<MeshIdentity & ServerProof> = {}): MeshIdentity {
    const { nonce = '', origin = '' } = this.request
    const ids = { server: 'server-1', incarnation: 'i', key: MESH_KEY }
    const channel = origin.startsWith('https:') ? TLS_AT_PROXY : NO_TLS
    const signed = { nonce, origin, auth, channel, ...ids, ...parts }
    const { server, incarnation, key, previous } = signed
    const proof = signatureOf(key, serverProofText(signed, key))
    return { server, incarnation, auth: signed.auth, key, proof, ...(previous === undefined ? {} : { previous }) }
  }

  /** Advances the clock tick by tick; returns the effects. */
  advance(ms: number): SessionEffect[] {
    const until = this.now + ms
    const effects: SessionEffect[] = []
    for (let ticks = 0; this.session.deadline <= until; ticks++) {
      if (ticks > 10_000) throw new Error('the session does not advance its deadline')
      this.now = Math.max(this.now, this.session.deadline)
      effects.push(...this.step({ type: 'tick' }))
    }
    this.now = until
    return effects
  }

  ask(request: SessionRequest): SessionEffect[] {
    return this.step({ type: 'request', request })
  }

  compose(to: string, text = 'Hi'): SessionEffect[] {
    return this.ask({ type: 'compose', to, text })
  }

  /** Opens the dialled connection and identifies on it. */
  goOnline(
    users: readonly string[] = ['Anna'],
    answer: Partial<Extract<IdentifyResponse, { ok: true }>> = {},
  ): SessionEffect[] {
    this.step({ type: 'opened', dial: this.dial })
    return this.accept(users, answer)
  }

  /** Opens the dialled connection; the server asks for a key, gets it and lets the client in. */
  goOnlineWithKey(identity: Identity, users: readonly string[] = ['Anna']): SessionEffect[] {
    return [...this.askForKey(), ...this.proveKey(identity), ...this.accept(users, { auth: 'key' })]
  }

  /** Opens the dialled connection; the server proves its mesh and asks for a key. */
  askForKey(): SessionEffect[] {
    this.step({ type: 'opened', dial: this.dial })
    return this.reject({ code: 'prove-key', challenge: CHALLENGE, mesh: this.proveMesh('key') })
  }

  /** The edge has loaded the user's key. */
  proveKey(identity: Identity): SessionEffect[] {
    return this.step({ type: 'identity', dial: this.dial, identity, challenge: CHALLENGE })
  }

  /** The server rejects the identification. */
  reject(answer: Partial<Extract<IdentifyResponse, { ok: false }>>): SessionEffect[] {
    const rejection = { ok: false, code: 'bad-name', message: 'no', ...answer } as const
    return this.step({ type: 'identified', dial: this.dial, answer: rejection })
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
        mesh: this.proveMesh(answer.auth),
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
