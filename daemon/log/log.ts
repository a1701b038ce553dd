import { pino } from 'pino'
import { sanitizeLine } from '../../src/protocol/text.ts'
import type { LogEntry } from '../../src/server/types.ts'
import { stdoutLines } from './line-output.ts'

/** Format and level of the log. `debug` adds several lines per message. */
export interface LogOptions {
  format: 'text' | 'json'
  level: 'debug' | 'info' | 'warn' | 'error'
  /** Log the texts of messages, not only their lengths. */
  text: boolean
  /** Start of each line in text format, where several processes write to one terminal. */
  prefix?: string
}

const plural = (count: number, word: string) => `${count} ${word}${count === 1 ? '' : 's'}`

/** A difference of clocks: `3.2 s ahead of`, `90.0 s behind`. */
const formatSeconds = (ahead: number) =>
  `${(Math.abs(ahead) / 1_000).toFixed(1)} s ${ahead < 0 ? 'behind' : 'ahead of'}`

/** The log line of an entry. Many sentences are those of the original chat server; test/programs/daemon/log.test.ts. */
function formatNote(note: LogEntry, showText: boolean): string {
  switch (note.event) {
    case 'dialling-peers':
      return 'Attempting to connect to peers...'
    case 'dialling':
      return `Attempt connection to peer: ${note.peer} at: ${note.url}`
    case 'dial-failed':
      return `Peer: ${note.peer} unreachable: ${note.reason}. Will retry automatically.`
    case 'outbound':
      return `Outbound connection to peer: ${note.peer}`
    case 'inbound':
      return `Inbound connection from peer: ${note.peer}`
    case 'link-lost':
      return note.direction === 'outbound'
        ? `Peer: ${note.peer} disconnected. Will retry automatically.`
        : `Inbound connection from peer: ${note.peer} ended: ${note.reason}`
    case 'link-refused':
      return `Peer: ${note.peer} refused the connection: ${note.code}: ${note.reason}. Will retry automatically.`
    case 'link-denied':
      return `Refused a connection from peer: ${note.peer}: ${note.code}: ${note.reason}.`
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
      return `Requesting the full user list of peer: ${note.peer}...`
    case 'peer-gone':
      return `Removing ${plural(note.users, 'user')} of peer: ${note.peer}`
    case 'foreign-sender':
      return `Rejected ${plural(note.messages, 'message')} from peer: ${note.peer}: the sender is not connected there (last: ${note.user}).`
    case 'peer-goodbye':
      return `Peer: ${note.peer} is shutting down.`
    case 'joining':
      return `Requesting the servers of the mesh from: ${note.url}...`
    case 'peer-removed':
      return `Removing peer: ${note.peer}: no longer in the config.`
    case 'peer-forgotten':
      return `Forgetting peer: ${note.peer}: unreachable for an hour.`
    case 'peer-learned':
      return `Discovered peer: ${note.peer} at: ${note.url}`
    case 'updating-clients':
      return 'Updating clients with new user list...'
    case 'updating-peers':
      return `Updating peers with connection count for user: ${note.user}...`
    case 'room-joined':
      return `User: ${note.user} joined ${note.room}, which has ${plural(note.members, 'member')}.`
    case 'room-left':
      return `User: ${note.user} left ${note.room}, which has ${plural(note.members, 'member')}.`
    case 'user-connected':
      return `User: ${note.user} connected ${plural(note.connections, 'time')}.`
    case 'user-disconnected':
      return note.connections === 0
        ? `User ${note.user} disconnected.`
        : `User ${note.user} still has ${plural(note.connections, 'connection')}.`
    case 'connection-refused':
      return `Rejected a client (${note.code}): ${note.reason}`
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
    case 'clock-wrong': {
      const { server, ahead, isOwn } = note
      const clock = isOwn ? 'The clock of this machine' : `The clock of peer: ${server}`
      return `${clock} is ${formatSeconds(ahead)} the time of the mesh; synchronize it with NTP.`
    }
    case 'clock-right':
      return `${note.isOwn ? 'The clock of this machine' : `The clock of peer: ${note.server}`} is right again.`
    case 'stalled':
      return `This process was paused for ${note.ms} ms; restarting the heartbeat timeouts of all peers.`
    case 'draining':
      return `Draining: asking ${plural(note.clients, 'client')} to reconnect to another server...`
  }
}

/** The level of an entry: `debug` for each entry about a single message, and for repeated failures of a dial. */
function level(note: LogEntry): LogOptions['level'] {
  switch (note.event) {
    case 'im':
    case 'not-connected-here':
    case 'sending':
    case 'forwarding':
      return 'debug'
    case 'dialling':
    case 'joining':
      return note.isRetry ? 'debug' : 'info'
    case 'dial-failed':
    case 'link-refused':
    case 'link-denied':
      return note.isRepeated ? 'debug' : 'warn'
    case 'foreign-sender':
    case 'stalled':
    case 'clock-wrong':
      return 'warn'
    case 'link-lost':
      return note.direction === 'outbound' ? 'warn' : 'info'
    default:
      return 'info'
  }
}

const LEVELS = { debug: 20, info: 30, warn: 40, error: 50 }

/** The log of a server. */
export interface Log {
  write: (level: LogOptions['level'], message: string) => void
  note: (note: LogEntry) => void
}

/** The log of a process, on stdout. */
export interface ProcessLog extends Log {
  /** The number of lines that could not be written. */
  lostLines: () => number
}

/** A log that writes to stdout. It never blocks and never fails: lines that cannot be written are lost and counted. */
export function createLog(options: LogOptions, server: string): ProcessLog {
  const output = stdoutLines((lost, reason) => {
    log.write('warn', `${plural(lost, 'line')} of the log could not be written: ${reason}.`)
  })
  const json = pino({ level: options.level, base: { server } }, output)
  const log = createCallbackLog(options, (level, line) => {
    if (options.format === 'json') json[level](line)
    else output.write(`${options.prefix ?? ''}${line}\n`)
  })
  return { ...log, lostLines: () => output.lost }
}

/** A log that passes each line to a function. */
export function createCallbackLog(
  options: Pick<LogOptions, 'level' | 'text'>,
  writeLine: (level: LogOptions['level'], line: string) => void,
): Log {
  const isEnabled = (level: LogOptions['level']) => LEVELS[level] >= LEVELS[options.level]
  return {
    write: (level, message) => {
      if (isEnabled(level)) writeLine(level, sanitizeLine(message))
    },
    // Formats only entries that are logged.
    note: note => {
      if (isEnabled(level(note))) writeLine(level(note), sanitizeLine(formatNote(note, options.text)))
    },
  }
}

/** A log that discards everything. */
export const SILENT_LOG: Log = { write: () => {}, note: () => {} }
