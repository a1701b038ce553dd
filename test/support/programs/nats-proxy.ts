/** A proxy between servers and NATS that loses or duplicates published messages, as a test chooses. */
import { createServer, connect as dial, type Server, type Socket } from 'node:net'

const CRLF = Buffer.from('\r\n')

export class NatsProxy {
  readonly url: string
  /** Called for each published message. The payload begins with its signature, 32 bytes. */
  decide: (subject: string, payload: Buffer) => 'pass' | 'lose' | 'twice' = () => 'pass'
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, target: number) {
    this.#server = server
    const address = server.address()
    this.url = `nats://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    server.on('connection', near => this.#connect(near, dial(target, '127.0.0.1')))
  }

  static async to(target: number): Promise<NatsProxy> {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return new NatsProxy(server, target)
  }

  kill(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #connect(near: Socket, far: Socket): void {
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        this.#sockets.delete(one)
        other.destroy()
      })
    }
    far.pipe(near)
    let rest = Buffer.alloc(0)
    near.on('data', chunk => {
      rest = Buffer.concat([rest, chunk])
      for (let next = this.#parseCommand(rest); next !== undefined; next = this.#parseCommand(rest)) {
        far.write(next.out)
        rest = rest.subarray(next.length)
      }
    })
  }

  /** The first command in `bytes`: its length, and the bytes to forward; undefined: it is not complete yet. */
  #parseCommand(bytes: Buffer): { length: number; out: Buffer } | undefined {
    const end = bytes.indexOf(CRLF)
    if (end < 0) return undefined
    const [verb = '', subject = '', ...more] = bytes.subarray(0, end).toString().split(' ')
    const at = end + CRLF.length
    const size = verb === 'PUB' ? Number(more.at(-1)) + CRLF.length : 0
    if (bytes.length < at + size) return undefined
    const command = bytes.subarray(0, at + size)
    const decision = verb === 'PUB' ? this.decide(subject, bytes.subarray(at, at + size - CRLF.length)) : 'pass'
    const out = { pass: command, lose: Buffer.alloc(0), twice: Buffer.concat([command, command]) }[decision]
    return { length: command.length, out }
  }
}
