/** A link carrier without a core: records every input, and performs the effects that a test chooses. */
import type { SigningKey } from '../../../daemon/auth/mesh-key.ts'
import type { LinkCarrier } from '../../../daemon/links/carrier.ts'
import { NatsLinks } from '../../../daemon/links/nats/nats-links.ts'
import { SocketLinks } from '../../../daemon/links/socket-links.ts'
import type { Log } from '../../../daemon/log/log.ts'
import { selfTest } from '../../../daemon/transport/self-test.ts'
import { SocketServer } from '../../../daemon/transport/socket-server.ts'
import type { AcceptorFrame, DiallerFrame, PresenceDelta } from '../../../src/protocol/frames.ts'
import { DEFAULT_LIMITS, type Limits } from '../../../src/protocol/limits.ts'
import type { Input, LinkEffect } from '../../../src/server/types.ts'
import { until } from '../programs/processes.ts'

export interface CarrierHarnessOptions {
  secret?: string
  previousSecret?: string
  /** Default: a text that is not a key, as of a server of 0.1. */
  incarnation?: string
  /** Signs its handshakes. */
  processKey?: SigningKey
  limits?: Partial<Limits>
  log?: Log
  /** The answer to a peer that has proven the secret. Default: accept. */
  decide?: (input: Extract<Input, { type: 'accepted' }>) => LinkEffect
}

const nullLog = { write: () => {}, note: () => {} }

export class CarrierHarness {
  readonly id: string
  readonly inputs: Input[] = []
  readonly url: string
  readonly carrier: LinkCarrier
  readonly #close: () => Promise<unknown>

  private constructor(
    id: string,
    url: string,
    options: CarrierHarnessOptions,
    make: (base: ConstructorParameters<typeof SocketLinks>[1]) => LinkCarrier,
    close: () => Promise<unknown>,
  ) {
    this.id = id
    this.url = url
    const self = { id, incarnation: options.incarnation ?? `${id}#1`, protocol: 2, url, auth: 'open' as const }
    const decide = options.decide ?? (({ link }) => ({ type: 'accept', link, holds: { seq: 0 } }))
    const step = (input: Input) => {
      this.inputs.push(input)
      if (input.type === 'accepted') this.carrier.perform(decide(input))
    }
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    const { secret = '', previousSecret, processKey, log = nullLog } = options
    const credentials = { secret, previousSecret, processKey }
    this.carrier = make({ self, credentials, tls: undefined, limits, log, cutOffCounts: { client: 0, peer: 0 }, step })
    this.#close = close
  }

  static async onSockets(id: string, options: CarrierHarnessOptions = {}): Promise<CarrierHarness> {
    const { features } = await selfTest()
    const cutOffCounts = { client: 0, peer: 0 }
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    const { log = nullLog } = options
    const server = new SocketServer({
      tls: undefined,
      pages: { hostNames: [], origins: [] },
      limits,
      log,
      features,
      cutOffCounts,
    })
    const port = await server.listen({ port: 0, host: '127.0.0.1' })
    const make = (base: ConstructorParameters<typeof SocketLinks>[1]) => new SocketLinks([server.io], base)
    return new CarrierHarness(id, `http://127.0.0.1:${port}`, options, make, () => server.close())
  }

  static async onBackbone(id: string, nats: string, options: CarrierHarnessOptions = {}): Promise<CarrierHarness> {
    const holds = (peer: string, user: string): boolean => harness.peerHasUser(peer, user)
    const holdsRoom = (peer: string, room: string): boolean => harness.peerHasRoom(peer, room)
    const make = (base: ConstructorParameters<typeof SocketLinks>[1]) =>
      new NatsLinks({ ...base, urls: [nats], holds, holdsRoom })
    const harness: CarrierHarness = new CarrierHarness(id, 'http://127.0.0.1:1', options, make, async () => {})
    return harness
  }

  /** Whether a delta from a peer has announced this user. */
  peerHasUser(peer: string, user: string): boolean {
    return this.#deltasFrom(peer).some(({ changes }) => changes.some(([name]) => name === user))
  }

  /** Whether a delta from a peer has announced a member of this room. */
  peerHasRoom(peer: string, room: string): boolean {
    return this.#deltasFrom(peer).some(({ rooms = [] }) => rooms.some(([name]) => name === room))
  }

  #deltasFrom(peer: string): PresenceDelta[] {
    const links = this.inputsOfType('accepted').flatMap(({ link, introduction }) =>
      introduction.id === peer ? [link] : [],
    )
    return this.inputsOfType('frame').flatMap(({ link, frame }) =>
      links.includes(link) && frame.event === 'presence' && frame.payload.type === 'delta' ? [frame.payload] : [],
    )
  }

  inputsOfType<Type extends Input['type']>(type: Type): Extract<Input, { type: Type }>[] {
    return this.inputs.filter((input): input is Extract<Input, { type: Type }> => input.type === type)
  }

  /** The frames received over a link. */
  framesFrom(link: number): (DiallerFrame | AcceptorFrame)[] {
    return this.inputsOfType('frame').flatMap(input => (input.link === link ? [input.frame] : []))
  }

  /** Dials, and waits for the outcome: `dialled` or `dial-failed`. */
  async dial(other: CarrierHarness, id: string | undefined = other.id): Promise<Input> {
    const before = this.inputs.length
    this.carrier.perform({ type: 'dial', peer: other.id, url: other.url, id })
    const outcome = () => this.inputs.slice(before).find(({ type }) => type === 'dialled' || type === 'dial-failed')
    await until(`${this.id} has dialled ${other.id}`, () => outcome() !== undefined)
    const found = outcome()
    if (found === undefined) throw new Error('no outcome')
    return found
  }

  /** Opens a link to another harness. Returns the link's number at each end. */
  async link(other: CarrierHarness): Promise<{ out: number; in: number }> {
    let dialled = await this.dial(other)
    // The NATS backbone may not be connected yet.
    for (let tries = 0; dialled.type !== 'dialled' && tries < 100; tries++) dialled = await this.dial(other)
    if (dialled.type !== 'dialled') throw new Error(`${this.id} cannot dial ${other.id}`)
    return { out: dialled.link, in: other.inputsOfType('accepted').at(-1)?.link ?? 0 }
  }

  send(link: number, ...frames: (DiallerFrame | AcceptorFrame)[]): void {
    for (const frame of frames) this.carrier.perform({ type: 'send', link, frame })
  }

  async close(): Promise<void> {
    await this.carrier.close()
    await this.#close()
  }
}
