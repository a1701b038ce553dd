import { createInterface } from 'node:readline'
import type { SessionEvent, SessionRequest } from '../../src/client/events.ts'
import { ConfusableNames } from '../../src/common/confusables.ts'
import { sanitizeLine, sanitizeText } from '../../src/protocol/text.ts'
import { fingerprint } from '../keys/fingerprint.ts'
import { PendingMessages } from '../session/pending-messages.ts'

/** How long the end of stdin waits for what was sent, ms. */
const DELIVERY_WAIT_MS = 10_000

/** The line of an event, or undefined for one that a person need not read. */
function formatEvent(event: SessionEvent, user: string, confusables: ConfusableNames): string | undefined {
  switch (event.type) {
    case 'message': {
      const { at, from, to, text } = event.message
      const time = new Date(at).toTimeString().slice(0, 5)
      const alike = from === user ? undefined : confusables.find(from)
      const name = alike === undefined ? from : `${from} (who looks like ${alike})`
      return sanitizeText(from === user ? `${time} to ${to}: ${text}` : `${time} ${name}: ${text}`)
    }
    case 'connection': {
      const { state } = event
      if (state.phase === 'online') return `* online at ${state.server}`
      if (state.phase === 'waiting') return `* not connected (${sanitizeLine(state.reason)}); trying again`
      return undefined
    }
    case 'roster':
      if (event.joined.length + event.left.length === 0) return undefined
      return sanitizeLine(`* online: ${[...event.users].join(', ')}`)
    case 'progress':
      if (event.progress.state === 'refused') return `* refused: ${sanitizeLine(event.progress.message)}`
      if (event.progress.state !== 'waiting' || event.progress.reason !== 'recipient-offline') return undefined
      return sanitizeLine(`* ${event.to} is offline; the message goes out when they come online`)
    case 'key':
      return formatKeyEvent(event)
    case 'forged':
      return `* a message that nobody can have written as ${event.from} was dropped`
    case 'servers':
    case 'connections':
    case 'read':
      return undefined
  }
}

/** What a person is told of a user's key: nothing, unless it is another than before. */
function formatKeyEvent({ user, key, state }: Extract<SessionEvent, { type: 'key' }>): string | undefined {
  if (state === 'own' || state === 'new') return undefined
  if (state === 'trusted') return `* the key of ${user} is trusted`
  return (
    `* WARNING: ${user} has another key than before: ${fingerprint(key)}. Somebody else may have the name; ` +
    `ask ${user} in another way. What you write to ${user} waits; /trust ${user} takes the new key.`
  )
}

/**
 * Chats line by line: messages on stdout, all else on stderr. From stdin `/to NAME` chooses the recipient, `/trust
 * NAME` takes their new key, `/quit` and its end leave, anything else is a message. What the disk's history holds is not told.
 */
export class LineMode {
  readonly #user: string
  readonly #pending = new PendingMessages()
  readonly #confusables = new ConfusableNames()
  #started = false
  /** What was told of keys last. */
  #lastKeyEvent: Extract<SessionEvent, { type: 'key' }> | undefined

  constructor(user: string) {
    this.#user = user
  }

  handleEvent(event: SessionEvent): void {
    this.#pending.handleEvent(event)
    if (event.type === 'connection') this.#started = true
    if (event.type === 'message' && !this.#started) return
    if (event.type === 'key') this.#lastKeyEvent = event
    if (event.type === 'roster') this.#confusables.update(event.joined, event.left)
    const text = formatEvent(event, this.#user, this.#confusables)
    if (text !== undefined) (event.type === 'message' ? console.log : console.error)(text)
  }

  /** Reads stdin to its end; `end` is called when the fates of what was sent are known, or were waited for. */
  readStdin(to: string | undefined, send: (request: SessionRequest) => void, end: () => void): void {
    let recipient = to
    const input = createInterface({ input: process.stdin })
    input.on('line', text => {
      if (text === '/quit') return input.close()
      if (text.startsWith('/to ')) recipient = text.slice(4).trim()
      else if (text === '/key' || text.startsWith('/key ')) this.#showKey(text.slice(5).trim() || this.#user)
      else if (text.startsWith('/trust ')) send({ type: 'trust', user: text.slice(7).trim() })
      else if (text.startsWith('/') && !text.startsWith('//'))
        console.error('commands: /to NAME, /key NAME, /trust NAME, /quit; // sends a slash')
      else if (recipient === undefined) console.error('choose whom to write to with: /to NAME')
      else if (text !== '') send({ type: 'compose', to: recipient, text: text.replace(/^\/\//, '/') })
    })
    input.on('close', async () => {
      const left = await this.#pending.waitUntilSettled(DELIVERY_WAIT_MS)
      if (left > 0) console.error(`* ${left} not confirmed yet; they go out again when ${this.#user} is online`)
      end()
    })
  }

  #showKey(name: string): void {
    if (this.#lastKeyEvent === undefined) return console.error('* this mesh does not know its users by keys')
    const key = name === this.#user ? this.#lastKeyEvent.own : this.#lastKeyEvent.known.get(name)
    console.error(sanitizeLine(`* the key of ${name}: ${key === undefined ? 'not met yet' : fingerprint(key)}`))
  }
}
