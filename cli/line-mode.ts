import { createInterface } from 'node:readline'
import type { SessionEvent, SessionRequest } from '../src/client/events.ts'
import { visibleLine, visibleText } from '../src/protocol/text.ts'

/** The line of an event, or undefined for one that a person need not read. */
export function line(event: SessionEvent, user: string): string | undefined {
  switch (event.type) {
    case 'message': {
      const { at, from, to, text } = event.message
      const time = new Date(at).toTimeString().slice(0, 5)
      return visibleText(from === user ? `${time} to ${to}: ${text}` : `${time} ${from}: ${text}`)
    }
    case 'connection': {
      const { state } = event
      if (state.phase === 'online') return `* online at ${state.server}`
      if (state.phase === 'waiting') return `* not connected (${state.reason}); trying again`
      if (state.phase === 'refused') return `* refused: ${state.message}`
      return undefined
    }
    case 'roster':
      if (event.joined.length + event.left.length === 0) return undefined
      return visibleLine(`* online: ${[...event.users].join(', ')}`)
    case 'progress':
      if (event.progress.state === 'refused') return `* refused: ${event.progress.message}`
      if (event.progress.state !== 'waiting' || event.progress.reason !== 'recipient-offline') return undefined
      return visibleLine(`* ${event.to} is offline; the message goes out when they come online`)
    case 'servers':
    case 'connections':
    case 'read':
      return undefined
  }
}

/** Reads lines from stdin: `/to Name` chooses the recipient, `/quit` ends, anything else is a message. */
export function readLines(to: string | undefined, send: (request: SessionRequest) => void, end: () => void): void {
  let recipient = to
  const input = createInterface({ input: process.stdin })
  input.on('line', text => {
    if (text === '/quit') return input.close()
    if (text.startsWith('/to ')) recipient = text.slice(4).trim()
    else if (text.startsWith('/') && !text.startsWith('//'))
      console.error('commands: /to Name, /quit; // sends a slash')
    else if (recipient === undefined) console.error('choose whom to write to with: /to Name')
    else if (text !== '') send({ type: 'compose', to: recipient, text: text.replace(/^\/\//, '/') })
  })
  input.on('close', end)
}
