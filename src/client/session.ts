import { HybridClock } from '../delivery/clock.ts'
import { Backoff } from '../mesh/backoff.ts'
import { SortedNames } from '../presence/sorted-names.ts'
import type { AuthMode, Challenge } from '../protocol/credentials.ts'
import {
  type Composed,
  type Connections,
  type DeliveredMessage,
  type ErrorCode,
  type Fate,
  type Identified,
  type Identify,
  type Message,
  PROTOCOL,
  type RosterDelta,
  type RosterSnapshot,
  type ServerAddress,
} from '../protocol/messages.ts'
import { parseUserName } from '../protocol/names.ts'
import { answerSibling, compareAll, MARKS_AT_ONCE, type SiblingFrame } from './catch-up.ts'
import { Confirmations } from './confirmations.ts'
import type { SessionEvent, SessionRequest } from './events.ts'
import { type Archive, MessageLog } from './message-log.ts'
import { Outbox } from './outbox.ts'
import { ReadMarks } from './read-marks.ts'
import { type Identity, Seals } from './seals.ts'

/** How long a dial and the identification may take before the next server is tried, ms. */
const CONNECT_MS = 3_000
/** Siblings compare after a random time up to this, ms, so that not all begin at once. */
const COMPARE_SPREAD_MS = 500
/** While siblings exist, they compare at least this often, ms. */
const COMPARE_EVERY_MS = 60_000
/** After a frame that brought or gave something, a comparison checks that nothing is missing, ms. */
const COMPARE_AGAIN_MS = 2_000
/** A key that a server did not tell is asked for again after this long, ms. */
const KEY_AGAIN_MS = 1_000
/** Whose a name is, is asked again after this long, ms, while something waits for another key. */
const LOOK_AGAIN_MS = 10_000
/** Servers that are known at most: of those that were told, the latest. */
const MOST_SERVERS = 1_000
/** Stands before a message of a user whose key is not the one that was known, also when that is long ago. */
const UNTRUSTED = '[signed with another key than before] '

export interface SessionOptions {
  user: string
  /** Name and version of the program. */
  client: string
  /** Random, unique to this run of the program: its messages' ids begin with it. */
  instance: string
  /** URLs of servers, in the order in which to try them first. */
  servers: readonly string[]
  /** What the mesh's operator has signed, if that is how it knows its users. */
  token?: string | undefined
  /** How the server has to know its users; undefined: as it likes. */
  auth?: AuthMode | undefined
  /** Random numbers in [0, 1). */
  random: () => number
}

/** `dial` numbers a connection: what comes late from an old one is told apart. */
export type SessionInput =
  /** What the disk has: messages that are told, an archive that is not, what waits, and the keys of users. */
  | {
      type: 'start'
      history: readonly Message[]
      archive?: Archive
      outbox: readonly Message[]
      keys?: ReadonlyMap<string, string>
    }
  | { type: 'request'; request: SessionRequest }
  | { type: 'opened'; dial: number }
  | { type: 'closed'; dial: number; reason: string }
  | { type: 'identified'; dial: number; answer: Identified }
  /** This user's key, asked for by `prove`. */
  | { type: 'identity'; dial: number; identity: Identity; challenge: Challenge }
  /** There is none, and none can be made. */
  | { type: 'no-identity'; dial: number; reason: string }
  /** The key that holds a name now; undefined: none does. */
  | { type: 'key'; dial: number; user: string; key: string | undefined }
  | { type: 'im'; dial: number; message: DeliveredMessage }
  | { type: 'fate'; dial: number; id: string; fate: Fate }
  | { type: 'roster'; dial: number; delta: RosterDelta }
  | { type: 'roster-snapshot'; dial: number; snapshot: RosterSnapshot }
  | { type: 'connections'; dial: number; changes: Connections }
  | { type: 'siblings'; dial: number; connections: number }
  | { type: 'relay'; dial: number; from: string; frame: SiblingFrame }
  | { type: 'move'; dial: number; servers: readonly ServerAddress[] }
  /** Ends a turn of the event loop in which `gathered` became true. */
  | { type: 'flush' }
  | { type: 'tick' }

export type SessionEffect =
  | { type: 'dial'; dial: number; url: string }
  | { type: 'hang-up'; dial: number }
  | { type: 'identify'; dial: number; hello: Identify }
  /** Load this user's key, or make it. */
  | { type: 'prove'; dial: number; challenge: Challenge }
  | { type: 'ask-key'; dial: number; user: string }
  | { type: 'im'; dial: number; message: Composed }
  | { type: 'got'; dial: number; count: number }
  | { type: 'ask-roster'; dial: number }
  | { type: 'relay'; dial: number; to: string | undefined; frame: SiblingFrame }
  /** Keep on disk, before anything after this effect is done: a message for the history, … */
  | { type: 'store'; message: Message }
  /** … a message of one's own that is held, and that it is not any more. */
  | { type: 'hold'; message: Message }
  | { type: 'release'; id: string }
  /** … whose a key is, from now on. */
  | { type: 'pin'; user: string; key: string }
  | { type: 'tell'; event: SessionEvent }

type Phase =
  | { name: 'idle' | 'closed' | 'refused' }
  | { name: 'connecting'; dial: number; url: string; until: number; openedAt: number }
  | { name: 'online'; dial: number; url: string; server: string; since: number }
  | { name: 'waiting'; url: string; retryAt: number }

/**
 * A client's side of the mesh as a state machine: one connection at a time to one of the servers, an outbox, the
 * roster, and all messages once. `step` takes what happened and the time, and answers with what is to be done.
 */
export class Session {
  readonly #options: SessionOptions
  readonly #clock = new HybridClock()
  #log = new MessageLog()
  readonly #outbox = new Outbox()
  readonly #roster = new SortedNames()
  /** Names with another number of connections than one. */
  readonly connections = new Map<string, number>()
  readonly #marks = new ReadMarks()
  readonly #backoff: Backoff
  /** Whose key is whose; undefined until a server asks for this user's. */
  #seals: Seals | undefined
  #keys: ReadonlyMap<string, string> = new Map()
  #rosterVersion = 0
  #askedRoster = false
  #phase: Phase = { name: 'idle' }
  #urls: string[]
  #dials = 0
  #composed = 0
  /** The server's clock minus this machine's monotonic one, ms; undefined until a server has told the time. */
  #offset: number | undefined
  #confirmations = new Confirmations()
  #siblings = 0
  #compareAt = Number.POSITIVE_INFINITY
  #now = 0
  #wall = 0
  #effects: SessionEffect[] = []

  constructor(options: SessionOptions) {
    this.#options = options
    this.#urls = [...new Set(options.servers)]
    this.#backoff = new Backoff(options.random, 400, 5_000)
  }

  /** When `tick` is due, monotonic ms. */
  get deadline(): number {
    const phase = this.#phase
    if (phase.name === 'connecting') return phase.until
    if (phase.name === 'waiting') return phase.retryAt
    if (phase.name !== 'online') return Number.POSITIVE_INFINITY
    return Math.min(
      this.#compareAt,
      this.#confirmations.due,
      this.#outbox.deadline,
      this.#siblings > 1 ? this.#marks.deadline : Number.POSITIVE_INFINITY,
    )
  }

  /** Whether something waits for the end of this turn. */
  get gathered(): boolean {
    return this.#phase.name === 'online' && this.#confirmations.due <= this.#now
  }

  /** All messages that this client holds, in order. */
  get messages(): Message[] {
    return this.#log.between(0)
  }

  /** The messages that wait for their recipients. */
  get held(): Message[] {
    return this.#outbox.messages()
  }

  /** The names online in the whole mesh, sorted. */
  get roster(): string[] {
    return this.#roster.toArray()
  }

  /**
   * @param now monotonic time, ms
   * @param wall ms since 1970; may jump
   */
  step(input: SessionInput, now: number, wall: number): SessionEffect[] {
    this.#now = now
    this.#wall = wall
    this.#effects = []
    this.#handle(input)
    return this.#effects
  }

  #handle(input: SessionInput): void {
    if ('dial' in input && input.dial !== this.#dial) return
    switch (input.type) {
      case 'start':
        return this.#start(input)
      case 'request':
        return this.#request(input.request)
      case 'opened':
        return this.#opened()
      case 'closed':
        return this.#lost(input.reason)
      case 'identified':
        return this.#identified(input.answer)
      case 'im':
        this.#confirmations.receive(this.#isCopy(input.message), this.#now)
        return this.#received(input.message)
      case 'identity':
        return this.#prove(input.identity, input.challenge)
      case 'no-identity':
        return this.#refused('unauthorized', input.reason)
      case 'key':
        return this.#holder(input.user, input.key)
      case 'fate':
        return this.#fate(input.id, input.fate)
      case 'roster':
        return this.#delta(input.delta)
      case 'roster-snapshot':
        return this.#snapshot(input.snapshot)
      case 'connections':
        return this.#count(input.changes)
      case 'siblings':
        return this.#siblingsChanged(input.connections)
      case 'relay':
        return this.#sibling(input.from, input.frame)
      case 'move':
        this.#meet(input.servers)
        return this.#lost('the server is shutting down')
      case 'flush':
        return this.#confirm()
      case 'tick':
        return this.#tick()
    }
  }

  get #dial(): number | undefined {
    return this.#phase.name === 'connecting' || this.#phase.name === 'online' ? this.#phase.dial : undefined
  }

  #start({ history, archive, outbox, keys }: Extract<SessionInput, { type: 'start' }>): void {
    this.#log = new MessageLog(archive)
    if (keys !== undefined) this.#keys = keys
    this.#clock.see(this.#log.lastAt, this.#wall)
    for (const message of history) {
      this.#clock.see(message.at, this.#wall)
      if (this.#log.add(message)) this.#tell({ type: 'message', message, origin: 'history' })
    }
    for (const message of outbox) {
      this.#clock.see(message.at, this.#wall)
      this.#outbox.hold(message)
      if (this.#log.add(message)) {
        // The program died after it held the message and before it stored it.
        this.#effects.push({ type: 'store', message })
        this.#tell({ type: 'message', message, origin: 'history' })
      }
      this.#progress(message, { state: 'waiting', reason: 'offline' })
    }
    const [first] = this.#urls
    if (first !== undefined) this.#connect(first)
  }

  #request(request: SessionRequest): void {
    switch (request.type) {
      case 'compose':
        return this.#compose(request.to, request.text)
      case 'read':
        return this.#marks.read(request.thread, request.at, this.#now)
      case 'trust':
        return this.#trust(request.user)
      case 'close':
        return this.#close()
    }
  }

  #compose(to: string, text: string): void {
    const name = parseUserName(to)
    if (!name.ok || this.#phase.name === 'closed') return
    const id = `${this.#options.instance}.${(++this.#composed).toString(36)}`
    const message: Message = { id, at: this.#clock.tick(this.#time), from: this.#options.user, to: name.value, text }
    if (this.#outbox.full) {
      const why = 'too many messages wait for their recipients; this one is not sent'
      return this.#progress(message, { state: 'refused', code: 'outbox-full', message: why })
    }
    this.#outbox.hold(message)
    this.#effects.push({ type: 'hold', message })
    this.#learn(message, 'composed')
    this.#progress(message, { state: 'waiting', reason: 'offline' })
    this.#send()
  }

  /** The server's clock as told last, carried on by the monotonic one: this machine's own may jump. */
  get #time(): number {
    return this.#offset === undefined ? this.#wall : this.#now + this.#offset
  }

  #connect(url: string): void {
    const dial = ++this.#dials
    this.#phase = { name: 'connecting', dial, url, until: this.#now + CONNECT_MS, openedAt: this.#now }
    this.#tell({ type: 'connection', state: { phase: 'connecting', server: url, attempt: this.#backoff.failures + 1 } })
    this.#effects.push({ type: 'dial', dial, url })
  }

  #opened(): void {
    if (this.#phase.name !== 'connecting') return
    this.#phase.openedAt = this.#now
    this.#identify({})
  }

  #identify(shown: Pick<Identify, 'key' | 'proof'>): void {
    if (this.#phase.name !== 'connecting') return
    const { user, client, token } = this.#options
    this.#effects.push({
      type: 'identify',
      dial: this.#phase.dial,
      hello: {
        user,
        client,
        protocol: PROTOCOL,
        connections: true,
        ...(token === undefined ? {} : { token }),
        ...shown,
      },
    })
  }

  #identified(answer: Identified): void {
    const phase = this.#phase
    if (phase.name !== 'connecting') return
    if (!answer.ok) {
      if (answer.code === 'draining') return this.#lost(answer.message)
      const { challenge } = answer
      if (challenge === undefined) return this.#refused(answer.code, answer.message)
      this.#effects.push({ type: 'prove', dial: phase.dial, challenge })
      return
    }
    // A mesh that asked for a key once does not do without.
    const auth = this.#seals === undefined ? this.#options.auth : 'key'
    if (auth !== undefined && (answer.auth ?? 'open') !== auth) {
      const { user } = this.#options
      const why = `${phase.url} does not know its users by keys, and ${user} has one: it could read and forge messages`
      return this.#refused('unauthorized', `${why}; if that is as it should be, give --insecure`)
    }
    // Without this user's key nothing would be sealed, and what comes would be taken as it is.
    if (answer.auth === 'key' && this.#seals === undefined) {
      return this.#refused('unauthorized', `${phase.url} says that it knows its users by keys, and asked for none`)
    }
    // The server's clock as of now: half of the round trip has passed since it told it.
    this.#offset = answer.time + (this.#now - phase.openedAt) / 2 - this.#now
    this.#confirmations = new Confirmations()
    this.#siblings = 0
    this.#phase = { name: 'online', dial: phase.dial, url: phase.url, server: answer.server, since: this.#now }
    this.#meet(answer.servers)
    this.#tell({ type: 'connection', state: { phase: 'online', server: answer.server, url: phase.url } })
    this.#snapshot(answer.roster)
    this.connections.clear()
    this.#count(answer.connections ?? [])
    this.#send()
  }

  #refused(code: ErrorCode, message: string): void {
    if (this.#dial !== undefined) this.#effects.push({ type: 'hang-up', dial: this.#dial })
    this.#phase = { name: 'refused' }
    this.#tell({ type: 'connection', state: { phase: 'refused', code, message } })
  }

  /** Identifies with this user's key. */
  #prove(identity: Identity, challenge: Challenge): void {
    if (this.#seals === undefined) {
      this.#seals = new Seals(this.#options.user, identity, new Map(this.#keys))
      this.#tellKey(this.#options.user, identity.key, 'own')
    }
    this.#seals.forgetAsked()
    this.#identify(this.#seals.prove(challenge))
  }

  /** A server says which key holds a name. */
  #holder(user: string, key: string | undefined): void {
    this.#seals?.answered(user)
    if (key === undefined) {
      // Nobody does: what is for them goes out when they come online, should that not be just now.
      if (this.#roster.has(user)) this.#outbox.online(user, this.#now + KEY_AGAIN_MS)
      return
    }
    this.#meetKey(user, key)
  }

  /** A user was met with a key. */
  #meetKey(user: string, key: string): void {
    const met = this.#seals?.meet(user, key)
    if (met === 'new') this.#effects.push({ type: 'pin', user, key })
    if (met === 'new' || met === 'changed') this.#tellKey(user, key, met)
    if (met === 'back') this.#tellKey(user, key, 'trusted')
    if (met !== 'new' && met !== 'back') return
    // What waited for it can go out.
    this.#outbox.online(user)
    this.#send()
  }

  #tellKey(user: string, key: string, state: Extract<SessionEvent, { type: 'key' }>['state']): void {
    if (this.#seals === undefined) return
    const { identity, known } = this.#seals
    this.#tell({ type: 'key', user, key, state, own: identity.key, known })
  }

  #trust(user: string): void {
    const key = this.#seals?.trust(user)
    if (key === undefined) return
    this.#effects.push({ type: 'pin', user, key })
    this.#tellKey(user, key, 'trusted')
    this.#outbox.online(user)
    this.#send()
  }

  /** The connection is no more, or was never made: on to another server. */
  #lost(reason: string): void {
    const phase = this.#phase
    if (phase.name !== 'connecting' && phase.name !== 'online') return
    this.#effects.push({ type: 'hang-up', dial: phase.dial })
    this.#compareAt = Number.POSITIVE_INFINITY
    for (const message of this.#outbox.recall()) this.#progress(message, { state: 'waiting', reason: 'offline' })
    if (phase.name === 'online') this.#backoff.ended(this.#now - phase.since)
    const retryAt = this.#now + this.#backoff.next()
    this.#phase = { name: 'waiting', url: this.#other(phase.url), retryAt }
    const attempt = this.#backoff.failures
    this.#tell({
      type: 'connection',
      state: { phase: 'waiting', reason, retryAt: this.#wall + retryAt - this.#now, attempt },
    })
  }

  /** A server other than that at `url`, by chance, so that a dead server's clients spread. */
  #other(url: string): string {
    const others = this.#urls.filter(other => other !== url)
    return others[Math.floor(this.#options.random() * others.length)] ?? url
  }

  #meet(servers: readonly ServerAddress[]): void {
    const given = this.#options.servers
    // Nobody who was given encrypted servers only goes to others because a server says so.
    const encrypted = given.every(isEncrypted)
    const told = servers.map(server => server.url).filter(url => !encrypted || isEncrypted(url))
    this.#urls = [...new Set([...given, ...told, ...this.#urls])].slice(0, MOST_SERVERS)
    this.#tell({ type: 'servers', servers })
  }

  #close(): void {
    const dial = this.#dial
    if (dial !== undefined) this.#effects.push({ type: 'hang-up', dial })
    this.#phase = { name: 'closed' }
    this.#tell({ type: 'connection', state: { phase: 'closed' } })
  }

  #tick(): void {
    const phase = this.#phase
    if (phase.name === 'waiting' && phase.retryAt <= this.#now) return this.#connect(phase.url)
    if (phase.name === 'connecting' && phase.until <= this.#now) return this.#lost('no answer')
    if (phase.name !== 'online') return
    if (this.#outbox.overdue(this.#now)) return this.#lost('the server does not answer')
    this.#send()
    this.#confirm()
    if (this.#siblings > 1) this.#tellMarks(phase.dial)
    if (this.#compareAt <= this.#now) {
      this.#compareAt = this.#siblings > 1 ? this.#now + COMPARE_EVERY_MS : Number.POSITIVE_INFINITY
      this.#effects.push({ type: 'relay', dial: phase.dial, to: undefined, frame: compareAll(this.#log) })
    }
  }

  #send(): void {
    if (this.#phase.name !== 'online') return
    for (const message of this.#outbox.take(this.#now)) {
      const { id, at, to } = message
      const sealed = this.#seals === undefined ? message : this.#seals.seal(message)
      if ('waits' in sealed) this.#park(message, sealed.waits)
      else {
        this.#progress(message, { state: 'sent' })
        this.#effects.push({ type: 'im', dial: this.#phase.dial, message: { id, at, to, text: sealed.text } })
      }
    }
  }

  /** A message waits for its recipient's key, or for the person to trust another. */
  #park(message: Message, waits: 'for-key' | 'key-changed'): void {
    const isOnline = this.#roster.has(message.to)
    // A name that stays online may pass back to the key that was known.
    this.#outbox.park(message.id, isOnline ? this.#now + LOOK_AGAIN_MS : Number.POSITIVE_INFINITY)
    const reason = waits === 'key-changed' ? waits : isOnline ? 'unconfirmed' : 'recipient-offline'
    this.#progress(message, { state: 'waiting', reason })
    if (isOnline) this.#askKey(message.to)
  }

  #askKey(user: string): void {
    if (this.#phase.name !== 'online' || this.#seals?.asks(user) !== true) return
    this.#effects.push({ type: 'ask-key', dial: this.#phase.dial, user })
  }

  #fate(id: string, fate: Fate): void {
    const to = this.#outbox.get(id)?.to
    if (to === undefined) return
    const answered = this.#outbox.answered(id, fate, this.#roster.has(to), this.#now)
    if (answered === undefined) return
    if (answered.done) this.#effects.push({ type: 'release', id })
    this.#tell({ type: 'progress', id, to, progress: answered.progress })
    // Online, and nobody there could read it: the name may have passed to another key.
    if (fate.ok && fate.delivered === 0 && this.#roster.has(to)) this.#askKey(to)
    this.#send()
  }

  /** Whether a message is this user's own, come back for this connection to show. */
  #isCopy({ from, to }: Message): boolean {
    const { user } = this.#options
    return from === user && to !== user
  }

  /** Confirms what was received, if that is due. */
  #confirm(): void {
    if (this.#phase.name !== 'online') return
    const count = this.#confirmations.take(this.#now)
    if (count !== undefined) this.#effects.push({ type: 'got', dial: this.#phase.dial, count })
  }

  /** Takes in a message from a server: where users are known by keys, what its key has sealed. */
  #received(message: Message): void {
    if (this.#seals === undefined) return void this.#learn(message, 'live')
    const opened = this.#seals.open(message)
    if (opened.state === 'forged') return this.#tell({ type: 'forged', from: message.from })
    this.#meetKey(message.from, opened.key)
    const doubt = opened.state === 'changed' ? UNTRUSTED : ''
    this.#learn({ ...message, text: `${doubt}${opened.text}` }, 'live')
  }

  /** Takes in a message, once per id. */
  #learn(message: Message, origin: 'composed' | 'live' | 'history'): boolean {
    const { id, at, from, to, text } = message
    this.#clock.see(at, this.#time)
    const plain: Message = { id, at, from, to, text }
    if (!this.#log.add(plain)) return false
    this.#effects.push({ type: 'store', message: plain })
    this.#tell({ type: 'message', message: plain, origin })
    return true
  }

  #delta({ version, joined, left }: RosterDelta): void {
    if (this.#phase.name !== 'online' || version <= this.#rosterVersion) return
    if (version > this.#rosterVersion + 1) {
      if (!this.#askedRoster) this.#effects.push({ type: 'ask-roster', dial: this.#phase.dial })
      this.#askedRoster = true
      return
    }
    this.#rosterVersion = version
    const came = joined.filter(name => this.#roster.add(name))
    const went = left.filter(name => this.#roster.delete(name))
    this.#rosterChanged(came, went)
  }

  #snapshot({ version, users }: RosterSnapshot): void {
    this.#askedRoster = false
    this.#rosterVersion = version
    const joined = users.filter(name => !this.#roster.has(name))
    const now = new Set(users)
    const left = this.#roster.toArray().filter(name => !now.has(name))
    this.#roster.reset(users)
    this.#rosterChanged(joined, left)
  }

  #rosterChanged(joined: string[], left: string[]): void {
    this.#tell({ type: 'roster', users: this.#roster, joined, left })
    for (const name of joined) this.#outbox.online(name)
    if (joined.length > 0) this.#send()
  }

  #count(changes: Connections): void {
    for (const [name, connections] of changes) {
      if (connections > 1) this.connections.set(name, connections)
      else this.connections.delete(name)
    }
    this.#tell({ type: 'connections', connections: this.connections })
  }

  #tellMarks(dial: number): void {
    const marks = this.#marks.take(MARKS_AT_ONCE, this.#now)
    if (marks.length > 0) this.#effects.push({ type: 'relay', dial, to: undefined, frame: { type: 'read', marks } })
  }

  #siblingsChanged(connections: number): void {
    if (connections > this.#siblings) this.#marks.tellAll(this.#now)
    this.#siblings = connections
    if (connections > 1) this.#compareSoon(COMPARE_SPREAD_MS)
  }

  #sibling(from: string, frame: SiblingFrame): void {
    if (this.#phase.name !== 'online') return
    if (frame.type === 'read') {
      for (const [thread, at] of frame.marks) {
        if (this.#marks.learn(thread, at)) this.#tell({ type: 'read', thread, at })
      }
      return
    }
    let learned = false
    const answers = answerSibling(this.#log, frame, messages => {
      for (const message of messages) {
        const { user } = this.#options
        // A sibling knows messages of this user only.
        if (message.from === user || message.to === user) learned = this.#learn(message, 'history') || learned
      }
    })
    for (const answer of answers) {
      this.#effects.push({ type: 'relay', dial: this.#phase.dial, to: from, frame: answer })
    }
    if (learned || answers.length > 0) this.#compareSoon(COMPARE_AGAIN_MS)
  }

  #compareSoon(within: number): void {
    const at = this.#now + (0.5 + this.#options.random() / 2) * within
    this.#compareAt = Math.min(this.#compareAt, at)
  }

  #progress(message: Message, progress: Extract<SessionEvent, { type: 'progress' }>['progress']): void {
    this.#tell({ type: 'progress', id: message.id, to: message.to, progress })
  }

  #tell(event: SessionEvent): void {
    this.#effects.push({ type: 'tell', event })
  }
}

function isEncrypted(url: string): boolean {
  return url.startsWith('https:')
}
