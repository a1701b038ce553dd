/**
 * Plays a hostile server and hostile siblings against a client session: valid and mutated payloads, parsed as the real
 * client parses them, in any order. Every run can be repeated from its seed.
 */
import * as z from 'zod'
import type { SessionEvent, SessionRequest } from '../../../src/client/events.ts'
import { siblingFrameSchema } from '../../../src/client/history/reconciliation.ts'
import type { RoomEntry } from '../../../src/client/rooms/room-list.ts'
import { Session } from '../../../src/client/session.ts'
import type { SessionEffect, SessionInput } from '../../../src/client/types.ts'
import {
  connectionsSchema,
  deliveredMessageSchema,
  fateSchema,
  foundNamesSchema,
  type IdentifyRequest,
  identifyResponseSchema,
  joinResponseSchema,
  keyHolderSchema,
  MAX_PACKET_BYTES,
  type Message,
  moveSchema,
  namesPageSchema,
  receiptsSchema,
  roomEventSchema,
  roomListSchema,
  rosterDeltaSchema,
  rosterSnapshotSchema,
  rosterViewEventSchema,
  siblingsSchema,
  typingNoticeSchema,
  watchedNamesSchema,
} from '../../../src/protocol/messages.ts'
import type { AuthMode } from '../../../src/protocol/proofs/credentials.ts'
import { NO_TLS, serverProofText } from '../../../src/protocol/proofs/mesh-identity.ts'
import { formatAuthorProof, roomMessageText } from '../../../src/protocol/proofs/room-proof.ts'
import { EPOCH_MS, MESH_KEY } from '../harness/session-harness.ts'
import { storedState } from '../harness/stored-state.ts'
import { meshSignatures, signatureOf } from '../mesh-signatures.ts'
import type { Random } from '../random.ts'
import { keyNamed, PlainIdentity } from '../simulation/plain-identity.ts'
import { mutate } from './mutate.ts'

/** Most effects of one input; a frame of 10,000 messages has two for each. */
const MAX_EFFECTS = 25_000
/** Most ticks that may be due at one time. */
const MAX_TICKS = 10

const NAMES = ['Anna', 'Billy', 'Carla', '__proto__']
const ROOMS = ['#ops', '#dev', '#__proto__']
const TIMES = [
  -1,
  0,
  EPOCH_MS,
  EPOCH_MS + 0.5,
  EPOCH_MS + 50 * 365 * 86_400_000,
  253_402_300_800_000,
  8.64e15 + 1,
  1e300,
]
/** The neutral point: whatever is agreed with it is known to everyone. */
const NEUTRAL_POINT = Buffer.from([1, ...Array(31).fill(0)]).toString('base64url')

export class SessionFuzzer {
  readonly #random: Random
  readonly #onEvent: (event: SessionEvent) => void
  session: Session
  now = 0
  #dial = 0
  /** Number of sessions that ended because the server rejected the user. */
  ended = 0
  #outstanding: SessionEffect[] = []
  /** Whether the session has used its key. */
  #isKeyed = false
  /** The auth mode of the mesh that the server plays, or that the session has accepted. */
  #mode: AuthMode = 'open'
  /** The latest identification: the server signs its nonce and origin. */
  #identification: Partial<IdentifyRequest> = {}
  readonly inputs = new Map<string, number>()

  /** @param onEvent called with every event of the session: it must be able to show each */
  constructor(random: Random, onEvent: (event: SessionEvent) => void) {
    this.#random = random
    this.#onEvent = onEvent
    this.session = this.#start()
  }

  /** Sends one payload, or lets time pass. */
  play(): void {
    const random = this.#random
    if (this.session.deadline === Number.POSITIVE_INFINITY && random.chance(0.1)) this.#start()
    if (random.chance(0.02)) return this.#request()
    if (random.chance(0.1)) this.#advance(random.pick([1, 100, 3_000, 10_000, 120_000]))
    const [valid, parse] = this.#payload()
    const payload: unknown = random.chance(0.4) ? valid : mutate(valid, random, random.pick([0.02, 0.1, 0.3]))
    // What arrives is JSON.
    const text = JSON.stringify(payload)
    const input = parse(text === undefined ? undefined : JSON.parse(text))
    if (input !== undefined) this.#step(input)
  }

  /** The server becomes honest: identifies the user and delivers a message. Returns its id. */
  recover(): string {
    this.#advance(120_000)
    if (this.session.deadline === Number.POSITIVE_INFINITY) this.#start()
    this.#step({ type: 'closed', dial: this.#dial, reason: 'cut' })
    // Until the next attempt: its connection has not timed out yet.
    for (const before = this.#dial; this.#dial === before; ) this.#advance(50)
    this.#step({ type: 'opened', dial: this.#dial })
    const challenge = { server: 's', connection: 's:1', nonce: 'n' }
    if (this.#mode === 'key') {
      const question = { ok: false, code: 'prove-key', message: 'no', challenge, mesh: this.#mesh() }
      this.#step({ type: 'identified', dial: this.#dial, answer: identifyResponseSchema.parse(question) })
      this.#isKeyed = true
      this.#step({ type: 'identity', dial: this.#dial, identity: new PlainIdentity('Anna'), challenge })
    }
    const answer = identifyResponseSchema.parse(this.#answer())
    this.#step({ type: 'identified', dial: this.#dial, answer })
    const id = `honest ${this.now}`
    const plain = { id, at: this.#wall, from: 'Billy', to: 'Anna', text: 'hi' }
    const text = this.#mode === 'key' ? new PlainIdentity('Billy').seal(plain, keyNamed('Anna')) : plain.text
    this.#step({ type: 'im', dial: this.#dial, message: { ...plain, text, forwarded: false } })
    return id
  }

  get #wall(): number {
    return EPOCH_MS + this.now
  }

  #start(): Session {
    const options = { user: 'Anna', client: 'x/1', instance: `run${this.ended}`, servers: ['http://a', 'http://b'] }
    const rooms: RoomEntry[] = ROOMS.map(room => [room, true, EPOCH_MS - 1])
    this.session = new Session(
      { ...options, views: true, ...meshSignatures, random: this.#random.next },
      storedState({ rooms }),
    )
    this.#dial = 0
    this.#isKeyed = false
    this.#mode = this.#random.pick(['open', 'key'])
    this.#step({ type: 'start' })
    return this.session
  }

  #step(input: SessionInput): void {
    this.inputs.set(input.type, (this.inputs.get(input.type) ?? 0) + 1)
    const effects = this.session.step(input, this.now, this.#wall)
    if (effects.length > MAX_EFFECTS) throw new Error(`${input.type} has ${effects.length} effects`)
    let relayedLength = 0
    for (const effect of effects) {
      if (effect.type === 'dial') this.#dial = effect.dial
      if (effect.type === 'identify') this.#identification = effect.request
      if (effect.type === 'event') this.#onEvent(effect.event)
      if (effect.type === 'relay' || effect.type === 'room-relay') relayedLength += JSON.stringify(effect.frame).length
      if (effect.type === 'im' || effect.type === 'ask-key') this.#outstanding.push(effect)
      if (effect.type === 'prove') this.#prove(effect)
      if (effect.type === 'event' && effect.event.type === 'connection' && effect.event.state.phase === 'refused')
        this.ended++
    }
    if (relayedLength > 2 * MAX_PACKET_BYTES) throw new Error(`${input.type} costs ${relayedLength} characters`)
    this.#outstanding = this.#outstanding.slice(-100)
    for (const effect of effects)
      if (effect.type === 'event' && effect.event.type === 'mesh') this.#accept(effect.event)
  }

  #accept({ mode }: Extract<SessionEvent, { type: 'mesh' }>): void {
    this.#mode = mode
    this.#step({ type: 'mesh-accepted', dial: this.#dial })
  }

  #prove({ dial, challenge }: Extract<SessionEffect, { type: 'prove' }>): void {
    if (!this.#random.chance(0.5)) return
    this.#isKeyed = true
    this.#step({ type: 'identity', dial, identity: new PlainIdentity('Anna'), challenge })
  }

  #request(): void {
    const random = this.#random
    const to = random.pick([...NAMES, ...ROOMS])
    this.#step({
      type: 'request',
      request: random.pick<SessionRequest>([
        { type: random.pick(['join', 'part']), room: random.pick([...ROOMS, '#']) },
        { type: 'list-rooms' },
        { type: 'compose', to, text: 'hello' },
        { type: 'read', thread: to, at: this.#wall },
        { type: 'trust', user: to, key: keyNamed(to) },
      ]),
    })
  }

  #advance(ms: number): void {
    const until = this.now + ms
    let ticks = 0
    while (this.session.deadline <= until) {
      if (this.session.deadline > this.now) ticks = 0
      if (++ticks > MAX_TICKS) throw new Error(`the session is due ${ticks} times at once`)
      this.now = Math.max(this.now, this.session.deadline)
      this.#step({ type: 'tick' })
    }
    this.now = until
  }

  #answer(): object {
    const random = this.#random
    const roster = { version: random.below(3), users: ['Anna', 'Billy'] }
    const servers = [{ id: 'server-2', url: 'http://c' }]
    const auth = this.#mode
    const rooms = random.chance(0.8) ? { rooms: true } : {}
    const parts = {
      server: 's',
      incarnation: 'i',
      connection: 's:1',
      roster,
      time: this.#wall,
      servers,
      auth,
      ...rooms,
    }
    return { ok: true, ...parts, mesh: this.#mesh() }
  }

  /** The proof of the mesh for the latest identification. */
  #mesh(): object {
    const { nonce = '', origin = '' } = this.#identification
    const signed = { nonce, origin, auth: this.#mode, server: 's', incarnation: 'i', channel: NO_TLS }
    const proof = signatureOf(MESH_KEY, serverProofText(signed, MESH_KEY))
    return { server: 's', incarnation: 'i', auth: this.#mode, key: MESH_KEY, proof }
  }

  #message(): object {
    const random = this.#random
    const at = random.chance(0.5) ? this.#wall - random.below(100) : random.pick(TIMES)
    const text = random.pick([
      'hi',
      '\u001b[2J',
      `sealed1.${NEUTRAL_POINT}.${keyNamed('Anna')}.x`,
      'x'.repeat(random.chance(0.02) ? 20_000 : 50),
    ])
    const message = { id: `${random.below(500)}`, at, from: random.pick(NAMES), to: random.pick(NAMES), text }
    if (random.chance(0.3)) return this.#roomMessage({ ...message, to: random.pick(ROOMS) })
    if (!this.#isKeyed || random.chance(0.3)) return message
    return { ...message, text: new PlainIdentity(message.from).seal(message, keyNamed('Anna')) }
  }

  #roomMessage(message: Message): object {
    const random = this.#random
    if (!this.#isKeyed) return random.chance(0.5) ? message : { ...message, proof: 'p' }
    const identity = new PlainIdentity(random.chance(0.8) ? message.from : 'Mallory')
    const signature = identity.sign(roomMessageText(message, MESH_KEY))
    return { ...message, proof: formatAuthorProof(identity.key, signature) }
  }

  /** A receipt of a message to a user or a room. */
  #receipt(): unknown[] {
    const random = this.#random
    const receipt = [`${random.below(50)}`, random.pick([...TIMES, this.#wall]), random.pick(NAMES), random.below(4)]
    if (random.chance(0.5)) return receipt
    return [...receipt.with(2, random.pick(ROOMS)), random.below(5), [random.pick(NAMES)]]
  }

  #messages(): object[] {
    return Array.from({ length: this.#random.below(70) }, () => this.#message())
  }

  #range(): object {
    const random = this.#random
    const from = random.chance(0.5) ? 0 : random.pick(TIMES)
    const hash = () => random.pick(['0', '8', 'f']).repeat(16)
    const bounds = random.pick([
      {},
      { to: random.pick(TIMES) },
      { fromHash: hash() },
      { to: from, fromHash: hash(), toHash: hash() },
    ])
    return { from, ...bounds, count: random.below(3), hash: 'x' }
  }

  #frame(): object {
    const random = this.#random
    const byHash = random.chance(0.5) ? { byHash: true } : {}
    return random.pick([
      { type: 'compare', ...byHash, ranges: Array.from({ length: random.below(65) }, () => this.#range()) },
      { type: 'have', ...byHash, ...this.#range(), messages: this.#messages() },
      { type: 'tell', messages: this.#messages() },
      { type: 'read', marks: [[random.pick(NAMES), random.pick(TIMES)]] },
      { type: 'receipts', receipts: [this.#receipt()] },
      { type: 'rooms', rooms: [[random.pick(ROOMS), random.chance(0.5), random.pick([...TIMES, this.#wall])]] },
    ])
  }

  #relay(): Payload {
    const random = this.#random
    const dial = this.#dial
    const sealed = this.#isKeyed === random.chance(0.9)
    const mesh = random.pick([MESH_KEY, undefined, keyNamed('another mesh')])
    return payloadOf(siblingFrameSchema, this.#frame(), frame => ({
      type: 'relay',
      dial,
      from: 's:2',
      frame,
      mesh,
      sealed,
    }))
  }

  /** A payload about the view of a long roster, and the function that parses it. */
  #viewPayload(): Payload {
    const random = this.#random
    const dial = this.#dial
    const name = random.pick(NAMES)
    const total = random.pick([0, 2, 6_000, 2 ** 40])
    const refusal = { ok: false, code: 'rate-limited', message: 'no', retryAfter: random.pick([1, 1e15]) }
    const online = random.chance(0.9) ? { ok: true, total, users: [name], connections: [[name, 2]] } : refusal
    const after = random.pick(['', ...NAMES])
    return random.pick<Payload>([
      payloadOf(
        rosterViewEventSchema,
        { total, joined: [name], left: [random.pick(NAMES)], ...(random.chance(0.3) ? { reset: true } : {}) },
        change => ({ type: 'view', dial, change }),
      ),
      payloadOf(watchedNamesSchema, online, answer => ({ type: 'watched', dial, names: [name], answer })),
      payloadOf(namesPageSchema, { ...online, first: random.pick([0, 5, 2 ** 40]) }, answer => ({
        type: 'names',
        dial,
        request: { after, count: 50, follow: random.chance(0.5) },
        answer,
      })),
      payloadOf(foundNamesSchema, online, answer => ({ type: 'found', dial, text: 'b', answer })),
    ])
  }

  /** A payload about rooms, and the function that parses it. */
  #roomPayload(): Payload {
    const random = this.#random
    const dial = this.#dial
    const room = random.pick(ROOMS)
    const version = random.below(4)
    const refusal = { ok: false, code: random.pick(['room-forbidden', 'room-full', 'rate-limited']), message: 'no' }
    const info = random.pick([{}, { topic: '\u001b[2J', historyDays: random.pick([0, 7]), operators: ['Billy'] }])
    const members = ['Anna', random.pick(NAMES)]
    const joined = { ok: true, room, info, version, members }
    return random.pick<Payload>([
      payloadOf(joinResponseSchema, random.chance(0.9) ? joined : refusal, answer => ({
        type: 'room-joined',
        dial,
        room,
        answer,
      })),
      payloadOf(
        roomEventSchema,
        random.pick([
          { room, version, joined: [random.pick(NAMES)], left: [random.pick(NAMES)] },
          { room, info },
          { room, missed: true },
          random.chance(0.2) ? { room, refusal } : { room, missed: true },
        ]),
        event => ({ type: 'room', dial, event }),
      ),
      payloadOf(
        roomListSchema.options[0],
        { ok: true, rooms: [{ room, members: 2, topic: '\u001b[2J' }], total: 1 },
        list => ({
          type: 'room-list',
          dial,
          list,
        }),
      ),
      payloadOf(
        typingNoticeSchema,
        { from: random.pick(NAMES), to: random.pick(['Anna', room]), at: this.#wall, proof: 'p' },
        notice => ({ type: 'typing', dial, notice }),
      ),
      payloadOf(receiptsSchema, [this.#receipt()], receipts => ({ type: 'receipts', dial, receipts })),
      payloadOf(siblingFrameSchema, this.#frame(), frame => ({
        type: 'room-relay',
        dial,
        room,
        user: random.pick(NAMES),
        from: `s:${random.below(5)}`,
        frame,
        mesh: random.pick([MESH_KEY, undefined, keyNamed('another mesh')]),
      })),
    ])
  }

  /** A valid payload, and the function that parses it. */
  #payload(): Payload {
    const random = this.#random
    const dial = this.#dial
    const refusal = {
      ok: false,
      code: random.pick(['rate-limited', 'draining', 'clock-ahead', 'bad-name']),
      message: 'no',
    }
    const later = { ...refusal, retryAfter: random.pick([0, 1, 1e6, 1e15, Number.MAX_VALUE]) }
    const time = this.#wall + random.pick([0, 0, 0, 1e9, -1e9, 1.5e12])
    const key = random.pick([keyNamed('Billy'), keyNamed('Carla'), NEUTRAL_POINT])
    const challenge = { server: 's', connection: 's:1', nonce: 'n' }
    const outstanding = random.pick([...this.#outstanding, undefined])
    const id = outstanding?.type === 'im' ? outstanding.message.id : 'unknown'
    const version = random.below(6)
    return random.pick<Payload>([
      payloadOf(z.unknown(), null, () => ({ type: 'opened', dial })),
      payloadOf(z.unknown(), null, () => ({ type: 'flush' })),
      payloadOf(z.unknown(), null, () =>
        random.chance(0.1) ? { type: 'closed', dial, reason: 'cut' } : { type: 'tick' },
      ),
      // A server in key mode that asks for no key is left, and ends the session if it is configured.
      this.#mode === 'key' && !this.#isKeyed && random.chance(0.8)
        ? payloadOf(z.unknown(), null, () => ({ type: 'opened', dial }))
        : payloadOf(identifyResponseSchema, { ...this.#answer(), time }, answer => ({
            type: 'identified',
            dial,
            answer,
          })),
      payloadOf(
        identifyResponseSchema,
        { ...later, code: random.pick(['prove-key', 'prove-key', 'draining']), challenge, mesh: this.#mesh() },
        answer => ({ type: 'identified', dial, answer }),
      ),
      payloadOf(deliveredMessageSchema, { ...this.#message(), forwarded: true }, message => ({
        type: 'im',
        dial,
        message,
      })),
      payloadOf(fateSchema, random.pick([{ ok: true, delivered: 1 }, later]), fate => ({
        type: 'fate',
        dial,
        id,
        fate,
      })),
      payloadOf(keyHolderSchema, { ok: true, key }, holder => ({
        type: 'key',
        dial,
        user: random.pick(NAMES),
        key: holder.ok ? holder.key : undefined,
      })),
      payloadOf(rosterDeltaSchema, { version, joined: ['Carla'], left: ['Billy'] }, delta => ({
        type: 'roster',
        dial,
        delta,
      })),
      payloadOf(rosterSnapshotSchema, { version, users: ['Anna', 'Billy'] }, snapshot => ({
        type: 'roster-snapshot',
        dial,
        snapshot,
      })),
      payloadOf(connectionsSchema, [['Anna', random.below(4)]], changes => ({ type: 'connections', dial, changes })),
      payloadOf(siblingsSchema, { connections: random.below(4) }, ({ connections }) => ({
        type: 'siblings',
        dial,
        connections,
      })),
      payloadOf(moveSchema, { servers: [{ id: 'x', url: 'http://d' }] }, ({ servers }) =>
        random.chance(0.1) ? { type: 'move', dial, servers } : { type: 'tick' },
      ),
      this.#relay(),
      this.#relay(),
      this.#viewPayload(),
      this.#viewPayload(),
      this.#roomPayload(),
      this.#roomPayload(),
      this.#roomPayload(),
    ])
  }
}

type Payload = [valid: unknown, parse: (raw: unknown) => SessionInput | undefined]

function payloadOf<T>(schema: z.ZodType<T>, valid: unknown, toInput: (data: T) => SessionInput): Payload {
  return [
    valid,
    raw => {
      const parsed = schema.safeParse(raw)
      return parsed.success ? toInput(parsed.data) : undefined
    },
  ]
}
