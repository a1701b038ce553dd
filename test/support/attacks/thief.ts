/** A client that tries to take the name of another user. */
import { generateKeyPairSync } from 'node:crypto'
import { io, type Socket } from 'socket.io-client'
import { Sealer } from '../../../cli/keys/sealer.ts'
import { type Challenge, identificationText } from '../../../src/protocol/proofs/credentials.ts'

/** Identifies with its own key, again and again, at all servers. */
export class Thief {
  readonly codes = new Set<string>()
  #stopped = false
  readonly #sockets: Socket[]

  constructor(user: string, ports: readonly number[]) {
    this.#sockets = ports.map(port => {
      const socket = io(`http://127.0.0.1:${port}`, {
        transports: ['websocket'],
        forceNew: true,
        reconnectionDelay: 50,
      })
      const key = new Sealer(generateKeyPairSync('ed25519').privateKey)
      const identify = (proof: object, reply: (answer: { code?: string; challenge?: Challenge }) => void) =>
        socket.emit('identify', { user, client: 'thief/1', protocol: 2, ...proof }, reply)
      const attempt = () => {
        if (this.#stopped) return
        identify({}, ({ challenge }) => {
          if (challenge === undefined) return
          const proof = key.sign(identificationText(user, challenge))
          identify({ key: key.key, proof }, ({ code = 'ok' }) => {
            this.codes.add(code)
            // The server closes a connection at its tenth refusal.
            if (code !== 'ok') setTimeout(attempt, 10)
          })
        })
      }
      socket.on('connect', attempt)
      socket.on('disconnect', () => setTimeout(() => socket.connect(), 20))
      return socket
    })
  }

  stop(): void {
    this.#stopped = true
    for (const socket of this.#sockets) {
      socket.removeAllListeners()
      socket.disconnect()
    }
  }
}
