import { createInterface } from 'node:readline'
import type { SessionEvent, SessionRequest } from '../src/client/events.ts'
import { visibleLine, visibleText } from '../src/protocol/text.ts'
import { Pending } from './pending.ts'

/** How long the end of stdin waits for what was sent, ms. */
const LAST_FATES_MS = 10_000

/** The line of an event, or undefined for one that a person need not read. */
function line(event: SessionEvent, user: string): string | undefined {
  switch (event.type) {
    case 'message': {
      const { at, from, to, text } = event.message
      const time = new Date(at).toTimeString().slice(0, 5)
      return visibleText(from === user ? `${time} to ${to}: ${text}` : `${time} ${from}: ${text}`)
    }
    case 'connection': {
      const { state } = event
      if (state.phase === 'online') return `* online at ${state.server}`
      if (state.phase === 'waiting') return `* not connected (${visibleLine(state.reason)}); trying again`
      return undefined
    }
    case 'roster':
      if (event.joined.length + event.left.length === 0) return undefined
      return visibleLine(`* online: ${[...event.users].join(', ')}`)
    case 'progress':
      if (event.progress.state === 'refused') return `* refused: ${visibleLine(event.progress.message)}`
      if (event.progress.state !== 'waiting' || event.progress.reason !== 'recipient-offline') return undefined
      return visibleLine(`* ${event.to} is offline; the message goes out when they come online`)
    case 'servers':
    case 'connections':
    case 'read':
      return undefined
  }
}

/**
 * Chats line by line: messages on stdout, all else on stderr. From stdin `/to NAME` chooses the recipient, `/quit` and
 * its end leave, anything else is a message. What the disk's history holds is not told.
 */
export class LineMode {
  readonly #user: string
  readonly #pending = new Pending()
  #started = false

  constructor(user: string) {
    this.#user = user
  }

  take(event: SessionEvent): void {
    this.#pending.take(event)
    if (event.type === 'connection') this.#started = true
    if (event.type === 'message' && !this.#started) return
    const text = line(event, this.#user)
    if (text !== undefined) (event.type === 'message' ? console.log : console.error)(text)
  }

  /** Reads stdin to its end; `end` is called when the fates of what was sent are known, or were waited for. */
  read(to: string | undefined, send: (request: SessionRequest) => void, end: () => void): void {
    let recipient = to
    const input = createInterface({ input: process.stdin })
    input.on('line', text => {
      if (text === '/quit') return input.close()
      if (text.startsWith('/to ')) recipient = text.slice(4).trim()
      else if (text.startsWith('/') && !text.startsWith('//'))
        console.error('commands: /to NAME, /quit; // sends a slash')
      else if (recipient === undefined) console.error('choose whom to write to with: /to NAME')
      else if (text !== '') send({ type: 'compose', to: recipient, text: text.replace(/^\/\//, '/') })
    })
    input.on('close', async () => {
      const left = await this.#pending.settle(LAST_FATES_MS)
      if (left > 0) console.error(`* ${left} not confirmed yet; they go out again when ${this.#user} is online`)
      end()
    })
  }
}
