import { isLoopbackUrl } from '../../src/common/loopback.ts'
import { EXIT, fail, readErrorReason } from '../../src/programs/command-line/fail.ts'
import { VERSION } from '../../src/programs/package.ts'
import { sanitizeLine } from '../../src/protocol/text.ts'
import type { ClientEvent } from '../common/client-events.ts'
import { KeyFiles } from '../keys/key-files.ts'
import { dataFolder } from '../storage/data-folder.ts'
import { closePermissions } from '../storage/files/close-permissions.ts'
import { KnownMeshes } from './known-meshes.ts'
import { changedKeyText, openFilesNotice, startedOfflineNotice, unusablePinsNotice } from './mesh-notices.ts'
import { PinnedSession } from './pinned-session.ts'

/** What to do if no server is reachable. */
export const START_SERVER_HINT = 'check the address, or start one with: mesh-chatd --id server-1'

/** The user to connect as, and the servers. */
export interface ConnectionTarget {
  user: string
  /** Server URLs in the order in which to try them. */
  servers: readonly string[]
  /** Certificate authority of the servers, as PEM; default: those that Node.js trusts. */
  ca?: string | undefined
  /** The user's token, signed by the operator of the mesh. */
  token?: string | undefined
  /** URL of the server used last. */
  lastServer?: string | undefined
  /** See `PinnedSessionOptions`. */
  durable?: boolean | undefined
  /** Days of a room's history that the client asks its members for; undefined: the default. */
  roomHistoryDays?: number | undefined
  /** At the first meeting, accept remote servers that do not check keys, although this user has one. */
  insecure?: boolean | undefined
}

/** What a command stores. */
export interface StorageOptions {
  /** Whether to store messages on disk. */
  history: boolean
  /** See `PinnedSessionOptions`. */
  ownOutbox?: boolean
  /** See `PinnedSessionOptions`. */
  ownRooms?: boolean
  /** See `SessionOptions`. */
  views?: boolean
  /** See `SessionOptions`. */
  roomHistoryDays?: number
  /** See `SessionOptions`. */
  typing?: boolean
  /** Go on without a server at the start: a notice says so. Default: end. */
  startsOffline?: boolean
  /** Called repeatedly with the indexed part (0 to 1) while a large history is indexed. */
  progress?: (share: number) => void
}

/**
 * Prepares to connect as a user. The session starts with `start`, pins its mesh, and reconnects when a connection fails.
 * It gives up if the server refuses the user or is of another mesh, or, unless it may start offline, if no server is
 * reachable at start.
 * @param end called on giving up, with the exit code and a one-line error
 */
export function goOnline(
  target: ConnectionTarget,
  storage: StorageOptions,
  listener: (event: ClientEvent) => void,
  end: (code: number, message: string) => void,
): PinnedSession {
  const { user, servers, ca, token, insecure, lastServer, durable, roomHistoryDays } = target
  const { openFiles, keys, pins } = openDataFolder(user)
  let wasOnline = false
  let failures = 0
  let isReportedOffline = false
  let reportedProblem: string | undefined
  /** Why the mesh was refused, if its key has changed. */
  let changed: string | undefined
  const reportProblem = () => {
    if (pins.problem === undefined || pins.problem === reportedProblem) return
    reportedProblem = pins.problem
    listener(unusablePinsNotice(pins.problem))
  }
  const session = new PinnedSession(
    {
      user,
      client: `mesh-chat/${VERSION}`,
      servers,
      ca,
      token,
      // A user with a key requires key mode of remote servers: otherwise a server could downgrade the client to open mode.
      auth: keys.hasKey && !insecure && !servers.every(isLoopbackUrl) ? 'key' : undefined,
      pins,
      loadKey: () => keys.load(),
      hasKey: keys.hasKey,
      lastServer,
      durable,
      disk: storage.history ? 'all' : 'keys',
      ownOutbox: storage.ownOutbox === true,
      ownRooms: storage.ownRooms === true,
      views: storage.views === true,
      roomHistoryDays: storage.roomHistoryDays ?? roomHistoryDays,
      typing: storage.typing,
      progress: storage.progress,
    },
    event => {
      reportProblem()
      if (event.type === 'mesh-changed') changed = changedKeyText(event)
      listener(event)
      if (event.type !== 'connection') return
      const { state } = event
      if (state.phase === 'online') wasOnline = true
      if (state.phase === 'refused') end(EXIT.general, changed ?? sanitizeLine(state.message))
      // A rejected client has reached a server: it warns and tries again.
      if (state.phase === 'waiting' && state.code === undefined && !wasOnline && ++failures >= servers.length) {
        const reason = sanitizeLine(state.reason)
        if (storage.startsOffline) {
          if (!isReportedOffline) listener(startedOfflineNotice(servers, reason))
          isReportedOffline = true
          return
        }
        end(EXIT.unavailable, `no server answers at ${servers.join(', ')} (${reason}); ${START_SERVER_HINT}`)
      }
    },
  )
  if (openFiles !== undefined) listener(openFiles)
  reportProblem()
  return session
}

/** Opens the files of a user that all meshes share. Ends the program if the data folder cannot be read. */
function openDataFolder(user: string) {
  const folder = dataFolder()
  try {
    const openFiles = openFilesNotice(closePermissions(folder))
    return { openFiles, keys: new KeyFiles(user), pins: KnownMeshes.onDisk() }
  } catch (error) {
    return fail(EXIT.general, `cannot read ${folder}: ${readErrorReason(error)}; your keys are there`)
  }
}
