/** Session events as lines of text. */
import type { SessionEvent } from '../../src/client/events.ts'
import type { ConfusableNames } from '../../src/common/confusables.ts'
import { sanitizeLine, sanitizeText } from '../../src/protocol/text.ts'
import { formatTimeOfDay } from '../format-time.ts'
import { fingerprint } from '../keys/fingerprint.ts'

/** The line to print for an event, or undefined if there is none. All but messages start with `* `. */
export function formatEvent(event: SessionEvent, user: string, confusables: ConfusableNames): string | undefined {
  switch (event.type) {
    case 'message': {
      const { at, from, to, text } = event.message
      const time = formatTimeOfDay(at)
      if (from === user) return sanitizeText(`${time} to ${to}: ${text}`)
      const similarName = confusables.find(from)
      const name = similarName === undefined ? from : `${from} (looks like ${similarName})`
      return sanitizeText(`${time} ${name}: ${text}`)
    }
    case 'connection': {
      const { state } = event
      if (state.phase === 'online') return `* online at ${state.server}`
      if (state.phase === 'waiting') return `* not connected (${sanitizeLine(state.reason)}); retrying`
      return undefined
    }
    case 'roster':
      if (event.joined.length + event.left.length === 0) return undefined
      return sanitizeLine(`* online: ${[...event.users].join(', ')}`)
    case 'progress':
      if (event.progress.state === 'refused') {
        return sanitizeLine(`* not sent to ${event.to}: ${event.progress.message}`)
      }
      if (event.progress.state !== 'waiting' || event.progress.reason !== 'recipient-offline') return undefined
      return sanitizeLine(`* ${event.to} is offline; the message is delivered when they connect`)
    case 'key':
      return formatKeyEvent(event)
    case 'forged':
      return sanitizeLine(`* dropped a forged message in the name of ${event.from}`)
    case 'servers':
    case 'connections':
    case 'read':
      return undefined
  }
}

function formatKeyEvent({ user, key, state }: Extract<SessionEvent, { type: 'key' }>): string | undefined {
  if (state === 'own' || state === 'new') return undefined
  if (state === 'trusted') return `* the new key of ${user} is trusted`
  return (
    `* WARNING: the key of ${user} has changed. The new key is: ${fingerprint(key)}. Someone else may be using this ` +
    `name. Verify the new key with ${user} over another channel, then accept it with /trust ${user}. Until then, your ` +
    `messages to ${user} are held.`
  )
}
