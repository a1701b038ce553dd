/** A minimal IRC client: joins one channel, and counts its messages. */
import { connect, type Socket } from 'node:net'

export class IrcClient {
  /** Called with each message to the channel. */
  onMessage: () => void = () => {}
  readonly #socket: Socket
  #rest = ''
  #onJoined: () => void = () => {}

  private constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.setEncoding('latin1')
    this.#socket.on('error', () => {})
    this.#socket.on('data', (chunk: string) => this.#handleData(chunk))
  }

  /** Connects and joins a channel. */
  static open(port: number, nick: string, channel: string): Promise<IrcClient> {
    const client = new IrcClient(port)
    return new Promise((resolve, reject) => {
      let reason = 'closed by the server'
      client.#socket.once('error', error => {
        reason = error.message
      })
      client.#socket.once('close', () => reject(new Error(`IRC connection to port ${port}: ${reason}`)))
      client.#onJoined = () => resolve(client)
      client.send(`NICK ${nick}\r\nUSER ${nick} 0 * :${nick}`)
      client.send(`JOIN ${channel}`)
    })
  }

  send(line: string): void {
    this.#socket.write(`${line}\r\n`)
  }

  close(): void {
    this.#socket.destroy()
  }

  #handleData(chunk: string): void {
    const text = this.#rest + chunk
    let at = 0
    for (let end = text.indexOf('\n', at); end >= 0; end = text.indexOf('\n', at)) {
      // `:nick!user@host COMMAND …`, or `COMMAND …`
      const command = text[at] === ':' ? text.indexOf(' ', at) + 1 : at
      if (text.startsWith('PRIVMSG ', command)) this.onMessage()
      else if (text.startsWith('PING ', command)) this.send(`PONG ${text.slice(command + 5, end).trim()}`)
      else if (text.startsWith('366 ', command)) this.#onJoined()
      at = end + 1
    }
    this.#rest = text.slice(at)
  }
}
