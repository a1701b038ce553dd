import { pino } from 'pino'
import { sanitizeLine } from '../../src/protocol/text.ts'
import type { LogEntry } from '../../src/server/types.ts'

/** How the log looks and how much it tells: at `debug` with a line per message, at `info` without. */
export interface LogOptions {
  format: 'text' | 'json'
  level: 'debug' | 'info' | 'warn' | 'error'
  text: boolean
  /** Stands before each line of text, where several processes write to one terminal. */
  prefix?: string
}

const plural = (count: number, word: string) => `${count} ${word}${count === 1 ? '' : 's'}`

/** The sentence of a note. */
function formatNote(note: LogEntry, showText: boolean): string {
  switch (note.event) {
    case 'dialling-peers':
      return 'Attempting to connect to peers...'
    case 'dialling':
      return `Attempt connection to peer: ${note.peer} at: ${note.url}`
    case 'dial-failed':
      return `Peer: ${note.peer} not reached: ${note.reason}. Will retry automatically.`
    case 'outbound':
      return `Outbound connection to peer: ${note.peer}`
    case 'inbound':
      return `Inbound connection from peer: ${note.peer}`
    case 'link-lost':
      return note.direction === 'outbound'
        ? `Peer: ${note.peer} disconnected. Will retry automatically.`
        : `Inbound connection from peer: ${note.peer} ended: ${note.reason}`
    case 'link-refused':
      return `Peer: ${note.peer} refused the connection: ${note.code}. Will retry automatically.`
    case 'update-from-peer':
      return `Received update from peer: ${note.peer}`
    case 'replacing-list':
      return `Replacing user list for peer: ${note.peer}`
    case 'adding-user':
      return `Adding user ${note.user} to list for peer: ${note.peer}`
    case 'replacing-user':
      return `Replacing user ${note.user} in list for peer: ${note.peer}`
    case 'removing-user':
      return `Removing user ${note.user} from list for peer: ${note.peer}`
    case 'resync':
      return `Asking peer: ${note.peer} for its whole user list...`
    case 'peer-gone':
      return `Removing ${plural(note.users, 'user')} of peer: ${note.peer}`
    case 'foreign-sender':
      return `Refused ${plural(note.messages, 'message')} from peer: ${note.peer}, which holds no such user, the last of ${note.user}.`
    case 'peer-goodbye':
      return `Peer: ${note.peer} said goodbye.`
    case 'joining':
      return `Asking at: ${note.url} who is in the mesh...`
    case 'peer-removed':
      return `Dropping peer: ${note.peer}, which the config does not name any more.`
    case 'peer-forgotten':
      return `Forgetting peer: ${note.peer}, which is gone for an hour.`
    case 'peer-learned':
      return `Learned of peer: ${note.peer} at: ${note.url}`
    case 'updating-clients':
      return 'Updating clients with new user list...'
    case 'updating-peers':
      return `Updating peers with connection count for user: ${note.user}...`
    case 'user-connected':
      return `User: ${note.user} connected ${plural(note.connections, 'time')}.`
    case 'user-disconnected':
      return note.connections === 0
        ? `User ${note.user} disconnected.`
        : `User ${note.user} still has ${plural(note.connections, 'connection')}.`
    case 'connection-refused':
      return `Refused a client (${note.code}): ${note.reason}`
    case 'im': {
      const text = showText ? note.text : `(${plural(note.text.length, 'character')})`
      return `Received ${note.forwarded ? 'forwarded ' : ''}IM from ${note.from} to ${note.to}: ${text}`
    }
    case 'not-connected-here':
      return `${note.role} ${note.user} not connected to this server`
    case 'sending':
      return `${note.role} ${note.user} has ${plural(note.connections, 'connection')} to this server, sending...`
    case 'forwarding':
      return `Forwarding to peer: ${note.peer}...`
    case 'stalled':
      return `This process stood still for ${note.ms} ms; peers get a fresh period.`
    case 'draining':
      return `Draining: asking ${plural(note.clients, 'client')} to move...`
  }
}

/** How important a note is: what is said of each message is the least. */
function level(note: LogEntry): LogOptions['level'] {
  switch (note.event) {
    case 'im':
    case 'not-connected-here':
    case 'sending':
    case 'forwarding':
      return 'debug'
    case 'dial-failed':
    case 'link-refused':
    case 'foreign-sender':
    case 'stalled':
      return 'warn'
    case 'link-lost':
      return note.direction === 'outbound' ? 'warn' : 'info'
    default:
      return 'info'
  }
}

const LEVELS = { debug: 20, info: 30, warn: 40, error: 50 }

/** Where a server narrates. */
export interface Log {
  write: (level: LogOptions['level'], message: string) => void
  note: (note: LogEntry) => void
}

/** A log on stdout. */
export function createLog(options: LogOptions, server: string): Log {
  const json = pino({ level: options.level, base: { server } })
  return createCallbackLog(options, (level, line) => {
    if (options.format === 'json') json[level](line)
    else console.log(`${options.prefix ?? ''}${line}`)
  })
}

/** A log whose lines a function takes. */
export function createCallbackLog(
  options: Pick<LogOptions, 'level' | 'text'>,
  writeLine: (level: LogOptions['level'], line: string) => void,
): Log {
  const isEnabled = (level: LogOptions['level']) => LEVELS[level] >= LEVELS[options.level]
  return {
    write: (level, message) => {
      if (isEnabled(level)) writeLine(level, sanitizeLine(message))
    },
    // The sentence is made only where somebody reads it.
    note: note => {
      if (isEnabled(level(note))) writeLine(level(note), sanitizeLine(formatNote(note, options.text)))
    },
  }
}

/** Tells nobody anything. */
export const SILENT_LOG: Log = { write: () => {}, note: () => {} }
