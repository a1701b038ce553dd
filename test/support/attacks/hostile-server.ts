/** A server that says what a test wants on a real socket, and records what its clients give it. */
import { generateKeyPairSync, sign } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import { createServer, type Server as HttpServer } from 'node:http'
import { Server, type Socket } from 'socket.io'
import type { IdentifyRequest, ServerAddress } from '../../../src/protocol/messages.ts'
import type { AuthMode, Challenge } from '../../../src/protocol/proofs/credentials.ts'
import { type MeshIdentity, NO_TLS, serverProofText } from '../../../src/protocol/proofs/mesh-identity.ts'
import { freePorts } from '../programs/processes.ts'

/** The key pair of a mesh. */
export class MeshKey {
  readonly #pair = generateKeyPairSync('ed25519')
  readonly key = this.#pair.publicKey.export({ format: 'jwk' }).x ?? ''

  /** The proof for a client's nonce and the origin that it dialled. */
  prove({ nonce = '', origin = '' }: IdentifyRequest, auth: AuthMode, server = 's'): MeshIdentity {
    const text = serverProofText({ nonce, origin, auth, server, incarnation: 'i', channel: NO_TLS }, this.key)
    return { server, incarnation: 'i', auth, key: this.key, proof: this.sign(text) }
  }

  sign(text: string): string {
    return sign(null, Buffer.from(text), this.#pair.privateKey).toString('base64url')
  }
}

export const CHALLENGE: Challenge = { server: 's', connection: 's:1', nonce: 'n' }

/** A client that waits for the answer to its `identify`. */
export interface IdentifyingClient {
  socket: Socket
  answer: (payload: unknown) => void
}

export class HostileServer {
  readonly url: string
  /** Open connections that have not been closed by the client, oldest first. */
  readonly sockets: Socket[] = []
  /** What clients sent: the `identify` of the handshake and every event. */
  readonly received: { event: string; payload: unknown }[] = []
  /** The paths of the requests, with their queries. */
  readonly paths: string[] = []
  /** All that clients have sent, decoded: request lines and headers, and each packet. */
  readonly transcript: string[] = []
  /** Called for each `identify`. Default: no answer. */
  onIdentify: (request: IdentifyRequest, client: IdentifyingClient) => void = () => {}
  readonly #io: Server
  readonly #http: HttpServer

  private constructor(port: number) {
    this.url = `http://127.0.0.1:${port}`
    this.#http = createServer()
    this.#io = new Server(this.#http)
    this.#http.on('upgrade', ({ url }) => this.paths.push(url ?? ''))
    for (const event of ['upgrade', 'request'])
      this.#http.on(event, ({ method, url, rawHeaders }) =>
        this.transcript.push([method, url, ...rawHeaders].join(' ')),
      )
    this.#io.engine.on('connection', (connection: EventEmitter) =>
      connection.on('packet', ({ data = '' }: { data?: unknown }) => this.transcript.push(`${data}`)),
    )
    this.#io.on('connection', socket => {
      this.sockets.push(socket)
      const handle = (payload: unknown, answer: (payload: unknown) => void) => {
        this.received.push({ event: 'identify', payload })
        this.onIdentify(payload as IdentifyRequest, { socket, answer })
      }
      socket.onAny((event: string, payload: unknown, answer: (payload: unknown) => void) => {
        if (event === 'identify') handle(payload, answer)
        else this.received.push({ event, payload })
      })
      // The answer to an identification in the handshake is an event.
      const { identify } = socket.handshake.auth
      if (identify !== undefined) handle(identify, payload => socket.emit('identified', payload))
    })
  }

  /** @param at the port; default: an unused one */
  static async start(at?: number): Promise<HostileServer> {
    const port = at ?? (await freePorts(1))[0] ?? 0
    const server = new HostileServer(port)
    await new Promise<void>(resolve => server.#http.listen(port, '127.0.0.1', resolve))
    return server
  }

  /** Events received, in order, with repetitions. */
  get events(): string[] {
    return this.received.map(({ event }) => event)
  }

  /** Answers an `identify`: the client is let in. */
  accept(
    { answer }: IdentifyingClient,
    parts: { auth?: AuthMode; mesh?: MeshIdentity; servers?: ServerAddress[]; time?: number } = {},
  ): void {
    const roster = { version: 1, users: ['Anna', 'Billy'] }
    const common = { ok: true, server: 's', incarnation: 'i', connection: 's:1', roster, time: Date.now(), servers: [] }
    answer({ ...common, ...parts })
  }

  /** Answers an `identify`: asks for a key or a token. */
  ask({ answer }: IdentifyingClient, code: 'prove-key' | 'prove-token', mesh?: MeshIdentity): void {
    answer({ ok: false, code, message: 'prove it', challenge: CHALLENGE, mesh })
  }

  async close(): Promise<void> {
    await this.#io.close()
  }
}
